"""How often a stream is read while many are read in one event loop.

A piece that comes by itself costs far more to wait for than to read: the loop wakes, the bytes go through the socket
and the HTTP parser, and a task is woken in its turn. A few streams are read as fast as they come. Of many, each is left
alone for a moment after it was read; what comes meanwhile waits in the socket and is read at once. So a piece is late
by the gap at most, a piece after a pause is not late at all, and what the streams cost together does not grow with how
finely they are cut.
"""

from __future__ import annotations

import asyncio
import math
import weakref
from collections.abc import Iterator
from contextlib import contextmanager

__all__ = ["LONGEST_GAP_S", "Pace", "Rhythm", "pace_of"]

GAP_PER_STREAM_S = 0.002
LONGEST_GAP_S = 0.2

_SHORTEST_GAP_S = 0.01
"""To leave a stream alone for less than that costs more than to read it."""


class Pace:
    """The pace of all streams of one event loop."""

    def __init__(self) -> None:
        self._streams = 0

    @property
    def gap_s(self) -> float:
        """Seconds from when a stream was read until it is read again; 0: whenever there is something."""
        gap_s = min(self._streams * GAP_PER_STREAM_S, LONGEST_GAP_S)
        return gap_s if gap_s >= _SHORTEST_GAP_S else 0.0

    @contextmanager
    def joined(self) -> Iterator[Rhythm]:
        """One more stream is read inside."""
        self._streams += 1
        try:
            yield Rhythm(self)
        finally:
            self._streams -= 1


class Rhythm:
    """When one stream is read again."""

    def __init__(self, pace: Pace) -> None:
        self._pace = pace
        self._time = asyncio.get_running_loop().time
        self._read_at = -math.inf

    def rest_s(self) -> float:
        """How long it is to be left alone from now on; 0 or less: read it."""
        gap_s = self._pace.gap_s
        return self._read_at + gap_s - self._time() if gap_s else 0.0

    def has_read(self) -> None:
        self._read_at = self._time()


_paces: weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, Pace] = weakref.WeakKeyDictionary()


def pace_of(loop: asyncio.AbstractEventLoop) -> Pace:
    """The pace of the streams that are read in `loop`."""
    found = _paces.get(loop)
    if found is None:
        found = _paces[loop] = Pace()
    return found
