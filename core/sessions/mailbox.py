"""Mailbox: a Session's queue of Messages, filled by whoever hears the platform, emptied by its worker."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from core.ids import ChannelId, ScopeId, ThreadId, UserId
from core.store import Store, keys, translated

Acceptance = Literal["accepted", "duplicate", "unknown", "full"]

SEEN_TTL_S = 24 * 3600
"""Platforms redeliver minutes later (seen: 368 s), Slack's opt-in delayed events for 24 hours."""

_RECENT_KEPT = 20


@dataclass(frozen=True, slots=True)
class Retention:
    """How long a Session is remembered after its last message, and how much of it.

    session_s: seconds.  turns: finished Turns kept in the history.  waiting: Messages that may wait in a mailbox.
    """

    session_s: int = 30 * 24 * 3600
    turns: int = 50
    waiting: int = 20


@dataclass(frozen=True, slots=True)
class Letter:
    """One entry of a mailbox. number: counts a Session's Messages from 1. payload: what `accept` was given."""

    number: int
    payload: str


class Mailboxes:
    """Every Session's mailbox, as seen by whoever puts Messages in."""

    def __init__(self, store: Store, retention: Retention) -> None:
        self._store = store
        self._retention = retention

    async def accept(
        self,
        thread_id: ThreadId,
        scope: ScopeId,
        identities: Sequence[str],
        payload: str,
        *,
        only_known: bool,
        facts: Mapping[str, str],
    ) -> Acceptance:
        """Deduplicate by `identities` and store `payload`, in one atomic step, or say why not.

        identities: the first is the message's own; the others may be met in another thread as well (a message that
        a client sends again begins a thread of its own).
        only_known: take it only where a Session exists.  facts: written down when the Session begins.
        Raises StoreUnavailable when it may not be durable.
        """
        if not only_known and await self._is_known_elsewhere(scope, identities):
            return "duplicate"
        return self._read(
            await self._store.script(
                "accept",
                [
                    keys.session(thread_id, "mail"),
                    keys.session(thread_id, "meta"),
                    keys.ready_stream(keys.partition_of(thread_id)),
                    *(keys.seen(thread_id, scope, identity) for identity in identities),
                ],
                [
                    payload,
                    thread_id,
                    "1" if only_known else "0",
                    SEEN_TTL_S,
                    self._retention.session_s,
                    self._retention.waiting,
                    json.dumps(dict(facts)),
                ],
            )
        )

    async def _is_known_elsewhere(self, scope: ScopeId, identities: Sequence[str]) -> bool:
        """Whether a further identity belongs to another message. Other threads live on other slots of a Cluster, so
        this cannot be part of the atomic step; whoever is first keeps it, also when it is delivered again."""
        own, *further = identities
        with translated(self._store.where):
            for identity in further:
                key = keys.alias(scope, identity)
                is_new = await self._store.redis.set(key, own, nx=True, ex=SEEN_TTL_S)
                if not is_new and await self._store.redis.get(key) not in (own, None):
                    return True
        return False

    @staticmethod
    def _read(answer: str) -> Acceptance:
        match answer:
            case "accepted" | "duplicate" | "unknown" | "full":
                return answer
            case _:
                raise AssertionError(f"accept.lua answered {answer!r}")

    async def note_recent(self, channel: ChannelId, user: UserId, thread_id: ThreadId) -> None:
        """Remember that `user` talks in `thread_id`, for commands that come without a thread."""
        key = keys.recent_threads(channel, user)
        with translated(self._store.where):
            async with self._store.redis.pipeline(transaction=False) as pipe:
                pipe.zadd(key, {thread_id: time.time()})
                pipe.zremrangebyrank(key, 0, -_RECENT_KEPT - 1)
                pipe.expire(key, self._retention.session_s)
                await pipe.execute()

    async def recent(self, channel: ChannelId, user: UserId) -> list[ThreadId]:
        """The threads in which `user` talked to us in `channel`, the latest first."""
        with translated(self._store.where):
            found = await self._store.redis.zrange(keys.recent_threads(channel, user), 0, -1, desc=True)
        return [ThreadId(thread) for thread in found]

    async def facts(self, thread_id: ThreadId) -> dict[str, str]:
        """What was written down when the Session began, with its counters; {} where there is none."""
        with translated(self._store.where):
            return dict(await self._store.redis.hgetall(keys.session(thread_id, "meta")))

    async def forget_history(self, thread_id: ThreadId) -> None:
        """Drop what was said; the Session goes on, and answers in its thread without a new mention."""
        with translated(self._store.where):
            await self._store.redis.delete(keys.session(thread_id, "history"))

    async def request_stop(self, thread_id: ThreadId, number: int | None = None) -> bool:
        """Ask whoever runs Turn `number` (None: the running one) to stop; False when it is not running.

        Heard within milliseconds by pub/sub; should that be lost, at the next renewal of the lease.
        """
        stopped = int(
            await self._store.script(
                "stop",
                [keys.session(thread_id, part) for part in ("mail", "meta", "lease", "turn")],
                ["" if number is None else number],
            )
        )
        if stopped:
            with translated(self._store.where):
                await self._store.redis.publish(keys.STOP_CHANNEL, f"{stopped} {thread_id}")
        return stopped > 0
