"""What Anthropic refuses with 400: the rules that clients break in practice, and its words where they are known.

Source: Anthropic API reference, "Create a Message" and "Versions" (of the API: ours asks for 2023-06-01, the SDK for
2026-10-21); guides "Tool use", "Extended thinking", "Prompt caching".
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

__all__ = ["problem_of"]

_FIELDS = {
    "model",
    "max_tokens",
    "messages",
    "metadata",
    "stop_sequences",
    "stream",
    "system",
    "temperature",
    "thinking",
    "tool_choice",
    "tools",
    "top_k",
    "top_p",
}
_SAMPLING = {"temperature", "top_k", "top_p"}  # taken away with version 2026-10-21
_IMAGES = {"image/jpeg", "image/png", "image/gif", "image/webp"}


def problem_of(body: Any, headers: Mapping[str, str]) -> str | None:
    """What is wrong with a request, None if nothing is."""
    if (version := headers.get("anthropic-version")) not in ("2023-06-01", "2026-10-21"):
        return "anthropic-version: header is required"
    if not isinstance(body, dict) or not isinstance(body.get("model"), str):
        return "model: Field required"
    known = _FIELDS - _SAMPLING if version == "2026-10-21" else _FIELDS
    if extra := set(body) - known:
        return f"{min(extra)}: Extra inputs are not permitted"
    if not isinstance(body.get("max_tokens"), int) or body["max_tokens"] < 1:
        return "max_tokens: Field required"
    if json.dumps(body).count('"cache_control"') > 4:
        return "A maximum of 4 blocks with cache_control may be provided."
    system = body.get("system") or []
    for block in system if isinstance(system, list) else []:
        if not block["text"].strip():
            return "system: text content blocks must be non-empty"
    return _tools(body) or _thinking(body) or _messages(body)


def _tools(body: dict[str, Any]) -> str | None:
    tools = body.get("tools") or []
    if "tool_choice" in body and not tools:
        return "tool_choice may only be specified while providing tools."
    for at, tool in enumerate(tools):
        if tool.get("input_schema", {}).get("type") != "object":
            return f"tools.{at}.custom.input_schema.type: Field required"
        if not re.fullmatch(r"[a-zA-Z0-9_-]{1,128}", tool.get("name", "")):
            return f"tools.{at}.custom.name: String should match pattern '^[a-zA-Z0-9_-]{{1,128}}$'"
    return None


def _thinking(body: dict[str, Any]) -> str | None:
    thinking = body.get("thinking") or {"type": "disabled"}
    if thinking["type"] == "disabled":
        return None
    if body.get("tool_choice", {}).get("type") in ("any", "tool"):
        return "Thinking may not be enabled when tool_choice forces tool use."
    if body.get("temperature", 1) != 1:
        return "`temperature` may only be set to 1 when thinking is enabled."
    if thinking["type"] == "enabled" and not 1024 <= thinking["budget_tokens"] < body["max_tokens"]:
        return "`max_tokens` must be greater than `thinking.budget_tokens`."
    return None


def _messages(body: dict[str, Any]) -> str | None:
    messages = body.get("messages")
    if not isinstance(messages, list) or not messages:
        return "messages: at least one message is required"
    waiting: list[str] = []
    used: set[str] = set()
    for at, message in enumerate(messages):
        role = message.get("role")
        if role != ("user", "assistant")[at % 2]:
            return f'messages.{at}: roles must alternate between "user" and "assistant", beginning with "user"'
        content = message["content"]
        blocks = [{"type": "text", "text": content}] if isinstance(content, str) else content
        if not blocks:
            return f"messages.{at}: content must not be empty"
        if problem := _results(at, blocks, waiting):
            return problem
        waiting = []
        for place, block in enumerate(blocks):
            if problem := _block(role, block):
                return f"messages.{at}.content.{place}: {problem}"
            if block["type"] == "tool_use":
                if block["id"] in used:
                    return f"messages.{at}.content.{place}: `tool_use` ids must be unique"
                used.add(block["id"])
                waiting.append(block["id"])
    if waiting:
        return f"messages.{len(messages) - 1}: `tool_use` ids were found without `tool_result` blocks: {waiting}"
    if used and not body.get("tools"):
        return "Requests which have `tool_use` or `tool_result` blocks in `messages` must define `tools`"
    return None if (body.get("thinking") or {}).get("type") != "enabled" else _turn_begins_with_thought(messages)


def _results(at: int, blocks: list[dict[str, Any]], waiting: list[str]) -> str | None:
    """Results come first in their message, one for each call of the message before."""
    results = [block["tool_use_id"] for block in blocks if block["type"] == "tool_result"]
    if any(block["type"] != "tool_result" for block in blocks[: len(results)]):
        return f"messages.{at}: `tool_result` blocks must come first"
    if unknown := [each for each in results if each not in waiting]:
        return f"messages.{at}: unexpected `tool_use_id` found in `tool_result` blocks: {unknown}"
    if sorted(results) != sorted(waiting):
        return f"messages.{at}: `tool_use` ids were found without `tool_result` blocks immediately after: {waiting}"
    return None


def _block(role: str, block: dict[str, Any]) -> str | None:
    source = block.get("source") or {}
    match role, block["type"]:
        case _, "text":
            return None if block["text"].strip() else "text content blocks must contain non-whitespace text"
        case "assistant", "thinking":
            good = block["signature"].startswith("sig") and "cache_control" not in block
            return None if good else "Invalid `signature` in `thinking` block"
        case "assistant", "redacted_thinking":
            return None if block["data"].startswith("enc") else "Invalid `data` in `redacted_thinking` block"
        case "assistant", "tool_use":
            good = isinstance(block["input"], dict) and re.fullmatch(r"[a-zA-Z0-9_-]+", block["id"])
            return None if good else "tool_use: Input should be a valid dictionary, and id match the pattern"
        case "user", "tool_result":
            return None
        case "user", "image":
            good = source["type"] == "url" or (source["type"] == "base64" and source["media_type"] in _IMAGES)
            return None if good else "image.source: not supported"
        case "user", "document":
            known = {"base64": "application/pdf", "text": "text/plain", "url": None}
            good = source["type"] in known and known[source["type"]] == source.get("media_type")
            return None if good else "document.source: not supported"
        case _:
            return f"{block['type']} blocks are not allowed in {role} messages"


def _turn_begins_with_thought(messages: list[dict[str, Any]]) -> str | None:
    first: dict[str, Any] | None = None
    for message in reversed(messages):
        if message["role"] == "assistant":
            first = message["content"][0]
        elif isinstance(message["content"], str) or message["content"][0]["type"] != "tool_result":
            break
    if first is None or "thinking" in first["type"]:
        return None
    return f"Expected `thinking` or `redacted_thinking`, but found `{first['type']}`."
