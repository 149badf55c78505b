"""LocalBudget: the budgets of one process; see `core.replies.budget` for what it decides."""

from __future__ import annotations

import asyncio
import logging
import math
from collections import Counter
from collections.abc import Sequence

from core.replies.account import Account
from core.replies.budget import ENDS, ROUNDING, Closure, Grant, Heard, Priority, named
from core.replies.surface import Bucket, Draws, Rate, Window

log = logging.getLogger(__name__)

_FORGET_AFTER_S = 600.0


class LocalBudget:
    """The budgets of one process. share: the part of each that this process may use. Times are loop times (s)."""

    def __init__(self, share: float = 1.0) -> None:
        self._share = share
        self._accounts: dict[tuple[str, str], Account] = {}
        self.refusals: Counter[str] = Counter()
        """How often a platform has refused a call, by scope."""

    async def take(
        self, draws: Draws, stream: str, priority: Priority, *, patience_s: float = math.inf, apart: bool = False
    ) -> Grant:
        now = asyncio.get_running_loop().time()
        return self.take_at(now, draws, stream, priority, patience_s=patience_s, apart=apart)

    def gap_s(self, draws: Draws) -> float:
        return self.gap_at(asyncio.get_running_loop().time(), draws)

    def spare(self, draws: Draws) -> Grant:
        now = asyncio.get_running_loop().time()
        return self.take_at(now, draws, "", Priority.STATUS, patience_s=0.0)

    async def refused(self, draws: Draws, bucket: str, retry_after_s: float) -> None:
        self.refused_at(asyncio.get_running_loop().time(), draws, bucket, retry_after_s)

    async def used_up(self, draws: Draws, bucket: str, full_in_s: float) -> None:
        self.used_up_at(asyncio.get_running_loop().time(), draws, bucket, full_in_s)

    def take_at(
        self,
        now: float,
        draws: Draws,
        stream: str,
        priority: Priority,
        *,
        patience_s: float = math.inf,
        apart: bool = False,
    ) -> Grant:
        accounts = [self._account(draws.scope, bucket, now) for bucket in draws.buckets]
        end = self._account(draws.scope, draws.end, now) if draws.end else None
        everywhere = accounts if end is None else [*accounts, end]
        for account in everywhere:
            account.refresh(now)
        if priority in ENDS:
            for account in everywhere:
                account.ended(stream)
        elif end is None or stream not in end.alive:
            for account in accounts:
                account.count(stream, now, apart=apart and end is None)
        widest, promised = accounts[-1], True
        waited = widest.has_told(stream, priority)
        opens = [account.opens_at(stream, priority, now, apart=apart) for account in accounts]
        if end is not None and priority not in ENDS and not end.has_promised(stream):
            room, promised = _room(end, widest, stream, priority, now, apart=apart, waited=waited)
            opens[-1] = max(opens[-1], room)
        at = max(opens)
        go = at <= now + ROUNDING
        for account, its in zip(accounts, opens, strict=True):
            if go:
                account.spend(now)
            elif its > now + ROUNDING and at - now <= patience_s and stream:
                account.line[stream] = at, priority
        if go and priority not in ENDS:
            _begun(accounts, end, stream, priority, now, promised=promised)
        wait = 0.0 if go else at - now
        gap = _heard(accounts if end is None else [end], now)  # an answer that was begun goes on there
        for account in everywhere:
            account.expect(stream, now + wait + 2 * gap)
        return Grant(go, wait, gap, promised, _longest(draws, [account.closed_until - now for account in accounts]))

    def gap_at(self, now: float, draws: Draws) -> float:
        accounts = (self._accounts.get((draws.scope, bucket.name)) for bucket in draws.buckets)
        return max((one.heard.gap_at(now) for one in accounts if one is not None and one.heard), default=0.0)

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

    def _account(self, scope: str, bucket: Bucket, now: float) -> Account:
        quota = _part(bucket.quota, self._share)
        account = self._accounts.get((scope, bucket.name))
        if account is None:
            self._forget_idle(now)
            burst = quota.burst if isinstance(quota, Rate) else 0.0
            account = self._accounts[scope, bucket.name] = Account(quota, now, burst)
        account.quota = quota  # what is known of it may have changed
        return account

    def _forget_idle(self, now: float) -> None:
        for key, account in list(self._accounts.items()):
            if now - max(account.at, account.closed_until) > _FORGET_AFTER_S:
                del self._accounts[key]


def _room(
    end: Account, posts: Account, stream: str, priority: Priority, now: float, *, apart: bool, waited: bool
) -> tuple[float, bool]:
    """When an answer can be begun whose end will draw on `end`, or on `posts` if it may come `apart`; and whether it is
    promised a place in the same message. waited: it has a place in line."""
    promise_at = end.promise_at(now)
    promised = promise_at <= now + ROUNDING
    hopeful = len(end.apart) - (stream in end.apart) + (not promised)
    elsewhere = max(0.0, hopeful - max(0.0, -end.lacks(1 if promised else 0)))
    unbegun = len(posts.alive) - (stream in posts.alive)
    room = posts.room_at(elsewhere + unbegun, priority, now, waited=waited)
    return (room if promised or apart else max(room, promise_at)), promised


def _begun(
    accounts: Sequence[Account], end: Account | None, stream: str, priority: Priority, now: float, *, promised: bool
) -> None:
    """Note what the call that goes now shows of an answer: from now on its end draws on `end`, if that is given."""
    for account in accounts:
        if end is not None:
            account.ended(stream)
        elif priority is Priority.INTERIM:
            account.apart.discard(stream)
    if end is not None:
        end.count(stream, now, apart=not promised)


def _heard(accounts: Sequence[Account], now: float) -> float:
    """The gap as these tell it now, which is noted."""
    for account in accounts:
        account.heard = Heard(now, account.gap_s(now))
    return max(account.heard.gap_s for account in accounts if account.heard)


def _longest(draws: Draws, seconds: Sequence[float]) -> Closure | None:
    bucket, longest = max(zip(draws.buckets, seconds, strict=True), key=lambda one: one[1])
    return Closure(bucket.name, longest) if longest > 0 else None


def _part(quota: Rate | Window, share: float) -> Rate | Window:
    if share == 1.0:
        return quota
    if isinstance(quota, Window):
        return Window(max(1, int(quota.calls * share)), quota.seconds)
    return Rate(max(1.0, quota.burst * share), quota.per_s * share)
