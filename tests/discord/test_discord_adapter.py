"""The whole adapter against a local Discord: what people do there, and what they see."""

from __future__ import annotations

import asyncio
import logging

import pytest

from adapters.discord import DiscordAdapter
from adapters.discord.commands import FULL
from adapters.emulators.discord import Permission
from core.chat import (
    MessageGone,
    RateLimited,
    Segment,
    SurfaceUnavailable,
)
from tests.discord.room import Room, once_allowed, place


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


async def test_a_full_thread_is_told_to_the_person(room: Room) -> None:
    """Never silence: whoever is not answered reads why."""
    room.desk.verdict = "full"
    await room.emulator.say("ben", "general", "@Parley hi")
    await room.until(lambda: [one for one in room.emulator.messages("general") if one.author.bot])
    assert room.emulator.messages("general")[-1].content == FULL
    handle = await room.emulator.slash("ada", "general", "ask", {"question": "why?"})
    assert (await handle.finished()).content == FULL


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


async def test_the_log_never_tells_what_was_said(room: Room, caplog: pytest.LogCaptureFixture) -> None:
    """Logs are read by people who were not in the conversation."""
    caplog.set_level(logging.DEBUG, logger="adapters")
    await room.emulator.say("ben", "general", "@Parley my password is hunter2")
    await room.heard()
    told = "\n".join(f"{one.getMessage()} {one.__dict__}" for one in caplog.records if one.name.startswith("adapters"))
    assert "hunter2" not in told
    assert room.emulator.bot_token not in told
