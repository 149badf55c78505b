"""Records: all that is stored about Sessions, for whoever runs the bot: to look at, to take out, to forget.

It works beside a running bot. What is forgotten is gone at once; a Turn that runs is stopped first, so that nobody is
left with half an answer, and its worker, should it not have heard, finds its lease lost and writes nothing more.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import re
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from functools import partial

from core.ids import ScopeId, ThreadId, UserId
from core.sessions.lease import Leases
from core.sessions.mailbox import Mailboxes, Retention
from core.store import Store, keys, translated

STOP_WAIT_S = 5.0
_BATCH = 200


@dataclass(frozen=True, slots=True)
class Filter:
    """Which Sessions; what is None or "" does not matter. older_s: seconds since somebody wrote there last."""

    scope: str = ""
    user: str = ""
    older_s: float | None = None

    def takes(self, session: Overview, now: float) -> bool:
        if self.scope and session.scope != self.scope:
            return False
        if self.user and session.starter != self.user:
            return False
        return self.older_s is None or (session.heard_at is not None and now - session.heard_at >= self.older_s)


@dataclass(frozen=True, slots=True)
class Overview:
    """One Session at a glance. began_at, heard_at: seconds since the epoch, None if they were not noted.
    messages: how many there ever were.  waiting: those in the mailbox.  worker: who holds the lease, "" for nobody."""

    thread_id: ThreadId
    scope: str
    channel: str
    starter: str
    began_at: float | None
    heard_at: float | None
    messages: int
    waiting: int
    turns: int
    worker: str


@dataclass(frozen=True, slots=True)
class Detail:
    """Everything stored about a Session, as it is. journal: of the Turn in progress, {} if there is none. last: what is
    kept to answer the newest Turn once more.  lease_ms: how long the lease still holds, 0 without one."""

    overview: Overview
    fence: int
    lease_ms: int
    expires_s: int
    facts: dict[str, str]
    mail: list[str]
    journal: dict[str, object]
    history: list[str]
    last: str


@dataclass(slots=True)
class Forgotten:
    """What went: Sessions, and keys in all."""

    sessions: int = 0
    keys: int = 0


class Records:
    """Every Session there is, on every server of a Cluster."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._mailboxes = Mailboxes(store, Retention())

    async def find(self, wanted: Filter) -> list[Overview]:
        """The Sessions that `wanted` takes, the one heard from last first."""
        found = [one async for one in self._all() if wanted.takes(one, time.time())]
        return sorted(found, key=lambda one: (-(one.heard_at or 0), one.thread_id))

    async def show(self, thread_id: ThreadId) -> Detail | None:
        """All about one Session, None where there is none."""
        found = await self._overviews([thread_id])
        if not found:
            return None
        overview = found[0]
        redis = self._store.redis
        with translated(self._store.where):
            facts = dict(await redis.hgetall(keys.session(thread_id, "meta")))
            journal = await redis.get(keys.session(thread_id, "turn"))
            return Detail(
                overview,
                int(facts.get("fence", 0)),
                max(0, await redis.pttl(keys.session(thread_id, "lease"))),
                max(0, await redis.ttl(keys.session(thread_id, "meta"))),
                facts,
                list(await redis.lrange(keys.session(thread_id, "mail"), 0, -1)),
                dict(json.loads(journal)) if journal else {},
                list(await redis.lrange(keys.session(thread_id, "history"), 0, -1)),
                await redis.get(keys.session(thread_id, "last")) or "",
            )

    async def forget(self, wanted: Filter) -> Forgotten:
        """Forget the Sessions that `wanted` takes."""
        return await self._forget([one.thread_id for one in await self.find(wanted)])

    async def forget_session(self, thread_id: ThreadId) -> Forgotten:
        return await self._forget([thread_id])

    async def forget_user(self, user: UserId) -> Forgotten:
        """Forget a person: Sessions begun by them, their rows of the ledger, in which threads they talk; and in other
        people's Sessions each finished Turn that names them. Mail of theirs that waits there is answered first."""
        gone = await self.forget(Filter(user=user))
        gone.keys += await self._delete_keys("parley:recent:*", lambda key: key.endswith(f":{user}"))
        async for key in self._store.names("parley:{p*}:usage:*"):
            with translated(self._store.where):
                rows = [field for field in await self._store.redis.hkeys(key) if field.startswith(f"{user}\t")]
                if rows:
                    await self._store.redis.hdel(key, *rows)
        names = re.compile(rf"(?<!\w){re.escape(user)}(?!\w)")
        async for key in self._store.names(keys.session_pattern("history")):
            with translated(self._store.where):
                for entry in await self._store.redis.lrange(key, 0, -1):
                    if names.search(entry):
                        await self._store.redis.lrem(key, 0, entry)
        async for key in self._store.names(keys.session_pattern("last")):
            with translated(self._store.where):
                if names.search(await self._store.redis.get(key) or ""):
                    gone.keys += await self._store.redis.delete(key)
        await self._forget_ratings(names)
        return gone

    async def _forget_ratings(self, names: re.Pattern[str]) -> None:
        """Those that a person gave, and those of answers to them, in other people's Sessions."""
        async for key in self._store.names(keys.session_pattern("ratings")):
            with translated(self._store.where):
                rows = await self._store.redis.hgetall(key)
                if theirs := [field for field, value in rows.items() if names.search(f"{field}\n{value}")]:
                    await self._store.redis.hdel(key, *theirs)

    async def forget_scope(self, scope: ScopeId) -> Forgotten:
        """Forget a workspace or server: its Sessions, its ledger, the marks of messages that were taken in."""
        gone = await self.forget(Filter(scope=scope))
        for kind, before in (
            ("usage", "parley:{p*}:"),
            ("seen", "parley:{p*}:"),
            ("at", "parley:"),
            ("alias", "parley:"),
        ):
            gone.keys += await self._delete_keys(f"{before}{kind}:*", partial(_has_part, f":{kind}:{scope}:"))
        return gone

    async def _forget(self, threads: list[ThreadId]) -> Forgotten:
        gone = Forgotten()
        for thread in threads:
            await self._stop(thread)
            places = keys.session(thread, "places")
            with translated(self._store.where):
                for key in await self._store.redis.smembers(places):
                    gone.keys += await self._store.redis.delete(key)
            found = int(
                await self._store.script(
                    "forget",
                    [
                        keys.ready_stream(keys.partition_of(thread)),
                        *(keys.session(thread, part) for part in keys.SESSION_PARTS),
                    ],
                    [Leases.GROUP, thread],
                )
            )
            gone.keys += found
            gone.sessions += bool(found)
        if gone.sessions:
            await self._drop_from_recent()
        return gone

    async def _stop(self, thread_id: ThreadId) -> None:
        """Have a running Turn end visibly, if its worker does so in time."""
        if not await self._mailboxes.request_stop(thread_id):
            return
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(STOP_WAIT_S):
                while await self._has_turn(thread_id):  # noqa: ASYNC110 - Redis tells nobody
                    await asyncio.sleep(0.05)

    async def _has_turn(self, thread_id: ThreadId) -> bool:
        with translated(self._store.where):
            return bool(await self._store.redis.hexists(keys.session(thread_id, "meta"), "taken"))

    async def _drop_from_recent(self) -> None:
        """Take threads of which there is no Session any more out of the lists of who talks where."""
        async for key in self._store.names("parley:recent:*"):
            with translated(self._store.where):
                for thread in await self._store.redis.zrange(key, 0, -1):
                    if not await self._store.redis.exists(keys.session(ThreadId(thread), "meta")):
                        await self._store.redis.zrem(key, thread)

    async def _delete_keys(self, pattern: str, meant: Callable[[str], bool]) -> int:
        gone = 0
        async for key in self._store.names(pattern):
            if meant(key):
                with translated(self._store.where):
                    gone += await self._store.redis.delete(key)
        return gone

    async def _all(self) -> AsyncIterator[Overview]:
        batch: list[ThreadId] = []
        known: set[ThreadId] = set()  # a scan may give a key twice
        async for key in self._store.names(keys.session_pattern("meta")):
            thread = keys.session_thread(key)
            if thread not in known:
                known.add(thread)
                batch.append(thread)
            if len(batch) == _BATCH:
                for one in await self._overviews(batch):
                    yield one
                batch = []
        for one in await self._overviews(batch):
            yield one

    async def _overviews(self, threads: list[ThreadId]) -> list[Overview]:
        """Of those that exist."""
        if not threads:
            return []
        with translated(self._store.where):
            async with self._store.redis.pipeline(transaction=False) as pipe:
                for thread in threads:
                    pipe.hgetall(keys.session(thread, "meta"))
                    pipe.llen(keys.session(thread, "mail"))
                    pipe.llen(keys.session(thread, "history"))
                    pipe.get(keys.session(thread, "lease"))
                answers = await pipe.execute()
        found = []
        for number, thread in enumerate(threads):
            facts, waiting, turns, lease = answers[4 * number : 4 * number + 4]
            if facts:
                found.append(
                    Overview(
                        thread,
                        facts.get("scope", ""),
                        facts.get("channel", ""),
                        facts.get("starter", ""),
                        float(facts["began"]) if "began" in facts else None,
                        float(facts["heard"]) if "heard" in facts else None,
                        int(facts.get("seq", 0)),
                        waiting,
                        turns,
                        (lease or "").rpartition("#")[0],
                    )
                )
        return found


def _has_part(part: str, key: str) -> bool:
    return part in key
