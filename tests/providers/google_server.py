"""A server that speaks Google's Generative Language API, with scripted replies: a real one, on 127.0.0.1.

    async with GoogleServer() as server:
        server.reply("Hello")                            # the answer to every request from now on
        server.reply(["Hel", "lo"])                      # the same, in these responses of a stream
        server.queue(Reply([thought("Hm."), call("roll", {"sides": 6}, signature="c2ln")]), "Six.")
        GeminiModel("gemini-2.5-pro", base_url=server.base_url, api_key="test")

What Google refuses is refused (`google_rules`), and what a `Reply` says may go wrong goes wrong.
"""

from __future__ import annotations

import asyncio
import gzip
import inspect
import json
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

from tests.providers.google_rules import camel, problem_of

__all__ = ["GoogleServer", "Reply", "Request", "call", "error_body", "response", "sse", "text", "thought"]

Part = dict[str, Any]


def text(content: str, signature: str | None = None) -> Part:
    return {"text": content, **_signed(signature)}


def thought(content: str, signature: str | None = None) -> Part:
    return {"text": content, "thought": True, **_signed(signature)}


def call(name: str, args: Mapping[str, Any] | None = None, id: str = "", signature: str | None = None) -> Part:
    """A function call; models before Gemini 3 give no ids."""
    return {
        "functionCall": {**({"id": id} if id else {}), "name": name, "args": dict(args or {})},
        **_signed(signature),
    }


def _signed(signature: str | None) -> Part:
    return {"thoughtSignature": signature} if signature else {}


@dataclass
class Reply:
    """What the server answers to one request.

    parts: those of the answer (text as it is), one response of the stream each.   finish: its finish reason, sent with
    the last of them, None for an answer that just ends.   block: refuse the question with this block reason.
    status, message, code, details: refuse with an error of Google's, or with any `body`.
    before: awaited before anything is sent.   hang_after: send that many parts, then nothing until the client goes
    away (`server.gone` is set then).   cut_after: send that many parts, then drop the connection.
    error_after: then send the error inside the stream, as an event, or with `bare_error`, as Google does, outside one.
    raw: the bytes of the stream in place of all this; `cut_at` drops the connection after so many of them.
    chunk_size: cut the bytes into pieces of this size.   end: what ends a line of the stream.
    """

    parts: Sequence[str | Part] = ()
    finish: str | None = "STOP"
    finish_message: str = ""
    block: str | None = None
    usage: Mapping[str, Any] = field(default_factory=dict)
    status: int = 200
    message: str = "refused"
    code: str = ""
    details: Sequence[Mapping[str, Any]] = ()
    body: bytes | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    before: Callable[[], Awaitable[None]] | None = None
    hang_after: int | None = None
    cut_after: int | None = None
    error_after: int | None = None
    bare_error: bool = False
    raw: bytes | None = None
    cut_at: int | None = None
    chunk_size: int | None = None
    gzip: bool = False
    end: str = "\r\n\r\n"


@dataclass(frozen=True)
class Request:
    """A request as it came in."""

    body: dict[str, Any]
    headers: Mapping[str, str]
    path: str
    query: str

    @property
    def stream(self) -> bool:
        return self.path.endswith(":streamGenerateContent")

    @property
    def model(self) -> str:
        return self.path.rsplit("/", 1)[-1].split(":")[0]

    @property
    def contents(self) -> list[dict[str, Any]]:
        contents: list[dict[str, Any]] = self.body["contents"]
        return contents

    @property
    def prompt(self) -> str:
        """The text of the last turn."""
        return "".join(part.get("text", "") for part in self.contents[-1]["parts"])


Answer = str | Sequence[str] | Reply
Script = Callable[[Request], Answer | Awaitable[Answer]]


def sse(*responses: Any, end: str = "\r\n\r\n") -> bytes:
    """Responses as server-sent events: text as it is, everything else as JSON."""
    texts = [each if isinstance(each, str) else json.dumps(each) for each in responses]
    return "".join(f"data: {each}{end}" for each in texts).encode()


def response(*parts: str | Part, finish: str | None = None, **more: Any) -> dict[str, Any]:
    """One GenerateContentResponse."""
    candidate: dict[str, Any] = {
        "content": {"parts": [text(part) if isinstance(part, str) else part for part in parts], "role": "model"},
        "index": 0,
    }
    if finish:
        candidate["finishReason"] = finish
    return {"candidates": [candidate], **more}


def error_body(reply: Reply) -> dict[str, Any]:
    """An error as AIP-193 says; its code is the HTTP status."""
    code = reply.status if reply.status != 200 else 503
    known = {400: "INVALID_ARGUMENT", 403: "PERMISSION_DENIED", 404: "NOT_FOUND", 429: "RESOURCE_EXHAUSTED"}
    known |= {401: "UNAUTHENTICATED", 500: "INTERNAL", 503: "UNAVAILABLE", 504: "DEADLINE_EXCEEDED"}
    error = {"code": code, "message": reply.message, "status": reply.code or known.get(code, "UNKNOWN")}
    return {"error": {**error, **({"details": list(reply.details)} if reply.details else {})}}


