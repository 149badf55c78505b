"""How long a request to a provider may take, and each wait in it.

A stream waits once for every piece, and pieces come in their hundreds a second. A timer for each wait is most of what
waiting costs, as nearly all are cancelled again; so there is one timer a request. It goes off at the earliest when the
wait it was set for is overdue, and is set again then if another wait has begun meanwhile. A wait that begins sets the
timer only when there is none, or when it would go off too late.
"""

from __future__ import annotations

import asyncio
from types import TracebackType
from typing import Any

from core.models.errors import ModelTimeout
from core.models.settings import ModelSettings

__all__ = ["Limits"]


class Limits:
    """The time limits of one request, in seconds; the clock of the whole request starts now.

    Any byte is a sign of life and starts the idle clock anew; only a piece of the answer starts the progress clock
    anew, when the next wait begins: what the reader of the answer takes is not the provider's time. So a provider that
    does nothing but say that it is there gets `progress_timeout`, not for ever.
    """

    def __init__(self, settings: ModelSettings) -> None:
        timeout: Any = settings.get("timeout")
        # an httpx.Timeout means its read limit
        self.whole_s: float | None = getattr(timeout, "read", timeout)
        self.connect_s = settings.get("connect_timeout", 10.0)
        self.first_event_s = settings.get("first_event_timeout", 60.0)
        self.idle_s = settings.get("idle_timeout", 60.0)
        self.progress_s = settings.get("progress_timeout", 300.0)
        self.retries = settings.get("max_retries", 2)
        self.asked: float | None = None
        self._loop = asyncio.get_running_loop()
        self._began = self._sent = self._progress = self._loop.time()
        self._progressed = False
        self._end = None if self.whole_s is None else self._sent + self.whole_s
        self._wait = _Wait(self._loop)

    def left(self) -> float:
        """Seconds left of the whole request."""
        return float("inf") if self._end is None else self._end - self._loop.time()

    def allows_wait(self, seconds: float) -> bool:
        """Whether to wait `seconds` for another attempt: nobody is to wait for several first events in turn."""
        waited = self._loop.time() - self._began
        return seconds < self.left() and waited + seconds < self.first_event_s

    def sent(self) -> None:
        """The request goes out now."""
        self._sent = self._progress = self._loop.time()

    def progressed(self) -> None:
        """A piece of the answer has come."""
        self._progressed = True

    def within(self, phase: str, seconds: float) -> _Wait:
        """A context that raises ModelTimeout when its block takes longer than `seconds`, or longer than is left.

        The first event is timed from when the request went out, progress from the last piece of the answer. One block
        at a time.
        """
        now = self._loop.time()
        if self._progressed:
            self._progress, self._progressed = now, False
        due = self._sent + seconds if phase == "first event" else now + seconds
        if phase == "idle" and self._progress + self.progress_s < due:
            phase, seconds, due = "progress", self.progress_s, self._progress + self.progress_s
        if self._end is not None and self._end < due and self.whole_s is not None:
            phase, seconds, due = "whole request", self.whole_s, self._end
        wait = self._wait
        wait.phase, wait.seconds, wait.due = phase, seconds, due
        return wait

    def close(self) -> None:
        """The request is over: leave no timer behind."""
        self._wait.close()


class _Wait:
    """One wait after another under one timer; like `asyncio.timeout_at`, it takes only its own cancel for a timeout.

    phase: the limit that is meant.   seconds: how long it is, for the error.   due: the loop's time when it has passed.
    """

    __slots__ = ("_cancelling", "_loop", "_passed", "_task", "_timer", "due", "phase", "seconds")

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.phase, self.seconds, self.due = "", 0.0, 0.0
        self._loop = loop
        self._task: asyncio.Task[Any] | None = None  # who waits
        self._cancelling = 0
        self._timer: asyncio.TimerHandle | None = None
        self._passed = False

    def __enter__(self) -> None:
        task = asyncio.current_task(self._loop)
        if task is None:
            raise RuntimeError("A provider can only be waited for inside a task")
        self._task, self._cancelling = task, task.cancelling()
        if self._timer is None or self._timer.when() > self.due:
            self._set()

    def __exit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, where: TracebackType | None
    ) -> None:
        task, self._task = self._task, None
        if not self._passed:
            return
        self._passed = False
        assert task is not None
        if task.uncancel() <= self._cancelling and kind is not None and issubclass(kind, asyncio.CancelledError):
            raise ModelTimeout(self.phase, self.seconds) from exc

    def close(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _set(self) -> None:
        self.close()
        self._timer = self._loop.call_at(self.due, self._ring, self.due)

    def _ring(self, at: float) -> None:
        self._timer = None
        if self._task is None:  # the reader is busy; the next wait sets the timer
            return
        if at < self.due:
            self._set()
            return
        self._passed = True
        self._task.cancel()
