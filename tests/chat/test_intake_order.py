"""What a platform says in an order is stored in that order, however quick one of our connections is."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from core.chat import Spot, ThreadId
from core.chat.codec import load_letter
from tests.chat.rig import SCOPE, THREAD, Rig

ELSEWHERE = [ThreadId(f"test:T1:C2:{number}") for number in range(5)]


@pytest.fixture
async def gate(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> asyncio.Event:
    """The first message that is stored waits for it. Connections for the others are open already."""
    await asyncio.gather(*(rig.say("hi", thread=thread) for thread in ELSEWHERE))
    opened, accept, held = asyncio.Event(), rig.mailboxes.accept, [True]

    async def slow_at_first(*args: Any, **how: Any) -> Any:
        if held:
            held.clear()
            await opened.wait()
        return await accept(*args, **how)

    monkeypatch.setattr(rig.mailboxes, "accept", slow_at_first)
    return opened


async def waiting(rig: Rig) -> list[str]:
    return [load_letter(letter.payload).text or "" for letter in await rig.mailboxes.waiting(THREAD)]


async def test_a_message_does_not_overtake_the_one_before_it(rig: Rig, gate: asyncio.Event) -> None:
    """Two within milliseconds, in one thread; another thread does not wait for them."""
    first = asyncio.create_task(rig.say("one"))
    await asyncio.sleep(0)
    second = asyncio.create_task(rig.say("two"))
    for thread in ELSEWHERE:
        assert await rig.say("and here", thread=thread) == "accepted"
    gate.set()
    assert [await first, await second] == ["accepted", "accepted"]
    assert await waiting(rig) == ["one", "two"]


async def test_a_deletion_does_not_overtake_its_message(rig: Rig, gate: asyncio.Event) -> None:
    """Whoever takes a question back at once is not answered."""
    said = asyncio.create_task(rig.say("oops", key="k"))
    await asyncio.sleep(0)
    deleted = asyncio.create_task(rig.desk.deleted(Spot(SCOPE, "k")))
    for thread in ELSEWHERE:
        await rig.say("and here", thread=thread)
    gate.set()
    await asyncio.gather(said, deleted)
    assert await waiting(rig) == []


async def test_nothing_is_remembered_of_who_went_through(rig: Rig) -> None:
    """Threads come and go for as long as the process runs."""
    await rig.say("one")
    assert not rig.desk._turnstile._locks
