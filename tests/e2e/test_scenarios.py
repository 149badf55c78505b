"""What bots of this kind fail at in public, on both platforms as the people there see it."""

from __future__ import annotations

import asyncio
from typing import Any

from core.chat import texts
from core.store import Store, keys
from tests.e2e.conftest import House
from tests.e2e.test_busy_threads import Side, a_side, platform, scripted
from tests.providers.openai_server import Reply

__all__ = ["platform"]


def refuse_edits(side: Side, seconds: int, every_s: int = 1) -> None:
    """429 with a wait of `every_s`, for so long."""
    if side.slack:
        side.emulator.rate_limit("chat.update", every_s, seconds)
    else:
        side.emulator.rate_limit("PATCH /channels/*/messages/*", float(every_s), float(seconds))


def states(side: Side, message: Any) -> list[str]:
    """Every text that people saw in a message."""
    return [shown.text if side.slack else shown.content for shown in message.history]


def six_words(gate: asyncio.Event) -> Reply:
    """An answer whose last word waits for `gate`."""

    async def held(number: int) -> None:
        if number == 5:
            await gate.wait()

    return Reply(["word "] * 6, pause=held)


async def test_a_follow_up_that_waited_never_touches_the_message_of_the_first(store: Store, platform: str) -> None:
    """Scenario 7: the first answer is still being sealed, behind an edit that takes its time, when the next is due."""
    async with a_side(store, platform) as side:
        scripted(side.house, one=30)
        await side.ask("one")
        await side.begun("word")
        await side.say("two")
        if side.slack:
            side.emulator.delay("chat.update", 0.4)
        else:
            side.emulator.delay("PATCH /channels/*/messages/*", 0.4, times=None)
        assert await side.settled(2) == ["re(one) " + ("word " * 30).strip(), "re(two)"]
        first, second = side.shown()
        assert not any("two" in text for text in states(side, first))
        assert not any("one" in text for text in states(side, second))
        assert first.history[-1].at <= second.history[0].at


async def test_a_429_on_the_last_edit_leaves_nothing_that_looks_unfinished(store: Store, platform: str) -> None:
    """Scenario 8: the edit that takes the Stop button away is repeated, and nothing is posted instead."""
    async with a_side(store, platform) as side:
        gate = asyncio.Event()
        side.house.provider.reply(six_words(gate))
        await side.ask("one")
        await side.begun("word")
        refuse_edits(side, 2)
        gate.set()
        assert await side.settled(1) == [("word " * 6).strip()]
        assert len(side.shown()) == 1


async def test_a_wait_of_an_hour_on_the_last_edit_does_not_hold_up_the_thread(store: Store, platform: str) -> None:
    """Scenario 9, with a wait that nobody would wait for: what is shown stays, and the next question is answered."""
    async with a_side(store, platform) as side:
        gate = asyncio.Event()
        side.house.provider.reply(six_words(gate))
        await side.ask("one")
        first = await side.begun("word")
        refuse_edits(side, 3600, every_s=3600)
        gate.set()
        side.house.provider.reply(["two"])
        await side.say("two")
        await side.until(lambda: side.texts()[1:] == ["two"])
        assert "word" in side.texts()[0] and side.growing(first)


async def test_ten_threads_at_once_keep_the_budget_of_the_workspace(store: Store) -> None:
    """Scenario 10: Slack counts the edits of all conversations together. None is refused, and every end arrives."""
    async with a_side(store, "slack") as side:
        house = side.house
        scripted(house, **{f"q{number}": 40 for number in range(10)})
        questions = [await house.slack_says(f"@Parley q{number}") for number in range(10)]
        for number, question in enumerate(questions):
            [answer] = await house.slack_settled(question, timeout=40)
            assert answer.visible.split() == [f"re(q{number})", *["word"] * 40]
        assert "chat.update" not in house.slack.rate_limited
        finals = [house.slack_answers(question)[0].history[-1].at for question in questions]
        assert max(finals) - min(finals) < 15, "the last texts were not kept waiting by interim ones"


async def test_an_answer_of_wide_letters_goes_over_into_the_next_message(store: Store) -> None:
    """Scenario 11: the 4,000 bytes of an edit's `text` are reached in the middle of the stream, long before a message
    is full."""
    async with a_side(store, "slack") as side:
        text = "".join(f"{number}🙂字漢🎉語。" for number in range(700))
        side.house.provider.reply([text[at : at + 60] for at in range(0, len(text), 60)])
        await side.ask("one")
        await side.until(lambda: "".join(side.texts()) == text, 20)
        assert len(side.shown()) == 2
        assert all(call.error is None for call in side.emulator.calls("chat.update"))


