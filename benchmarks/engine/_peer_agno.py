"""Agno, without its telemetry."""

from __future__ import annotations

import functools
from collections.abc import AsyncIterator
from typing import Any

from agno.agent import Agent
from agno.models.openai import OpenAIChat
from agno.models.response import ModelResponse

from benchmarks.engine._contender import PIECES, get_weather

IMPORTS = "from agno.agent import Agent; from agno.models.openai import OpenAIChat"


class _Fake(OpenAIChat):
    async def ainvoke(self, *args: Any, **kwargs: Any) -> ModelResponse:
        return ModelResponse(role="assistant", content="hello")

    async def ainvoke_stream(self, *args: Any, **kwargs: Any) -> AsyncIterator[ModelResponse]:
        for _ in range(PIECES):
            yield ModelResponse(content="word ")


_model = _Fake(id="m", api_key="k")
_fake = Agent(model=_model, tools=[get_weather], telemetry=False)


def build_by_name() -> object:
    return Agent(model="openai:gpt-4o", telemetry=False)


def build() -> object:
    return Agent(model=_model, telemetry=False)


def build_with_tool() -> object:
    return Agent(model=_model, tools=[get_weather], telemetry=False)


async def run_fake() -> None:
    await _fake.arun("hi")


async def stream_fake() -> None:
    async for _ in _fake.arun("hi", stream=True):
        pass


@functools.cache
def _agent_at(base_url: str, what: str) -> Agent:
    return Agent(model=OpenAIChat(id=what, base_url=base_url, api_key="k"), tools=[get_weather], telemetry=False)


async def stream(base_url: str, what: str) -> None:
    async for _ in _agent_at(base_url, what).arun("hi", stream=True):
        pass
