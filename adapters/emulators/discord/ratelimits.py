"""Rate limits: leaky buckets per route and place, the global limit, and the count of invalid requests.

A bucket holds some tokens and gets them back evenly. `X-RateLimit-Reset-After` is the time until it is full,
`retry_after` the time until one token is back (discord-api-docs 7680). A refused call takes no token, but counts as an
invalid request, as 401 and 403 do; 10,000 of those in ten minutes and the address is shut out with an answer that is
no JSON and has no `Via` header. Interaction and webhook routes do not count to the global limit.
Source: Discord "Rate Limits", docs of 2026-08-06.
"""

from __future__ import annotations

import hashlib
import math
from collections import Counter
from dataclasses import dataclass
from typing import Literal

from .errors import ApiError
from .limits import Limits, Rate

Scope = Literal["user", "global", "shared"]
#: `create` and `edit` answer the same hash and count apart (discord-api-docs 8073).
_SHARED_HASH = {"edit": "create"}


class Bucket:
    """One leaky bucket. Times are seconds on the emulator's clock."""

    def __init__(self, rate: Rate, now: float) -> None:
        self.rate = rate
        self._tokens = float(rate.tokens)
        self._at = now

    def take(self, now: float) -> bool:
        """Take a token if there is one."""
        self._refill(now)
        if self._tokens < 1 - 1e-9:
            return False
        self._tokens -= 1
        return True

    def remaining(self) -> int:
        return int(self._tokens + 1e-9)

    def reset_after(self) -> float:
        """Seconds until the bucket is full."""
        return (self.rate.tokens - self._tokens) / self.rate.refill

    def retry_after(self) -> float:
        """Seconds until there is a token, rounded up to the millisecond that is answered."""
        return math.ceil(max(0.0, 1 - self._tokens) / self.rate.refill * 1000) / 1000

    def _refill(self, now: float) -> None:
        self._tokens = min(self.rate.tokens, self._tokens + (now - self._at) * self.rate.refill)
        self._at = now


@dataclass(frozen=True, slots=True)
class Refused:
    """A 429. `code` is set where Discord gives one."""

    retry_after: float
    scope: Scope = "user"
    code: int | None = None
    message: str = "You are being rate limited."

    @property
    def is_global(self) -> bool:
        return self.scope == "global"

    def error(self) -> ApiError:
        body = {"message": self.message, "retry_after": self.retry_after, "global": self.is_global}
        return ApiError(429, body if self.code is None else {**body, "code": self.code})

    def headers(self) -> dict[str, str]:
        headers = {"Retry-After": str(math.ceil(self.retry_after)), "X-RateLimit-Scope": self.scope}
        return {**headers, "X-RateLimit-Global": "true"} if self.is_global else headers


class RateLimits:
    """All buckets of one bot.

    refused: 429s per route.   impatient: calls per route made while a `retry_after` of their bucket still ran.
    """

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._buckets: dict[tuple[str, str], Bucket] = {}
        self._waits: dict[tuple[str, str], float] = {}
        self._invalid: list[float] = []
        self._banned_until = 0.0
        self.refused: Counter[str] = Counter()
        self.impatient: Counter[str] = Counter()

    @property
    def invalid_requests(self) -> int:
        """How many requests of the last ten minutes were invalid."""
        return len(self._invalid)

    def take(self, name: str, major: str, now: float, *, counts_globally: bool) -> Refused | None:
        """Ask for one call of bucket `name` at `major`; None if it may go ahead."""
        if counts_globally:
            everything = self._bucket("global_", "", now)
            if not everything.take(now):
                return Refused(everything.retry_after(), "global")
        bucket = self._bucket(name, major, now)
        return None if bucket.take(now) else Refused(bucket.retry_after())

    def take_more(self, name: str, major: str, now: float, refused: Refused) -> Refused | None:
        """Ask a second, hidden bucket (renames, edits of old messages), which no header tells about."""
        bucket = self._bucket(name, major, now)
        if bucket.take(now):
            return None
        return Refused(bucket.retry_after(), refused.scope, refused.code, refused.message)

    def headers(self, name: str, major: str, now: float) -> dict[str, str]:
        """The X-RateLimit headers of an answer."""
        bucket = self._bucket(name, major, now)
        after = bucket.reset_after()
        return {
            "X-RateLimit-Limit": str(bucket.rate.tokens),
            "X-RateLimit-Remaining": str(bucket.remaining()),
            "X-RateLimit-Reset": f"{now + after:.3f}",
            "X-RateLimit-Reset-After": f"{after:.3f}",
            "X-RateLimit-Bucket": bucket_hash(name),
        }

    def note_call(self, name: str, major: str, route: str, now: float) -> bool:
        """Notice a call before it is judged; True if it came while it had been told to wait."""
        early = now < max(self._waits.get((name, major), 0.0), self._waits.get(("global_", ""), 0.0))
        self.impatient[route] += early
        return early

    def note_refusal(self, name: str, major: str, route: str, now: float, refused: Refused) -> None:
        """Notice a 429 on its way out."""
        key = ("global_", "") if refused.is_global else (name, major)
        self._waits[key] = now + refused.retry_after
        self.refused[route] += 1

    def note_invalid(self, now: float) -> None:
        """Count a 401, 403 or 429; too many shut the address out."""
        rate = self._limits.invalid_requests
        self._invalid = [at for at in self._invalid if at > now - rate.per_s]
        self._invalid.append(now)
        if len(self._invalid) >= rate.tokens:
            self._banned_until = now + self._limits.invalid_ban_s

    def banned(self, now: float) -> bool:
        """Whether the address is shut out."""
        return now < self._banned_until

    def _bucket(self, name: str, major: str, now: float) -> Bucket:
        key = (name, major)
        if key not in self._buckets:
            self._buckets[key] = Bucket(getattr(self._limits, name.partition(":")[0]), now)
        return self._buckets[key]


def bucket_hash(name: str) -> str:
    """The opaque name of a bucket, the same for every place."""
    return hashlib.md5(_SHARED_HASH.get(name, name).encode(), usedforsecurity=False).hexdigest()
