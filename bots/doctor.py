"""`parley doctor`: does everything that a start needs work, and if not, what is to be put right."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import dataclass
from typing import Literal

import typer

from bots.assistant import make_answerer, make_model, model_label
from bots.bot import opened_store
from bots.serve import make_adapters
from bots.settings import Settings
from core.agent import Agent
from core.errors import ConfigError
from core.models.errors import AgentRunError

MODEL_WAIT_S = 30.0


@dataclass(frozen=True, slots=True)
class Finding:
    what: str
    state: Literal["ok", "note", "wrong"]
    said: str


async def examine(settings: Settings) -> None:
    """Print a line for each thing that was looked at; exit code 2 if one is wrong."""
    wrong = False
    async for finding in findings(settings):
        sign = {"ok": "ok   ", "note": "note ", "wrong": "WRONG"}[finding.state]
        typer.echo(f"{sign}  {finding.what}: {finding.said}")
        wrong = wrong or finding.state == "wrong"
    if wrong:
        raise typer.Exit(2)


async def findings(settings: Settings) -> AsyncIterator[Finding]:
    try:
        async with opened_store(settings) as store:
            yield Finding("Redis", "ok", f"{store.where} answers")
    except ConfigError as exc:
        yield Finding("Redis", "wrong", str(exc))
    yield await _model(settings)
    try:
        adapters, routes = make_adapters(settings)
    except ConfigError as exc:
        yield Finding("platforms", "wrong", str(exc))
        return
    for adapter in adapters:
        try:
            await adapter.open()
        except ConfigError as exc:
            yield Finding(adapter.platform, "wrong", str(exc))
            continue
        with suppress(Exception):  # the visit is over; what closing says does not matter
            await adapter.aclose()
        how = " (events by HTTP)" if routes and adapter.platform == "slack" else ""
        yield Finding(adapter.platform, "ok", f"the tokens are accepted{how}")
    if not adapters:
        yield Finding("platforms", "note", "no token is set, so `make run` starts the demo")


async def _model(settings: Settings) -> Finding:
    try:
        make_answerer(settings)
        name = model_label(settings)
        if settings.parley_agent:
            return Finding("agent", "ok", f"{name} is there")
        if name == "demo":
            return Finding(
                "model",
                "note",
                "the demo model, which is no language model: set OPENAI_API_KEY, ANTHROPIC_API_KEY or GEMINI_API_KEY",
            )
        async with asyncio.timeout(MODEL_WAIT_S):
            answer = await Agent(make_model(settings)).run("Answer with the one word: ready")
        return Finding("model", "ok", f"{name} answered {str(answer.data)[:40]!r}")
    except (ConfigError, AgentRunError) as exc:
        return Finding("model", "wrong", str(exc))
    except TimeoutError:
        return Finding("model", "wrong", f"{model_label(settings)} did not answer within {MODEL_WAIT_S:.0f} s")
