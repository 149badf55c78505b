"""Every Surface that leads people back to an answer further up (scenario 18): one suite, over the emulators."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Any

import pytest

from adapters.discord import DiscordAdapter, DiscordSettings
from adapters.discord.origin import ThreadStart, encode
from adapters.emulators.discord import DiscordEmulator, Limits
from adapters.emulators.slack import SlackEmulator
from adapters.slack import SlackAdapter, SlackSettings
from core.chat import (
    Adapter,
    MessageRef,
    NotPermitted,
    Placement,
    PlacementGone,
    Pointer,
    Segment,
    SurfaceUnavailable,
    ThreadId,
    UserId,
)


@dataclass
class Below:
    """A place where Ada has asked. say, other_bot: somebody writes there.  link: as the platform has it.  pinged: who
    was.  forbid: the next look is refused.  everybody_hears: of each message there.
    answers: the id of the message that one replies to."""

    surface: Any
    placement: Placement
    ada: UserId
    say: Callable[[str], Awaitable[object]]
    other_bot: Callable[[], Awaitable[object]]
    link: Callable[[MessageRef], str]
    shown: Callable[[MessageRef], str]
    pinged: Callable[[], list[str]]
    forbid: Callable[[], None]
    everybody_hears: bool
    answers: Callable[[MessageRef], str] = lambda ref: ""

    async def answer(self) -> MessageRef:
        ref: MessageRef = await self.surface.post(self.placement, Segment("The answer."), "k-0")
        return ref

    async def point(self, ref: MessageRef, key: str = "k-below") -> MessageRef:
        text = f"[It is above]({await self.surface.link_to(self.placement, ref)})"
        posted: MessageRef = await self.surface.point(self.placement, ref, text, self.ada, key)
        return posted


async def on_slack(stack: AsyncExitStack, *, direct: bool) -> Below:
    slack = await stack.enter_async_context(SlackEmulator().running())
    adapter: Adapter = SlackAdapter(SlackSettings(slack.bot_token, slack.app_token, api_url=slack.api_url))
    await adapter.open()
    stack.push_async_callback(adapter.aclose)
    channel = slack.dm("ada") if direct else "general"
    root = await slack.say("ada", channel, "root")

    async def say(user: str) -> None:
        await slack.say("ada" if direct else user, channel, "words", thread_ts=root.ts)

    async def other_bot() -> None:
        slack.add_user("helper", is_bot=True)
        slack.invite("helper", channel)
        await slack.say("helper", channel, "beep", thread_ts=root.ts)

    def link(ref: MessageRef) -> str:
        domain, number = slack.workspace.team.domain, ref.message.replace(".", "")
        return f"https://{domain}.slack.com/archives/{ref.channel}/p{number}?thread_ts={root.ts}&cid={ref.channel}"

    def shown(ref: MessageRef) -> str:
        [message] = [one for one in slack.bot_messages(channel, root.ts) if one.ts == ref.message]
        return str(message.blocks[0]["text"]) if message.blocks else message.text

    def pinged() -> list[str]:
        return [user for message in slack.bot_messages() for user in message.pings.users]

    return Below(
        adapter.surface,
        Placement(ThreadId(f"slack:{slack.team_id}:{root.channel}:{root.ts}")),
        UserId(f"slack:{root.user}"),
        say,
        other_bot,
        link,
        shown,
        pinged,
        lambda: slack.fail_next("conversations.replies", "missing_scope"),
        everybody_hears=True,
    )


async def on_discord(stack: AsyncExitStack, where: str) -> Below:
    discord = await stack.enter_async_context(DiscordEmulator(limits=Limits().faster(20)).running())
    adapter: Adapter = DiscordAdapter(DiscordSettings(discord.bot_token, discord.api_url))
    await adapter.open()
    stack.push_async_callback(adapter.aclose)
    helper = await discord.add_person("helper", bot=True)
    ada, origin, guild = discord.user("ada"), "", str(discord.guild_id)
    if where == "direct message":
        root = await discord.direct("ada", "root")
        place, guild = discord.direct_channel("ada"), "@me"
    else:
        root = await discord.say("ada", "general", "root")
        place = discord.channel("general")
    thread = str(place.id)
    if where == "thread":
        place = await discord.open_thread("ada", root, "t")
        thread = str(place.id)
    elif where == "channel without threads":
        discord.fail_next("POST /channels/*/messages/*/threads", 403, 50013)
        origin, thread = encode(ThreadStart(str(place.id), str(root.id), "t")), str(root.id)

    async def say(user: str) -> None:
        await discord.say("ada" if where == "direct message" else user, place, "words")

    async def other_bot() -> None:
        await discord.say(helper, place, "beep")

    def message(ref: MessageRef) -> Any:
        [found] = [one for one in discord.messages(place) if str(one.id) == ref.message]
        return found

    def pinged() -> list[str]:
        ours = [one for one in discord.messages(place) if one.author.id == discord.bot_user_id]
        return [ping for message in ours for ping in message.pings]

    return Below(
        adapter.surface,
        Placement(ThreadId(f"discord:{guild}:{thread}"), origin),
        UserId(f"discord:{ada.id}"),
        say,
        other_bot,
        lambda ref: f"https://discord.com/channels/{guild}/{place.id}/{ref.message}",
        lambda ref: str(message(ref).content),
        pinged,
        lambda: discord.fail_next("GET /channels/*/messages", 403, 50001),
        everybody_hears=where == "direct message",
        answers=lambda ref: str((message(ref).reference or {}).get("message_id", "")),
    )


PLACES: dict[str, Callable[[AsyncExitStack], Awaitable[Below]]] = {
    "slack thread": lambda stack: on_slack(stack, direct=False),
    "slack direct message": lambda stack: on_slack(stack, direct=True),
    **{
        f"discord {where}": lambda stack, where=where: on_discord(stack, where)
        for where in ("thread", "direct message", "channel without threads")
    },
}


@pytest.fixture(params=PLACES)
async def below(request: pytest.FixtureRequest) -> AsyncIterator[Below]:
    async with AsyncExitStack() as stack:
        yield await PLACES[request.param](stack)


async def test_a_person_who_writes_below_buries_an_answer(below: Below) -> None:
    """Also whoever has asked."""
    assert isinstance(below.surface, Pointer)
    await below.say("ben")
    ref = await below.answer()
    assert not await below.surface.is_buried(below.placement, ref), "what stands above does not"
    await below.say("ada")
    assert await below.surface.is_buried(below.placement, ref)


async def test_neither_we_nor_other_bots_bury_it(below: Below) -> None:
    """Two bots would point at their answers for ever."""
    ref = await below.answer()
    await below.surface.post(below.placement, Segment("More."), "k-1")
    if not below.placement.thread_id.startswith("discord:@me"):
        await below.other_bot()
    assert not await below.surface.is_buried(below.placement, ref)


async def test_the_line_links_to_the_answer_and_only_the_asker_hears_of_it(below: Below) -> None:
    """By a mention where a new message alone tells nobody."""
    ref = await below.answer()
    await below.say("ben")
    posted = await below.point(ref)
    assert below.link(ref) in below.shown(posted)
    person = below.ada.rpartition(":")[2]
    assert below.pinged() == ([] if below.everybody_hears else [f"user:{person}"])


async def test_in_a_channel_the_line_answers_the_question_as_the_answer_does() -> None:
    """So whoever replies to it goes on with the same conversation."""
    async with AsyncExitStack() as stack:
        below = await on_discord(stack, "channel without threads")
        ref = await below.answer()
        posted = await below.point(ref)
        assert posted.channel == ref.channel
        assert below.answers(posted) == below.answers(ref) == below.placement.thread_id.rpartition(":")[2]


async def test_a_line_is_found_or_not_repeated(below: Below) -> None:
    """Whoever takes the Turn over asks first; and what is posted again with its key is still one line."""
    ref = await below.answer()
    await below.say("ben")
    assert await below.surface.find_pointer(below.placement, "k-below") is None
    posted = await below.point(ref)
    found = await below.surface.find_pointer(below.placement, "k-below") or await below.point(ref)
    assert found == posted
    assert below.pinged() == ([] if below.everybody_hears else [f"user:{below.ada.rpartition(':')[2]}"])


async def test_a_line_can_be_taken_away(below: Below) -> None:
    """Twice is no error."""
    posted = await below.point(await below.answer())
    await below.surface.delete(below.placement, posted)
    await below.surface.delete(below.placement, posted)
    with pytest.raises(ValueError, match="unpack"):
        below.shown(posted)


async def test_a_place_that_may_not_be_read_is_an_error_of_the_surface(below: Below) -> None:
    """Core goes on without."""
    ref = await below.answer()
    below.forbid()
    with pytest.raises((NotPermitted, PlacementGone, SurfaceUnavailable)):
        await below.surface.is_buried(below.placement, ref)
