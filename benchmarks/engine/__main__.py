"""Measures every contender and prints the figures in one table, with the ratio of each to ours.

Each figure comes from fresh processes, one after another, the lowest of several; the server is a process of its own,
and CPU is that of the measured process alone. A contender that is not installed, or fails, says so in its place.
"""

from __future__ import annotations

import asyncio
import importlib.metadata
import json
import os
import platform
import sys
import time
from dataclasses import dataclass

from benchmarks._sse_server import sse_server
from benchmarks.engine._contender import CONTENDERS

AGENTS = ("ours", "pydantic-ai", "agno")
CLIENTS = (*AGENTS, "openai client", "httpx", "aiohttp", "aiohttp, parsed")
PEERS = ("pydantic-ai", "agno")
IMPORT = "import time; t = time.perf_counter(); {0}; print([(time.perf_counter() - t) * 1e3, {1}])"
RSS = "[int(l.split()[1]) / 1024 for l in open('/proc/self/status') if l.startswith('VmRSS')][0]"


@dataclass(frozen=True)
class Measure:
    """One thing to measure.

    figures: a title, unit and aim (at most; None if there is none) for each number of the worker.
    times: fresh processes, of which the lowest counts.
    """

    what: str
    figures: tuple[tuple[str, str, float | None], ...]
    of: tuple[str, ...] = AGENTS
    times: int = 3


MEASURES = (
    Measure("import", (("import", "ms", 250), ("memory after it", "MiB", None)), CLIENTS, 5),
    Measure("build_by_name", (("agent, model by name", "µs", None),)),
    Measure("build", (("agent, model given", "µs", 20),)),
    Measure("build_with_tool", (("agent, model given, one tool", "µs", 20),)),
    Measure("run_fake", (("run on a fake model", "ms", 0.15),)),
    Measure("piece_fake", (("delta of a fake model", "µs", None),)),
    Measure("run_server", (("run of 10 deltas, local server", "ms", None),), CLIENTS),
    Measure("unpaced", (("delta, as fast as it goes", "µs", 15),), CLIENTS),
    Measure("paced", (("delta, 50 streams at 50 a second", "µs", None),), CLIENTS),
    Measure("1k", (("delta, answer of 1,000", "µs", None),)),
    Measure("10k", (("delta, answer of 10,000", "µs", None),)),
    Measure("100k", (("delta, answer of 100,000", "µs", None),), ("ours",), 1),
    Measure("in_turn", (("5 tool calls in turn", "ms", None),)),
    Measure("at_once", (("5 tool calls at once", "ms", None),)),
    Measure("burst", (("500 runs of 200 deltas at once", "s", 3), ("memory at its highest", "MiB", 90)), CLIENTS, 1),
)
Figures = dict[tuple[str, str], list[float]]


async def _numbers(name: str, measure: Measure, url: str) -> list[float] | str:
    """The lowest numbers of a contender, or why there are none."""
    if measure.what == "import":
        module = (await _said(sys.executable, "-c", _IMPORTS_OF.format(CONTENDERS[name]))).strip()
        if not module:
            return "not installed"
        command = [sys.executable, "-c", IMPORT.format(module, RSS)]
    else:
        command = [sys.executable, "-m", "benchmarks.engine._worker", name, measure.what, url]
    best: list[float] = []
    for _ in range(measure.times if name in AGENTS or measure.times > 1 else 1):
        said = await _said(*command)
        try:
            numbers: list[float] = json.loads(said.strip().splitlines()[-1])
        except (ValueError, IndexError):
            return "not installed, or failed"
        best = [min(pair) for pair in zip(best, numbers, strict=True)] if best else numbers
    return best


_IMPORTS_OF = "import importlib; print(importlib.import_module('benchmarks.engine.{0}').IMPORTS)"


async def _said(*command: str) -> str:
    """What a process prints; its complaints are shown when BENCH_VERBOSE is set."""
    errors = None if os.environ.get("BENCH_VERBOSE") else asyncio.subprocess.DEVNULL
    process = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE, stderr=errors)
    try:
        async with asyncio.timeout(300):
            return (await process.communicate())[0].decode()
    except TimeoutError:
        process.kill()
        await process.wait()
        return ""


def _show(measure: Measure, found: dict[str, list[float] | str]) -> None:
    ours = found["ours"]
    for at, (title, unit, aim) in enumerate(measure.figures):
        print(f"{title}, {unit}")
        for name, numbers in found.items():
            if isinstance(numbers, str):
                print(f"    {name:<18} {numbers}")
                continue
            line = f"    {name:<18} {numbers[at]:10.2f}"
            if name == "ours":
                line += "" if aim is None else f"   aim {aim:g}{'' if numbers[at] <= aim else ': MISSED'}"
            elif not isinstance(ours, str):
                line += f"   {numbers[at] / ours[at]:6.2f} x ours"
            print(line)
    sys.stdout.flush()


def _verdict(title: str, ratio: float, aim: float, *, at_least: bool) -> None:
    kept = ratio >= aim if at_least else ratio <= aim
    word = "at least" if at_least else "at most"
    print(f"{title:<62} {ratio:6.2f}   {word} {aim:g}{'' if kept else ': MISSED'}")


def _judge(figures: Figures) -> None:
    """The aims that are ratios."""
    for how in ("unpaced", "paced"):
        for peer in PEERS:
            if (how, peer) in figures:
                ratio = figures[how, peer][0] / figures[how, "ours"][0]
                _verdict(f"delta {how}: {peer} / ours", ratio, 8, at_least=True)
    for floor in ("aiohttp", "aiohttp, parsed"):
        ratio = figures["paced", "ours"][0] / figures["paced", floor][0]
        _verdict(f"delta paced: ours / {floor}", ratio, 1.5, at_least=False)
    if ("100k", "ours") in figures:
        ratio = figures["100k", "ours"][0] / figures["1k", "ours"][0]
        _verdict("delta of an answer of 100,000 / of 1,000: ours", ratio, 1.5, at_least=False)


async def main() -> None:
    chosen = set(sys.argv[1:])  # the names of measures; none: all
    versions = {name: _version(name) for name in ("pydantic-ai-slim", "agno", "openai", "aiohttp", "httpx", "pydantic")}
    print(f"Python {platform.python_version()}, {os.cpu_count()} cores;", end=" ")
    print(", ".join(f"{name} {version}" for name, version in versions.items()))
    figures: Figures = {}
    began = time.perf_counter()
    async with sse_server() as url:
        for measure in MEASURES:
            if chosen and measure.what not in chosen:
                continue
            found = {name: await _numbers(name, measure, url) for name in measure.of}
            figures |= {(measure.what, name): each for name, each in found.items() if not isinstance(each, str)}
            _show(measure, found)
    if not chosen:
        _judge(figures)
    print(f"({time.perf_counter() - began:.0f} s)")


def _version(name: str) -> str:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return "not installed"


if __name__ == "__main__":
    asyncio.run(main())
