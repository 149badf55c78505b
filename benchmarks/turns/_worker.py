"""One worker process of the benchmark: `python -m benchmarks.turns._worker REDIS_URL HOME`.

Says "ready", begins to work when a line comes on its standard input, and ends when that is closed.
"""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

from benchmarks.turns._at_once import AtOnce, answerer, settings
from bots.bot import Bot
from core.store import Store


async def work(url: str, home: str) -> None:
    store = await Store.open(url)
    until = asyncio.Event()
    async with Bot(settings(Path(home), "worker"), store, answerer(), [AtOnce()]) as bot:
        print("ready", flush=True)
        await asyncio.to_thread(sys.stdin.readline)
        running = asyncio.create_task(bot.run(until))
        await asyncio.to_thread(sys.stdin.read)
        until.set()
        await running
    await store.aclose()


asyncio.run(work(sys.argv[1], sys.argv[2]))
