"""What Discord allows, as far as the reply writer must know.

Creating and editing messages: 5 at once, refilled at one a second, each counted per channel; a thread is a channel of
its own (`X-RateLimit-*` headers of both routes; discord/discord-api-docs issues 5646, 6109, 7680, 8073: create and
edit answer the same bucket hash and count apart). Only the headers are binding, so `Learned` follows the size they
tell, and we stay a little below it: `Remaining` does not reach 0 while an answer grows. An edit each 0.75 s makes the
burst last for the better part of an answer of 20 s; quicker ones would leave its end a second apart.

Over all routes a bot has 50 requests a second ("Rate Limits", global); calls that carry an interaction token do not
count. What asks for a place may take 46 in the busiest second (5 and 41), so that typing finds room, with up to four a
second in a process and without asking: in a crowd not everybody is seen to type.

Threads are opened 50 times in five minutes in one channel, as bots have met it; Discord publishes no number for this or
any other route and asks clients to read the headers. Of what none has told yet ten calls go at once and two a second;
`Remaining` keeps us from going too far.

Who asks: a Reply for its posts, edits and deletions, before it makes them. Every other call of the bot asks in `Rest`,
on a budget of its route and place and the global one. Without asking go typing (see above), calls with an interaction's
token, whose budget is its own, and what discord.py calls by itself: answers to interactions, which do not count, and
`/gateway/bot` at each connection.

Invalid requests (401, 403, 429 other than "shared"): 10,000 in ten minutes from one address, and the address is shut
out ("Invalid Request Limit"). All replicas count theirs together, as they may stand behind one address; at half of
that nothing is sent any more until the oldest are forgotten.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Final

from adapters.discord.markdown import LIMIT, measure
from core.chat import Bucket, Draws, Limits, Operation, Rate, Window

log = logging.getLogger(__name__)

LIMITS = Limits(segment=LIMIT, measure=measure, min_gap_s=0.75, status_every_s=8.0)

SCOPE = "discord"
GLOBAL = "global"

_GLOBAL = Bucket(GLOBAL, Rate(burst=5, per_s=41))
EVERYTHING: Final = Draws(SCOPE, (_GLOBAL,))
INVALID: Final = Draws(SCOPE, (Bucket("invalid", Window(5000, 600.0)),))
_TOLD: Final[Mapping[str, tuple[int, float]]] = {"post": (5, 5.0), "edit": (5, 5.0), "thread": (50, 300.0)}
"""By kind of call: how many calls go at once, and in how many seconds they come back."""
_UNTOLD: Final = (10, 5.0)
_SHARE = 0.99
_MARGIN = 0.3
_FIXED: Final[Mapping[str, Rate]] = {"delete": Rate(4.7, 0.99), "typing": Rate(4.7, 0.99)}
_BESIDE = Bucket("beside", Rate(burst=4, per_s=4))
"""What typing may take of the calls that replies leave over."""

_KINDS: Final[Mapping[str, str]] = {
    "POST /channels/{channel}/messages": "post",
    "PATCH /channels/{channel}/messages/{message}": "edit",
    "DELETE /channels/{channel}/messages/{message}": "delete",
    "POST /channels/{channel}/messages/{message}/threads": "thread",
    "POST /channels/{channel}/typing": "typing",
}


class Learned:
    """How large the buckets are, by kind of call, from the headers of the newest answer; until then as above."""

    def __init__(self) -> None:
        self._told: dict[str, int] = {}

    def heed(self, route: str, headers: Mapping[str, str]) -> None:
        kind, told = _kind(route), headers.get("X-RateLimit-Limit", "")
        known = self._told.get(kind, _TOLD.get(kind, _UNTOLD)[0])
        if not told.isdecimal() or not int(told) or int(told) == known:
            return
        self._told[kind] = int(told)
        bucket = headers.get("X-RateLimit-Bucket", "")
        log.info("discord.limit.learned", extra={"operation": kind, "calls": told, "bucket": bucket})

    def rate(self, kind: str) -> Rate:
        calls, seconds = _TOLD.get(kind, _UNTOLD)
        told = self._told.get(kind, calls)
        return Rate(max(1.0, told - _MARGIN), _SHARE * told / seconds)


def _kind(route: str) -> str:
    route, _, _ = route.partition("?")
    return _KINDS.get(route, route)


def draws_of(route: str, major: str, learned: Learned) -> Draws:
    """What a call of the bot's draws on. route: `METHOD /path`, as the documentation has it.  major: the channel,
    server, ... that Discord keeps it for."""
    kind = _kind(route)
    rate = _FIXED.get(kind) or learned.rate(kind)
    return Draws(SCOPE, (Bucket(f"{major}:{kind}", rate), _GLOBAL))


def draws(operation: Operation, channel: str, learned: Learned, interaction: str = "") -> Draws:
    """interaction: the one whose token the call carries, "" when the bot itself makes it."""
    if operation == "status":
        return Draws(SCOPE, (Bucket(f"{channel}:typing", _FIXED["typing"]), _BESIDE))
    rate = _FIXED.get(operation) or learned.rate(operation)
    if interaction:
        return Draws(SCOPE, (Bucket(f"interaction:{interaction}", rate),))
    return Draws(SCOPE, (Bucket(f"{channel}:{operation}", rate), _GLOBAL))
