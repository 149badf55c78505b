"""Pointing: a line below an answer that took long, for people who went on talking while it grew.

An answer that grows by edits makes nothing unread. Whoever waits for it sees its end only by looking at it, and once
others have written below it that is further up. So when an answer took long and a person has written below it, one line
says that it has ended and leads back to it: after all of it is shown, and before the Turn is sealed, so that whoever
takes the Turn over knows whether the line is there. A courtesy: nothing here fails a Turn, nor holds it for long.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from functools import partial
from typing import assert_never

from core.chat import texts
from core.chat.stop import StopReason
from core.errors import StoreUnavailable
from core.ids import UserId
from core.replies import (
    MessageRef,
    Placement,
    Pointer,
    Priority,
    RateBudget,
    Surface,
    SurfaceError,
    SurfaceUnavailable,
)
from core.replies.admission import asking
from core.sessions import Lease
from core.usage import Outcome

log = logging.getLogger(__name__)

POINT_WAIT_S = 8.0
"""How long all of it may take; the thread's next answer waits meanwhile."""


_LOOK_AGAIN_S = 1.0


def words_about(outcome: Outcome, reason: StopReason | None = None) -> str:
    """What is said of an answer that has ended so, "" where nobody waits for its end. reason: why it was stopped: by
    people, who know, and by a process that ends and has no time."""
    match outcome:
        case "answered":
            return texts.POINT_FINISHED
        case "failed":
            return texts.POINT_FAILED
        case "stopped":
            return texts.POINT_FAILED if reason == "deadline" else ""
        case _:
            assert_never(outcome)


def may_be_missed(words: str, grew_s: float, after_s: float, *, has_files: bool) -> bool:
    """Can the end of an answer have passed unnoticed, so that it is worth asking whether people have written below it?

    words: what would be said, "" for nothing.  grew_s: seconds from when its newest message came up to when it was
    complete.  after_s: how many of them are long, 0: none are.  has_files: they came up below it at its end, and are
    news themselves.
    """
    return bool(words) and not has_files and 0 < after_s < grew_s


@dataclass(frozen=True, slots=True)
class Line:
    """The line below the Reply of Turn `turn_id`. ref: the newest message of that Reply.  asker: who is to hear of it.
    again: an earlier attempt at the Turn may have posted it."""

    turn_id: str
    ref: MessageRef
    words: str
    asker: UserId
    again: bool

    @property
    def key(self) -> str:
        """The same for every attempt at the Turn, and for none of its Segments."""
        return f"{hashlib.blake2s(self.turn_id.encode(), digest_size=8).hexdigest()}-below"


async def point(
    surface: Surface, placement: Placement, line: Line, lease: Lease, budget: RateBudget
) -> MessageRef | None:
    """Post the line if a person has written below the answer, once; None when it is not there.

    Raises LeaseLost. Every other failure is logged, and only a lost answer to the post itself is followed up: a line
    that stands there without our knowledge would stay when the answer is written anew.
    """
    if not isinstance(surface, Pointer):
        return None
    try:
        async with asyncio.timeout(POINT_WAIT_S):
            if line.again and (found := await surface.find_pointer(placement, line.key)):
                return found
            if not await surface.is_buried(placement, line.ref):
                return None
            text = f"[{line.words}]({await surface.link_to(placement, line.ref)})"
            place = partial(asking, budget, surface.draws("post", placement), Priority.NOTICE, POINT_WAIT_S)
            return await _posted(surface, placement, line, text, lease, place)
    except (SurfaceError, StoreUnavailable, TimeoutError) as exc:
        told = {"thread_id": placement.thread_id, "reason": str(exc) or type(exc).__name__}
        log.warning("turn.not_pointed_at", extra=told | {"hint": getattr(exc, "hint", "")})
        return None


async def _posted(
    surface: Pointer,
    placement: Placement,
    line: Line,
    text: str,
    lease: Lease,
    place: Callable[[], AbstractAsyncContextManager[None]],
) -> MessageRef:
    """Post once: an attempt whose answer was lost is looked for before it is repeated. place: one in the budget."""
    doubtful = False
    while True:
        try:
            if doubtful and (found := await surface.find_pointer(placement, line.key)):
                return found
            async with place():
                await lease.assure()
                doubtful = True
                return await surface.point(placement, line.ref, text, line.asker, line.key)
        except SurfaceUnavailable:
            if not doubtful:
                raise
            await asyncio.sleep(_LOOK_AGAIN_S)
