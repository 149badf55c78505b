"""What the tests of all clients do: one model over each transport, a stream read to its end, and nothing left open."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import Any, TypeVar

import httpx
import pytest

from core.messages import (
    ModelMessage,
    ModelRequest,
    ModelResponse,
    PartDeltaEvent,
    PartStartEvent,
    TextPart,
    TextPartDelta,
    UserPromptPart,
)
from core.models import Model, ModelRequestParameters, errors
from core.models.usage import Usage
from tests.providers.provider_server import ProviderServer

__all__ = [
    "ASK",
    "NOTHING",
    "TRANSPORTS",
    "Held",
    "cancelled",
    "everything_closed",
    "model_over",
    "over_each_transport",
    "served_by",
    "stream",
    "times_out",
]

ASK: list[ModelMessage] = [ModelRequest([UserPromptPart("Hi there")])]
NOTHING = ModelRequestParameters()
TRANSPORTS = ("aiohttp", "httpx")

ModelT = TypeVar("ModelT", bound=Model)


def served_by(kind: type[ProviderServer[Any, Any]]) -> Any:
    """The fixture `server`: a running server of this kind."""

    @pytest.fixture
    async def server() -> AsyncIterator[ProviderServer[Any, Any]]:
        async with kind() as server:
            yield server

    return server


def over_each_transport(kind: Callable[..., Model], name: str) -> Any:
    """The fixture `model`: a model that asks the fixture `server`, once over each transport."""

    @pytest.fixture(params=TRANSPORTS)
    async def model(request: pytest.FixtureRequest, server: ProviderServer[Any, Any]) -> AsyncIterator[Model]:
        async with model_over(request.param, kind, name, server.base_url) as model:
            yield model

    return model


@asynccontextmanager
async def model_over(transport: str, kind: Callable[..., ModelT], name: str, base_url: str) -> AsyncIterator[ModelT]:
    """A model over one of TRANSPORTS, closed at the end."""
    client = httpx.AsyncClient(trust_env=False) if transport == "httpx" else None
    model = kind(name, base_url=base_url, api_key="secret", http_client=client)
    try:
        yield model
    finally:
        await model.aclose()
        if client is not None:
            await client.aclose()


async def stream(
    model: Model, settings: Any = None, messages: list[ModelMessage] = ASK
) -> tuple[ModelResponse, Usage, str]:
    """Read a stream to its end: the response, the usage, and the text as the events told it."""
    told = ""
    async with model.request_stream(messages, settings, NOTHING) as streamed:
        async for event in streamed:
            match event:
                case (
                    PartStartEvent(part=TextPart(content=text))
                    | PartDeltaEvent(delta=TextPartDelta(content_delta=text))
                ):
                    told += text
    return streamed.get(), streamed.usage(), told


async def everything_closed(server: ProviderServer[Any, Any]) -> None:
    """Wait until the server has noticed that its client went away, and answers nobody."""
    async with asyncio.timeout(5):
        await server.gone.wait()
        await server.idle.wait()


async def times_out(model: Model, settings: Any, phase: str, server: ProviderServer[Any, Any]) -> None:
    """A stream that falls silent ends with the limit that was reached, asked for once and closed."""
    with pytest.raises(errors.ModelTimeout) as caught:
        await stream(model, settings)
    assert caught.value.phase == phase
    await everything_closed(server)
    assert len(server.requests) == 1


class Held:
    """A reply's `before` that says when a request has arrived, and holds it for ever."""

    def __init__(self, forever: bool = True) -> None:
        self.arrived = asyncio.Event()
        self._forever = forever

    async def __call__(self) -> None:
        self.arrived.set()
        if self._forever:
            await asyncio.Event().wait()


async def cancelled(asking: Coroutine[Any, Any, Any], at: asyncio.Event, server: ProviderServer[Any, Any]) -> None:
    """Cancel a request as soon as it is there; its connection closes and its task ends as cancelled."""
    at.clear()
    server.gone.clear()
    task = asyncio.ensure_future(asking)
    async with asyncio.timeout(5):
        await at.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
    await everything_closed(server)
