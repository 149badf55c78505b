"""Slack delivers an event again long after it was answered, to whatever replica is connected then."""

from __future__ import annotations

import asyncio

from tests.e2e.conftest import House

SEEN_LATEST_S = 368
"""So late has a redelivery been seen."""


async def test_an_event_redelivered_minutes_later_to_another_replica_is_one_turn(house: House) -> None:
    """Scenarios 3 and 4: to a replica that did not take it in, and to one that was started since."""
    await house.start_bot()  # a second replica
    await house.slack.wait_for(lambda: house.slack.connections == 2, 10)
    question = await house.slack_says("@Parley once")
    await house.slack_settled(question)
    house.slack.advance(SEEN_LATEST_S)
    [first, *_] = house.slack.deliveries("app_mention")
    for _ in range(2):  # connections take turns
        await repeated(house)
    await house.stop_bot()
    await house.start_bot()
    await repeated(house)
    assert len({attempt.where for one in house.slack.deliveries("app_mention") for attempt in one.attempts}) == 3
    await house.slack_says("and now?", thread_ts=question.ts)
    answers = await house.slack_settled(question, answers=2)
    assert len(answers) == 2, "the event that came again was not answered again"
    assert len(house.provider.requests) == 2
    assert first.acknowledged


async def repeated(house: House) -> None:
    """Deliver the mention again and wait for the ack."""
    again = await house.slack.redeliver(house.slack.deliveries("app_mention")[0])
    async with asyncio.timeout(10):
        await again.ended.wait()
    assert again.acknowledged
