"""Reception: one payload from Slack, taken in before it is acked.

Slack delivers an event again (at once, after one minute, after five) until it is acked. So the ack is the receipt:
it is given when core has stored the Message, and withheld when core could not. Deliveries are never dropped for being
repeated: one that came while no socket was open exists as a repetition only. Core tells them apart.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Coroutine
from typing import Any, assert_never

from adapters.slack._admission import Admission
from adapters.slack._web import Web
from adapters.slack.commands import BROKEN, BUSY, FULL, STORE_DOWN, Commands
from adapters.slack.inbound import (
    Change,
    Deleted,
    Edited,
    Me,
    Payload,
    Press,
    Reacted,
    Stopped,
    event_type,
    read_change,
    read_message,
    read_press,
    read_slash,
)
from adapters.slack.people import People
from adapters.slack.place import Place, user_id
from adapters.slack.whisper import Whisper
from core.chat import Intake, Message, StoreUnavailable

log = logging.getLogger(__name__)

LAST_RETRY = 3
"""`X-Slack-Retry-Num` of the last delivery. Source: docs.slack.dev, "Events API", error handling."""

_NOTHING_TO_STOP = "That answer is not being written any more."
_NOT_THE_NEWEST = "Only the newest answer can be asked for again. Ask the question once more instead."
_RATING_TAKEN = {
    "up": "👍 Noted, thank you.",
    "down": "👎 Noted, thank you. **Retry** asks for another answer.",
}
_TOO_OLD_TO_RATE = "That answer is too old to be rated."
_REMOVED = frozenset({"app_uninstalled", "tokens_revoked"})
_RECENT = 1000


class Reception:
    """What is done with payloads while `intake` listens. Owns the work that goes on after an ack."""

    def __init__(self, me: Me, web: Web, intake: Intake, admission: Admission) -> None:
        self._me = me
        self._intake = intake
        self._whisper = Whisper(web, admission)
        people = People(web.client, admission)
        self._commands = Commands(me, web.client, people, self._whisper, intake, admission)
        self._tasks: set[asyncio.Task[None]] = set()
        self._said: dict[str, None] = {}
        self._closed = False

    async def take(self, body: Payload, retry: int = 0) -> bool:
        """Take in one payload of any kind; True means ack, False means that Slack shall deliver it again.

        retry: how often it has been delivered before.
        """
        if self._closed:
            return False
        if body.get("type") == "event_callback":
            return await self._take_event(body, retry)
        if press := read_press(body):
            return await self._take_press(press)
        if slash := read_slash(body, self._me):
            if not slash.trigger or self._first(f"trigger:{slash.trigger}"):
                self._begin(self._commands.run(slash))
            return True
        if body.get("type") == "app_rate_limited":
            log.warning("slack.events.rate_limited")
        return True

    def close(self) -> None:
        """Take in nothing more: what comes now is for another replica."""
        self._closed = True

    async def drain(self, within_s: float) -> None:
        """Take in nothing more, and let what has been acked come to its end; after `within_s` it is cancelled."""
        self.close()
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=within_s)
        left = list(self._tasks)
        for task in left:
            task.cancel()
        await asyncio.gather(*left, return_exceptions=True)

    async def _take_event(self, body: Payload, retry: int) -> bool:
        if (kind := event_type(body)) in _REMOVED:
            log.error("slack.app.removed", extra={"event_type": kind})
        if change := read_change(body, self._me):
            return await self._take_change(change)
        message = read_message(body, self._me)
        return message is None or await self._take_message(message, retry)

    async def _take_change(self, change: Change) -> bool:
        try:
            match change:
                case Edited(spot, text, version):
                    await self._intake.edited(spot, text, version)
                case Deleted(spot):
                    await self._intake.deleted(spot)
                case Reacted(spot, reaction):
                    await self._intake.reacted(spot, reaction)
                case Stopped(thread_id):
                    await self._intake.stop_in(thread_id)
                case _:
                    assert_never(change)
        except StoreUnavailable:
            log.warning("slack.change.not_stored", extra={"kind": type(change).__name__})
            return False
        except Exception:  # the crash boundary of one event
            log.exception("slack.change.failed", extra={"kind": type(change).__name__})
        return True

    async def _take_message(self, message: Message, retry: int) -> bool:
        addressed = message.reach != "thread"
        try:
            verdict = await self._intake.accept(message)
        except StoreUnavailable:
            log.warning("slack.event.not_stored", extra={"thread_id": message.thread_id, "retry": retry})
            if addressed and retry >= LAST_RETRY:
                self._tell(message, STORE_DOWN)
            return False
        except Exception:  # the crash boundary of one event
            log.exception("slack.event.failed", extra={"thread_id": message.thread_id})
            if addressed:
                self._tell(message, BROKEN)
            return addressed  # who has been told to try again shall not be answered as well
        if verdict in ("full", "busy"):
            self._tell(message, FULL if verdict == "full" else BUSY)
        return True

    async def _take_press(self, press: Press) -> bool:
        try:
            said = await self._pressed(press)
        except StoreUnavailable:  # Slack shows the person that the button failed
            log.warning("slack.press.not_stored", extra={"channel_id": press.channel})
            return False
        except Exception:
            log.exception("slack.press.failed", extra={"channel_id": press.channel})
            return False
        if said:
            self._begin(self._answer(press, said))
        return True

    async def _pressed(self, press: Press) -> str:
        """Do what the button says; what that person is to be told, "" where the reply itself shows it."""
        match press.control:
            case "stop":
                return "" if await self._intake.stop(press.value) else _NOTHING_TO_STOP
            case "retry":
                return _NOT_THE_NEWEST if await self._intake.retry(press.value) == "old" else ""
            case "up" | "down":
                rated = await self._intake.rated(press.value, user_id(press.user), press.control)
                return _TOO_OLD_TO_RATE if rated == "unknown" else _RATING_TAKEN[press.control]
            case _:
                assert_never(press.control)

    async def _answer(self, press: Press, markdown: str) -> None:
        if not await self._whisper.answer(press.response_url, markdown, press.thread_ts):
            await self._whisper.tell(press.channel, press.user, markdown, press.thread_ts)

    def _tell(self, message: Message, text: str) -> None:
        """Tell the author once, however many deliveries of this message there are."""
        if self._first(f"{message.keys[0]}:{text}"):
            place = Place.of(message.thread_id)
            user = message.author.user_id.removeprefix("slack:")
            self._begin(self._whisper.tell(place.channel, user, text, place.thread_ts))

    def _first(self, said: str) -> bool:
        if said in self._said:
            return False
        self._said[said] = None
        if len(self._said) > _RECENT:
            self._said.pop(next(iter(self._said)))
        return True

    def _begin(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work, name="slack:after-ack")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
