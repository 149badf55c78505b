"""Measures one thing of one contender in this process, which is fresh, and prints the numbers as JSON."""

from __future__ import annotations

import asyncio
import json
import os
import resource
import sys
import time
from collections.abc import Awaitable, Callable

from benchmarks.engine._contender import PIECES, Contender, contender

__all__ = ["MEASURES"]

STREAMS, RATE, PACED = 50, 50, 200
BURST, BURST_PIECES = 500, 200


def _built(build: Callable[[], object]) -> list[float]:
    """Microseconds of CPU an agent."""
    build()
    count, best = 0, float("inf")
    ended = time.perf_counter() + 0.5
    while time.perf_counter() < ended or count < 3:
        began = time.process_time()
        for _ in range(10):
            build()
        best, count = min(best, time.process_time() - began), count + 1
    return [best / 10 * 1e6]


async def _cpu(job: Callable[[], Awaitable[object]], times: int, warm: Callable[[], Awaitable[object]]) -> float:
    """CPU seconds of this process for `job`, the lowest of `times`, what is imported late being paid by `warm`."""
    await warm()
    best = float("inf")
    for _ in range(times):
        began = time.process_time()
        await job()
        best = min(best, time.process_time() - began)
    return best


async def _run_fake(of: Contender, url: str) -> list[float]:
    async def runs() -> None:
        for _ in range(20):
            await of.run_fake()

    return [await _cpu(runs, 10, of.run_fake) / 20 * 1e3]


async def _piece_fake(of: Contender, url: str) -> list[float]:
    return [await _cpu(of.stream_fake, 3, of.run_fake) / PIECES * 1e6]


async def _run_server(of: Contender, url: str) -> list[float]:
    async def runs() -> None:
        for _ in range(20):
            await of.stream(url, "10")

    return [await _cpu(runs, 3, lambda: of.stream(url, "10")) / 20 * 1e3]


def _length(count: int, times: int) -> Callable[[Contender, str], Awaitable[list[float]]]:
    async def measure(of: Contender, url: str) -> list[float]:
        return [await _cpu(lambda: of.stream(url, str(count)), times, lambda: of.stream(url, "10")) / count * 1e6]

    return measure


async def _paced(of: Contender, url: str) -> list[float]:
    async def many() -> None:
        await asyncio.gather(*(of.stream(url, f"{PACED}@{RATE}") for _ in range(STREAMS)))

    return [await _cpu(many, 1, lambda: of.stream(url, "10")) / (STREAMS * PACED) * 1e6]


async def _burst(of: Contender, url: str) -> list[float]:
    """Seconds by the clock, and MiB at the highest."""
    began = time.perf_counter()
    await asyncio.gather(*(of.stream(url, str(BURST_PIECES)) for _ in range(BURST)))
    seconds = time.perf_counter() - began
    return [seconds, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024]


def _tools(how: str) -> Callable[[Contender, str], Awaitable[list[float]]]:
    async def measure(of: Contender, url: str) -> list[float]:
        return [await _cpu(lambda: of.stream(url, how), 5, lambda: of.stream(url, how)) * 1e3]

    return measure


MEASURES: dict[str, Callable[[Contender, str], Awaitable[list[float]]]] = {
    "run_fake": _run_fake,
    "piece_fake": _piece_fake,
    "run_server": _run_server,
    "unpaced": _length(5000, 3),
    "1k": _length(1000, 3),
    "10k": _length(10_000, 1),
    "100k": _length(100_000, 1),
    "paced": _paced,
    "burst": _burst,
    "in_turn": _tools("in-turn"),
    "at_once": _tools("at-once"),
}


async def _measured(name: str, what: str, url: str) -> list[float]:
    of = contender(name)
    try:
        return await MEASURES[what](of, url)
    finally:
        closing = getattr(of, "session", None)
        if closing is not None:
            await closing().close()


def main() -> None:
    name, what, url = sys.argv[1:]
    os.environ |= {"OPENAI_API_KEY": "k"}
    if what.startswith("build"):
        print(json.dumps(_built(getattr(contender(name), what))))
    else:
        print(json.dumps(asyncio.run(_measured(name, what, url))))
    sys.stdout.flush()
    os._exit(0)  # clients that were left open have nothing more to say


if __name__ == "__main__":
    main()
