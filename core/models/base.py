"""The Model interface: what the engine asks of a provider."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Self

from core.messages import ModelMessage, ModelResponse, ModelResponseStreamEvent
from core.models._parts import NamedParts, ResponseParts
from core.models.settings import ModelSettings
from core.models.usage import Usage

__all__ = [
    "Model",
    "ModelRequestParameters",
    "StreamedResponse",
    "ToolDefinition",
    "check_allow_model_requests",
]


@dataclass
class ToolDefinition:
    """A tool as the model sees it.

    outer_typed_dict_key: the one key a result was wrapped under because its type is not an object.
    """

    name: str
    description: str | None
    parameters_json_schema: dict[str, Any]
    outer_typed_dict_key: str | None = None


@dataclass
class ModelRequestParameters:
    """What the model may do in this request: call function tools, call result tools, answer in text."""

    function_tools: list[ToolDefinition] = field(default_factory=list)
    allow_text_result: bool = True
    result_tools: list[ToolDefinition] = field(default_factory=list)


class StreamedResponse(ABC):
    """A response while it arrives: iterate over it once for its events, ask `get()` at any time for what is there."""

    parts: ResponseParts
    finish_reason: str | None
    _usage: Usage
    _timestamp: datetime
    _events: AsyncIterator[ModelResponseStreamEvent] | None

    def __new__(cls, *args: Any, **options: Any) -> Self:  # as the `__init__` of each has it
        """Begins empty. Here, because subclasses are often dataclasses, whose `__init__` calls no other."""
        self = super().__new__(cls)
        self.parts = ResponseParts()
        self.finish_reason = None
        self._usage = Usage()
        self._timestamp = datetime.now(tz=UTC)
        self._events = None
        return self

    def _iterate(self) -> AsyncIterator[ModelResponseStreamEvent]:
        """The events of this response, in order."""
        return self._get_event_iterator()

    def _get_event_iterator(self) -> AsyncIterator[ModelResponseStreamEvent]:
        """`_iterate`, as it is called in code written for the first face; there `_parts_manager` makes the events."""
        raise NotImplementedError(f"{type(self).__name__} says of no events: it needs `_get_event_iterator`")

    @property
    def _parts_manager(self) -> NamedParts:
        return self.parts.named

    def __aiter__(self) -> AsyncIterator[ModelResponseStreamEvent]:
        """The events; a second iteration goes on where the first one stopped."""
        if self._events is None:
            self._events = self._iterate()
        return self._events

    async def aclose(self) -> None:
        """Stop reading; what was read stays. Not for use while another task is reading."""
        if (close := getattr(self._events, "aclose", None)) is not None:
            await close()

    def get(self) -> ModelResponse:
        """The response as far as it has been read."""
        return ModelResponse(self.parts.parts(), self.model_name, self.timestamp, self.finish_reason)

    def usage(self) -> Usage:
        """What the provider has reported so far for this response (`requests` stays 0)."""
        return self._usage

    @property
    @abstractmethod
    def model_name(self) -> str:
        """The name of the model that answers, as the provider gives it."""

    @property
    def timestamp(self) -> datetime:
        return self._timestamp


class Model(ABC):
    """Somebody who answers. A model holds no state of any run, so one object serves any number at once."""

    @abstractmethod
    async def request(
        self,
        messages: list[ModelMessage],
        model_settings: ModelSettings | None,
        model_request_parameters: ModelRequestParameters,
    ) -> tuple[ModelResponse, Usage]:
        """Send `messages`, wait for the whole answer. Raises AgentRunError (see `core.models.errors`)."""

    def request_stream(
        self,
        messages: list[ModelMessage],
        model_settings: ModelSettings | None,
        model_request_parameters: ModelRequestParameters,
    ) -> AbstractAsyncContextManager[StreamedResponse]:
        """Send `messages`, read the answer as it comes. Leaving the context stops reading at once."""
        raise NotImplementedError(f"Streamed requests not supported by this {type(self).__name__}")

    @property
    @abstractmethod
    def model_name(self) -> str:
        """The name the provider knows the model by."""

    @property
    @abstractmethod
    def system(self) -> str:
        """The provider, as OpenTelemetry names it: "openai"."""

    @property
    def base_url(self) -> str | None:
        """The address requests go to, None if there is none."""
        return None

    async def aclose(self) -> None:
        """Give back connections; the model may be used again afterwards."""
        return


def check_allow_model_requests() -> None:
    """Raise RuntimeError when real model requests are switched off (`core.models.ALLOW_MODEL_REQUESTS`)."""
    from core import models

    if not models.ALLOW_MODEL_REQUESTS:
        raise RuntimeError("Model requests are not allowed, since ALLOW_MODEL_REQUESTS is False")
