"""The whole adapter against a local Discord: what people do there, and what they see."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import Any

import pytest
from aiohttp import web

from adapters.discord import DiscordAdapter, DiscordSettings
from adapters.discord.commands import FAILED, FINISHED, FULL, STORE_AWAY
from adapters.emulators.discord import DiscordEmulator, Limits, Permission
from core.chat import (
    Adapter,
    CommandCall,
    ConfigError,
    Message,
    MessageGone,
    Placement,
    Rated,
    RateLimited,
    Retried,
    Segment,
    Spot,
    StoreUnavailable,
    SurfaceUnavailable,
    ThreadId,
    UserId,
    Verdict,
    Vote,
)


@dataclass
class Desk:
    """An Intake that remembers what it was handed. away: how many calls still find the store away."""

    messages: list[Message] = field(default_factory=list)
    stops: list[str] = field(default_factory=list)
    retries: list[str] = field(default_factory=list)
    ratings: list[tuple[str, UserId, Vote]] = field(default_factory=list)
    changes: list[tuple[str, str, str]] = field(default_factory=list)
    calls: list[CommandCall] = field(default_factory=list)
    verdict: Verdict = "accepted"
    away: int = 0
    running: bool = True
    text: str = "All is well."

    def _reach_store(self) -> None:
        if self.away:
            self.away -= 1
            raise StoreUnavailable("away")

    async def accept(self, message: Message) -> Verdict:
        self._reach_store()
        self.messages.append(message)
        return self.verdict

    async def stop(self, stop: str) -> bool:
        self._reach_store()
        self.stops.append(stop)
        return self.running

    async def retry(self, retry: str) -> Retried:
        self._reach_store()
        self.retries.append(retry)
        return "accepted" if self.running else "old"

    async def rated(self, rating: str, user: UserId, vote: Vote) -> Rated:
        self._reach_store()
        self.ratings.append((rating, user, vote))
        return "noted" if self.running else "unknown"

    async def edited(self, spot: Spot, text: str, version: str) -> None:
        self._reach_store()
        self.changes.append(("edited", spot.key, text))

    async def deleted(self, spot: Spot) -> None:
        self._reach_store()
        self.changes.append(("deleted", spot.key, ""))

    async def reacted(self, spot: Spot, reaction: str) -> None:
        self._reach_store()
        self.changes.append(("reacted", spot.key, reaction))

    async def stop_in(self, thread_id: ThreadId) -> bool:
        self._reach_store()
        return False

    async def command(self, call: CommandCall) -> str:
        self._reach_store()
        self.calls.append(call)
        return self.text


@dataclass
class Room:
    """A connected adapter and the Discord it is connected to."""

    emulator: DiscordEmulator
    adapter: DiscordAdapter
    desk: Desk
    listening: asyncio.Task[None]

    async def until(self, true: Callable[[], object], timeout: float = 10.0) -> None:
        await self.emulator.wait_for(true, timeout)

    async def heard(self, count: int = 1, timeout: float = 10.0) -> Message:
        await self.until(lambda: len(self.desk.messages) >= count, timeout)
        assert len(self.desk.messages) == count
        return self.desk.messages[-1]


def place(message: Message) -> Placement:
    return Placement(message.thread_id, message.origin)


async def once_allowed(call: Callable[[], Awaitable[None]]) -> None:
    """Make a call as the writer does: come back when the platform says so."""
    for _ in range(10):
        try:
            return await call()
        except RateLimited as exc:
            await asyncio.sleep(exc.retry_after_s)
    raise AssertionError("the limit never ended")


@asynccontextmanager
async def connected(emulator: DiscordEmulator) -> AsyncIterator[Room]:
    adapter = DiscordAdapter(DiscordSettings(emulator.bot_token, emulator.api_url))
    port: Adapter = adapter
    await port.open()
    desk = Desk()
    listening = asyncio.create_task(port.listen(desk))
    room = Room(emulator, adapter, desk, listening)
    try:
        await room.until(lambda: port.unready() is None or listening.done())
        await room.until(lambda: emulator.calls("PUT /applications/*/commands"))
        yield room
    finally:
        listening.cancel()
        await asyncio.gather(listening, return_exceptions=True)
        await port.aclose()
        assert not emulator.impatient_calls


@pytest.fixture
async def emulator() -> AsyncIterator[DiscordEmulator]:
    async with DiscordEmulator(limits=Limits().faster(20)).running() as emulator:
        yield emulator


@pytest.fixture
async def room(emulator: DiscordEmulator) -> AsyncIterator[Room]:
    async with connected(emulator) as room:
        yield room


async def test_a_mention_is_answered_in_a_thread_and_talk_there_needs_no_mention(room: Room) -> None:
    """The way most conversations go."""
    question = await room.emulator.say("ben", "general", "@Parley what is a monad, @Cleo?")
    message = await room.heard()
    assert message.text == "what is a monad, @Cleo?"
    assert message.thread_id == f"discord:{room.emulator.guild_id}:{question.id}"
    assert (message.reach, message.author.name) == ("mention", "Ben")
    surface = room.adapter.surface
    await surface.open(place(message))
    await surface.status(place(message), "is thinking…")
    ref = await surface.post(place(message), Segment("A monad", stop="discord:1:2#3"), "k1")
    again = await surface.post(place(message), Segment("A monad", stop="discord:1:2#3"), "k1")
    await surface.edit(place(message), ref, Segment("A monad is a monoid."))
    (thread,) = room.emulator.threads("general")
    assert ref == again
    shown = room.emulator.messages(thread)[-1]
    assert (shown.content, shown.components) == ("A monad is a monoid.", [])
    assert thread.name == "what is a monad, @Cleo?"
    assert room.emulator.typing_times(thread)
    await room.emulator.say("cleo", thread, "go on")
    follow_up = await room.heard(2)
    assert (follow_up.reach, follow_up.thread_id) == ("thread", message.thread_id)
    assert follow_up.channel == message.channel


async def test_a_thread_opened_by_another_process_is_found(room: Room) -> None:
    """A worker that takes over has no memory of the first one."""
    await room.emulator.say("ben", "general", "@Parley hi")
    message = await room.heard()
    first = await room.adapter.surface.post(place(message), Segment("one"), "k1")
    other = DiscordAdapter(room.adapter._settings)
    await other.open()
    await other.surface.edit(place(message), first, Segment("one."))
    await other.surface.post(place(message), Segment("two"), "k2")
    await other.aclose()
    (thread,) = room.emulator.threads("general")
    contents = [one.content for one in room.emulator.messages(thread) if one.author.bot]
    assert contents == ["one.", "two"]


async def test_without_thread_permission_replies_keep_one_conversation(room: Room) -> None:
    """The channel's admin said no to threads; people can still talk to us by replying."""
    await room.emulator.set_permissions("general", deny=int(Permission.CREATE_PUBLIC_THREADS))
    question = await room.emulator.say("ben", "general", "@Parley hi")
    message = await room.heard()
    await room.adapter.surface.open(place(message))
    ref = await room.adapter.surface.post(place(message), Segment("hello"), "k1")
    assert not room.emulator.threads("general")
    reply = room.emulator.messages("general")[-1]
    assert (str(reply.id), reply.content, reply.pings) == (ref.message, "hello", [])
    assert reply.reference is not None
    assert reply.reference["message_id"] == str(question.id)
    await room.emulator.say("cleo", "general", "and why?", reply_to=reply)
    follow_up = await room.heard(2)
    assert (follow_up.thread_id, follow_up.reach) == (message.thread_id, "mention")


