"""What Redis lost, and what workers left behind: found, and put in order."""

from __future__ import annotations

import asyncio

import pytest

from core.chat import ThreadId
from core.chat import worker as worker_module
from core.sessions import Leases, Mailboxes, Retention
from core.store import Store, keys
from tests.chat.rig import THREAD, Rig, quick
from tests.sessions.test_mailbox_and_lease import LONG_MS, SHORT_MS, lapsed, mailboxes, put, taken, worker

__all__ = ["mailboxes", "quick"]

STREAM = keys.ready_stream(keys.partition_of(THREAD))
DAY_S = 24 * 3600


async def swept(store: Store, leases: Leases) -> int:
    await store.redis.delete(keys.SWEEP)
    return await leases.sweep(60, DAY_S)


@pytest.mark.parametrize("how", ["stream gone", "entry gone", "consumer gone", "never delivered to anybody"])
async def test_mail_of_which_nobody_will_hear_is_announced_again(store: Store, mailboxes: Mailboxes, how: str) -> None:
    """A failover may keep the mailbox and lose the stream, or the other way round."""
    leases = await worker(store, "w")
    await put(mailboxes, "k")
    if how == "stream gone":
        await store.redis.delete(STREAM)
        await leases.prepare()
    elif how == "entry gone":
        await store.redis.xtrim(STREAM, maxlen=0)
    elif how == "consumer gone":
        await leases.announced(10, 1)
        await store.redis.xgroup_delconsumer(STREAM, Leases.GROUP, "w")
    else:
        await store.redis.xgroup_setid(STREAM, Leases.GROUP, "$")
    assert await swept(store, leases) == 1
    assert await swept(store, leases) == 0, "once is enough"
    assert [ready.thread_id for ready in await leases.announced(10, 9)] == [THREAD]


async def test_a_session_that_is_announced_or_served_is_left_alone(store: Store, mailboxes: Mailboxes) -> None:
    """The sweep must not make two workers fight for one Session."""
    leases = await worker(store, "w", SHORT_MS)
    await put(mailboxes, "k")
    assert await swept(store, leases) == 0, "not yet delivered"
    [ready] = await leases.announced(10, 1)
    assert await swept(store, leases) == 0, "pending: it will lapse and be claimed"
    lease = await leases.take(ready)
    await store.redis.xtrim(STREAM, maxlen=0)
    assert lease is not None
    assert await swept(store, leases) == 0, "somebody holds the lease, and looks for mail"
    assert await leases.sweep(60, DAY_S) == 0, "and only now and then, whoever asks"


