"""Asks a model again when its provider failed and nothing of the answer was delivered.

Source: Agno 1.1 (`retries`, `delay_between_retries`, `exponential_backoff`), whose unit is the whole run and which
leaves streams out. Here it is one request, so that no tool runs twice, and streams are included.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import dataclass

from core.messages import ModelMessage, ModelResponse
from core.models._failures import retry_delay
from core.models.base import Model, ModelRequestParameters, StreamedResponse
from core.models.errors import FallbackExceptionGroup, ModelRateLimited
from core.models.settings import ModelSettings
from core.models.usage import Usage

__all__ = ["Again"]


@dataclass(frozen=True)
class Again:
    """How often to ask again, and after how many seconds; `exponential`: twice as long each time.

    It comes on top of what the model's own client does (`ModelSettings.max_retries`). Only failures that may pass
    count: not a refused key, a bad request, or a conversation that is too long.
    """

    retries: int = 0
    delay_s: float = 1.0
    exponential: bool = False

    async def request(
        self,
        model: Model,
        messages: list[ModelMessage],
        settings: ModelSettings | None,
        parameters: ModelRequestParameters,
    ) -> tuple[ModelResponse, Usage]:
        attempt = 0
        while True:
            try:
                return await model.request(messages, settings, parameters)
            except Exception as exc:
                await self._wait_or_raise(exc, attempt)
            attempt += 1

    def stream(
        self,
        model: Model,
        messages: list[ModelMessage],
        settings: ModelSettings | None,
        parameters: ModelRequestParameters,
    ) -> AbstractAsyncContextManager[StreamedResponse]:
        if self.retries == 0:
            return model.request_stream(messages, settings, parameters)
        return self._stream(model, messages, settings, parameters)

    @asynccontextmanager
    async def _stream(
        self,
        model: Model,
        messages: list[ModelMessage],
        settings: ModelSettings | None,
        parameters: ModelRequestParameters,
    ) -> AsyncIterator[StreamedResponse]:
        attempt = 0
        while True:
            async with AsyncExitStack() as stack:
                try:  # a stream opens when the first piece of the answer is there
                    opened = await stack.enter_async_context(model.request_stream(messages, settings, parameters))
                except Exception as exc:
                    await self._wait_or_raise(exc, attempt)
                    attempt += 1
                    continue
                yield opened
                return

    async def _wait_or_raise(self, exc: Exception, attempt: int) -> None:
        """Wait before the next attempt, or raise `exc` when there is to be none. attempt: counted from 0."""
        asked = exc.retry_after_s if isinstance(exc, ModelRateLimited) else None
        causes = exc.exceptions if isinstance(exc, FallbackExceptionGroup) else (exc,)
        if all(retry_delay(cause, attempt + 1, self.retries, asked) is None for cause in causes):
            raise exc
        delay = self.delay_s * (2**attempt if self.exponential else 1)
        await asyncio.sleep(max(delay, asked or 0.0))
