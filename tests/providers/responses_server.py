"""A server that speaks OpenAI's Responses API, with the scripted replies of `openai_server`.

async with ResponsesServer() as server:
    server.reply(ResponsesReply(thoughts=["Hm."], encrypted="opaque", deltas=["Hel", "lo"]))
    OpenAIResponsesModel("gpt-5", base_url=server.base_url, api_key="test")
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from tests.providers.openai_server import Call, OpenAIServer, Reply, Request
from tests.providers.provider_server import Piece, cut

__all__ = ["ResponsesReply", "ResponsesServer"]


@dataclass
class ResponsesReply(Reply):
    """A `Reply`, and what only this API can do.

    encrypted: the encrypted content of a reasoning item, which comes first.   refusal: the deltas are a refusal.
    incomplete: why the response ended early.   event_lines: whether the stream has `event:` lines.
    end_mark: whether it ends with `[DONE]`.   done_events: whether `.done` events are sent for parts and items.
    """

    encrypted: str | None = None
    refusal: bool = False
    incomplete: str | None = None
    event_lines: bool = True
    end_mark: bool = False
    done_events: bool = True


class ResponsesServer(OpenAIServer):
    """Serves `{base_url}/responses`."""

    path = "/v1/responses"

    def problem_of(self, request: Request) -> str | None:
        return _problem_of(request.body)

    def whole(self, request: Request, reply: Reply) -> dict[str, Any]:
        return _response(request, _own(reply), "incomplete" if _own(reply).incomplete else "completed")

    def pieces(self, request: Request, reply: Reply) -> Iterator[Piece]:
        own = _own(reply)
        for number, (at, event) in enumerate(_events(request, own)):
            yield at, _sse({**event, "sequence_number": number}, own)
        if own.end_mark:
            yield None, b"data: [DONE]\n\n"

    def error_piece(self, reply: Reply, sent: int) -> bytes:
        error = {"code": "server_error", "message": "broken", "param": None, **reply.error}
        return _sse({"type": "error", **error, "sequence_number": sent}, _own(reply))


def _own(reply: Reply) -> ResponsesReply:
    return reply if isinstance(reply, ResponsesReply) else ResponsesReply(**vars(reply))


def _sse(event: dict[str, Any], reply: ResponsesReply) -> bytes:
    line = f"event: {event['type']}\n" if reply.event_lines else ""
    return f"{line}data: {json.dumps(event)}\n\n".encode()


def _problem_of(body: Any) -> str | None:
    """What the API would find wrong with a request; the rules that clients break in practice."""
    if not isinstance(body, dict) or not isinstance(body.get("model"), str):
        return "Missing required parameter: 'model'."
    items = body.get("input")
    if not items:
        return "Missing required parameter: 'input'."
    called: set[str] = set()
    for at, item in enumerate([] if isinstance(items, str) else items):
        kind = item.get("type", "message")
        following = items[at + 1].get("type", "message") if at + 1 < len(items) else None
        if kind == "function_call":
            called.add(item["call_id"])
        elif kind == "function_call_output":
            if item["call_id"] not in called:
                return f"No tool call found for function call output with call_id {item['call_id']}."
            called.discard(item["call_id"])
        elif kind == "reasoning":
            if body.get("store") is False and not item.get("encrypted_content"):
                return f"Item with id '{item['id']}' not found. Items are not persisted when `store` is set to false."
            if following in (None, "function_call_output"):
                return f"Item '{item['id']}' of type 'reasoning' was provided without its required following item."
        elif kind != "message" or item.get("role") not in ("user", "assistant", "system", "developer"):
            return f"Invalid value for input[{at}]."
    if called:
        return f"No tool output found for function call {sorted(called)[0]}."
    return None


def _events(request: Request, reply: ResponsesReply) -> Iterator[tuple[int | None, dict[str, Any]]]:
    """The events of a stream; before a text delta, and before the first event after them, its number comes along."""
    begun = _response(request, reply, "in_progress")
    yield None, {"type": "response.created", "response": begun}
    yield None, {"type": "response.in_progress", "response": begun}
    at = 0
    for item in _items(reply):
        empty = _emptied(item)
        yield None, {"type": "response.output_item.added", "output_index": at, "item": empty}
        match item["type"]:
            case "reasoning":
                for event in _reasoning_events(item, reply, at):
                    yield None, event
            case "message":
                yield from _text_events(item, reply, at)
            case _:
                for event in _call_events(item, reply, at):
                    yield None, event
        if reply.done_events:
            yield None, {"type": "response.output_item.done", "output_index": at, "item": item}
        at += 1
    yield len(reply.deltas), {"type": "response.a_kind_of_event_nobody_knows_yet", "output_index": at}
    if reply.finish:
        status = "incomplete" if reply.incomplete else "completed"
        yield None, {"type": f"response.{status}", "response": _response(request, reply, status)}


def _emptied(item: dict[str, Any]) -> dict[str, Any]:
    """An item as it is when it begins."""
    changed = {"content": [], "summary": [], "arguments": "", "encrypted_content": "", "status": "in_progress"}
    return {key: changed.get(key, value) for key, value in item.items()}


def _reasoning_events(item: dict[str, Any], reply: ResponsesReply, at: int) -> Iterator[dict[str, Any]]:
    place = {"item_id": item["id"], "output_index": at}
    for index, thought in enumerate(reply.thoughts):
        place["summary_index"] = index
        part = {"type": "summary_text", "text": ""}
        yield {"type": "response.reasoning_summary_part.added", **place, "part": part}
        for piece in (thought[: len(thought) // 2], thought[len(thought) // 2 :]):
            yield {"type": "response.reasoning_summary_text.delta", **place, "delta": piece}
        if reply.done_events:
            part = {"type": "summary_text", "text": thought}
            yield {"type": "response.reasoning_summary_text.done", **place, "text": thought}
            yield {"type": "response.reasoning_summary_part.done", **place, "part": part}


def _text_events(item: dict[str, Any], reply: ResponsesReply, at: int) -> Iterator[tuple[int | None, dict[str, Any]]]:
    place = {"item_id": item["id"], "output_index": at, "content_index": 0}
    kind, key = ("refusal", "refusal") if reply.refusal else ("output_text", "text")
    part = item["content"][0]
    more: dict[str, Any] = {} if reply.refusal else {"logprobs": []}
    yield None, {"type": "response.content_part.added", **place, "part": {**part, key: ""}}
    for number, delta in enumerate(reply.deltas):
        yield number, {"type": f"response.{kind}.delta", **place, **more, "delta": delta}
    if reply.done_events:
        yield None, {"type": f"response.{kind}.done", **place, **more, key: part[key]}
        yield None, {"type": "response.content_part.done", **place, "part": part}


def _call_events(item: dict[str, Any], reply: ResponsesReply, at: int) -> Iterator[dict[str, Any]]:
    place = {"item_id": item["id"], "output_index": at}
    args = item["arguments"]
    call = next(call for call in reply.calls if call.name == item["name"])
    for delta in cut(args, call.pieces):
        yield {"type": "response.function_call_arguments.delta", **place, "delta": delta}
    if reply.done_events:
        yield {"type": "response.function_call_arguments.done", **place, "name": item["name"], "arguments": args}


def _items(reply: ResponsesReply) -> list[dict[str, Any]]:
    """The output of a response."""
    items: list[dict[str, Any]] = []
    if reply.thoughts or reply.encrypted is not None:
        summary = [{"type": "summary_text", "text": thought} for thought in reply.thoughts]
        reasoning = {"id": "rs_1", "type": "reasoning", "summary": summary}
        items.append({**reasoning, "encrypted_content": reply.encrypted})
    if reply.deltas:
        text = "".join(reply.deltas)
        part = (
            {"type": "refusal", "refusal": text}
            if reply.refusal
            else {"type": "output_text", "text": text, "annotations": [], "logprobs": []}
        )
        items.append({"id": "msg_1", "type": "message", "role": "assistant", "status": "completed", "content": [part]})
    return items + [_call_item(call, at) for at, call in enumerate(reply.calls)]


def _call_item(call: Call, at: int) -> dict[str, Any]:
    ids = {"id": f"fc_{at}", "call_id": call.id or f"call_{at}"}
    return {**ids, "type": "function_call", "status": "completed", "name": call.name, "arguments": call.args}


def _response(request: Request, reply: ResponsesReply, status: str) -> dict[str, Any]:
    over = status != "in_progress"
    return {
        "id": "resp_test",
        "object": "response",
        "created_at": 1_700_000_000,
        "status": status,
        "error": None,
        "incomplete_details": {"reason": reply.incomplete} if over and reply.incomplete else None,
        "instructions": request.body.get("instructions"),
        "model": request.body["model"],
        "output": _items(reply) if over else [],
        "parallel_tool_calls": True,
        "store": request.body.get("store", True),
        "temperature": 1.0,
        "tool_choice": request.body.get("tool_choice", "auto"),
        "tools": request.body.get("tools", []),
        "top_p": 1.0,
        "usage": _usage(request, reply) if over else None,
        "metadata": {},
    }


def _usage(request: Request, reply: ResponsesReply) -> dict[str, Any]:
    if reply.usage is not None:
        return dict(reply.usage)
    asked = len(json.dumps(request.body["input"]).split())
    said = sum(len(delta.split()) for delta in reply.deltas) + len(reply.calls)
    return {
        "input_tokens": asked,
        "input_tokens_details": {"cached_tokens": 1, "cache_write_tokens": 0},
        "output_tokens": said,
        "output_tokens_details": {"reasoning_tokens": len(reply.thoughts)},
        "total_tokens": asked + said,
    }
