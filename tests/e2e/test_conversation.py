"""The whole way of a message, on both platforms at once, as the people in the channel see it."""

from __future__ import annotations

import asyncio
import itertools

from tests.e2e.conftest import House, SlackMessage, has_stop_component
from tests.providers.openai_server import Reply


def growing(deltas: list[str], seconds: float) -> Reply:
    async def pause(_: int) -> None:
        await asyncio.sleep(seconds / len(deltas))

    return Reply(deltas=deltas, pause=pause)


async def test_a_mention_in_slack_is_answered_in_its_thread_and_grows(house: House) -> None:
    """The main job: an answer in the thread that grows by edits of one message."""
    house.provider.reply(growing(["word "] * 40, 4.0))
    question = await house.slack_says("@Parley hello")
    [answer] = await house.slack_settled(question)
    assert answer.thread_ts == question.ts
    assert answer.visible.strip() == ("word " * 40).strip()
    states = [shown.text for shown in answer.history]
    assert len(states) >= 4
    assert all(later.startswith(earlier.rstrip()) for earlier, later in itertools.pairwise(states))


async def test_a_mention_in_discord_opens_a_thread_and_grows(house: House) -> None:
    house.provider.reply(growing(["word "] * 40, 4.0))
    question = await house.discord.say("ada", "general", "@Parley hello")
    thread = await house.discord_thread(question)
    [answer] = await house.discord_settled(thread)
    assert answer.content.strip() == ("word " * 40).strip()
    assert len(answer.history) >= 4


async def test_a_thread_is_a_conversation_also_after_a_restart(house: House) -> None:
    """Scenario 23: kill and start again: the follow-up needs no mention, and the model is given what was said."""
    house.provider.reply("Nice to meet you.")
    question = await house.slack_says("@Parley my name is Ada")
    await house.slack_settled(question)
    await house.stop_bot()
    await house.start_bot()
    await house.slack_says("what is my name?", thread_ts=question.ts)
    await house.slack_settled(question, answers=2)
    sent = [(m["role"], m["content"]) for m in house.provider.requests[-1].messages if m["role"] != "system"]
    assert sent == [("user", "my name is Ada"), ("assistant", "Nice to meet you."), ("user", "what is my name?")]


async def test_the_same_event_twice_is_answered_once(house: House) -> None:
    """A mention comes as two events with different ids, and Slack redelivers."""
    question = await house.slack_says("@Parley once")
    await house.slack_settled(question)
    await house.slack.redeliver()
    await house.slack.redeliver_as_new_event_id()
    said = await house.discord.say("ada", "general", "@Parley once")
    thread = await house.discord_thread(said)
    await house.discord_settled(thread)
    await house.discord.redeliver()
    await house.slack_says("@Parley two", thread_ts=question.ts)
    answers = await house.slack_settled(question, answers=2)
    assert len(answers) == 2
    assert len(house.discord_answers(thread)) == 1
    assert len(house.provider.requests) == 3


async def test_two_messages_at_once_are_answered_in_order_and_apart(house: House) -> None:
    """Within 50 ms in one thread: two answers, the first complete before the second begins."""
    question = await house.slack_says("@Parley start")
    await house.slack_settled(question)
    house.provider.script(lambda request: growing([f"{request.prompt} "] * 10, 1.0))
    await asyncio.gather(house.slack_says("one", thread_ts=question.ts), house.slack_says("two", thread_ts=question.ts))
    answers = await house.slack_settled(question, answers=3)
    assert [answer.visible.split()[0] for answer in answers[1:]] == ["one", "two"]
    assert answers[1].history[-1].at <= answers[2].history[0].at


async def test_a_long_answer_arrives_whole_on_both_platforms(house: House) -> None:
    """20,000 characters with code: the segments are the answer, and no fence is left open."""
    paragraph = "A paragraph of plain words that says little at some length. " * 5
    code = "```python\n" + "".join(f"print({n})\n" for n in range(40)) + "```"
    text = "\n\n".join(f"## Part {n}\n\n{paragraph.strip()}\n\n{code}" for n in range(28))
    assert len(text) > 20_000
    house.provider.reply([text[at : at + 50] for at in range(0, len(text), 50)])
    question = await house.slack_says("@Parley long")
    said = await house.discord.say("ada", "general", "@Parley long")
    whole = "".join(text.split())
    thread = await house.discord_thread(said)
    slack_parts = await house.slack.wait_for(lambda: _whole(_laid_out(house.slack_answers(question)), whole), 50)
    for message in house.slack_answers(question):
        assert message.text.count("```") % 2 == 0
        assert "A paragraph of plain words" in message.text or "print(" in message.text
    parts = await house.discord.wait_for(lambda: _whole([m.content for m in house.discord_answers(thread)], whole), 50)
    for part in (*slack_parts, *parts):
        assert part.count("```") % 2 == 0
    assert len(slack_parts) == len(house.slack_answers(question))
    assert len(parts) == len(house.discord_answers(thread))


def _laid_out(messages: list[SlackMessage]) -> list[str]:
    """What Slack lays out of each message."""
    return ["".join(block["text"] for block in m.blocks if block["type"] == "markdown") for m in messages]


def _whole(parts: list[str], whole: str) -> list[str] | None:
    return parts if _without_added_fences(parts) == whole else None


def _without_added_fences(parts: list[str]) -> str:
    """The segments put together; where code was closed and opened again at a cut, these lines go."""
    joined = "\x00".join(parts)
    return "".join(
        joined.replace("\n```\x00```python\n", "\n").replace("```\x00```python\n", "").replace("\x00", "").split()
    )


