"""What people think of answers: one rating for each person and answer, in the reports, gone with what it is about."""

from __future__ import annotations

import asyncio
from typing import Literal

import pytest

from core.agent.response import RunResponse
from core.chat import Manual, UserId, desk
from core.sessions import Ratings, Records
from core.store import Store, keys
from core.usage import read, today
from tests.chat.rig import ADA, GRACE, SCOPE, THREAD, Rig

pytestmark = pytest.mark.usefixtures("quick")


async def rate(rig: Rig, user: UserId, vote: Literal["up", "down"], turn: int = 1) -> str:
    return await rig.desk.rated(f"{THREAD}#{turn}", user, vote)


async def counts(rig: Rig) -> list[tuple[str, str, int, int]]:
    rows = await read(rig.store, SCOPE, 1, today())
    return [(row.user, row.model, row.totals.up, row.totals.down) for row in rows]


async def test_each_person_counts_once_and_may_change_their_mind(rig: Rig) -> None:
    """Counted for the person, channel and model of the answer."""
    async with rig.worker():
        await rig.ask("hello")
    assert rig.world.visible[0].rating == f"{THREAD}#1"
    assert [await rate(rig, ADA, "up"), await rate(rig, ADA, "up")] == ["noted", "repeated"]
    assert await counts(rig) == [(ADA, "openai:gpt-4o", 1, 0)]
    assert await rate(rig, GRACE, "down") == "noted"
    assert await rate(rig, ADA, "down") == "noted"
    assert await counts(rig) == [(ADA, "openai:gpt-4o", 0, 2)]


async def test_ratings_at_once_are_all_counted(rig: Rig) -> None:
    """On several replicas: each rating is one atomic step."""
    async with rig.worker():
        await rig.ask("hello")
    people = [UserId(f"test:p{number}") for number in range(20)]
    twice = [rate(rig, person, "up") for person in people for _ in range(2)]
    await asyncio.gather(*twice)
    assert await counts(rig) == [(ADA, "openai:gpt-4o", 20, 0)]


async def test_a_quick_rating_waits_for_the_seal(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    """The buttons are there a moment before the Turn is sealed."""
    monkeypatch.setattr(desk, "SEAL_TRIES", 100)
    ready = asyncio.Event()
    async with rig.worker() as worker:
        script = worker.store.script

        async def slow(name: str, keys: list[str], args: list[str | int]) -> object:
            if name == "seal":
                await ready.wait()
            return await script(name, keys, args)

        monkeypatch.setattr(worker.store, "script", slow)
        await rig.say("hello")
        await rig.world.until(lambda world: any(message.rating for message in world.visible))
        rating = asyncio.create_task(rate(rig, GRACE, "up"))
        await asyncio.sleep(0)
        ready.set()
        assert await rating == "noted"


@pytest.mark.parametrize("value", ["", "nonsense", "test:T1:C1:1#99", "test:nowhere#1"])
async def test_what_is_not_known_cannot_be_rated(rig: Rig, value: str) -> None:
    assert await rig.desk.rated(value, ADA, "up") == "unknown"


async def test_only_what_a_model_answered_can_be_rated(rig: Rig) -> None:
    """Not a failure, not an answer of Parley's own."""
    rig.answerer.scripts["fail"] = [RuntimeError("no")]
    async with rig.worker():
        await rig.ask("fail")
        await rig.ask("help")
    assert [message.rating for message in rig.world.visible] == ["", ""]
    assert Manual().text() in rig.world.texts[1]
    assert await rate(rig, ADA, "up", 1) == "unknown"


async def test_a_rating_is_forgotten_with_the_session_and_with_the_person(rig: Rig, store: Store) -> None:
    """Who rated in somebody else's thread leaves no trace there; the count stays, it names nobody."""
    async with rig.worker():
        await rig.ask("hello")
    await rate(rig, GRACE, "up")
    await rate(rig, ADA, "up")
    ratings = keys.session(THREAD, "ratings")
    await Records(store).forget_user(GRACE)
    assert sorted(await store.redis.hkeys(ratings)) == [f"by 1 {ADA}", "of 1"]
    assert await counts(rig) == [(ADA, "openai:gpt-4o", 2, 0)]
    await Records(store).forget_session(THREAD)
    assert not await store.redis.exists(ratings)
    assert await rate(rig, ADA, "down") == "unknown"


async def test_a_forgotten_asker_is_not_brought_back_by_a_rating(rig: Rig, store: Store) -> None:
    """The row of the ledger is gone, and a press of a button that still stands there must not make it anew."""
    async with rig.worker():
        await rig.ask("hello", user=GRACE)
        await rig.ask("and I", user=ADA, reach="thread")
    await Records(store).forget_user(ADA)
    assert await rate(rig, GRACE, "up", 2) == "unknown"
    assert [row[0] for row in await counts(rig)] == [GRACE]


async def test_old_answers_make_room(rig: Rig, store: Store) -> None:
    """A thread that goes on for years does not grow for ever."""
    ratings = keys.session(THREAD, "ratings")
    async with rig.worker():
        await rig.ask("hello")
        await store.redis.hset(ratings, mapping={f"of {number}": "x" for number in range(1, 601)})
        await store.redis.hset(keys.session(THREAD, "meta"), "seq", 600)
        await rig.ask("again")
    assert await store.redis.hlen(ratings) == 101
    assert await Ratings(store, rig.retention).rate(THREAD, 601, ADA, "up") == "noted"


async def test_another_answer_is_rated_for_itself(rig: Rig) -> None:
    """Retry makes a new Turn; what was thought of the old answer stays with that."""
    async with rig.worker():
        await rig.ask("hello")
        await rate(rig, ADA, "down")
        await rig.desk.retry(f"{THREAD}#1")
        await rig.settled()
    assert rig.world.visible[0].rating == f"{THREAD}#2"
    assert await rate(rig, ADA, "up", 2) == "noted"
    assert await counts(rig) == [(ADA, "openai:gpt-4o", 1, 1)]


async def test_an_empty_answer_cannot_be_rated(rig: Rig) -> None:
    rig.answerer.scripts["hm"] = [RunResponse(content="")]
    async with rig.worker():
        await rig.ask("hm")
    assert rig.world.visible[0].rating == ""
