"""The clock both emulators live by: real time, moved forward by whoever tests with it."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable


class Clock:
    """Seconds since the epoch that pass as in life and can be pushed forward.

    `Clock()` starts now. `Clock(start)` starts at another moment. `Clock(start, frozen=True)` stands still
    except for `advance`, so that every timestamp of a test is known beforehand. One clock serves one event loop.
    """

    def __init__(self, start: float | None = None, *, frozen: bool = False) -> None:
        self._start = time.time() if start is None else start
        self._began = time.monotonic()
        self._frozen = frozen
        self._ahead = 0.0
        self._moved: asyncio.Event | None = None
        self._listeners: list[Callable[[], None]] = []

    def time(self) -> float:
        """Seconds since the epoch."""
        passed = 0.0 if self._frozen else time.monotonic() - self._began
        return self._start + passed + self._ahead

    def advance(self, seconds: float) -> None:
        """Let `seconds` (not negative) pass at once. Everyone in `sleep` looks at the time again."""
        if seconds < 0:
            raise ValueError("time does not run backwards")
        self._ahead += seconds
        if self._moved is not None:
            self._moved.set()
            self._moved = None
        for listener in list(self._listeners):
            listener()

    def on_advance(self, listener: Callable[[], None]) -> None:
        """Call `listener` after every `advance`, for what happens by itself when time has passed."""
        self._listeners.append(listener)

    async def sleep(self, seconds: float) -> None:
        """Return once `seconds` have passed on this clock, whether lived through or skipped."""
        until = self.time() + seconds
        await asyncio.sleep(0)
        while (left := until - self.time()) > 0:
            if self._moved is None:
                self._moved = asyncio.Event()
            moved = self._moved
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(None if self._frozen else left):
                    await moved.wait()
