"""Every Surface that reads threads: one suite, over the emulators."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Any

import pytest

from adapters.discord import DiscordAdapter, DiscordSettings
from adapters.emulators.discord import DiscordEmulator, Limits
from adapters.emulators.slack import SlackEmulator
from adapters.slack import SlackAdapter, SlackSettings
from core.chat import Adapter, NotPermitted, Placement, Said, Segment, ThreadId, ThreadReader


@dataclass
class Thread:
    """A thread that Ada has begun with "root". say: as (person, text), gives the message's key."""

    surface: Any
    placement: Placement
    say: Callable[[str, str], Awaitable[str]]
    root: str
    forbid: Callable[[], Awaitable[None]]


async def on_slack(stack: AsyncExitStack) -> Thread:
    slack = await stack.enter_async_context(SlackEmulator().running())
    adapter: Adapter = SlackAdapter(SlackSettings(slack.bot_token, slack.app_token, api_url=slack.api_url))
    await adapter.open()
    stack.push_async_callback(adapter.aclose)
    root = await slack.say("ada", "general", "root")

    async def say(user: str, text: str) -> str:
        said = await slack.say(user, "general", text, thread_ts=root.ts)
        return f"{said.channel}:{said.ts}"

    async def forbid() -> None:
        slack.fail_next("conversations.replies", "missing_scope")

    thread_id = ThreadId(f"slack:{slack.team_id}:{root.channel}:{root.ts}")
    return Thread(adapter.surface, Placement(thread_id), say, f"{root.channel}:{root.ts}", forbid)


async def on_discord(stack: AsyncExitStack) -> Thread:
    discord = await stack.enter_async_context(DiscordEmulator(limits=Limits().faster(20)).running())
    adapter: Adapter = DiscordAdapter(DiscordSettings(discord.bot_token, discord.api_url))
    await adapter.open()
    stack.push_async_callback(adapter.aclose)
    root = await discord.say("ada", "general", "root")
    thread = await discord.open_thread("ada", root, "t")

    async def say(user: str, text: str) -> str:
        said = await discord.say(user, thread, text)
        return f"{thread.id}:{said.id}"

    async def forbid() -> None:
        discord.fail_next("GET /channels/*/messages", 403, 50001)

    thread_id = ThreadId(f"discord:{discord.guild_id}:{thread.id}")
    return Thread(adapter.surface, Placement(thread_id), say, f"{thread.id}:{root.id}", forbid)


@pytest.fixture(params=[on_slack, on_discord], ids=["slack", "discord"])
async def thread(request: pytest.FixtureRequest) -> AsyncIterator[Thread]:
    async with AsyncExitStack() as stack:
        yield await request.param(stack)


def lowered(said: list[Said]) -> list[tuple[str, str, bool]]:
    return [(one.name.lower(), one.text, one.ours) for one in said]


async def test_what_stands_above_the_question_is_read_in_order(thread: Thread) -> None:
    """With names, without the question, and our own words as ours."""
    assert isinstance(thread.surface, ThreadReader)
    await thread.say("ben", "a < b & @ada agrees")
    await thread.surface.post(thread.placement, Segment("ours"), "k")
    question = await thread.say("ada", "@Parley what do you think?")
    await thread.say("ben", "too late")
    found = lowered(await thread.surface.earlier(thread.placement, question, 50))
    assert [text.lower() for _, text, _ in found] == ["root", "a < b & @ada agrees", "ours"]
    assert [name for name, _, _ in found[:2]] == ["ada", "ben"]
    assert [ours for _, _, ours in found] == [False, False, True]


async def test_a_long_thread_gives_its_beginning_and_its_newest(thread: Thread) -> None:
    """What it is about, and what was said last."""
    for number in range(12):
        await thread.say("ben", f"m{number}")
    question = await thread.say("ada", "@Parley?")
    found = await thread.surface.earlier(thread.placement, question, 5)
    assert [one.text for one in found] == ["root", "m8", "m9", "m10", "m11"]


async def test_a_thread_that_may_not_be_read_is_an_error_of_the_surface(thread: Thread) -> None:
    """Core goes on without it."""
    question = await thread.say("ada", "@Parley?")
    await thread.forbid()
    with pytest.raises(NotPermitted):
        await thread.surface.earlier(thread.placement, question, 50)
