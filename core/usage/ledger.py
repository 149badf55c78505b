"""The ledger: what every Turn used, added up by day, person, channel and model.

A day of a scope is one hash in each partition (the Turn's end is one atomic step on its Session's partition);
a field is `<user>\\t<channel>\\t<model>\\t<measure>`, its value a whole number. Reports add the partitions up.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from datetime import UTC, date, datetime, timedelta
from typing import Literal

from core.ids import ChannelId, ScopeId, UserId
from core.store import Store, keys, translated

Outcome = Literal["answered", "stopped", "failed"]

_TAB = "\t"


@dataclass(frozen=True, slots=True)
class CutRuns:
    """Runs of a Turn that ended with their process, which could not say any more what they used: estimates."""

    runs: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    cost_nano_usd: int = 0


@dataclass(frozen=True, slots=True)
class TurnUsage:
    """What one Turn used.

    model: `provider:name`.  estimated: the provider did not say how many tokens they were.  cost_nano_usd: None
    when the price is not known.  seconds: from when a worker took the question up to when its answer was shown.
    first_text_s: until the first text was visible, None if there was none.  cut: what comes on top of that, from
    runs whose process died or handed the Turn over.
    """

    scope: ScopeId
    user: UserId
    channel: ChannelId
    model: str
    outcome: Outcome
    input_tokens: int
    output_tokens: int
    estimated: bool
    cost_nano_usd: int | None
    seconds: float
    first_text_s: float | None
    cut: CutRuns = CutRuns()


@dataclass(frozen=True, slots=True)
class Tokens:
    """Tokens of one Turn. cached: those of `input` that the provider read from its cache."""

    input: int
    output: int
    cached: int = 0
    is_estimate: bool = False

    @staticmethod
    def estimated(read: int, written: int) -> Tokens:
        """A guess from the characters, four a token, for a stream that was cut off before it said."""
        return Tokens(-(-read // 4), -(-written // 4), is_estimate=True)


@dataclass(slots=True)
class Totals:
    """Sums over Turns. Times in milliseconds; `up` and `down` count people's ratings, `unpriced` the Turns whose price
    is not known, `estimated` the runs whose tokens the provider did not report; `estimated_*_tokens` are part of the
    tokens."""

    turns: int = 0
    stopped: int = 0
    failed: int = 0
    estimated: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    estimated_input_tokens: int = 0
    estimated_output_tokens: int = 0
    cost_nano_usd: int = 0
    unpriced: int = 0
    ms: int = 0
    first_text_ms: int = 0
    first_texts: int = 0
    up: int = 0
    down: int = 0

    def add(self, other: Totals) -> None:
        for field in fields(self):
            setattr(self, field.name, getattr(self, field.name) + getattr(other, field.name))


@dataclass(frozen=True, slots=True)
class Row:
    """The Totals of one person with one model in one channel on one day."""

    day: date
    user: UserId
    channel: ChannelId
    model: str
    totals: Totals


def increments(usage: TurnUsage) -> dict[str, int]:
    """The ledger fields that `usage` raises, and by how much."""
    cut = usage.cut
    totals = Totals(
        turns=1,
        stopped=int(usage.outcome == "stopped"),
        failed=int(usage.outcome == "failed"),
        estimated=int(usage.estimated) + cut.runs,
        input_tokens=usage.input_tokens + cut.input_tokens,
        output_tokens=usage.output_tokens + cut.output_tokens,
        estimated_input_tokens=usage.input_tokens * usage.estimated + cut.input_tokens,
        estimated_output_tokens=usage.output_tokens * usage.estimated + cut.output_tokens,
        cost_nano_usd=(usage.cost_nano_usd or 0) + cut.cost_nano_usd,
        unpriced=int(usage.cost_nano_usd is None),
        ms=round(usage.seconds * 1000),
        first_text_ms=round((usage.first_text_s or 0) * 1000),
        first_texts=int(usage.first_text_s is not None),
    )
    who = who_of(usage)
    return {f"{who}{_TAB}{measure}": value for measure, value in asdict(totals).items() if value}


def who_of(usage: TurnUsage) -> str:
    """What the ledger's fields for `usage` begin with, before the measure."""
    return _TAB.join(part.replace(_TAB, " ") for part in (usage.user, usage.channel, usage.model))


def today() -> date:
    """Days are UTC days, so that every replica and report means the same."""
    return datetime.now(UTC).date()


async def read(store: Store, scope: ScopeId, days: int, until: date) -> list[Row]:
    """The rows of the `days` days that end with `until`. Raises StoreUnavailable."""
    wanted = [until - timedelta(days=back) for back in range(days)]
    with translated(store.where):
        async with store.redis.pipeline(transaction=False) as pipe:
            for day in wanted:
                for partition in range(keys.PARTITIONS):
                    pipe.hgetall(keys.usage_day(partition, scope, day.isoformat()))
            answers: list[Mapping[str, str]] = await pipe.execute()
    rows: dict[tuple[date, str], Row] = {}
    for number, answer in enumerate(answers):
        for field, value in answer.items():
            _add(rows, wanted[number // keys.PARTITIONS], field, int(value))
    return list(rows.values())


def _add(rows: dict[tuple[date, str], Row], day: date, field: str, value: int) -> None:
    who, _, measure = field.rpartition(_TAB)
    user, channel, model = who.split(_TAB)
    row = rows.setdefault((day, who), Row(day, UserId(user), ChannelId(channel), model, Totals()))
    setattr(row.totals, measure, getattr(row.totals, measure) + value)


async def scopes(store: Store) -> list[ScopeId]:
    """Every workspace or server that has used something, for reports over all of them."""
    found: set[str] = set()
    with translated(store.where):
        async for key in store.redis.scan_iter(match="parley:{p*}:usage:*", count=500):
            found.add(key.split(":usage:", 1)[1].rpartition(":")[0])
    return [ScopeId(scope) for scope in sorted(found)]
