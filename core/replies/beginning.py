"""Beginning: how an answer is begun, so that its end can come where there will be a place for it.

Where a platform takes hardly any edits, only some answers can be promised one for their end. Those begin at once, in
the middle of a sentence if need be, with a Stop button that the end takes away. The others begin once a sentence or a
line has ended, without a button: that can stay as it is, and the rest comes in a message below if there is no edit
for it. So no message ends in the middle of a sentence, and none has a button for ever. As long as there is neither a
promise nor a sentence, the answer waits.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from core.replies.budget import ENDS, Priority
from core.replies.draft import Draft, Layout, LeftOff
from core.replies.steps import Shown
from core.replies.surface import Draws, Segment

FRESH_S = 0.5
"""How long the first text of an answer waits for its place, before it leaves it to those of fresher answers."""

APART_AFTER_S = 2.0
"""How long the end of an answer waits for its place in the message that was begun, before it gets one of its own."""


@dataclass(frozen=True, slots=True)
class Ask:
    """What a Reply asks of the budget. patience_s, apart: as in `RateBudget.take`.  otherwise: what it does if it would
    have to wait for longer than that."""

    priority: Priority
    patience_s: float = math.inf
    apart: bool = False
    otherwise: Literal["wait", "wait for a sentence", "give way", "end apart"] = "wait"


class Beginning:
    """Of one Reply, whose Drafts `layout` lays out. Times are loop times (s)."""

    def __init__(self, layout: Layout) -> None:
        self._layout = layout
        self._offer = self._sent = self._left = LeftOff()  # what may be shown, what was sent last, and what stands
        self._ended_apart = False
        self._no_promise_until = -math.inf
        self._fresh_until: float | None = None

    def first_ask(self, priority: Priority, draft: Draft, draws: Draws, now: float) -> Ask:
        """Ask to show the first text, by a call that draws on `draws`."""
        if draws.end is not None:
            self._offer = self._layout.left_off(draft)
            if not self._offer.segments:
                return Ask(priority, 0.0, otherwise="wait for a sentence")
        apart = draws.end is not None
        if priority is Priority.FIRST:
            self._fresh_until = self._fresh_until or now + FRESH_S
            return Ask(priority, max(0.0, self._fresh_until - now), apart, "give way")
        return Ask(priority, apart=apart)

    def next_ask(self, priority: Priority, draft: Draft, shown: Sequence[Shown]) -> Ask:
        """Ask to edit a message of those that are `shown`."""
        if not self._stands(shown):
            return Ask(priority)
        if priority not in ENDS:
            return Ask(priority, apart=True)
        return Ask(priority, APART_AFTER_S, True, "end apart") if self._has_rest(draft) else Ask(priority)

    def unpromised(self, until: float) -> None:
        """No end can be promised a place before that time."""
        self._no_promise_until = until

    def is_unpromised(self, now: float) -> bool:
        return now < self._no_promise_until

    def without_promise(self, draft: Draft) -> Segment:
        """What is shown now of an answer whose end was not promised a place, after `first_ask` was granted."""
        newest = self._layout.left_off(draft)
        self._sent = newest if newest.segments else self._offer
        return self._sent.segments[0]

    def shown(self, segment: Segment | None) -> None:
        """A call has taken effect that showed `segment`."""
        self._left = self._sent if segment in self._sent.segments[-1:] else LeftOff()

    def end_apart(self) -> None:
        """Let what follows come in a message of its own. Once: what has to be edited even so waits for its place."""
        self._ended_apart = True
        self._layout.leave_off(self._left)

    def _stands(self, shown: Sequence[Shown]) -> bool:
        """Whether all that is shown can stay as it is."""
        if not self._left.segments or self._ended_apart:
            return False
        return [one.segment for one in shown] == self._left.segments

    def _has_rest(self, draft: Draft) -> bool:
        """Whether the end says something that can come below."""
        rest = draft.shown_text.removeprefix(self._left.text)
        return len(rest) < len(draft.shown_text) and bool(rest.strip())