async def test_a_mailbox_whose_entry_was_lost_is_served_after_all(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    """The whole way, with a worker that sweeps by itself."""
    monkeypatch.setattr(worker_module, "SWEEP_EVERY_S", 1)
    await rig.say("hi")
    await rig.store.redis.delete(STREAM)
    async with rig.worker():
        await rig.settled()
    assert rig.world.texts == ["re: hi"]


async def test_everything_that_lapsed_is_found_however_much_it_is(store: Store) -> None:
    """XAUTOCLAIM gives it out in pieces; a worker with little room takes only what it can serve."""
    mailboxes = Mailboxes(store, Retention())
    partition = keys.partition_of(THREAD)
    many = [t for n in range(3000) if keys.partition_of(t := ThreadId(f"test:T1:C1:{n}")) == partition][:120]
    old, new = await worker(store, "old", SHORT_MS), await worker(store, "new", SHORT_MS)
    for thread in many:
        await put(mailboxes, thread, thread=thread)
    assert len(await old.announced(10, 500)) == 120
    async with asyncio.timeout(5):
        while len(some := await new.lapsed(7)) < 7:  # noqa: ASYNC110 - Redis tells nobody
            await asyncio.sleep(0.01)
        assert len(some) == 7
        found = {ready.thread_id for ready in some}
        while len(found) < 120:
            found |= {ready.thread_id for ready in await new.lapsed(500)}


async def test_an_entry_that_was_deleted_and_is_still_pending_goes_away(store: Store, mailboxes: Mailboxes) -> None:
    """Redis 6.2 gives it out again and again, with nothing in it."""
    leases = await worker(store, "w", SHORT_MS)
    await put(mailboxes, "k")
    await leases.announced(10, 1)
    await store.redis.xtrim(STREAM, maxlen=0)
    assert (await store.redis.xpending(STREAM, Leases.GROUP))["pending"] == 1
    await swept(store, leases)
    assert (await store.redis.xpending(STREAM, Leases.GROUP))["pending"] == 0


async def test_the_names_of_dead_workers_go_and_what_they_left_stays(store: Store, mailboxes: Mailboxes) -> None:
    """Each process has a new name; XGROUP DELCONSUMER would take pending entries with it."""
    await put(mailboxes, "k")
    dead, idle = await worker(store, "dead", SHORT_MS), await worker(store, "idle", SHORT_MS)
    await taken(dead)
    await idle.announced(10, 1)
    await store.redis.delete(keys.SWEEP)
    await asyncio.sleep(0.002)
    await idle.sweep(60, 0)
    assert [c["name"] for c in await store.redis.xinfo_consumers(STREAM, Leases.GROUP)] == ["dead"]
    assert (await lapsed(idle)).thread_id == THREAD
    await store.redis.delete(keys.SWEEP)
    await asyncio.sleep(0.002)
    await idle.sweep(60, 0)
    assert [c["name"] for c in await store.redis.xinfo_consumers(STREAM, Leases.GROUP)] == ["idle"]


async def test_an_entry_nobody_needs_is_dropped(store: Store, mailboxes: Mailboxes) -> None:
    """A second announcement of a Session that is served, or one of a Session that is no more."""
    await put(mailboxes, "k")
    one, two = await worker(store, "one"), await worker(store, "two")
    await taken(one)
    await store.redis.xadd(STREAM, {"thread": THREAD})
    [second] = await two.announced(10, 1)
    assert await two.take(second) is None
    assert (await store.redis.xpending(STREAM, Leases.GROUP))["pending"] == 1
    ghost = ThreadId("test:T9:C9:9")
    stream = keys.ready_stream(keys.partition_of(ghost))
    await store.redis.xadd(stream, {"thread": ghost})
    [ready] = [ready for ready in await two.announced(10, 1) if ready.thread_id == ghost]
    assert await two.take(ready) is None
    assert await store.redis.xlen(stream) == (1 if stream == STREAM else 0)
    assert not [key async for key in store.names("*T9*")], "taking what is not there leaves nothing"


async def test_a_worker_lets_go_of_a_session_it_is_stuck_in(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    """It must not claim its own lapsed entry for ever and keep it from everybody."""
    rig.lease_ms = 150
    monkeypatch.setattr(worker_module, "RENEW_EVERY_S", 3600.0)  # what keeps a lease alive hangs
    never = asyncio.Event()
    rig.answerer.scripts["hi"] = ["half ", never]
    async with rig.worker():
        await rig.say("hi")
        await rig.world.until(lambda world: bool(world.texts))
        rig.answerer.scripts["hi"] = ["whole"]
        await rig.settled(within_s=10)
    assert rig.world.texts == ["whole"]


async def test_who_lives_is_known_to_the_others(store: Store) -> None:
    """A worker that ends gives its turns away only if there is somebody to take them."""
    one, two = await worker(store, "one", LONG_MS), await worker(store, "two", LONG_MS)
    assert await one.beat(60_000) == 0
    assert await two.beat(60_000) == 1
    assert await one.beat(0) == 1
    assert await two.beat(30) == 0
    async with asyncio.timeout(5):
        while await one.beat(60_000):  # noqa: ASYNC110 - Redis tells nobody
            await asyncio.sleep(0.01)
