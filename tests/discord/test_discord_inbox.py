"""What was heard and is not stored yet."""

from __future__ import annotations

import asyncio

from adapters.discord._inbox import PLATFORM_ATTEMPTS, Inbox
from core.chat import StoreUnavailable, SurfaceUnavailable


async def test_messages_of_a_channel_keep_their_order_while_the_store_is_away() -> None:
    """A retry must not let the second message overtake the first, nor hold up another channel."""
    inbox = Inbox(first_retry_s=0.001)
    done: list[str] = []
    finished = asyncio.Event()
    failures = 3

    async def first() -> None:
        nonlocal failures
        if failures:
            failures -= 1
            raise StoreUnavailable("away")
        done.append("first")

    async def second() -> None:
        done.append("second")
        finished.set()

    async def elsewhere() -> None:
        done.append("elsewhere")

    inbox.put("a", first)
    inbox.put("a", second)
    inbox.put("b", elsewhere)
    async with asyncio.timeout(5):
        await finished.wait()
    await inbox.aclose()
    assert done == ["elsewhere", "first", "second"]
    assert len(inbox) == 0


async def test_a_message_that_cannot_be_handled_does_not_block_the_next() -> None:
    """One bad event costs itself, not its channel."""
    inbox = Inbox()
    finished = asyncio.Event()

    async def broken() -> None:
        raise ValueError("bad event")

    async def good() -> None:
        finished.set()

    inbox.put("a", broken)
    inbox.put("a", good)
    async with asyncio.timeout(5):
        await finished.wait()
    await inbox.aclose()


async def test_a_platform_that_never_answers_holds_its_channel_up_for_a_while_only() -> None:
    """What was missed is asked for again and again, but what has been heard must not wait for ever."""
    inbox = Inbox(first_retry_s=0.0)
    asked = 0
    finished = asyncio.Event()

    async def unanswered() -> None:
        nonlocal asked
        asked += 1
        raise SurfaceUnavailable("no answer")

    async def good() -> None:
        finished.set()

    inbox.put("a", unanswered)
    inbox.put("a", good)
    async with asyncio.timeout(5):
        await finished.wait()
    await inbox.aclose()
    assert asked == PLATFORM_ATTEMPTS


async def test_a_full_inbox_refuses_and_closing_gives_up_what_waits() -> None:
    """Memory is bounded, and a stop is not held up by a store that never comes back."""
    inbox = Inbox(capacity=1)

    async def stuck() -> None:
        raise StoreUnavailable("away")

    assert inbox.put("a", stuck)
    assert not inbox.put("a", stuck)
    await inbox.aclose(grace_s=0.01)
    assert not [task for task in asyncio.all_tasks() if task.get_name().startswith("discord.inbox")]