async def test_talk_among_people_is_not_handed_in(room: Room) -> None:
    """Nobody asked us."""
    await room.emulator.say("ben", "general", "hello everyone")
    await room.emulator.say("ben", "general", "@Parley hello")
    assert (await room.heard()).text == "hello"


async def test_direct_messages_are_answered_where_they_are(room: Room) -> None:
    """No thread, no mention."""
    await room.emulator.direct("cleo", "psst")
    message = await room.heard()
    assert (message.reach, message.scope, message.text) == ("direct", "discord:@me", "psst")
    await room.adapter.surface.open(place(message))
    await room.adapter.surface.post(place(message), Segment("yes?"), "k1")
    assert room.emulator.messages(room.emulator.direct_channel("cleo"))[-1].content == "yes?"


async def test_a_forum_post_is_one_conversation(room: Room) -> None:
    """A post is a thread; it needs no other."""
    thread = await room.emulator.open_thread("ben", "questions", "Help", "@Parley why?")
    message = await room.heard()
    assert (message.thread_id, message.reach) == (f"discord:{room.emulator.guild_id}:{thread.id}", "mention")
    forum = room.emulator.channel("questions")
    assert (message.origin, message.channel) == ("", f"discord:{room.emulator.guild_id}:{forum.id}")
    await room.adapter.surface.post(place(message), Segment("because"), "k1")
    assert room.emulator.messages(thread)[-1].content == "because"


