"""Several models, the next one asked when one fails."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager

from core.messages import ModelMessage, ModelResponse
from core.models.base import Model, ModelRequestParameters, StreamedResponse
from core.models.errors import FallbackExceptionGroup, ModelConnectionError, ModelHTTPError
from core.models.infer import infer_model
from core.models.settings import ModelSettings
from core.models.usage import Usage

__all__ = ["FallbackModel"]

FallbackOn = Callable[[Exception], bool] | tuple[type[Exception], ...]


class FallbackModel(Model):
    """Asks `default_model`, then each of `fallback_models`, until one answers.

    fallback_on: the exceptions, or a function that says of an exception, to go on after. Beside refusals it covers
    connections that fail. A stream falls back only before anything of it was delivered.
    All failed: FallbackExceptionGroup with one exception a model.
    """

    def __init__(
        self,
        default_model: Model | str,
        *fallback_models: Model | str,
        fallback_on: FallbackOn = (ModelHTTPError, ModelConnectionError),
    ) -> None:
        self.models = [infer_model(model) for model in (default_model, *fallback_models)]
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
                return await model.request(messages, model_settings, model_request_parameters)
            except Exception as exc:
                self._note(exc, failures)
        raise FallbackExceptionGroup("All models from FallbackModel failed", failures)

    @asynccontextmanager
    async def request_stream(
        self,
        messages: list[ModelMessage],
        model_settings: ModelSettings | None,
        model_request_parameters: ModelRequestParameters,
    ) -> AsyncIterator[StreamedResponse]:
        failures: list[Exception] = []
        for model in self.models:
            async with AsyncExitStack() as stack:
                try:
                    opened = await stack.enter_async_context(
                        model.request_stream(messages, model_settings, model_request_parameters)
                    )
                except Exception as exc:
                    self._note(exc, failures)
                    continue
                yield opened
                return
        raise FallbackExceptionGroup("All models from FallbackModel failed", failures)

    def _note(self, exc: Exception, failures: list[Exception]) -> None:
        """Remember `exc`, or raise it again when it is none to fall back on."""
        covered = isinstance(exc, self._fallback_on) if isinstance(self._fallback_on, tuple) else self._fallback_on(exc)
        if not covered:
            raise exc
        failures.append(exc)
