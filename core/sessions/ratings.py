"""Ratings: what people think of the answers of a Session, one rating for each person and answer.

A Turn that is sealed with something to rate leaves the place of its row in the ledger behind, for as long as the
Session is remembered; a rating is noted beside it, and counted in that row.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Literal

from core.ids import ScopeId, ThreadId, UserId
from core.sessions.mailbox import Retention
from core.store import Store, keys, translated

Vote = Literal["up", "down"]
Rated = Literal["noted", "repeated", "unknown"]

USAGE_TTL_S = 400 * 24 * 3600
"""The ledger's days are kept for a year and a bit."""


@dataclass(frozen=True, slots=True)
class LedgerRow:
    """Where the ledger counts an answer. who: the part of a field's name that comes before the measure."""

    scope: ScopeId
    day: str
    who: str

    def dump(self) -> str:
        return json.dumps([self.scope, self.day, self.who], ensure_ascii=False)

    @staticmethod
    def load(text: str) -> LedgerRow:
        scope, day, who = json.loads(text)
        return LedgerRow(ScopeId(scope), day, who)


class Ratings:
    """Every Session's ratings."""

    def __init__(self, store: Store, retention: Retention) -> None:
        self._store = store
        self._retention = retention

    async def rate(self, thread_id: ThreadId, number: int, user: UserId, vote: Vote) -> Rated:
        """Note that `user` thinks `vote` of the answer that Turn `number` gave; it takes the place of what they
        thought before. "unknown": there is no such answer, or not any more, or it is not sealed yet. Raises
        StoreUnavailable."""
        ratings = keys.session(thread_id, "ratings")
        with translated(self._store.where):
            found: str | None = await self._store.redis.hget(ratings, f"of {number}")
        if not found:
            return "unknown"
        row = LedgerRow.load(found)
        answer: str = await self._store.script(
            "rate",
            [ratings, keys.usage_day(keys.partition_of(thread_id), row.scope, row.day)],
            [number, user, vote, found, row.who, self._retention.session_s, USAGE_TTL_S],
        )
        match answer:
            case "noted" | "repeated" | "unknown":
                return answer
            case _:
                raise AssertionError(f"rate.lua answered {answer!r}")
