"""The event stream of a run for callers who do not write asyncio."""

from __future__ import annotations

from collections.abc import Iterator

from core.agent._loop_thread import LoopThread
from core.agent.events import RunEvents
from core.agent.response import RunResponse
from core.messages import ModelMessage
from core.models.usage import Usage

__all__ = ["SyncRunEvents"]


class SyncRunEvents(Iterator[RunResponse]):
    """The events of one run, read once, in a plain `for`; see `RunEvents` for what comes.

    Dropping it, `close()`, or leaving its context ends the run and reads the provider no further.
    """

    def __init__(self, events: RunEvents, loop: LoopThread) -> None:
        self._events = events
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