async def test_code_that_is_open_where_a_discord_message_ends_is_closed_there(store: Store) -> None:
    """Scenario 12: nothing of it is lost, and each message shows code as code."""
    async with a_side(store, "discord") as side:
        lines = [f"print({number}, 'a line of code')" for number in range(120)]
        text = "Here:\n\n```python\n" + "\n".join(lines) + "\n```\n\nThat is all."
        side.house.provider.reply([text[at : at + 50] for at in range(0, len(text), 50)])
        await side.ask("one")
        await side.until(lambda: "That is all." in "".join(side.texts()), 20)
        shown = await side.settled(2)
        assert all(part.count("```") % 2 == 0 and len(part) <= 2000 for part in shown)
        assert [line for part in shown for line in part.splitlines() if line.startswith("print(")] == lines


async def test_a_growing_answer_that_a_moderator_deletes_comes_back_once_and_whole(store: Store, platform: str) -> None:
    """Scenario 15: left alone while it grows; its end is worth a new message."""
    async with a_side(store, platform) as side:
        scripted(side.house, one=30)
        await side.ask("one")
        growing = await side.begun("word")
        await side.emulator.delete_message(growing)
        whole = "re(one) " + ("word " * 30).strip()

        def there() -> list[str]:
            alive = [m for m in side.shown() if not m.deleted]
            return [(m.visible if side.slack else m.content).strip() for m in alive if not side.growing(m)]

        await side.until(lambda: there() == [whole])
        await side.say("two")
        await side.until(lambda: there() == [whole, "re(two)"])


async def test_a_question_deleted_before_the_first_word_leaves_no_answer(store: Store, platform: str) -> None:
    """Scenario 16: the run is cancelled, nothing is posted, and nobody asks the provider again."""
    async with a_side(store, platform) as side:
        asked, gate = asyncio.Event(), asyncio.Event()

        async def held(_: int) -> None:
            asked.set()
            await gate.wait()

        side.house.provider.reply(Reply(["never "], pause=held))
        await side.ask("one")
        await asyncio.wait_for(asked.wait(), 10)
        await side.emulator.delete_message(side.question)
        await until_idle(store)
        gate.set()
        assert [text for text in side.texts() if text] == []
        assert len(side.house.provider.requests) == 1


async def until_idle(store: Store) -> None:
    """Return when no Session is served."""
    async with asyncio.timeout(10):
        while [name async for name in store.names(keys.session_pattern("lease"))]:  # noqa: ASYNC110 - Redis tells nobody
            await asyncio.sleep(0.02)


def led_back(side: Side) -> str:
    """The line below an answer, as its markdown begins."""
    return f"{f'<@{side.question.author.id}> ' if not side.slack else ''}[{texts.POINT_FINISHED}]"


async def test_people_who_went_on_talking_are_led_back_to_a_long_answer(store: Store, platform: str) -> None:
    """Scenario 18: edits make nothing unread. One line below what they said, for the person who asked; when the answer
    is written anew, the line goes."""
    async with a_side(store, platform, parley_point_after_s=1.0) as side:
        gate = asyncio.Event()
        side.house.provider.queue(six_words(gate), "two", "once more")
        await side.ask("one")
        answer = await side.begun("word")
        await side.say("@ben what do you think?", "ada")
        await side.say("@ada no idea", "ben")
        await asyncio.sleep(1.2)  # long, for this test
        gate.set()
        await side.until(lambda: len(side.shown()) == 2 and "retry" in side.controls(answer))
        line = side.shown()[1]
        assert side.texts()[0] == ("word " * 6).strip()
        assert side.markdown(line).startswith(led_back(side))
        assert side.link_to(answer) in side.markdown(line)
        assert side.pings(line) == ([] if side.slack else [f"user:{side.question.author.id}"])
        assert side.controls(line) == []
        await side.press(answer, "retry")
        await side.until(lambda: side.texts() == ["two"])


