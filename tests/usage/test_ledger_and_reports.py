"""The ledger, prices, and what people read of them."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.ids import ChannelId, ScopeId, UserId
from core.store import Store, keys
from core.usage import (
    Row,
    Tokens,
    Totals,
    TurnUsage,
    admin_report,
    increments,
    own_report,
    price_nano_usd,
    read,
    scopes,
)

DAY = date(2026, 1, 31)
ADA, GRACE = UserId("test:ada"), UserId("test:grace")
SCOPE = ScopeId("test:T1")
USAGE = TurnUsage(SCOPE, ADA, ChannelId("test:C1"), "openai:gpt-4o", "answered", 1000, 200, False, 4_500_000, 2.5, 0.4)


async def write(store: Store, usage: TurnUsage, day: date = DAY, partition: int = 0) -> None:
    for field, by in increments(usage).items():
        await store.redis.hincrby(keys.usage_day(partition, usage.scope, day.isoformat()), field, by)


async def test_what_was_written_is_read_back_added_up(store: Store) -> None:
    """A day of a scope lies on several partitions."""
    await write(store, USAGE)
    await write(store, USAGE, partition=7)
    await write(store, replace(USAGE, user=GRACE, outcome="stopped", first_text_s=None, estimated=True))
    await write(store, USAGE, DAY - timedelta(days=5))
    await write(store, replace(USAGE, scope=ScopeId("test:T1:other")))
    rows = {row.user: row.totals for row in await read(store, SCOPE, 3, DAY)}
    assert rows[ADA] == Totals(
        turns=2,
        input_tokens=2000,
        output_tokens=400,
        cost_nano_usd=9_000_000,
        ms=5000,
        first_text_ms=800,
        first_texts=2,
    )
    assert (rows[GRACE].stopped, rows[GRACE].estimated, rows[GRACE].first_texts) == (1, 1, 0)
    assert await scopes(store) == [SCOPE, "test:T1:other"]


@given(st.text(max_size=20), st.text(max_size=20))
def test_no_name_can_forge_another_field(user: str, model: str) -> None:
    """A tab in a name would shift the columns of the ledger."""
    for field in increments(replace(USAGE, user=UserId(user), model=model)):
        assert field.count("\t") == 3


@pytest.mark.parametrize(
    ("provider", "model", "dollars"),
    [("openai", "gpt-4o", 0.0125), ("anthropic", "claude-sonnet-4-5", 0.018), ("demo", "demo", 0.0)],
)
def test_known_models_have_their_price(provider: str, model: str, dollars: float) -> None:
    """1,000 tokens in and 1,000 out, as their providers list them."""
    price = price_nano_usd(provider, model, 1000, 1000)
    assert price is not None and price / 1e9 == pytest.approx(dollars)


def test_cached_tokens_are_cheaper_and_odd_figures_do_no_harm() -> None:
    """A provider's figures must not end a Turn whose answer is complete."""
    full = price_nano_usd("openai", "gpt-4o", 1000, 0)
    assert full is not None
    assert (price_nano_usd("openai", "gpt-4o", 1000, 0, 1000) or 0) < full
    assert price_nano_usd("openai", "gpt-4o", 1000, 0, 5000) == price_nano_usd("openai", "gpt-4o", 1000, 0, 1000)
    assert price_nano_usd("openai", "gpt-4o", -5, 10) is None


def test_an_unknown_model_has_no_price_but_nothing_costs_nothing() -> None:
    """A guess would be a wrong bill; a Turn that failed before the model spoke is no unknown cost."""
    assert price_nano_usd("openai", "my-own", 1000, 1000) is None
    assert price_nano_usd("", "gpt-4o", 10, 10) is None
    assert price_nano_usd("openai", "", 0, 0) == 0


def test_tokens_are_estimated_upwards() -> None:
    """Four characters a token, and a cut answer is never free."""
    assert Tokens.estimated(5, 1) == Tokens(2, 1, is_estimate=True)


def rows() -> list[Row]:
    def row(user: UserId, model: str, back: int, **totals: int) -> Row:
        return Row(DAY - timedelta(days=back), user, ChannelId("test:C1"), model, Totals(**totals))

    return [
        row(ADA, "openai:gpt-4o", 0, turns=2, input_tokens=1500, output_tokens=300, cost_nano_usd=6_800_000, ms=5000),
        row(GRACE, "openai:mine", 3, turns=1, failed=1, estimated=1, input_tokens=10, unpriced=1, ms=100),
        row(GRACE, "openai:gpt-4o", 20, turns=1, stopped=1, cost_nano_usd=2_000_000_000, ms=100),
    ]


def test_ones_own_report_shows_nobody_elses_figures() -> None:
    """What others spend is not one's business."""
    report = own_report(rows(), ADA, DAY)
    assert "openai:mine" not in report and "$2" not in report
    today, week, month = report.splitlines()[4:7]
    assert today.split() == ["Today", "2", "1,500", "300", "$0.0068", "2.5", "s", "0", "0", "0", "0"]
    assert week.split()[2:] == today.split()[1:] and month.split()[2:] == today.split()[1:]


def test_the_admins_report_adds_up_and_says_what_it_does_not_know() -> None:
    """An unknown price is not a price of nothing."""
    report = admin_report(rows(), DAY)
    lines = {line.split()[0]: line for line in report.splitlines() if line[:1].isalnum() or line.startswith("test:")}
    assert "$0.0068" in lines["Today"] and "+?" not in lines["Today"]
    assert "$0.0068 +?" in lines["7"]
    assert "$2.01 +?" in lines["30"]
    assert "$2.00 +?" in lines["test:grace"] and "$0.0068" in lines["test:ada"]
    assert lines["openai:mine"].split()[4] == "?"
    assert "No price is known for openai:mine" in report
    assert "estimate" in report


def test_a_report_of_nothing_is_still_a_report() -> None:
    """The first thing an admin tries."""
    assert "$0.00" in admin_report([], DAY)
    assert "$0.00" in own_report([], ADA, DAY)
