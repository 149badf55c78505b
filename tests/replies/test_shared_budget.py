"""The budget of all processes, in a real Redis: it decides as the local one does, and outlives Redis."""

from __future__ import annotations

import asyncio
import math
import time
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from core.replies import Bucket, Draws, LocalBudget, Priority, Rate, SharedBudget, Window
from core.replies import shared_budget as module
from core.store import EmbeddedRedis, Store, keys

CHANNEL, EVERYTHING = Bucket("c1:edit", Rate(4.5, 0.97)), Bucket("global", Rate(10, 36))
UPDATES = Bucket("chat.update", Window(12, 60.0))
POSTS = Bucket("chat.postMessage", Window(20, 61.0))
DRAWS = [
    Draws("discord", (CHANNEL, EVERYTHING)),
    Draws("slack:T1", (UPDATES,)),
    Draws("discord", (EVERYTHING,)),
    Draws("slack:T1", (Bucket("posts:C1", Rate(3, 0.95)), POSTS), end=UPDATES),
    Draws("slack:T1", (Bucket("posts:C2", Rate(3, 0.95)), POSTS), end=UPDATES),
]


Ask = tuple[float, int, int, Priority, float, bool]
ASKS = st.lists(
    st.tuples(
        st.floats(0, 4).map(lambda s: round(s, 3)),
        st.integers(0, len(DRAWS) - 1),
        st.integers(0, 12),
        st.sampled_from(Priority),
        st.sampled_from([math.inf, 3.0, 0.0]),
        st.booleans(),
    ),
    max_size=60,
)
CLOSINGS = st.lists(st.tuples(st.integers(0, 59), st.floats(0.1, 30)), max_size=3)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(asks=ASKS, refusals=CLOSINGS, used_up=CLOSINGS)
def test_redis_decides_as_one_process_would(
    redis_url: str, asks: list[Ask], refusals: list[tuple[int, float]], used_up: list[tuple[int, float]]
) -> None:
    """The script and the class are one theory: the same questions at the same times get the same answers."""

    async def story() -> None:
        store, local, now = await Store.open(redis_url), LocalBudget(), 1_700_000_000.0
        await store.redis.flushall()
        closing, emptied = dict(refusals), dict(used_up)
        for number, (pause, which, stream, priority, patience, apart) in enumerate(asks):
            now, draws = round(now + pause, 3), DRAWS[which]
            if number in closing:
                first = draws.buckets[0]
                names = [keys.budget(draws.scope, first.name, part) for part in ("calls", "state")]
                await store.script("draw_refused", names, [str(closing[number]), str(now), *module._quota(first)])
                local.refused_at(now, draws, "", closing[number])
            if number in emptied:
                last = draws.buckets[-1]
                state = keys.budget(draws.scope, last.name, "state")
                await store.script("draw_used_up", [state], [str(emptied[number]), str(now), *module._quota(last)])
                local.used_up_at(now, draws, last.name, emptied[number])
            asked = module.draw_call(
                draws, f"s{stream}" if stream else "", priority, patience, apart=apart, now=str(now)
            )
            shared = await store.script("draw", *asked)
            name = f"s{stream}" if stream else ""
            grant = local.take_at(now, draws, name, priority, patience_s=patience, apart=apart)
            told = module.read_grant(shared, draws)
            assert (told.go, told.promised) == (grant.go, grant.promised) and (
                told.closure and told.closure.bucket
            ) == (grant.closure and grant.closure.bucket)
            closed = [one.closure.seconds if one.closure else 0.0 for one in (told, grant)]
            assert [told.wait_s, told.gap_s, closed[0]] == pytest.approx(
                [grant.wait_s, grant.gap_s, closed[1]], abs=1e-3
            )
        await store.aclose()

    with asyncio.Runner(loop_factory=asyncio.new_event_loop) as runner:
        runner.run(story())


