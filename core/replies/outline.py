"""Outline: a markdown text read line by line, so that a growing answer is never read twice.

A full parse cannot be continued: it starts from the top. But the block structure of markdown is decided line by line,
and three things are all that later lines need to know of earlier ones: the fence that is open, the list item they are
in, and the heading of the table they are a row of. The Outline keeps these, and says where a new block begins. Blocks
that have begun are parsed one at a time (`core.replies.markdown`), each once, and a text is cut between them
(`core.replies.splitting`).

What models write decides where CommonMark and habit disagree: a line two columns deeper than its list's markers belongs
to the item, also under "1."; code in a list goes on until its fence is closed, also where its lines are not indented.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Literal

_FENCE = re.compile(
    r"^(?P<indent>[ \t]*)(?P<quote>(?:> ?)*)(?P<item>(?:(?:[-*+]|\d{1,9}[.)])[ \t]+)*)"
    r"(?P<mark>`{3,}|~{3,})(?P<info>[^\n]*)$"
)
_LANGUAGE = re.compile(r"[ \t]?[A-Za-z0-9_+#.-]{1,16}(?!\S)")
_MARKER = re.compile(r"[ \t]*(?P<mark>[-*+]|(?P<number>\d{1,9})[.)])(?P<space>[ \t]+|\r?$)")
_RULE = re.compile(r"[ \t]*(?:(?:-[ \t]*){3,}|(?:\*[ \t]*){3,}|(?:_[ \t]*){3,})\r?$")
_HEADING = re.compile(r" {0,3}#{1,6}(?:[ \t]|\r?$)")
_QUOTE = re.compile(r" {0,3}>")
_QUOTES = re.compile(r" {0,3}(?:> ?)+")
_TABLE_RULE = re.compile(r" {0,3}\|?[ \t]*:?-+:?[ \t]*(?:\|[ \t]*:?-+:?[ \t]*)*\|?[ \t]*\r?$")
_REOPENED_MOST = 8
_INSIDE = 2  # columns beyond its list's markers from which a line belongs to the item

Last = Literal["blank", "text", "end"]


@dataclass(frozen=True, slots=True)
class Fence:
    """An open code fence, as its first line wrote it.

    indent: what stands before the marks, quotation marks included.  within: columns that lines of its list item are
    indented by, if the fence is in that item's first line.
    """

    indent: str
    mark: str
    info: str
    within: int = 0

    @property
    def opening(self) -> str:
        return f"{self.indent}{self.mark}{self.info}\n"

    @property
    def quoted(self) -> bool:
        return ">" in self.indent

    def reopened(self) -> Fence:
        """The same for the next part, made short: a model may write a fence line that fills a message."""
        language = _LANGUAGE.match(self.info)
        indent = self.indent if len(self.indent) <= _REOPENED_MOST else ""
        return Fence(indent, self.mark[:_REOPENED_MOST], language[0] if language else "")

    def closing_after(self, body: str) -> str:
        return f"{'' if body.endswith(chr(10)) or not body else chr(10)}{self.indent}{self.mark}"

    def over_at(self, line: str) -> bool:
        """Whether what holds the code has ended before `line`: its quotation, or the item that it began."""
        if self.quoted:
            return _QUOTE.match(line) is None
        return bool(self.within) and bool(line.strip()) and indented(line) < self.within

    def closed_by(self, line: str) -> bool:
        found = _FENCE.match(line)
        return (
            found is not None
            and found["mark"][0] == self.mark[0]
            and len(found["mark"]) >= len(self.mark)
            and not found["info"].strip()
            and not found["item"]
            and bool(found["quote"]) == self.quoted
            and (self.quoted or indented(line) <= len(self.indent.expandtabs(4)) + 3)
        )


@dataclass(frozen=True, slots=True)
class Item:
    """An item of a list at the outermost level. indent: columns before its marker.  number: None for a bullet."""

    indent: int
    mark: str
    number: int | None


@dataclass(slots=True)
class Outline:
    """What is open after the lines read so far."""

    fence: Fence | None = None
    item: Item | None = None
    table: str = ""
    """The heading of the table whose rows these are: its two lines."""
    after_heading: bool = False
    """The last line that is not blank is a heading: no good place to stop."""
    _last: Last = "end"
    _quote: bool = False
    _code: bool = False
    _line: str = field(default="")

    def read(self, line: str) -> bool:
        """Read the next line, without its end. True if a block begins with it."""
        if self.fence is not None:
            if not self.fence.over_at(line):
                if self.fence.mark[:3] in line and self.fence.closed_by(line):
                    self.fence = None
                    self._last = "text" if self.item or self._quote else "end"
                return False
            self.fence = None
            self._last = "end"
        if not line.strip():
            self._last, self.table, self._line, self._quote = "blank", "", "", False
            return False
        if line[0].isalpha() and self.item is None and not self.table and "|" not in line:  # most lines
            begins = self._last != "text" or self._quote
            self._last, self._line, self._quote, self._code, self.after_heading = "text", line, False, False, False
            return begins
        begins = self._begins(line)
        self.fence = opened(line)
        self._read_table(line)
        self.after_heading = _HEADING.match(line) is not None
        self._last = "end" if self.after_heading and self.item is None else "text"
        self._quote = _QUOTE.match(line) is not None
        self._line = line
        return begins

    def _begins(self, line: str) -> bool:
        columns = indented(line)
        if self.table and "|" not in line and self._last == "text":
            self._last = "end"  # a row has cells; CommonMark would take any line for one
        marker = None if _RULE.match(line) else _MARKER.match(line)
        if self.item is not None:
            return self._begins_after_item(line, columns, marker)
        if marker is not None and columns < 4 and (self._last != "text" or _interrupts(marker, line)):
            self.item = Item(columns, marker["mark"][-1], int(marker["number"]) if marker["number"] else None)
            self._code = False
            return True
        code = columns >= 4 and self._last != "text"
        goes_on = code and self._code
        self._code = code
        return not goes_on and (self._last != "text" or self._starts_block(line))

    def _begins_after_item(self, line: str, columns: int, marker: re.Match[str] | None) -> bool:
        assert self.item is not None
        if columns >= self.item.indent + _INSIDE:
            return False
        if marker is not None:
            number = int(marker["number"]) if marker["number"] else None
            if self.item.mark == marker["mark"][-1] and self.item.number is not None and number is not None:
                number = self.item.number + 1
            self.item = Item(columns, marker["mark"][-1], number)
            return True
        if self._last != "text" or self._starts_block(line):
            self.item = None
            return True
        return False  # a paragraph of the item that goes on at the margin

    def _starts_block(self, line: str) -> bool:
        if _QUOTE.match(line):
            return not self._quote
        return self._quote or _HEADING.match(line) is not None or opened(line) is not None

    def _read_table(self, line: str) -> None:
        if self.table:
            if "|" not in line:
                self.table = ""
        elif "|" in self._line and "|" in line and is_table_rule(line) and self.item is None:
            self.table = f"{self._line}\n{line}\n"


def is_table_rule(line: str) -> bool:
    """Whether `line` is the line of dashes below a table's heading, or what is there of it so far."""
    return _TABLE_RULE.match(line) is not None


