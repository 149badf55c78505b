"""A model that is a function: for tests, and for agents whose answers are computed."""

from __future__ import annotations

import inspect
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from core.messages import (
    BinaryContent,
    ModelMessage,
    ModelRequest,
    ModelResponse,
    ModelResponseStreamEvent,
    RetryPromptPart,
    SystemPromptPart,
    TextPart,
    ThinkingPart,
    ToolCallPart,
    ToolReturnPart,
    UserPromptPart,
)
from core.models.base import Model, ModelRequestParameters, StreamedResponse, ToolDefinition
from core.models.settings import ModelSettings
from core.models.usage import Usage

__all__ = ["AgentInfo", "DeltaToolCall", "DeltaToolCalls", "FunctionDef", "FunctionModel", "StreamFunctionDef"]


@dataclass(frozen=True)
class AgentInfo:
    """What the function learns of the agent that asks."""

    function_tools: list[ToolDefinition]
    allow_text_result: bool
    result_tools: list[ToolDefinition]
    model_settings: ModelSettings | None


@dataclass
class DeltaToolCall:
    """A piece of a tool call: a name, or more of its JSON arguments."""

    name: str | None = None
    json_args: str | None = None
    tool_call_id: str | None = None


DeltaToolCalls = dict[int, DeltaToolCall]
FunctionDef = Callable[[list[ModelMessage], AgentInfo], ModelResponse | Awaitable[ModelResponse]]
StreamFunctionDef = Callable[[list[ModelMessage], AgentInfo], AsyncIterator[str | DeltaToolCalls]]


class FunctionModel(Model):
    """Answers with what `function` returns, and streams what the async generator `stream_function` yields."""

    def __init__(
        self,
        function: FunctionDef | None = None,
        *,
        stream_function: StreamFunctionDef | None = None,
        model_name: str | None = None,
    ) -> None:
        if function is None and stream_function is None:
            raise TypeError("Either `function` or `stream_function` must be provided")
        self.function = function
        self.stream_function = stream_function
        names = [getattr(f, "__name__", type(f).__name__) if f else "" for f in (function, stream_function)]
        self._model_name = model_name or f"function:{names[0]}:{names[1]}"

    @property
    def model_name(self) -> str:
        return self._model_name

    @property
    def system(self) -> str:
        return "function"

    async def request(
        self,
        messages: list[ModelMessage],
        model_settings: ModelSettings | None,
        model_request_parameters: ModelRequestParameters,
    ) -> tuple[ModelResponse, Usage]:
        if self.function is None:
            raise AssertionError("FunctionModel must receive a `function` to support non-streamed requests")
        info = _info(model_settings, model_request_parameters)
        response = self.function(messages, info)
        if inspect.isawaitable(response):
            response = await response
        response.model_name = response.model_name or self._model_name
        return response, estimate_usage([*messages, response])

    @asynccontextmanager
    async def request_stream(
        self,
        messages: list[ModelMessage],
        model_settings: ModelSettings | None,
        model_request_parameters: ModelRequestParameters,
    ) -> AsyncIterator[StreamedResponse]:
        if self.stream_function is None:
            raise AssertionError("FunctionModel must receive a `stream_function` to support streamed requests")
        pieces = self.stream_function(messages, _info(model_settings, model_request_parameters))
        try:
            yield FunctionStreamedResponse(self._model_name, pieces, estimate_usage([]))
        finally:
            if (aclose := getattr(pieces, "aclose", None)) is not None:
                await aclose()


def _info(settings: ModelSettings | None, parameters: ModelRequestParameters) -> AgentInfo:
    return AgentInfo(parameters.function_tools, parameters.allow_text_result, parameters.result_tools, settings)


class FunctionStreamedResponse(StreamedResponse):
    """A response out of text and pieces of tool calls."""

    def __init__(self, model_name: str, pieces: AsyncIterator[str | DeltaToolCalls], usage: Usage) -> None:
        self._name = model_name
        self._pieces = pieces
        self._usage = usage

    @property
    def model_name(self) -> str:
        return self._name

    async def _iterate(self) -> AsyncIterator[ModelResponseStreamEvent]:
        empty = True
        async for piece in self._pieces:
            empty = False
            if isinstance(piece, str):
                add_words(self._usage, piece)
                if piece:
                    yield self.parts.text(piece)
                continue
            for key, call in piece.items():
                add_words(self._usage, call.json_args or "")
                event = self.parts.call(key, name=call.name, args=call.json_args, call_id=call.tool_call_id)
                if event is not None:
                    yield event
        if empty:
            raise ValueError("Stream function must return at least one item")


def add_words(usage: Usage, text: str) -> None:
    """Count `text` as said by the model, in place."""
    tokens = _words(text)
    usage.response_tokens = (usage.response_tokens or 0) + tokens
    usage.total_tokens = (usage.total_tokens or 0) + tokens


def estimate_usage(messages: Iterable[ModelMessage]) -> Usage:
    """About how many tokens `messages` would be: 50 for the frame of a conversation, and one a word."""
    asked, said = 50, 0
    for message in messages:
        if isinstance(message, ModelRequest):
            asked += sum(_request_tokens(part) for part in message.parts)
        else:
            said += sum(_response_tokens(part) for part in message.parts)
    return Usage(request_tokens=asked, response_tokens=said, total_tokens=asked + said)


def _request_tokens(part: SystemPromptPart | UserPromptPart | ToolReturnPart | RetryPromptPart) -> int:
    match part:
        case SystemPromptPart():
            return _words(part.content)
        case UserPromptPart(content=str() as text):
            return _words(text)
        case UserPromptPart():
            return sum(_content_tokens(item) for item in part.content)
        case ToolReturnPart():
            return _words(part.model_response_str())
        case RetryPromptPart():
            return _words(part.model_response())


def _content_tokens(item: Any) -> int:
    if isinstance(item, str):
        return _words(item)
    return len(item.data) if isinstance(item, BinaryContent) else 0


def _response_tokens(part: TextPart | ThinkingPart | ToolCallPart) -> int:
    if isinstance(part, ToolCallPart):
        return 1 + _words(part.args_as_json_str())
    return _words(part.content)


def _words(text: str) -> int:
    return len(re.split(r'[\s",.:]+', text.strip())) if text else 0
