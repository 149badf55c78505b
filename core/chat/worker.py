"""Worker: takes Sessions that have mail, one Turn at a time in each, many Sessions at once.

Three things come in from Redis: announcements of Sessions that nobody serves, Sessions whose worker has stopped
renewing its lease, and wishes to stop a Turn. All three survive Redis being away: they are asked for again. What
Redis lost on the way (a failover, a mistake of somebody's) is found by a slow sweep over the mailboxes.

Shutdown: `drain` takes no new Session and lets running Turns finish for a while. Those that are left go on in another
worker, in the same messages, if there is one; else they are stopped, visibly.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import random
from collections.abc import Awaitable, Callable, Iterator, Sequence
from functools import partial

from core.chat.room import Room
from core.chat.stop import Stop
from core.chat.turn import Turns
from core.errors import StoreUnavailable
from core.sessions import NUDGE, Begun, Lease, LeaseLost, Leases, Ready
from core.store import Store, keys

log = logging.getLogger(__name__)

LEASE_MS = 12_000
RENEW_EVERY_S = 3.0
LOOK_FOR_LAPSED_EVERY_S = 3.0
BLOCK_MS, CROWDED_BLOCK_MS = 2_000, 100
"""How long Redis is asked to wait for work; the second while others wait for the place that we hold meanwhile."""

MOST_LAPSED = 50
"""Sessions of workers that are gone, taken over in one go."""

STORE_RETRY_S = 1.0
BEAT_EVERY_S = 2.0
BEAT_COUNTS_MS = 7_000
SWEEP_EVERY_S = 60
NAME_KEPT_S = 24 * 3600
"""How long the name of a worker that is gone stays in the consumer groups."""


class _Serving:
    """One Session in this worker's hands. ready: by which announcement."""

    def __init__(self, ready: Ready) -> None:
        self.ready = ready
        self.again: Ready | None = None  # announced once more meanwhile: to be looked at when this ends
        self.lapses = 0  # how often Redis called its entry idle since the lease was last renewed
        self.given_away = asyncio.Event()
        self.number = 0
        self.stop = Stop()
        self.nudged = asyncio.Event()

    def begin(self, begun: Begun) -> Stop:
        self.number, self.stop = begun.number, Stop()
        return self.stop

    def ask_to_stop(self, number: int) -> None:
        if number == self.number:
            self.stop.ask("asked")


