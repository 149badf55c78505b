"""Steering: Messages that come while a Turn runs, handed to its run and made part of the Turn.

A Message becomes part of the Turn in Redis first and is handed to the run then: a worker that dies in between leaves
a Turn with both questions to whoever takes it over. What the run never told its model goes back to the mailbox
before the Turn ends, and is the next Turn. So no Message is lost, and none is answered twice.
"""

from __future__ import annotations

import asyncio
import logging

from core.chat import codec
from core.chat.message import Message
from core.chat.policies import may_join
from core.chat.question import spoken
from core.chat.running import Running
from core.chat.speakers import named
from core.errors import StoreUnavailable
from core.sessions import Lease, LeaseLost

log = logging.getLogger(__name__)


class Steering:
    """upto: the number of the last Message in the Turn when its run begins.  starter: who began the Session.
    surface: where names are asked for."""

    def __init__(self, lease: Lease, running: Running, upto: int, starter: str, surface: object = None) -> None:
        self._lease = lease
        self._running = running
        self._starter = starter
        self._surface = surface
        self._numbers = [upto]
        self._taken: list[Message] = []
        self._work: asyncio.Task[None] | None = None
        self._over = False

    @property
    def taken(self) -> tuple[Message, ...]:
        """The Messages that became part of the Turn, in order."""
        return tuple(self._taken)

    async def listen(self, nudged: asyncio.Event) -> None:
        """Take in what waits whenever `nudged` is set, until cancelled."""
        while True:
            await nudged.wait()
            nudged.clear()
            self._work = asyncio.create_task(self._take_in(), name=f"steer:{self._lease.thread_id}")
            await asyncio.shield(self._work)  # `settle` awaits it: nothing of it happens after the Turn

    async def settle(self) -> None:
        """Give back what the run has not told its model. Raises LeaseLost, StoreUnavailable."""
        self._over = True
        if self._work is not None:
            await self._work
        heard = self._running.has_heard([spoken(message, self._starter) for message in self._taken])
        if heard < len(self._taken):
            del self._taken[heard:], self._numbers[heard + 1 :]
            await self._lease.extend(self._numbers[-1])

    async def _take_in(self) -> None:
        try:
            for letter in await self._lease.waiting(after=self._numbers[-1]):
                if self._over or not await self._hand_over(letter.number, letter.payload):
                    return
        except (StoreUnavailable, LeaseLost) as exc:  # it waits in the mailbox all the same
            log.info("turn.not_steered", extra={"thread_id": self._lease.thread_id, "reason": type(exc).__name__})

    async def _hand_over(self, number: int, payload: str) -> bool:
        try:
            message = codec.load_letter(payload)
        except ValueError:
            return False
        if not isinstance(message, Message) or not may_join(message):
            return False
        message = await named(message, self._starter, self._surface)
        self._numbers.append(number)  # before it is asked for: should the answer be lost, `settle` puts it back
        self._taken.append(message)
        await self._lease.extend(number)
        return self._running.steer(spoken(message, self._starter))
