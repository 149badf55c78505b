"""A server that speaks Anthropic's Messages API, with scripted replies: a real one, on 127.0.0.1.

    async with AnthropicServer() as server:
        server.reply("Hello")                       # the answer to every request from now on
        server.reply(["Hel", "lo"])                 # the same, in these deltas
        server.queue(Reply([Call("roll_dice", '{"sides": 6}')]), "Six.")        # one each for the next requests
        server.script(lambda request: f"You said {request.prompt}")             # computed, sync or async
        AnthropicModel("claude-sonnet-4-5", base_url=server.base_url, api_key="test")

It refuses what Anthropic refuses (`anthropic_rules.py`). What a `Reply` can do beside answering: wait before it begins,
refuse with a status, hang or break off after any number of events or bytes, fail inside the stream, send garbage,
compress.
"""

from __future__ import annotations

import asyncio
import gzip
import inspect
import json
from collections import deque
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

from tests.providers.anthropic_rules import problem_of

__all__ = ["AnthropicServer", "Call", "Redacted", "Reply", "Request", "Thought", "sse", "stream_bytes"]

STATUS_TYPES = {
    400: "invalid_request_error",
    401: "authentication_error",
    402: "billing_error",
    403: "permission_error",
    404: "not_found_error",
    413: "request_too_large",
    429: "rate_limit_error",
    500: "api_error",
    504: "timeout_error",
    529: "overloaded_error",
}


@dataclass
class Call:
    """A `tool_use` block. `args`: JSON text, sent in `pieces` deltas."""

    name: str
    args: str = "{}"
    id: str = ""
    pieces: int = 2


@dataclass
class Thought:
    """A `thinking` block: its deltas, and the signature that ends it."""

    deltas: Sequence[str]
    signature: str = "sig-1"


@dataclass
class Redacted:
    """A `redacted_thinking` block."""

    data: str


Block = str | Sequence[str] | Call | Thought | Redacted


@dataclass
class Reply:
    """What the server answers to one request.

    blocks: the content; text as one string or as a list of deltas.
    status, error: refuse with an error envelope, or with any `body`.   before: awaited before anything is sent.
    hang_after, cut_after, error_after: after that many events hang, drop the connection, or send `error` as an event.
    cut_at: drop the connection after that many bytes of the stream.   raw: the stream in place of all this.
    line_end, noise: how lines end, and bytes sent before each event.   chunk_size: cut into pieces of this size.
    """

    blocks: Sequence[Block] = ()
    stop_reason: str | None = None
    stop_details: Mapping[str, Any] | None = None
    usage: Mapping[str, Any] | None = None
    status: int = 200
    error: Mapping[str, Any] = field(default_factory=dict)
    body: bytes | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    before: Callable[[], Awaitable[None]] | None = None
    hang_after: int | None = None
    cut_after: int | None = None
    cut_at: int | None = None
    error_after: int | None = None
    raw: bytes | None = None
    line_end: str = "\n"
    noise: bytes = b""
    chunk_size: int | None = None
    gzip: bool = False


@dataclass(frozen=True)
class Request:
    """A request as it came in; the names of its headers in lower case."""

    body: dict[str, Any]
    headers: Mapping[str, str]

    @property
    def stream(self) -> bool:
        return bool(self.body.get("stream"))

    @property
    def messages(self) -> list[dict[str, Any]]:
        messages: list[dict[str, Any]] = self.body["messages"]
        return messages

    @property
    def prompt(self) -> str:
        """The text of the last message."""
        content = self.messages[-1]["content"]
        return content if isinstance(content, str) else "".join(block.get("text", "") for block in content)


Answer = str | Sequence[str] | Reply
Script = Callable[[Request], Answer | Awaitable[Answer]]


def as_reply(answer: Answer) -> Reply:
    return answer if isinstance(answer, Reply) else Reply([answer])


def sse(event: Mapping[str, Any], line_end: str = "\n") -> bytes:
    """One event as Anthropic sends it, its type in both lines."""
    return f"event: {event['type']}{line_end}data: {json.dumps(event, ensure_ascii=False)}{line_end}{line_end}".encode()


