"""History: what a Session remembers, seen by whoever makes it shorter while its Turns go on."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

from core.ids import ThreadId
from core.sessions.lease import UsageEntry
from core.sessions.ratings import USAGE_TTL_S
from core.store import Store, keys, translated


class Histories:
    """Every Session's history."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def entries(self, thread_id: ThreadId) -> list[str]:
        """The JSON texts, oldest first."""
        with translated(self._store.where):
            return list(await self._store.redis.lrange(keys.session(thread_id, "history"), 0, -1))

    @asynccontextmanager
    async def claimed(self, thread_id: ThreadId, seconds: int) -> AsyncIterator[bool]:
        """A lease of its own, so that no two processes do the same work; the Turns need not wait for it."""
        key = keys.session(thread_id, "compacting")
        with translated(self._store.where):
            mine = bool(await self._store.redis.set(key, "1", nx=True, ex=seconds))
        try:
            yield mine
        finally:
            if mine:
                with translated(self._store.where):
                    await self._store.redis.delete(key)

    async def shorten(
        self, thread_id: ThreadId, oldest: Sequence[str], summary: str, usage: UsageEntry | None = None
    ) -> bool:
        """Put `summary` in the place of the entries `oldest`, if they are still the oldest; enter the cost either way.

        What was appended meanwhile stays. False: somebody has dropped or shortened the history since.
        """
        flat = [word for field, by in usage.increments.items() for word in (field, by)] if usage else []
        partition = keys.partition_of(thread_id)
        history = keys.session(thread_id, "history")
        return bool(
            await self._store.script(
                "compact",
                [history, keys.usage_day(partition, usage.scope, usage.day) if usage else history],
                [len(oldest), _sha1(oldest[0]), _sha1(oldest[-1]), summary, USAGE_TTL_S, *flat],
            )
        )


def _sha1(text: str) -> str:
    """As Redis makes it; the texts are our own, nobody gains by finding two alike."""
    return hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest()