async def test_a_model_pings_nobody(house: House) -> None:
    """Whatever the model writes, also split over two deltas."""
    house.provider.reply(
        ["Hi @every", "one <!chan", "nel> <!here> <@U", "123> <@&1> @here <#C1> `<!channel>` <https://a.b>"]
    )
    question = await house.slack_says("@Parley ping")
    said = await house.discord.say("ada", "general", "@Parley ping")
    [slack_answer] = await house.slack_settled(question)
    [discord_answer] = await house.discord_settled(await house.discord_thread(said))
    assert not slack_answer.pings
    assert not slack_answer.unfurls
    assert not discord_answer.pings
    assert not discord_answer.unfurls


async def test_a_direct_message_needs_no_mention(house: House) -> None:
    said = await house.slack.say("ada", house.slack.dm("ada"), "hello there")
    await house.slack.wait_for(lambda: house.slack.bot_messages(house.slack.dm("ada"), said.ts))
    await house.discord.direct("ada", "hello there")
    place = house.discord.direct_channel("ada")
    [answer] = await house.discord_settled(place)
    assert answer.content == "Hello"


async def test_usage_names_people_and_channels_for_admins_and_shows_others_their_own(house: House) -> None:
    """By user, channel and model; Ada administers both places, Ben neither."""
    question = await house.slack_says("@Parley hello", user="ben")
    await house.slack_settled(question)
    asked = await house.discord.say("ben", "general", "@Parley hello")
    await house.discord_settled(await house.discord_thread(asked))
    report = await house.slack.slash("ada", "general", "/parley", "usage")
    await house.slack.wait_for(lambda: report.shown)
    for word in ("Usage of this workspace", "\nben ", "#general", "openai:gpt-4o", "Today", "7 days", "30 days"):
        assert word in report.shown[0].visible
    own = await house.slack.slash("ben", "general", "/parley", "usage")
    await house.slack.wait_for(lambda: own.shown)
    assert "Your usage" in own.shown[0].visible
    assert "by user" not in own.shown[0].visible
    handle = await house.discord.slash("ada", "general", "usage")
    await house.discord.wait_for(lambda: handle.messages and "by model" in handle.messages[-1].content)
    shown = "".join(message.content for message in handle.messages)
    assert "Ben" in shown
    assert "#general" in shown


async def test_ask_streams_its_answer_in_place_and_a_reply_goes_on(house: House) -> None:
    """`/ask` on Discord and `/parley ask` on Slack."""
    house.provider.reply(growing(["word "] * 20, 2.0))
    handle = await house.discord.slash("ada", "general", "ask", {"question": "how are you?"})
    answer = await house.discord.wait_for(
        lambda: next((m for m in handle.messages if m.content.count("word") == 20 and not has_stop_component(m)), None),
        10,
    )
    assert len(answer.history) >= 3
    invoked = await house.slack.slash("ada", "general", "/parley", "ask how are you?")
    assert invoked.acknowledged
    root = await house.slack.wait_for(lambda: next(iter(house.slack.bot_messages("general")), None))
    [_, told] = await house.slack_settled(root, answers=2)
    assert told.visible.count("word") == 20
    house.provider.reply("Still here.")
    reply = await house.discord.say("ada", "general", "go on", reply_to=answer)
    thread = await house.discord.wait_for(lambda: next(iter(house.discord.threads()), None), 10)
    await house.discord.wait_for(lambda: "Still here." in [m.content for m in house.discord_answers(thread)], 10)
    assert thread.id == answer.id, reply
    sent = [m["content"] for m in house.provider.requests[-1].messages if m["role"] == "user"]
    assert sent == ["how are you?", "go on"]


async def test_help_names_the_commands_of_that_platform_alone(house: House) -> None:
    """As a slash command and as a word in a thread. A command that is not there would be tried in vain."""
    typed = await house.slack.slash("ada", "general", "/parley", "help")
    asked = await house.slack_says("@Parley help")
    [in_thread] = await house.slack_settled(asked)
    await house.slack.wait_for(lambda: typed.shown)
    for shown in (typed.shown[0].visible, in_thread.visible):
        assert "/parley ask" in shown and "/parley usage" in shown and "@parley stop" in shown.lower()
        assert "/ask" not in shown.replace("/parley ask", "") and "Discord" not in shown
    handle = await house.discord.slash("ada", "general", "help")
    question = await house.discord.say("ada", "general", "@Parley help")
    [answer] = await house.discord_settled(await house.discord_thread(question))
    await house.discord.wait_for(lambda: handle.messages and "Ask me" in handle.messages[-1].content)
    for shown in (handle.messages[-1].content, answer.content):
        assert "`/ask`" in shown and "`/usage`" in shown
        assert "/parley" not in shown and "Slack" not in shown


async def test_what_was_said_while_the_bot_was_away_is_answered_once(house: House) -> None:
    """Slack delivers again what nobody acked; on Discord we read what we did not hear."""
    first = await house.discord.say("ada", "general", "@Parley hello")
    thread = await house.discord_thread(first)
    await house.discord_settled(thread)
    await house.stop_bot()
    await house.discord.say("ada", thread, "are you there?")
    missed = await house.discord.say("ben", "general", "@Parley and for me?")
    await house.start_bot()
    other = await house.discord_thread(missed, timeout=15)
    await house.discord_settled(other)
    await house.discord_settled(thread, answers=2)
    asked = [request.prompt.removeprefix("[Ben] ") for request in house.provider.requests]
    assert sorted(asked) == ["and for me?", "are you there?", "hello"]
