"""Buttons and slash commands, as people use them."""

from __future__ import annotations

import asyncio

import pytest

from adapters.discord.commands import FAILED, FINISHED, STORE_AWAY
from adapters.emulators.discord import DiscordEmulator
from core.chat import (
    Segment,
)
from tests.discord.room import Room, connected, place


async def test_the_retry_button_reaches_core(room: Room) -> None:
    """And says so when the answer is not the newest any more."""
    await room.emulator.say("ben", "general", "@Parley hi")
    message = await room.heard()
    ref = await room.adapter.surface.post(place(message), Segment("So", retry="discord:1:2#3"), "k1")
    shown = next(one for one in room.emulator.messages(int(ref.channel)) if str(one.id) == ref.message)
    await room.emulator.press("ben", shown, "parley:retry:discord:1:2#3")
    async with asyncio.timeout(10):
        while not room.desk.retries:  # noqa: ASYNC110 - what reaches core is no event on Discord
            await asyncio.sleep(0.02)
    assert room.desk.retries == ["discord:1:2#3"]
    room.desk.running = False
    late = await room.emulator.press("ben", shown, "parley:retry:discord:1:2#3")
    await room.until(lambda: late.messages)
    assert "Only the newest" in late.messages[-1].content


async def test_the_thumbs_reach_core_and_only_who_pressed_is_told(room: Room) -> None:
    """The answer itself stays as it is."""
    await room.emulator.say("ben", "general", "@Parley hi")
    message = await room.heard()
    ref = await room.adapter.surface.post(place(message), Segment("So", rating="discord:1:2#3"), "k1")
    shown = next(one for one in room.emulator.messages(int(ref.channel)) if str(one.id) == ref.message)
    pressed = await room.emulator.press("cleo", shown, "parley:down:discord:1:2#3")
    await room.until(lambda: pressed.messages)
    cleo = f"discord:{room.emulator.user('cleo').id}"
    assert room.desk.ratings == [("discord:1:2#3", cleo, "down")]
    assert pressed.messages[-1].content.startswith("👎 Noted") and pressed.messages[-1].ephemeral
    room.desk.running = False
    late = await room.emulator.press("ben", shown, "parley:up:discord:1:2#3")
    await room.until(lambda: late.messages)
    assert "too old" in late.messages[-1].content


async def test_the_stop_button_reaches_core_also_after_a_restart(emulator: DiscordEmulator) -> None:
    """The button outlives the process that drew it."""
    async with connected(emulator) as room:
        await emulator.say("ben", "general", "@Parley hi")
        message = await room.heard()
        await room.adapter.surface.post(place(message), Segment("So", stop="discord:1:2#3"), "k1")
    (thread,) = emulator.threads("general")
    shown = emulator.messages(thread)[-1]
    async with connected(emulator) as room:
        handle = await emulator.press("ben", shown, "parley:stop:discord:1:2#3")
        await room.until(lambda: room.desk.stops)
        assert room.desk.stops == ["discord:1:2#3"]
        assert handle.answer_type == 6
        room.desk.running = False
        late = await emulator.press("ben", shown, "parley:stop:discord:1:2#3")
        await room.until(lambda: late.messages)
        assert (late.messages[-1].content, late.messages[-1].ephemeral) == (FINISHED, True)


async def test_ask_is_answered_in_the_response_and_goes_on_by_replies(room: Room) -> None:
    """Deferred at once; the response's id names the conversation, so that a reply or thread continues it."""
    handle = await room.emulator.slash("cleo", "general", "ask", {"question": "why?"})
    message = await room.heard()
    assert handle.acked_after is not None and handle.acked_after < 3
    assert handle.answer_type == 5
    assert handle.original is not None
    assert message.thread_id == f"discord:{room.emulator.guild_id}:{handle.original.id}"
    assert (message.text, message.reach, message.author.name) == ("why?", "command", "Cleo")
    assert len(message.origin) < 500
    surface = room.adapter.surface
    ref = await surface.post(place(message), Segment("Beca", stop="s"), "k1")
    await surface.edit(place(message), ref, Segment("Because."))
    second = await surface.post(place(message), Segment("Also: so."), "k2")
    assert second == await surface.post(place(message), Segment("Also: so."), "k2")
    assert handle.original.content == "Because."
    assert [one.content for one in room.emulator.messages("general")] == ["Because.", "Also: so."]
    for answer in list(room.emulator.messages("general")):
        await room.emulator.say("ben", "general", "really?", reply_to=answer)
    follow_up = await room.heard(3)
    assert {one.thread_id for one in room.desk.messages} == {message.thread_id}
    await surface.post(place(follow_up), Segment("Yes."), "k3")
    (thread,) = room.emulator.threads("general")
    assert thread.id == handle.original.id


async def test_an_answer_to_ask_goes_on_when_its_token_has_run_out(room: Room) -> None:
    """Tokens live for 15 minutes, some answers longer."""
    handle = await room.emulator.slash("cleo", "general", "ask", {"question": "why?"})
    message = await room.heard()
    ref = await room.adapter.surface.post(place(message), Segment("one"), "k1")
    await room.emulator.advance(16 * 60)
    await room.adapter.surface.edit(place(message), ref, Segment("one, late"))
    await room.adapter.surface.post(place(message), Segment("two, later"), "k2")
    assert handle.original is not None
    assert handle.original.content == "one, late"
    assert room.emulator.messages("general")[-1].content == "two, later"


