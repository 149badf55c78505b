"""A worker that ends gives its turns to another, which goes on in the same messages at once."""

from __future__ import annotations

import asyncio

import pytest

from core.chat import texts
from core.chat.turn import MOST_ATTEMPTS
from tests.chat.rig import Rig, Running


async def test_a_running_answer_goes_on_in_the_other_worker_in_the_same_message(rig: Rig) -> None:
    """No notice, no second message, no waiting for a lease to lapse."""
    rig.lease_ms = 30_000
    rig.answerer.scripts["hi"] = ["one ", asyncio.Event()]
    async with rig.worker() as first:
        await rig.say("hi")
        await rig.world.until(lambda world: bool(world.texts))
        await rig.say("next")
        async with rig.worker():
            await rig.until(lambda: _alive(first, 1))
            rig.answerer.scripts["hi"] = ["one ", "two"]
            await first.end()
            began = asyncio.get_running_loop().time()
            await first.worker.drain(finish_s=0.05, stop_s=5)
            await rig.settled()
            assert asyncio.get_running_loop().time() - began < 5
    assert rig.world.texts == ["one two", "re: next"]
    assert len(rig.world.messages) == 2
    assert not any(texts.STOPPED_BY_RESTART in call.text for call in rig.world.calls)


async def _alive(running: Running, others: int) -> bool:
    return await running.worker._leases.beat(1000) == others


async def test_two_workers_that_end_at_once_do_not_rely_on_each_other(rig: Rig) -> None:
    """Each takes leave before it looks who is left; the person sees at least what happened."""
    rig.answerer.scripts["hi"] = ["one ", asyncio.Event()]
    async with rig.worker() as one, rig.worker() as two:
        await rig.say("hi")
        await rig.world.until(lambda world: bool(world.texts))
        await rig.until(lambda: _alive(one, 1))
        await asyncio.gather(one.end(), two.end())
        await asyncio.gather(one.worker.drain(0.05, 5), two.worker.drain(0.05, 5))
        assert rig.world.texts == [f"one\n\n{texts.STOPPED_BY_RESTART}"]


async def test_many_deployments_do_not_make_an_answer_given_up(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    """An attempt that was handed over is no failed one."""
    rig.lease_ms = 30_000
    begun = asyncio.Event()

    async def begins() -> None:
        begun.set()
        await asyncio.Event().wait()

    rig.answerer.scripts["hi"] = ["one ", begins]
    await rig.say("hi")
    async with rig.worker() as watcher:
        await watcher.end()  # it only lives, so that there is somebody to give to
        for _ in range(MOST_ATTEMPTS + 2):
            begun.clear()
            async with rig.worker() as each:
                await asyncio.wait_for(begun.wait(), 10)
                await watcher.worker._leases.beat(60_000)
                await each.end()
                await each.worker.drain(finish_s=0, stop_s=5)
        rig.answerer.scripts["hi"] = ["one ", "two"]
        async with rig.worker():
            await rig.settled()
    assert rig.world.texts == ["one two"]
    assert len(rig.world.messages) == 1
