"""Pacing: when a Reply deserves its next call, as far as that depends on the Reply alone.

What all Replies share, the platform's budget, is said by `core.replies.budget`; this says what one Reply adds to it:

    first text    held back for a moment, so that the first message is more than a syllable; once it has given way to
                  fresher answers it is worth less
    growing text  no two edits of one message are closer than the gap, nor two calls than the budget's fair gap, from
                  one call to the next: an answer that takes its time does not make people see less
    final text    waits for nothing but a place in the budget
    failed call   a pause that grows with each failure in a row; a final text is tried for a bounded time

Drafts, confirmations, failures and loop times (s) go in, loop times come out; nothing here waits.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable

from core.replies.budget import Priority
from core.replies.draft import Draft

FIRST_TEXT_WAIT_S = 0.1
"""How long the first words are held back so that the first message is more than a syllable."""

FINAL_PATIENCE_S = 600.0
"""How long a final text is tried while the platform does not answer at all."""

WAITED_LONG_S = 10.0
"""A notice that has waited this long for its place is worth as much as a final text."""

_BACKOFF_S = (0.5, 1.0, 2.0, 4.0, 8.0, 15.0)


class Pacing:
    """The pace of one Reply. min_gap_s: seconds between two edits of one message that grows.

    jitter: spreads the pauses after failures, so that many Replies do not come back at once.  taken_over: what an
    earlier attempt has shown stands there, so that no text is the first.
    """

    def __init__(
        self,
        min_gap_s: float,
        jitter: Callable[[], float] = lambda: random.uniform(0.8, 1.2),
        *,
        taken_over: bool = False,
    ) -> None:
        self._min_gap_s = min_gap_s
        self._jitter = jitter
        self._taken_over = taken_over
        self._draft = Draft()
        self._text_since: float | None = None
        self._final_at: float | None = None
        self._last_calls: dict[int, float] = {}  # by place
        self._last_call = -math.inf
        self._told: tuple[float, Priority] | None = None
        self._late = False
        self._failures = 0
        self._pause_until = -math.inf
        self.first_text_at: float | None = None
        """When the first text of the answer was confirmed, or a notice in its place."""

    @property
    def has_begun(self) -> bool:
        """Whether there has been any text of the answer."""
        return self._text_since is not None

    def drafted(self, draft: Draft, now: float) -> bool:
        """Note what is to be shown from now on; True if that is worth interrupting a wait."""
        self._draft = draft
        begins = self._text_since is None and self._has_text()
        if begins:
            self._text_since = now
        if draft.final:
            self._final_at = now
        return begins or draft.final

    def priority(self, now: float, *, anything_shown: bool) -> Priority:
        """What the next call is worth."""
        if self._draft.final and not (self._draft.notice and self._waits_since(self._final_at, now)):
            return Priority.FINAL
        if self._draft.final:
            return Priority.NOTICE
        if self._awaits_first_text():
            return Priority.LATE if self._late else Priority.FIRST
        return Priority.INTERIM if anything_shown else Priority.STATUS

    def due(self, place: int, priority: Priority, now: float, gap_s: float) -> float:
        """The earliest time to ask for a call on the Segment at `place`. gap_s: the fair gap, of the budget."""
        due = max(now, self._pause_until)
        if self._told is not None and self._told[1] == priority:
            due = max(due, self._told[0])
        if self._draft.final:
            return due
        if self._text_since is not None and self._awaits_first_text():
            return max(due, self._text_since + FIRST_TEXT_WAIT_S)
        return max(due, self._last_calls.get(place, -math.inf) + self._min_gap_s, self._last_call + gap_s)

    def rests_until(self, place: int | None, gap_s: float) -> float:
        """Before when no call is due, as long as nothing comes that is worth interrupting a wait.

        place: the Segment that grows, None if another one is wanted.  gap_s: the least of the fair gaps.
        """
        if self._draft.final or self._awaits_first_text():
            return -math.inf
        last = self._last_calls.get(place, -math.inf) if place is not None else -math.inf
        return max(self._pause_until, self._last_call + gap_s, last + self._min_gap_s)

    def told(self, until: float, priority: Priority) -> None:
        """The budget has no place before `until`."""
        self._told = until, priority

    def gave_way(self) -> None:
        """There was no place for the first text in time: from now on it is worth less than that of a fresh answer."""
        self._late = True

    def granted(self, place: int, now: float) -> None:
        """The budget has given a place: the call on the Segment at `place` will be made."""
        self._told = None
        self._last_calls[place] = self._last_call = now

    def says_something(self) -> bool:
        """Whether the newest Draft holds more than a status line."""
        return self._has_text() or bool(self._draft.notice)

    def confirmed(self, now: float, *, said: bool) -> None:
        """A call has taken effect. said: what it showed held more than a status line."""
        self._failures, self._pause_until = 0, -math.inf
        if said and self.first_text_at is None:
            self.first_text_at = now

    def failed(self, now: float) -> None:
        """A call got no answer, or was turned down for what it holds: the next one waits."""
        pause = _BACKOFF_S[min(self._failures, len(_BACKOFF_S) - 1)] * self._jitter()
        self._failures += 1
        self._pause_until = now + pause

    def out_of_patience(self, now: float) -> bool:
        """Whether the final text has been tried for long enough."""
        return self._final_at is not None and now - self._final_at > FINAL_PATIENCE_S

    @staticmethod
    def _waits_since(since: float | None, now: float) -> bool:
        """Whether that is not long ago yet."""
        return since is None or now - since < WAITED_LONG_S

    def _has_text(self) -> bool:
        return bool(self._draft.text.strip())

    def _awaits_first_text(self) -> bool:
        return self._has_text() and self.first_text_at is None and not self._taken_over
