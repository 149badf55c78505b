"""The Messages API on the wire, outwards: our messages, tools and cache breakpoints. Nothing here waits.

Source: Anthropic API reference, "Create a Message", and its guides "Tool use", "Extended thinking", "Vision", "PDF
support" and "Prompt caching" (2026-11).
"""

from __future__ import annotations

import base64
import re
from collections.abc import Iterable
from typing import Any

from core.messages import (
    AudioUrl,
    BinaryContent,
    DocumentUrl,
    ImageUrl,
    ModelMessage,
    ModelRequest,
    ModelResponse,
    RetryPromptPart,
    SystemPromptPart,
    TextPart,
    ThinkingPart,
    ToolCallPart,
    ToolReturnPart,
    UserContent,
    UserPromptPart,
)
from core.models.base import ModelRequestParameters, ToolDefinition
from core.models.errors import UserError

__all__ = ["REDACTED", "Conversation", "conversation_out", "mark_for_cache", "thinking_may_go_on", "tools_out"]

REDACTED = "redacted_thinking:"
"""Begins the signature of a ThinkingPart that holds a redacted thought; what follows is its encrypted data. No
signature of Anthropic's has a colon in it."""

_EARLIER = "(Earlier messages are left out.)"
_NO_TEXT = "(no text)"
_IMAGES = {"image/jpeg", "image/png", "image/gif", "image/webp"}
_DATA_URL = re.compile(r"data:([\w.+-]+/[\w.+-]+);base64,(.*)", re.DOTALL)
_CACHED_FROM = 4000  # characters; a prefix of less than 1,024 tokens is never cached

Block = dict[str, Any]
Conversation = list[dict[str, Any]]


def conversation_out(messages: list[ModelMessage], model_name: str) -> tuple[list[Block], Conversation]:
    """The fields `system` and `messages` of a request.

    Turns alternate and begin with the user's; results of tools come first in theirs; what is empty, which the API
    refuses, is left out. Thoughts go back only if they are signed, and by a model of the same maker as `model_name`:
    a signature of anybody else would make the API refuse this conversation for ever.
    """
    system: list[Block] = []
    turns = _Turns()
    for message in messages:
        if isinstance(message, ModelRequest):
            system += [_text(part.content) for part in _prompts(message) if part.content.strip()]
            for part in message.parts:
                if not isinstance(part, SystemPromptPart):
                    turns.add("user", turns.request_part(part))
        else:
            turns.add("assistant", turns.response(message, model_name))
    return system, turns.finished()


def _prompts(message: ModelRequest) -> list[SystemPromptPart]:
    return [part for part in message.parts if isinstance(part, SystemPromptPart)]


class _Turns:
    """Collects turns, and gives every call an id that the API takes and that its result finds again.

    The API wants ids of letters, digits, `_` and `-`, each used once; other providers send none, the same one twice, or
    others.
    """

    def __init__(self) -> None:
        self._turns: Conversation = []
        self._used: set[str] = set()
        self._open: dict[str, list[str]] = {}

    def add(self, role: str, blocks: list[Block]) -> None:
        """Add to the last turn if it is of the same role."""
        if self._turns and self._turns[-1]["role"] == role:
            self._turns[-1]["content"] += blocks
        elif blocks or role == "user":
            self._turns.append({"role": role, "content": blocks})

    def finished(self) -> Conversation:
        for turn in self._turns:
            # stable: results first, everything else in its order
            turn["content"].sort(key=lambda block: block["type"] != "tool_result")
            turn["content"] = turn["content"] or [_text(_NO_TEXT)]
        if self._turns and self._turns[0]["role"] == "assistant":
            self._turns.insert(0, {"role": "user", "content": [_text(_EARLIER)]})
        return self._turns

    def request_part(self, part: UserPromptPart | ToolReturnPart | RetryPromptPart) -> list[Block]:
        match part:
            case UserPromptPart(content=str() as text):
                return _texts([text])
            case UserPromptPart():
                return [block for item in part.content for block in _content(item)]
            case ToolReturnPart():
                return self._result(part.tool_name, part.tool_call_id, part.model_response_str(), False)
            case RetryPromptPart(tool_name=str() as name):
                return self._result(name, part.tool_call_id, part.model_response(), True)
            case RetryPromptPart():
                return _texts([part.model_response()])

    def response(self, message: ModelResponse, model_name: str) -> list[Block]:
        blocks: list[Block] = []
        keep_thoughts = _same_maker(message.model_name, model_name)
        self._open = {}
        for part in message.parts:
            match part:
                case TextPart():
                    blocks += _texts([part.content])
                case ThinkingPart():
                    blocks += _thought(part) if keep_thoughts else []
                case ToolCallPart():
                    blocks.append(self._call(part))
        return blocks

    def _call(self, part: ToolCallPart) -> Block:
        wanted = re.sub(r"[^a-zA-Z0-9_-]", "_", part.tool_call_id or part.tool_name) or "call"
        call_id, again = wanted, 1
        while call_id in self._used:
            again += 1
            call_id = f"{wanted}_{again}"
        self._used.add(call_id)
        self._open.setdefault(part.tool_call_id or part.tool_name, []).append(call_id)
        return {"type": "tool_use", "id": call_id, "name": part.tool_name, "input": _input(part)}

    def _result(self, name: str, call_id: str | None, content: str, is_error: bool) -> list[Block]:
        waiting = self._open.get(call_id or name)
        wire_id = waiting.pop(0) if waiting else call_id
        if wire_id is None:
            return _texts([content])
        block: Block = {"type": "tool_result", "tool_use_id": wire_id, "is_error": is_error}
        if content.strip():
            block["content"] = content
        return [block]


