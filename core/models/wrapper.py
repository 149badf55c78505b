"""A model around another one."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from core.messages import ModelMessage, ModelResponse
from core.models.base import Model, ModelRequestParameters, StreamedResponse
from core.models.infer import infer_model
from core.models.settings import ModelSettings
from core.models.usage import Usage

__all__ = ["WrapperModel"]


class WrapperModel(Model):
    """Hands everything to `wrapped`, a subclass says what is different. Attributes are those of `wrapped` as well."""

    def __init__(self, wrapped: Model | str) -> None:
        self.wrapped = infer_model(wrapped)

    async def request(
        self,
        messages: list[ModelMessage],
        model_settings: ModelSettings | None,
        model_request_parameters: ModelRequestParameters,
    ) -> tuple[ModelResponse, Usage]:
        return await self.wrapped.request(messages, model_settings, model_request_parameters)

    @asynccontextmanager
    async def request_stream(
        self,
        messages: list[ModelMessage],
        model_settings: ModelSettings | None,
        model_request_parameters: ModelRequestParameters,
    ) -> AsyncIterator[StreamedResponse]:
        async with self.wrapped.request_stream(messages, model_settings, model_request_parameters) as streamed:
            yield streamed

    @property
    def model_name(self) -> str:
        return self.wrapped.model_name

    @property
    def system(self) -> str:
        return self.wrapped.system

    @property
    def base_url(self) -> str | None:
        return self.wrapped.base_url

    async def aclose(self) -> None:
        await self.wrapped.aclose()

    def __getattr__(self, name: str) -> Any:
        if name == "wrapped":  # not there yet: a copy or an unpickled object is being made
            raise AttributeError(name)
        return getattr(self.wrapped, name)
