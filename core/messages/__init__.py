"""What is said between people, model and tools: the parts that engine, providers and history share.

A history is a list of `ModelMessage`: `ModelRequest` (what goes to the model) and `ModelResponse` (what came back),
each a list of parts. Everything is a plain dataclass with a `kind` / `part_kind` discriminator, so that
`ModelMessagesTypeAdapter` reads and writes histories as JSON (bytes as base64).

Deltas and stream events say how a response grows; they are never stored.
"""

from __future__ import annotations

from core.messages._growth import (
    AgentStreamEvent,
    FinalResultEvent,
    FunctionToolCallEvent,
    FunctionToolResultEvent,
    HandleResponseEvent,
    ModelResponsePartDelta,
    ModelResponseStreamEvent,
    PartDeltaEvent,
    PartStartEvent,
    TextPartDelta,
    ThinkingPartDelta,
    ToolCallPartDelta,
)
from core.messages._media import (
    AudioFormat,
    AudioMediaType,
    AudioUrl,
    BinaryContent,
    DocumentFormat,
    DocumentMediaType,
    DocumentUrl,
    ImageFormat,
    ImageMediaType,
    ImageUrl,
    UserContent,
)
from core.messages._parts import (
    ModelMessage,
    ModelMessagesTypeAdapter,
    ModelRequest,
    ModelRequestPart,
    ModelResponse,
    ModelResponsePart,
    RetryPromptPart,
    SystemPromptPart,
    TextPart,
    ThinkingPart,
    ToolCallPart,
    ToolReturnPart,
    UserPromptPart,
    args_are_whole,
)

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
    "args_are_whole",
]