def _same_maker(said_by: str | None, asked: str) -> bool:
    return said_by is None or said_by == asked or "claude" in said_by


def _input(call: ToolCallPart) -> dict[str, Any]:
    """The arguments as an object, which is all the API takes; such as are none are shown to the model as they are."""
    try:
        return call.args_as_dict()
    except ValueError:
        return {"invalid_json": call.args_as_json_str()}


def _thought(part: ThinkingPart) -> list[Block]:
    if not part.signature:
        return []  # cut off, or another provider's: the API would refuse it
    if part.signature.startswith(REDACTED):
        return [{"type": "redacted_thinking", "data": part.signature.removeprefix(REDACTED)}]
    return [{"type": "thinking", "thinking": part.content, "signature": part.signature}]


def _text(text: str) -> Block:
    return {"type": "text", "text": text}


def _texts(texts: Iterable[str]) -> list[Block]:
    return [_text(text) for text in texts if text.strip()]


def _content(item: UserContent) -> list[Block]:
    """What a person sent, as blocks. Raises UserError for what the API has no block for."""
    match item:
        case str():
            return _texts([item])
        case ImageUrl():
            if (found := _DATA_URL.fullmatch(item.url)) is not None:
                return [{"type": "image", "source": {"type": "base64", "media_type": found[1], "data": found[2]}}]
            return [{"type": "image", "source": {"type": "url", "url": item.url}}]
        case DocumentUrl():
            if _media_type(item) not in (None, "application/pdf"):
                raise UserError(f"Anthropic reads no document at an address but PDFs: {item.url}")
            return [{"type": "document", "source": {"type": "url", "url": item.url}}]
        case AudioUrl():
            raise UserError("Anthropic's models do not take audio")
        case BinaryContent():
            return [_binary(item)]


def _media_type(item: DocumentUrl) -> str | None:
    try:
        return item.media_type
    except RuntimeError:
        return None


def _binary(item: BinaryContent) -> Block:
    media_type = item.media_type.split(";")[0].strip().lower()
    if media_type in _IMAGES or media_type == "application/pdf":
        data = base64.b64encode(item.data).decode()
        source = {"type": "base64", "media_type": media_type, "data": data}
        return {"type": "image" if media_type in _IMAGES else "document", "source": source}
    if media_type.startswith("text/") or media_type == "application/json":
        text = item.data.decode("utf-8", "replace")
        return {"type": "document", "source": {"type": "text", "media_type": "text/plain", "data": text or _NO_TEXT}}
    if item.is_audio:
        raise UserError("Anthropic's models do not take audio")
    raise UserError(f"Anthropic's models do not take {item.media_type}")


def tools_out(
    parameters: ModelRequestParameters, conversation: Conversation, parallel: bool | None, may_force: bool
) -> dict[str, Any]:
    """The fields `tools` and `tool_choice`.

    parallel: whether several tools may be called at once, None for the API's default.
    may_force: whether a tool may be demanded where text is not allowed; the API refuses that of a model that thinks.
    Without tools there are none of these fields, unless the conversation has calls in it: the API wants their tools
    defined, so they are, and forbidden.
    """
    tools = [_tool(tool) for tool in (*parameters.function_tools, *parameters.result_tools)]
    if not tools:
        called = {b["name"]: None for turn in conversation for b in turn["content"] if b["type"] == "tool_use"}
        if not called:
            return {}
        known = [{"name": name, "input_schema": {"type": "object"}} for name in called]
        return {"tools": known, "tool_choice": {"type": "none"}}
    choice: dict[str, Any] = {"type": "auto" if parameters.allow_text_result or not may_force else "any"}
    if parallel is not None:
        choice["disable_parallel_tool_use"] = not parallel
    return {"tools": tools, "tool_choice": choice}


def _tool(tool: ToolDefinition) -> dict[str, Any]:
    out: dict[str, Any] = {"name": tool.name, "input_schema": {"type": "object", **tool.parameters_json_schema}}
    if tool.description:
        out["description"] = tool.description
    return out


def thinking_may_go_on(conversation: Conversation) -> bool:
    """Whether the API lets the model think here: within a turn of tool calls only if the turn began with a thought."""
    first: Block | None = None
    for turn in reversed(conversation):
        if turn["role"] == "assistant":
            first = turn["content"][0]
        elif turn["content"][0]["type"] != "tool_result":
            break
    return first is None or conversation[-1]["content"][0]["type"] != "tool_result" or "thinking" in first["type"]


def mark_for_cache(body: dict[str, Any], what: str, ttl: str | None) -> None:
    """Set the breakpoints up to which the API keeps a request, in place.

    what: "prompt" for tools and system prompts, where they are long enough to be kept at all; "conversation" for these
    and everything up to the last turn; "off" for nothing.   ttl: "5m" or "1h", None for the API's default.
    """
    if what == "off":
        return
    mark = {"type": "ephemeral", **({"ttl": ttl} if ttl else {})}
    length = sum(len(block["text"]) for block in body.get("system", ()))
    length += sum(len(str(tool)) for tool in body.get("tools", ()))
    if length >= _CACHED_FROM:
        for blocks in (body.get("tools"), body.get("system")):
            if blocks:
                blocks[-1]["cache_control"] = mark
    if what == "conversation" and body["messages"] and body["messages"][-1]["role"] == "user":
        body["messages"][-1]["content"][-1]["cache_control"] = mark
