"""Splitting: cut a growing markdown answer into parts that each fit into one platform message.

Two properties carry everything else. The bodies of the parts, put together, are the text, to the character.
And the cut of a part is decided by the text that fits into it alone, never by what follows: while the answer
grows, parts that are full stay as they were posted, only the last one changes.

A part is a message of its own, so what it begins in the middle of is begun again: code with its fence and language, a
table with its heading, a quotation with its mark, a numbered list with the number that is next, and what was indented
under an item at the margin. What it leaves open is closed.

Cost. Whether the last part fits is asked for every Draft. The measure of its blocks is added up as they end, and the
one that still grows is measured only when it could be too long: `ceiling` bounds what any platform makes of it.
"""

from __future__ import annotations

import re
import unicodedata
from bisect import bisect_right
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from core.replies.healing import healed
from core.replies.outline import Fence, Item, Outline, indented, outline_of, quotes

Measure = Callable[[str], int]

_SPACE = re.compile(r"[ \t]")
_SENTENCE_END = re.compile(r"[.!?…][\"')\]]*\s+|[。！？][」』）\"')\]]*\s*")
_LINE_END = re.compile(r"[^\n]\n+")
_TRIED = 8
_NUMBER = re.compile(r"( {0,3})\d{1,9}(?=[.)][ \t])")
_KEEP_SHARE = 0.5
"""A better kind of cut is taken only if it leaves at least this share of the room used."""
_HEADING_SHARE = 0.3
"""A table's heading is begun again in the next part if it takes no more than this share of a message."""

_MARKUP = b"<>&*_~`[]()!\\$"
_CODE_MARKUP = b"<>&`"
_PER_MARK = 6
_PER_LINE = 28  # indentation, quotation marks, a line across
_AT_LEAST = 64


@dataclass(frozen=True, slots=True)
class Part:
    """One part: `body` is text of the answer, `shown` is how it reads in a message of its own; `opening` and `closing`
    are the lines added around it."""

    body: str
    shown: str
    opening: str = ""
    closing: str = ""

    @property
    def text(self) -> str:
        return f"{self.opening}{self.shown}{self.closing}"


@dataclass(frozen=True, slots=True)
class Carried:
    """What a part begins in the middle of.

    item: the list item it is in.  columns: how far the code in that item was indented.
    """

    fence: Fence | None = None
    columns: int = 0
    table: str = ""
    quote: str = ""
    item: Item | None = None


_NOTHING = Carried()


def fence_after(text: str, fence: Fence | None = None) -> Fence | None:
    """The fence that is open at the end of `text`, given the one that is open at its start."""
    return outline_of(text, Outline(fence)).fence


def closed(text: str) -> str:
    """`text` with the fence that it leaves open closed."""
    fence = fence_after(text)
    return text + fence.closing_after(text) if fence else text


def leaving_off(text: str, least: int) -> int:
    """The last place in `text`, at `least` or later, where a reader can be left for a while: a line or a sentence has
    ended and nothing is open, no code, table or emphasis. 0 where there is none."""
    ends = {found.end() for found in _SENTENCE_END.finditer(text)} | {found.end() for found in _LINE_END.finditer(text)}
    for end in sorted((end for end in ends if end >= least), reverse=True)[:_TRIED]:
        head = text[:end]
        outline = outline_of(head if head.endswith("\n\n") else head.removesuffix("\n"))
        if outline.fence is None and not outline.table and not outline.after_heading and healed(head) == head:
            return end
    return 0


def ceiling(text: str) -> int | None:
    """More than any platform's rendering of `text` takes, in its unit; None where that has no bound (a table pads)."""
    if "|" in text:
        return None
    return _most(text, _MARKUP, _PER_LINE)


def _most(text: str, markup: bytes, per_line: int) -> int:
    written = text.encode(errors="surrogatepass")
    marks = len(written) - len(written.translate(None, markup))
    size = len(written) + _AT_LEAST + per_line * text.count("\n") + _PER_MARK * marks
    return 2 * size if "://" in text or "<" in text else size  # an address may be written twice, as words and address


def _after(parts: Sequence[Part], text: str) -> str | None:
    """What follows `parts` in `text`, None if it does not begin with them."""
    at = 0
    for part in parts:
        if not text.startswith(part.body, at):
            return None
        at += len(part.body)
    return text[at:]


