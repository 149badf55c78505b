"""The ledger of tokens, money and time, and the reports made from it; and the engine's counts of one run."""

from core.models.usage import Usage, UsageLimits
from core.usage.ledger import (
    CutRuns,
    Outcome,
    Row,
    Tokens,
    Totals,
    TurnUsage,
    increments,
    read,
    scopes,
    today,
    who_of,
)
from core.usage.prices import price_nano_usd, read_price_table
from core.usage.report import admin_report, named_in_report, own_report

__all__ = [
    "CutRuns",
    "Outcome",
    "Row",
    "Tokens",
    "Totals",
    "TurnUsage",
    "Usage",
    "UsageLimits",
    "admin_report",
    "increments",
    "named_in_report",
    "own_report",
    "price_nano_usd",
    "read",
    "read_price_table",
    "scopes",
    "today",
    "who_of",
]
