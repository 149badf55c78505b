"""A server that speaks Anthropic's Messages API, with scripted replies: a real one, on 127.0.0.1.

    async with AnthropicServer() as server:
        server.reply("Hello")                       # `provider_server` says what else it can be told
        server.queue(Reply([Call("roll_dice", '{"sides": 6}')]), "Six.")
        AnthropicModel("claude-sonnet-4-5", base_url=server.base_url, api_key="test")

It refuses what Anthropic refuses (`anthropic_rules.py`).
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

from aiohttp import web

from tests.providers.anthropic_rules import problem_of
from tests.providers.provider_server import Piece, ProviderReply, ProviderRequest, ProviderServer, cut

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
class Reply(ProviderReply):
    """What the server answers to one request; each event of its stream counts as a delta.

    blocks: the content; text as one string or as a list of deltas.   error: what an error says beside its status.
    line_end, noise: how lines end, and bytes sent before each event.
    """

    blocks: Sequence[Block] = ()
    stop_reason: str | None = None
    stop_details: Mapping[str, Any] | None = None
    usage: Mapping[str, Any] | None = None
    error: Mapping[str, Any] = field(default_factory=dict)
    line_end: str = "\n"
    noise: bytes = b""


class Request(ProviderRequest):
    """A request as it came in."""

    @property
    def messages(self) -> list[dict[str, Any]]:
        messages: list[dict[str, Any]] = self.body["messages"]
        return messages

    @property
    def prompt(self) -> str:
        """The text of the last message."""
        content = self.messages[-1]["content"]
        return content if isinstance(content, str) else "".join(block.get("text", "") for block in content)


def sse(event: Mapping[str, Any], line_end: str = "\n") -> bytes:
    """One event as Anthropic sends it, its type in both lines."""
    return f"event: {event['type']}{line_end}data: {json.dumps(event, ensure_ascii=False)}{line_end}{line_end}".encode()


class AnthropicServer(ProviderServer[Request, Reply]):
    """Serves `{base_url}/v1/messages`."""

    path = "/v1/messages"
    error_headers: ClassVar[Mapping[str, str]] = {"request-id": "req_test"}

    def without_key(self, http: web.Request) -> Reply | None:
        # documented is x-api-key; the SDK sends the same key as a bearer token since its version 2
        if http.headers.get("x-api-key") or http.headers.get("authorization", "").startswith("Bearer "):
            return None
        return self.refusal(401, "x-api-key header is required")

    def read(self, http: web.Request, body: Any) -> Request:
        return Request(body, http.headers)

    def problem_of(self, request: Request) -> str | None:
        return problem_of(request.body, request.headers)

    def says(self, deltas: Sequence[str]) -> Reply:
        return Reply([deltas])

    def refusal(self, status: int, message: str) -> Reply:
        return Reply(status=status, error={"message": message})

    def error_body(self, reply: Reply) -> bytes:
        return json.dumps(_envelope(reply.status, reply.error)).encode()

    def whole(self, request: Request, reply: Reply) -> dict[str, Any]:
        return _message(request.body["model"], reply)

    def pieces(self, request: Request, reply: Reply) -> Iterator[Piece]:
        return _pieces(reply, request.body["model"])

    def error_piece(self, reply: Reply, sent: int) -> bytes:
        return reply.noise + sse(_envelope(200, reply.error), reply.line_end)


def _envelope(status: int, error: Mapping[str, Any]) -> dict[str, Any]:
    told = {"type": STATUS_TYPES.get(status, "api_error"), "message": "refused", **error}
    return {"type": "error", "error": told, "request_id": "req_test"}


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
            cuts = ["", *cut(block.args, block.pieces)]
            return {**whole, "input": {}}, [{"type": "input_json_delta", "partial_json": args} for args in cuts]
        case Thought():
            thoughts = [{"type": "thinking_delta", "thinking": delta} for delta in block.deltas]
            signed = {"type": "signature_delta", "signature": block.signature}
            return {**whole, "thinking": "", "signature": ""}, [*thoughts, signed]
        case Redacted():
            return whole, []
        case _:
            texts = [block] if isinstance(block, str) else block
            return {**whole, "text": ""}, [{"type": "text_delta", "text": text} for text in texts]


def _pieces(reply: Reply, model: str) -> Iterator[Piece]:
    events = [*events_of(reply, model)]
    for at, event in enumerate(events):
        yield at, reply.noise + sse(event, reply.line_end)
    yield len(events), b""


def stream_bytes(reply: Reply, model: str = "claude-test") -> bytes:
    """All bytes of a streamed answer, up to where it breaks off."""
    return b"".join([data for _, data in _pieces(reply, model)][: reply.cut_after])