class Splitter:
    """Splits one growing text again and again; full parts are remembered, so that the cost is that of the last part.

    limit: the most that `measure` may give for a part's text; enough for a fence line and its content, 64 or more.
    measure: never more than `ceiling`, and for two blocks no more than for each of them.
    """

    def __init__(self, limit: int, measure: Measure) -> None:
        if limit < 64:
            raise ValueError(f"limit must be at least 64, not {limit}")
        self._limit = limit
        self._measure = measure
        self._full: list[Part] = []
        self._carried = _NOTHING
        self._tally = _Tally(measure)

    def split(self, text: str) -> list[Part]:
        """Cut `text`; "" gives []. Cheapest when `text` begins with what was given before."""
        rest = _after(self._full, text)
        if rest is None:
            self._full, self._carried, rest = [], _NOTHING, text
        while rest and not self._fits(rest):
            part = self._part(rest[: self._cut(rest)])
            self._full.append(part)
            self._carried = self._carried_after(part)
            rest = rest[len(part.body) :]
        return [*self._full, self._part(rest)] if rest else list(self._full)

    def leave_off(self, parts: Sequence[Part]) -> None:
        """Let `parts`, which a beginning of the text was split into, stay as they are: what follows will be in the next
        one. Split anew it might be cut in another place, as more of it is known now."""
        if parts:
            self._full = list(parts)
            self._carried = self._carried_after(parts[-1])

    def _part(self, body: str) -> Part:
        opening, shown = _begun(body, self._carried)
        fence = self._tally.fence_after(opening + shown)
        return Part(body, shown, opening, fence.closing_after(shown) if fence else "")

    def _carried_after(self, part: Part) -> Carried:
        """A cut within a line: what is open is settled by the whole lines before it."""
        whole, newline, partial = (part.opening + part.shown).rpartition("\n")
        outline = outline_of(whole) if newline else Outline()
        fence, columns = outline.fence, 0
        quote = quotes(partial) if partial else ""
        if fence is not None:
            if outline.item is not None and not fence.quoted:
                columns = len(fence.indent.expandtabs(4))
            fence = fence.reopened() if columns == 0 else Fence("", fence.mark, fence.info).reopened()
        table = outline.table if newline and not partial else ""
        if table and self._measure(table) > self._limit * _HEADING_SHARE:
            table = ""
        return Carried(fence, columns, table, quote, None if partial else outline.item)

    def _fits(self, body: str) -> bool:
        # the length first: measuring all that is still to be split, for each part anew, would take quadratic time
        if len(body) > self._limit:
            return False
        opening, shown = _begun(body, self._carried)
        return self._tally.fits(opening + shown, self._limit)

    def _cut(self, rest: str) -> int:
        """How many characters of `rest`, which does not fit as a whole, make the next part; at least 1."""
        kinds = self._line_ends(rest[: self._limit])
        best = self._last_fitting(rest, sorted(cut for kind in kinds for cut in kind))
        if best and self._measure(self._part(rest[:best]).text) >= self._limit * _KEEP_SHARE:
            for kind in kinds:
                if (cut := _last(kind, best)) > best * _KEEP_SHARE and self._fits(rest[:cut]):
                    return cut
            return best
        room = self._room(rest)
        least = int(room * _KEEP_SHARE)
        for cuts in (*kinds, _inner_cuts(rest[:room])):
            for cut in reversed(cuts):
                if least < cut <= room and self._fits(rest[:cut]):
                    return cut
        return _between_clusters(rest, room)

    def _last_fitting(self, rest: str, cuts: Sequence[int]) -> int:
        """The largest of `cuts` that fits, 0 if none does; found by halving, as size grows with length but for fence
        lines."""
        low, high = 0, len(cuts)
        while low < high:
            middle = (low + high) // 2
            low, high = (middle + 1, high) if self._fits(rest[: cuts[middle]]) else (low, middle)
        return cuts[low - 1] if low else 0

    def _room(self, rest: str) -> int:
        """The longest prefix of `rest` that fits, found in the same way."""
        low, high = 1, min(len(rest), self._limit)
        while low < high:
            middle = (low + high + 1) // 2
            low, high = (middle, high) if self._fits(rest[:middle]) else (low, middle - 1)
        return low

    def _line_ends(self, window: str) -> tuple[list[int], list[int], list[int]]:
        """Where lines end in `window`, best kind first: after an empty line outside code, after any line outside code,
        after a line of code or a row of a table. Not below a heading, and not where it would leave an empty block."""
        kinds: tuple[list[int], list[int], list[int]] = ([], [], [])
        opening, shown = _begun(window, self._carried)
        outline = outline_of(opening.removesuffix("\n")) if opening.endswith("\n") else Outline()
        written, lines = window.split("\n"), shown.split("\n")
        dropped = len(written) - len(lines)
        position = sum(len(line) + 1 for line in written[:dropped])
        for line, following, source in zip(lines, lines[1:], written[dropped:], strict=False):
            position += len(source) + 1
            before, table = outline.fence, outline.table
            outline.read(line)
            if outline.fence is not None:
                if before is not None and not outline.fence.closed_by(following):
                    kinds[2].append(position)
            elif outline.table:
                if table:
                    kinds[2].append(position)
            elif not line.strip() and before is None:
                kinds[1 if outline.after_heading else 0].append(position)
            elif not outline.after_heading and not line.lstrip().startswith("|"):
                kinds[1].append(position)
            else:
                kinds[2].append(position)
        return kinds