async def test_hostile_markdown_pings_nobody_and_fetches_nothing(room: Room) -> None:
    """Whatever a model writes, also in an edit and also when a mention grows over two edits."""
    ada = room.emulator.user("ada").id
    evil = f"@everyone @here <@{ada}> https://evil.example/?q=secret [x](javascript:alert(1))"
    await room.emulator.say("ben", "general", "@Parley hi")
    message = await room.heard()
    ref = await room.adapter.surface.post(place(message), Segment(evil), "k1")
    await room.adapter.surface.edit(place(message), ref, Segment(f"{evil} @every"))
    await room.adapter.surface.edit(place(message), ref, Segment(f"{evil} @everyone <@{ada}>"))
    handle = await room.emulator.slash("ben", "general", "ask", {"question": "hi"})
    asked = await room.heard(2)
    await room.adapter.surface.post(place(asked), Segment(evil), "k2")
    await room.adapter.surface.post(place(asked), Segment(evil), "k3")
    (thread,) = room.emulator.threads("general")
    assert handle.original is not None
    shown = [one for one in room.emulator.messages(thread) + room.emulator.messages("general") if one.author.bot]
    assert len(shown) >= 3
    assert [one.pings for one in shown] == [[]] * len(shown)
    assert [one.unfurls for one in shown] == [[]] * len(shown)


async def test_edits_deletions_and_reactions_name_the_message_as_it_came(room: Room) -> None:
    """Core finds the Turn by the identity the message had; and nothing is lost while the store is away."""
    question = await room.emulator.say("ben", "general", "@Parley what is a monad?")
    message = await room.heard()
    room.desk.away = 1
    await room.emulator.suppress_previews(question)
    await room.emulator.edit_message(question, "@Parley what is a functor?")
    await room.emulator.react("ben", question, "🛑")
    await room.emulator.delete_message(question)
    async with asyncio.timeout(10):
        while len(room.desk.changes) < 3:  # noqa: ASYNC110 - a second try is no event on Discord
            await asyncio.sleep(0.02)
    key = message.keys[0]
    assert room.desk.changes == [("edited", key, "what is a functor?"), ("reacted", key, "🛑"), ("deleted", key, "")]


async def test_our_own_growing_answer_is_no_edit(room: Room) -> None:
    """Discord tells us of each of our edits."""
    await room.emulator.say("ben", "general", "@Parley hi")
    message = await room.heard()
    surface = room.adapter.surface
    ref = await surface.post(place(message), Segment("a"), "k1")
    await surface.edit(place(message), ref, Segment("ab"))
    await surface.delete(place(message), ref)
    async with asyncio.timeout(10):
        while not room.desk.changes:  # noqa: ASYNC110 - what reaches core is no event on Discord
            await asyncio.sleep(0.02)
    assert room.desk.changes == [("deleted", f"{ref.channel}:{ref.message}", "")]


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


