"""How big and how often: Slack's limits, with where each one is written down.

Rates are kept per method and team. A tier is "N calls in any 60 seconds", which allows a burst of N as the
documentation does ("sporadic bursts are tolerated"); once refused, a method stays refused until its Retry-After
is over. Source: docs.slack.dev/apis/web-api/rate-limits and each method's page, read 2026-11.
"""

from __future__ import annotations

import math
from collections import Counter, deque
from dataclasses import dataclass, field

POST_TEXT = 40_000
"""chat.postMessage cuts longer `text` off (docs: "messages over 40,000 characters are truncated")."""
UPDATE_TEXT = 4_000
"""chat.update, longer `text`: msg_too_long ("The `text` field cannot exceed 4,000 characters", its error list)."""
MARKDOWN_TEXT = 12_000
"""`markdown_text` of post, update, ephemeral and stream calls (each method's page)."""
METADATA_BYTES = 16_000
"""Serialized metadata. The error metadata_too_large is documented, its size is not: an assumption."""
STREAM_LIFETIME_S = 300.0
"""Streams end after about five minutes, appended to or not (slackapi/python-slack-sdk#1859)."""
STREAM_IDLE_S = 300.0
"""Streams that nothing is added to end "after a few minutes" (timescale/tiger-agents-for-work#297; vercel/chat#607
after five)."""
STREAM_BYTES = 10_600
"""UTF-8 bytes one stream takes. Not documented; measured 10,600 to 11,300 (openclaw/openclaw#143882)."""
STATUS_LIFETIME_S = 120.0
"""assistant.threads.setStatus clears itself after two minutes (its page)."""
LOADING_MESSAGES = 10
SUGGESTED_PROMPTS = 4
SESSION_TITLE = 200
RESPONSE_URL_POSTS, RESPONSE_URL_LIFETIME_S = 5, 1800.0
"""A response_url takes five posts within 30 minutes (docs.slack.dev/interactivity/handling-user-interaction)."""
TRIGGER_LIFETIME_S = 3.0
TICKET_LIFETIME_S = 30.0
SOCKETS_PER_APP = 10
"""docs.slack.dev/apis/events-api/using-socket-mode: "up to 10 open WebSocket connections"."""
VIEW_BYTES = 250_000
ATTACHMENTS = 100

TIER_PER_MINUTE = {"t1": 1, "t2": 20, "t3": 50, "t4": 100, "t5": 600}
"""Calls a minute; "t5" is the special tier ("hundreds a minute"), here 600."""


@dataclass(frozen=True, slots=True)
class RateLimits:
    """Rates of one emulator. tiers: calls a minute; post_burst: posts to a channel before 1 a second holds;
    posts_per_minute: chat.postMessage over all channels ("several hundred a minute"); enforced: off lets all through.
    """

    tiers: dict[str, int] = field(default_factory=lambda: dict(TIER_PER_MINUTE))
    post_burst: int = 5
    post_per_second: float = 1.0
    posts_per_minute: int = 300
    enforced: bool = True


@dataclass(slots=True)
class Window:
    """At most `limit` calls in any `seconds`."""

    limit: int
    seconds: float = 60.0
    taken: deque[float] = field(default_factory=deque)

    def wait(self, now: float) -> float:
        """Return the seconds until a call fits, 0 when one fits now."""
        while self.taken and self.taken[0] <= now - self.seconds:
            self.taken.popleft()
        return 0.0 if len(self.taken) < self.limit else self.taken[0] + self.seconds - now

    def take(self, now: float) -> None:
        self.taken.append(now)


@dataclass(slots=True)
class Bucket:
    """`burst` calls at once, then `per_second`."""

    burst: int
    per_second: float
    level: float = 0.0
    at: float = -math.inf

    def wait(self, now: float) -> float:
        level = max(0.0, self.level - (now - self.at) * self.per_second)
        return max(0.0, (level + 1 - self.burst) / self.per_second)

    def take(self, now: float) -> None:
        self.level = max(0.0, self.level - (now - self.at) * self.per_second) + 1
        self.at = now


class RateLimiter:
    """Says whether a call may be made now. Counts, per method, `limited` answers and `during_wait`: calls made
    although a Retry-After given for the same bucket was still running."""

    def __init__(self, limits: RateLimits) -> None:
        self.limits = limits
        self.limited: Counter[str] = Counter()
        self.during_wait: Counter[str] = Counter()
        self._buckets: dict[str, list[Window | Bucket]] = {}
        self._closed_until: dict[str, float] = {}
        self._forced: dict[str, tuple[float, int]] = {}

    def force(self, method: str, retry_after: int, until: float) -> None:
        """Answer every call to `method` with `retry_after` until that moment."""
        self._forced[method] = (until, retry_after)

    def take(self, method: str, tier: str, channel: str, now: float) -> int | None:
        """Return None and count the call, or the whole seconds to wait. channel: for chat.postMessage, else ""."""
        key = f"{method} {channel}" if channel else method
        closed = max(self._closed_until.get(key, 0.0), self._closed_until.get(method, 0.0))
        waiting = now < closed
        if waiting:
            self.during_wait[method] += 1
        until, forced = self._forced.get(method, (0.0, 0))
        if now < until:
            return self._refuse(method, method, now, forced)
        if not self.limits.enforced and not waiting:
            return None
        if waiting:
            return self._refuse(method, key, now, math.ceil(closed - now), extend=False)
        buckets = self._buckets_for(key, method, tier, channel)
        if wait := max(bucket.wait(now) for bucket in buckets):
            return self._refuse(method, key, now, max(1, math.ceil(wait)))
        for bucket in buckets:
            bucket.take(now)
        return None

    def mark_told(self, method: str, retry_after: int, now: float) -> None:
        """Note a Retry-After that was told to the caller for another reason than a full bucket."""
        self._refuse(method, method, now, retry_after)

    def _refuse(self, method: str, key: str, now: float, seconds: int, *, extend: bool = True) -> int:
        self.limited[method] += 1
        if extend:
            self._closed_until[key] = max(self._closed_until.get(key, 0.0), now + seconds)
        return seconds

    def _buckets_for(self, key: str, method: str, tier: str, channel: str) -> list[Window | Bucket]:
        if key not in self._buckets:
            self._buckets[key] = self._new_buckets(method, tier, channel)
        return self._buckets[key]

    def _new_buckets(self, method: str, tier: str, channel: str) -> list[Window | Bucket]:
        if method != "chat.postMessage":
            return [Window(self.limits.tiers[tier])]
        team = self._buckets.setdefault("team posts", [Window(self.limits.posts_per_minute)])
        return [Bucket(self.limits.post_burst, self.limits.post_per_second), *team]
