"""The time limits of a request: many waits under one timer, each as exact as with a timer of its own."""

from __future__ import annotations

import asyncio

import pytest

from core.models._limits import Limits
from core.models.errors import ModelTimeout

pytestmark = pytest.mark.looptime


async def test_a_wait_that_takes_too_long_says_which_limit_passed() -> None:
    """The wait began after the timer was set for an earlier one, so the timer has to be set again."""
    limits, loop = Limits({"idle_timeout": 10, "max_retries": 0}), asyncio.get_running_loop()
    for _ in range(3):
        with limits.within("idle", limits.idle_s):
            await asyncio.sleep(7)
        limits.progressed()
    with pytest.raises(ModelTimeout) as refused, limits.within("idle", limits.idle_s):
        await asyncio.sleep(60)
    assert (refused.value.phase, refused.value.limit_s) == ("idle", 10)
    assert loop.time() == pytest.approx(31)
    await asyncio.sleep(0)  # the cancellation was taken back


async def test_many_waits_set_one_timer(monkeypatch: pytest.MonkeyPatch) -> None:
    """A timer set and cancelled for every piece was a third of what a piece cost."""
    limits, loop = Limits({}), asyncio.get_running_loop()
    made: list[float] = []
    call_at = loop.call_at

    def counted(when, *args, **kwargs):  # type: ignore[no-untyped-def]  # as the loop's own
        made.append(when)
        return call_at(when, *args, **kwargs)

    monkeypatch.setattr(loop, "call_at", counted)
    for _ in range(1000):
        with limits.within("idle", limits.idle_s):
            await asyncio.sleep(0)
    limits.close()
    assert len(made) == 1


async def test_a_shorter_wait_after_a_longer_one_is_timed() -> None:
    """The timer of the longer one would go off too late."""
    limits, loop = Limits({}), asyncio.get_running_loop()
    with limits.within("idle", 60):
        await asyncio.sleep(1)
    with pytest.raises(ModelTimeout, match="5"), limits.within("idle", 5):
        await asyncio.sleep(30)
    assert loop.time() == pytest.approx(6)


async def test_the_time_the_reader_takes_is_not_the_providers() -> None:
    """Whoever shows the answer may be slow; the provider had nothing to do with it."""
    limits = Limits({"progress_timeout": 20, "idle_timeout": 10})
    for _ in range(3):
        with limits.within("idle", limits.idle_s):
            await asyncio.sleep(1)
        await asyncio.sleep(300)
        limits.progressed()


async def test_a_cancellation_from_outside_stays_one() -> None:
    """Also when the limit passes at the same moment: whoever stops a run is not to be told of a timeout."""
    limits = Limits({})

    async def wait() -> None:
        with limits.within("idle", 5):
            await asyncio.sleep(30)

    waiting = asyncio.create_task(wait())
    await asyncio.sleep(1)
    asyncio.get_running_loop().call_at(asyncio.get_running_loop().time() + 4, waiting.cancel)
    with pytest.raises(asyncio.CancelledError):
        await waiting


async def test_a_request_that_is_over_leaves_no_timer() -> None:
    """A timer would hold the request, its agent and its answer in memory for a minute."""
    limits, loop = Limits({}), asyncio.get_running_loop()
    with limits.within("idle", 60):
        await asyncio.sleep(1)
    limits.close()
    timers = [timer for timer in loop._scheduled if not timer.cancelled()]  # type: ignore[attr-defined]  # its heap
    assert timers == []
