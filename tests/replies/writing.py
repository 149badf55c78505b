"""A Reply being written, for tests of the writer."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

from core.replies import (
    Controls,
    Draft,
    Limits,
    LocalBudget,
    MessageRef,
    Rate,
    RateBudget,
    Reply,
    Standing,
)
from core.replies.reply import Delivery
from tests.replies.scripted_surface import (
    PLACEMENT,
    ScriptedSurface,
)

AMPLE = Rate(50, 50)
WIDE = Limits(200, len, 1.0)


def make_reply(
    surface: ScriptedSurface,
    noted: list[list[str]] | None = None,
    shown: Sequence[MessageRef] = (),
    budget: RateBudget | None = None,
    again: bool = False,
    key: str = "turn",
) -> Reply:
    async def posted(standing: Standing) -> None:
        if noted is not None:
            noted.append([ref.message for ref in standing.refs])

    return Reply(
        surface,
        PLACEMENT,
        budget or LocalBudget(),
        key=key,
        controls=Controls(stop="STOP"),
        posted=posted,
        standing=Standing(tuple(shown)),
        again=again,
    )


@asynccontextmanager
async def writing(reply: Reply) -> AsyncIterator[asyncio.Task[Delivery]]:
    task = asyncio.create_task(reply.run(), name="writing")
    try:
        yield task
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def say(reply: Reply, words: int, every_s: float = 0.05, start: str = "") -> str:
    """Stream `words` words and return what was said."""
    text = start
    for number in range(words):
        text += f"word{number} "
        reply.show(Draft(text))
        await asyncio.sleep(every_s)
    return text