async def test_two_replicas_share_one_budget(store: Store, redis_url: str) -> None:
    """Each would have sent all of it by itself."""
    other_store = await Store.open(redis_url)
    budgets = [SharedBudget(store), SharedBudget(other_store)]
    draws = Draws("slack:T2", (UPDATES,))
    grants = [await budgets[n % 2].take(draws, f"s{n}", Priority.FINAL) for n in range(20)]
    assert sum(grant.go for grant in grants) == 12
    assert all(grant.wait_s > 0 for grant in grants[12:])
    await budgets[0].refused(draws, "", 300.0)
    told = await budgets[1].take(draws, "s", Priority.FINAL)
    assert told.wait_s > 299, "what the platform told one replica, the other knows"
    assert budgets[0].refusals == {"slack:T2": 1}
    await other_store.aclose()


async def test_what_one_replica_has_used_up_all_leave_alone_until_it_is_full(store: Store, redis_url: str) -> None:
    """The platform has refused nothing: then all of it is there again, and it is no refusal in the metrics."""
    other_store = await Store.open(redis_url)
    here, there = SharedBudget(store), SharedBudget(other_store)
    draws = Draws("discord", (Bucket("c9:edit", Rate(4.7, 0.001)), EVERYTHING))
    await here.used_up(draws, "c9:edit", 0.8)
    told = await there.take(draws, "s", Priority.FINAL)
    assert not told.go and 0 < told.wait_s <= 0.8
    assert (await there.take(Draws("discord", (EVERYTHING,)), "s", Priority.FINAL)).go, "other channels go on"
    async with asyncio.timeout(5):
        while not (await there.take(draws, "s", Priority.FINAL)).go:  # noqa: ASYNC110
            await asyncio.sleep(0.02)
    assert [(await here.take(draws, f"s{number}", Priority.FINAL)).go for number in range(4)] == [True] * 3 + [False]
    assert here.refusals == there.refusals == {}
    await other_store.aclose()


async def test_answers_on_another_replica_widen_the_gap(store: Store, redis_url: str) -> None:
    """The gap between interim edits follows the number of answers alive over all replicas."""
    other_store = await Store.open(redis_url)
    here, there = SharedBudget(store), SharedBudget(other_store)
    draws = Draws("slack:T3", (UPDATES,))
    alone = (await here.take(draws, "mine", Priority.INTERIM)).gap_s
    for number in range(5):
        await there.take(draws, f"theirs{number}", Priority.FIRST)
    crowded = (await here.take(draws, "mine", Priority.INTERIM)).gap_s
    assert crowded > 6 * alone and here.gap_s(draws) == crowded
    await other_store.aclose()


async def test_what_one_replica_has_promised_no_other_gives_away(store: Store, redis_url: str) -> None:
    """And whoever takes the answer over finds the place, as it is promised to the Turn."""
    other_store = await Store.open(redis_url)
    here, there = SharedBudget(store), SharedBudget(other_store)
    updates = Bucket("chat.update", Window(2, 60.0))
    edits, posts = Draws("slack:T8", (updates,)), Draws("slack:T8", (POSTS,), end=updates)
    assert (await here.take(edits, "other", Priority.FINAL)).go
    assert (await here.take(posts, "mine", Priority.FIRST)).promised
    begun = await there.take(posts, "theirs", Priority.FIRST, apart=True)
    assert begun.go and not begun.promised
    assert not (await there.take(edits, "theirs", Priority.FINAL, apart=True, patience_s=0.0)).go
    assert (await there.take(edits, "mine", Priority.FINAL)).go
    await other_store.aclose()


async def test_an_answer_that_an_older_replica_has_ended_is_forgotten(store: Store) -> None:
    """One that knows nothing of ends in a message of their own, as while replicas are replaced one after the other,
    notes the end among those alive alone. What is left would make room for promises that nobody can keep."""
    widely = Draws("slack:T4", (Bucket("posts", Window(280, 61.0)),), end=UPDATES)
    now = 1_700_000_000.0

    async def begins(stream: str, at: float) -> bool:
        asked = module.draw_call(widely, stream, Priority.FIRST, math.inf, apart=True, now=str(at))
        grant = module.read_grant(await store.script("draw", *asked), widely)
        assert grant.go
        return grant.promised

    assert [await begins(f"s{number}", now) for number in range(17)] == [True] * 12 + [False] * 5
    alive = keys.budget("slack:T4", UPDATES.name, "alive")
    await store.redis.zrem(alive, *[f"s{number}" for number in range(12, 17)])
    later = now + 1000
    assert [await begins(f"t{number}", later) for number in range(17)] == [True] * 12 + [False] * 5


