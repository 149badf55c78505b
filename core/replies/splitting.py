"""Splitting: cut a growing markdown answer into parts that each fit into one platform message.

Two properties carry everything else. The bodies of the parts, put together, are the text, to the character.
And the cut of a part is decided by the text that fits into it alone, never by what follows: while the answer
grows, parts that are full stay as they were posted, only the last one changes.

A part that ends inside fenced code is closed, and the next one opened again with the same fence and language;
these lines are the only text that is added.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass

_FENCE = re.compile(
    r"^(?P<indent>[ \t]*)(?P<item>(?:(?:[-*+]|\d{1,9}[.)])[ \t]+)*)(?P<mark>`{3,}|~{3,})(?P<info>[^\n]*)$"
)
_LANGUAGE = re.compile(r"[ \t]?[A-Za-z0-9_+#.-]{1,16}(?!\S)")
_REOPENED_MOST = 8
_SENTENCE_END = re.compile(r"[.!?…。！？][\"')\]]*\s+")
_KEEP_SHARE = 0.5
"""A better kind of cut is taken only if it leaves at least this share of the room used."""


@dataclass(frozen=True, slots=True)
class Fence:
    """An open code fence, as its first line wrote it. within: columns that lines of its list item are indented by."""

    indent: str
    mark: str
    info: str
    within: int = 0

    @property
    def opening(self) -> str:
        return f"{self.indent}{self.mark}{self.info}\n"

    def reopened(self) -> Fence:
        """The same for the next part, made short: a model may write a fence line that fills a message."""
        language = _LANGUAGE.match(self.info)
        indent = self.indent if len(self.indent) <= _REOPENED_MOST else ""
        return Fence(indent, self.mark[:_REOPENED_MOST], language[0] if language else "")

    def closing_after(self, body: str) -> str:
        return f"{'' if body.endswith(chr(10)) or not body else chr(10)}{self.indent}{self.mark}"


@dataclass(frozen=True, slots=True)
class Part:
    """One part: `body` is text of the answer, `opening` and `closing` are the fence lines added around it."""

    body: str
    opening: str = ""
    closing: str = ""

    @property
    def text(self) -> str:
        return f"{self.opening}{self.body}{self.closing}"


def fence_after(text: str, fence: Fence | None = None) -> Fence | None:
    """The fence that is open at the end of `text`, given the one that is open at its start."""
    for line in text.split("\n"):
        fence = _step(line, fence)
    return fence


def closed(text: str) -> str:
    """`text` with the fence that it leaves open closed."""
    fence = fence_after(text)
    return text + fence.closing_after(text) if fence else text


class Splitter:
    """Splits one growing text again and again; full parts are remembered, so that the cost is that of the last part.

    limit: the most that `measure` may give for a part's text; enough for a fence line and its content, 64 or more.
    """

    def __init__(self, limit: int, measure: Callable[[str], int]) -> None:
        if limit < 64:
            raise ValueError(f"limit must be at least 64, not {limit}")
        self._limit = limit
        self._measure = measure
        self._full: list[Part] = []
        self._full_text = ""
        self._fence: Fence | None = None  # open where the last full part ends

    def split(self, text: str) -> list[Part]:
        """Cut `text`; "" gives []. Cheapest when `text` begins with what was given before."""
        if not text.startswith(self._full_text):
            self._full, self._full_text, self._fence = [], "", None
        rest = text[len(self._full_text) :]
        while rest and not self._fits(rest):
            body = rest[: self._cut(rest)]
            self._full.append(self._part(body))
            self._full_text += body
            fence = fence_after(body, self._fence) if body.endswith("\n") else self._fence_inside(body)
            self._fence = fence.reopened() if fence else None
            rest = rest[len(body) :]
        return [*self._full, self._part(rest)] if rest else list(self._full)

    def _fence_inside(self, body: str) -> Fence | None:
        """A cut within a line: whether code is open is settled by the whole lines before it."""
        whole, newline, _ = body.rpartition("\n")
        return fence_after(whole, self._fence) if newline else self._fence

    def _part(self, body: str) -> Part:
        opening = self._fence.opening if self._fence else ""
        fence = fence_after(body, self._fence)
        return Part(body, opening, fence.closing_after(body) if fence else "")

    def _fits(self, body: str) -> bool:
        # the length first: measuring all that is still to be split, for each part anew, would take quadratic time
        return len(body) <= self._limit and self._measure(self._part(body).text) <= self._limit

    def _cut(self, rest: str) -> int:
        """How many characters of `rest`, which does not fit as a whole, make the next part; at least 1."""
        room = self._room(rest)
        least = int(room * _KEEP_SHARE)
        for cuts in (self._line_cuts(rest[:room]), _inner_cuts(rest[:room])):
            for cut in cuts:
                if cut > least and self._fits(rest[:cut]):
                    return cut
        return _between_clusters(rest, room)

    def _room(self, rest: str) -> int:
        """The longest prefix of `rest` that fits, found by halving; sizes grow with length but for fence lines."""
        low, high = 1, min(len(rest), self._limit)
        while low < high:
            middle = (low + high + 1) // 2
            low, high = (middle, high) if self._fits(rest[:middle]) else (low, middle - 1)
        return low

    def _line_cuts(self, window: str) -> list[int]:
        """Ends of lines in `window`, best kind first, then the last one first: after a blank line outside code,
        after any line outside code, after a line of code (but not where it would leave an empty code block)."""
        kinds: tuple[list[int], list[int], list[int]] = ([], [], [])
        fence, position = self._fence, 0
        lines = window.split("\n")
        for number, line in enumerate(lines[:-1]):
            position += len(line) + 1
            before, fence = fence, _step(line, fence)
            if fence is None:
                kinds[0 if not line.strip() and before is None else 1].append(position)
            elif before is not None and _step(lines[number + 1], fence) is not None:
                kinds[2].append(position)
        return [cut for kind in kinds for cut in reversed(kind)]


def _step(line: str, fence: Fence | None) -> Fence | None:
    """The fence that is open after `line`."""
    found = _FENCE.match(line)
    if fence is not None and fence.within and line.strip() and _indented(line) < fence.within:
        fence = None  # the list item has ended, and with it the code that began in its first line
    if found is None:
        return fence
    mark, info = found["mark"], found["info"]
    if fence is None:
        if mark[0] == "`" and "`" in info:
            return None
        item = len(found["item"])
        return Fence(found["indent"] + " " * item, mark, info, within=item and len(found["indent"]) + item)
    closes = (
        mark[0] == fence.mark[0]
        and len(mark) >= len(fence.mark)
        and not info.strip()
        and not found["item"]
        and _indented(line) <= len(fence.indent.expandtabs(4)) + 3
    )
    return None if closes else fence


def _indented(line: str) -> int:
    """Columns of white space that `line` begins with."""
    line = line.expandtabs(4)
    return len(line) - len(line.lstrip(" "))


def _inner_cuts(window: str) -> list[int]:
    """Cuts within a line: after a sentence, else after a word."""
    sentences = [found.end() for found in _SENTENCE_END.finditer(window)]
    words = [index + 1 for index, character in enumerate(window) if character in " \t"]
    return [*reversed(sentences), *reversed(words)]


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
