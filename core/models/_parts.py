"""Grows the parts of a response out of deltas.

Text is kept as fragments and joined when asked for, so that a long answer costs no more a delta than a short one.
"""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import pydantic_core

from core.messages import (
    ModelResponsePart,
    ModelResponseStreamEvent,
    PartDeltaEvent,
    PartStartEvent,
    TextPart,
    TextPartDelta,
    ThinkingPart,
    ThinkingPartDelta,
    ToolCallPart,
    ToolCallPartDelta,
)
from core.models.errors import UnexpectedModelBehavior

__all__ = ["NamedParts", "ResponseParts"]


@dataclass(slots=True)
class _Growing:
    """Text that grows; the fragments are melted together each time it is read."""

    fragments: list[str] = field(default_factory=list)

    def text(self) -> str:
        if len(self.fragments) > 1:
            self.fragments[:] = ["".join(self.fragments)]
        return self.fragments[0] if self.fragments else ""


@dataclass(slots=True)
class _Text:
    index: int
    content: _Growing = field(default_factory=_Growing)
    signature: str | None = None

    def part(self) -> TextPart:
        return TextPart(self.content.text(), self.signature)


@dataclass(slots=True)
class _Thinking:
    index: int
    content: _Growing = field(default_factory=_Growing)
    signature: str | None = None

    def part(self) -> ThinkingPart:
        return ThinkingPart(self.content.text(), self.signature)


@dataclass(slots=True)
class _Call:
    index: int
    name: str = ""
    args: _Growing = field(default_factory=_Growing)
    args_object: dict[str, Any] | None = None
    call_id: str | None = None
    signature: str | None = None
    announced: bool = False

    def part(self) -> ToolCallPart:
        args = self.args_object if self.args_object is not None else self.args.text()
        return ToolCallPart(self.name, args, self.call_id, self.signature)

    def add_args(self, args: str | dict[str, Any] | None) -> None:
        if isinstance(args, dict):
            if self.args.fragments:
                raise UnexpectedModelBehavior(f"Cannot apply dict deltas to non-dict tool arguments ({args!r})")
            self.args_object = {**(self.args_object or {}), **args}
        elif args:
            if self.args_object is not None:
                raise UnexpectedModelBehavior(f"Cannot apply JSON deltas to non-JSON tool arguments ({args!r})")
            self.args.fragments.append(args)


class ResponseParts:
    """The parts of one response while it streams. Each call takes a delta in and gives the event that says so.

    merges: text that follows text gives the same event again, which holds all of it after `settle`.
    """

    def __init__(self) -> None:
        self.merges = False
        self._parts: list[_Text | _Thinking | _Call] = []
        self._calls: dict[Hashable, _Call] = {}
        self._piece: PartDeltaEvent | None = None  # the event that more text goes into
        self._pieces: list[str] = []

    def text(self, content: str) -> ModelResponseStreamEvent:
        """More text. Text that follows text belongs to the same part."""
        if self._piece is not None:
            self._pieces.append(content)
            return self._piece
        last = self._parts[-1] if self._parts else None
        if type(last) is _Text:
            event = PartDeltaEvent(last.index, TextPartDelta(content))
            if self.merges:
                self._piece, self._pieces = event, [content]
            else:
                last.content.fragments.append(content)
            return event
        self.settle()
        new = _Text(len(self._parts), _Growing([content]))
        self._parts.append(new)
        return PartStartEvent(new.index, TextPart(content))

    def settle(self) -> None:
        """The event of the last text is whole: it can be given away, and text from here on is another one."""
        if self._piece is not None:
            text = "".join(self._pieces)
            self._piece.delta = TextPartDelta(text)
            self._piece, self._pieces = None, []
            last = self._parts[-1]
            assert isinstance(last, _Text)  # another part would have settled it
            last.content.fragments.append(text)  # one piece of it, not each: they weigh more than what they say

    def thinking(
        self, content: str | None = None, signature: str | None = None, *, new: bool = False
    ) -> ModelResponseStreamEvent:
        """More of a thought, or its signature. A thought after a signed one, or one said to be new, is a new part."""
        self.settle()
        last = self._parts[-1] if self._parts else None
        if isinstance(last, _Thinking) and not new and not (last.signature and content):
            if content:
                last.content.fragments.append(content)
            last.signature = signature or last.signature
            return PartDeltaEvent(last.index, ThinkingPartDelta(content, signature))
        begun = _Thinking(len(self._parts), _Growing([content] if content else []), signature)
        self._parts.append(begun)
        return PartStartEvent(begun.index, begun.part())

    def call(
        self,
        key: Hashable,
        *,
        name: str | None = None,
        args: str | dict[str, Any] | None = None,
        call_id: str | None = None,
        signature: str | None = None,
    ) -> ModelResponseStreamEvent | None:
        """More of the tool call known as `key`; None while its name is not known yet.

        Raises UnexpectedModelBehavior when JSON text and objects are mixed in the arguments of one call.
        """
        self.settle()
        call = self._calls.get(key)
        if call is None:
            call = self._calls[key] = _Call(len(self._parts))
            self._parts.append(call)
        call.add_args(args)
        call.call_id = call_id or call.call_id
        call.signature = signature or call.signature
        call.name += name or ""
        if not call.name:
            return None
        if not call.announced:
            call.announced = True
            return PartStartEvent(call.index, call.part())
        return PartDeltaEvent(call.index, ToolCallPartDelta(name or None, args or None, call_id))

    def whole_call(
        self, key: Hashable, name: str, args: str | dict[str, Any], call_id: str | None
    ) -> ModelResponseStreamEvent:
        """A tool call that has come whole, in place of what there was of it."""
        self.settle()
        known = self._calls.get(key)
        call = self._calls[key] = _Call(len(self._parts) if known is None else known.index, name, announced=True)
        call.add_args(args)
        call.call_id = call_id
        self._parts[call.index : call.index + 1] = [call]
        return PartStartEvent(call.index, call.part())

    def has_call(self, key: Hashable) -> bool:
        return key in self._calls

    def is_whole_call(self, key: Hashable) -> bool:
        """Whether the arguments that have come for the call known as `key` are all there can be of them."""
        call = self._calls[key]
        if call.args_object is not None:
            return True
        if not call.args.fragments or not call.args.fragments[-1].rstrip().endswith("}"):
            return False
        try:
            pydantic_core.from_json(call.args.text())
        except ValueError:
            return False
        return True

    def sign(self, signature: str) -> None:
        """Keep a signature that came by itself with what it signs: the last part, of several calls the first one."""
        at = len(self._parts) - 1
        while at > 0 and isinstance(self._parts[at], _Call) and isinstance(self._parts[at - 1], _Call):
            at -= 1
        if at < 0:
            self.thinking(None, signature)
        else:
            self._parts[at].signature = signature

    def parts(self) -> list[ModelResponsePart]:
        """What there is so far; a call without a name is not there yet."""
        self.settle()
        return [part.part() for part in self._parts if not isinstance(part, _Call) or part.announced]

    @cached_property
    def named(self) -> NamedParts:
        """The same parts under the names of the first face."""
        return NamedParts(self._parts, self)


