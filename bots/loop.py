"""The event loop that Parley runs in: uvloop's where there is one, else Python's own.

What a busy bot costs is mostly the loop's: timers, sockets, one task that wakes another. With uvloop a Turn costs about
a seventh less, and 200 Turns that begin at once are begun a third sooner (`benchmarks.replies.load`).
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any


def loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    """Makes a loop; None means Python's own, where uvloop is not made for the platform."""
    try:
        import uvloop
    except ImportError:
        return None
    return uvloop.new_event_loop


def run(job: Coroutine[Any, Any, None]) -> None:
    """As `asyncio.run`."""
    with asyncio.Runner(loop_factory=loop_factory()) as runner:
        runner.run(job)
