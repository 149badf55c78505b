"""pydantic-ai, with pieces as they come: its debouncing costs more."""

from __future__ import annotations

import functools
from collections.abc import AsyncIterator

from pydantic_ai import Agent
from pydantic_ai.messages import ModelMessage, ModelResponse, TextPart
from pydantic_ai.models.function import AgentInfo, FunctionModel
from pydantic_ai.models.openai import OpenAIChatModel
from pydantic_ai.providers.openai import OpenAIProvider

from benchmarks.engine._contender import PIECES, get_weather

IMPORTS = "from pydantic_ai import Agent; from pydantic_ai.models.openai import OpenAIChatModel"


async def _whole(messages: list[ModelMessage], info: AgentInfo) -> ModelResponse:
    return ModelResponse(parts=[TextPart("hello")])


async def _pieces(messages: list[ModelMessage], info: AgentInfo) -> AsyncIterator[str]:
    for _ in range(PIECES):
        yield "word "


_model = FunctionModel(_whole, stream_function=_pieces)
_fake = Agent(_model, tools=[get_weather])
_agent = Agent(tools=[get_weather])


def build_by_name() -> object:
    return Agent("openai-chat:gpt-4o")


def build() -> object:
    return Agent(_model)


def build_with_tool() -> object:
    return Agent(_model, tools=[get_weather])


async def run_fake() -> None:
    await _fake.run("hi")


async def stream_fake() -> None:
    async with _fake.run_stream("hi") as result:
        async for _ in result.stream_text(delta=True, debounce_by=None):
            pass


@functools.cache
def _model_at(base_url: str, what: str) -> OpenAIChatModel:
    return OpenAIChatModel(what, provider=OpenAIProvider(base_url=base_url, api_key="k"))


async def stream(base_url: str, what: str) -> None:
    async with _agent.run_stream("hi", model=_model_at(base_url, what)) as result:
        async for _ in result.stream_text(delta=True, debounce_by=None):
            pass
