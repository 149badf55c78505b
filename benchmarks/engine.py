"""What the engine costs, beside floors measured in the same run: bare aiohttp and bare httpx reading the same bytes.

CPU is that of this process alone, the lowest of several repetitions; the server is a process of its own.
"""

from __future__ import annotations

import asyncio
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable

import aiohttp

from benchmarks._sse_server import sse_server
from core.agent import Agent
from core.messages import ModelMessage, ModelResponse, TextPart
from core.models import AgentInfo, FunctionModel, OpenAIModel

DELTAS = 5000
Streamer = Callable[[str, str], Awaitable[None]]


def _print(what: str, value: float, unit: str, target: float | None = None, beside: str = "") -> None:
    verdict = "" if target is None else f"   (target {target:g}{'' if value <= target else ', MISSED'})"
    print(f"{what:<52} {value:9.2f} {unit}{verdict}{beside}", flush=True)


def imports() -> None:
    """Time and memory of a fresh interpreter, median of seven."""
    code = (
        "import time; t = time.perf_counter()\nimport {0}\n"
        "print(time.perf_counter() - t, [l for l in open('/proc/self/status') if 'VmRSS' in l][0].split()[1])"
    )
    for name, time_ms, size_mib in (("core.agent", 200, 35), ("pydantic", None, None)):
        runs = [
            subprocess.run([sys.executable, "-c", code.format(name)], check=True, capture_output=True, text=True)
            for _ in range(7)
        ]
        pairs = [run.stdout.split() for run in runs]
        _print(f"import {name}", statistics.median(float(pair[0]) for pair in pairs) * 1000, "ms", time_ms)
        _print(f"memory after import {name}", statistics.median(int(pair[1]) for pair in pairs) / 1024, "MiB", size_mib)


def get_weather(city: str, days: int = 1) -> str:
    """Get the weather.

    Args:
        city: Its name.
        days: How many.
    """
    return f"{city} {days}"


async def _whole(messages: list[ModelMessage], info: AgentInfo) -> ModelResponse:
    return ModelResponse([TextPart("hello")])


async def _pieces(messages: list[ModelMessage], info: AgentInfo) -> AsyncIterator[str]:
    for _ in range(DELTAS):
        yield "word "


def _lowest(times: int, job: Callable[[], object]) -> float:
    best = float("inf")
    for _ in range(times):
        began = time.process_time()
        job()
        best = min(best, time.process_time() - began)
    return best


async def _cpu(job: Callable[[], Awaitable[object]], times: int = 5) -> float:
    """CPU seconds of this process for `job`, the lowest of `times`."""
    best = float("inf")
    for _ in range(times):
        began = time.process_time()
        await job()
        best = min(best, time.process_time() - began)
    return best


async def in_process() -> None:
    model = FunctionModel(_whole, stream_function=_pieces)
    agent = Agent(model, tools=[get_weather])
    count = 1000
    _print(
        "agent with one tool",
        _lowest(5, lambda: [Agent(model, tools=[get_weather]) for _ in range(count)]) / count * 1e6,
        "µs",
        20,
    )

    async def runs() -> None:
        for _ in range(200):
            await agent.run("hi")

    async def deltas() -> None:
        async for _ in agent.run("hi", stream=True):
            pass

    _print("run, in process", await _cpu(runs) / 200 * 1000, "ms", 0.15)
    _print("delta, in process", await _cpu(deltas) / DELTAS * 1e6, "µs", 10)


async def _bare_aiohttp(base_url: str, what: str) -> None:
    async with (
        aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session,
        session.post(f"{base_url}/chat/completions", json={"model": what}) as response,
    ):
        async for _ in response.content.iter_any():
            pass


async def _bare_httpx(base_url: str, what: str) -> None:
    import httpx  # here: the memory of our runs is not to hold it

    async with (
        httpx.AsyncClient(trust_env=False, verify=False, timeout=60) as client,
        client.stream("POST", f"{base_url}/chat/completions", json={"model": what}) as response,
    ):
        async for _ in response.aiter_raw():
            pass


def _ours(agent: Agent[None, str]) -> Streamer:
    async def stream(base_url: str, what: str) -> None:
        model = OpenAIModel(what, base_url=base_url, api_key="k")
        async for _ in agent.run("hi", stream=True, model=model):
            pass
        await model.aclose()

    return stream


async def over_http(base_url: str) -> None:
    floors: dict[str, dict[str, float]] = {"unpaced": {}, "paced": {}}
    streamers = {"bare aiohttp": _bare_aiohttp, "bare httpx": _bare_httpx, "ours": _ours(Agent())}
    for name, stream in streamers.items():
        await stream(base_url, "10")  # what is imported late is not the stream's cost

        async def alone(stream: Streamer = stream) -> None:
            await stream(base_url, str(DELTAS))

        async def many(stream: Streamer = stream) -> None:
            await asyncio.gather(*(stream(base_url, "150@50") for _ in range(50)))

        floors["unpaced"][name] = await _cpu(alone) / DELTAS * 1e6
        floors["paced"][name] = await _cpu(many, 2) / (50 * 150) * 1e6
    for how, target in (("unpaced", 30.0), ("paced", None)):
        title = "delta, one stream as fast as it goes" if how == "unpaced" else "delta, 50 streams at 50 deltas/s"
        costs = floors[how]
        for name in ("bare aiohttp", "bare httpx"):
            _print(f"{title}: {name}", costs[name], "µs")
        ratios = [f"{costs['ours'] / costs[name]:.1f} x {name}" for name in ("bare aiohttp", "bare httpx")]
        beside = f"   {', '.join(ratios)}"
        _print(f"{title}: ours", costs["ours"], "µs", target, beside)


async def burst(base_url: str) -> None:
    """500 runs of 200 deltas at once. Run in a process of its own, for its memory."""
    model = OpenAIModel("200", base_url=base_url, api_key="k")
    agent = Agent(model)

    async def one() -> None:
        async for _ in agent.run("hi", stream=True):
            pass

    began = time.perf_counter()
    await asyncio.gather(*(one() for _ in range(500)))
    print(time.perf_counter() - began, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
    await model.aclose()


async def main() -> None:
    imports()
    await in_process()
    async with sse_server() as base_url:
        await over_http(base_url)
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "benchmarks.engine", "burst", base_url, stdout=asyncio.subprocess.PIPE
        )
        seconds, kib = (await process.communicate())[0].split()
    _print("500 runs of 200 deltas at once", float(seconds), "s", 5)
    _print("memory of them at its highest", int(kib) / 1024, "MiB", 80)


if __name__ == "__main__":
    asyncio.run(burst(sys.argv[2]) if sys.argv[1:2] == ["burst"] else main())
