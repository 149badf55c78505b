"""What we remember about a Thread: its mailbox, who serves it, its history."""

from core.sessions.lease import Lease, LeaseLost, Leases, Ready, UsageEntry
from core.sessions.mailbox import Acceptance, Letter, Mailboxes, Retention

__all__ = [
    "Acceptance",
    "Lease",
    "LeaseLost",
    "Leases",
    "Letter",
    "Mailboxes",
    "Ready",
    "Retention",
    "UsageEntry",
]
