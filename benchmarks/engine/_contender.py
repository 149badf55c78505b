"""What is measured of each engine, and what each engine and floor says of itself."""

from __future__ import annotations

import importlib
from typing import Protocol

__all__ = ["CONTENDERS", "PIECES", "Contender", "contender", "get_weather"]

PIECES = 5000
"""How many pieces the answer of a fake model has when it streams."""

CONTENDERS = {
    "ours": "_ours",
    "pydantic-ai": "_peer_pydantic_ai",
    "agno": "_peer_agno",
    "openai client": "_peer_openai",
    "aiohttp": "_floor_aiohttp",
    "aiohttp, parsed": "_floor_aiohttp_parsed",
    "httpx": "_floor_httpx",
}
"""Their modules. The floors read the same bytes and do nothing with them; "parsed" cuts them into lines and takes the
text out with `json.loads`, which is the least that a reader of an answer has to do."""


class Contender(Protocol):
    """What a module has to have; what one cannot do it leaves out, and that is not measured."""

    IMPORTS: str
    """The statement that imports an agent and its OpenAI model."""

    def build_by_name(self) -> object: ...
    def build(self) -> object:
        """An agent for a model object made before."""

    def build_with_tool(self) -> object:
        """The same with one tool, whose function was seen before."""

    async def run_fake(self) -> None:
        """One run on a model that answers at once."""

    async def stream_fake(self) -> None:
        """One streamed run on a model that answers in PIECES pieces."""

    async def stream(self, base_url: str, what: str) -> None:
        """One streamed run on what the server is asked for by the name of its model, on a client kept for all."""


def contender(name: str) -> Contender:
    """Raises ImportError when it is not installed."""
    module: Contender = importlib.import_module(f"benchmarks.engine.{CONTENDERS[name]}")  # type: ignore[assignment]
    return module


def get_weather(city: str, days: int = 1) -> str:
    """Get the weather.

    Args:
        city: Its name.
        days: How many.
    """
    return f"{city} {days}"
