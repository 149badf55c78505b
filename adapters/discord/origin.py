"""Origin: what we write into a Message so that the Surface knows, in any process, where its answer goes.

Three cases, told apart by their keys in a short JSON text:

    ""                             answer in the channel that the ThreadId ends in (a thread, a forum post, a DM)
    {"p","a","n"}  ThreadStart     open a thread on message `a` of channel `p`, called `n`, and answer there
    {"i","k","t","m","c","b"} Asked  answer the interaction that `/ask` left open
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field

TOKEN_LIFE_S = 14 * 60.0
"""How long we use an interaction token. It is valid for 15 minutes ("Receiving and Responding", Followup Messages)."""


@dataclass(frozen=True, slots=True)
class ThreadStart:
    """parent: the text channel.  anchor: the message that carries the thread.  name: 1-100 characters."""

    parent: str
    anchor: str
    name: str


@dataclass(frozen=True, slots=True)
class Asked:
    """An interaction whose answer is still to be filled in.

    at: seconds since the epoch when we received it.  message, channel: the response we have deferred.
    bot_may_post: the bot is in that channel itself, so that it can post and edit there without the token.
    """

    application: str
    token: str = field(repr=False)
    at: float
    message: str
    channel: str
    bot_may_post: bool

    def token_lives(self, now: float) -> bool:
        return now - self.at < TOKEN_LIFE_S


Origin = ThreadStart | Asked | None


def encode(origin: ThreadStart | Asked) -> str:
    fields: dict[str, object]
    match origin:
        case ThreadStart():
            fields = {"p": origin.parent, "a": origin.anchor, "n": origin.name}
        case Asked():
            fields = {
                "i": origin.application,
                "k": origin.token,
                "t": int(origin.at),
                "m": origin.message,
                "c": origin.channel,
                "b": int(origin.bot_may_post),
            }
    return json.dumps(fields, separators=(",", ":"), ensure_ascii=False)


def decode(text: str) -> Origin:
    """Read what `encode` wrote. Raises ValueError for anything else: only our own text gets here."""
    if not text:
        return None
    fields = json.loads(text)
    if "p" in fields:
        return ThreadStart(fields["p"], fields["a"], fields["n"])
    if "k" in fields:
        return Asked(fields["i"], fields["k"], float(fields["t"]), fields["m"], fields["c"], bool(fields["b"]))
    raise ValueError("not an origin of this adapter")
