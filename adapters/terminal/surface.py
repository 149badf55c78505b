"""TerminalSurface: a Reply as text that grows at the end of a terminal.

A terminal cannot edit what has scrolled by, so an edit that goes on from what is shown prints the rest of it,
and any other edit prints the whole message again.
"""

from __future__ import annotations

from collections.abc import Callable

from core.chat import Bucket, Draws, Limits, Manual, MessageRef, Operation, Placement, Rate, Segment

LIMITS = Limits(segment=1_000_000, measure=len, min_gap_s=0.05)

MANUAL = Manual(begin="Just write.", prefix="/", or_stop="or press Ctrl-C", beside="")

_INERT = {code: "\ufffd" for code in (*range(0x20), *range(0x7F, 0xA0)) if chr(code) not in "\n\t"} | {ord("\r"): ""}
"""What moves the cursor, colours, renames the window or writes the clipboard is for us to say, not for a model."""

_DRAWS = Draws("terminal", (Bucket("write", Rate(burst=100, per_s=100)),))


class TerminalSurface:
    """write: takes text for the terminal as it is."""

    def __init__(self, write: Callable[[str], None]) -> None:
        self._write = write
        self._shown: dict[str, str] = {}

    @property
    def limits(self) -> Limits:
        return LIMITS

    @property
    def manual(self) -> Manual:
        return MANUAL

    def draws(self, operation: Operation, placement: Placement) -> Draws:
        return _DRAWS

    async def open(self, placement: Placement) -> None:
        pass

    async def status(self, placement: Placement, doing: str) -> None:
        pass

    async def post(self, placement: Placement, segment: Segment, key: str) -> MessageRef:
        words = _words(segment)
        self._shown = {key: words}  # only the newest message can still grow
        self._write(words)
        return MessageRef(placement.thread_id, key)

    async def find(self, placement: Placement, key: str) -> MessageRef | None:
        return MessageRef(placement.thread_id, key) if key in self._shown else None

    async def edit(self, placement: Placement, ref: MessageRef, segment: Segment) -> None:
        shown, words = self._shown.get(ref.message), _words(segment)
        if shown is not None and words.startswith(shown):
            self._write(words[len(shown) :])
        else:
            self._write(f"\n{words}")
        self._shown = {ref.message: words}

    async def delete(self, placement: Placement, ref: MessageRef) -> None:
        self._shown.pop(ref.message, None)


def _words(segment: Segment) -> str:
    """A line below a text that still grows would have to be taken back, so it is not written."""
    return (segment.text if segment.text and segment.stop else segment.shown).translate(_INERT)
