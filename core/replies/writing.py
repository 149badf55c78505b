"""Writer: the blocks of an answer as lines of text. A platform's writer says how each piece is marked up there."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from typing import ClassVar

from core.replies.nodes import (
    Block,
    Blocks,
    Break,
    Code,
    CodeSpan,
    Emphasis,
    Formula,
    Heading,
    Inline,
    Inlines,
    Item,
    Link,
    List,
    Math,
    Paragraph,
    Quote,
    Rule,
    Styled,
    Table,
    Text,
)
from core.replies.tables import aligned, listed

DEPTH = 5
"""Levels of lists that are indented; what lies deeper stays at the last one."""


def runs_on(after: str) -> bool:
    """Whether a reader that looks for the end of a bare address would take `after`, which stands behind it, for more of
    it: they know spaces and the punctuation of Latin scripts."""
    return not after.isascii() and not after.isspace()


class AtMargin(str):
    """A line that stands at the margin, also within a list."""

    __slots__ = ()


class Writer(ABC):
    """Walks the nodes. Each method returns what is sent; nothing of a node reaches it but through one of them.

    table_width: columns of a code block that a window of usual width shows without breaking lines.
    """

    table_width: ClassVar[int]

    # -- what a platform says -----------------------------------------------------------------------------------

    @abstractmethod
    def words(self, text: str, escaped: bool) -> str:
        """Text that must be read as it is."""

    @abstractmethod
    def code(self, text: str) -> str: ...

    @abstractmethod
    def styled(self, style: Emphasis, inside: str, before: str, after: str) -> str:
        """before, after: the characters on both sides, "" at the start and end of a line."""

    @abstractmethod
    def link(self, url: str, words: str) -> str: ...

    @abstractmethod
    def address(self, url: str, words: str, after: str) -> str:
        """A link whose words are its address. after: the character behind it, "" at the end of a line."""

    @abstractmethod
    def heading(self, level: int, inside: Inlines) -> list[str]: ...

    @abstractmethod
    def fenced(self, language: str, text: str) -> list[str]: ...

    @abstractmethod
    def marker(self, number: int | None, done: bool | None, level: int) -> str:
        """What an item's first line begins with, its space included."""

    @abstractmethod
    def indent(self, marker: str) -> str:
        """What the other lines of an item begin with."""

    @abstractmethod
    def rule(self) -> list[str]: ...

    def quoted(self, lines: list[str]) -> list[str]:
        """In one level, all that most readers know."""
        return [line if line.startswith("> ") else f"> {line}" for line in lines]

    def table(self, table: Table) -> list[str]:
        """Lined up as code, or as a list where that would be too wide."""
        lines = aligned(table, self.table_width)
        return self.fenced("", "\n".join(lines)) if lines else self.block(listed(table))

    def apart(self, before: Block, after: Block) -> bool:
        """Whether an empty line is to stand between two blocks."""
        return isinstance(before, Paragraph) and isinstance(after, Paragraph)

    # -- the walk -----------------------------------------------------------------------------------------------

    def lines(self, blocks: Blocks, level: int = 0) -> list[str]:
        lines: list[str] = []
        before: Block | None = None
        for block in blocks:
            if before is not None and self.apart(before, block):
                lines.append("")
            lines += self.block(block, level)
            before = block
        return lines

    def block(self, block: Block, level: int = 0) -> list[str]:
        match block:
            case Paragraph(inside):
                return self.inline(inside).split("\n")
            case Heading(depth, inside):
                return self.heading(depth, inside)
            case Code(language, text):
                return self.fenced(language, text)
            case Formula(text):
                return self.fenced("", text)
            case Quote(blocks):
                return self.quoted(self.lines(blocks, level))
            case List():
                return list(self._list(block, level))
            case Table():
                return self.table(block)
            case Rule():
                return self.rule()

    def inline(self, inside: Inlines) -> str:
        written: list[str] = []
        for number, one in enumerate(inside):
            before = _edge(inside[number - 1], -1) if number else ""
            after = _edge(inside[number + 1], 0) if number + 1 < len(inside) else ""
            written.append(self.one(one, before, after))
        return "".join(written)

    def one(self, one: Inline, before: str, after: str) -> str:
        match one:
            case Text(text, escaped):
                return self.words(text, escaped)
            case CodeSpan(text) | Math(text):
                return self.code(text)
            case Styled(style, inside):
                return self.styled(style, self.inline(inside), before, after)
            case Link(url, inside, bare):
                words = self.inline(inside)
                return self.address(url, words, after) if bare else self.link(url, words)
            case Break():
                return "\n"

    def _list(self, block: List, level: int) -> Iterator[str]:
        for number, item in enumerate(block.items):
            yield from self._item(item, None if block.first is None else block.first + number, level)

    def _item(self, item: Item, number: int | None, level: int) -> Iterator[str]:
        marker = self.marker(number, item.done, level)
        indent = self.indent(marker) if level < DEPTH else ""
        first = True
        for line in self.lines(item.blocks, level + 1) or [""]:
            if isinstance(line, AtMargin):
                if first:
                    yield marker.rstrip()
                yield line
            elif first:
                yield (marker + line).rstrip()
            else:
                yield (indent + line) if line.strip() else ""
            first = False


def _edge(one: Inline, at: int) -> str:
    """The character of `one` that stands next to its neighbour."""
    match one:
        case Text(text) | CodeSpan(text) | Math(text):
            return text[at] if text else ""
        case Styled(_, inside) | Link(_, inside):
            return _edge(inside[at], at) if inside else ""
        case _:
            return ""
