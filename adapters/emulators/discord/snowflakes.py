"""Snowflakes: ids that carry their time.

Source: Discord "Reference: Snowflakes": milliseconds since 2015-01-01 UTC in the upper bits, 22 bits of worker,
process and increment below.
"""

from __future__ import annotations

from adapters.emulators.clock import Clock

EPOCH_MS = 1_420_070_400_000


class Snowflakes:
    """Hands out ids that are unique, grow, and hold the clock's time."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._last = 0

    def new(self) -> int:
        now = (int(self._clock.time() * 1000) - EPOCH_MS) << 22
        self._last = max(now, self._last + 1)
        return self._last


def time_of(snowflake: int) -> float:
    """Seconds since the epoch at which `snowflake` was made."""
    return ((snowflake >> 22) + EPOCH_MS) / 1000
