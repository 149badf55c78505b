"""What we remember about a Thread: its mailbox, who serves it, its history."""

from core.sessions.begun import Begun
from core.sessions.history import Histories
from core.sessions.lease import Lease, LeaseLost, Leases, Ready, UsageEntry
from core.sessions.mailbox import (
    INTERRUPTED,
    NUDGE,
    REWORDED,
    WITHDRAWN,
    Acceptance,
    Again,
    Found,
    Letter,
    Mailboxes,
    Receipt,
    Retention,
    places_to,
)
from core.sessions.ratings import LedgerRow, Rated, Ratings, Vote
from core.sessions.records import Detail, Filter, Forgotten, Overview, Records

__all__ = [
    "INTERRUPTED",
    "NUDGE",
    "REWORDED",
    "WITHDRAWN",
    "Acceptance",
    "Again",
    "Begun",
    "Detail",
    "Filter",
    "Forgotten",
    "Found",
    "Histories",
    "Lease",
    "LeaseLost",
    "Leases",
    "LedgerRow",
    "Letter",
    "Mailboxes",
    "Overview",
    "Rated",
    "Ratings",
    "Ready",
    "Receipt",
    "Records",
    "Retention",
    "UsageEntry",
    "Vote",
    "places_to",
]
