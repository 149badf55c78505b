"""The event stream of a run for callers who do not write asyncio."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from core.agent._loop_thread import LoopThread
from core.agent.events import RunEvents
from core.agent.response import RunResponse
from core.messages import ModelMessage, UserContent
from core.models.usage import Usage

__all__ = ["SyncRunEvents"]


class SyncRunEvents(Iterator[RunResponse]):
    """The events of one run, read once, in a plain `for`; see `RunEvents` for what comes.

    Dropping it, `close()`, or leaving its context ends the run and reads the provider no further.
    """

    def __init__(self, events: RunEvents, loop: LoopThread) -> None:
        self._events = events
        self._loop = loop
        self._items = loop.iterate(events)

    @property
    def run_response(self) -> RunResponse | None:
        """The last event, with the totals; None while the run goes on."""
        return self._events.run_response

    def usage(self) -> Usage:
        """What the run has used so far."""
        return self._events.usage()

    def all_messages(self) -> list[ModelMessage]:
        """The history as it is now."""
        return self._events.all_messages()

    def new_messages(self) -> list[ModelMessage]:
        """The part of the history this run added."""
        return self._events.new_messages()

    def cancel(self, reason: str = "cancelled") -> None:
        """Stop the run from any thread: whoever reads gets the "RunCancelled" event next. See `RunEvents.cancel`."""
        if self._loop.is_open:
            self._loop.loop.call_soon_threadsafe(self._events.cancel, reason)

    def steer(self, content: str | Sequence[UserContent]) -> bool:
        """Say something to the model in its next request, from any thread. See `RunEvents.steer`."""
        return self._events.steer(content)

    def close(self) -> None:
        """End the run, if it still goes on. Safe to call more than once."""
        self._items.close()

    def __enter__(self) -> SyncRunEvents:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()

    def __iter__(self) -> SyncRunEvents:
        return self

    def __next__(self) -> RunResponse:
        return next(self._items)