class Worker:
    """Serves Sessions until `drain`. concurrency: Sessions at once; further ones wait in Redis."""

    def __init__(self, store: Store, leases: Leases, turns: Turns, concurrency: int = 250) -> None:
        self._store = store
        self._leases = leases
        self._turns = turns
        self._room = Room(concurrency)
        self._serving: dict[str, _Serving] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._draining = False

    async def run(self) -> None:
        """Take in work until cancelled. Turns under way go on: call `drain` afterwards."""
        await self._leases.prepare()
        async with asyncio.TaskGroup() as tasks:
            for partitions in self._leases.readable_together:
                take = partial(self._take_announced, partitions)
                tasks.create_task(self._again_and_again(take), name=f"worker:announced:{partitions[0]}")
            tasks.create_task(self._again_and_again(self._take_lapsed), name="worker:lapsed")
            tasks.create_task(self._again_and_again(self._hear_stops), name="worker:stops")
            tasks.create_task(self._again_and_again(self._beat), name="worker:beat")
            tasks.create_task(self._again_and_again(self._sweep), name="worker:sweep")

    async def drain(self, finish_s: float, stop_s: float) -> None:
        """Let running Turns finish for `finish_s` seconds, then give them away or stop them visibly within `stop_s`."""
        self._draining = True
        await self._other_workers()  # whoever else ends now shall not count on us
        await self._wait_for_tasks(finish_s)
        others = await self._other_workers() if self._serving else 0
        log.info("worker.drained", extra={"left": len(self._serving), "others": others})
        for serving in self._serving.values():
            if others:
                serving.given_away.set()
            else:
                serving.stop.ask("shutdown")
        await self._wait_for_tasks(stop_s)
        tasks = list(self._tasks.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        with contextlib.suppress(StoreUnavailable):
            await self._leases.leave()

    async def _wait_for_tasks(self, seconds: float) -> None:
        if self._tasks:
            await asyncio.wait(self._tasks.values(), timeout=seconds)

    async def _other_workers(self) -> int:
        """Take leave of the workers; how many are left."""
        try:
            return await self._leases.beat(0)
        except StoreUnavailable:
            return 0

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

    async def _take_announced(self, partitions: Sequence[int]) -> None:
        left = await self._room.take_free(len(partitions))  # before we ask: what we take we serve
        crowded = left < len(partitions) or self._room.is_full
        asked = random.sample(partitions, left) if left < len(partitions) else partitions
        try:
            for ready in await self._leases.announced(CROWDED_BLOCK_MS if crowded else BLOCK_MS, 1, asked):
                left -= self._begin(ready)
        finally:
            self._room.give_back(left)

    async def _take_lapsed(self) -> None:
        left = await self._room.take_free(MOST_LAPSED)
        try:
            for ready in await self._leases.lapsed(left):
                serving = self._serving.get(ready.thread_id)
                if serving is not None and serving.ready.entry == ready.entry:
                    self._on_own_lapse(serving)
                else:
                    left -= self._begin(ready)
        finally:
            self._room.give_back(left)
        await asyncio.sleep(LOOK_FOR_LAPSED_EVERY_S)

    def _on_own_lapse(self, serving: _Serving) -> None:
        """Redis says that a Session in our hands is idle. Once may be due to Redis, which was away; twice in a row,
        a lease's time apart, means that we are stuck in it: let go, so that it lapses for somebody else."""
        serving.lapses += 1
        if serving.lapses > 1:
            log.error("session.stuck", extra={"thread_id": serving.ready.thread_id})
            self._tasks[serving.ready.thread_id].cancel()

    async def _beat(self) -> None:
        await self._leases.beat(BEAT_COUNTS_MS)
        await asyncio.sleep(BEAT_EVERY_S)

    async def _sweep(self) -> None:
        if found := await self._leases.sweep(SWEEP_EVERY_S, NAME_KEPT_S):
            log.warning("worker.announced_again", extra={"sessions": found})
        await asyncio.sleep(SWEEP_EVERY_S * random.uniform(0.5, 1.5))

    def _begin(self, ready: Ready) -> bool:
        """Serve a Session in a place that has been taken for it; False when it is served already, and needs none."""
        if (serving := self._serving.get(ready.thread_id)) is not None:
            serving.again = ready
            return False
        self._serving[ready.thread_id] = _Serving(ready)
        task = asyncio.create_task(self._contained(ready), name=f"session:{ready.thread_id}")
        self._tasks[ready.thread_id] = task
        return True

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
            again = self._serving.pop(ready.thread_id).again
            del self._tasks[ready.thread_id]
            if again is not None and not self._draining:
                self._begin(again)
            else:
                self._room.give_back(1)

    async def _serve(self, ready: Ready) -> None:
        lease = await self._leases.take(ready, begins=self._turns.one_by_one and not self._draining)
        if lease is None:
            return  # somebody else serves it; should that one die, the entry comes back to us
        serving = self._serving[ready.thread_id]
        answering = asyncio.create_task(self._answer_all(lease, serving), name=f"turns:{lease.thread_id}")
        renewing = asyncio.create_task(self._renew(lease, serving), name=f"lease:{lease.thread_id}")
        giving = asyncio.create_task(serving.given_away.wait(), name=f"give:{lease.thread_id}")
        try:
            await asyncio.wait({answering, renewing, giving}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in (answering, giving):
                task.cancel()
            try:
                await asyncio.wait({answering})
            finally:  # also when cancelled a second time: nobody else would end it
                renewing.cancel()  # last, since a call to the platform that is under way is waited for
            results = await asyncio.gather(answering, renewing, return_exceptions=True)
        for result in results:
            if isinstance(result, BaseException) and not isinstance(result, asyncio.CancelledError):
                raise _single(result)
        if serving.given_away.is_set() and answering.cancelled():
            await lease.release(hand_over=True)

    async def _answer_all(self, lease: Lease, serving: _Serving) -> None:
        while True:
            serving.nudged.clear()  # before we look: what comes from here on is news
            begun = None if self._draining else await self._turns.begin(lease)
            if begun is not None:
                stop = serving.begin(begun)
                if begun.facts.get("stop") == str(begun.number):  # asked while nobody served it
                    stop.ask("asked")
                await self._turns.answer(lease, begun, stop, serving.nudged)
            elif await lease.release(hand_over=self._draining):
                return

    async def _renew(self, lease: Lease, serving: _Serving) -> None:
        while True:
            await asyncio.sleep(RENEW_EVERY_S)
            try:
                stop = await lease.renew(self._leases.ttl_ms)
                serving.lapses = 0
            except StoreUnavailable:
                continue  # nobody else can take the Session either; the next renewal tells
            if stop is not None:
                serving.ask_to_stop(stop)

    async def _hear_stops(self) -> None:
        async with self._store.subscribed(keys.STOP_CHANNEL) as wishes:
            async for text in wishes:
                number, _, thread = text.partition(" ")
                serving = self._serving.get(thread)
                if serving is not None and number == NUDGE:
                    serving.nudged.set()
                elif serving is not None and number.isdecimal():
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
