"""What becomes of an answer whose calls fail, on both platforms: nothing loops, and its end is not lost."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from core.store import Store
from tests.e2e.test_busy_threads import PLATFORMS, Side, a_side
from tests.providers.openai_server import Reply


@pytest.fixture(params=PLATFORMS)
def platform(request: pytest.FixtureRequest) -> str:
    return str(request.param)


class Paused:
    """An answer that says "one ", waits until it is let go on, and ends with "two."."""

    def __init__(self, side: Side) -> None:
        self.side = side
        self.let_go = asyncio.Event()
        side.house.provider.reply(Reply(["one ", "two."], pause=self._pause))

    async def _pause(self, at: int) -> None:
        if at:
            await self.let_go.wait()

    async def grows(self) -> Any:
        await self.side.ask("go")
        return await self.side.begun("one")


def edits(side: Side) -> int:
    """Calls that edit a message, refused ones as well."""
    if side.slack:
        return len(side.house.slack.calls("chat.update"))
    return len(side.house.discord.calls("PATCH /channels/*/messages/*"))


async def ended(side: Side) -> None:
    """Wait until the Turn is sealed, whatever people see."""
    redis = side.house.store.redis

    async def runs() -> bool:
        return bool([key async for key in redis.scan_iter(match="parley:*:turn")])

    async with asyncio.timeout(15):
        while await runs():  # noqa: ASYNC110 - Redis tells nobody
            await asyncio.sleep(0.05)


async def test_an_answer_deleted_by_a_moderator_goes_on_in_a_new_message(store: Store, platform: str) -> None:
    """Scenario 15: once."""
    async with a_side(store, platform) as side:
        answer = Paused(side)
        message = await answer.grows()
        await side.emulator.delete_message(message)
        answer.let_go.set()
        await side.until(lambda: side.texts() == ["one two."])
        assert await side.settled(1) == ["one two."]


async def test_who_deletes_each_message_wins(store: Store, platform: str) -> None:
    """Scenario 15: no loop, the run ends, and the next question is answered."""
    async with a_side(store, platform) as side:
        gone: set[str] = set()
        side.house.provider.reply(Reply(["word "] * 200, pause=lambda _: asyncio.sleep(0.05)))
        await side.ask("go")

        async def moderate() -> None:
            while True:
                for message in side.shown():
                    gone.add(str(message.ts if side.slack else message.id))
                    await side.emulator.delete_message(message)
                await asyncio.sleep(0.02)

        moderating = asyncio.create_task(moderate())
        await side.until(lambda: len(gone) == 2)
        await ended(side)
        moderating.cancel()
        assert len(gone) == 2
        side.house.provider.reply("Fine.")
        await side.say("and now?")
        assert (await side.settled(1))[-1] == "Fine."


async def test_where_messages_cannot_be_edited_the_whole_answer_comes_in_one(store: Store, platform: str) -> None:
    """Slack: a workspace that forbids edits.  Discord: the limit on edits of old messages."""
    async with a_side(store, platform) as side:
        if side.slack:
            side.house.slack.fail_next("chat.update", "edit_window_closed", times=50)
        else:
            side.house.discord.fail_next("PATCH /channels/*/messages/*", code=30046, times=None)
        answer = Paused(side)
        await answer.grows()
        answer.let_go.set()
        await side.until(lambda: side.texts() == ["one two."])
        assert "retry" in side.controls(side.shown()[0])
        assert edits(side) <= 2


async def whispered(side: Side) -> str:
    """What Ada is told alone, once."""
    if side.slack:
        direct = side.house.slack
        await side.until(lambda: direct.ephemerals("ada") or direct.bot_messages(side.house.slack.dm("ada")))
        told = [note.text for note in direct.ephemerals("ada")]
        told += [message.text for message in direct.bot_messages(side.house.slack.dm("ada"))]
    else:
        place = side.house.discord.direct_channel("ada")
        await side.until(lambda: side.house.discord_answers(place))
        told = [message.content for message in side.house.discord_answers(place)]
    [one] = told
    return str(one)


async def test_an_archived_thread_is_opened_again(store: Store) -> None:
    """Discord archives by itself what was quiet for long."""
    async with a_side(store, "discord") as side:
        answer = Paused(side)
        await answer.grows()
        await side.house.discord.archive(side.thread)
        answer.let_go.set()
        assert await side.settled(1) == ["one two."]


async def test_who_asked_is_told_alone_when_the_thread_was_locked(store: Store) -> None:
    """And the run ends, as nobody would see its end."""
    async with a_side(store, "discord") as side:
        answer = Paused(side)
        await answer.grows()
        await side.house.discord.lock(side.thread)
        await side.house.discord.archive(side.thread)
        answer.let_go.set()
        assert "archived, locked or gone" in await whispered(side)
        await ended(side)
        assert await told_who_stops(side) == "That answer is not being written any more."


async def test_who_asked_is_told_alone_when_the_channel_was_archived(store: Store) -> None:
    """Nothing can be said in an archived channel of Slack, not even to one person."""
    async with a_side(store, "slack") as side:
        answer = Paused(side)
        await answer.grows()
        channel = side.house.slack.workspace.channels[side.question.channel]
        channel.is_archived = True
        answer.let_go.set()
        assert "archived, locked or gone" in await whispered(side)
        await ended(side)
        channel.is_archived = False
        assert await told_who_stops(side) == "That answer is not being written any more."


async def told_who_stops(side: Side) -> str:
    """What the Stop button says to whoever presses it, which an answer keeps whose end could not be shown."""
    [cut] = side.shown()
    assert side.controls(cut) == ["stop"]
    pressed = await side.press(cut, "stop", "ben")
    if side.slack:
        await side.until(lambda: side.whispers("ben"))
        [told] = side.whispers("ben")
        return told
    await side.until(lambda: pressed.messages)
    [said] = pressed.messages
    assert said.ephemeral
    return str(said.content)


async def test_a_missing_permission_is_told_alone_with_what_to_do(store: Store, platform: str) -> None:
    async with a_side(store, platform) as side:
        if side.slack:
            side.house.slack.fail_next("chat.postMessage", "restricted_action_read_only_channel", times=1)
        else:
            side.house.discord.fail_next("POST /channels/*/messages", code=50013, times=2)
        side.house.provider.reply("Fine.")
        await side.ask("one")
        said = await whispered(side)
        assert "I may not write there" in said
        assert ("read-only" if side.slack else "Send Messages") in said
        await ended(side)


async def test_what_moderation_refuses_is_replaced_by_a_line(store: Store) -> None:
    """Discord's AutoMod, or a filter of Slack's: the reader sees that something is missing."""
    async with a_side(store, "discord") as side:
        answer = Paused(side)
        await answer.grows()
        side.house.discord.fail_next("PATCH /channels/*/messages/*", code=200000)
        answer.let_go.set()
        [shown] = await side.settled(1)
        assert "was refused here" in shown
