"""Ids of tool calls, such that a provider takes them.

A conversation goes on with another provider, or came from one that gives no ids; and providers differ in what an id
may look like. The same history always gives the same ids, so that prompts stay the same and caches hold.
"""

from __future__ import annotations

import hashlib
import re
from collections import defaultdict, deque
from dataclasses import dataclass

from core.messages import RetryPromptPart, ToolCallPart, ToolReturnPart

__all__ = ["CallIds", "IdShape"]


@dataclass(frozen=True)
class IdShape:
    """What an id may look like. pattern: of the whole of it.   prefix, digits: how to make one."""

    pattern: str
    prefix: str = "call_"
    digits: int = 24

    def fitting(self, call_id: str) -> str:
        """`call_id` if it fits, else one that always follows from it."""
        if re.fullmatch(self.pattern, call_id):
            return call_id
        return self.prefix + hashlib.sha256(call_id.encode("utf-8", "replace")).hexdigest()[: self.digits]


class CallIds:
    """The ids of one conversation, asked for in its order."""

    def __init__(self, shape: IdShape) -> None:
        self._shape = shape
        self._count = 0
        self._nameless: dict[str, deque[str]] = defaultdict(deque)

    def of_call(self, call: ToolCallPart) -> str:
        """The id of a call; one without gets one, which the next return of that tool without an id shares."""
        if call.tool_call_id:
            return self._shape.fitting(call.tool_call_id)
        self._count += 1
        made = self._shape.fitting(f"{call.tool_name} no. {self._count}, which came without an id")
        self._nameless[call.tool_name].append(made)
        return made

    def of_return(self, part: ToolReturnPart | RetryPromptPart) -> str:
        """The id of the call a return belongs to. A history in order has it: AssertionError."""
        if part.tool_call_id:
            return self._shape.fitting(part.tool_call_id)
        waiting = self._nameless[part.tool_name or ""]
        assert waiting, "OpenAI needs the id of the call with a tool's answer"
        return waiting.popleft()
