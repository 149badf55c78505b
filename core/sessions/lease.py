"""Lease: the right of one worker to serve one Session, with a fence.

Every write of a Turn goes through the lease and is refused by Redis once the lease is lost: a worker that was
away too long (a stopped machine, a lost network) cannot write over the work of the one that took its place.
"""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from core.ids import ScopeId, ThreadId
from core.sessions.begun import Begun
from core.sessions.mailbox import Letter, Retention
from core.sessions.ratings import USAGE_TTL_S, LedgerRow
from core.store import Commands, Store, StoreError, keys, translated

CALL_SHARE = 0.25
"""The share of a lease that must be left when a platform is called: three seconds of twelve."""


class LeaseLost(Exception):
    """Somebody else serves the Session now; say and write nothing more."""


@dataclass(frozen=True, slots=True)
class UsageEntry:
    """What one Turn adds to the ledger: whole-number increments of fields of one day of one scope."""

    scope: ScopeId
    day: str
    increments: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Ready:
    """A Session that has mail, as announced on its partition's stream. entry: the id of the announcement."""

    thread_id: ThreadId
    partition: int
    entry: str


class Lease:
    """Held from `Leases.take` until `release`. Every method raises LeaseLost once somebody else has it."""

    def __init__(
        self,
        store: Store,
        retention: Retention,
        ready: Ready,
        group: str,
        worker: str,
        fence: int,
        *,
        ttl_ms: int,
        taken_at: float,
        first: Begun | None = None,
    ) -> None:
        """taken_at: loop time before it was taken.  first: a Turn that was begun in the same step."""
        self.thread_id = ready.thread_id
        self.fence = fence
        self._store = store
        self._retention = retention
        self._ready = ready
        self._group = group
        self._worker = worker
        self._token = f"{worker}#{fence}"
        self._ttl_ms = ttl_ms
        self._certain_until = taken_at + ttl_ms / 1000
        self._first = first
        self._given_back = False

    async def assure(self) -> None:
        """Return at once while the lease certainly holds for as long as one call to a platform takes; else ask Redis
        for more time. For what no fence guards: what people see."""
        if _now() >= self._certain_until - self._ttl_ms / 1000 * CALL_SHARE:
            await self.renew(self._ttl_ms)

    async def renew(self, ttl_ms: int) -> int | None:
        """Hold it for another `ttl_ms`. Returns the number of the Turn that somebody wants stopped, if any."""
        asked_at = _now()
        answer = await self._store.script(
            "renew",
            [self._key("lease"), self._key("meta"), keys.ready_stream(self._ready.partition)],
            [self._token, ttl_ms, self._group, self._worker, self._ready.entry],
        )
        if answer == "lost":
            raise LeaseLost(self.thread_id)
        self._certain_until = asked_at + ttl_ms / 1000
        return int(answer) if answer else None

    async def waiting(self, after: int = 0) -> list[Letter]:
        """The Messages in the mailbox whose number is above `after`, oldest first."""
        with translated(self._store.where):
            entries = await self._store.redis.lrange(self._key("mail"), 0, -1)
        return [letter for letter in map(Letter.read, entries) if letter.number > after]

    async def begin(self, upto: int | None = None) -> Begun | None:
        """Begin the next Turn, None when nothing waits.

        upto: the number of the last Message to be in it, None for one Message. A Turn that was begun before and not
        sealed keeps the Messages it had.
        """
        if self._given_back:
            return None
        if (first := self._first) is not None:
            self._first = None
            return first
        answer = await self._store.script(
            "begin",
            [self._key(part) for part in ("lease", "mail", "meta", "turn", "history", "last")],
            [self._token, "" if upto is None else upto, self._retention.session_s],
        )
        if answer == "lost":
            raise LeaseLost(self.thread_id)
        return _begun(answer)

    async def extend(self, upto: int) -> None:
        """Make Message `upto` the last one of the running Turn; a smaller number than before puts Messages back."""
        answer = await self._store.script("extend", [self._key("lease"), self._key("meta")], [self._token, upto])
        if answer != 1:
            raise LeaseLost(self.thread_id)

    async def history(self) -> list[str]:
        """The JSON texts that earlier Turns were sealed with, oldest first."""
        with translated(self._store.where):
            return list(await self._store.redis.lrange(self._key("history"), 0, -1))

    async def note(self, journal: Mapping[str, object], niceties: Commands = lambda _: None) -> None:
        """Write the journal of the Turn in progress. niceties: sent along, whatever becomes of them."""
        answer = await self._store.script_with(
            niceties,
            "journal",
            [self._key("lease"), self._key("turn"), self._key("meta")],
            [self._token, json.dumps(dict(journal)), self._retention.session_s],
        )
        if answer != 1:
            raise LeaseLost(self.thread_id)

    async def fact(self, name: str) -> str:
        """One of the facts of `Mailboxes.facts` as it is now, "" if there is none; see also `Begun.facts`."""
        with translated(self._store.where):
            return await self._store.redis.hget(self._key("meta"), name) or ""

    async def once(self, what: str, seconds: int) -> bool:
        """True for the first that asks within `seconds`, on any replica."""
        with translated(self._store.where):
            return bool(await self._store.redis.set(keys.once(what), "1", nx=True, ex=seconds))

    async def seal(
        self,
        letter: Letter,
        *,
        ended: str,
        history: str | None,
        reset: bool = False,
        instead_of: int | None = None,
        record: str | None = "",
        usage: UsageEntry | None = None,
        rated_in: LedgerRow | None = None,
    ) -> int:
        """End the Turn of `letter`: history, ledger and mailbox in one step, which also gives the Session back when
        nothing waits. Returns how many Messages wait.

        ended: how, in one word.  history: JSON text of what the Turn adds, None to add nothing.
        reset: drop the history instead.  instead_of: a Turn that this one answered once more; its part of the history
        goes.  record: what is needed to answer this Turn once more, "" keeps that of an earlier one, None drops it.
        rated_in: where ratings of the answer are counted, None if there is nothing to rate.
        """
        flat: Sequence[str | int] = (
            [word for field, by in usage.increments.items() for word in (field, by)] if usage else []
        )
        waiting = int(
            await self._store.script(
                "seal",
                [
                    *(self._key(part) for part in ("lease", "mail", "history", "turn", "meta")),
                    keys.usage_day(self._ready.partition, usage.scope, usage.day) if usage else self._key("turn"),
                    self._key("last"),
                    keys.ready_stream(self._ready.partition),
                    self._key("ratings"),
                ],
                [
                    self._token,
                    letter.number,
                    "reset" if reset else history or "",
                    self._retention.kept,
                    self._retention.session_s,
                    USAGE_TTL_S,
                    ended,
                    "" if instead_of is None else instead_of,
                    "none" if record is None else record,
                    self._group,
                    self._ready.entry,
                    rated_in.dump() if rated_in else "",
                    *flat,
                ],
            )
        )
        if waiting < 0:
            raise LeaseLost(self.thread_id)
        self._given_back = waiting == 0
        return waiting

    async def release(self, *, hand_over: bool = False) -> bool:
        """Give the Session back. False while mail waits: then go on serving, unless `hand_over` is set,
        which announces the waiting mail to the other workers at once, a Turn in progress among it.
        True at once when `seal` has given it back."""
        if self._given_back:
            return True
        answer = int(
            await self._store.script(
                "release",
                [
                    self._key("lease"),
                    self._key("mail"),
                    keys.ready_stream(self._ready.partition),
                    self._key("meta"),
                ],
                [self._token, self._group, self._ready.entry, "1" if hand_over else "0", self.thread_id],
            )
        )
        if answer < 0:
            raise LeaseLost(self.thread_id)
        return answer == 1

    def _key(self, part: str) -> str:
        return keys.session(self.thread_id, part)


