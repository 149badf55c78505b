"""Usage reports: what people read when they ask for `usage`."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import date, timedelta

from core.ids import UserId
from core.usage.ledger import Row, Totals

PERIODS = (("Today", 1), ("7 days", 7), ("30 days", 30))

_MOST_ROWS = 10

Mention = Callable[[str], str]
"""How a user or channel id is written for the reader's platform."""


def own_report(rows: Iterable[Row], user: UserId, until: date) -> str:
    """Markdown: one person's own figures."""
    mine = [row for row in rows if row.user == user]
    return "\n\n".join(["**Your usage**", _period_table(mine, until), *_notes(mine)])


def admin_report(rows: Iterable[Row], until: date, name: Mention = str) -> str:
    """Markdown: a workspace's figures by period, and the last 30 days by user, channel and model."""
    listed = list(rows)
    parts = ["**Usage of this workspace**", _period_table(listed, until)]
    by: tuple[tuple[str, Callable[[Row], str]], ...] = (
        ("user", lambda row: name(row.user)),
        ("channel", lambda row: name(row.channel)),
        ("model", lambda row: row.model),
    )
    parts += [table for title, key in by for table in _grouped(listed, title, key)]
    return "\n\n".join([*parts, *_notes(listed)])


def _period_table(rows: list[Row], until: date) -> str:
    lines = [
        (title, _sum(row for row in rows if until - timedelta(days=days) < row.day <= until)) for title, days in PERIODS
    ]
    return _table("period", lines)


def _grouped(rows: list[Row], title: str, key: Callable[[Row], str]) -> list[str]:
    groups: dict[str, Totals] = {}
    for row in rows:
        groups.setdefault(key(row), Totals()).add(row.totals)
    if not groups:
        return []
    ranked = sorted(groups.items(), key=lambda item: (-item[1].cost_nano_usd, -item[1].turns, item[0]))
    lines = ranked[:_MOST_ROWS]
    if rest := ranked[_MOST_ROWS:]:
        lines.append((f"{len(rest)} more", _sum_of(totals for _, totals in rest)))
    return [f"**Last 30 days by {title}**", _table(title, lines)]


def _table(title: str, lines: list[tuple[str, Totals]]) -> str:
    """A code block with aligned columns: the one form of table that every platform shows alike."""
    head = (title, "answers", "tokens in", "out", "cost", "avg time", "failed", "stopped")
    cells = [head, *((name, *_cells(totals)) for name, totals in lines)]
    widths = [max(len(row[column]) for row in cells) for column in range(len(head))]
    shown = ["  ".join(_pad(cell, widths[i], left=i == 0) for i, cell in enumerate(row)).rstrip() for row in cells]
    return "\n".join(["```", *shown, "```"])


def _pad(cell: str, width: int, *, left: bool) -> str:
    return cell.ljust(width) if left else cell.rjust(width)


def _cells(totals: Totals) -> tuple[str, ...]:
    average = f"{totals.ms / totals.turns / 1000:.1f} s" if totals.turns else "–"
    return (
        f"{totals.turns:,}",
        f"{totals.input_tokens:,}",
        f"{totals.output_tokens:,}",
        money(totals),
        average,
        str(totals.failed),
        str(totals.stopped),
    )


def money(totals: Totals) -> str:
    """`$0.0123`; with `+?` where Turns without a known price are in it, `?` where there are no others."""
    if totals.unpriced and totals.unpriced == totals.turns:
        return "?"
    usd = totals.cost_nano_usd / 1e9
    shown = f"${usd:,.2f}" if usd >= 1 or usd == 0 else f"${usd:.4f}"
    return shown + (" +?" if totals.unpriced else "")


def _notes(rows: list[Row]) -> list[str]:
    notes = []
    if unknown := sorted({row.model for row in rows if row.totals.unpriced}):
        notes.append(f"No price is known for {', '.join(unknown)}: its cost is not in these sums (shown as `?`).")
    if estimated := sum(row.totals.estimated for row in rows):
        notes.append(f"The tokens of {estimated} answers that were cut off are estimates.")
    return notes


def _sum(rows: Iterable[Row]) -> Totals:
    return _sum_of(row.totals for row in rows)


def _sum_of(many: Iterable[Totals]) -> Totals:
    total = Totals()
    for totals in many:
        total.add(totals)
    return total
