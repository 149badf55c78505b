"""`python -m benchmarks.turns`: round trips of a Turn, Turns per second of 1, 2 and 4 workers, memory after many."""

from __future__ import annotations

import asyncio
import os
import tempfile
from pathlib import Path

from benchmarks.turns import _memory
from benchmarks.turns._round_trips import round_trips
from benchmarks.turns._throughput import turns_per_second
from core.store import EmbeddedRedis, Store

_WORKERS = (1, 2, 4)
_TURNS = 1500
_COUNTED = 200


async def main() -> None:
    with tempfile.TemporaryDirectory(prefix="parley-bench-") as home:
        async with EmbeddedRedis(Path(home)) as redis:
            store = await Store.open(redis.url)
            for platform, identities in (("Slack", 2), ("Discord", 1)):
                await store.redis.flushall()
                asked, commands = await round_trips(store, Path(home), _COUNTED, identities)
                print(
                    f"one-message turn, as from {platform}: {asked.total() / _COUNTED:.2f} round trips, "
                    f"{commands:.0f} commands counted by Redis"
                )
                for name, count in asked.most_common():
                    print(f"    {count / _COUNTED:.2f}  {name}")
            for workers in _WORKERS:
                await store.redis.flushall()
                rate = await turns_per_second(store, redis.url, Path(home), workers, _TURNS)
                print(f"{workers} worker processes: {rate:.0f} turns/s on {os.cpu_count()} cores", flush=True)
            await store.aclose()
    await _memory.main()


asyncio.run(main())
