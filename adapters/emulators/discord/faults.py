"""Things that go wrong on purpose: errors, lost answers, slowness, rate limits, by route."""

from __future__ import annotations

import random
import re
from collections.abc import Callable
from dataclasses import dataclass

from .errors import ApiError, known
from .ratelimits import Refused


@dataclass(slots=True)
class Fault:
    """What is to go wrong with matching calls, `times` times and until `until`.

    status: HTTP status, 0 to cut the connection without an answer.   after_effect: do what was asked first.
    delay_s: wait first; with status None that is all.   refused: answer 429.   happens: asked for each matching call.
    """

    pattern: re.Pattern[str]
    status: int | None = None
    code: int = 0
    message: str | None = None
    times: int | None = 1
    until: float | None = None
    after_effect: bool = False
    delay_s: float = 0.0
    refused: Refused | None = None
    happens: Callable[[], bool] = lambda: True

    def error(self) -> ApiError:
        """The answer, in Discord's words where `code` is known."""
        words = known(self.code) if self.code else None
        status = self.status or (words[0] if words else 500)
        text = self.message or (words[1] if words else f"{status}: Internal Server Error")
        return ApiError(status, {"message": text, "code": self.code})


class Faults:
    """The faults waiting to happen, tried in the order they were set."""

    def __init__(self) -> None:
        self._waiting: list[Fault] = []

    def add(self, fault: Fault) -> None:
        self._waiting.append(fault)

    def clear(self) -> None:
        self._waiting.clear()

    def take(self, method: str, path: str, now: float) -> list[Fault]:
        """The faults this call meets: any delays, and at most one that fails it."""
        self._waiting = [one for one in self._waiting if one.times != 0 and not (one.until and now >= one.until)]
        met: list[Fault] = []
        for fault in self._waiting:
            if not fault.pattern.fullmatch(f"{method} {path}"):
                continue
            fails = fault.status is not None or fault.refused is not None
            if fails and any(one.status is not None or one.refused is not None for one in met):
                continue
            if not fault.happens():
                continue
            if fault.times is not None:
                fault.times -= 1
            met.append(fault)
        return met


def by_chance(share: float, seed: int) -> Callable[[], bool]:
    """True that often in the long run, and the same way each time it is made."""
    chance = random.Random(seed)
    return lambda: chance.random() < share


def pattern_of(text: str) -> re.Pattern[str]:
    """Read a route pattern: `PATCH /channels/*/messages/*`, `/interactions/*`, `*`.

    `*` at the end stands for anything, elsewhere and as `{name}` for one part of the path. Without a method, all.
    The path begins after `/api/v10`.
    """
    method, space, path = text.strip().rpartition(" ")
    path = path if path.startswith(("/", "*")) else f"/{path}"
    parts = re.split(r"(\{[^}]*\}|\*$|\*)", path)
    last = len(parts) - 2
    body = "".join(_piece(part, last=index == last and not parts[-1]) for index, part in enumerate(parts))
    return re.compile((re.escape(method) if space else "[A-Z]+") + " " + body)


def _piece(part: str, *, last: bool) -> str:
    if part == "*" and last:
        return ".*"
    return "[^/]+" if part == "*" or part.startswith("{") else re.escape(part)
