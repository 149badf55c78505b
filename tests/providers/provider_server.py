"""What the test servers of all providers have in common: a real server on 127.0.0.1 that answers as it is told.

    server.reply("Hello")               # the answer to every request from now on
    server.reply(["Hel", "lo"])         # the same, in these deltas
    server.queue(Reply(...), "Six.")    # one each for the next requests
    server.script(lambda request: f"You said {request.prompt}")     # computed, sync or async

A wire format is a subclass that says how a request is read and judged, and which bytes an answer has. What may go
wrong on the way (a `ProviderReply`) is the same for all of them, and happens here.
"""

from __future__ import annotations

import asyncio
import inspect
import json
import zlib
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, Generic, Self, TypeAlias, TypeVar

from aiohttp import web

__all__ = ["Piece", "ProviderReply", "ProviderRequest", "ProviderServer", "cut", "sse"]

Piece = tuple[int | None, bytes]
"""Bytes of a stream, with the number of the delta they are, None for what is no delta. What stands after the last
delta has the number of deltas; where nothing stands there, an empty piece has it."""


@dataclass(kw_only=True)
class ProviderReply:
    """How an answer comes, whatever it says.

    status: refuse with the provider's error body, or with any `body`.   before: awaited before anything is sent.
    pause: awaited with the number of each delta before it is sent.
    hang_after: send that many deltas, then nothing until the client goes away (`server.gone` is set then).
    cut_after: send that many deltas, then drop the connection.   error_after: then send an error inside the stream
    (that of `status`, where the format tells it).   raw: the bytes of the stream in place of all this.
    cut_at: drop the connection after that many bytes of the stream.
    chunk_size: cut the bytes into pieces of this size.
    """

    status: int = 200
    body: bytes | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    before: Callable[[], Awaitable[object]] | None = None
    pause: Callable[[int], Awaitable[None]] | None = None
    hang_after: int | None = None
    cut_after: int | None = None
    error_after: int | None = None
    raw: bytes | None = None
    cut_at: int | None = None
    chunk_size: int | None = None
    gzip: bool = False

    @property
    def refuses(self) -> bool:
        return self.body is not None or (self.status != 200 and self.error_after is None)


@dataclass(frozen=True)
class ProviderRequest:
    """A request as it came in; names of headers are found in upper and lower case."""

    body: dict[str, Any]
    headers: Mapping[str, str]
    path: str = ""
    query: str = ""

    @property
    def stream(self) -> bool:
        return bool(self.body.get("stream"))


RequestT = TypeVar("RequestT", bound=ProviderRequest)
ReplyT = TypeVar("ReplyT", bound=ProviderReply)
Answer: TypeAlias = str | Sequence[str] | ReplyT
Script: TypeAlias = Callable[[RequestT], Answer[ReplyT] | Awaitable[Answer[ReplyT]]]


def sse(*payloads: Any, end: str = "\n\n") -> bytes:
    """Payloads as server-sent events: text as it is, everything else as JSON."""
    texts = [payload if isinstance(payload, str) else json.dumps(payload) for payload in payloads]
    return "".join(f"data: {text}{end}" for text in texts).encode()


