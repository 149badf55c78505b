"""Worker: takes Sessions that have mail, one Turn at a time in each, many Sessions at once.

Three things come in from Redis: announcements of Sessions that nobody serves, Sessions whose worker has stopped
renewing its lease, and wishes to stop a Turn. All three survive Redis being away: they are asked for again.

Shutdown: `drain` takes no new Session, lets running Turns finish for a while, then stops those that are left,
visibly, and hands what still waits in their mailboxes to the other workers.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable, Iterator

from core.chat.turn import Stop, Turns
from core.errors import StoreUnavailable
from core.sessions import Lease, LeaseLost, Leases, Letter, Ready
from core.store import Store, keys

log = logging.getLogger(__name__)

LEASE_MS = 12_000
RENEW_EVERY_S = 3.0
LOOK_FOR_LAPSED_EVERY_S = 3.0
BLOCK_MS = 2_000
STORE_RETRY_S = 1.0


class _Serving:
    """One Session in this worker's hands."""

    def __init__(self) -> None:
        self.number = 0
        self.stop = Stop()

    def begin(self, letter: Letter) -> Stop:
        self.number, self.stop = letter.number, Stop()
        return self.stop

    def ask_to_stop(self, number: int) -> None:
        if number == self.number:
            self.stop.ask("asked")


class Worker:
    """Serves Sessions until `drain`. concurrency: Sessions at once; further ones wait in Redis."""

    def __init__(self, store: Store, leases: Leases, turns: Turns, concurrency: int = 100) -> None:
        self._store = store
        self._leases = leases
        self._turns = turns
        self._free = asyncio.Semaphore(concurrency)
        self._serving: dict[str, _Serving] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._draining = False

    async def run(self) -> None:
        """Take in work until cancelled. Turns under way go on: call `drain` afterwards."""
        await self._leases.prepare()
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._again_and_again(self._take_announced), name="worker:announced")
            tasks.create_task(self._again_and_again(self._take_lapsed), name="worker:lapsed")
            tasks.create_task(self._again_and_again(self._hear_stops), name="worker:stops")

    async def drain(self, finish_s: float, stop_s: float) -> None:
        """Let running Turns finish for `finish_s` seconds, then stop them visibly within `stop_s` more."""
        self._draining = True
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=finish_s)
        for serving in self._serving.values():
            serving.stop.ask("shutdown")
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=stop_s)
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        with contextlib.suppress(StoreUnavailable):
            await self._leases.leave()

    @property
    def running(self) -> int:
        """Sessions being served now."""
        return len(self._serving)

    async def _again_and_again(self, once: Callable[[], Awaitable[None]]) -> None:
        away = False
        while True:
            try:
                await once()
                if away:
                    log.warning("store.back")
                away = False
            except StoreUnavailable as exc:
                if not away:
                    log.warning("store.unavailable", extra={"reason": str(exc)})
                away = True
                await asyncio.sleep(STORE_RETRY_S)

    async def _take_announced(self) -> None:
        async with self._free:  # a place must be free before we ask, what we take we serve
            pass
        for ready in await self._leases.announced(BLOCK_MS, most=1):
            await self._begin(ready)

    async def _take_lapsed(self) -> None:
        for ready in await self._leases.lapsed():
            await self._begin(ready)
        await asyncio.sleep(LOOK_FOR_LAPSED_EVERY_S)

    async def _begin(self, ready: Ready) -> None:
        if ready.thread_id in self._serving:
            return  # announced again while we serve it: its entry is looked at when it has been idle
        self._serving[ready.thread_id] = _Serving()
        try:
            await self._free.acquire()
        except asyncio.CancelledError:
            del self._serving[ready.thread_id]
            raise
        task = asyncio.create_task(self._contained(ready), name=f"session:{ready.thread_id}")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _contained(self, ready: Ready) -> None:
        """The crash boundary: whatever happens in one Session, the others go on."""
        try:
            await self._serve(ready)
        except LeaseLost:
            log.warning("session.lease_lost", extra={"thread_id": ready.thread_id})
        except StoreUnavailable as exc:
            log.warning("session.store_unavailable", extra={"thread_id": ready.thread_id, "reason": str(exc)})
        except Exception:
            log.exception("session.failed", extra={"thread_id": ready.thread_id})
        finally:
            del self._serving[ready.thread_id]
            self._free.release()

    async def _serve(self, ready: Ready) -> None:
        lease = await self._leases.take(ready)
        if lease is None:
            return  # somebody else serves it; should that one die, the entry comes back to us
        serving = self._serving[ready.thread_id]
        answering = asyncio.create_task(self._answer_all(lease, serving), name=f"turns:{lease.thread_id}")
        renewing = asyncio.create_task(self._renew(lease, serving), name=f"lease:{lease.thread_id}")
        try:
            await asyncio.wait({answering, renewing}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in (answering, renewing):
                task.cancel()
            results = await asyncio.gather(answering, renewing, return_exceptions=True)
        for result in results:
            if isinstance(result, BaseException) and not isinstance(result, asyncio.CancelledError):
                raise _single(result)

    async def _answer_all(self, lease: Lease, serving: _Serving) -> None:
        while True:
            letter = None if self._draining else await lease.next_letter()
            if letter is not None:
                stop = serving.begin(letter)
                if await lease.fact("stop") == str(letter.number):  # asked while nobody served it
                    stop.ask("asked")
                await self._turns.answer(lease, letter, stop)
            elif await lease.release(hand_over=self._draining):
                return

    async def _renew(self, lease: Lease, serving: _Serving) -> None:
        while True:
            await asyncio.sleep(RENEW_EVERY_S)
            try:
                stop = await lease.renew(self._leases.ttl_ms)
            except StoreUnavailable:
                continue  # nobody else can take the Session either; the next renewal tells
            if stop is not None:
                serving.ask_to_stop(stop)

    async def _hear_stops(self) -> None:
        async with self._store.subscribed(keys.STOP_CHANNEL) as wishes:
            async for text in wishes:
                number, _, thread = text.partition(" ")
                serving = self._serving.get(thread)
                if serving is not None and number.isdecimal():
                    serving.ask_to_stop(int(number))


def _single(failure: BaseException) -> BaseException:
    """A TaskGroup wraps what its tasks raise: the expected failure inside it, else the group itself."""
    return next((leaf for leaf in _leaves(failure) if isinstance(leaf, LeaseLost | StoreUnavailable)), failure)


def _leaves(failure: BaseException) -> Iterator[BaseException]:
    if isinstance(failure, BaseExceptionGroup):
        for inner in failure.exceptions:
            yield from _leaves(inner)
    else:
        yield failure
