"""Slack's native streaming with everything on: the unmodified bolt and SDK, the engine over HTTP, Redis."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from core.store import Store
from tests.e2e.conftest import House, SlackMessage, a_house, action_ids
from tests.providers.openai_server import Call, Reply


@pytest.fixture
async def house(store: Store) -> AsyncIterator[House]:
    async with a_house(store, parley_slack_streaming="on") as built:
        await built.start_bot()
        yield built


def written(house: House, question: SlackMessage) -> str:
    """What stands below a question, cards and buttons apart, without white space."""
    blocks = [block for message in house.slack_answers(question) for block in message.blocks]
    return "".join("".join(block["text"] for block in blocks if block["type"] == "markdown").split())


async def over(house: House, question: SlackMessage) -> list[SlackMessage]:
    """The answer, once it can be asked for again."""

    def found() -> list[SlackMessage] | None:
        answers = house.slack_answers(question)
        return answers if answers and "parley_retry" in action_ids(answers[-1]) else None

    answers: list[SlackMessage] = await house.slack.wait_for(found, 20)
    return answers


def slowly(deltas: list[str], seconds: float) -> Reply:
    async def pause(_: int) -> None:
        await asyncio.sleep(seconds / len(deltas))

    return Reply(deltas, pause=pause)


async def test_an_answer_streams_in_a_channel_to_whoever_asked(house: House) -> None:
    """One message, from startStream to stopStream, with no edit and no refusal."""
    house.provider.reply(slowly([f"word{number} " for number in range(40)], 2.0))
    question = await house.slack_says("@Parley hello", user="ben")
    [answer] = await over(house, question)
    assert written(house, question) == "".join(f"word{number}" for number in range(40))
    [start] = house.slack.calls("chat.startStream")
    assert start.args["recipient_user_id"] == "U0EMUBEN" and start.args["recipient_team_id"] == house.slack.team_id
    assert len(answer.history) >= 3 and answer.edited is None
    refused = [call for call in house.slack.calls() if call.error and "Stream" in call.method]
    assert refused == [] and house.slack.calls("chat.update") == []
    assert house.slack.core.sessions[answer.channel, question.ts] == "active"


async def test_tools_of_a_streamed_answer_are_cards(house: House) -> None:
    """The call the model made, with its end; nothing looks unfinished afterwards."""
    going_on = asyncio.Event()

    async def wait(_: int) -> None:
        await going_on.wait()

    house.provider.queue(Reply(calls=[Call("roll_dice", '{"dice": "2d6"}')]), Reply(["Nine."], pause=wait))
    question = await house.slack_says("@Parley roll")
    await house.slack.wait_for(lambda: house.slack_answers(question))
    going_on.set()
    [answer] = await over(house, question)
    assert written(house, question) == "Nine."
    cards: list[dict[str, Any]] = [block for block in answer.blocks if block["type"] == "task_card"]
    assert cards and all(card["status"] == "complete" for card in cards)
    assert house.slack.calls("chat.update") == []


async def test_slacks_own_stop_button_stops_a_streamed_answer(house: House) -> None:
    """In under a second; what stood there stays, and the thread is at rest."""
    house.provider.reply(slowly(["word "] * 4000, 200.0))
    question = await house.slack_says("@Parley endless", user="ada")
    await house.slack.wait_for(lambda: "wordword" in written(house, question), 10)
    began = asyncio.get_running_loop().time()
    await house.slack.press_stop("ada", "general", question.ts)
    [answer] = await over(house, question)
    assert asyncio.get_running_loop().time() - began < 1.5
    assert written(house, question).endswith("_Stopped._")
    assert house.slack.core.sessions[answer.channel, question.ts] == "active"


async def test_a_long_answer_streams_over_several_messages(house: House) -> None:
    """20,000 characters: nothing lost, nothing twice, no fence left open."""
    code = "```python\n" + "print('コード')  # 🙂\n" * 40 + "```"
    text = "\n\n".join(f"## Part {number}\n\n" + "長い答え。Long words. " * 20 + "\n\n" + code for number in range(19))
    assert len(text) > 20_000
    house.provider.reply(slowly([text[at : at + 400] for at in range(0, len(text), 400)], 4.0))
    question = await house.slack_says("@Parley long")
    answers = await over(house, question)
    assert house.slack.calls("chat.startStream") and len(answers) > 4
    for answer in answers:
        assert sum(block["text"].count("```") for block in answer.blocks if block["type"] == "markdown") % 2 == 0
    assert written(house, question).replace("```python", "").replace("```", "") == "".join(text.split()).replace(
        "```python", ""
    ).replace("```", "")
