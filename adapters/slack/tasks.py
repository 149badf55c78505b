"""Task cards: what a stream shows of the tools that run, one card for each call.

A card stands where it was added and is changed in place by its id (docs.slack.dev, "Text streaming", task_update), so
none is added in the middle of something: text after it goes below it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Literal

from core.chat import Segment, ToolCall

Chunk = dict[str, object]
CardStatus = Literal["in_progress", "complete", "error"]

_WIDTH = 80
_STATES: dict[str, CardStatus] = {"running": "in_progress", "done": "complete", "failed": "error"}
_THINKING = "thinking"
_MARKUP = re.compile(r"[*`~<>&\x00-\x1f]")


class TaskCards:
    """The cards of one stream. known: the tool calls that earlier messages have told of."""

    def __init__(self, began: float, known: Iterable[str] = ()) -> None:
        self._began = began
        self._known = frozenset(known)
        self._shown: dict[str, tuple[str, CardStatus]] = {}

    @property
    def told(self) -> frozenset[str]:
        """The tool calls that this message or an earlier one tells of."""
        return self._known | {card.removeprefix("call-") for card in self._shown if card != _THINKING}

    def wanted(self, segment: Segment, now: float, *, may_add: bool) -> list[Chunk]:
        """The updates that bring the cards up to `segment`; `mark_sent` once they have gone out.

        may_add: nothing is open where a new card would stand.
        """
        updates: list[Chunk] = []
        waiting = not segment.text.strip() and not segment.tools
        if waiting and may_add and segment.aside:
            updates += self._update(_THINKING, plain(segment.aside), "in_progress")
        elif not waiting:
            updates += self._thought(now)
        for call in segment.tools:
            card = f"call-{call.call_id}"
            if card in self._shown or (may_add and call.call_id not in self._known):
                updates += self._update(card, plain(call.name), _STATES[call.state])
        return updates

    def closing(self, segment: Segment, now: float) -> list[Chunk]:
        """The updates after which nothing looks unfinished, whatever has become of it."""
        states = {f"call-{call.call_id}": call for call in segment.tools}
        updates = self._thought(now)
        for card, (title, status) in self._shown.items():
            if card != _THINKING and status == "in_progress":
                updates += self._update(card, title, _ended(states.get(card)))
        return updates

    def mark_sent(self, updates: Iterable[Chunk]) -> None:
        for update in updates:
            status = next(status for status in _STATES.values() if status == update["status"])
            self._shown[str(update["id"])] = (str(update["title"]), status)

    def _thought(self, now: float) -> list[Chunk]:
        """The line that stood in for a text which was not there yet ends as what it was."""
        _, status = self._shown.get(_THINKING, ("", "complete"))
        if status != "in_progress":
            return []
        return self._update(_THINKING, f"Thought for {max(round(now - self._began), 1)} s", "complete")

    def _update(self, card: str, title: str, status: CardStatus) -> list[Chunk]:
        if self._shown.get(card) == (title, status):
            return []
        return [{"type": "task_update", "id": card, "title": title, "status": status}]


def plain(words: str) -> str:
    """Words of ours or a tool's name as a title, which opens no reference and has no markup."""
    return _MARKUP.sub("", words).strip("_ ")[:_WIDTH] or "…"


def _ended(call: ToolCall | None) -> CardStatus:
    return "error" if call is not None and call.state == "failed" else "complete"
