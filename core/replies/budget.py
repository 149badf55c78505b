"""RateBudget: when the next call to a platform may go, one token bucket for each budget the platform keeps.

Theory. A platform lets a burst of calls through and then a steady rate; who goes over it is refused for a
while, and everybody who shares that budget with him. Interim edits are worth little, the first and the last
text much. So interim calls may take only whole tokens that are there, while urgent calls may overdraw the
bucket by its burst: the debt is paid by the interim calls that follow. A platform's own word (Retry-After)
closes the bucket for everybody until then.

No waiting happens here: `when` says a time, and the caller sleeps.
"""

from __future__ import annotations

from dataclasses import dataclass

from core.replies.surface import Rate

_FORGET_AFTER_S = 600.0


@dataclass(slots=True)
class _Bucket:
    tokens: float
    at: float
    closed_until: float = 0.0


class RateBudget:
    """The budgets of one process. Times are loop times in seconds."""

    def __init__(self) -> None:
        self._buckets: dict[str, _Bucket] = {}

    def when(self, name: str, rate: Rate, now: float, *, urgent: bool) -> float:
        """The earliest time for a call on `name`: `now` if it may go at once."""
        bucket = self._refilled(name, rate, now)
        missing = (1.0 - rate.burst if urgent else 1.0) - bucket.tokens
        return max(now + max(missing, 0.0) / rate.per_s, bucket.closed_until)

    def spend(self, name: str, rate: Rate, now: float) -> None:
        """Account for one call that goes now."""
        self._refilled(name, rate, now).tokens -= 1.0

    def close(self, name: str, rate: Rate, now: float, until: float) -> None:
        """The platform refused a call and named a time. Nothing goes before, and the bucket starts from empty."""
        bucket = self._refilled(name, rate, now)
        bucket.closed_until = max(bucket.closed_until, until)
        bucket.tokens = min(bucket.tokens, 0.0)

    def _refilled(self, name: str, rate: Rate, now: float) -> _Bucket:
        bucket = self._buckets.get(name)
        if bucket is None:
            self._forget_idle(now)
            bucket = self._buckets[name] = _Bucket(rate.burst, now)
        since = max(bucket.at, min(bucket.closed_until, now))  # a closed bucket does not fill
        bucket.tokens = min(rate.burst, bucket.tokens + max(now - since, 0.0) * rate.per_s)
        bucket.at = max(bucket.at, now)
        return bucket

    def _forget_idle(self, now: float) -> None:
        idle = [
            name
            for name, bucket in self._buckets.items()
            if now - max(bucket.at, bucket.closed_until) > _FORGET_AFTER_S
        ]
        for name in idle:
            del self._buckets[name]
