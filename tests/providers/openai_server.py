"""A server that speaks OpenAI chat completions, with scripted replies: a real one, on 127.0.0.1.

    async with OpenAIServer() as server:
        server.reply("Hello")                       # the answer to every request from now on
        server.reply(["Hel", "lo"])                 # the same, in these deltas
        server.queue(Reply(calls=[Call("roll_dice", '{"sides": 6}')]), "Six.")  # one each for the next requests
        server.script(lambda request: f"You said {request.prompt}")             # computed, sync or async
        OpenAIModel("gpt-4o", base_url=server.base_url, api_key="test")

What a `Reply` can do beside answering: wait before it begins or between deltas, refuse with a status, hang, break off
in the middle, send garbage, cut its bytes into pieces of any size, compress.
"""

from __future__ import annotations

import asyncio
import gzip
import inspect
import json
import time
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

__all__ = ["Call", "OpenAIServer", "Reply", "Request", "sse"]

Pause = Callable[[int], Awaitable[None]]


@dataclass
class Call:
    """A tool call of a reply. `args`: JSON text, sent in `pieces` deltas."""

    name: str
    args: str = "{}"
    id: str = ""
    pieces: int = 2


@dataclass
class Reply:
    """What the server answers to one request.

    deltas: the text, one chunk each.   thoughts: sent before them as `reasoning_content`.
    status, error: refuse with an OpenAI error body (`code`/`type` from `error`), or any `body`.
    before: awaited before anything is sent.   pause: awaited with the number of each delta before it is sent.
    hang_after: send that many deltas, then nothing until the client goes away (`server.gone` is set then).
    cut_after: send that many deltas, then drop the connection.   error_after: then send an error inside the stream.
    raw: the bytes of the stream in place of all this.   chunk_size: cut the bytes into pieces of this size.
    """

    deltas: Sequence[str] = ()
    calls: Sequence[Call] = ()
    thoughts: Sequence[str] = ()
    finish_reason: str | None = None
    usage: Mapping[str, Any] | None = None
    status: int = 200
    error: Mapping[str, Any] = field(default_factory=dict)
    body: bytes | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    before: Callable[[], Awaitable[None]] | None = None
    pause: Pause | None = None
    hang_after: int | None = None
    cut_after: int | None = None
    error_after: int | None = None
    raw: bytes | None = None
    chunk_size: int | None = None
    gzip: bool = False
    done: bool = True
    finish: bool = True
    ignore_include_usage: bool = False


@dataclass(frozen=True)
class Request:
    """A request as it came in."""

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
        """The text of the last user message."""
        for message in reversed(self.messages):
            if message["role"] == "user":
                content = message["content"]
                if isinstance(content, str):
                    return content
                return "".join(part.get("text", "") for part in content)
        return ""


Answer = str | Sequence[str] | Reply
Script = Callable[[Request], Answer | Awaitable[Answer]]


def sse(*payloads: Any, end: str = "\n\n") -> bytes:
    """Payloads as server-sent events: text as it is, everything else as JSON."""
    texts = [payload if isinstance(payload, str) else json.dumps(payload) for payload in payloads]
    return "".join(f"data: {text}{end}" for text in texts).encode()


def as_reply(answer: Answer) -> Reply:
    if isinstance(answer, Reply):
        return answer
    return Reply(deltas=[answer] if isinstance(answer, str) else list(answer))


