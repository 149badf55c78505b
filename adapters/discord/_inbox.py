"""Inbox: what the gateway heard and core has not stored yet. In order per channel, bounded, patient with the store.

discord.py calls our handlers one task per event. They only put work here, so the connection is always read at once;
each channel with work has one task that does it in the order in which it was heard.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Final

from core.chat import StoreUnavailable, SurfaceUnavailable

log = logging.getLogger(__name__)

Work = Callable[[], Awaitable[None]]

CAPACITY: Final = 10_000
FIRST_RETRY_S: Final = 0.2
LAST_RETRY_S: Final = 5.0
PLATFORM_ATTEMPTS: Final = 12
"""How often a piece of work asks Discord, with the pauses above some forty seconds: what waits behind it in its channel
has been heard and is not to wait for ever."""


class Inbox:
    """Owns one task per channel that has work. `capacity`: pieces of work in all; what is beyond is dropped, loudly."""

    def __init__(self, capacity: int = CAPACITY, first_retry_s: float = FIRST_RETRY_S) -> None:
        self._capacity = capacity
        self._first_retry_s = first_retry_s
        self._waiting: dict[str, deque[Work]] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._size = 0

    def __len__(self) -> int:
        return self._size

    def put(self, channel: str, work: Work) -> bool:
        """Have `work` done after all earlier work of `channel`; False when there is no room left."""
        if self._size >= self._capacity:
            log.error("discord.inbox_full", extra={"channel_id": channel, "waiting": self._size})
            return False
        self._size += 1
        self._waiting.setdefault(channel, deque()).append(work)
        if channel not in self._tasks:
            self._tasks[channel] = asyncio.create_task(self._drain(channel), name=f"discord.inbox:{channel}")
        return True

    async def aclose(self, grace_s: float = 2.0) -> None:
        """Give what waits a moment to be stored, then give up on it."""
        tasks = list(self._tasks.values())
        if tasks:
            _, late = await asyncio.wait(tasks, timeout=grace_s)
            for task in late:
                task.cancel()
            await asyncio.gather(*late, return_exceptions=True)
        if self._size:
            log.warning("discord.inbox_dropped", extra={"waiting": self._size})

    async def _drain(self, channel: str) -> None:
        waiting = self._waiting[channel]
        try:
            while waiting:
                await self._do(channel, waiting[0])
                waiting.popleft()
                self._size -= 1
        finally:
            self._tasks.pop(channel, None)
            if not waiting:
                self._waiting.pop(channel, None)

    async def _do(self, channel: str, work: Work) -> None:
        """Do one piece of work: again and again while the store is away, for a while if Discord does not answer,
        once if it fails otherwise."""
        wait = self._first_retry_s
        asked = 0
        while True:
            try:
                await work()
                return
            except StoreUnavailable:
                log.warning("discord.store_unavailable", extra={"channel_id": channel, "retry_s": wait})
            except SurfaceUnavailable as exc:
                asked += 1
                fields = {"channel_id": channel, "reason": str(exc), "attempts": asked}
                if asked == PLATFORM_ATTEMPTS:
                    log.error("discord.event_given_up", extra=fields)
                    return
                log.warning("discord.no_answer", extra={**fields, "retry_s": wait})
            except Exception:
                log.exception("discord.event_failed", extra={"channel_id": channel})
                return
            await asyncio.sleep(wait)
            wait = min(wait * 2, LAST_RETRY_S)
