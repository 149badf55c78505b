"""Starting: the first calls to a platform. What may pass is tried again, since a process that ends for it is started
again by whatever watches over it, only later; what an operator must mend ends the start at once."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import TypeVar

from core.replies import RateLimited, SurfaceUnavailable

log = logging.getLogger(__name__)

T = TypeVar("T")

PAUSES_S = (0.5, 1.0, 2.0)
"""Before each further attempt at a call that was not answered."""

MOST_WAIT_S = 60.0
"""How long a platform may ask a start to wait; by then somebody should be told."""


async def insistently(what: str, call: Callable[[], Awaitable[T]]) -> T:
    """What `call` returns. what: names it in the log.

    Raises RateLimited and SurfaceUnavailable when it has been tried often enough, and every other error at once.
    """
    for pause_s in PAUSES_S:
        try:
            return await call()
        except RateLimited as exc:
            if exc.retry_after_s > MOST_WAIT_S:
                raise
            reason, wait_s = str(exc), exc.retry_after_s
        except SurfaceUnavailable as exc:
            reason, wait_s = str(exc), pause_s
        log.warning("start.call_failed", extra={"call": what, "reason": reason, "retry_s": round(wait_s, 1)})
        await asyncio.sleep(wait_s)
    return await call()
