"""What Discord allows, as far as the reply writer must know.

Creating and editing messages: 5 at once, refilled at one a second, each counted per channel; a thread is a channel of
its own (`X-RateLimit-*` headers of both routes; discord/discord-api-docs issues 5646, 6109, 7680, 8073: create and
edit answer the same bucket hash and count apart). Only the headers are binding, so `Learned` follows the size they
tell, and we stay a little below it: `Remaining` does not reach 0 while an answer grows. An edit each 0.75 s makes the
burst last for the better part of an answer of 20 s; quicker ones would leave its end a second apart.

Over all routes a bot has 50 requests a second ("Rate Limits", global); calls that carry an interaction token do not
count. Replies may take 46 in their busiest second (10 and 36), so that threads and commands find room, and typing with
up to four a second: in a crowd not everybody is seen to type.

Invalid requests (401, 403, 429 other than "shared"): 10,000 in ten minutes from one address, and the address is shut
out ("Invalid Request Limit"). `InvalidRequests` keeps one process far below.
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Mapping

from adapters.discord.markdown import LIMIT, measure
from core.chat import Bucket, Draws, Limits, Operation, Rate

log = logging.getLogger(__name__)

LIMITS = Limits(segment=LIMIT, measure=measure, min_gap_s=0.75, status_every_s=8.0)

SCOPE = "discord"
GLOBAL = "global"

_GLOBAL = Bucket(GLOBAL, Rate(burst=10, per_s=36))
_TOLD = 5
_PER_S = 0.99
_MARGIN = 0.3
_DELETES = Rate(burst=4.7, per_s=0.99)
_TYPING = Rate(burst=4.7, per_s=0.99)
_BESIDE = Bucket("beside", Rate(burst=4, per_s=4))
"""What typing may take of the calls that replies leave over."""


class Learned:
    """How large the buckets are, by operation, from the headers of the newest answer; until then as documented."""

    def __init__(self) -> None:
        self._told: dict[Operation, int] = {}

    def heed(self, operation: Operation, headers: Mapping[str, str]) -> None:
        told = headers.get("X-RateLimit-Limit", "")
        if not told.isdecimal() or not int(told) or int(told) == self._told.get(operation, _TOLD):
            return
        self._told[operation] = int(told)
        bucket = headers.get("X-RateLimit-Bucket", "")
        log.info("discord.limit.learned", extra={"operation": operation, "calls": told, "bucket": bucket})

    def rate(self, operation: Operation) -> Rate:
        told = self._told.get(operation, _TOLD)
        return Rate(max(1.0, told - _MARGIN), _PER_S * told / _TOLD)


def draws(operation: Operation, channel: str, learned: Learned, interaction: str = "") -> Draws:
    """interaction: the one whose token the call carries, "" when the bot itself makes it."""
    if operation == "status":
        return Draws(SCOPE, (Bucket(f"{channel}:typing", _TYPING), _BESIDE))
    rate = _DELETES if operation == "delete" else learned.rate(operation)
    if interaction:
        return Draws(SCOPE, (Bucket(f"interaction:{interaction}", rate),))
    return Draws(SCOPE, (Bucket(f"{channel}:{operation}", rate), _GLOBAL))


class InvalidRequests:
    """Counts the requests that Discord holds against our address. most: how many in `seconds` we allow ourselves, a
    quarter of what there is, for up to four processes behind one address. Times are seconds on one clock."""

    def __init__(self, most: int = 2500, seconds: float = 600.0) -> None:
        self._seconds = seconds
        self._noted: deque[float] = deque(maxlen=most)

    def note(self, now: float) -> None:
        self._noted.append(now)
        if self.wait(now):
            log.error("discord.invalid_requests.too_many", extra={"calls": len(self._noted), "seconds": self._seconds})

    def wait(self, now: float) -> float:
        """Seconds until the next request may be made, 0 for at once."""
        if len(self._noted) < (self._noted.maxlen or 0):
            return 0.0
        return max(0.0, self._noted[0] + self._seconds - now)
