"""Mailbox, lease and fence, on a real Redis."""

from __future__ import annotations

import asyncio

import pytest

from core.errors import StoreUnavailable
from core.ids import ChannelId, ScopeId, ThreadId, UserId
from core.sessions import (
    Acceptance,
    Found,
    Lease,
    LeaseLost,
    Leases,
    LedgerRow,
    Letter,
    Mailboxes,
    Ratings,
    Ready,
    Retention,
    UsageEntry,
)
from core.store import Commands, Store, keys

THREAD = ThreadId("test:T1:C1:1")
SCOPE = ScopeId("test:T1")
LONG_MS, SHORT_MS = 60_000, 30


@pytest.fixture
def mailboxes(store: Store) -> Mailboxes:
    return Mailboxes(store, Retention(waiting=3))


async def put(
    mailboxes: Mailboxes, *identities: str, payload: str = "p", only_known: bool = False, thread: ThreadId = THREAD
) -> Acceptance:
    receipt = await mailboxes.accept(
        thread, SCOPE, identities, payload, only_known=only_known, facts={"starter": "ada", "scope": SCOPE}
    )
    return receipt.acceptance


async def worker(store: Store, name: str, ttl_ms: int = LONG_MS) -> Leases:
    leases = Leases(store, Retention(), name, ttl_ms)
    await leases.prepare()
    return leases


async def taken(leases: Leases) -> tuple[Lease, Ready]:
    (ready,) = await leases.announced(1000, 1)
    lease = await leases.take(ready)
    assert lease is not None
    return lease, ready


async def head(lease: Lease) -> Letter:
    begun = await lease.begin()
    assert begun is not None
    return begun.letters[0]


async def gone(store: Store, key: str) -> None:
    """Wait until Redis has let a key go."""
    async with asyncio.timeout(5):
        while await store.redis.exists(key):  # noqa: ASYNC110 - Redis tells nobody
            await asyncio.sleep(0.005)


async def lapsed(leases: Leases) -> Ready:
    async with asyncio.timeout(5):
        while not (found := await leases.lapsed()):  # noqa: ASYNC110 - Redis tells nobody
            await asyncio.sleep(0.005)
    return found[0]


async def test_a_message_is_taken_in_once_under_any_of_its_identities(mailboxes: Mailboxes) -> None:
    """Slack sends one message as two events; each may come again."""
    assert await put(mailboxes, "ts", "client") == "accepted"
    assert await put(mailboxes, "client") == "duplicate"
    assert await put(mailboxes, "client", "event") == "duplicate"
    assert await put(mailboxes, "event") == "duplicate", "an identity that came with a known one is known"
    assert await put(mailboxes, "other") == "accepted"


async def test_a_message_sent_again_by_the_client_begins_no_second_thread(mailboxes: Mailboxes) -> None:
    """A client that lost Slack's answer sends again: another `ts`, so another thread, but the same id of its own."""
    for number in range(20):  # threads are spread over partitions
        first, again = (ThreadId(f"test:T1:C1:{number}.{copy}") for copy in (0, 1))
        assert await put(mailboxes, f"ts{number}.0", f"client{number}", thread=first) == "accepted"
        assert await put(mailboxes, f"ts{number}.1", f"client{number}", thread=again) == "duplicate"
        assert await put(mailboxes, f"ts{number}.0", f"client{number}", thread=first) == "duplicate"


