"""A model that needs no key: it answers from the conversation by rules, and says that it is a demo.

It shows what Parley does (streaming, memory, tools, long answers) to somebody who has not set up a provider yet. The
text for a given conversation is always the same.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from core.messages import (
    ModelMessage,
    ModelRequest,
    ModelResponse,
    ModelResponsePart,
    ModelResponseStreamEvent,
    RetryPromptPart,
    TextPart,
    ToolCallPart,
    ToolReturnPart,
    UserPromptPart,
)
from core.models._demo_answers import Conversation, answer
from core.models.base import Model, ModelRequestParameters, StreamedResponse
from core.models.function import estimate_usage
from core.models.settings import ModelSettings
from core.models.usage import Usage

__all__ = ["DemoModel"]

THINKING_S = 0.35  # before the first word, as a real model has it
_SPEAKER = re.compile(r"^\[[^\]\n]{1,80}\]:?\s*")
_PIECES = re.compile(r"\s*\S+\s*")


class DemoModel(Model):
    """Answers by rules. `pace`: the most words a second when streaming, see `pace_of`; 0 streams without waiting."""

    def __init__(self, *, pace: float = 50) -> None:
        self.pace = pace

    @property
    def model_name(self) -> str:
        return "demo"

    @property
    def system(self) -> str:
        return "demo"

    async def request(
        self,
        messages: list[ModelMessage],
        model_settings: ModelSettings | None,
        model_request_parameters: ModelRequestParameters,
    ) -> tuple[ModelResponse, Usage]:
        parts = _answer(messages, model_request_parameters)
        response = ModelResponse(parts, "demo", finish_reason=_finish_reason(parts))
        return response, estimate_usage([*messages, response])

    @asynccontextmanager
    async def request_stream(
        self,
        messages: list[ModelMessage],
        model_settings: ModelSettings | None,
        model_request_parameters: ModelRequestParameters,
    ) -> AsyncIterator[StreamedResponse]:
        parts = _answer(messages, model_request_parameters)
        yield DemoStreamedResponse(parts, estimate_usage(messages), self.pace)


class DemoStreamedResponse(StreamedResponse):
    """An answer, a word at a time."""

    def __init__(self, parts: list[ModelResponsePart], usage: Usage, pace: float) -> None:
        self._whole = parts
        self._usage = usage
        self._pace = pace

    @property
    def model_name(self) -> str:
        return "demo"

    async def _iterate(self) -> AsyncIterator[ModelResponseStreamEvent]:
        loop = asyncio.get_running_loop()
        due = loop.time() + THINKING_S
        for key, part in enumerate(self._whole):
            pieces = _PIECES.findall(part.content) if isinstance(part, TextPart) else [""]
            pace = pace_of(len(pieces), self._pace)
            for piece in pieces:
                if self._pace > 0:
                    # by the clock, not by the gap, so that a slow reader does not slow the answer down
                    await asyncio.sleep(max(0.0, due - loop.time()))
                    due += 1 / pace
                self._count(1)
                if isinstance(part, ToolCallPart):
                    yield self.parts.whole_call(key, part.tool_name, part.args, part.tool_call_id)
                else:
                    yield self.parts.text(piece)
        self.finish_reason = _finish_reason(self._whole)

    def _count(self, words: int) -> None:
        self._usage.response_tokens = (self._usage.response_tokens or 0) + words
        self._usage.total_tokens = (self._usage.total_tokens or 0) + words


def pace_of(words: int, most: float) -> float:
    """Words a second: a short answer grows slowly enough to watch, a long one does not drag on."""
    return min(most, max(18.0, words / 20))


def _finish_reason(parts: list[ModelResponsePart]) -> str:
    return "tool_calls" if any(isinstance(part, ToolCallPart) for part in parts) else "stop"


def _answer(messages: list[ModelMessage], parameters: ModelRequestParameters) -> list[ModelResponsePart]:
    return answer(_conversation(messages), parameters.function_tools)


def _conversation(messages: list[ModelMessage]) -> Conversation:
    """What was said by people, and what the tools called for the last of it have returned."""
    said: list[str] = []
    returned: list[tuple[str, str]] = []
    for message in messages:
        for part in message.parts if isinstance(message, ModelRequest) else ():
            if isinstance(part, UserPromptPart):
                said.append(_text(part))
                returned = []
            elif isinstance(part, ToolReturnPart):
                returned.append((part.tool_name, part.model_response_str()))
            elif isinstance(part, RetryPromptPart) and part.tool_name:
                returned.append((part.tool_name, "That did not work."))
    steps = sum(isinstance(message, ModelResponse) for message in messages)
    return Conversation(said, returned, steps)


def _text(part: UserPromptPart) -> str:
    """What a person wrote, without the name a chat may put before it in brackets."""
    items = [part.content] if isinstance(part.content, str) else part.content
    text = " ".join(item for item in items if isinstance(item, str)).strip()
    return _SPEAKER.sub("", text)
