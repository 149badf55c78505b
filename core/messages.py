"""What is said between people, model and tools: the parts that engine, providers and history share.

A history is a list of `ModelMessage`: `ModelRequest` (what goes to the model) and `ModelResponse` (what came back),
each a list of parts. Everything is a plain dataclass with a `kind` / `part_kind` discriminator, so that
`ModelMessagesTypeAdapter` reads and writes histories as JSON (bytes as base64).

Deltas and stream events say how a response grows; they are never stored.
"""

from __future__ import annotations

import functools
import json
import mimetypes
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Annotated, Any, Literal, TypeAlias

import pydantic
import pydantic_core

__all__ = [
    "AgentStreamEvent",
    "AudioFormat",
    "AudioMediaType",
    "AudioUrl",
    "BinaryContent",
    "DocumentFormat",
    "DocumentMediaType",
    "DocumentUrl",
    "FinalResultEvent",
    "FunctionToolCallEvent",
    "FunctionToolResultEvent",
    "HandleResponseEvent",
    "ImageFormat",
    "ImageMediaType",
    "ImageUrl",
    "ModelMessage",
    "ModelMessagesTypeAdapter",
    "ModelRequest",
    "ModelRequestPart",
    "ModelResponse",
    "ModelResponsePart",
    "ModelResponsePartDelta",
    "ModelResponseStreamEvent",
    "PartDeltaEvent",
    "PartStartEvent",
    "RetryPromptPart",
    "SystemPromptPart",
    "TextPart",
    "TextPartDelta",
    "ThinkingPart",
    "ThinkingPartDelta",
    "ToolCallPart",
    "ToolCallPartDelta",
    "ToolReturnPart",
    "UserContent",
    "UserPromptPart",
]

AudioMediaType: TypeAlias = Literal["audio/wav", "audio/mpeg"]
ImageMediaType: TypeAlias = Literal["image/jpeg", "image/png", "image/gif", "image/webp"]
DocumentMediaType: TypeAlias = Literal[
    "application/pdf",
    "text/plain",
    "text/csv",
    "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
    "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    "text/html",
    "text/markdown",
    "application/vnd.ms-excel",
]
AudioFormat: TypeAlias = Literal["wav", "mp3"]
ImageFormat: TypeAlias = Literal["jpeg", "png", "gif", "webp"]
DocumentFormat: TypeAlias = Literal["csv", "doc", "docx", "html", "md", "pdf", "txt", "xls", "xlsx"]

_IMAGE_TYPES = {
    ".jpg": "image/jpeg",
    ".jpeg": "image/jpeg",
    ".png": "image/png",
    ".gif": "image/gif",
    ".webp": "image/webp",
}
_AUDIO_TYPES = {".mp3": "audio/mpeg", ".wav": "audio/wav"}
_FORMATS = {
    "audio/mpeg": "mp3",
    "audio/wav": "wav",
    "image/jpeg": "jpeg",
    "image/png": "png",
    "image/gif": "gif",
    "image/webp": "webp",
    "application/pdf": "pdf",
    "text/plain": "txt",
    "text/csv": "csv",
    "application/vnd.openxmlformats-officedocument.wordprocessingml.document": "docx",
    "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet": "xlsx",
    "application/msword": "doc",
    "text/html": "html",
    "text/markdown": "md",
    "application/vnd.ms-excel": "xls",
}


def _now() -> datetime:
    return datetime.now(tz=UTC)


def _extension(url: str) -> str:
    """The file extension of `url` with its dot, in lower case; query and fragment do not count."""
    path = url.split("#", 1)[0].split("?", 1)[0]
    name = path.rsplit("/", 1)[-1]
    return "." + name.rsplit(".", 1)[-1].lower() if "." in name else ""


# --- what a person says ------------------------------------------------------------------------------------


@dataclass
class ImageUrl:
    """An image the provider fetches itself."""

    url: str
    kind: Literal["image-url"] = "image-url"

    @property
    def media_type(self) -> str:
        """The media type by the extension. Raises ValueError for one we do not know."""
        if found := _IMAGE_TYPES.get(_extension(self.url)):
            return found
        raise ValueError(f"Unknown image file extension: {self.url}")

    @property
    def format(self) -> str:
        """A short name of the media type, as "png"."""
        return _format_of(self.media_type)


@dataclass
class AudioUrl:
    """A sound the provider fetches itself."""

    url: str
    kind: Literal["audio-url"] = "audio-url"

    @property
    def media_type(self) -> str:
        """The media type by the extension. Raises ValueError for one we do not know."""
        if found := _AUDIO_TYPES.get(_extension(self.url)):
            return found
        raise ValueError(f"Unknown audio file extension: {self.url}")


@dataclass
class DocumentUrl:
    """A document the provider fetches itself."""

    url: str
    kind: Literal["document-url"] = "document-url"

    @property
    def media_type(self) -> str:
        """The media type by the extension. Raises RuntimeError for one we do not know."""
        guessed, _ = mimetypes.guess_type(self.url)
        if guessed is None:
            raise RuntimeError(f"Unknown document file extension: {self.url}")
        return guessed

    @property
    def format(self) -> str:
        """A short name of the media type, as "pdf". Raises ValueError for one we do not know."""
        return _format_of(self.media_type, "document ")


@dataclass
class BinaryContent:
    """Bytes with their media type: an image, a sound or a document."""

    data: bytes
    media_type: str
    kind: Literal["binary"] = "binary"

    @property
    def is_audio(self) -> bool:
        return self.media_type.startswith("audio/")

    @property
    def is_image(self) -> bool:
        return self.media_type.startswith("image/")

    @property
    def is_document(self) -> bool:
        return not (self.is_audio or self.is_image) and self.media_type in _FORMATS

    @property
    def format(self) -> str:
        """A short name of the media type, as "png". Raises ValueError for one we do not know."""
        return _format_of(self.media_type)


def _format_of(media_type: str, kind: str = "") -> str:
    try:
        return _FORMATS[media_type]
    except KeyError:
        raise ValueError(f"Unknown {kind}media type: {media_type}") from None


Extra = Annotated[str | None, pydantic.Field(exclude_if=lambda value: value is None)]
"""A field that stored histories of others do not have; it is left out of JSON when there is nothing in it."""

UserContent = str | ImageUrl | AudioUrl | DocumentUrl | BinaryContent


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


# --- how a response grows ----------------------------------------------------------------------------------


@dataclass(slots=True)
class TextPartDelta:
    content_delta: str
    part_delta_kind: Literal["text"] = "text"


@dataclass(slots=True)
class ThinkingPartDelta:
    content_delta: str | None = None
    signature_delta: str | None = None
    part_delta_kind: Literal["thinking"] = "thinking"


@dataclass(slots=True)
class ToolCallPartDelta:
    """More of a call; the name and the JSON text add up, an object is merged in, an id replaces."""

    tool_name_delta: str | None = None
    args_delta: str | dict[str, Any] | None = None
    tool_call_id: str | None = None
    part_delta_kind: Literal["tool_call"] = "tool_call"


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


def args_are_whole(call: ToolCallPart) -> bool:
    """Whether the arguments of `call` are a complete JSON object, so that it may be sent to a provider again."""
    if isinstance(call.args, dict):
        return True
    try:
        return isinstance(json.loads(call.args or "{}"), dict)
    except ValueError:
        return False