def cut(text: str, pieces: int) -> list[str]:
    """`text` in about so many pieces of the same length; "" in none."""
    size = max(1, -(-len(text) // max(1, pieces)))
    return [text[start : start + size] for start in range(0, len(text), size)]


class ProviderServer(ABC, Generic[RequestT, ReplyT]):
    """Serves `path`; `requests` holds what came in. One server for any number of clients."""

    path: ClassVar[str]
    prefix: ClassVar[str] = ""  # what `base_url` has after host and port
    content_type: ClassVar[str] = "text/event-stream; charset=utf-8"
    error_headers: ClassVar[Mapping[str, str]] = {}

    def __init__(self) -> None:
        self.requests: list[RequestT] = []
        self.base_url = ""
        self.gone = asyncio.Event()  # a client went away in the middle of an answer
        self.idle = asyncio.Event()  # nothing is being answered
        self.idle.set()
        self.open_streams = 0
        self._queue: deque[Answer[ReplyT]] = deque()
        self._script: Script[RequestT, ReplyT] = lambda _request: "Hello"
        self._runner: web.AppRunner | None = None

    def reply(self, answer: Answer[ReplyT]) -> None:
        """Answer every request from now on with this."""
        self._script = lambda _request: answer

    def queue(self, *answers: Answer[ReplyT]) -> None:
        """Answer the next requests with these, one each, before anything else."""
        self._queue.extend(answers)

    def script(self, script: Script[RequestT, ReplyT]) -> None:
        """Answer every request from now on with what `script` returns for it."""
        self._script = script

    async def __aenter__(self) -> Self:
        app = web.Application(client_max_size=2**26)
        app.router.add_post(self.path, self._serve)
        # handlers are cancelled when their client goes away, as servers in front of a real model do
        self._runner = web.AppRunner(app, handler_cancellation=True, access_log=None, shutdown_timeout=0.1)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        self.base_url = f"http://127.0.0.1:{self._runner.addresses[0][1]}{self.prefix}"
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        if self._runner is not None:
            await self._runner.cleanup()

    # --- the wire format ---

    @abstractmethod
    def read(self, http: web.Request, body: Any) -> RequestT:
        """A request, from its JSON."""

    @abstractmethod
    def problem_of(self, request: RequestT) -> str | None:
        """What the provider would find wrong with a request."""

    @abstractmethod
    def says(self, deltas: Sequence[str]) -> ReplyT:
        """The reply that is this text."""

    @abstractmethod
    def refusal(self, status: int, message: str) -> ReplyT:
        """The reply that is this error."""

    @abstractmethod
    def error_body(self, reply: ReplyT) -> bytes:
        """The body of a reply that refuses."""

    @abstractmethod
    def whole(self, request: RequestT, reply: ReplyT) -> dict[str, Any]:
        """The answer to a request that does not stream."""

    @abstractmethod
    def pieces(self, request: RequestT, reply: ReplyT) -> Iterator[Piece]:
        """The streamed answer."""

    @abstractmethod
    def error_piece(self, reply: ReplyT, sent: int) -> bytes:
        """An error inside the stream, after so many pieces."""

    def without_key(self, _http: web.Request) -> ReplyT | None:
        """The reply to a request that brings no key, where one is needed."""
        return None

    # --- the way of an answer ---

    async def stream(self, request: RequestT, reply: ReplyT) -> AsyncIterator[bytes | None]:
        """The bytes of a streamed answer, one item each time something is sent; None drops the connection."""
        if reply.raw is not None:
            yield reply.raw
            return
        for sent, (at, data) in enumerate(self.pieces(request, reply)):
            if at is not None:
                if reply.hang_after == at:
                    await asyncio.Event().wait()
                if reply.cut_after == at:
                    yield None
                    return
                if reply.error_after == at:
                    yield self.error_piece(reply, sent)
                    return
                if reply.pause is not None and data:
                    await reply.pause(at)
            if data:
                yield data

    async def _serve(self, http: web.Request) -> web.StreamResponse:
        self.open_streams += 1
        self.idle.clear()
        try:
            return await self._handle(http)
        except (asyncio.CancelledError, ConnectionResetError):
            self.gone.set()
            raise
        finally:
            self.open_streams -= 1
            if not self.open_streams:
                self.idle.set()

    async def _handle(self, http: web.Request) -> web.StreamResponse:
        if (refusal := self.without_key(http)) is not None:
            return self._refuse(refusal)
        try:
            request = self.read(http, await http.json())
        except ValueError:
            return self._refuse(self.refusal(400, "The request body is not valid JSON"))
        if (problem := self.problem_of(request)) is not None:
            return self._refuse(self.refusal(400, problem))
        self.requests.append(request)
        reply = await self._reply_to(request)
        if reply.before is not None:
            await reply.before()
        if reply.refuses:
            return self._refuse(reply)
        if request.stream:
            return await self._send(http, request, reply)
        if reply.hang_after is not None:
            await asyncio.Event().wait()
        return web.json_response(self.whole(request, reply), headers=dict(reply.headers))

    async def _reply_to(self, request: RequestT) -> ReplyT:
        answer: Answer[ReplyT]
        if self._queue:
            answer = self._queue.popleft()
        else:
            computed = self._script(request)
            answer = await computed if inspect.isawaitable(computed) else computed
        if isinstance(answer, ProviderReply):
            return answer
        return self.says([answer] if isinstance(answer, str) else list(answer))

    def _refuse(self, reply: ReplyT) -> web.Response:
        body = self.error_body(reply) if reply.body is None else reply.body
        headers = {**self.error_headers, **reply.headers}
        return web.Response(status=reply.status, body=body, content_type="application/json", headers=headers)

    async def _send(self, http: web.Request, request: RequestT, reply: ReplyT) -> web.StreamResponse:
        coding = {"content-encoding": "gzip"} if reply.gzip else {}
        response = web.StreamResponse(headers={"content-type": self.content_type, **reply.headers, **coding})
        await response.prepare(http)
        wire = _Wire(reply)
        dropped = reply.cut_at is not None
        async for data in self.stream(request, reply):
            dropped = dropped or data is None
            for part in wire.parts(data or b""):
                await response.write(part)
                if reply.chunk_size:
                    await asyncio.sleep(0)  # so that the pieces leave one by one
        if dropped:
            assert http.transport is not None
            http.transport.close()  # what was written still arrives, the end of the chunks does not
        else:
            await response.write_eof(wire.end())
        return response


class _Wire:
    """Turns what is said into what is written: no longer than `cut_at`, compressed, in pieces of `chunk_size`."""

    def __init__(self, reply: ProviderReply) -> None:
        self._room = reply.cut_at
        self._gzip = zlib.compressobj(wbits=31) if reply.gzip else None
        self._size = reply.chunk_size

    def parts(self, data: bytes) -> list[bytes]:
        if self._room is not None:
            data = data[: self._room]
            self._room -= len(data)
        if data and self._gzip is not None:
            data = self._gzip.compress(data) + self._gzip.flush(zlib.Z_SYNC_FLUSH)
        size = self._size or len(data) or 1
        return [data[at : at + size] for at in range(0, len(data), size)]

    def end(self) -> bytes:
        return b"" if self._gzip is None else self._gzip.flush()
