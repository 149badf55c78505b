"""How a response grows: deltas, and the events that bring them. None of it is ever stored."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Annotated, Any, Literal, overload

import pydantic

from core.messages._errors import UnexpectedModelBehavior
from core.messages._parts import (
    ModelResponsePart,
    RetryPromptPart,
    TextPart,
    ThinkingPart,
    ToolCallPart,
    ToolReturnPart,
)


@dataclass(slots=True)
class TextPartDelta:
    """More of a text."""

    content_delta: str
    part_delta_kind: Literal["text"] = "text"

    def apply(self, part: ModelResponsePart) -> TextPart:
        """`part` and what is more of it, as a new part. Raises ValueError when it is no text.

        It copies all there is of the text; `StreamedResponse.parts` grows a long answer without.
        """
        if not isinstance(part, TextPart):
            raise ValueError("Cannot apply TextPartDeltas to non-TextParts")
        return replace(part, content=part.content + self.content_delta)


@dataclass(slots=True)
class ThinkingPartDelta:
    """More of a thought, or its signature, which replaces the one before."""

    content_delta: str | None = None
    signature_delta: str | None = None
    part_delta_kind: Literal["thinking"] = "thinking"

    def apply(self, part: ModelResponsePart) -> ThinkingPart:
        """`part` and what is more of it, as a new part. Raises ValueError when it is no thought."""
        if not isinstance(part, ThinkingPart):
            raise ValueError("Cannot apply ThinkingPartDeltas to non-ThinkingParts")
        content = part.content + (self.content_delta or "")
        return replace(part, content=content, signature=self.signature_delta or part.signature)


@dataclass(slots=True)
class ToolCallPartDelta:
    """More of a call: the name and the JSON text add up, an object is merged in, an id is said once."""

    tool_name_delta: str | None = None
    args_delta: str | dict[str, Any] | None = None
    tool_call_id: str | None = None
    part_delta_kind: Literal["tool_call"] = "tool_call"

    def as_part(self) -> ToolCallPart | None:
        """The call, if there is enough of it: a name and arguments."""
        if self.tool_name_delta is None or self.args_delta is None:
            return None
        return ToolCallPart(self.tool_name_delta, self.args_delta, self.tool_call_id)

    @overload
    def apply(self, part: ModelResponsePart) -> ToolCallPart: ...
    @overload
    def apply(self, part: ModelResponsePart | ToolCallPartDelta) -> ToolCallPart | ToolCallPartDelta: ...
    def apply(self, part: ModelResponsePart | ToolCallPartDelta) -> ToolCallPart | ToolCallPartDelta:
        """`part`, a call or what has come of one, and what is more of it, as a new one; a whole call if it is one now.

        Raises ValueError for anything else, UnexpectedModelBehavior when JSON text and objects are mixed, or when a
        call gets a second id.
        """
        if isinstance(part, ToolCallPart):
            part = replace(part, tool_name=part.tool_name + (self.tool_name_delta or ""))
            part = replace(part, args=self._more_args(part.args, f"{part=}"))
            return replace(part, tool_call_id=self._same_id(part.tool_call_id, f"{part=}"))
        if isinstance(part, ToolCallPartDelta):
            delta = part
            if self.tool_name_delta:
                delta = replace(delta, tool_name_delta=(delta.tool_name_delta or "") + self.tool_name_delta)
            if self.args_delta is not None:
                delta = replace(delta, args_delta=self._more_args(delta.args_delta, f"{delta=}"))
            delta = replace(delta, tool_call_id=self._same_id(delta.tool_call_id, f"{delta=}"))
            return delta.as_part() or delta
        raise ValueError(f"Can only apply ToolCallPartDeltas to ToolCallParts or ToolCallPartDeltas, not {part}")

    def _more_args(self, known: str | dict[str, Any] | None, shown: str) -> str | dict[str, Any]:
        match known, self.args_delta:
            case dict(), str():
                raise UnexpectedModelBehavior(f"Cannot apply JSON deltas to non-JSON tool arguments ({shown}, {self=})")
            case str(), dict():
                raise UnexpectedModelBehavior(f"Cannot apply dict deltas to non-dict tool arguments ({shown}, {self=})")
            case _, dict() as added:
                return {**known, **added} if isinstance(known, dict) else dict(added)
            case _, added:
                return known if isinstance(known, dict) else (known or "") + (added or "")

    def _same_id(self, known: str | None, shown: str) -> str | None:
        if self.tool_call_id and known is not None and known != self.tool_call_id:
            raise UnexpectedModelBehavior(
                f"Cannot apply a new tool_call_id to a ToolCallPartDelta that already has one ({shown}, {self=})"
            )
        return self.tool_call_id or known


ModelResponsePartDelta = Annotated[
    TextPartDelta | ThinkingPartDelta | ToolCallPartDelta, pydantic.Discriminator("part_delta_kind")
]


@dataclass(slots=True)
class PartStartEvent:
    """A new part at `index` of the response; `part` is what is known of it so far."""

    index: int
    part: ModelResponsePart
    event_kind: Literal["part_start"] = "part_start"


@dataclass(slots=True)
class PartDeltaEvent:
    """The part at `index` grows by `delta`."""

    index: int
    delta: ModelResponsePartDelta
    event_kind: Literal["part_delta"] = "part_delta"


@dataclass(slots=True)
class FinalResultEvent:
    """The response can be the result of the run: text (no tool name), or a call of a result tool."""

    tool_name: str | None
    tool_call_id: str | None
    event_kind: Literal["final_result"] = "final_result"


ModelResponseStreamEvent = Annotated[PartStartEvent | PartDeltaEvent, pydantic.Discriminator("event_kind")]
AgentStreamEvent = Annotated[PartStartEvent | PartDeltaEvent | FinalResultEvent, pydantic.Discriminator("event_kind")]


@dataclass(slots=True)
class FunctionToolCallEvent:
    """A function tool is about to run."""

    part: ToolCallPart
    event_kind: Literal["function_tool_call"] = "function_tool_call"

    @property
    def call_id(self) -> str:
        """The id of the call, or its name when the provider gave none."""
        return self.part.tool_call_id or self.part.tool_name


@dataclass(slots=True)
class FunctionToolResultEvent:
    """A function tool has finished, well or with a request to try again."""

    result: ToolReturnPart | RetryPromptPart
    tool_call_id: str
    event_kind: Literal["function_tool_result"] = "function_tool_result"


HandleResponseEvent = Annotated[FunctionToolCallEvent | FunctionToolResultEvent, pydantic.Discriminator("event_kind")]
