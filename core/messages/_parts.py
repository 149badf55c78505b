"""What is kept of a conversation: requests and responses, and the parts they consist of."""

from __future__ import annotations

import functools
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Annotated, Any, Literal

import pydantic
import pydantic_core

from core.messages._media import UserContent

Extra = Annotated[str | None, pydantic.Field(exclude_if=lambda value: value is None)]
"""A field that stored histories of others do not have; it is left out of JSON when there is nothing in it."""


def _now() -> datetime:
    return datetime.now(tz=UTC)


# --- requests ----------------------------------------------------------------------------------------------


@dataclass
class SystemPromptPart:
    """A system prompt. `dynamic_ref`: the qualified name of the function that writes it anew for each run."""

    content: str
    dynamic_ref: str | None = None
    part_kind: Literal["system-prompt"] = "system-prompt"


@dataclass
class UserPromptPart:
    """What a person said: text, or a sequence of text and media."""

    content: str | Sequence[UserContent]
    timestamp: datetime = field(default_factory=_now)
    part_kind: Literal["user-prompt"] = "user-prompt"


@functools.cache  # built when it is first needed: an import should cost neither its time nor its memory
def _any_json() -> pydantic.TypeAdapter[Any]:
    return pydantic.TypeAdapter(Any, config=pydantic.ConfigDict(ser_json_bytes="base64", val_json_bytes="base64"))


@dataclass
class ToolReturnPart:
    """What a tool gave back; `content` is any JSON-able value."""

    tool_name: str
    content: Any
    tool_call_id: str | None = None
    timestamp: datetime = field(default_factory=_now)
    part_kind: Literal["tool-return"] = "tool-return"

    def model_response_str(self) -> str:
        """The content as the model reads it: text as it is, everything else as JSON."""
        if isinstance(self.content, str):
            return self.content
        return _any_json().dump_json(self.content).decode()

    def model_response_object(self) -> dict[str, Any]:
        """The content as a JSON object; what is not an object is wrapped as `return_value`."""
        dumped = _any_json().dump_python(self.content, mode="json")
        return dumped if isinstance(dumped, dict) else {"return_value": dumped}


@functools.cache
def _error_details() -> pydantic.TypeAdapter[list[pydantic_core.ErrorDetails]]:
    return pydantic.TypeAdapter(list[pydantic_core.ErrorDetails])


@dataclass
class RetryPromptPart:
    """Asks the model to try again: a message, or pydantic's list of errors."""

    content: list[pydantic_core.ErrorDetails] | str
    tool_name: str | None = None
    tool_call_id: str | None = None
    timestamp: datetime = field(default_factory=_now)
    part_kind: Literal["retry-prompt"] = "retry-prompt"

    def model_response(self) -> str:
        """The request as the model reads it."""
        if isinstance(self.content, str):
            description = self.content
        else:
            shown = _error_details().dump_json(self.content, exclude={"__all__": {"ctx"}}, indent=2).decode()
            description = f"{len(self.content)} validation errors: {shown}"
        return f"{description}\n\nFix the errors and try again."


ModelRequestPart = Annotated[
    SystemPromptPart | UserPromptPart | ToolReturnPart | RetryPromptPart, pydantic.Discriminator("part_kind")
]


@dataclass
class ModelRequest:
    """What goes to the model in one step."""

    parts: list[ModelRequestPart]
    kind: Literal["request"] = "request"


# --- responses ---------------------------------------------------------------------------------------------


@dataclass
class TextPart:
    """What the model says; `signature` is an opaque mark its provider wants back with it, as Gemini does."""

    content: str
    signature: Extra = field(default=None, repr=False)
    part_kind: Literal["text"] = "text"

    def has_content(self) -> bool:
        return bool(self.content)


@dataclass
class ThinkingPart:
    """What a model thought aloud; `signature` lets its provider accept the thought again."""

    content: str
    signature: Extra = field(default=None, repr=False)
    part_kind: Literal["thinking"] = "thinking"

    def has_content(self) -> bool:
        return bool(self.content)


@dataclass
class ToolCallPart:
    """A call the model asks for; `args` is JSON text or an object, as the provider sends it.

    signature: an opaque mark its provider wants back with the call, as Gemini does.
    """

    tool_name: str
    args: str | dict[str, Any]
    tool_call_id: str | None = None
    signature: Extra = field(default=None, repr=False)
    part_kind: Literal["tool-call"] = "tool-call"

    def args_as_dict(self) -> dict[str, Any]:
        """The arguments as an object; nothing at all counts as `{}`. Raises ValueError when it is not one."""
        if isinstance(self.args, dict):
            return self.args
        if not self.args.strip():
            return {}
        args = pydantic_core.from_json(self.args)
        if not isinstance(args, dict):
            raise ValueError("tool call arguments should be a JSON object")
        return args

    def args_as_json_str(self) -> str:
        if isinstance(self.args, str):
            return self.args
        return pydantic_core.to_json(self.args).decode()

    def has_content(self) -> bool:
        if isinstance(self.args, dict):
            return any(self.args.values())
        return bool(self.args)


ModelResponsePart = Annotated[TextPart | ThinkingPart | ToolCallPart, pydantic.Discriminator("part_kind")]


@dataclass
class ModelResponse:
    """What came back in one step.

    finish_reason: the provider's word for why it stopped ("stop", "length", "tool_calls", ...), None if it gave none;
    "interrupted" is ours, for a response that was cut off.
    """

    parts: list[ModelResponsePart]
    model_name: str | None = None
    timestamp: datetime = field(default_factory=_now)
    finish_reason: Extra = field(default=None, repr=False)
    kind: Literal["response"] = "response"


ModelMessage = Annotated[ModelRequest | ModelResponse, pydantic.Discriminator("kind")]

ModelMessagesTypeAdapter = pydantic.TypeAdapter(
    list[ModelMessage],
    config=pydantic.ConfigDict(defer_build=True, ser_json_bytes="base64", val_json_bytes="base64"),
)
"""Reads and writes a history: `validate_json(bytes)`, `dump_json(messages)`."""


def args_are_whole(call: ToolCallPart) -> bool:
    """Whether the arguments of `call` are a complete JSON object, so that it may be sent to a provider again."""
    if isinstance(call.args, dict):
        return True
    try:
        return isinstance(json.loads(call.args or "{}"), dict)
    except ValueError:
        return False
