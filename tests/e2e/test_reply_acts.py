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
        gap = "\n\n" if side.slack else " \n\n"  # for Slack it is written anew, without spaces that say nothing
        assert side.texts() == [f"Let me roll.{gap}Nine."]
        shown = [state.text if side.slack else state.content for state in side.shown()[0].history]
        assert any("🔧 Using `roll_dice`…" in text or "_Thinking…_" in text for text in shown)


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


PIXEL = b"\x89PNG\r\n\x1a\n-made-up"


def painter(settings: Settings) -> Answerer:
    """An agent with a tool that makes a picture."""
    agent: Agent[Any, str] = Agent(make_model(settings))

    @agent.tool
    def paint(ctx: RunContext[Any]) -> str:
        ctx.add_images(PIXEL, "https://example.org/remote.png", "/etc/passwd")
        return "painted"

    return cast("Answerer", agent)


def attached(side: Side) -> list[tuple[str, bytes]]:
    """Names, as people see them, and contents of the files in the thread."""
    if side.slack:
        held = side.house.slack.workspace.files
        return [(one["title"], held[one["id"]].content) for message in side.shown() for one in message.files]
    return [(one.filename, one.data) for message in side.shown() for one in message.attachments]


async def test_a_picture_that_a_tool_makes_is_shown_in_the_thread_once(store: Store, platform: str) -> None:
    """Bytes are attached, an address is only a link, and a bare text is no path. Another answer has other pictures."""
    async with side_with(painter, store, platform) as side:
        side.house.provider.queue(Reply(calls=[Call("paint")]), "Here.", Reply(calls=[Call("paint")]), "Once more.")
        await side.ask("a picture")
        await side.until(lambda: attached(side) == [("image-1.png", PIXEL)])
        [shown] = [text for text in side.texts() if text]
        assert shown == "Here.\n\n[image](https://example.org/remote.png)"
        await side.press(next(m for m in side.shown() if "retry" in side.controls(m)), "retry")
        await side.until(lambda: any("Once more." in text for text in side.texts()) and len(attached(side)) == 1)
        await side.until(lambda: [name for name, _ in attached(side)] == ["image-1.png"] and len(side.shown()) == 2)


async def test_a_long_answer_is_attached_as_a_file_as_well(store: Store, platform: str) -> None:
    """PARLEY_ATTACH_OVER."""
    async with a_side(store, platform, parley_attach_over=50) as side:
        answer = "word " * 20
        side.house.provider.reply(answer)
        await side.ask("long")
        await side.until(lambda: attached(side) == [("answer.md", answer.encode())])


async def test_a_file_that_is_refused_is_named_in_the_thread(store: Store, platform: str) -> None:
    """In one line; the answer itself is whole, and nothing is tried for ever."""
    async with side_with(painter, store, platform) as side:
        going_on = asyncio.Event()

        async def wait(at: int) -> None:
            if at:
                await going_on.wait()

        side.house.provider.queue(Reply(calls=[Call("paint")]), Reply(["Here ", "it is."], pause=wait))
        await side.ask("a picture")
        await side.begun("Here")
        if side.slack:
            side.house.slack.fail_next("files.getUploadURLExternal", "missing_scope")
        else:
            side.house.discord.fail_next("POST /channels/*/messages", code=40005)
        going_on.set()
        await side.until(lambda: "`image-1.png` could not be attached here" in side.texts()[0])
        assert side.texts()[0].startswith("Here it is.")
        assert attached(side) == []