class AnthropicServer:
    """Serves `{base_url}/v1/messages`; `requests` holds what came in. One server for any number of clients."""

    def __init__(self) -> None:
        self.requests: list[Request] = []
        self.base_url = ""
        self.gone = asyncio.Event()  # a client went away in the middle of an answer
        self.idle = asyncio.Event()  # nothing is being answered
        self.idle.set()
        self._open_streams = 0
        self._queue: deque[Answer] = deque()
        self._script: Script = lambda _request: "Hello"
        self._runner: web.AppRunner | None = None

    def reply(self, answer: Answer) -> None:
        """Answer every request from now on with this."""
        self._script = lambda _request: answer

    def queue(self, *answers: Answer) -> None:
        """Answer the next requests with these, one each, before anything else."""
        self._queue.extend(answers)

    def script(self, script: Script) -> None:
        """Answer every request from now on with what `script` returns for it."""
        self._script = script

    async def __aenter__(self) -> AnthropicServer:
        app = web.Application(client_max_size=2**26)
        app.router.add_post("/v1/messages", self._serve)
        # handlers are cancelled when their client goes away, as servers in front of a real model do
        self._runner = web.AppRunner(app, handler_cancellation=True, access_log=None, shutdown_timeout=0.1)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        self.base_url = f"http://127.0.0.1:{self._runner.addresses[0][1]}"
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        if self._runner is not None:
            await self._runner.cleanup()

    async def _serve(self, http: web.Request) -> web.StreamResponse:
        self._open_streams += 1
        self.idle.clear()
        try:
            return await self._handle(http)
        except (asyncio.CancelledError, ConnectionResetError):
            self.gone.set()
            raise
        finally:
            self._open_streams -= 1
            if not self._open_streams:
                self.idle.set()

    async def _handle(self, http: web.Request) -> web.StreamResponse:
        # documented is x-api-key; the SDK sends the same key as a bearer token since its version 2
        if not (http.headers.get("x-api-key") or http.headers.get("authorization", "").startswith("Bearer ")):
            return _refusal(Reply(status=401, error={"message": "x-api-key header is required"}))
        try:
            request = Request(await http.json(), {name.lower(): value for name, value in http.headers.items()})
        except ValueError:
            return _refusal(Reply(status=400, error={"message": "The request body is not valid JSON"}))
        if (problem := problem_of(request.body, request.headers)) is not None:
            return _refusal(Reply(status=400, error={"message": problem}))
        self.requests.append(request)
        if self._queue:
            answer: Answer = self._queue.popleft()
        else:
            computed = self._script(request)
            answer = await computed if inspect.isawaitable(computed) else computed
        reply = as_reply(answer)
        if reply.before is not None:
            await reply.before()
        if reply.status != 200 or reply.body is not None:
            return _refusal(reply)
        return await self._answer(http, request, reply)

    async def _answer(self, http: web.Request, request: Request, reply: Reply) -> web.StreamResponse:
        if not request.stream:
            if reply.hang_after is not None:
                await asyncio.Event().wait()
            whole = json.dumps(_message(request.body["model"], reply)).encode()
            return web.Response(body=whole, content_type="application/json", headers=dict(reply.headers))
        headers = {"content-type": "text/event-stream; charset=utf-8", **reply.headers}
        if reply.gzip:
            headers["content-encoding"] = "gzip"
        response = web.StreamResponse(headers=headers)
        await response.prepare(http)
        data = stream_bytes(reply, request.body["model"])
        if reply.cut_at is not None:
            data = data[: reply.cut_at]
        if reply.gzip:
            data = gzip.compress(data)
        size = reply.chunk_size or len(data) or 1
        for at in range(0, len(data), size):
            await response.write(data[at : at + size])
        if reply.hang_after is not None:
            await asyncio.Event().wait()
        if reply.cut_at is not None or reply.cut_after is not None:
            assert http.transport is not None
            http.transport.close()  # what was written still arrives, the end of the chunks does not
            return response
        await response.write_eof()
        return response


def _envelope(status: int, error: Mapping[str, Any]) -> dict[str, Any]:
    told = {"type": STATUS_TYPES.get(status, "api_error"), "message": "refused", **error}
    return {"type": "error", "error": told, "request_id": "req_test"}


