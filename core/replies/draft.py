"""Draft: the answer so far, and what it should look like as Segments."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from core.replies.splitting import Splitter, closed
from core.replies.surface import Segment


@dataclass(frozen=True, slots=True)
class Draft:
    """What a Reply should show now. Preview, final answer and error are all Drafts.

    text: markdown of the answer so far.  status: one quiet line shown while there is no text yet.
    notice: a line after the text that is ours, not the model's ("Stopped.").  final: nothing will follow.
    retry: what is final can be asked for once more.
    """

    text: str = ""
    status: str = ""
    notice: str = ""
    final: bool = False
    retry: bool = False

    @property
    def shown_text(self) -> str:
        """All of it as one markdown text."""
        if not self.notice:
            return self.text if self.text.strip() else self.status
        return f"{closed(self.text.rstrip())}\n\n{self.notice}" if self.text.strip() else self.notice


class Layout:
    """Lays the Drafts of one Reply out as Segments; cheap when each Draft goes on where the last one ended."""

    def __init__(self, limit: int, measure: Callable[[str], int], stop: str, retry: str = "") -> None:
        """stop: what the Stop button on the last Segment of a growing answer hands back.  retry: the same of the
        Retry button on the last Segment of a final one."""
        self._splitter = Splitter(limit, measure)
        self._stop = stop
        self._retry = retry

    def segments(self, draft: Draft) -> list[Segment]:
        """Blank parts are left out: platforms refuse a message with nothing to see in it."""
        texts = [part.text for part in self._splitter.split(draft.shown_text) if part.body.strip()]
        last = len(texts) - 1
        stop = "" if draft.final else self._stop
        retry = self._retry if draft.final and draft.retry else ""
        return [Segment(text, stop, retry) if number == last else Segment(text) for number, text in enumerate(texts)]