def opened(line: str) -> Fence | None:
    """The fence that `line` opens, read outside code."""
    found = _FENCE.match(line)
    if found is None or (found["mark"][0] == "`" and "`" in found["info"]):
        return None
    indent, item = found["indent"], len(found["item"])
    if found["quote"]:
        return Fence(indent + found["quote"] + " " * item, found["mark"], found["info"].rstrip("\r"))
    return Fence(indent + " " * item, found["mark"], found["info"].rstrip("\r"), within=item and len(indent) + item)


def quotes(line: str) -> str:
    """The quotation marks that `line` begins with."""
    found = _QUOTES.match(line)
    return found[0] if found else ""


def indented(line: str) -> int:
    """Columns of white space that `line` begins with."""
    bare = line.lstrip(" ")
    if bare[:1] != "\t":
        return len(line) - len(bare)
    line = line.expandtabs(4)
    return len(line) - len(line.lstrip(" "))


def _interrupts(marker: re.Match[str], line: str) -> bool:
    """Whether a list may begin right below a line of text (CommonMark 0.31, 5.2): not "42." at the start of a line."""
    return bool(line[marker.end() :].strip()) and marker["number"] in (None, "1")


@dataclass(frozen=True, slots=True)
class Chunk:
    """One block with the blank lines after it. number: what a numbered item is to be shown with."""

    source: str
    number: int | None = None


def chunks(text: str) -> Iterator[Chunk]:
    """The blocks of `text`, in order; their sources put together are `text`."""
    outline = Outline()
    start = position = 0
    number: int | None = None
    for line in text.split("\n"):
        if outline.read(line):
            if position > start:
                yield Chunk(text[start:position], number)
                start = position
            number = outline.item.number if outline.item else None
        position += len(line) + 1
    if start < len(text):
        yield Chunk(text[start:], number)


def outline_of(text: str, outline: Outline | None = None) -> Outline:
    """What is open after `text`; goes on from `outline`, which it changes."""
    outline = outline or Outline()
    for line in text.split("\n"):
        outline.read(line)
    return outline