async def test_a_message_that_could_not_be_stored_is_taken_in_when_it_comes_again(
    store: Store, mailboxes: Mailboxes, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its ids may have been noted by then; they are its own."""

    async def away(*_: object) -> None:
        raise StoreUnavailable("away")

    with monkeypatch.context() as patched:
        patched.setattr(store, "script", away)
        with pytest.raises(StoreUnavailable):
            await put(mailboxes, "ts", "client")
    assert await put(mailboxes, "ts", "client") == "accepted"


async def test_what_is_not_meant_for_us_leaves_no_trace(store: Store, mailboxes: Mailboxes) -> None:
    """Gate before claim: the same message may be meant for us by its other event."""
    assert await put(mailboxes, "k", only_known=True) == "unknown"
    assert await store.redis.keys("*") == []
    assert await put(mailboxes, "k") == "accepted"
    assert await put(mailboxes, "k2", only_known=True) == "accepted"


async def test_a_full_mailbox_takes_no_more_and_says_so_once(mailboxes: Mailboxes) -> None:
    """The person is told once, not with each redelivery."""
    for key in "abc":
        assert await put(mailboxes, key) == "accepted"
    assert await put(mailboxes, "d") == "full"
    assert await put(mailboxes, "d") == "duplicate"


async def test_letters_come_in_the_order_they_were_put_in(store: Store, mailboxes: Mailboxes) -> None:
    """Order of requests is order of answers."""
    for text in ("one", "two 2", "three"):
        await put(mailboxes, text, payload=text)
    lease, _ = await taken(await worker(store, "w"))
    read = []
    for waiting in (2, 1, 0):
        letter = await head(lease)
        read.append((letter.number, letter.payload))
        assert await head(lease) == letter, "it stays until it is sealed"
        assert await lease.seal(letter, ended="answered", history=f"h{letter.number}") == waiting
    assert read == [(1, "one"), (2, "two 2"), (3, "three")]
    assert await lease.history() == ["h1", "h2", "h3"]
    assert await lease.begin() is None
    assert await lease.release()


async def test_a_worker_that_was_replaced_can_write_nothing(store: Store, mailboxes: Mailboxes) -> None:
    """The fence: a stopped machine that comes back must not write over the work of another."""
    await put(mailboxes, "k")
    old, _ = await taken(await worker(store, "old", SHORT_MS))
    letter = await head(old)
    await gone(store, keys.session(THREAD, "lease"))
    second = await worker(store, "new", SHORT_MS)
    new = await second.take(await lapsed(second))
    assert new is not None and new.fence > old.fence
    await gone(store, keys.session(THREAD, "lease"))  # not even when that one's lease ran out as well
    for write in (
        old.seal(letter, ended="answered", history="old"),
        old.note({"attempts": 1}),
        old.release(),
        old.renew(1000),
    ):
        with pytest.raises(LeaseLost):
            await write
    assert await new.history() == []
    assert await new.seal(letter, ended="answered", history="new") == 0


async def test_a_lease_that_merely_ran_out_still_counts(store: Store, mailboxes: Mailboxes) -> None:
    """Redis was away for a while and nobody took over: the answer is not thrown away."""
    await put(mailboxes, "k")
    lease, _ = await taken(await worker(store, "w", SHORT_MS))
    letter = await head(lease)
    await gone(store, keys.session(THREAD, "lease"))
    await lease.note({"attempts": 1})
    assert await lease.renew(SHORT_MS) is None
    await gone(store, keys.session(THREAD, "lease"))
    await lease.assure()
    assert await lease.seal(letter, ended="answered", history="h") == 0
    await gone(store, keys.session(THREAD, "lease"))
    assert await lease.release()


async def test_only_one_worker_holds_a_session(store: Store, mailboxes: Mailboxes) -> None:
    """Two Turns of one thread never overlap."""
    await put(mailboxes, "k")
    one, two = await worker(store, "one"), await worker(store, "two")
    lease, ready = await taken(one)
    assert await two.take(ready) is None
    assert await two.lapsed() == []
    await lease.seal(await head(lease), ended="answered", history=None)
    assert await lease.release()
    assert await two.lapsed() == [] and await one.lapsed() == []


async def test_mail_that_comes_between_seal_and_release_is_not_lost(store: Store, mailboxes: Mailboxes) -> None:
    """The moment in which nobody looks at the mailbox."""
    await put(mailboxes, "one")
    leases = await worker(store, "w")
    lease, _ = await taken(leases)
    letter = await head(lease)
    await put(mailboxes, "two")
    assert await lease.seal(letter, ended="answered", history=None) == 1
    assert await lease.release() is False, "go on serving"
    assert await lease.seal(await head(lease), ended="answered", history=None) == 0, "given back in the same step"
    await put(mailboxes, "three")
    assert await lease.release(), "which it was already"
    assert await lease.begin() is None
    again, ready = await taken(leases)
    assert ready.thread_id == THREAD
    assert (await head(again)).number == 3


async def test_a_give_back_that_redis_got_twice_takes_nothing_from_the_next_one(
    store: Store, mailboxes: Mailboxes
) -> None:
    """The answer to the first was lost; meanwhile mail has come, and nobody has taken it yet."""
    await put(mailboxes, "one")
    leases = await worker(store, "w")
    lease, _ = await taken(leases)
    letter = await head(lease)
    await lease.seal(letter, ended="answered", history=None)
    await put(mailboxes, "two")
    assert await lease.seal(letter, ended="answered", history=None) == 0
    lease._given_back = False  # as when the answer has not come
    assert await lease.release(), "whoever gave it back does not go on serving"
    await lease.renew(60_000)  # one that was on its way
    assert not await store.redis.exists(keys.session(THREAD, "lease")), "and nobody holds what was given back"
    other, _ = await taken(await worker(store, "other"))
    assert (await head(other)).number == 2


async def test_a_turn_can_be_begun_with_the_taking(store: Store, mailboxes: Mailboxes) -> None:
    """In one step; what comes after the first Turn is begun as ever."""
    await put(mailboxes, "one")
    await put(mailboxes, "two")
    leases = await worker(store, "w")
    [ready] = await leases.announced(1000, 1)
    lease = await leases.take(ready, begins=True)
    assert lease is not None
    begun = await lease.begin()
    assert begun is not None and [letter.number for letter in begun.letters] == [1] and begun.attempts == 1
    await lease.seal(begun.letters[0], ended="answered", history=None)
    begun = await lease.begin()
    assert begun is not None and [letter.number for letter in begun.letters] == [2] and begun.attempts == 1


async def test_what_is_handed_over_reaches_another_worker_at_once(store: Store, mailboxes: Mailboxes) -> None:
    """A deployment does not cost a lease's time."""
    await put(mailboxes, "k")
    lease, _ = await taken(await worker(store, "old"))
    assert await lease.release(hand_over=True)
    new, _ = await taken(await worker(store, "new"))
    assert (await head(new)).number == 1


async def test_a_seal_that_redis_got_twice_counts_once_and_is_no_loss_of_the_lease(
    store: Store, mailboxes: Mailboxes
) -> None:
    """The connection broke after the effect, and the command was sent again."""
    await put(mailboxes, "one")
    await put(mailboxes, "two")
    lease, _ = await taken(await worker(store, "w"))
    letter = await head(lease)
    usage = UsageEntry(SCOPE, "2026-01-01", {"a": 5})
    assert await lease.seal(letter, ended="answered", history="h", usage=usage) == 1
    assert await lease.seal(letter, ended="answered", history="h", usage=usage) == 1
    assert await lease.history() == ["h"]
    assert await store.redis.hget(keys.usage_day(keys.partition_of(THREAD), SCOPE, "2026-01-01"), "a") == "5"


async def test_a_take_that_redis_got_twice_is_a_take(store: Store, mailboxes: Mailboxes) -> None:
    """Otherwise the worker waits for its own lease to run out."""
    await put(mailboxes, "one")
    leases = await worker(store, "w")
    lost, ready = await taken(leases)
    lease = await leases.take(ready)
    assert lease is not None and lease.fence > lost.fence
    with pytest.raises(LeaseLost):
        await lost.note({})


async def test_a_stop_reaches_only_the_turn_that_runs(store: Store, mailboxes: Mailboxes) -> None:
    """The button of an old answer must not stop a new one."""
    await put(mailboxes, "one")
    await put(mailboxes, "two")
    assert not await mailboxes.request_stop(THREAD), "nobody runs it yet"
    lease, _ = await taken(await worker(store, "w"))
    assert not await mailboxes.request_stop(THREAD, 2)
    assert await mailboxes.request_stop(THREAD, 1)
    assert await lease.renew(LONG_MS) == 1
    await lease.seal(await head(lease), ended="stopped", history=None)
    assert await lease.renew(LONG_MS) is None
    assert not await mailboxes.request_stop(THREAD, 1)


async def test_an_emptied_redis_is_begun_anew(store: Store, mailboxes: Mailboxes) -> None:
    """FLUSHALL by mistake: old leases are lost, new messages are served."""
    leases = await worker(store, "w")
    await put(mailboxes, "k")
    lease, _ = await taken(leases)
    await store.redis.flushall()
    with pytest.raises(LeaseLost):
        await lease.renew(LONG_MS)
    assert await leases.lapsed() == []
    await put(mailboxes, "k")
    found = [ready for _ in range(2) for ready in await leases.announced(100, 1)]
    assert [ready.thread_id for ready in found] == [THREAD]
    await store.redis.flushall()
    await leases.leave()


async def test_a_worker_that_leaves_keeps_what_it_has_not_finished(store: Store, mailboxes: Mailboxes) -> None:
    """Its pending entries would go with its name."""
    await put(mailboxes, "k")
    old = await worker(store, "old", SHORT_MS)
    await taken(old)
    await old.leave()
    new = await worker(store, "new", SHORT_MS)
    assert (await lapsed(new)).thread_id == THREAD


def crc16(text: bytes) -> int:
    """CRC16-XMODEM, as Redis Cluster computes slots with it."""
    crc = 0
    for byte in text:
        crc ^= byte << 8
        for _ in range(8):
            crc = (crc << 1) ^ 0x1021 if crc & 0x8000 else crc << 1
            crc &= 0xFFFF
    return crc


def slot(key: str) -> int:
    start = key.find("{")
    end = key.find("}", start + 1)
    return crc16((key[start + 1 : end] if start >= 0 and end > start + 1 else key).encode()) % 16384


async def test_every_key_has_a_ttl_and_each_script_stays_on_one_slot(
    store: Store, mailboxes: Mailboxes, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing is kept for ever; and the same code works on a cluster."""
    assert slot("foo{bar}") == 5061 == slot("bar"), "CLUSTER KEYSLOT bar, from the Redis documentation"
    used: dict[str, set[int]] = {}
    script = store.script

    async def watched(name: str, keys_: list[str], args: list[str | int]) -> object:
        used.setdefault(name, set()).add(len({slot(key) for key in keys_}))
        return await script(name, keys_, args)

    script_with = store.script_with

    async def watched_with(niceties: Commands, name: str, keys_: list[str], args: list[str | int]) -> object:
        used.setdefault(name, set()).add(len({slot(key) for key in keys_}))
        return await script_with(niceties, name, keys_, args)

    monkeypatch.setattr(store, "script", watched)
    monkeypatch.setattr(store, "script_with", watched_with)
    thread = ThreadId("test:{odd}:}1{")
    for key in "abc":
        await put(mailboxes, key, thread=thread)
    leases = await worker(store, "w")
    lease, _ = await taken(leases)
    await mailboxes.request_stop(thread)
    await mailboxes.note_accepted(thread, 1, SCOPE, ["place"], ChannelId("c"), UserId("u"))
    await lease.note({"attempts": 1})
    await lease.renew(LONG_MS)
    usage = UsageEntry(SCOPE, "2026-01-01", {"a": 1})
    row = LedgerRow(SCOPE, "2026-01-01", "ada")
    await lease.seal(await head(lease), ended="answered", history="h", usage=usage, rated_in=row)
    assert await Ratings(store, Retention()).rate(thread, 1, UserId("u"), "up") == "noted"
    await lease.note({"attempts": 1})
    *_, waiting = await mailboxes.waiting(thread)
    await lease.extend(waiting.number)
    await mailboxes.note_places(thread, waiting.number, SCOPE, ["c"])
    await mailboxes.reword(thread, waiting, "new")
    await mailboxes.withdraw(Found(thread, waiting.number))
    await mailboxes.again(Found(thread, 1), SCOPE, "retry:1", "again", reword=False)
    await lease.release(hand_over=True)
    assert all(slots == {1} for slots in used.values())
    theirs = {"again", "accept", "begin", "extend", "take", "journal", "release", "renew", "reword", "seal", "stop"}
    assert used.keys() >= theirs | {"rate", "withdraw"}
    for key in await store.redis.keys("*"):
        assert await store.redis.pttl(key) > 0, key
