"""What the tests of agents over the wire do with every provider."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from bots.settings import Settings
from core import Agent
from core.messages import ModelMessage
from core.models import Model

__all__ = ["rolling", "settings", "stopped_in_a_tool"]


def rolling(model: Model, **more: Any) -> Agent[None, str]:
    """An agent with a die."""
    agent: Agent[None, str] = Agent(model, instructions="Be brief.", **more)

    @agent.tool_plain
    def roll(sides: int) -> int:
        """Roll a die."""
        return sides

    return agent


async def stopped_in_a_tool(agent: Agent[None, str]) -> list[ModelMessage]:
    """The history of a run that is cancelled while its tool `slow`, called after a first text, is running."""
    reached = asyncio.Event()

    @agent.tool_plain
    async def slow() -> None:
        reached.set()
        await asyncio.Event().wait()

    stream = agent.run("Roll", stream=True)
    await anext(stream)
    reader = asyncio.ensure_future(anext(stream))
    async with asyncio.timeout(5):
        await reached.wait()
        reader.cancel()
        with pytest.raises(asyncio.CancelledError):
            await reader
    return stream.all_messages()


def settings(**given: Any) -> Settings:
    """Settings as given, with nothing from a file."""
    return Settings(_env_file=None, **given)  # type: ignore[call-arg]  # pydantic-settings' own parameter
