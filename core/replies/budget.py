"""RateBudget: whether a call to a platform may go now, and if not, when to come back.

Theory. A platform keeps budgets: so many calls of one kind for one workspace, channel or bot, whoever makes them and
in whichever process. Whoever goes over one is refused for a while, and all who share it with him. So every call asks
first, and the answer is `Grant(go=True)` or the moment to ask again.

*Who goes first.* Interim edits are worth little, the first and the last text much. Each call has a Priority, and a
share of the budget that it must leave untouched: a final text may use all of it, an interim edit leaves a place for
each answer that is being written just now, because each of them will need one for its end. So finals land at once as
long as they alone do not exhaust the budget. (Of a leaky bucket no more than half is left: it is soon full again.)

*How often one answer is edited.* With n answers alive, and places for one interim call every s seconds, each answer may
go every n * s seconds: that is `Grant.gap_s`. While little of the budget is used the gap is much smaller (a short
answer after a quiet time may use up what nobody else wanted), and it grows towards n * s as the use x of the budget
grows to 1: gap = n * s * x ** 8. What was spent quickly is missing until its window has passed: so that a long answer
does not stand still then, the gap also grows when the places that are left have to last for long. Answers are
counted by their calls; one that makes none for a while, or whose process has died, is forgotten.

*Who waits, waits in line.* A call that finds no place is told when there will be one: what has been told to others
before, of its own and of every higher priority, counts as calls that have been made at those times. When it comes back
at that time it need not stand in line again. So no answer starves, the one that was shown longest ago goes first, and
nobody polls.

*What a shown answer will still cost.* Whoever shows the beginning of an answer needs one call more for its end, on a
budget that may be much narrower (`Draws.end`). So an answer is begun only while there is a place for its end, behind
those of all that are alive: there or, as a message of its own, where it was begun. Otherwise it waits, and comes whole,
with one call, if it is complete by then. How long the end would wait for the narrower one is `Grant.end_s`.

*What the platform says* counts more than all this: Retry-After closes a bucket for everybody until then, and
afterwards its places come back one by one, not all at once.

No waiting happens here: times go in, times come out. `LocalBudget` is the budget of one process; `SharedBudget`
(core.replies.shared_budget) does the same in Redis for all of them, with this one to fall back to.
"""

from __future__ import annotations

import asyncio
import logging
import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Protocol

from core.replies.surface import Bucket, Draws, Rate, Window

log = logging.getLogger(__name__)

STEEPNESS = 8
"""How suddenly the gap grows as the budget is used up; see above. Measured in `benchmarks/replies`."""

ALIVE_S = 60.0
"""How long an answer counts as alive after a call, beyond twice its gap."""

CALL_S = 2.0
"""How long a call takes at most, as a rule: the next gap begins when it has been answered."""

LATE_S = 2.0
"""How long a place in line is kept for who does not come at the time he was told."""

_FORGET_AFTER_S = 600.0
_ROUNDING = 1e-6


class Priority(IntEnum):
    """What a call is worth, best first. NOTICE: the end of an answer that was stopped or failed."""

    FINAL = 0
    FIRST = 1
    NOTICE = 2
    STATUS = 3
    INTERIM = 4


BEGINNINGS = (Priority.FIRST, Priority.STATUS)
"""What a call is worth that may show the beginning of an answer."""


@dataclass(frozen=True, slots=True)
class Closure:
    """The platform lets nothing through on `bucket` for `seconds`."""

    bucket: str
    seconds: float


@dataclass(frozen=True, slots=True)
class Outlook:
    """gap_s, end_s: as in `Grant`."""

    gap_s: float = 0.0
    end_s: float = 0.0


@dataclass(frozen=True, slots=True)
class Heard:
    """What was heard of a budget, and when. Nothing of it lasts: a quiet hour later the budget is full again."""

    at: float
    gap_s: float
    end_s: float

    def outlook(self, now: float) -> Outlook:
        age = now - self.at
        return Outlook(self.gap_s if age <= self.gap_s + CALL_S else 0.0, max(0.0, self.end_s - age))


@dataclass(frozen=True, slots=True)
class Grant:
    """go: the call may be made now, and is accounted for.  wait_s: if not, when to ask again.
    gap_s: the time between two interim calls of one answer, as things stand.
    end_s: how long the end of one more answer would wait, as things stand.
    closure: what the platform itself has closed for the longest time, None when nothing is closed."""

    go: bool
    wait_s: float
    gap_s: float
    end_s: float = 0.0
    closure: Closure | None = None


