"""Patience: waiting for a Redis that is away, where what is to be written must not be lost."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from core.errors import StoreUnavailable

STORE_PATIENCE_S = 60.0


async def patiently(write: Callable[[], Awaitable[object]]) -> None:
    """Wait for a Redis that is away: an answer that people have seen is not given up for a restart of Redis."""
    clock = asyncio.get_running_loop().time
    deadline = clock() + STORE_PATIENCE_S
    while True:
        try:
            await write()
            return
        except StoreUnavailable:
            if clock() > deadline:
                raise
            await asyncio.sleep(1)
