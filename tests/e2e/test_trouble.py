"""What people see when something goes wrong: always a clear message, never silence, and the next message works."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest

from tests.e2e.conftest import House, has_stop_button
from tests.providers.openai_server import Reply


async def slow(_: int) -> None:
    await asyncio.sleep(0.05)


FAILURES: dict[str, tuple[Callable[[], Reply], str]] = {
    "401": (lambda: Reply(status=401, error={"message": "Incorrect API key"}), "refused my credentials"),
    "429": (lambda: Reply(status=429, headers={"retry-after": "30"}), "too many requests"),
    "500": (lambda: Reply(status=500), "answered with an error (500)"),
    "broken": (lambda: Reply(["partial "] * 8, cut_after=4, pause=slow), "broke off"),
}


@pytest.mark.parametrize("kind", FAILURES)
async def test_a_provider_failure_is_told_and_the_next_message_works(house: House, kind: str) -> None:
    make, said = FAILURES[kind]
    house.provider.reply(make())
    question = await house.slack_says("@Parley hello")
    asked = await house.discord.say("ada", "general", "@Parley hello")
    [shown] = await house.slack_settled(question)
    assert said in shown.visible
    assert ("partial" in shown.visible) == (kind == "broken")
    thread = await house.discord_thread(asked)
    [told] = await house.discord_settled(thread)
    assert said in told.content
    house.provider.reply("All is well.")
    await house.slack_says("again", thread_ts=question.ts)
    answers = await house.slack_settled(question, answers=2)
    assert answers[-1].visible.strip() == "All is well."
    await house.discord.say("ada", thread, "again")
    assert (await house.discord_settled(thread, answers=2))[-1].content == "All is well."


async def test_stop_keeps_what_is_visible_and_says_so(house: House) -> None:
    """The button on the growing message, on both platforms."""
    house.provider.reply(Reply(["word "] * 400, pause=slow))
    question = await house.slack_says("@Parley long")
    asked = await house.discord.say("ada", "general", "@Parley long")
    growing = await house.slack.wait_for(
        lambda: next((m for m in house.slack_answers(question) if has_stop_button(m) and "word" in m.visible), None)
    )
    thread = await house.discord_thread(asked)
    other = await house.discord.wait_for(
        lambda: next((m for m in house.discord_answers(thread) if "word" in m.content), None)
    )
    await house.slack.press("ben", growing, "parley_stop")
    await house.discord.press("ben", other, other.components[0]["components"][0]["custom_id"])
    [stopped] = await house.slack_settled(question, timeout=3)
    [halted] = await house.discord_settled(thread, timeout=3)
    assert "word" in stopped.visible
    assert "Stopped" in stopped.visible
    assert "word" in halted.content
    assert "Stopped" in halted.content


async def test_slack_429_on_every_edit_for_20_s_pauses_edits_and_the_final_text_lands(house: House) -> None:
    """`Retry-After: 5` on chat.update for 20 s: no call is made while a wait runs."""
    house.slack.rate_limit("chat.update", retry_after=5, for_seconds=20)
    house.provider.reply(Reply(["word "] * 60, pause=slow))
    question = await house.slack_says("@Parley hello")
    [answer] = await house.slack_settled(question, timeout=40)
    assert answer.visible.strip() == ("word " * 60).strip()
    assert house.slack.calls_during_wait.get("chat.update", 0) == 0
    assert len([c for c in house.slack.calls("chat.update") if c.status == 429]) <= 5


async def test_shutdown_stops_running_answers_visibly_and_soon(house: House) -> None:
    house.provider.reply(Reply(["word "] * 4000, pause=slow))
    question = await house.slack_says("@Parley endless")
    asked = await house.discord.say("ada", "general", "@Parley endless")
    await house.slack.wait_for(lambda: house.slack_answers(question))
    thread = await house.discord_thread(asked)
    await house.discord.wait_for(lambda: house.discord_answers(thread))
    before = asyncio.get_running_loop().time()
    await house.stop_bot()
    assert asyncio.get_running_loop().time() - before < 10
    assert "shutting down" in house.slack_answers(question)[0].visible
    assert "shutting down" in house.discord_answers(thread)[0].content
    assert not has_stop_button(house.slack_answers(question)[0])


async def test_half_a_character_in_a_question_breaks_nothing(house: House) -> None:
    """JSON can carry a lone surrogate; UTF-8 and so Redis and the provider cannot."""
    question = await house.slack_says("@Parley hello \ud83d there")
    await house.slack_settled(question)
    assert house.provider.requests[-1].prompt == "hello \ufffd there"


async def test_an_answer_cut_by_the_model_says_so(house: House) -> None:
    house.provider.reply(Reply(["The answer is"], finish_reason="length"))
    question = await house.slack_says("@Parley hello")
    [answer] = await house.slack_settled(question)
    assert "The answer is" in answer.visible
    assert "the most it may write" in answer.visible