class RateBudget(Protocol):
    """Shared by all Replies of a process. Nothing here raises: an answer is never lost for want of a budget."""

    async def take(self, draws: Draws, stream: str, priority: Priority, *, patience_s: float = math.inf) -> Grant:
        """Ask for one call now; who is told to come back keeps the place in line if he does so at that time.

        stream: names the Reply, "" for a call that belongs to none.  patience_s: who would have to wait for longer does
        something else, and does not stand in line.
        """
        ...

    def outlook(self, draws: Draws) -> Outlook:
        """What was last heard, as far as it still counts, without asking."""
        ...

    def spare(self, draws: Draws) -> Grant:
        """Take one call that is worth nothing later, a status, out of what this process may use by itself, without
        asking."""
        ...

    async def refused(self, draws: Draws, bucket: str, retry_after_s: float) -> None:
        """The platform refused a call: nothing goes on `bucket`, or the first of `draws`, for that time."""
        ...

    async def used_up(self, draws: Draws, bucket: str, full_in_s: float) -> None:
        """The platform took a call, and says that nothing goes on `bucket` until it is full again in that time."""
        ...


def named(draws: Draws, bucket: str) -> Bucket:
    """The bucket of that name among those that a call draws on, the first for any other name."""
    return next((one for one in draws.buckets if one.name == bucket), draws.buckets[0])


