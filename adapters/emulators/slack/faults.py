"""Failures to order, and the log of every call: what a test asks of the Web API that Slack would not."""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from typing import Any


@dataclass(slots=True)
class ApiCall:
    """One call as it came in and as it ended.

    args: as sent, without the token; token: "bot", "app", "other" or "none"; at: emulator time.
    status: HTTP status, None while running and when the answer was lost on purpose; error: Slack's name for it.
    """

    method: str
    args: dict[str, Any]
    token: str
    at: float
    status: int | None = None
    error: str | None = None
    took_effect: bool = False
    answered_at: float | None = None


@dataclass(slots=True)
class Fault:
    """A failure to come. With neither error nor status the connection is cut. after_effect: the call is done first."""

    error: str | None
    status: int | None
    times: int
    retry_after: int | None
    after_effect: bool


@dataclass(slots=True)
class Faults:
    """What was ordered, per method; used up in the order it was asked for.

    lost_share: of all answers, those that get lost after the call took effect; chance decides which.
    """

    delays: dict[str, float] = field(default_factory=dict)
    lost_share: float = 0.0
    chance: random.Random = field(default_factory=random.Random)
    _queued: dict[str, list[Fault]] = field(default_factory=dict)

    def order(self, method: str, fault: Fault) -> None:
        self._queued.setdefault(method, []).append(fault)

    def next(self, method: str) -> Fault | None:
        """Return the fault for this call and count it used, or None."""
        queue = self._queued.get(method)
        if not queue:
            lost = self.lost_share > 0 and self.chance.random() < self.lost_share
            return Fault(None, None, 1, None, after_effect=True) if lost else None
        queue[0].times -= 1
        return queue[0] if queue[0].times > 0 else queue.pop(0)