class OpenAIServer:
    """Serves `{base_url}/chat/completions`; `requests` holds what came in. One server for any number of clients."""

    path = "/v1/chat/completions"

    def __init__(self) -> None:
        self.requests: list[Request] = []
        self.base_url = ""
        self.gone = asyncio.Event()  # a client went away in the middle of an answer
        self.open_streams = 0
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

    async def __aenter__(self) -> OpenAIServer:
        app = web.Application(client_max_size=2**26)
        app.router.add_post(self.path, self._serve)
        # handlers are cancelled when their client goes away, as servers in front of a real model do
        self._runner = web.AppRunner(app, handler_cancellation=True, access_log=None, shutdown_timeout=0.1)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        port = self._runner.addresses[0][1]
        self.base_url = f"http://127.0.0.1:{port}/v1"
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        if self._runner is not None:
            await self._runner.cleanup()

    # --- what is said, for servers of other wire formats to replace ---

    def problem_of(self, body: Any) -> str | None:
        """What the provider would find wrong with a request."""
        return _problem_of(body)

    def whole(self, request: Request, reply: Reply) -> dict[str, Any]:
        """The answer to a request that does not stream."""
        return _completion(request, reply)

    def stream(self, request: Request, reply: Reply) -> AsyncIterator[bytes | None]:
        """The bytes of a streamed answer, one item each time something is sent; None drops the connection."""
        return _stream(request, reply)

    async def _serve(self, http: web.Request) -> web.StreamResponse:
        self.open_streams += 1
        try:
            return await self._handle(http)
        except (asyncio.CancelledError, ConnectionResetError):
            self.gone.set()
            raise
        finally:
            self.open_streams -= 1

    async def _handle(self, http: web.Request) -> web.StreamResponse:
        try:
            request = Request(await http.json(), dict(http.headers))
        except ValueError:
            return _refusal(Reply(status=400, error={"message": "We could not parse the JSON body"}))
        if (problem := self.problem_of(request.body)) is not None:
            return _refusal(Reply(status=400, error={"message": problem, "type": "invalid_request_error"}))
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
            whole = json.dumps(self.whole(request, reply)).encode()
            return web.Response(body=whole, content_type="application/json", headers=dict(reply.headers))
        headers = {"content-type": "text/event-stream; charset=utf-8", **reply.headers}
        if reply.gzip:
            headers["content-encoding"] = "gzip"
        response = web.StreamResponse(headers=headers)
        await response.prepare(http)
        packed = bytearray()
        async for part in self.stream(request, reply):
            if part is None:  # drop the connection
                assert http.transport is not None
                http.transport.close()
                return response
            data = part
            if reply.gzip:
                packed += data
                continue
            size = reply.chunk_size or len(data)
            for at in range(0, len(data), size or 1):
                await response.write(data[at : at + size])
        if packed:
            await response.write(gzip.compress(bytes(packed)))
        await response.write_eof()
        return response


def _problem_of(body: Any) -> str | None:
    """What OpenAI would find wrong with a request; the rules that clients break in practice."""
    if not isinstance(body, dict) or not isinstance(body.get("model"), str):
        return "you must provide a model parameter"
    messages = body.get("messages")
    if not isinstance(messages, list) or not messages:
        return "'messages' must not be empty"
    waiting: list[str] = []
    for at, message in enumerate(messages):
        role = message.get("role")
        if role == "tool":
            if message.get("tool_call_id") not in waiting:
                return f"messages.[{at}]: 'tool' must be a response to a preceding message with 'tool_calls'."
            waiting.remove(message["tool_call_id"])
            continue
        if waiting:
            return f"An assistant message with 'tool_calls' must be followed by tool messages for: {waiting}"
        if role not in ("system", "developer", "user", "assistant"):
            return f"messages.[{at}].role is invalid"
        if role == "assistant":
            waiting = [call["id"] for call in message.get("tool_calls") or ()]
            if not waiting and not message.get("content"):
                return f"messages.[{at}].content must not be empty"
        elif not isinstance(message.get("content"), str | list):
            return f"messages.[{at}].content is missing"
    if waiting:
        return f"An assistant message with 'tool_calls' must be followed by tool messages for: {waiting}"
    if "tool_choice" in body and not body.get("tools"):
        return "'tool_choice' is only allowed when 'tools' are specified"
    return None


def _refusal(reply: Reply) -> web.Response:
    body = reply.body
    if body is None:
        error = {"message": "refused", "type": "error", "param": None, "code": None, **reply.error}
        body = json.dumps({"error": error}).encode()
    return web.Response(status=reply.status, body=body, content_type="application/json", headers=dict(reply.headers))


