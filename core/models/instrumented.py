"""A model whose requests are told to OpenTelemetry, each as a span `chat {model}`.

OpenTelemetry is imported when the first request is told of, so that it costs nobody anything who does not ask for it.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal, cast

from core._version import version
from core.messages import ModelMessage, ModelResponse
from core.models._telemetry import Event, as_json, choices_of, events_of, model_attributes
from core.models.base import Model, ModelRequestParameters, StreamedResponse
from core.models.settings import ModelSettings
from core.models.usage import Usage
from core.models.wrapper import WrapperModel

if TYPE_CHECKING:
    from opentelemetry._logs import Logger, LoggerProvider
    from opentelemetry.trace import Span, Tracer, TracerProvider

__all__ = ["InstrumentationSettings", "InstrumentedModel"]

_SETTINGS = ("max_tokens", "top_p", "seed", "temperature", "presence_penalty", "frequency_penalty")
_NAME = "parley"


class InstrumentationSettings:
    """Where an agent or a model tells OpenTelemetry what it does.

    event_mode: where messages are put; "attributes" of spans, as JSON, or "logs", a log record each.
    tracer_provider, event_logger_provider: whom to tell; None means the global ones. The second is the provider of
    loggers for the mode "logs".
    """

    def __init__(
        self,
        *,
        event_mode: Literal["attributes", "logs"] = "attributes",
        tracer_provider: TracerProvider | None = None,
        event_logger_provider: LoggerProvider | None = None,
    ) -> None:
        self.event_mode = event_mode
        self.tracer_provider = tracer_provider
        self.event_logger_provider = event_logger_provider

    @cached_property
    def tracer(self) -> Tracer:
        from opentelemetry.trace import get_tracer_provider

        return (self.tracer_provider or get_tracer_provider()).get_tracer(_NAME, version())

    @cached_property
    def event_logger(self) -> Logger:
        from opentelemetry._logs import get_logger_provider

        return (self.event_logger_provider or get_logger_provider()).get_logger(_NAME, version())


class InstrumentedModel(WrapperModel):
    """`wrapped`, with a span for each request: who was asked what, what was answered, and what it used."""

    def __init__(self, wrapped: Model | str, options: InstrumentationSettings | None = None) -> None:
        super().__init__(wrapped)
        self.options = options or InstrumentationSettings()

    async def request(
        self,
        messages: list[ModelMessage],
        model_settings: ModelSettings | None,
        model_request_parameters: ModelRequestParameters,
    ) -> tuple[ModelResponse, Usage]:
        from opentelemetry.trace import use_span

        chat = _Chat(self, messages, model_settings)
        try:
            with use_span(chat.span):
                response, usage = await super().request(messages, model_settings, model_request_parameters)
            chat.answered(response, usage)
            return response, usage
        finally:
            chat.end()

    @asynccontextmanager
    async def request_stream(
        self,
        messages: list[ModelMessage],
        model_settings: ModelSettings | None,
        model_request_parameters: ModelRequestParameters,
    ) -> AsyncIterator[StreamedResponse]:
        """The span is the current one while the request is sent, and ends with the stream, however that ends. (While
        the stream is read it is not: it may be read, and left, in another context than it was opened in.)"""
        from opentelemetry.trace import use_span

        chat = _Chat(self, messages, model_settings)
        try:
            async with AsyncExitStack() as stack:
                with use_span(chat.span):
                    streamed = await stack.enter_async_context(
                        super().request_stream(messages, model_settings, model_request_parameters)
                    )
                try:
                    yield streamed
                except Exception as exc:  # that nobody wants to read on, or that the task was cancelled, is no error
                    chat.failed(exc)
                    raise
                finally:
                    chat.answered(streamed.get(), streamed.usage())
        finally:
            chat.end()


class _Chat:
    """The span of one request, begun with it. Its parent is the current span."""

    def __init__(self, model: InstrumentedModel, messages: Sequence[ModelMessage], settings: ModelSettings | None):
        self._options = model.options
        self._messages = messages
        self._asked: dict[str, Any] = {"gen_ai.operation.name": "chat", **model_attributes(model.wrapped)}
        given = cast("dict[str, Any]", settings or {})
        for key in _SETTINGS:
            if isinstance(value := given.get(key), int | float):
                self._asked[f"gen_ai.request.{key}"] = value
        self.span: Span = model.options.tracer.start_span(f"chat {model.model_name}", attributes=self._asked)
        self._choices: list[Event] = []

    def answered(self, response: ModelResponse, usage: Usage) -> None:
        """What came, and what it used."""
        if not self.span.is_recording():
            return
        self._asked |= getattr(self.span, "attributes", None) or {}  # a FallbackModel has said who answers
        asked = str(self._asked["gen_ai.request.model"])
        self.span.set_attributes(
            {**usage.opentelemetry_attributes(), "gen_ai.response.model": response.model_name or asked}
        )
        self.span.update_name(f"chat {asked}")
        self._choices = choices_of(response)

    def failed(self, exc: Exception) -> None:
        if self.span.is_recording():
            from opentelemetry.trace import Status, StatusCode

            self.span.record_exception(exc)
            self.span.set_status(Status(StatusCode.ERROR, f"{type(exc).__name__}: {exc}"))

    def end(self) -> None:
        """The span ends, with what was said in it."""
        if self.span.is_recording():
            system = {"gen_ai.system": self._asked["gen_ai.system"]}
            told = [*events_of(self._messages), *self._choices]
            self._tell([event._replace(attributes={**system, **event.attributes}) for event in told])
        self.span.end()

    def _tell(self, events: list[Event]) -> None:
        if self._options.event_mode == "attributes":
            schema = {"type": "object", "properties": {"events": {"type": "array"}}}
            self.span.set_attributes(
                {"events": as_json([event.flat() for event in events]), "logfire.json_schema": as_json(schema)}
            )
            return
        from opentelemetry._logs import LogRecord, SeverityNumber
        from opentelemetry.trace import set_span_in_context

        context = set_span_in_context(self.span)
        for event in events:
            self._options.event_logger.emit(
                LogRecord(
                    context=context,
                    severity_number=SeverityNumber.INFO,
                    body=event.body,
                    attributes=event.attributes,
                    event_name=event.name,
                )
            )
