"""Lets a caller see the messages of a run that raised."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field

from core.messages import ModelMessage

__all__ = ["capture_run_messages", "history_of_run"]


@dataclass
class _Capture:
    messages: list[ModelMessage] = field(default_factory=list)
    taken: bool = False


_current: ContextVar[_Capture | None] = ContextVar("capture_run_messages", default=None)


@contextmanager
def capture_run_messages() -> Iterator[list[ModelMessage]]:
    """The messages of the first run inside the context, kept however the run ends."""
    if (outer := _current.get()) is not None:
        yield outer.messages
        return
    capture = _Capture()
    token = _current.set(capture)
    try:
        yield capture.messages
    finally:
        _current.reset(token)


def history_of_run(history: Sequence[ModelMessage] | None) -> list[ModelMessage]:
    """The list a new run writes its messages to, with `history` in it: the captured one, if nobody has it yet."""
    capture = _current.get()
    if capture is None or capture.taken:
        return list(history or ())
    capture.taken = True
    capture.messages.extend(history or ())
    return capture.messages
