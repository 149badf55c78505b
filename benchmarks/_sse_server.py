"""A process that streams chat completions as fast as it is read, or at a pace; so that its own cost is not measured."""

from __future__ import annotations

import asyncio
import json
import re
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

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
END = b'data: {"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]}\n\ndata: [DONE]\n\n'


@asynccontextmanager
async def sse_server() -> AsyncIterator[str]:
    """The base URL of a server; the name of the model says how much: "5000" deltas, or "200@50" of them a second."""
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
        count, _, rate = json.loads(body)["model"].partition("@")
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close\r\n\r\n")
        if rate:
            loop = asyncio.get_running_loop()
            began = loop.time()
            for at in range(int(count)):
                writer.write(DELTA)
                await asyncio.sleep(began + (at + 1) / float(rate) - loop.time())
        else:
            for _ in range(int(count) // 10):
                writer.write(DELTA * 10)
                await writer.drain()
        writer.write(END)
        await writer.drain()
    except (OSError, asyncio.IncompleteReadError):
        pass
    finally:
        writer.close()


async def _main() -> None:
    server = await asyncio.start_server(_serve, "127.0.0.1", 0, backlog=1024)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(_main())