@pytest.mark.parametrize("where", ["thread", "direct"])
async def test_ask_belongs_to_the_thread_it_is_asked_in(room: Room, where: str) -> None:
    """In a thread or a direct message there is a conversation already."""
    channel = room.emulator.direct_channel("cleo")
    if where == "thread":
        channel = await room.emulator.open_thread("cleo", "general", "talk")
    await room.emulator.slash("cleo", channel, "ask", {"question": "why?"})
    message = await room.heard()
    assert message.thread_id.endswith(f":{channel.id}")
    await room.adapter.surface.post(place(message), Segment("one"), "k1")
    await room.adapter.surface.post(place(message), Segment("two"), "k2")
    contents = [one.content for one in room.emulator.messages(channel) if one.author.bot]
    assert contents == ["one", "two"]


async def test_commands_are_answered_to_that_person_alone(room: Room) -> None:
    """Long answers come in several messages; being an admin is what Discord says."""
    room.desk.text = "\n".join(f"line {number}" for number in range(400))
    handle = await room.emulator.slash("ada", "general", "usage")
    await room.until(lambda: len(handle.messages) == 2)
    assert handle.acked_after is not None and handle.acked_after < 3
    assert all(one.ephemeral for one in handle.messages)
    assert "\n".join(one.content for one in handle.messages) == room.desk.text
    await room.emulator.slash("ben", "general", "reset")
    await room.until(lambda: len(room.desk.calls) == 2)
    first, second = room.desk.calls
    assert (first.name, first.is_admin, second.name, second.is_admin) == ("usage", True, "reset", False)
    assert first.thread_id == f"discord:{room.emulator.guild_id}:{room.emulator.channel('general').id}"


async def test_a_store_that_is_away_delays_messages_and_is_named_to_commands(room: Room) -> None:
    """A message is kept and handed in again; an interaction would go stale, so it gets a clear word."""
    room.desk.away = 2
    await room.emulator.say("ben", "general", "@Parley one")
    await room.emulator.say("ben", "general", "@Parley two")
    await room.heard(2)
    assert [one.text for one in room.desk.messages] == ["one", "two"]
    for name, options in (("usage", None), ("ask", {"question": "why?"})):
        room.desk.away = 1
        handle = await room.emulator.slash("ada", "general", name, options)
        assert (await handle.finished()).content == STORE_AWAY


async def test_our_own_mistakes_end_in_a_word_too(room: Room) -> None:
    """A command that breaks must not leave "is thinking" behind."""
    room.desk.text = ""
    handle = await room.emulator.slash("ada", "general", "help")
    assert (await handle.finished()).content == FAILED


async def test_commands_are_registered_once_and_not_again(emulator: DiscordEmulator) -> None:
    """Registering counts to a daily limit and resets what clients have loaded."""
    async with connected(emulator) as room:
        await room.until(lambda: emulator.calls("PUT /applications/*/commands"))
    async with connected(emulator):
        await emulator.wait_for(lambda: len(emulator.calls("GET /applications/*/commands")) == 2)
    assert len(emulator.calls("PUT /applications/*/commands")) == 1


async def test_commands_that_cannot_be_registered_do_not_stop_the_bot(emulator: DiscordEmulator) -> None:
    """Mentions work without them, and so do the commands of an earlier start."""
    emulator.fail_next("PUT /applications/*/commands", status=500, times=None)
    async with connected(emulator) as room:
        await emulator.say("ben", "general", "@Parley hi")
        await room.heard()


async def test_a_callback_without_content_is_a_yes(room: Room) -> None:
    """Proxies that drop the query answer so; whoever asked would look at "is thinking" for ever."""
    room.emulator.fail_next("POST /interactions/*/*/callback", status=204, times=None, after_effect=True)
    await room.emulator.slash("ada", "general", "ask", {"question": "why?"})
    assert (await room.heard()).text == "why?"
    handle = await room.emulator.slash("ada", "general", "help")
    await handle.finished()
    assert [one.name for one in room.desk.calls] == ["help"]


@pytest.mark.parametrize("arrived", [True, False])
async def test_an_interaction_is_served_although_the_connection_broke(room: Room, arrived: bool) -> None:
    """Whoever asked would look at "is thinking" for ever, or be told that the application did not respond."""
    room.emulator.fail_next("POST /interactions/*/*/callback", status=0, after_effect=arrived)
    await room.emulator.slash("ada", "general", "ask", {"question": "why?"})
    assert (await room.heard()).text == "why?"
    room.emulator.fail_next("POST /interactions/*/*/callback", status=0, after_effect=arrived)
    room.emulator.fail_next("PATCH /webhooks/*/*/messages/@original", status=0, after_effect=arrived)
    handle = await room.emulator.slash("ada", "general", "help")
    await handle.finished()
    assert [one.name for one in room.desk.calls] == ["help"]
    await room.until(lambda: "CommandTree-invoker" not in {task.get_name() for task in asyncio.all_tasks()})


@pytest.mark.parametrize("code", [10062, 40060])
async def test_an_interaction_that_is_not_ours_to_answer_is_left_alone(room: Room, code: int) -> None:
    """Too late, or another process was faster: nothing may be asked twice."""
    room.emulator.fail_next("POST /interactions/*/*/callback", code=code, times=2)
    await room.emulator.slash("ada", "general", "ask", {"question": "why?"})
    await room.emulator.slash("ada", "general", "usage")
    await room.until(lambda: len(room.emulator.calls("POST /interactions/*/*/callback")) == 2)
    handle = await room.emulator.slash("ada", "general", "help")
    await handle.finished()
    assert room.desk.messages == []
    assert [one.name for one in room.desk.calls] == ["help"]
