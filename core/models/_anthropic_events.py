"""The Messages API on the wire, inwards: messages and stream events into parts. Nothing here waits.

Source: Anthropic API reference, "Streaming Messages" and "Create a Message" (2026-11).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import pydantic_core

from core.messages import ModelResponseStreamEvent
from core.models._anthropic_wire import REDACTED
from core.models._parts import ResponseParts
from core.models.errors import ModelContentFiltered, ModelContextTooLong
from core.models.usage import Usage

__all__ = ["MessageReader"]

_COUNTS = ("input_tokens", "cache_creation_input_tokens", "cache_read_input_tokens", "output_tokens")


class MessageReader:
    """Reads one message into parts, whole or event by event.

    `finish_reason` is the API's stop reason, `usage` the newest counts (each event that has some gives those of the
    whole message, never more on top), `delivered` True once anything of the answer was there, `done` at its end mark.
    """

    def __init__(self, parts: ResponseParts, model_name: str) -> None:
        self._parts = parts
        self._asked_for = model_name
        self.model = model_name
        self.finish_reason: str | None = None
        self.delivered = False
        self.done = False
        self._details: object = None
        self._counts: dict[str, int] = {}
        self._blocks: dict[int, str] = {}
        self._inputs: dict[int, Mapping[str, Any]] = {}  # arguments that came at once, while no delta did
        self._new_thought = False
        self._events: dict[str, Callable[[Mapping[str, Any]], Iterator[ModelResponseStreamEvent]]] = {
            "message_start": self._message_start,
            "content_block_start": self._block_start,
            "content_block_delta": self._block_delta,
            "content_block_stop": self._block_stop,
            "message_delta": self._message_delta,
            "message_stop": self._message_stop,
        }

    @property
    def usage(self) -> Usage:
        """What was counted. Tokens read from the cache or written to it are part of the request's."""
        counts = self._counts
        asked = sum(counts.get(key, 0) for key in _COUNTS[:3]) if "input_tokens" in counts else None
        answered = counts.get("output_tokens")
        total = None if asked is None or answered is None else asked + answered
        names = {
            "cache_read_input_tokens": "cached_tokens",
            "cache_creation_input_tokens": "cache_creation_tokens",
            "thinking_tokens": "reasoning_tokens",
        }
        details = {name: counts[key] for key, name in names.items() if key in counts}
        return Usage(request_tokens=asked, response_tokens=answered, total_tokens=total, details=details or None)

    def read(self, event: Mapping[str, Any]) -> Iterator[ModelResponseStreamEvent]:
        """The events of one event of the API; pings and what is unknown have none, as its versioning policy asks.

        Raises TypeError, AttributeError, ValueError or LookupError for a misshapen one.
        """
        if (read := self._events.get(event["type"])) is not None:
            yield from read(event)

    def read_whole(self, message: Mapping[str, Any]) -> Iterator[ModelResponseStreamEvent]:
        """The events of a message that was not streamed. Raises as `read` does."""
        if not isinstance(message.get("content"), list) or message.get("type", "message") != "message":
            raise ValueError("the answer has no content")
        self.model = message.get("model") or self.model
        for index, block in enumerate(message["content"]):
            yield from self._block_start({"index": index, "content_block": block})
            yield from self._block_stop({"index": index}, whole=True)
        yield from self._message_delta({"delta": message, "usage": message.get("usage")})
        self.done = True

    def check(self) -> None:
        """Raise what the stop reason means when it is none to go on from."""
        told = {"stop_reason": self.finish_reason, "stop_details": self._details}
        if self.finish_reason == "refusal":
            raise ModelContentFiltered(200, self._asked_for, told)
        if self.finish_reason == "model_context_window_exceeded" and not self.delivered:
            raise ModelContextTooLong(200, self._asked_for, told)

    def _message_start(self, event: Mapping[str, Any]) -> Iterator[ModelResponseStreamEvent]:
        message = event["message"]
        self.model = message.get("model") or self.model
        self._count(message.get("usage"))
        yield from ()

    def _message_delta(self, event: Mapping[str, Any]) -> Iterator[ModelResponseStreamEvent]:
        delta = event.get("delta") or {}
        if reason := delta.get("stop_reason"):
            self.finish_reason = str(reason)
            self._details = delta.get("stop_details")
        self._count(event.get("usage"))
        yield from ()

    def _message_stop(self, event: Mapping[str, Any]) -> Iterator[ModelResponseStreamEvent]:
        self.done = True
        yield from ()

    def _count(self, usage: object) -> None:
        if not isinstance(usage, dict):
            return
        details = usage.get("output_tokens_details")
        said = {**usage, **(details if isinstance(details, dict) else {})}
        for key in (*_COUNTS, "thinking_tokens"):
            if isinstance(count := said.get(key), int):
                self._counts[key] = count

    def _block_start(self, event: Mapping[str, Any]) -> Iterator[ModelResponseStreamEvent]:
        block, index = event["content_block"], event["index"]
        kind = self._blocks[index] = block["type"]
        if kind == "text":
            yield from self._text(block.get("text"))
        elif kind == "thinking":
            self._new_thought = True
            yield from self._thought(block.get("thinking"), block.get("signature"))
        elif kind == "redacted_thinking":
            self._new_thought = True
            yield from self._thought(None, REDACTED + block["data"])
        elif kind == "tool_use":
            self._inputs[index] = block.get("input") or {}
            yield from self._call(index, name=block["name"], call_id=block["id"])

    def _block_delta(self, event: Mapping[str, Any]) -> Iterator[ModelResponseStreamEvent]:
        delta, index = event["delta"], event["index"]
        match delta["type"]:
            case "text_delta":
                yield from self._text(delta["text"])
            case "thinking_delta":
                yield from self._thought(delta["thinking"], None)
            case "signature_delta":
                yield from self._thought(None, delta["signature"])
            case "input_json_delta" if self._blocks.get(index) == "tool_use" and (piece := delta["partial_json"]):
                self._inputs.pop(index, None)
                yield from self._call(index, args=piece)

    def _block_stop(self, event: Mapping[str, Any], whole: bool = False) -> Iterator[ModelResponseStreamEvent]:
        arguments = self._inputs.pop(event["index"], None)
        if whole and arguments is not None:
            yield from self._call(event["index"], args=dict(arguments))
        elif arguments:
            yield from self._call(event["index"], args=pydantic_core.to_json(arguments).decode())

    def _text(self, text: str | None) -> Iterator[ModelResponseStreamEvent]:
        if text:
            self.delivered = True
            yield self._parts.text(_whole(text))

    def _thought(self, thought: str | None, signature: str | None) -> Iterator[ModelResponseStreamEvent]:
        if thought or signature:
            self.delivered = True
            new, self._new_thought = self._new_thought, False
            yield self._parts.thinking(_whole(thought or "") or None, signature or None, new=new)

    def _call(self, index: int, **known: Any) -> Iterator[ModelResponseStreamEvent]:
        self.delivered = True
        if (event := self._parts.call(index, **known)) is not None:
            yield event


def _whole(text: str) -> str:
    """`text` with the halves of surrogate pairs replaced, which could neither be shown nor stored."""
    if text.isascii() or not any("\ud800" <= char <= "\udfff" for char in text):
        return text
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