def _refusal(reply: Reply) -> web.Response:
    body = reply.body if reply.body is not None else json.dumps(_envelope(reply.status, reply.error)).encode()
    headers = {"request-id": "req_test", **reply.headers}
    return web.Response(status=reply.status, body=body, content_type="application/json", headers=headers)


def _usage(reply: Reply) -> dict[str, Any]:
    if reply.usage is not None:
        return dict(reply.usage)
    counts = {"input_tokens": 10, "output_tokens": 5, "cache_creation_input_tokens": 0, "cache_read_input_tokens": 0}
    return {**counts, "service_tier": "standard"}


def _stop_reason(reply: Reply) -> str:
    return reply.stop_reason or ("tool_use" if any(isinstance(block, Call) for block in reply.blocks) else "end_turn")


def _whole_block(block: Block, at: int) -> dict[str, Any]:
    match block:
        case Call():
            return {"type": "tool_use", "id": block.id or f"toolu_{at}", "name": block.name, "input": _input(block)}
        case Thought():
            return {"type": "thinking", "thinking": "".join(block.deltas), "signature": block.signature}
        case Redacted():
            return {"type": "redacted_thinking", "data": block.data}
        case _:
            return {"type": "text", "text": "".join(block), "citations": None}


def _input(call: Call) -> Any:
    return json.loads(call.args or "{}")


def _message(model: str, reply: Reply) -> dict[str, Any]:
    """The answer to a request that does not stream."""
    return {
        "id": "msg_test",
        "type": "message",
        "role": "assistant",
        "model": model,
        "content": [_whole_block(block, at) for at, block in enumerate(reply.blocks)],
        "stop_reason": _stop_reason(reply),
        "stop_sequence": None,
        "stop_details": reply.stop_details,
        "usage": _usage(reply),
    }


def events_of(reply: Reply, model: str) -> Iterator[dict[str, Any]]:
    """The events of a streamed answer."""
    usage = _usage(reply)
    begun = {**_message(model, reply), "content": [], "stop_reason": None, "usage": {**usage, "output_tokens": 1}}
    yield {"type": "message_start", "message": begun}
    yield {"type": "ping"}
    for at, block in enumerate(reply.blocks):
        first, deltas = _block_events(block, at)
        yield {"type": "content_block_start", "index": at, "content_block": first}
        for delta in deltas:
            yield {"type": "content_block_delta", "index": at, "delta": delta}
        yield {"type": "content_block_stop", "index": at}
    delta = {"stop_reason": _stop_reason(reply), "stop_sequence": None, "stop_details": reply.stop_details}
    yield {"type": "message_delta", "delta": delta, "usage": usage}
    yield {"type": "message_stop"}


def _block_events(block: Block, at: int) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    whole = _whole_block(block, at)
    match block:
        case Call():
            size = max(1, -(-len(block.args) // max(1, block.pieces)))
            cuts = ["", *(block.args[start : start + size] for start in range(0, len(block.args), size))]
            return {**whole, "input": {}}, [{"type": "input_json_delta", "partial_json": cut} for cut in cuts]
        case Thought():
            thoughts = [{"type": "thinking_delta", "thinking": delta} for delta in block.deltas]
            signed = {"type": "signature_delta", "signature": block.signature}
            return {**whole, "thinking": "", "signature": ""}, [*thoughts, signed]
        case Redacted():
            return whole, []
        case _:
            texts = [block] if isinstance(block, str) else block
            return {**whole, "text": ""}, [{"type": "text_delta", "text": text} for text in texts]


def stream_bytes(reply: Reply, model: str = "claude-test") -> bytes:
    """All bytes of a streamed answer, up to where it hangs, breaks off or fails."""
    if reply.raw is not None:
        return reply.raw
    ends = [end for end in (reply.hang_after, reply.cut_after, reply.error_after) if end is not None]
    events = list(events_of(reply, model))[: ends[0] if ends else None]
    if reply.error_after is not None:
        events.append(_envelope(200, reply.error))
    return b"".join(reply.noise + sse(event, reply.line_end) for event in events)
