"""What a process holds after many Turns in many Sessions: `python -m benchmarks.turns._memory`."""

from __future__ import annotations

import asyncio
import gc
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from benchmarks.turns._at_once import answerer, question, settings
from benchmarks.turns._round_trips import _Silent
from bots.bot import Bot
from core.store import EmbeddedRedis, Store, keys

_AT_ONCE = 100


async def measure(turns: int, sessions: int, looks: int) -> Iterator[tuple[int, float, int]]:
    """After each part: Turns so far, resident MB, and how many objects Python holds."""
    found = []
    with tempfile.TemporaryDirectory(prefix="parley-bench-") as home:
        async with EmbeddedRedis(Path(home)) as redis:
            store = await Store.open(redis.url)
            until = asyncio.Event()
            async with Bot(settings(Path(home)), store, answerer(), [_Silent()]) as bot:
                running = asyncio.create_task(bot.run(until))
                for begin in range(0, turns, _AT_ONCE):
                    asked = [question(number % sessions, number) for number in range(begin, begin + _AT_ONCE)]
                    await asyncio.gather(*map(bot.desk.accept, asked))
                    await _drained(store)
                    done = begin + _AT_ONCE
                    if done % (turns // looks) == 0:
                        gc.collect()
                        found.append((done, _resident_mb(), len(gc.get_objects())))
                until.set()
                await running
            await store.aclose()
    return iter(found)


async def _drained(store: Store) -> None:
    while True:
        async with store.redis.pipeline(transaction=False) as pipe:
            for partition in range(keys.PARTITIONS):
                pipe.xlen(keys.ready_stream(partition))
            if not sum(await pipe.execute()):
                return
        await asyncio.sleep(0.005)


def _resident_mb() -> float:
    status = Path("/proc/self/status").read_text()
    return int(status.split("VmRSS:")[1].split()[0]) / 1024


async def main() -> None:
    turns, sessions = (int(word) for word in sys.argv[1:3]) if len(sys.argv) > 2 else (20_000, 5_000)
    for done, megabytes, objects in await measure(turns, sessions, 10):
        print(
            f"{done:>6} turns in {min(done, sessions):>5} sessions: {megabytes:6.1f} MB, {objects:,} objects",
            flush=True,
        )


if __name__ == "__main__":
    asyncio.run(main())