def spared(priority: Priority, alive: int, quota: Rate | Window) -> float:
    """How many of the places of a budget a call must leave untouched while `alive` answers are written."""
    most = quota.calls if isinstance(quota, Window) else quota.burst
    match priority:
        case Priority.FINAL:
            return 0
        case Priority.FIRST:
            return most // 12
        case Priority.NOTICE:
            return most // 8
        case Priority.STATUS:
            return most // 4
        case _:
            return min(alive + 2, most - 1) if isinstance(quota, Window) else min(alive, most // 2)


def thrift(stretch: float) -> float:
    """The gap that the places left ask for, in units of the even interval, if they must last `stretch` times longer
    than even ones would: little at first, and from 3 on exactly as long as they must last."""
    return stretch**3 / 9 if stretch < 3 else stretch


@dataclass(slots=True)
class _Account:
    """What is known of one bucket.

    calls: when the calls of the running window went (Window).  tokens, at: what was left then (Rate).
    alive: Replies, by the time until which they count.  line: who waits, with the time he was told and his Priority.
    heard: what was told to the last question.
    """

    quota: Rate | Window
    at: float
    tokens: float
    calls: list[float] = field(default_factory=list)
    closed_until: float = -math.inf
    alive: dict[str, float] = field(default_factory=dict)
    line: dict[str, tuple[float, Priority]] = field(default_factory=dict)
    heard: Heard | None = None

    def refresh(self, now: float) -> None:
        if isinstance(self.quota, Window):
            gone = now - self.quota.seconds + _ROUNDING
            self.calls = [call for call in self.calls if call > gone]
        else:
            since = max(self.at, min(self.closed_until, now))  # a closed bucket does not fill
            self.tokens = min(self.quota.burst, self.tokens + max(now - since, 0.0) * self.quota.per_s)
        self.at = max(self.at, now)
        self.alive = {stream: until for stream, until in self.alive.items() if until > now}
        self.line = {stream: told for stream, told in self.line.items() if told[0] > now - LATE_S}

    def _most(self) -> float:
        return self.quota.calls if isinstance(self.quota, Window) else self.quota.burst

    def _open_to(self, priority: Priority) -> float:
        """How many of the places are open to calls of that priority, at least one."""
        return max(1.0, self._most() - spared(priority, len(self.alive), self.quota))

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

    def opens_at(self, stream: str, priority: Priority, now: float) -> float:
        """When the next call of that priority fits, `now` if it does already. Takes `stream` out of the line."""
        waited = self.has_told(stream, priority)
        self.line.pop(stream, None)
        ahead = [] if waited else self._ahead(priority)
        return self._back_at(self._used() + len(ahead) + 1 - self._open_to(priority), ahead, now)

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

    def short_of(self) -> float:
        """How many places are missing for the end of one answer more, behind those of all that are alive."""
        return self._used() + len(self._ahead(Priority.FINAL)) + len(self.alive) + 1 - self._most()

    def end_s(self, now: float) -> float:
        """How long the end of one more answer would wait, behind those of all that are alive."""
        return self._back_at(self.short_of(), self._ahead(Priority.FINAL), now) - now

    def begins_at(self, ends: float, now: float, *, waited: bool) -> float:
        """When there is a place for a beginning, and for `ends` besides that find none elsewhere. waited: in line."""
        ahead = [] if waited else self._ahead(Priority.FIRST)
        return self._back_at(self._used() + len(ahead) + 1 + ends - self._open_to(Priority.FIRST), ahead, now)

    def count(self, stream: str, priority: Priority, until: float) -> None:
        """Note that an answer is alive until then at least, or that it has ended."""
        if priority in (Priority.FINAL, Priority.NOTICE):
            self.alive.pop(stream, None)
        elif stream:
            self.alive[stream] = max(self.alive.get(stream, 0.0), until)

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


class LocalBudget:
    """The budgets of one process. share: the part of each that this process may use. Times are loop times (s)."""

    def __init__(self, share: float = 1.0) -> None:
        self._share = share
        self._accounts: dict[tuple[str, str], _Account] = {}
        self.refusals: Counter[str] = Counter()
        """How often a platform has refused a call, by scope."""

    async def take(self, draws: Draws, stream: str, priority: Priority, *, patience_s: float = math.inf) -> Grant:
        return self.take_at(asyncio.get_running_loop().time(), draws, stream, priority, patience_s=patience_s)

    def outlook(self, draws: Draws) -> Outlook:
        return self.outlook_at(asyncio.get_running_loop().time(), draws)

    def spare(self, draws: Draws) -> Grant:
        now = asyncio.get_running_loop().time()
        return self.take_at(now, draws, "", Priority.STATUS, patience_s=0.0)

    async def refused(self, draws: Draws, bucket: str, retry_after_s: float) -> None:
        self.refused_at(asyncio.get_running_loop().time(), draws, bucket, retry_after_s)

    async def used_up(self, draws: Draws, bucket: str, full_in_s: float) -> None:
        self.used_up_at(asyncio.get_running_loop().time(), draws, bucket, full_in_s)

    def take_at(
        self, now: float, draws: Draws, stream: str, priority: Priority, *, patience_s: float = math.inf
    ) -> Grant:
        accounts = [self._account(draws.scope, bucket, now) for bucket in draws.buckets]
        end = self._account(draws.scope, draws.end, now) if draws.end else None
        for account in accounts:
            account.refresh(now)
            account.count(stream, priority, now + ALIVE_S)
        widest = accounts[-1]
        waited = widest.has_told(stream, priority)
        opens = [account.opens_at(stream, priority, now) for account in accounts]
        if end is not None:
            end.refresh(now)
            if priority in BEGINNINGS and stream not in end.alive:
                room = now + end.end_s(now)
                if priority is Priority.FIRST:
                    room = min(room, widest.begins_at(max(0.0, end.short_of()), now, waited=waited))
                opens[-1] = max(opens[-1], room)
        at = max(opens)
        go = at <= now + _ROUNDING
        for account, its in zip(accounts, opens, strict=True):
            if go:
                account.spend(now)
            elif its > now + _ROUNDING and at - now <= patience_s and stream:
                account.line[stream] = at, priority
        if go and end is not None:
            end.count(stream, priority, now + ALIVE_S)
        told = [end] if end is not None else accounts  # an answer that was begun goes on there
        for account in told:
            account.heard = Heard(now, account.gap_s(now), account.end_s(now))
        gap, end_s = max(account.gap_s(now) for account in told), max(account.end_s(now) for account in told)
        wait = 0.0 if go else at - now
        for account in accounts if end is None else [*accounts, end]:
            if stream in account.alive:
                account.alive[stream] = now + wait + 2 * gap + ALIVE_S
        return Grant(go, wait, gap, end_s, _longest(draws, [account.closed_until - now for account in accounts]))

    def outlook_at(self, now: float, draws: Draws) -> Outlook:
        accounts = (self._accounts.get((draws.scope, bucket.name)) for bucket in draws.buckets)
        heard = [account.heard.outlook(now) for account in accounts if account is not None and account.heard]
        return Outlook(max((one.gap_s for one in heard), default=0.0), max((one.end_s for one in heard), default=0.0))

    def refused_at(self, now: float, draws: Draws, bucket: str, retry_after_s: float) -> None:
        refused = named(draws, bucket).name
        self.refusals[draws.scope] += 1
        log.warning("budget.refused", extra={"scope": draws.scope, "bucket": refused, "seconds": retry_after_s})
        account = self._account(draws.scope, named(draws, bucket), now)
        account.refresh(now)
        account.close(now, now + retry_after_s)

    def used_up_at(self, now: float, draws: Draws, bucket: str, full_in_s: float) -> None:
        account = self._account(draws.scope, named(draws, bucket), now)
        account.refresh(now)
        account.fill_by(now + full_in_s)

    def _account(self, scope: str, bucket: Bucket, now: float) -> _Account:
        quota = _part(bucket.quota, self._share)
        account = self._accounts.get((scope, bucket.name))
        if account is None:
            self._forget_idle(now)
            burst = quota.burst if isinstance(quota, Rate) else 0.0
            account = self._accounts[scope, bucket.name] = _Account(quota, now, burst)
        account.quota = quota  # what is known of it may have changed
        return account

    def _forget_idle(self, now: float) -> None:
        for key, account in list(self._accounts.items()):
            if now - max(account.at, account.closed_until) > _FORGET_AFTER_S:
                del self._accounts[key]


def _longest(draws: Draws, seconds: Sequence[float]) -> Closure | None:
    bucket, longest = max(zip(draws.buckets, seconds, strict=True), key=lambda one: one[1])
    return Closure(bucket.name, longest) if longest > 0 else None


def _part(quota: Rate | Window, share: float) -> Rate | Window:
    if share == 1.0:
        return quota
    if isinstance(quota, Window):
        return Window(max(1, int(quota.calls * share)), quota.seconds)
    return Rate(max(1.0, quota.burst * share), quota.per_s * share)
