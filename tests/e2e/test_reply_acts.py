"""What people see of an answer beside its text, and what they can do with it, on both platforms."""

from __future__ import annotations

import asyncio
from contextlib import AbstractAsyncContextManager
from typing import Any, cast

import pytest

from bots.assistant import make_model
from bots.settings import Settings
from core.agent import Agent, RunContext
from core.chat.answerer import Answerer
from core.ids import ScopeId
from core.store import Store
from core.usage import Totals, read, scopes, today
from tests.e2e.test_busy_threads import PLATFORMS, Side, a_side
from tests.providers.openai_server import Call, Reply


@pytest.fixture(params=PLATFORMS)
def platform(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def asides(side: Side) -> list[str]:
    """What stands in small letters below the first answer."""
    message = side.shown()[0]
    if side.slack:
        return [one["text"] for block in message.blocks if block["type"] == "context" for one in block["elements"]]
    return [line.removeprefix("-# ") for line in message.content.splitlines() if line.startswith("-# ")]


async def rated(side: Side) -> Totals:
    total = Totals()
    for scope in await scopes(side.house.store):
        for row in await read(side.house.store, ScopeId(scope), 1, today()):
            total.add(row.totals)
    return total


async def thumb(side: Side, up: bool, user: str) -> str:
    """Press a thumb; what that person is told."""
    message, word = side.shown()[0], "up" if up else "down"
    if side.slack:
        told = len(side.whispers(user))
        [block] = [block for block in message.blocks if block["type"] == "context_actions"]
        value = block["elements"][0][f"{'positive' if up else 'negative'}_button"]["value"]
        await side.house.slack.press(user, message, "parley_rating", value=value)
        await side.until(lambda: len(side.whispers(user)) > told)
        return side.whispers(user)[-1]
    pressed = await side.press(message, word, user)
    await side.until(lambda: pressed.messages)
    return str(pressed.messages[-1].content)


async def test_an_answer_is_rated_also_after_a_restart_and_by_several_people(store: Store, platform: str) -> None:
    """Only who pressed is told; the answer keeps its text, and the reports count each person once."""
    async with a_side(store, platform) as side:
        side.house.provider.reply("It is 7.")
        await side.ask("what is it?")
        await side.until(lambda: side.shown() and "retry" in side.controls(side.shown()[0]))
        assert (await thumb(side, True, "ada")).startswith("👍 Noted")
        await side.house.stop_bot()
        await side.house.start_bot()
        assert (await thumb(side, False, "ben")).startswith("👎 Noted")
        assert (await thumb(side, False, "ada")).startswith("👎 Noted")
        totals = await rated(side)
        assert (totals.turns, totals.up, totals.down) == (1, 0, 2)
        assert side.texts() == ["It is 7."]


async def test_a_tool_shows_one_line_that_goes_when_the_answer_goes_on(store: Store, platform: str) -> None:
    """And leaves nothing behind in the final text."""
    async with a_side(store, platform) as side:
        going_on = asyncio.Event()

        async def wait(_: int) -> None:
            await going_on.wait()

        side.house.provider.queue(
            Reply(["Let me roll. "], calls=[Call("roll_dice", '{"dice": "2d6"}')]), Reply(["Nine."], pause=wait)
        )
        await side.ask("roll")
        await side.until(lambda: side.shown() and asides(side))
        assert "Let me roll." in side.texts()[0]
        going_on.set()
        await side.until(lambda: "retry" in side.controls(side.shown()[0]))
        assert asides(side) == []
        assert side.texts() == ["Let me roll. \n\nNine."]
        shown = [state.text if side.slack else state.content for state in side.shown()[0].history]
        assert any("🔧 _Using `roll_dice`…_" in text or "_Thinking…_" in text for text in shown)


async def test_a_footer_tells_model_time_and_cost_where_that_is_set(store: Store, platform: str) -> None:
    async with a_side(store, platform, parley_footer=True) as side:
        side.house.provider.reply("It is 7.")
        await side.ask("what is it?")
        await side.settled(1)
        [footer] = asides(side)
        model, seconds, cost = footer.split(" · ")
        assert model == "openai:gpt-4o" and seconds.endswith(" s") and cost.startswith("$")


async def test_what_the_model_thinks_is_quoted_where_that_is_set(store: Store, platform: str) -> None:
    async with a_side(store, platform, parley_show_reasoning=True) as side:
        side.house.provider.reply(Reply(["It is 7."], thoughts=["Three and ", "four."]))
        await side.ask("3 + 4?")
        assert await side.settled(1) == ["> 💭 Three and four.\n\nIt is 7."]


def researcher(settings: Settings) -> Answerer:
    """An agent with a tool that looks something up."""
    agent: Agent[Any, str] = Agent(make_model(settings))

    @agent.tool
    def look_up(ctx: RunContext[Any], words: str) -> str:
        found = [{"title": "The [Book]", "url": "https://example.org/book"}, {"title": "no link"}]
        ctx.add_references(words, found)
        return "page 7"

    return cast("Answerer", agent)


def side_with(agent: Any, store: Store, platform: str) -> AbstractAsyncContextManager[Side]:
    return a_side(store, platform, answerer=agent)


async def test_sources_stand_below_the_answer(store: Store, platform: str) -> None:
    """What a run gives as references."""
    async with side_with(researcher, store, platform) as side:
        side.house.provider.queue(Reply(calls=[Call("look_up", '{"words": "seven"}')]), "It is 7.")
        await side.ask("what is it?")
        [shown] = await side.settled(1)
        assert shown == "It is 7.\n\n**Sources**\n1. [The (Book)](https://example.org/book)"