async def test_a_message_to_a_busy_thread_is_refused_to_each_person_once(room: Room) -> None:
    """Policy `reject`: silence would look like a fault, and a notice for every word like one too."""
    room.desk.verdict = "busy"
    thread = await room.emulator.open_thread("ben", "general", "t")
    for user in ("ben", "ben", "cleo"):
        await room.emulator.say(user, thread, "@Parley hi")
    await room.heard(3)
    said = lambda: [m for m in room.emulator.messages(thread) if m.author.id == room.emulator.bot_user_id]  # noqa: E731
    await room.until(lambda: len(said()) == 2)
    assert all("still answering" in message.content for message in said())


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


async def test_a_full_thread_is_told_to_the_person(room: Room) -> None:
    """Never silence: whoever is not answered reads why."""
    room.desk.verdict = "full"
    await room.emulator.say("ben", "general", "@Parley hi")
    await room.until(lambda: [one for one in room.emulator.messages("general") if one.author.bot])
    assert room.emulator.messages("general")[-1].content == FULL
    handle = await room.emulator.slash("ada", "general", "ask", {"question": "why?"})
    assert (await handle.finished()).content == FULL


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


@pytest.mark.parametrize("trouble", ["drop", "a while away after 1000", "op 7", "op 9 resumable"])
async def test_a_lost_connection_is_resumed_without_losing_a_message(room: Room, trouble: str) -> None:
    """Scenario 20: Discord cuts connections every few hours, also with 1000 and not letting us in for a while; what
    was said meanwhile is replayed."""
    match trouble:
        case "drop":
            await room.emulator.drop(4000)
        case "a while away after 1000":
            room.emulator.hold_connections()
            await room.emulator.drop(1000)
            await room.until(lambda: room.adapter.unready() is not None, timeout=20)
        case "op 7":
            await room.emulator.reconnect_request()
        case _:
            await room.emulator.invalidate(resumable=True)
    await room.emulator.say("ben", "general", "@Parley still there?")
    room.emulator.hold_connections(False)
    assert (await room.heard(timeout=20)).text == "still there?"
    await room.until(lambda: room.adapter.unready() is None)


async def test_what_was_said_between_two_sessions_is_read_afterwards(room: Room) -> None:
    """Discord replays nothing into a new session; channels, threads and direct messages are looked through."""
    await room.emulator.direct("cleo", "before")
    thread = await room.emulator.open_thread("ben", "general", "talk", "@Parley hi")
    await room.until(lambda: len(room.desk.messages) == 2)
    await room.emulator.invalidate(resumable=False)
    await room.emulator.say("ben", "random", "@Parley one")
    await room.emulator.say("ben", thread, "two")
    await room.emulator.direct("cleo", "three")
    await room.emulator.say("ben", "random", "@Parley four")
    await room.until(lambda: len(room.desk.messages) >= 6, timeout=20)
    texts = [one.text for one in room.desk.messages]
    assert sorted(texts) == sorted(["before", "hi", "one", "two", "three", "four"])
    assert texts.index("one") < texts.index("four")
    assert room.emulator.calls("GET /channels/*/messages")


@pytest.mark.parametrize("status", [0, 503])
async def test_a_gap_is_read_although_discord_does_not_answer_at_once(room: Room, status: int) -> None:
    """Discord that has just ended a session is often not well yet, and nothing else tells of what was said."""
    await room.emulator.say("ben", "general", "@Parley hi")
    await room.heard()
    room.emulator.fail_next("GET /channels/*/messages", status=status, times=2)
    await room.emulator.invalidate(resumable=False)
    await room.emulator.say("ben", "random", "@Parley one")
    await room.until(lambda: len(room.desk.messages) >= 2, timeout=20)
    assert [one.text for one in room.desk.messages] == ["hi", "one"]


