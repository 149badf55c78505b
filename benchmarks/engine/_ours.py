"""This engine."""

from __future__ import annotations

import functools
from collections.abc import AsyncIterator

from benchmarks.engine._contender import PIECES, get_weather
from core.agent import Agent
from core.messages import ModelMessage, ModelResponse, TextPart
from core.models import AgentInfo, FunctionModel, OpenAIModel

IMPORTS = "from core.agent import Agent; from core.models import OpenAIModel"


async def _whole(messages: list[ModelMessage], info: AgentInfo) -> ModelResponse:
    return ModelResponse([TextPart("hello")])


async def _pieces(messages: list[ModelMessage], info: AgentInfo) -> AsyncIterator[str]:
    for _ in range(PIECES):
        yield "word "


_model = FunctionModel(_whole, stream_function=_pieces)
_fake = Agent(_model, tools=[get_weather])
_agent = Agent(tools=[get_weather])


def build_by_name() -> object:
    return Agent("openai:gpt-4o")


def build() -> object:
    return Agent(_model)


def build_with_tool() -> object:
    return Agent(_model, tools=[get_weather])


async def run_fake() -> None:
    await _fake.run("hi")


async def stream_fake() -> None:
    async for _ in _fake.run("hi", stream=True):
        pass


@functools.cache
def _model_at(base_url: str, what: str) -> OpenAIModel:
    return OpenAIModel(what, base_url=base_url, api_key="k")


async def stream(base_url: str, what: str) -> None:
    async for _ in _agent.run("hi", stream=True, model=_model_at(base_url, what)):
        pass
