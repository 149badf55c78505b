"""Sealing: the end of a Turn in one step: its history, its bill, what is kept of it, and its mail gone."""

from __future__ import annotations

from core.chat.journal import Conclusion, Journal
from core.chat.patience import patiently
from core.chat.question import Question
from core.sessions import Begun, Lease, LedgerRow, UsageEntry
from core.usage import increments, today, who_of


async def seal(lease: Lease, begun: Begun, question: Question, journal: Journal, conclusion: Conclusion) -> None:
    """Raises LeaseLost, and StoreUnavailable for a Redis that stays away."""
    usage = conclusion.usage
    day = today().isoformat()
    entry = UsageEntry(usage.scope, day, increments(usage)) if usage else None
    row = LedgerRow(usage.scope, day, who_of(usage)) if usage and conclusion.rating else None
    await patiently(
        lambda: lease.seal(
            begun.letters[0],
            ended=conclusion.outcome,
            history=conclusion.history,
            reset=conclusion.reset,
            instead_of=question.instead_of,
            record=_record(begun, question, journal, conclusion),
            usage=entry,
            rated_in=row,
        )
    )


def _record(begun: Begun, question: Question, journal: Journal, conclusion: Conclusion) -> str | None:
    """What is kept to answer this Turn once more; "" leaves that of an earlier one, None drops it."""
    if conclusion.reset:
        return None
    if question.verb is not None:
        return ""
    if not conclusion.retry:
        return None
    return question.record(begun.number, journal).dump()