async def test_a_question_is_found_behind_a_long_talk_of_others(room: Room) -> None:
    """A busy channel says more than fifty things in half an hour; the one for us may be the last of them."""
    await room.emulator.say("ben", "general", "@Parley hi")
    await room.heard()
    await room.emulator.invalidate(resumable=False)
    for number in range(120):
        await room.emulator.say("ada", "random", f"talk {number}")
    await room.emulator.say("ben", "random", "@Parley one")
    await room.until(lambda: len(room.desk.messages) >= 2, timeout=20)
    assert [one.text for one in room.desk.messages] == ["hi", "one"]


async def test_a_repeated_event_carries_the_same_keys(room: Room) -> None:
    """Replays and second connections are told apart from new messages by core, from the keys alone."""
    await room.emulator.say("ben", "general", "@Parley hi")
    await room.heard()
    await room.emulator.redeliver()
    await room.heard(2)
    first, second = room.desk.messages
    assert first == second


async def test_an_event_that_cannot_be_read_costs_nobody_the_connection(room: Room) -> None:
    """discord.py ends its client for one; the next session would begin seconds later, and later each time."""
    await room.emulator.say("ben", "general", "nothing for us")
    spoken = next(one for one in reversed(room.emulator._recent) if one.name == "MESSAGE_CREATE")
    broken: list[tuple[str, Any]] = [
        ("MESSAGE_CREATE", {}),
        ("MESSAGE_CREATE", None),
        ("THREAD_CREATE", []),
        ("GUILD_CREATE", {"id": None}),
    ]
    for name, data in broken:
        await room.emulator.redeliver(replace(spoken, name=name, d=data))
    await room.emulator.say("ben", "general", "@Parley hi")
    assert (await room.heard()).text == "hi"
    assert len(room.emulator.gateway.sessions.all()) == 1


async def test_a_bare_mention_in_reply_to_somebody_is_a_question(room: Room) -> None:
    """People point at a message so; help is what they get for a mention that points at nothing."""
    claim = await room.emulator.say("ada", "general", "The launch is on Friday.")
    await room.emulator.say("ben", "general", "@Parley", reply_to=claim)
    asked = await room.heard()
    assert "in answer to the message above" in asked.text
    assert asked.quoted is not None and asked.quoted.text == "The launch is on Friday."
    await room.emulator.say("ben", "general", "@Parley")
    assert (await room.heard(2)).text == ""


async def test_files_that_hang_on_a_question_are_not_passed_over_in_silence(room: Room) -> None:
    """An answer that knows nothing of them would be believed to have read them."""
    await room.emulator.say("ben", "general", "@Parley sum this up", attachments=[("report.txt", b"words")])
    assert (await room.heard()).text == "sum this up\n\n(attached, not readable for you: report.txt)"


async def test_our_role_is_as_good_as_our_name(room: Room) -> None:
    """Both look the same in the list that a client offers."""
    role = next(one for one in room.emulator.guild.roles.values() if one.managed_by is not None)
    await room.emulator.say("ben", "general", f"<@&{role.id}> hi")
    assert (await room.heard()).text == "hi"


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


async def test_a_token_that_is_reset_ends_listening_with_a_clear_word(room: Room) -> None:
    """Close code 4004, or 401 at the next login: an operator must act."""
    room.emulator.world.bot_token = "another"
    await room.emulator.drop(4009)
    with pytest.raises(ConfigError, match="does not accept this token"):
        async with asyncio.timeout(25):
            await room.listening


async def test_while_discord_turns_us_away_we_are_not_ready_and_come_back(room: Room) -> None:
    """A process that looks alive and hears nothing is the worst kind."""
    room.emulator.refuse_connections()
    await room.emulator.drop(1000)
    await room.until(lambda: room.adapter.unready() is not None)
    room.emulator.refuse_connections(False)
    await room.until(lambda: room.adapter.unready() is None, timeout=40)
    await room.emulator.say("ben", "general", "@Parley back?")
    assert (await room.heard()).text == "back?"


