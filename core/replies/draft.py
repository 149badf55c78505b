"""Draft: the answer so far, and what it should look like as Segments."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace

from core.replies.splitting import Part, Splitter, closed, leaving_off
from core.replies.surface import Attachment, Segment, ToolCall

_LEAST_LEFT = 40
"""How many characters are worth a message of their own."""

_BETWEEN = 16
"""What a platform may need between a Segment's text and the aside below it, in the unit of its measure."""


@dataclass(frozen=True, slots=True)
class Draft:
    """What a Reply should show now. Preview, final answer and error are all Drafts.

    text: markdown of the answer so far.  status: one quiet line while something else than the text goes on; in its
    place while there is none, else below it.  tools: the tool calls so far, in order, for a platform that shows them
    in a way of its own.  final: nothing will follow.

    The rest belongs to what is final.  sources: markdown after the text.  notice: a line after it that is ours, not
    the model's ("Stopped.").  footer: a quiet line below everything.  retry, rating: it can be asked for once more,
    and rated.  files: attached once all of the text is shown.
    """

    text: str = ""
    status: str = ""
    notice: str = ""
    final: bool = False
    retry: bool = False
    tools: tuple[ToolCall, ...] = ()
    sources: str = ""
    footer: str = ""
    rating: bool = False
    files: tuple[Attachment, ...] = ()

    @property
    def shown_text(self) -> str:
        """All that is split over messages, as one markdown text."""
        after = [part for part in (self.sources, self.notice) if part]
        if not after:
            return self.text
        return "\n\n".join([closed(self.text.rstrip()), *after] if self.text.strip() else after)

    @property
    def aside(self) -> str:
        return self.footer if self.final else self.status


@dataclass(frozen=True, slots=True)
class Controls:
    """What the buttons of one Reply hand back: Stop while it grows, Retry and the two ratings once it is final."""

    stop: str = ""
    retry: str = ""
    rating: str = ""


@dataclass(frozen=True, slots=True)
class LeftOff:
    """A beginning that can stay as it is: `text` up to where a reader can be left for a while, in Segments without a
    button, since nobody may come back to take it away."""

    text: str = ""
    segments: list[Segment] = field(default_factory=list)
    parts: tuple[Part, ...] = field(default=(), repr=False)


class Layout:
    """Lays the Drafts of one Reply out as Segments; cheap when each Draft goes on where the last one ended."""

    def __init__(self, limit: int, measure: Callable[[str], int], controls: Controls) -> None:
        self._splitter = Splitter(limit, measure)
        self._limit = limit
        self._measure = measure
        self._controls = controls

    def segments(self, draft: Draft) -> list[Segment]:
        """Blank parts are left out: platforms refuse a message with nothing to see in it. Only the last Segment has
        buttons, tools and an aside; a status that has no room there is not shown, a footer gets a message of its own.
        """
        parts = self._splitter.split(draft.shown_text)
        segments = [Segment(part.text) for part in parts if part.body.strip() and part.shown.strip()]
        if draft.aside and self._has_room(segments[-1:], draft.aside):
            segments[-1:] = [Segment(segments[-1].text if segments else "", aside=draft.aside)]
        elif draft.aside and draft.final:
            segments.append(Segment("", aside=draft.aside))
        if segments:
            segments[-1] = self._with_controls(segments[-1], draft)
        return segments

    def left_off(self, draft: Draft) -> LeftOff:
        """As much of `draft` as can be shown without a change when what follows comes in another Segment."""
        text = draft.shown_text[: leaving_off(draft.shown_text, _LEAST_LEFT)]
        parts = self._splitter.split(text)
        segments = [Segment(part.text) for part in parts if part.body.strip() and part.shown.strip()]
        return LeftOff(text, segments, tuple(parts))

    def leave_off(self, left: LeftOff) -> None:
        """What follows `left` is to come in a new Segment."""
        self._splitter.leave_off(left.parts)

    def _has_room(self, last: list[Segment], aside: str) -> bool:
        return not last or self._measure(last[0].text) + self._measure(aside) + _BETWEEN <= self._limit

    def _with_controls(self, last: Segment, draft: Draft) -> Segment:
        if not draft.final:
            return replace(last, stop=self._controls.stop, tools=draft.tools, growing=bool(draft.text))
        return replace(
            last,
            retry=self._controls.retry if draft.retry else "",
            rating=self._controls.rating if draft.rating else "",
            tools=draft.tools,
        )
