"""Turnstile: lets those who share a name through one at a time, in the order in which they came."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from weakref import WeakValueDictionary


class Turnstile:
    """A process's own order of things that take effect elsewhere. Names that nobody holds are forgotten."""

    def __init__(self) -> None:
        self._locks: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    @asynccontextmanager
    async def through(self, *names: str) -> AsyncIterator[None]:
        """Be the only one inside with each of `names`; who wants several names them in the same order as others."""
        locks = [self._lock(name) for name in names]
        async with AsyncExitStack() as held:
            for lock in locks:
                await held.enter_async_context(lock)
            yield

    def _lock(self, name: str) -> asyncio.Lock:
        lock = self._locks.get(name)
        if lock is None:
            lock = self._locks[name] = asyncio.Lock()
        return lock