class GoogleServer:
    """Serves `{base_url}/v1beta/models/...`; `requests` holds what came in. One server for any number of clients."""

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

    async def __aenter__(self) -> GoogleServer:
        app = web.Application(client_max_size=2**26)
        app.router.add_post("/v1beta/{resource:.*}", self._serve)
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
        self.open_streams += 1
        try:
            return await self._handle(http)
        except (asyncio.CancelledError, ConnectionResetError):
            self.gone.set()
            raise
        finally:
            self.open_streams -= 1

    async def _handle(self, http: web.Request) -> web.StreamResponse:
        if not http.headers.get("x-goog-api-key"):
            return _refusal(Reply(status=403, message="Method doesn't allow unregistered callers"))
        try:
            request = Request(camel(await http.json()), dict(http.headers), http.path, http.query_string)
        except ValueError:
            return _refusal(Reply(status=400, message="Invalid JSON payload received."))
        if (problem := problem_of(request.body, request.model)) is not None:
            return _refusal(Reply(status=400, message=problem))
        self.requests.append(request)
        if self._queue:
            answer: Answer = self._queue.popleft()
        else:
            computed = self._script(request)
            answer = await computed if inspect.isawaitable(computed) else computed
        reply = _as_reply(answer)
        if reply.before is not None:
            await reply.before()
        if reply.body is not None or (reply.status != 200 and reply.error_after is None):
            return _refusal(reply)
        if request.stream:
            return await self._stream(http, request, reply)
        if reply.hang_after is not None:
            await asyncio.Event().wait()
        return web.json_response(_whole(request, reply), headers=dict(reply.headers))

    async def _stream(self, http: web.Request, request: Request, reply: Reply) -> web.StreamResponse:
        headers = {"content-type": "text/event-stream", **reply.headers}
        if reply.gzip:
            headers["content-encoding"] = "gzip"
        answer = web.StreamResponse(headers=headers)
        await answer.prepare(http)
        packed = b""
        async for part in _pieces(request, reply):
            if part is None:  # drop the connection
                assert http.transport is not None
                http.transport.abort()
                return answer
            packed += part if reply.gzip else b""
            size = reply.chunk_size or len(part) or 1
            for at in range(0, 0 if reply.gzip else len(part), size):
                await answer.write(part[at : at + size])
                if reply.chunk_size:
                    await asyncio.sleep(0)  # so that the pieces leave one by one
        if packed:
            await answer.write(gzip.compress(packed))
        await answer.write_eof()
        return answer


def _as_reply(answer: Answer) -> Reply:
    if isinstance(answer, Reply):
        return answer
    return Reply([answer] if isinstance(answer, str) else list(answer))


def _refusal(reply: Reply) -> web.Response:
    body = json.dumps(error_body(reply), indent=2).encode() if reply.body is None else reply.body
    return web.Response(status=reply.status, body=body, content_type="application/json", headers=dict(reply.headers))


def _parts(reply: Reply) -> list[Part]:
    return [text(part) if isinstance(part, str) else part for part in reply.parts]


def _about(request: Request, reply: Reply, said: int) -> dict[str, Any]:
    """What every response says beside its candidate; the counts are totals of the answer so far."""
    asked = sum(len(part.get("text", "").split()) for turn in request.contents for part in turn["parts"])
    usage: dict[str, Any] = {"promptTokenCount": asked, "totalTokenCount": asked + said}
    if said:
        usage["candidatesTokenCount"] = said
    usage["promptTokensDetails"] = [{"modality": "TEXT", "tokenCount": asked}]
    return {"usageMetadata": {**usage, **reply.usage}, "modelVersion": request.model, "responseId": "r-1"}


def _blocked(request: Request, reply: Reply) -> dict[str, Any]:
    ratings = [{"category": "HARM_CATEGORY_HARASSMENT", "probability": "HIGH", "blocked": True}]
    feedback = {"blockReason": reply.block, "safetyRatings": ratings}
    return {"promptFeedback": feedback, **_about(request, reply, 0)}


def _whole(request: Request, reply: Reply) -> dict[str, Any]:
    if reply.block:
        return _blocked(request, reply)
    merged: list[Part] = []
    for part in _parts(reply):  # what streams as many texts is one text here
        if set(part) == {"text"} and merged and set(merged[-1]) == {"text"}:
            merged[-1] = text(merged[-1]["text"] + part["text"])
        else:
            merged.append(part)
    whole = response(*merged, finish=reply.finish, **_about(request, reply, len(reply.parts)))
    if not merged:
        whole["candidates"][0].pop("content")
    if reply.finish_message:
        whole["candidates"][0]["finishMessage"] = reply.finish_message
    return whole


async def _pieces(request: Request, reply: Reply) -> AsyncIterator[bytes | None]:
    """The bytes of a streamed answer, one item each time something is sent; None drops the connection."""
    if reply.raw is not None:
        yield reply.raw[: reply.cut_at]
        if reply.cut_at is not None:
            yield None
        return
    if reply.block:
        yield sse(_blocked(request, reply), end=reply.end)
        return
    parts = _parts(reply)
    for at in range(len(parts) + 1):
        if reply.hang_after == at:
            await asyncio.Event().wait()
        if reply.cut_after == at:
            yield None
            return
        if reply.error_after == at:
            error = error_body(reply)
            yield json.dumps(error, indent=2).encode() if reply.bare_error else sse(error, end=reply.end)
            return
        if at < len(parts) - 1 or (at < len(parts) and (reply.finish is None or reply.cut_after == len(parts))):
            yield sse(response(parts[at], **_about(request, reply, at + 1)), end=reply.end)
        elif at == len(parts) - 1 or not parts:
            last = response(*parts[-1:], finish=reply.finish, **_about(request, reply, len(parts)))
            if not parts:
                last["candidates"][0].pop("content")
            if reply.finish_message:
                last["candidates"][0]["finishMessage"] = reply.finish_message
            yield sse(last, end=reply.end)
