"""A server that speaks Google's Generative Language API, with scripted replies: a real one, on 127.0.0.1.

    async with GoogleServer() as server:
        server.reply("Hello")                            # `provider_server` says what else it can be told
        server.queue(Reply([thought("Hm."), call("roll", {"sides": 6}, signature="c2ln")]), "Six.")
        GeminiModel("gemini-2.5-pro", base_url=server.base_url, api_key="test")

What Google refuses is refused (`google_rules`).
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

from tests.providers import provider_server
from tests.providers.google_rules import camel, problem_of
from tests.providers.provider_server import Piece, ProviderReply, ProviderRequest, ProviderServer

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
class Reply(ProviderReply):
    """What the server answers to one request; each part counts as a delta.

    parts: those of the answer (text as it is), one response of the stream each.   finish: its finish reason, sent with
    the last of them, None for an answer that just ends.   block: refuse the question with this block reason.
    message, code, details: what an error says beside its status.   bare_error: an error inside the stream comes, as
    Google sends it, outside of any event.   end: what ends a line of the stream.
    """

    parts: Sequence[str | Part] = ()
    finish: str | None = "STOP"
    finish_message: str = ""
    block: str | None = None
    usage: Mapping[str, Any] = field(default_factory=dict)
    message: str = "refused"
    code: str = ""
    details: Sequence[Mapping[str, Any]] = ()
    bare_error: bool = False
    end: str = "\r\n\r\n"


class Request(ProviderRequest):
    """A request as it came in."""

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


def sse(*responses: Any, end: str = "\r\n\r\n") -> bytes:
    """Responses as server-sent events: text as it is, everything else as JSON."""
    return provider_server.sse(*responses, end=end)


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


class GoogleServer(ProviderServer[Request, Reply]):
    """Serves `{base_url}/v1beta/models/...`."""

    path = "/v1beta/{resource:.*}"
    content_type = "text/event-stream"

    def without_key(self, http: web.Request) -> Reply | None:
        if http.headers.get("x-goog-api-key"):
            return None
        return self.refusal(403, "Method doesn't allow unregistered callers")

    def read(self, http: web.Request, body: Any) -> Request:
        return Request(camel(body), http.headers, http.path, http.query_string)

    def problem_of(self, request: Request) -> str | None:
        return problem_of(request.body, request.model)

    def says(self, deltas: Sequence[str]) -> Reply:
        return Reply(deltas)

    def refusal(self, status: int, message: str) -> Reply:
        return Reply(status=status, message=message)

    def error_body(self, reply: Reply) -> bytes:
        return json.dumps(error_body(reply), indent=2).encode()

    def whole(self, request: Request, reply: Reply) -> dict[str, Any]:
        return _whole(request, reply)

    def pieces(self, request: Request, reply: Reply) -> Iterator[Piece]:
        return _pieces(request, reply)

    def error_piece(self, reply: Reply, sent: int) -> bytes:
        return self.error_body(reply) if reply.bare_error else sse(error_body(reply), end=reply.end)


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
    return _ended(whole, reply)


def _ended(last: dict[str, Any], reply: Reply) -> dict[str, Any]:
    """The last response of an answer: why it ended, and no content where there was nothing to say."""
    [candidate] = last["candidates"]
    if not reply.parts:
        candidate.pop("content")
    if reply.finish_message:
        candidate["finishMessage"] = reply.finish_message
    return last


def _pieces(request: Request, reply: Reply) -> Iterator[Piece]:
    if reply.block:
        yield None, sse(_blocked(request, reply), end=reply.end)
        return
    *parts, last = [[part] for part in _parts(reply)] or [[]]
    for at, part in enumerate(parts):
        yield at, sse(response(*part, **_about(request, reply, at + 1)), end=reply.end)
    count = len(reply.parts)
    ends = reply.finish is not None and reply.cut_after != count
    whole = response(*last, finish=reply.finish if ends else None, **_about(request, reply, count))
    yield len(parts), sse(_ended(whole, reply) if ends or not last else whole, end=reply.end)
    if last:
        yield count, b""
