"""Several models, the next one asked when one fails."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import AsyncExitStack, aclosing, asynccontextmanager
from typing import Literal

from core.messages import (
    ModelMessage,
    ModelRequest,
    ModelResponse,
    ModelResponsePart,
    ModelResponseStreamEvent,
    PartDeltaEvent,
    PartStartEvent,
    TextPart,
    TextPartDelta,
    ThinkingPart,
    ToolCallPart,
    ToolCallPartDelta,
    UserPromptPart,
)
from core.models._seam import Seam
from core.models._telemetry import note_who_answers
from core.models.base import Model, ModelRequestParameters, StreamedResponse
from core.models.errors import (
    FallbackExceptionGroup,
    ModelConnectionError,
    ModelHTTPError,
    ModelStreamBroken,
    UnexpectedModelBehavior,
)
from core.models.infer import infer_model
from core.models.settings import ModelSettings
from core.models.usage import Usage

__all__ = ["FallbackModel"]

FallbackOn = Callable[[Exception], bool] | tuple[type[Exception], ...]
_GO_ON = (
    "Your last answer was cut off by the connection. Go on exactly where it ends, without an introduction and without "
    "repeating any of it."
)


class FallbackModel(Model):
    """Asks `default_model`, then each of `fallback_models`, until one answers.

    fallback_on: the exceptions, or a function that says of an exception, to go on after. Beside refusals (rate limits
    among them) it covers connections that fail, answers that do not begin in time and answers that cannot be read. A
    group of failures, which is what a FallbackModel inside this one raises, is covered when each of them is.
    broken_stream: what becomes of an answer that breaks off after its first words. "raise" raises, and the history
    keeps what came. "continue" asks the next model to go on: it is given what was said, and what it repeats of it is
    not said again. That holds for text; once a tool call has begun, or with thoughts alone, it raises all the same.
    All failed: FallbackExceptionGroup with one exception a model.
    """

    def __init__(
        self,
        default_model: Model | str,
        *fallback_models: Model | str,
        fallback_on: FallbackOn = (ModelHTTPError, ModelConnectionError, ModelStreamBroken, UnexpectedModelBehavior),
        broken_stream: Literal["raise", "continue"] = "raise",
    ) -> None:
        self.models = [infer_model(model) for model in (default_model, *fallback_models)]
        self.broken_stream = broken_stream
        self._fallback_on = fallback_on

    @property
    def model_name(self) -> str:
        return f"fallback:{','.join(model.model_name for model in self.models)}"

    @property
    def system(self) -> str:
        return f"fallback:{','.join(model.system for model in self.models)}"

    @property
    def base_url(self) -> str | None:
        return self.models[0].base_url

    async def aclose(self) -> None:
        for model in self.models:
            await model.aclose()

    async def request(
        self,
        messages: list[ModelMessage],
        model_settings: ModelSettings | None,
        model_request_parameters: ModelRequestParameters,
    ) -> tuple[ModelResponse, Usage]:
        failures: list[Exception] = []
        for model in self.models:
            try:
                answer = await model.request(messages, model_settings, model_request_parameters)
            except Exception as exc:
                self._note(exc, failures)
                continue
            note_who_answers(self, model)
            return answer
        raise _all_failed(failures)

    @asynccontextmanager
    async def request_stream(
        self,
        messages: list[ModelMessage],
        model_settings: ModelSettings | None,
        model_request_parameters: ModelRequestParameters,
    ) -> AsyncIterator[StreamedResponse]:
        """Stream from the first model whose answer begins. Entered when its first piece is there."""
        asked = _Asked(self, messages, model_settings, model_request_parameters)
        try:
            yield await asked.open()
        finally:
            await asked.aclose()

    def _note(self, exc: Exception, failures: list[Exception]) -> None:
        """Remember `exc`, or raise it again when it is none to fall back on."""
        if not self.covers(exc):
            raise exc
        failures.append(exc)

    def covers(self, exc: Exception) -> bool:
        """Whether to go on after `exc`."""
        if isinstance(self._fallback_on, tuple):
            if isinstance(exc, FallbackExceptionGroup):
                return all(self.covers(each) for each in exc.exceptions)
            return isinstance(exc, self._fallback_on)
        return self._fallback_on(exc)


def _all_failed(failures: list[Exception]) -> FallbackExceptionGroup:
    return FallbackExceptionGroup("All models from FallbackModel failed", failures)


class _Asked:
    """One streamed request: the models still to ask, and the stream that is open."""

    def __init__(
        self,
        fallback: FallbackModel,
        messages: list[ModelMessage],
        settings: ModelSettings | None,
        parameters: ModelRequestParameters,
    ) -> None:
        self.fallback = fallback
        self._messages = messages
        self._settings = settings
        self._parameters = parameters
        self._models = iter(fallback.models)
        self._failures: list[Exception] = []
        self._stack = AsyncExitStack()

    async def open(self) -> FallbackStreamedResponse:
        """The stream of the first model that begins to answer. Raises FallbackExceptionGroup."""
        opened = await self._next(self._messages)
        if opened is None:
            raise _all_failed(self._failures)
        return FallbackStreamedResponse(self, *opened)

    async def go_on(
        self, exc: Exception, said: list[ModelResponsePart]
    ) -> tuple[StreamedResponse, ModelResponseStreamEvent | None]:
        """The stream of the next model that goes on after `said`. Raises `exc` where nobody is to."""
        texts = [part.content for part in said if isinstance(part, TextPart)]
        covered = self.fallback.covers(exc)
        called = any(isinstance(part, ToolCallPart) for part in said)
        if self.fallback.broken_stream == "raise" or not covered or called or not any(texts):
            raise exc
        self._failures.append(exc)
        began = ModelResponse([TextPart("".join(texts))])
        messages = [*self._messages, began, ModelRequest([UserPromptPart(_GO_ON)])]
        if (opened := await self._next(messages)) is None:
            raise exc
        return opened

    async def _next(
        self, messages: list[ModelMessage]
    ) -> tuple[StreamedResponse, ModelResponseStreamEvent | None] | None:
        """The stream of the next model that begins to answer, and its first event; None when there is none."""
        await self._stack.aclose()
        for model in self._models:
            try:
                streamed = await self._stack.enter_async_context(
                    model.request_stream(messages, self._settings, self._parameters)
                )
                self._stack.push_async_callback(streamed.aclose)
                opened = streamed, await anext(aiter(streamed), None)
            except Exception as exc:
                await self._stack.aclose()
                self.fallback._note(exc, self._failures)
                continue
            except BaseException:
                await self._stack.aclose()
                raise
            note_who_answers(self.fallback, model)
            return opened
        return None

    async def aclose(self) -> None:
        await self._stack.aclose()


class FallbackStreamedResponse(StreamedResponse):
    """The answer of one model; or of several, one after the other, as one."""

    def __init__(self, asked: _Asked, current: StreamedResponse, first: ModelResponseStreamEvent | None) -> None:
        self._asked = asked
        self._current = current
        self._first = first
        self._used: Usage | None = None  # by the streams that broke
        self._joined = False  # `parts` holds the answer, not the current stream

    @property
    def model_name(self) -> str:
        return self._current.model_name

    def usage(self) -> Usage:
        usage = self._current.usage()
        return usage if self._used is None else self._used + usage

    def get(self) -> ModelResponse:
        if not self._joined:
            return self._current.get()
        return ModelResponse(self.parts.parts(), self.model_name, self.timestamp, self._current.finish_reason)

    async def _iterate(self) -> AsyncGenerator[ModelResponseStreamEvent, None]:
        while True:
            seam = Seam(self._text()) if self._joined else None
            try:
                async with aclosing(self._of_current()) as events:
                    async for event in events:
                        if seam is None:
                            yield event
                        elif (joined := self._join(event, seam)) is not None:
                            yield joined
            except Exception as exc:
                await self._go_on(exc)
                continue
            if seam is not None and (rest := seam.finish()):
                yield self.parts.text(rest)
            self.finish_reason = self._current.finish_reason
            return

    async def _of_current(self) -> AsyncGenerator[ModelResponseStreamEvent, None]:
        if self._first is not None:
            yield self._first
        async for event in self._current:
            yield event

    async def _go_on(self, exc: Exception) -> None:
        """Let the next model go on with what there is. Raises `exc` where none is to."""
        said = self.get().parts
        used = self.usage()
        opened = await self._asked.go_on(exc, said)
        if not self._joined:
            for part in said:
                self._keep(part)
            self._joined = True
        self._used = used + Usage(requests=1)
        self._current, self._first = opened

    def _keep(self, part: ModelResponsePart) -> None:
        if isinstance(part, ThinkingPart):
            self.parts.thinking(part.content, part.signature)
        elif isinstance(part, TextPart):
            self.parts.text(part.content)

    def _text(self) -> str:
        return "".join(part.content for part in self.parts.parts() if isinstance(part, TextPart))

    def _join(self, event: ModelResponseStreamEvent, seam: Seam) -> ModelResponseStreamEvent | None:
        """An event of a stream that goes on, as one of the whole answer; thoughts about going on are left out."""
        match event:
            case PartStartEvent(part=TextPart(content=text)) | PartDeltaEvent(delta=TextPartDelta(content_delta=text)):
                new = seam.feed(text)
                return self.parts.text(new) if new else None
            case PartStartEvent(index=at, part=ToolCallPart() as call):
                return self.parts.call(
                    (id(self._current), at), name=call.tool_name, args=call.args, call_id=call.tool_call_id
                )
            case PartDeltaEvent(index=at, delta=ToolCallPartDelta() as more):
                return self.parts.call(
                    (id(self._current), at),
                    name=more.tool_name_delta,
                    args=more.args_delta,
                    call_id=more.tool_call_id,
                )
            case _:
                return None
