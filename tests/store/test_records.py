"""Retention: what is stored can be looked at, taken out, and forgotten without a trace, on every topology."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator

import pytest

from core.chat import Author, ChannelId, Message, ScopeId, ThreadId, UserId, texts
from core.sessions import Filter, Records
from core.store import Store
from tests.chat.rig import ADA, GRACE, SCOPE, Rig, quick
from tests.store.topologies import a_topology

__all__ = ["quick"]

OTHER_SCOPE = ScopeId("test:T12")  # begins like the other one
THREADS = [ThreadId(f"test:T1:C1:{number}") for number in range(1, 7)]


@pytest.fixture(scope="module", params=["single", "sentinel", "cluster"])
def url(request: pytest.FixtureRequest, redis_url: str) -> Iterator[str]:
    if request.param == "single":
        yield redis_url
        return
    with a_topology(request.param) as servers:
        yield servers.url


@pytest.fixture
async def store(url: str) -> AsyncIterator[Store]:
    opened = await Store.open(url)
    await opened.redis.flushall()
    yield opened
    await opened.aclose()


@pytest.fixture
async def rig(store: Store, url: str, quick: None) -> Rig:
    return Rig(store, url)


async def everything(store: Store) -> list[str]:
    """Every key and every value there is, as text."""
    found = []
    redis = store.redis
    async for key in store.names("*"):
        match await redis.type(key):
            case "string":
                value: object = await redis.get(key)
            case "hash":
                value = await redis.hgetall(key)
            case "list":
                value = await redis.lrange(key, 0, -1)
            case "zset":
                value = await redis.zrange(key, 0, -1)
            case "set":
                value = await redis.smembers(key)
            case "stream":
                value = await redis.xrange(key)
            case other:
                raise AssertionError(other)
        found.append(f"{key} = {value}")
    return found


async def say(rig: Rig, text: str, thread: ThreadId, user: UserId, scope: ScopeId = SCOPE) -> None:
    message = Message(
        thread, scope, ChannelId(f"{scope}:C1"), Author(user), text, "mention", (f"{scope}:{thread}:{text}",), 0.0
    )
    assert await rig.desk.accept(message) == "accepted"
    await rig.settled(thread)


async def a_full_house(rig: Rig) -> None:
    """Ada began three threads and spoke in one of Grace's; another workspace has one as well."""
    for thread in THREADS[:3]:
        await say(rig, "hello", thread, ADA)
    for thread in THREADS[3:5]:
        await say(rig, "hello", thread, GRACE)
    await say(rig, "me too", THREADS[4], ADA)
    await say(rig, "hello", ThreadId("test:T12:C1:1"), GRACE, OTHER_SCOPE)


async def test_every_key_has_a_ttl_after_all_of_this(rig: Rig, store: Store) -> None:
    """Nothing is kept for ever."""
    async with rig.worker():
        await a_full_house(rig)
        await store.alive()
    async for key in store.names("*"):
        assert await store.redis.pttl(key) > 0, key


async def test_a_forgotten_session_leaves_nothing_behind(rig: Rig, store: Store) -> None:
    """By a scan over all keys and values, for the thread's id; and it can begin anew."""
    async with rig.worker():
        await a_full_house(rig)
        assert any(THREADS[0] in one for one in await everything(store))
        gone = await Records(store).forget_session(THREADS[0])
        assert gone.sessions == 1
        assert not [one for one in await everything(store) if THREADS[0] in one]
        assert [one for one in await everything(store) if THREADS[1] in one]
        await say(rig, "hello again", THREADS[0], ADA)
        assert rig.world.texts_in(THREADS[0]) == ["re: hello", "re: hello again"]
        assert rig.answerer.histories[-1] == []


async def test_a_forgotten_person_leaves_nothing_behind(rig: Rig, store: Store) -> None:
    """Sessions, ledger, lists of threads, and what they said in the threads of others."""
    async with rig.worker():
        await a_full_house(rig)
        gone = await Records(store).forget_user(ADA)
        assert gone.sessions == 3
        left = await everything(store)
        assert not [one for one in left if ADA in one]
        assert [one for one in left if GRACE in one]
        assert {one.thread_id for one in await Records(store).find(Filter(scope="test:T1"))} == set(THREADS[3:5])
        await say(rig, "still here", THREADS[4], GRACE)
        assert "hello" in str(rig.answerer.histories[-1])


async def test_a_forgotten_workspace_leaves_nothing_behind(rig: Rig, store: Store) -> None:
    """All that is its own, and nothing of a workspace whose id begins alike."""
    async with rig.worker():
        await a_full_house(rig)
        gone = await Records(store).forget_scope(ScopeId("test:T1"))
        assert gone.sessions == 5
        left = await everything(store)
        assert not [one for one in left if "test:T1:" in one or "'test:T1'" in one]
        [kept] = await Records(store).find(Filter())
        assert kept.scope == OTHER_SCOPE
        assert [one for one in left if f"usage:{OTHER_SCOPE}:" in one]


async def test_a_session_can_be_forgotten_while_it_is_answered(rig: Rig, store: Store) -> None:
    """The answer is stopped visibly, and what its worker does afterwards brings nothing back."""
    rig.answerer.scripts["hello"] = ["some words ", asyncio.Event()]
    async with rig.worker():
        await rig.say("hello", thread=THREADS[0])
        await rig.world.until(lambda world: bool(world.texts))
        await Records(store).forget_session(THREADS[0])
        await rig.settled(THREADS[0])
        assert texts.STOPPED in rig.world.texts[0]
        await rig.say("next", thread=THREADS[1])
        await rig.settled(THREADS[1])
    assert not [one for one in await everything(store) if THREADS[0] in one]


async def test_sessions_are_found_by_scope_person_and_age(rig: Rig, store: Store) -> None:
    """What an operator looks for."""
    async with rig.worker():
        await a_full_house(rig)
    records = Records(store)
    assert len(await records.find(Filter())) == 6
    assert [one.scope for one in await records.find(Filter(scope=OTHER_SCOPE))] == [OTHER_SCOPE]
    assert {one.thread_id for one in await records.find(Filter(user=ADA))} == set(THREADS[:3])
    assert await records.find(Filter(older_s=3600)) == []
    assert len(await records.find(Filter(older_s=0))) == 6
    detail = await records.show(THREADS[4])
    assert detail is not None
    assert (detail.overview.messages, detail.overview.turns, detail.overview.waiting) == (2, 2, 0)
    assert len(detail.history) == 2 and detail.expires_s > 0 and detail.fence > 0
    assert await records.show(ThreadId("test:nowhere")) is None
