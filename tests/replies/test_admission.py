"""Calls that no Reply makes: who waits, who gives up, and what others hear of a refusal."""

from __future__ import annotations

import asyncio

import pytest

from core.replies import Bucket, Draws, LocalBudget, Priority, Rate, RateLimited, Window
from core.replies.admission import admitted, asking
from tests.replies.scripted_surface import in_virtual_time

READS = Draws("slack:T1", (Bucket("reads", Window(2, 60.0)),))
THREADS = Draws("discord", (Bucket("c1:thread", Rate(1, 0.1)), Bucket("global", Rate(10, 36))))


def now() -> float:
    return asyncio.get_running_loop().time()


def test_a_call_that_matters_waits_for_its_place_and_keeps_it() -> None:
    """Whoever came first goes first, and nobody polls."""

    async def story() -> None:
        budget, went = LocalBudget(), list[tuple[int, float]]()

        async def call(number: int) -> None:
            await asyncio.sleep(number / 10)
            await admitted(budget, THREADS, Priority.NOTICE, 60.0)
            went.append((number, round(now() - began)))

        began = now()
        await asyncio.gather(*(call(number) for number in range(4)))
        assert went == [(0, 0), (1, 10), (2, 20), (3, 30)]

    in_virtual_time(story)


@pytest.mark.parametrize("worth", [Priority.FINAL, Priority.NOTICE, Priority.STATUS])
def test_who_would_wait_for_too_long_is_told_at_once(worth: Priority) -> None:
    """And stands in nobody's way."""

    async def story() -> None:
        budget = LocalBudget()
        await admitted(budget, THREADS, Priority.FINAL, 0.0)
        began = now()
        for _ in range(3):
            with pytest.raises(RateLimited) as told:
                await admitted(budget, THREADS, worth, 5.0)
            assert told.value.noted and 9 < told.value.retry_after_s <= 10
        assert now() == began
        await admitted(budget, THREADS, Priority.FINAL, 11.0)
        assert round(now() - began) == 10

    in_virtual_time(story)


def test_calls_that_no_reply_makes_do_not_count_as_answers_that_are_alive() -> None:
    """Or each name that is looked up would make every answer grow more slowly."""

    async def story() -> None:
        updates = Bucket("chat.update", Window(49, 60.5))
        posts = Draws("slack:T1", (Bucket("posts", Window(100, 60.0)),), end=updates)
        edits = Draws("slack:T1", (updates,))
        alone, crowded = LocalBudget(), LocalBudget()
        for worth in (Priority.FINAL, Priority.NOTICE, Priority.STATUS):
            for _ in range(3):
                await admitted(crowded, posts, worth, 0.0)
        expected = await alone.take(edits, "answer", Priority.INTERIM)
        assert await crowded.take(edits, "answer", Priority.INTERIM) == expected

    in_virtual_time(story)


def test_a_refusal_closes_the_budget_of_the_call_for_others_and_no_other() -> None:
    """The others would be refused as well; who made it is told so that nobody reports it twice."""

    async def story() -> None:
        budget = LocalBudget()
        with pytest.raises(RateLimited) as told:
            async with asking(budget, THREADS, Priority.NOTICE):
                raise RateLimited("429", 40.0)
        assert told.value.noted and budget.refusals == {"discord": 1}
        with pytest.raises(RateLimited) as waits:
            await admitted(budget, THREADS, Priority.FINAL, 30.0)
        assert waits.value.retry_after_s >= 40
        await admitted(budget, READS, Priority.FINAL, 0.0)

    in_virtual_time(story)


def test_a_wait_that_is_cancelled_leaves_no_call_behind() -> None:
    """A place that was told and not come for is another's two seconds later."""

    async def story() -> None:
        budget = LocalBudget()
        await admitted(budget, THREADS, Priority.FINAL, 0.0)
        waiting = asyncio.create_task(admitted(budget, THREADS, Priority.NOTICE, 60.0))
        await asyncio.sleep(1)
        waiting.cancel()
        await asyncio.gather(waiting, return_exceptions=True)
        began = now()
        await asyncio.sleep(12)
        await admitted(budget, THREADS, Priority.NOTICE, 60.0)
        assert now() - began < 13

    in_virtual_time(story)