async def test_where_nobody_else_wrote_a_long_answer_stands_alone(store: Store, platform: str) -> None:
    """Scenario 18, the other side of it: whoever waits in silence sees the end of the answer."""
    async with a_side(store, platform, parley_point_after_s=0.2) as side:

        async def slow(number: int) -> None:
            await asyncio.sleep(0.1)

        side.house.provider.queue(Reply(["word "] * 6, pause=slow), "two")
        await side.ask("one")
        await side.begun("word")
        await side.settled(1)
        await until_idle(store)
        await side.say("two")
        assert await side.settled(2) == [("word " * 6).strip(), "two"]
        reads = "conversations.replies" if side.slack else "GET /channels/*/messages"
        assert len(side.emulator.calls(reads)) == 1, "asked once, for the long one"


async def test_twenty_events_that_discord_replays_are_not_answered_again(store: Store) -> None:
    """Scenario 19: a RESUME replays what was taken in long ago."""
    async with a_side(store, "discord") as side:
        scripted(side.house)
        seen: list[Any] = []
        side.emulator.subscribe(
            lambda event: seen.append(event) if event.name == "MESSAGE_CREATE" and event.visible else None
        )
        await side.ask("one")
        for number, text in enumerate(("two", "three", "four"), 2):
            await side.settled(number - 1)
            await side.say(text)
        shown = await side.settled(4)
        questions = [event for event in seen if event.d["author"]["id"] != str(side.emulator.bot_user_id)]
        questions = [event for event in questions if event.d["content"]][:4]
        assert len(questions) == 4
        for event in questions * 5:
            await side.emulator.redeliver(event)
        await side.say("five")
        assert await side.settled(5) == [*shown, "re(five)"]
        assert len(side.house.provider.requests) == 5


async def test_one_command_by_two_people_in_one_channel_is_two_conversations(house: House, store: Store) -> None:
    """Scenario 24: neither model run knows of the other, and each person's rights are their own."""
    scripted(house)
    ada = await house.discord.slash("ada", "general", "ask", {"question": "my word is apple"})
    ben = await house.discord.slash("ben", "general", "ask", {"question": "my word is pear"})
    invoked = [await house.slack.slash(user, "general", "/parley", f"ask {user} here") for user in ("ada", "ben")]
    assert all(one.acknowledged for one in invoked)
    await house.discord.wait_for(lambda: "apple" in answer_of(ada) and "pear" in answer_of(ben), 10)
    roots = await house.slack.wait_for(lambda: len(found := house.slack.bot_messages("general")) >= 2 and found)
    for root in [root for root in roots if root.root == root.ts]:
        await house.slack_settled(root, answers=2)
    prompts = [[m["content"] for m in r.messages if m["role"] != "system"] for r in house.provider.requests]
    assert sorted(prompts) == [["ada here"], ["ben here"], ["my word is apple"], ["my word is pear"]]
    assert len([name async for name in store.names(keys.session_pattern("meta"))]) == 4
    for user, title in (("ada", "Usage of this workspace"), ("ben", "Your usage")):
        report = await house.slack.slash(user, "general", "/parley", "usage")
        await house.slack.wait_for(lambda report=report: report.shown)  # type: ignore[misc]
        assert title in report.shown[0].visible


def answer_of(handle: Any) -> str:
    return "".join(message.content for message in handle.messages)


async def test_people_may_talk_to_one_another_in_a_thread_of_ours(store: Store, platform: str) -> None:
    """What opens with a mention of somebody else is left to them; what mentions the bot as well is not."""
    async with a_side(store, platform) as side:
        scripted(side.house)
        await side.ask("one")
        await side.settled(1)
        await side.say("@ben what do you think?")
        await side.say("@ben and @Parley, two", "ben")
        await side.settled(2)
        await side.say("three")
        shown = await side.settled(3)
        assert [text.rpartition(" ")[2] for text in shown] == ["re(one)", "two)", "re(three)"]
        asked = str([request.messages for request in side.house.provider.requests])
        assert "what do you think" not in asked


async def test_a_reply_to_somebody_else_shows_the_model_what_they_said(store: Store) -> None:
    """On Discord "@Parley is that true?" under a message of Cleo's is about that message."""
    async with a_side(store, "discord") as side:
        scripted(side.house)
        said = await side.emulator.say("cleo", "general", "The moon is 384,400 km away, @ada.")
        question = await side.emulator.say("ada", "general", "@Parley is that true?", reply_to=said)
        await side.house.discord_settled(await side.house.discord_thread(question))
        [request] = side.house.provider.requests
        assert "[Cleo] The moon is 384,400 km away" in request.prompt and request.prompt.endswith("is that true?")
