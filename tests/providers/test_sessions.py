"""The connections of a loop: shared by its models, and closed whatever becomes of the models."""

from __future__ import annotations

import asyncio
import gc
import warnings
from collections.abc import AsyncIterator
from typing import Any

import pytest

from core.models import OpenAIModel
from tests.engine.threaded_server import threaded_server
from tests.providers.clients import ASK, NOTHING, stream
from tests.providers.openai_server import OpenAIServer


@pytest.fixture
async def server() -> AsyncIterator[OpenAIServer]:
    async with OpenAIServer() as server:
        yield server


def connections(server: OpenAIServer) -> int:
    assert server._runner is not None and server._runner.server is not None
    return len(server._runner.server.connections)


async def until_connections_are(count: int, server: OpenAIServer) -> None:
    for _ in range(5000):
        if connections(server) == count:
            return
        await asyncio.sleep(0.001)
    raise AssertionError(f"{connections(server)} connections, not {count}")


def test_a_model_dropped_between_two_runs_of_a_loop_leaves_nothing_open() -> None:
    """A notebook and a script run a loop in bits; what is collected while it stands still could not be closed."""
    said: list[str] = []
    with threaded_server() as server, warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always")
        with asyncio.Runner() as runner:
            runner.get_loop().set_exception_handler(lambda _loop, context: said.append(context["message"]))
            models = [OpenAIModel("gpt-4o", base_url=server.base_url, api_key="k")]
            runner.run(stream(models[0]))
            models.clear()
            gc.collect()
        gc.collect()
    assert said == [] and [str(warning.message) for warning in warned] == []


async def test_models_of_one_loop_share_its_connections(server: OpenAIServer) -> None:
    """The second model asks over the connection the first one has left; it closes when both have given it back."""
    first, second = (OpenAIModel("gpt-4o", base_url=server.base_url, api_key="k") for _ in range(2))
    await stream(first)
    await stream(second)
    await until_connections_are(1, server)
    await first.aclose()
    await stream(second)
    assert connections(server) == 1
    await second.aclose()
    await until_connections_are(0, server)


async def test_closing_a_model_leaves_the_streams_of_others_alone(server: OpenAIServer) -> None:
    """One agent that gives its model back must not cut off the answer of another one."""
    server.reply(["one ", "two"])
    first, second = (OpenAIModel("gpt-4o", base_url=server.base_url, api_key="k") for _ in range(2))
    told: list[Any] = []
    async with first.request_stream(ASK, None, NOTHING) as streamed:
        async for event in streamed:
            told.append(event)
            await stream(second)
            await second.aclose()
    assert len(told) == 2
    await first.aclose()


async def test_a_cookie_of_one_model_is_not_sent_by_another(server: OpenAIServer) -> None:
    """They may be different users, with keys of their own."""
    server.script(lambda _request: _with_cookie(server))
    named = server.base_url.replace("127.0.0.1", "localhost")  # of a bare address no cookie is ever kept
    first, second = (OpenAIModel("gpt-4o", base_url=named, api_key=key) for key in "ab")
    await stream(first)
    await stream(first)
    await stream(second)
    assert [request.headers.get("cookie") for request in server.requests] == [None, None, None]
    await first.aclose()
    await second.aclose()


def _with_cookie(server: OpenAIServer) -> Any:
    reply = server.says(["Hello"])
    reply.headers = {"set-cookie": "who=first"}
    return reply
