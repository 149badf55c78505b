"""A server that speaks OpenAI chat completions, with scripted replies: a real one, on 127.0.0.1.

async with OpenAIServer() as server:
    server.reply("Hello")                       # `provider_server` says what else it can be told
    server.queue(Reply(calls=[Call("roll_dice", '{"sides": 6}')]), "Six.")
    OpenAIModel("gpt-4o", base_url=server.base_url, api_key="test")
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

from tests.providers.provider_server import Piece, ProviderReply, ProviderRequest, ProviderServer, cut, sse

__all__ = ["Call", "OpenAIServer", "Reply", "Request", "sse"]


@dataclass
class Call:
    """A tool call of a reply. `args`: JSON text, sent in `pieces` deltas."""

    name: str
    args: str = "{}"
    id: str = ""
    pieces: int = 2


@dataclass
class Reply(ProviderReply):
    """What the server answers to one request.

    deltas: the text, one chunk each.   thoughts: sent before them as `reasoning_content`.
    error: what an error says beside its status (`code`, `type`, `message`).
    finish, done: whether the stream has a finish reason and `[DONE]`.
    """

    deltas: Sequence[str] = ()
    calls: Sequence[Call] = ()
    thoughts: Sequence[str] = ()
    finish_reason: str | None = None
    usage: Mapping[str, Any] | None = None
    error: Mapping[str, Any] = field(default_factory=dict)
    done: bool = True
    finish: bool = True
    ignore_include_usage: bool = False


class Request(ProviderRequest):
    """A request as it came in."""

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


class OpenAIServer(ProviderServer[Request, Reply]):
    """Serves `{base_url}/chat/completions`."""

    path = "/v1/chat/completions"
    prefix = "/v1"

    def read(self, http: web.Request, body: Any) -> Request:
        return Request(body, http.headers)

    def problem_of(self, request: Request) -> str | None:
        return _problem_of(request.body)

    def says(self, deltas: Sequence[str]) -> Reply:
        return Reply(deltas)

    def refusal(self, status: int, message: str) -> Reply:
        return Reply(status=status, error={"message": message, "type": "invalid_request_error"})

    def error_body(self, reply: Reply) -> bytes:
        error = {"message": "refused", "type": "error", "param": None, "code": None, **reply.error}
        return json.dumps({"error": error}).encode()

    def whole(self, request: Request, reply: Reply) -> dict[str, Any]:
        return _completion(request, reply)

    def pieces(self, request: Request, reply: Reply) -> Iterator[Piece]:
        return _pieces(request, reply)

    def error_piece(self, reply: Reply, sent: int) -> bytes:
        return sse({"error": {"message": "broken", "type": "server_error", "code": None, **reply.error}})


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


def _pieces(request: Request, reply: Reply) -> Iterator[Piece]:
    yield None, sse(chunk(request, {"role": "assistant", "content": "", "refusal": None}))
    for thought in reply.thoughts:
        yield None, sse(chunk(request, {"reasoning_content": thought}))
    for at, delta in enumerate(reply.deltas):
        yield at, sse(chunk(request, {"content": delta}))
    yield len(reply.deltas), b""
    for at, call in enumerate(reply.calls):
        for piece in _call_pieces(call, at):
            yield None, sse(chunk(request, {"tool_calls": [piece]}))
    if reply.finish:
        yield None, sse(chunk(request, {}, _finish_reason(reply)))
    wants_usage = (request.body.get("stream_options") or {}).get("include_usage")
    if wants_usage and not reply.ignore_include_usage:
        yield None, sse({**chunk(request, {}), "choices": [], "usage": _usage(request, reply)})
    if reply.done:
        yield None, sse("[DONE]")


def _call_pieces(call: Call, at: int) -> list[dict[str, Any]]:
    function = {"name": call.name, "arguments": ""}
    first = {"index": at, "id": _call_id(call, at), "type": "function", "function": function}
    return [first, *({"index": at, "function": {"arguments": args}} for args in cut(call.args, call.pieces))]