class NamedParts:
    """Grows parts as pydantic-ai 0.0.40 does: each is known by what the vendor calls it, None meaning the last one."""

    def __init__(self, held: list[_Text | _Thinking | _Call], parts: ResponseParts) -> None:
        self._held = held
        self._parts = parts
        self._texts: dict[Hashable, _Text] = {}
        self._call: Hashable = None  # by which the last call is known

    def get_parts(self) -> list[ModelResponsePart]:
        return self._parts.parts()

    def handle_text_delta(self, *, vendor_part_id: Hashable | None, content: str) -> ModelResponseStreamEvent:
        """More text. Raises UnexpectedModelBehavior when the name is that of a tool call."""
        if vendor_part_id is None:
            return self._parts.text(content)
        if (known := self._texts.get(vendor_part_id)) is not None:
            known.content.fragments.append(content)
            return PartDeltaEvent(known.index, TextPartDelta(content))
        if self._parts.has_call(vendor_part_id):
            raise UnexpectedModelBehavior(f"Cannot apply a text delta to the tool call {vendor_part_id!r}")
        new = self._texts[vendor_part_id] = _Text(len(self._held), _Growing([content]))
        self._held.append(new)
        return PartStartEvent(new.index, TextPart(content))

    def handle_tool_call_delta(
        self,
        *,
        vendor_part_id: Hashable | None,
        tool_name: str | None,
        args: str | dict[str, Any] | None,
        tool_call_id: str | None,
    ) -> ModelResponseStreamEvent | None:
        """More of a tool call; None while its name is not known. Without a name of either kind it goes on with the
        last call."""
        if vendor_part_id is not None:
            if vendor_part_id in self._texts:
                raise UnexpectedModelBehavior(f"Cannot apply a tool call delta to the text {vendor_part_id!r}")
            self._call = vendor_part_id
        elif tool_name or not (self._held and isinstance(self._held[-1], _Call)):
            self._call = object()
        return self._parts.call(self._call, name=tool_name, args=args, call_id=tool_call_id)

    def handle_tool_call_part(
        self,
        *,
        vendor_part_id: Hashable | None,
        tool_name: str,
        args: str | dict[str, Any],
        tool_call_id: str | None = None,
    ) -> ModelResponseStreamEvent:
        """A whole tool call, in place of what was known under the name."""
        self._call = object() if vendor_part_id is None else vendor_part_id
        return self._parts.whole_call(self._call, tool_name, args, tool_call_id)