async def test_every_key_goes_away_by_itself_and_those_of_a_scope_share_a_slot(store: Store) -> None:
    """A channel nobody talks in any more leaves nothing behind; one script may touch only one slot of a Cluster."""
    budget = SharedBudget(store)
    for draws in DRAWS:
        await budget.take(draws, "s", Priority.INTERIM)
        await budget.refused(draws, "", 30.0)
    names = [name async for name in store.names("*")]
    assert len(names) >= 6
    for name in names:
        assert 600 <= await store.redis.ttl(name) <= 3600
        assert name.partition("}")[0] in ("parley:{rate:discord", "parley:{rate:slack:T1")


async def test_a_redis_that_is_away_does_not_hold_up_an_answer(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """The process goes on by itself with a careful share, asks no more for a while, and returns to Redis after that."""
    server = EmbeddedRedis(tmp_path)
    async with server:
        store = await Store.open(server.url)
        budget, draws = SharedBudget(store), Draws("slack:T4", (UPDATES,))
        assert (await budget.take(draws, "s", Priority.INTERIM)).go
    began = time.monotonic()
    grants = [await budget.take(draws, "s", Priority.FINAL) for _ in range(12)]
    assert sum(grant.go for grant in grants) == 6, "half of the budget"
    assert time.monotonic() - began < 2 * module.PATIENCE_S, "Redis is asked once, not twelve times"
    assert [record.message for record in caplog.records if record.message.startswith("budget")] == ["budget.alone"]
    async with EmbeddedRedis(tmp_path):
        budget._away_until = 0.0
        assert (await budget.take(draws, "s", Priority.FINAL)).go
        assert await store.redis.exists(keys.budget("slack:T4", "chat.update", "calls"))
        await store.aclose()


def others_are_at_work() -> None:
    """What other sessions do in one turn of the loop."""
    time.sleep(0.02)


async def test_a_busy_process_does_not_take_redis_for_away(
    store: Store, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Hundreds of sessions at work in one process read an answer late that Redis has given long ago."""
    monkeypatch.setattr(module, "PATIENCE_S", 0.05)
    budget, draws = SharedBudget(store), Draws("slack:T5", (Bucket("chat.update", Window(1000, 60.0)),))
    asked = [
        asyncio.create_task(budget.take(draws, f"s{number}", Priority.FINAL, patience_s=0.0)) for number in range(200)
    ]
    while not all(task.done() for task in asked):
        await asyncio.sleep(0)
        others_are_at_work()
    assert all(task.result().go for task in asked)
    assert [record.message for record in caplog.records if record.message.startswith("budget")] == []
    assert await store.redis.zcard(keys.budget("slack:T5", "chat.update", "calls")) == 200


async def test_one_answer_that_never_comes_is_not_waited_for_for_ever(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nor does it leave a call behind."""
    budget, draws, never = SharedBudget(store), Draws("slack:T6", (UPDATES,)), asyncio.Event()
    monkeypatch.setattr(module, "PATIENCE_S", 0.05)

    async def silent(*_: object) -> None:
        await never.wait()

    monkeypatch.setattr(store, "script", silent)
    assert (await budget.take(draws, "s", Priority.FINAL)).go, "by a careful share of its own"


async def test_a_status_asks_nobody(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """A quiet Turn makes no round trip for it; the process takes no more than its part."""
    monkeypatch.setattr(store, "script", None)
    budget, draws = SharedBudget(store), Draws("slack:T7", (Bucket("statuses", Window(8, 60.0)),))
    assert [budget.spare(draws).go for _ in range(5)] == [True] * 3 + [False] * 2
