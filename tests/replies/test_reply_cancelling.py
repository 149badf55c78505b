"""Cancelling the writer leaves nothing running and loses no message."""

from __future__ import annotations

import asyncio

from core.replies import (
    Draft,
)
from tests.replies.scripted_surface import (
    ScriptedSurface,
    in_virtual_time,
)
from tests.replies.writing import AMPLE, WIDE, make_reply


def test_cancelling_during_a_post_leaves_nothing_running_and_notes_the_message() -> None:
    """What was sent must be known to whoever takes over."""

    async def story() -> None:
        noted: list[list[str]] = []
        surface = ScriptedSurface(quota=AMPLE, limits=WIDE, latency_s=2.0)
        reply = make_reply(surface, noted)
        task = asyncio.create_task(reply.run())
        reply.show(Draft("hello"))
        await asyncio.sleep(1)
        task.cancel()
        await asyncio.wait([task])
        assert task.cancelled()
        assert surface.texts == ["hello"]
        assert noted == [["m0"]]

    in_virtual_time(story)


def test_cancelling_during_a_call_that_hangs_ends_within_the_bound() -> None:
    """A platform that hangs must not hold up a shutdown."""

    async def story() -> None:
        surface = ScriptedSurface(quota=AMPLE, limits=WIDE, latency_s=1000.0)
        reply = make_reply(surface)
        task = asyncio.create_task(reply.run())
        reply.show(Draft("hello"))
        await asyncio.sleep(1)
        task.cancel()
        await asyncio.wait([task])
        await asyncio.sleep(0)
        assert asyncio.get_running_loop().time() < 7

    in_virtual_time(story)


def test_cancelling_twice_leaves_nothing_running() -> None:
    """A second cancellation must not part the writer from the call it waits for."""

    async def story() -> None:
        surface = ScriptedSurface(quota=AMPLE, limits=WIDE, latency_s=1000.0)
        reply = make_reply(surface)
        task = asyncio.create_task(reply.run())
        reply.show(Draft("hello"))
        await asyncio.sleep(1)
        task.cancel()
        await asyncio.sleep(1)
        task.cancel()
        await asyncio.wait([task])
        for _ in range(3):
            await asyncio.sleep(0)

    in_virtual_time(story)
