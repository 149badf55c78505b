"""Begun: all that a worker is given to answer one Turn, as it was when the Turn began or was taken over."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from core.sessions.mailbox import Letter


@dataclass(frozen=True, slots=True)
class Begun:
    """letters: the Messages of the Turn, at least one; they stay in the mailbox until `Lease.seal`.

    journal: JSON text of what an earlier attempt noted, "" when there was none.  facts: those of `Mailboxes.facts`, and
    beside them `stop` (the Turn that somebody wants stopped), `stopped_before` (the newest Message when an earlier one
    was stopped), `ended` (how the last Turn was sealed), `history_of` (the Turn whose part of the history is newest),
    `attempts`, `handed` (how many of those were handed over to another worker).
    history: the JSON texts that earlier Turns were sealed with, oldest first.  last: the record of the newest Turn
    that was sealed with one, "" if there is none.
    """

    letters: tuple[Letter, ...]
    journal: str = ""
    facts: Mapping[str, str] = field(default_factory=dict)
    history: Sequence[str] = ()
    last: str = ""

    @property
    def number(self) -> int:
        """The Turn's number: that of its first Message."""
        return self.letters[0].number

    @property
    def attempts(self) -> int:
        """How often the Turn was begun, this time among them."""
        return int(self.facts.get("attempts") or 1)

    @staticmethod
    def read(entries: Iterable[str], journal: str, facts: Sequence[str], history: Sequence[str], last: str) -> Begun:
        """Read what begin.lua gives."""
        return Begun(
            tuple(map(Letter.read, entries)),
            journal,
            dict(zip(facts[::2], facts[1::2], strict=True)),
            tuple(history),
            last,
        )