def _usage(request: Request, reply: Reply) -> dict[str, Any]:
    if reply.usage is not None:
        return dict(reply.usage)
    asked = sum(len(str(message.get("content") or "").split()) for message in request.messages)
    said = sum(len(delta.split()) for delta in reply.deltas) + len(reply.calls)
    return {
        "prompt_tokens": asked,
        "completion_tokens": said,
        "total_tokens": asked + said,
        "prompt_tokens_details": {"cached_tokens": 0},
        "completion_tokens_details": {"reasoning_tokens": 0},
    }


def _finish_reason(reply: Reply) -> str:
    return reply.finish_reason or ("tool_calls" if reply.calls else "stop")


def _call_id(call: Call, at: int) -> str:
    return call.id or f"call_{at}"


def _completion(request: Request, reply: Reply) -> dict[str, Any]:
    message: dict[str, Any] = {
        "role": "assistant",
        "content": "".join(reply.deltas) or None,
        "refusal": None,
        "annotations": [],
    }
    if reply.thoughts:
        message["reasoning_content"] = "".join(reply.thoughts)
    if reply.calls:
        message["tool_calls"] = [
            {
                "id": _call_id(call, at),
                "type": "function",
                "function": {"name": call.name, "arguments": call.args},
            }
            for at, call in enumerate(reply.calls)
        ]
    choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": _finish_reason(reply)}
    return {
        "id": "chatcmpl-test",
        "object": "chat.completion",
        "created": int(time.time()),
        "model": request.body["model"],
        "choices": [choice],
        "usage": _usage(request, reply),
        "system_fingerprint": "fp_test",
    }


def chunk(request: Request, delta: Mapping[str, Any], finish_reason: str | None = None) -> dict[str, Any]:
    """One chunk of a stream."""
    choice = {"index": 0, "delta": dict(delta), "logprobs": None, "finish_reason": finish_reason}
    return {
        "id": "chatcmpl-test",
        "object": "chat.completion.chunk",
        "created": int(time.time()),
        "model": request.body["model"],
        "system_fingerprint": "fp_test",
        "choices": [choice],
    }


async def _stream(request: Request, reply: Reply) -> AsyncIterator[bytes | None]:
    """The bytes of a streamed answer, one item each time something is sent; None drops the connection."""
    if reply.raw is not None:
        yield reply.raw
        return
    yield sse(chunk(request, {"role": "assistant", "content": "", "refusal": None}))
    for thought in reply.thoughts:
        yield sse(chunk(request, {"reasoning_content": thought}))
    for at, delta in enumerate(reply.deltas):
        async for last in _misbehave(reply, at):
            yield last
            return
        if reply.pause is not None:
            await reply.pause(at)
        yield sse(chunk(request, {"content": delta}))
    async for last in _misbehave(reply, len(reply.deltas)):
        yield last
        return
    for at, call in enumerate(reply.calls):
        for piece in _call_pieces(call, at):
            yield sse(chunk(request, {"tool_calls": [piece]}))
    if reply.finish:
        yield sse(chunk(request, {}, _finish_reason(reply)))
    wants_usage = (request.body.get("stream_options") or {}).get("include_usage")
    if wants_usage and not reply.ignore_include_usage:
        yield sse({**chunk(request, {}), "choices": [], "usage": _usage(request, reply)})
    if reply.done:
        yield sse("[DONE]")


async def _misbehave(reply: Reply, at: int) -> AsyncIterator[bytes | None]:
    """The last thing sent when the reply is to go wrong before delta number `at`; nothing if it is not."""
    if reply.hang_after == at:
        await asyncio.Event().wait()
    if reply.cut_after == at:
        yield None
    if reply.error_after == at:
        yield sse({"error": {"message": "broken", "type": "server_error", "code": None, **reply.error}})


def _call_pieces(call: Call, at: int) -> list[dict[str, Any]]:
    function = {"name": call.name, "arguments": ""}
    first = {"index": at, "id": _call_id(call, at), "type": "function", "function": function}
    size = max(1, -(-len(call.args) // max(1, call.pieces)))
    cuts = [call.args[start : start + size] for start in range(0, len(call.args), size)]
    return [first, *({"index": at, "function": {"arguments": cut}} for cut in cuts)]
