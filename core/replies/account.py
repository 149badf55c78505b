"""Account: what is known of one budget of a platform; see `core.replies.budget` for the theory."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

from core.replies.budget import ALIVE_S, ENDS, FIRST_TEXTS, HOPE_S, LATE_S, ROUNDING, STEEPNESS, Heard, Priority
from core.replies.surface import Rate, Window


def spared(priority: Priority, alive: int, quota: Rate | Window) -> float:
    """How many of the places of a budget a call must leave untouched while `alive` answers are written."""
    most = quota.calls if isinstance(quota, Window) else quota.burst
    match priority:
        case Priority.FINAL:
            return 0
        case Priority.FIRST:
            return most // 12 if isinstance(quota, Window) else most // 4
        case Priority.NOTICE:
            return most // 8 if isinstance(quota, Window) else most // 4
        case Priority.STATUS | Priority.LATE:
            return most // 4 if isinstance(quota, Window) else most // 3
        case _:
            return min(alive + 2, most - 1) if isinstance(quota, Window) else min(alive, most // 2)


def thrift(stretch: float) -> float:
    """The gap that the places left ask for, in units of the even interval, if they must last `stretch` times longer
    than even ones would: little at first, and from 3 on exactly as long as they must last."""
    return stretch**3 / 9 if stretch < 3 else stretch


@dataclass(slots=True)
class Account:
    """What is known of one bucket.

    calls: when the calls of the running window went (Window).  tokens, at: what was left then (Rate).
    alive: Replies whose end will draw here, by the time until which they count.  apart: those of them whose end may
    come in a message of its own instead.  line: who waits, with the time he was told and his Priority.  heard: what was
    told to the last question.
    """

    quota: Rate | Window
    at: float
    tokens: float
    calls: list[float] = field(default_factory=list)
    closed_until: float = -math.inf
    alive: dict[str, float] = field(default_factory=dict)
    apart: set[str] = field(default_factory=set)
    line: dict[str, tuple[float, Priority]] = field(default_factory=dict)
    heard: Heard | None = None

    def refresh(self, now: float) -> None:
        if isinstance(self.quota, Window):
            gone = now - self.quota.seconds + ROUNDING
            self.calls = [call for call in self.calls if call > gone]
        else:
            since = max(self.at, min(self.closed_until, now))  # a closed bucket does not fill
            self.tokens = min(self.quota.burst, self.tokens + max(now - since, 0.0) * self.quota.per_s)
        self.at = max(self.at, now)
        self.alive = {stream: until for stream, until in self.alive.items() if until > now}
        self.apart &= self.alive.keys()
        self.line = {stream: told for stream, told in self.line.items() if told[0] > now - LATE_S}

    def _most(self) -> float:
        return self.quota.calls if isinstance(self.quota, Window) else self.quota.burst

    def _open_to(self, priority: Priority, *, apart: bool = False) -> float:
        """How many of the places are open to calls of that priority: at least one, unless it shows an end that may come
        `apart`, in a message of its own. That leaves what was promised, and some places for those who begin."""
        if apart and priority in ENDS:
            for_others = self.promised + spared(Priority.FIRST, 0, self.quota)
            return max(0.0, self._most() - max(for_others, spared(priority, 0, self.quota)))
        return max(1.0, self._most() - spared(priority, len(self.alive), self.quota))

    @property
    def promised(self) -> int:
        """How many answers can end nowhere but here."""
        return len(self.alive) - len(self.apart)

    def _used(self) -> float:
        return len(self.calls) if isinstance(self.quota, Window) else self.quota.burst - self.tokens

    def _interval(self, priority: Priority) -> float:
        """Seconds between two calls of that priority when they come evenly."""
        if isinstance(self.quota, Window):
            return self.quota.seconds / self._open_to(priority)
        return 1.0 / self.quota.per_s

    def _ahead(self, priority: Priority) -> list[float]:
        """The times that were told to all whom a call of that priority does not overtake."""
        return sorted(told for told, rank in self.line.values() if rank <= priority)

    def _back_at(self, missing: float, ahead: list[float], now: float) -> float:
        """When `missing` places will have come back, of those that are used or have been told to who is `ahead`; of a
        window those of calls that nobody has thought of yet are its length away."""
        at = max(now, self.closed_until)
        if missing <= 0:
            return at
        if isinstance(self.quota, Rate):
            return at + missing / self.quota.per_s
        calls = self.calls + ahead
        last = calls[int(missing) - 1] if int(missing) <= len(calls) else now
        return max(at, last + self.quota.seconds)

    def has_told(self, stream: str, priority: Priority) -> bool:
        """Whether that call has a place in line."""
        told = self.line.get(stream)
        return told is not None and told[1] == priority

    def opens_at(self, stream: str, priority: Priority, now: float, *, apart: bool) -> float:
        """When the next call of that priority fits, `now` if it does already. Takes `stream` out of the line."""
        waited = self.has_told(stream, priority)
        self.line.pop(stream, None)
        return self._turn_at(self._used() + 1 - self._open_to(priority, apart=apart), priority, now, waited=waited)

    def spend(self, now: float) -> None:
        if isinstance(self.quota, Window):
            self.calls.append(now)
        else:
            self.tokens -= 1.0

    def gap_s(self, now: float) -> float:
        mine, used, interval = self._open_to(Priority.INTERIM), self._used(), self._interval(Priority.INTERIM)
        alive = len(self.alive)
        even = alive * interval
        gap = even * math.pow(min(1.0, max(0.0, used / mine)), STEEPNESS / max(alive, 1) ** 2)
        if isinstance(self.quota, Window) and self.calls and used < mine:
            frees_in = self.calls[0] + self.quota.seconds - now
            gap = max(gap, min(even * thrift(frees_in / (mine - used) / interval), frees_in))
        return gap

    def lacks(self, more: int) -> float:
        """How many places are missing for the ends that were promised here, and for so many more."""
        return self._used() + len(self._ahead(Priority.FINAL)) + self.promised + more - self._most()

    def promise_at(self, now: float) -> float:
        """When the end of one answer more can be promised a place."""
        return max(now, self._back_at(self.lacks(1), self._ahead(Priority.FINAL), now) - HOPE_S)

    def room_at(self, ends: float, priority: Priority, now: float, *, waited: bool) -> float:
        """When a call of that priority leaves places for `ends` that are still to come. waited: it stands in line."""
        missing = self._used() + 1 + ends - self._open_to(priority)
        return self._turn_at(missing, priority, now, waited=waited, hope_s=HOPE_S)

    def _turn_at(self, missing: float, priority: Priority, now: float, *, waited: bool, hope_s: float = 0.0) -> float:
        """When `missing` places will have come back besides those of who is ahead. Who `waited` has nobody ahead of
        him; but a first text whose place an end has taken stands in line anew, or all of them would come again with
        every place."""
        if waited:
            at = max(now, self._back_at(missing, [], now) - hope_s)
            if at <= now + ROUNDING or priority not in FIRST_TEXTS:
                return at
        ahead = self._ahead(priority)
        return max(now, self._back_at(missing + len(ahead), ahead, now) - hope_s)

    def has_promised(self, stream: str) -> bool:
        """Whether the end of that answer has a place here that nobody else may take."""
        return stream in self.alive and stream not in self.apart

    def count(self, stream: str, now: float, *, apart: bool) -> None:
        """Note that the end of an answer will draw here, or may come apart."""
        if stream:
            self.alive[stream] = max(self.alive.get(stream, 0.0), now + ALIVE_S)
            (self.apart.add if apart else self.apart.discard)(stream)

    def expect(self, stream: str, until: float) -> None:
        """Note that an answer that is alive will call again at that time at the latest."""
        if stream in self.alive:
            self.alive[stream] = until + ALIVE_S

    def ended(self, stream: str) -> None:
        """Note that an answer draws here no more."""
        self.alive.pop(stream, None)
        self.apart.discard(stream)

    def close(self, now: float, until: float) -> None:
        """Nothing goes before `until`, then one call; what was used comes back evenly."""
        self.closed_until = max(self.closed_until, until)
        if isinstance(self.quota, Window):
            seconds, missing = self.quota.seconds, self.quota.calls - len(self.calls)
            start = self.closed_until - seconds
            self.calls += [start + (place + 1) * seconds / self.quota.calls for place in range(missing)]
            self.calls.sort()
        else:
            self.tokens = min(self.tokens, 1.0)

    def fill_by(self, until: float) -> None:
        """Nothing goes before `until`; then all that Rate allows at once goes again."""
        self.closed_until = max(self.closed_until, until)
        if isinstance(self.quota, Rate):
            self.tokens = self.quota.burst
