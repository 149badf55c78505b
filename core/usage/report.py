"""Usage reports: what people read when they ask for `usage`."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import date, timedelta

from core.ids import UserId
from core.usage.ledger import Row, Totals

PERIODS = (("Today", 1), ("7 days", 7), ("30 days", 30))

_MOST_ROWS = 10
_NAME_WIDTH = 32

Mention = Callable[[str], str]
"""The name that people know a user or channel id by."""


def own_report(rows: Iterable[Row], user: UserId, until: date) -> str:
    """Markdown: one person's own figures."""
    mine = [row for row in rows if row.user == user]
    return "\n\n".join(["**Your usage**", _period_table(mine, until), *_notes(mine)])


def admin_report(rows: Iterable[Row], until: date, name: Mention = str) -> str:
    """Markdown: a workspace's figures by period, and the last 30 days by user, channel and model."""
    listed = list(rows)
    parts = ["**Usage of this workspace**", _period_table(listed, until)]
    parts += _grouped(listed, "user", _user, name)
    parts += _grouped(listed, "channel", _channel, name)
    parts += _grouped(listed, "model", _model, str)
    return "\n\n".join([*parts, *_notes(listed)])


def _period_table(rows: list[Row], until: date) -> str:
    lines = [
        (title, _sum(row for row in rows if until - timedelta(days=days) < row.day <= until)) for title, days in PERIODS
    ]
    return _table("period", lines)


def named_in_report(rows: Iterable[Row]) -> list[str]:
    """The users and channels that `admin_report` shows by name."""
    listed = list(rows)
    return [one for key in (_user, _channel) for one, _ in _ranked(listed, key)[:_MOST_ROWS]]


def _user(row: Row) -> str:
    return row.user


def _channel(row: Row) -> str:
    return row.channel


def _model(row: Row) -> str:
    return row.model


def _ranked(rows: list[Row], key: Callable[[Row], str]) -> list[tuple[str, Totals]]:
    """The groups of `rows`, the dearest first, then the busiest."""
    groups: dict[str, Totals] = {}
    for row in rows:
        groups.setdefault(key(row), Totals()).add(row.totals)
    return sorted(groups.items(), key=lambda item: (-item[1].cost_nano_usd, -item[1].turns, item[0]))


def _grouped(rows: list[Row], title: str, key: Callable[[Row], str], name: Mention) -> list[str]:
    ranked = _ranked(rows, key)
    if not ranked:
        return []
    lines = [(_one_line(name(one)), totals) for one, totals in ranked[:_MOST_ROWS]]
    if rest := ranked[_MOST_ROWS:]:
        lines.append((f"{len(rest)} more", _sum_of(totals for _, totals in rest)))
    return [f"**Last 30 days by {title}**", _table(title, lines)]


def _one_line(name: str) -> str:
    """A name that people chose must not break the table, nor the code block around it."""
    shown = " ".join(name.replace("`", "'").split())
    return shown if len(shown) <= _NAME_WIDTH else shown[: _NAME_WIDTH - 1] + "…"


def _table(title: str, lines: list[tuple[str, Totals]]) -> str:
    """A code block with aligned columns: the one form of table that every platform shows alike."""
    head = (title, "answers", "tokens in", "out", "cost", "avg time", "failed", "stopped", "up", "down")
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
        str(totals.up),
        str(totals.down),
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
        notes.append(f"The tokens of {estimated} runs that were cut off are estimates.")
    return notes


def _sum(rows: Iterable[Row]) -> Totals:
    return _sum_of(row.totals for row in rows)


def _sum_of(many: Iterable[Totals]) -> Totals:
    total = Totals()
    for totals in many:
        total.add(totals)
    return total