class _Tally:
    """The measure of a growing text, added up block by block."""

    def __init__(self, measure: Measure) -> None:
        self._measure = measure
        self._start_over()

    def _start_over(self) -> None:
        self._outline = Outline()
        self._read = ""  # whole lines that were read
        self._block = 0  # where the block begins that still grows
        self._size = 0  # of the blocks before

    def fits(self, text: str, limit: int) -> bool:
        """Whether `text`, with the fence closed that it leaves open, is at most `limit`. Cheapest when it goes on from
        the last one."""
        self._read_on(text)
        if "]:" not in text:  # what a name at the end of a text means may change all of it
            growing = text[self._block :]
            most = _most(growing, _CODE_MARKUP, 1) if self._in_code(growing) else ceiling(growing)
            if most is not None and self._size + most <= limit:
                return True
            fence = self.fence_after(text)
            if self._size + self._measure(growing + (fence.closing_after(growing) if fence else "")) <= limit:
                return True
        return self._measure(closed(text)) <= limit

    def fence_after(self, text: str) -> Fence | None:
        """The fence that `text` leaves open."""
        self._read_on(text)
        return fence_after(text[len(self._read) :], self._outline.fence)

    def _in_code(self, growing: str) -> bool:
        """Whether the block that grows is code at the margin, of which nothing but four marks can get longer."""
        return self._outline.fence is not None and growing[:3] in ("```", "~~~")

    def _read_on(self, text: str) -> None:
        if not text.startswith(self._read):
            self._start_over()
        end = text.rfind("\n") + 1
        if end <= len(self._read):
            return
        position = len(self._read)
        for line in text[position : end - 1].split("\n"):
            item = self._outline.item
            if self._outline.read(line) and position > self._block:
                self._size += self._measured(text[self._block : position], item)
                self._block = position
            position += len(line) + 1
        self._read = text[:end]

    def _measured(self, block: str, item: Item | None) -> int:
        """An item is shown with its place in the list, which may be longer than the number it was written with."""
        size = self._measure(block)
        if item is not None and item.number is not None and (found := _NUMBER.match(block)):
            size += max(len(str(item.number)) - len(found[0].strip()), 0)
        return size


def _begun(body: str, carried: Carried) -> tuple[str, str]:
    """The lines that begin `body` again, and `body` as it reads without what came before."""
    if carried is _NOTHING:
        return "", body
    first, newline, rest = body.partition("\n")
    fence = carried.fence
    if fence is not None and newline and fence.closed_by(first[min(carried.columns, indented(first)) :]):
        return "", _outdented(rest, carried.columns, None)
    if fence is not None:
        quote = carried.quote if fence.quoted else ""
        return fence.opening + quote, _outdented(body, carried.columns, fence)
    if carried.table and "|" in first:
        return carried.table, body
    if carried.quote:
        return carried.quote, body
    if carried.item is not None:
        return "", _margined(body, carried.item)
    return "", body


def _margined(body: str, item: Item) -> str:
    """What was inside a list or goes on with it, at the margin and with the number that is next."""
    first = next((line for line in body.split("\n") if line.strip()), "")
    columns = indented(first)
    if columns > item.indent + 1:
        return _outdented(body, columns, None)
    if item.number is not None and (found := _NUMBER.match(first)):
        start = body.index(first)
        return f"{body[:start]}{found[1]}{item.number + 1}{body[start + found.end() :]}"
    return body


def _outdented(body: str, columns: int, fence: Fence | None) -> str:
    """`body` with its lines moved left, up to the first one outside code that stands at the margin."""
    if columns == 0:
        return body
    outline = Outline(fence)
    lines: list[str] = []
    for line in body.split("\n"):
        if outline.fence is None and line.strip() and not indented(line):
            columns = 0
        if columns:
            line = line.expandtabs(4) if line[:columns].strip(" ") == "\t" else line
            line = line[min(columns, len(line) - len(line.lstrip(" "))) :]
        outline.read(line)
        lines.append(line)
    return "\n".join(lines)


def _last(cuts: Sequence[int], most: int) -> int:
    """The largest of `cuts` that is at most `most`, 0 if none is."""
    number = bisect_right(cuts, most)
    return cuts[number - 1] if number else 0


def _inner_cuts(window: str) -> list[int]:
    """Cuts within a line, the best last: after a word, better after a sentence."""
    sentences = [found.end() for found in _SENTENCE_END.finditer(window)]
    words = [found.end() for found in _SPACE.finditer(window)]
    return [*words, *sentences]


def _between_clusters(text: str, cut: int) -> int:
    """The nearest place at or before `cut` that does not take an emoji or an accented letter apart."""
    for place in range(cut, max(cut - 16, 0), -1):
        if not _joined(text, place):
            return place
    return cut


def _joined(text: str, place: int) -> bool:
    if place >= len(text):
        return False
    before, after = text[place - 1], text[place]
    return (
        unicodedata.combining(after) != 0
        or unicodedata.category(after) in ("Mn", "Me")
        or after in "\u200d\ufe0e\ufe0f\u20e3"
        or before == "\u200d"
        or "\U0001f3fb" <= after <= "\U0001f3ff"  # skin tones
        or ("\U0001f1e6" <= before <= "\U0001f1ff" and "\U0001f1e6" <= after <= "\U0001f1ff")  # flags
    )