async def test_refusals_reach_core_in_its_own_words(room: Room) -> None:
    """One of each kind, from a server that answers as Discord does."""
    await room.emulator.say("ben", "general", "@Parley hi")
    message = await room.heard()
    surface = room.adapter.surface
    ref = await surface.post(place(message), Segment("one"), "k1")
    (thread,) = room.emulator.threads("general")
    await room.emulator.archive(thread)
    await surface.edit(place(message), ref, Segment("two"))
    assert room.emulator.messages(thread)[-1].content == "two"
    room.emulator.fail_next("POST /channels/*/messages", status=0, after_effect=True)
    with pytest.raises(SurfaceUnavailable):
        await surface.post(place(message), Segment("three"), "k3")
    await surface.post(place(message), Segment("three"), "k3")
    contents = [one.content for one in room.emulator.messages(thread) if one.author.bot]
    assert contents == ["two", "three"]
    room.emulator.fail_next("PATCH /channels/*/messages/*", retry_after=0.05)
    with pytest.raises(RateLimited):
        await surface.edit(place(message), ref, Segment("four"))
    await room.emulator.delete_message(room.emulator.messages(thread)[-2])
    with pytest.raises(MessageGone):
        await once_allowed(lambda: surface.edit(place(message), ref, Segment("five")))
    await surface.delete(place(message), ref)


async def test_a_wrong_token_is_named_at_the_start(emulator: DiscordEmulator) -> None:
    """The setting, what is wrong, where to get it right; never the token."""
    adapter = DiscordAdapter(DiscordSettings("wr0ng-token", emulator.api_url))
    with pytest.raises(ConfigError) as caught:
        await adapter.open()
    assert caught.value.setting == "DISCORD_BOT_TOKEN"
    assert "wr0ng" not in f"{caught.value} {DiscordSettings('wr0ng-token')!r}"
    await adapter.aclose()


async def test_an_address_that_is_not_discord_is_named_at_the_start(emulator: DiscordEmulator) -> None:
    """Nobody there, or somebody else."""
    page = web.Application()
    runner = web.AppRunner(page)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    for url in (f"http://127.0.0.1:{runner.addresses[0][1]}/api/v10", "http://127.0.0.1:1/api/v10"):
        adapter = DiscordAdapter(DiscordSettings("token", url))
        with pytest.raises(ConfigError) as caught:
            await adapter.open()
        assert caught.value.setting == "DISCORD_API_URL"
        await adapter.aclose()
    await runner.cleanup()


async def test_a_missing_message_content_intent_is_named_at_the_start() -> None:
    """The most frequent reason for a bot that is online and deaf."""
    async with DiscordEmulator(portal_intents=0).running() as emulator:
        adapter = DiscordAdapter(DiscordSettings(emulator.bot_token, emulator.api_url))
        with pytest.raises(ConfigError, match="Message Content intent"):
            await adapter.open()
        await adapter.aclose()


async def test_an_intent_switched_off_later_ends_listening_with_a_clear_word(emulator: DiscordEmulator) -> None:
    """No retry can mend it (close code 4014)."""
    adapter = DiscordAdapter(DiscordSettings(emulator.bot_token, emulator.api_url))
    await adapter.open()
    emulator.allow_intents(0)
    with pytest.raises(ConfigError, match="Message Content intent"):
        async with asyncio.timeout(20):
            await adapter.listen(Desk())
    assert adapter.unready() is not None
    await adapter.aclose()


async def test_the_log_never_tells_what_was_said(room: Room, caplog: pytest.LogCaptureFixture) -> None:
    """Logs are read by people who were not in the conversation."""
    caplog.set_level(logging.DEBUG, logger="adapters")
    await room.emulator.say("ben", "general", "@Parley my password is hunter2")
    await room.heard()
    told = "\n".join(f"{one.getMessage()} {one.__dict__}" for one in caplog.records if one.name.startswith("adapters"))
    assert "hunter2" not in told
    assert room.emulator.bot_token not in told