class Leases:
    """Where a worker finds Sessions that have mail, and takes them."""

    GROUP = "workers"

    def __init__(self, store: Store, retention: Retention, worker: str, ttl_ms: int) -> None:
        """worker: a name that no other process has or had."""
        self._store = store
        self._retention = retention
        self.worker = worker
        self.ttl_ms = ttl_ms

    async def prepare(self) -> None:
        """Make the consumer groups; harmless when they exist."""
        for partition in range(keys.PARTITIONS):
            await self._make_group(partition)

    async def _make_group(self, partition: int) -> None:
        stream = keys.ready_stream(partition)
        with translated(self._store.where):
            try:
                await self._store.redis.xgroup_create(stream, self.GROUP, id="0", mkstream=True)
            except StoreError as exc:
                if not str(exc).startswith("BUSYGROUP"):
                    raise
            await self._store.redis.expire(stream, self._retention.session_s)

    @property
    def readable_together(self) -> list[list[int]]:
        """Partitions by who can be asked for them in one command: all at once, or on a Cluster each for itself."""
        every = list(range(keys.PARTITIONS))
        return [[partition] for partition in every] if self._store.clustered else [every]

    async def announced(self, block_ms: int, most: int, partitions: Sequence[int] | None = None) -> list[Ready]:
        """Wait up to `block_ms` for Sessions with mail that nobody was told of yet.

        most: of each partition.  partitions: one of `readable_together`; None for all.
        """
        if partitions is None:
            together = (self.announced(block_ms, most, each) for each in self.readable_together)
            return [ready for found in await asyncio.gather(*together) for ready in found]
        number = {keys.ready_stream(partition): partition for partition in partitions}
        with translated(self._store.where):
            try:
                answer = await self._store.redis.xreadgroup(
                    self.GROUP, self.worker, dict.fromkeys(number, ">"), count=most, block=block_ms
                )
            except StoreError as exc:
                if not str(exc).startswith("NOGROUP"):
                    raise
                await self.prepare()  # the streams are gone (Redis was emptied): begin anew
                return []
        return [
            Ready(ThreadId(fields["thread"]), number[stream], entry)
            for stream, entries in _batches(answer)
            for entry, fields in entries
        ]

    async def lapsed(self, most: int = 100) -> list[Ready]:
        """Up to `most` Sessions whose worker has not renewed for as long as a lease lasts; ours to take now."""
        found: list[Ready] = []
        begin = random.randrange(keys.PARTITIONS)  # with little room every partition has its turn first
        for number in range(keys.PARTITIONS):
            partition = (begin + number) % keys.PARTITIONS
            cursor = "0-0"
            while (room := most - len(found)) > 0:
                cursor, entries = await self._claimed(partition, cursor, min(room, 50))
                found += entries
                if cursor == "0-0":
                    break
        return found

    async def _claimed(self, partition: int, cursor: str, most: int) -> tuple[str, list[Ready]]:
        """One step of XAUTOCLAIM. Returns where to go on, "0-0" at the end."""
        stream = keys.ready_stream(partition)
        with translated(self._store.where):
            try:
                answer = await self._store.redis.xautoclaim(
                    stream, self.GROUP, self.worker, min_idle_time=self.ttl_ms, start_id=cursor, count=most
                )
            except StoreError as exc:
                if not str(exc).startswith("NOGROUP"):
                    raise
                return "0-0", []
        # Redis 6.2 also gives out what was deleted, with nothing in it, until a sweep has taken it away
        return answer[0], [Ready(ThreadId(fields["thread"]), partition, entry) for entry, fields in answer[1] if fields]

    async def take(self, ready: Ready, *, begins: bool = False) -> Lease | None:
        """Take the lease of a Session, None while another worker holds it or when there is no such Session.

        begins: begin the next Turn in the same step, with one Message; the first `Lease.begin` gives it.
        """
        taken_at = _now()
        fence, *begun = await self._store.script(
            "take",
            [
                keys.session(ready.thread_id, "lease"),
                keys.session(ready.thread_id, "meta"),
                keys.ready_stream(ready.partition),
                *(keys.session(ready.thread_id, part) for part in ("mail", "turn", "history", "last")),
            ],
            [self.worker, self.ttl_ms, self._retention.session_s, self.GROUP, ready.entry, "1" if begins else "0"],
        )
        if int(fence) <= 0:
            return None
        return Lease(
            self._store,
            self._retention,
            ready,
            self.GROUP,
            self.worker,
            int(fence),
            ttl_ms=self.ttl_ms,
            taken_at=taken_at,
            first=_begun(begun[0]) if begun else None,
        )

    async def beat(self, ttl_ms: int) -> int:
        """Give a sign of life that counts for `ttl_ms`, 0 to take leave. Returns how many other workers live."""
        return int(await self._store.script("beat", [keys.WORKERS], [self.worker, ttl_ms]))

    async def sweep(self, every_s: int, idle_s: int) -> int:
        """Unless somebody has done so within `every_s`: announce again what was lost, forget dead workers' names.

        idle_s: how long a worker's name must have been quiet.  Returns how many Sessions were announced again.
        """
        with translated(self._store.where):
            if not await self._store.redis.set(keys.SWEEP, self.worker, nx=True, ex=every_s):
                return 0
        for partition in range(keys.PARTITIONS):
            await self._store.script("tidy", [keys.ready_stream(partition)], [self.GROUP, idle_s * 1000])
        found = 0
        async for key in self._store.names(keys.session_pattern("mail")):
            thread = keys.session_thread(key)
            names = [keys.session(thread, part) for part in ("lease", "mail", "meta")]
            stream = keys.ready_stream(keys.partition_of(thread))
            found += int(
                await self._store.script("announce", [*names, stream], [self.GROUP, thread, self._retention.session_s])
            )
        return found

    async def leave(self) -> None:
        """Take this worker's name out of the groups; only when it holds no Session."""
        for partition in range(keys.PARTITIONS):
            with translated(self._store.where):
                try:
                    await self._leave(keys.ready_stream(partition))
                except StoreError as exc:
                    if not str(exc).startswith("NOGROUP"):
                        raise

    async def _leave(self, stream: str) -> None:
        pending = await self._store.redis.xpending_range(stream, self.GROUP, "-", "+", 1, self.worker)
        if not pending:
            await self._store.redis.xgroup_delconsumer(stream, self.GROUP, self.worker)


def _begun(answer: Sequence[Any]) -> Begun | None:
    """Read what begin() in the scripts gives."""
    return Begun.read(*answer) if answer[0] else None


def _now() -> float:
    return asyncio.get_running_loop().time()


def _batches(answer: Any) -> Iterator[tuple[str, list[tuple[str, dict[str, str]]]]]:
    """Read XREADGROUP's answer: RESP2 gives a list of streams, RESP3 a map, with one more list around entries."""
    for stream, entries in answer.items() if isinstance(answer, dict) else answer or ():
        yield stream, entries[0] if entries and isinstance(entries[0], list) else entries
