"""A server that answers with any bytes, well-formed or not: for what no honest server would send.

    async with RawServer(head() + b"data: {") as server:
        ...  # every request is answered with these bytes, then the connection ends (`then`: "close" or "reset")

`answer` may be set anew, also to a coroutine function that is given the writer.
"""

from __future__ import annotations

import asyncio
import contextlib
import re
from collections.abc import Awaitable, Callable
from typing import Literal

__all__ = ["RawServer", "head"]

Answer = bytes | Callable[[asyncio.StreamWriter], Awaitable[None]]


def head(content_type: str = "text/event-stream", *more: str, status: str = "200 OK") -> bytes:
    """The head of an answer whose body ends with the connection."""
    lines = [f"HTTP/1.1 {status}", f"content-type: {content_type}", "connection: close", *more]
    return "".join(f"{line}\r\n" for line in [*lines, ""]).encode()


class RawServer:
    """Answers one request a connection. `open` counts the connections that stand, `requests` what came in."""

    def __init__(self, answer: Answer = b"", then: Literal["close", "reset"] = "close") -> None:
        self.answer = answer
        self.then = then
        self.base_url = ""
        self.open = 0
        self.requests = 0
        self._tasks: set[asyncio.Task[None]] = set()
        self._server: asyncio.Server | None = None
        self._changed = asyncio.Condition()

    async def __aenter__(self) -> RawServer:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.base_url = f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}/v1"
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        assert self._server is not None
        self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._server.wait_closed()

    async def all_closed(self, within_s: float = 5.0) -> None:
        """Wait until no connection stands. Raises TimeoutError."""
        async with asyncio.timeout(within_s), self._changed:
            await self._changed.wait_for(lambda: self.open == 0)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        self.open += 1
        try:
            with contextlib.suppress(OSError, asyncio.IncompleteReadError):
                await self._answer(reader, writer)
        finally:
            writer.transport.abort()
            self._tasks.discard(task)
            self.open -= 1
            async with self._changed:
                self._changed.notify_all()

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked = await reader.readuntil(b"\r\n\r\n")
        if length := re.search(rb"content-length: *(\d+)", asked, re.I):
            await reader.readexactly(int(length[1]))
        self.requests += 1
        if isinstance(self.answer, bytes):
            writer.write(self.answer)
            await writer.drain()
        else:
            going = asyncio.ensure_future(self.answer(writer))
            gone = asyncio.ensure_future(reader.read())  # b"" when the client goes away
            _, left = await asyncio.wait({going, gone}, return_when=asyncio.FIRST_COMPLETED)
            for task in left:
                task.cancel()
            await asyncio.gather(*left, return_exceptions=True)
        if self.then == "close" and not writer.transport.is_closing():
            writer.write_eof()
            await reader.read()  # until the client has closed as well
