"""Admission: calls that no Reply makes ask the budget that all replicas share, as Replies do.

A thread to be opened or read, a name to be looked up, a file's address: each draws on a budget of its platform as well.
One that matters waits for its place and has it kept meanwhile; one that does not goes without. Either way there is an
end to the wait, and who has waited for long enough is told when it would have been: `RateLimited`, with `noted` set,
because nobody has to tell the budget.
"""

from __future__ import annotations

import asyncio
import itertools
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from core.replies.budget import Priority, RateBudget
from core.replies.surface import Draws, RateLimited

_PROCESS = uuid.uuid4().hex[:12]
_numbers = itertools.count()


async def admitted(
    budget: RateBudget, draws: Draws, priority: Priority, patience_s: float = 0.0, *, stream: str = ""
) -> None:
    """Wait for a place, which is accounted for then. Raises RateLimited at once when none comes within `patience_s`.

    priority: FINAL or NOTICE for a call that keeps its place in line, STATUS for one that is worth little.
    stream: the Reply that the call is part of, if it is.
    """
    clock = asyncio.get_running_loop().time
    keeps_place = priority in (Priority.FINAL, Priority.NOTICE)  # others would count as answers that are alive
    name = stream or (f"{_PROCESS}-{next(_numbers)}" if keeps_place else "")
    until = clock() + patience_s
    while True:
        left_s = max(0.0, until - clock())
        grant = await budget.take(draws, name, priority, patience_s=left_s)
        if grant.go:
            return
        if grant.wait_s > left_s:
            raise RateLimited(f"{draws.buckets[0].name}: no place in the budget", grant.wait_s, noted=True)
        await asyncio.sleep(grant.wait_s)


async def note(budget: RateBudget, draws: Draws, refusal: RateLimited) -> None:
    """Tell the budget what the platform has refused to a call that drew on `draws`, if it does not know."""
    if not refusal.noted:
        await budget.refused(draws, refusal.bucket, refusal.retry_after_s)


@asynccontextmanager
async def asking(
    budget: RateBudget, draws: Draws, priority: Priority, patience_s: float = 0.0, *, stream: str = ""
) -> AsyncIterator[None]:
    """`admitted`, and a refusal of the call that is made within closes the budget for everybody."""
    await admitted(budget, draws, priority, patience_s, stream=stream)
    try:
        yield
    except RateLimited as refusal:
        await note(budget, draws, refusal)
        refusal.noted = True
        raise
