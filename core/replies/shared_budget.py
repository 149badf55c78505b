"""SharedBudget: one budget for all replicas, in Redis; see `core.replies.budget` for what it decides.

One call to a platform costs one round trip to Redis, made when the call is due; whoever is refused is told when to come
back, and how long the gap between two edits is just now costs nothing to ask (`gap_s`). When Redis does not answer at
once, this process goes on with half of each budget on its own, which two replicas may do at the same time, and
tries Redis again after a while.

An answer may be late because this process had no time to read it. So patience is counted in looks at the loop, each of
which gives it time to, and as long as Redis answers anybody here it is there.
"""

from __future__ import annotations

import asyncio
import logging
import math
from collections import Counter, OrderedDict
from collections.abc import Sequence

from core.errors import StoreUnavailable
from core.replies.budget import (
    ALIVE_S,
    HOPE_S,
    LATE_S,
    STEEPNESS,
    Closure,
    Grant,
    Heard,
    Priority,
    named,
)
from core.replies.local_budget import LocalBudget
from core.replies.surface import Bucket, Draws, Window
from core.store import Store, keys

log = logging.getLogger(__name__)

PATIENCE_S = 1.0
"""How long Redis may say nothing at all while it is asked."""

LOOKS = 5
"""How often it is looked for an answer within that time; a loop that is busy for longer looks as often, and later."""

MOST_PATIENCE_S = 15.0
"""How long one answer is waited for while there are others."""

AWAY_S = 5.0
"""How long it is left alone after it has not answered."""

_SHARE_ALONE = 0.5
_REMEMBERED = 4096


class SharedBudget:
    """Implements `core.replies.budget.RateBudget` over Redis."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._alone = LocalBudget(_SHARE_ALONE)
        self._away_until = 0.0
        self._answers = 0
        self._heard: OrderedDict[tuple[str, str], Heard] = OrderedDict()  # by scope and bucket

    @property
    def refusals(self) -> Counter[str]:
        """How often a platform has refused a call of this process, by scope."""
        return self._alone.refusals

    async def take(
        self, draws: Draws, stream: str, priority: Priority, *, patience_s: float = math.inf, apart: bool = False
    ) -> Grant:
        answer = await self._asked("draw", *draw_call(draws, stream, priority, patience_s, apart=apart))
        if answer is None:
            grant = await self._alone.take(draws, stream, priority, patience_s=patience_s, apart=apart)
        else:
            grant = read_grant(answer, draws)
        where = draws.scope, (draws.end or draws.buckets[0]).name
        self._heard[where] = Heard(asyncio.get_running_loop().time(), grant.gap_s)
        self._heard.move_to_end(where)
        if len(self._heard) > _REMEMBERED:
            self._heard.popitem(last=False)
        return grant

    def gap_s(self, draws: Draws) -> float:
        heard = self._heard.get((draws.scope, draws.buckets[0].name))
        return heard.gap_at(asyncio.get_running_loop().time()) if heard else 0.0

    def spare(self, draws: Draws) -> Grant:
        return self._alone.spare(draws)

    async def refused(self, draws: Draws, bucket: str, retry_after_s: float) -> None:
        await self._alone.refused(draws, bucket, retry_after_s)
        closed = named(draws, bucket)
        names = [_key(draws, closed, part) for part in ("calls", "state")]
        await self._asked("draw_refused", names, [str(retry_after_s), "", *_quota(closed)])

    async def used_up(self, draws: Draws, bucket: str, full_in_s: float) -> None:
        await self._alone.used_up(draws, bucket, full_in_s)
        full = named(draws, bucket)
        await self._asked("draw_used_up", [_key(draws, full, "state")], [str(full_in_s), "", *_quota(full)])

    async def _asked(self, script: str, names: Sequence[str], args: Sequence[str | int]) -> list[str] | None:
        """What Redis answers, None when it does not in time."""
        now = asyncio.get_running_loop().time()
        if now < self._away_until:
            return None
        asked = asyncio.ensure_future(self._store.script(script, names, args))
        try:
            async with asyncio.timeout(MOST_PATIENCE_S):
                await self._answered(asked)
            answer: list[str] = asked.result()
        except (StoreUnavailable, TimeoutError) as exc:
            if now >= self._away_until:  # many may be waiting for the same answer
                log.warning("budget.alone", extra={"seconds": AWAY_S, "reason": str(exc) or "no answer in time"})
            self._away_until = now + AWAY_S
            return None
        finally:
            asked.cancel()
        self._answers += 1
        return answer

    async def _answered(self, asked: asyncio.Future[object]) -> None:
        """Return once `asked` is done. Raises TimeoutError when Redis is silent."""
        silent = 0
        while silent < LOOKS:
            answers = self._answers
            await asyncio.wait([asked], timeout=PATIENCE_S / LOOKS)
            if asked.done():
                return
            silent = silent + 1 if answers == self._answers else 0
        raise TimeoutError


def draw_call(
    draws: Draws, stream: str, priority: Priority, patience_s: float, *, apart: bool = False, now: str = ""
) -> tuple[list[str], list[str | int]]:
    """KEYS and ARGV of draw.lua."""
    buckets = [*draws.buckets, draws.end] if draws.end else draws.buckets
    names = [_key(draws, bucket, part) for bucket in buckets for part in ("calls", "alive", "apart", "state", "line")]
    patience = "" if patience_s == math.inf else str(patience_s)
    args: list[str | int] = [stream, int(priority), patience, "1" if apart else ""]
    args += [STEEPNESS, str(ALIVE_S), str(LATE_S), str(HOPE_S), "1" if draws.end else "", now]
    for bucket in buckets:
        args += _quota(bucket)
    return names, args


def read_grant(answer: Sequence[str], draws: Draws) -> Grant:
    """What draw.lua gives."""
    go, wait, gap, promised, number, closed = answer
    closure = Closure(draws.buckets[int(number) - 1].name, float(closed)) if int(number) else None
    return Grant(go == "1", float(wait), float(gap), promised == "1", closure)


def _key(draws: Draws, bucket: Bucket, part: str) -> str:
    return keys.budget(draws.scope, bucket.name, part)


def _quota(bucket: Bucket) -> tuple[str, str, str]:
    quota = bucket.quota
    if isinstance(quota, Window):
        return "window", str(quota.calls), str(quota.seconds)
    return "rate", str(quota.burst), str(quota.per_s)
