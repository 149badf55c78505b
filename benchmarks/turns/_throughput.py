"""Turns per second, of a backlog that waits in Redis, for several numbers of worker processes."""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from benchmarks.turns._at_once import question, settings
from bots.bot import Bot
from core.chat import Message
from core.store import Store, keys

_AT_ONCE = 50
"""Messages that are handed in together."""


async def turns_per_second(store: Store, url: str, home: Path, workers: int, turns: int) -> float:
    """Each Turn in a Session of its own; posting takes no time."""
    await _hand_in(store, home, [question(number, 1) for number in range(turns)])
    return turns / await _seconds(store, url, home, workers)


async def _hand_in(store: Store, home: Path, messages: Sequence[Message]) -> None:
    desk = Bot(settings(home, "ingress"), store, None, []).desk
    for begin in range(0, len(messages), _AT_ONCE):
        taken = await asyncio.gather(*(desk.accept(one) for one in messages[begin : begin + _AT_ONCE]))
        assert set(taken) == {"accepted"}


async def _seconds(store: Store, url: str, home: Path, workers: int) -> float:
    """How long `workers` processes take for all that waits."""
    command = [sys.executable, "-m", "benchmarks.turns._worker", url, str(home)]
    pipes = {"stdin": asyncio.subprocess.PIPE, "stdout": asyncio.subprocess.PIPE}
    processes = [await asyncio.create_subprocess_exec(*command, **pipes) for _ in range(workers)]
    for process in processes:
        assert process.stdout is not None
        assert await process.stdout.readline() == b"ready\n"
    began = time.monotonic()
    for process in processes:
        assert process.stdin is not None
        process.stdin.write(b"go\n")
    while await _waiting(store):  # noqa: ASYNC110 - Redis tells nobody
        await asyncio.sleep(0.02)
    took = time.monotonic() - began
    for process in processes:
        assert process.stdin is not None
        process.stdin.close()
        assert await process.wait() == 0
    return took


async def _waiting(store: Store) -> int:
    """Sessions that have mail or are being served."""
    async with store.redis.pipeline(transaction=False) as pipe:
        for partition in range(keys.PARTITIONS):
            pipe.xlen(keys.ready_stream(partition))
        return sum(await pipe.execute())
