"""Presence: what a platform shows in a thread while we are at work there: "is thinking…", "is typing".

It goes away by itself after a time, and with each message of ours; so it is set again as long as something else than
the text is going on, and taken away in the end, also that of a worker that has died: by whoever takes its Turn over.

A courtesy: nothing here fails, and no answer waits for it. In a crowd, where platforms would refuse so many calls, some
statuses come later or never; one that is to be taken away is.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import math

from core.replies import Draws, Placement, RateBudget, RateLimited, Surface, SurfaceError
from core.replies.admission import note

log = logging.getLogger(__name__)

GAP_S = 3.0
"""Seconds between two calls: a tool that is quick need not be named."""


class Presence:
    """The status of one Turn: `run` until the answer is there, then `end`."""

    def __init__(self, surface: Surface, placement: Placement, budget: RateBudget, doing: str) -> None:
        self._surface = surface
        self._placement = placement
        self._budget = budget
        self._doing = doing
        self._shown: str | None = None  # not known
        self._calls = 0
        self._changed = asyncio.Event()

    def show(self, doing: str) -> None:
        """What is being done from now on, as it follows our name ("is thinking…"); "" while the text itself grows."""
        if doing != self._doing:
            self._doing = doing
            self._changed.set()

    def posted(self) -> None:
        """A message of ours has come up; platforms take the status away then, but not one that is on its way."""
        self._shown = None if self._calls else ""
        self._changed.set()

    async def run(self) -> None:
        """Keep the status true until cancelled."""
        while True:
            self._changed.clear()
            await asyncio.sleep(await self._kept_up() if self._is_due() else GAP_S)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self._refreshed_after()):
                    await self._changed.wait()

    async def end(self, within_s: float) -> None:
        """Take the status away. A platform that does not answer, or asks to wait, is not waited for for long."""
        if (held_s := self._held_s("")) > within_s:
            return
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(within_s):
                await asyncio.sleep(held_s)
                await self._set("")

    def _is_due(self) -> bool:
        return bool(self._doing) or self._shown != ""

    def _refreshed_after(self) -> float | None:
        """Seconds beyond the gap until it is set again although nothing has changed; None for never."""
        every_s = self._surface.limits.status_every_s
        return max(every_s - GAP_S, 0.0) if self._doing and every_s < math.inf else None

    async def _kept_up(self) -> float:
        """Set it, or wait for a place; returns how long nothing is to be heard of it from now on."""
        if held_s := self._held_s(self._doing):
            self._changed.set()  # what is being done then may be shown then
            return held_s
        return await self._set(self._doing)

    def _held_s(self, doing: str) -> float:
        """Take a place if there is one, and return 0; else in how many seconds there will be. What takes a status away
        waits for the platform alone, not for others."""
        grant = self._budget.spare(self._draws())
        if grant.go:
            return 0.0
        return grant.wait_s if doing else grant.closure.seconds if grant.closure else 0.0

    def _draws(self) -> Draws:
        return self._surface.draws("status", self._placement)

    async def _set(self, doing: str) -> float:
        """Returns how long nothing is to be heard of it from now on."""
        self._calls += 1
        self._shown = None
        try:
            await self._surface.status(self._placement, doing)
        except SurfaceError as exc:
            log.info("turn.status_failed", extra={"thread_id": self._placement.thread_id, "reason": str(exc)})
            if not isinstance(exc, RateLimited):
                return GAP_S
            await note(self._budget, self._draws(), exc)
            return max(exc.retry_after_s, GAP_S)
        finally:
            self._calls -= 1
        if self._shown is None:
            self._shown = doing
        return GAP_S
