"""A process that streams chat completions as fast as it is read, or at a pace; so that its own cost is not measured."""

from __future__ import annotations

import asyncio
import json
import re
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from bots import loop

__all__ = ["DELTA", "END", "sse_server"]

DELTA = (
    b"data: %s\n\n"
    % json.dumps(
        {
            "id": "chatcmpl-1",
            "object": "chat.completion.chunk",
            "created": 1,
            "model": "m",
            "system_fingerprint": "fp",
            "choices": [{"index": 0, "delta": {"content": "word "}, "logprobs": None, "finish_reason": None}],
        }
    ).encode()
)
END = b"""data: {"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "m", \
"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]}

data: [DONE]

"""

CALLS = 5


def _chunk(delta: dict[str, object], reason: str | None = None) -> bytes:
    choices = [{"index": 0, "delta": delta, "finish_reason": reason}]
    chunk = {"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "m", "choices": choices}
    return b"data: %s\n\n" % json.dumps(chunk).encode()


def _calls(first: int, count: int) -> bytes:
    """Calls of a tool, the first of them the run's `first`."""
    chunks = []
    for at in range(count):
        function = {"name": "get_weather", "arguments": json.dumps({"city": f"City {first + at}"})}
        call = {"index": at, "id": f"call_{first + at}", "type": "function", "function": function}
        chunks.append(_chunk({"role": "assistant", "tool_calls": [call]}))
    return b"".join(chunks) + _chunk({}, "tool_calls") + b"data: [DONE]\n\n"


@asynccontextmanager
async def sse_server() -> AsyncIterator[str]:
    """The base URL of a server; the name of the model says how much: "5000" deltas, "200@50" of them a second,
    or five tool calls "in-turn" or "at-once", and then ten deltas."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "benchmarks._sse_server", stdout=asyncio.subprocess.PIPE
    )
    try:
        assert process.stdout is not None
        yield f"http://127.0.0.1:{int(await process.stdout.readline())}/v1"
    finally:
        process.terminate()
        await process.wait()


async def _serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        head = await reader.readuntil(b"\r\n\r\n")
        length = re.search(rb"content-length: *(\d+)", head, re.I)
        body = await reader.readexactly(int(length[1])) if length else b"{}"
        request = json.loads(body)
        count, _, rate = request["model"].partition("@")
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close\r\n\r\n")
        if count in ("in-turn", "at-once"):
            answered = sum(message["role"] == "tool" for message in request["messages"])
            calls = 0 if answered == CALLS else 1 if count == "in-turn" else CALLS
            writer.write(_calls(answered, calls) if calls else DELTA * 10 + END)
        elif rate:
            await _paced(writer, int(count), float(rate))
        else:
            for _ in range(int(count) // 10):
                writer.write(DELTA * 10)
                await writer.drain()
        if count.isdigit():
            writer.write(END)
        await writer.drain()
    except (OSError, asyncio.IncompleteReadError):
        pass
    finally:
        writer.close()


async def _paced(writer: asyncio.StreamWriter, count: int, rate: float) -> None:
    """Write one delta after another, each by itself; without a task that wakes for each, which costs more than they."""
    running = asyncio.get_running_loop()
    began, done = running.time(), running.create_future()

    def write(at: int) -> None:
        if at == count or writer.is_closing():
            done.set_result(None)
            return
        writer.write(DELTA)
        running.call_at(began + (at + 1) / rate, write, at + 1)

    write(0)
    await done


async def _main() -> None:
    server = await asyncio.start_server(_serve, "127.0.0.1", 0, backlog=1024)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    loop.run(_main())
