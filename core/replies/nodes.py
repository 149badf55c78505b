"""The nodes of a parsed answer: a small closed set, for each platform to write in its own way."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

Emphasis: TypeAlias = Literal["strong", "em", "strike"]


@dataclass(frozen=True, slots=True)
class Text:
    """Words. escaped: one mark that was written with a backslash or as an entity, so that it would be no markup."""

    text: str
    escaped: bool = False


@dataclass(frozen=True, slots=True)
class CodeSpan:
    text: str


@dataclass(frozen=True, slots=True)
class Math:
    """A formula with its marks, as it was written."""

    text: str


@dataclass(frozen=True, slots=True)
class Styled:
    style: Emphasis
    inside: Inlines


@dataclass(frozen=True, slots=True)
class Link:
    """url: of an allowed scheme, without any character that could end it early. bare: the words are the address."""

    url: str
    inside: Inlines
    bare: bool = False


@dataclass(frozen=True, slots=True)
class Break:
    """The end of a line within a paragraph."""


Inline: TypeAlias = Text | CodeSpan | Math | Styled | Link | Break
Inlines: TypeAlias = tuple[Inline, ...]


@dataclass(frozen=True, slots=True)
class Paragraph:
    inside: Inlines


@dataclass(frozen=True, slots=True)
class Heading:
    level: int
    inside: Inlines


@dataclass(frozen=True, slots=True)
class Code:
    """language: one word or "". text: with the end of its last line, unless it is empty."""

    language: str
    text: str


@dataclass(frozen=True, slots=True)
class Formula:
    """Math that stands by itself, with its marks."""

    text: str


@dataclass(frozen=True, slots=True)
class Quote:
    blocks: Blocks


@dataclass(frozen=True, slots=True)
class Item:
    """done: whether a task's box is ticked, None for what is no task."""

    blocks: Blocks
    done: bool | None = None


@dataclass(frozen=True, slots=True)
class List:
    """first: the number of its first item, None for bullets."""

    items: tuple[Item, ...]
    first: int | None = None


Align: TypeAlias = Literal["left", "center", "right", ""]
Row: TypeAlias = tuple[Inlines, ...]


@dataclass(frozen=True, slots=True)
class Table:
    """head and each of rows: as many cells as there are in `align`."""

    align: tuple[Align, ...]
    head: Row
    rows: tuple[Row, ...]


@dataclass(frozen=True, slots=True)
class Rule:
    """A line across."""


Block: TypeAlias = Paragraph | Heading | Code | Formula | Quote | List | Table | Rule
Blocks: TypeAlias = tuple[Block, ...]


def plain(inside: Inlines) -> str:
    """The words alone."""
    return "".join(_plain(one) for one in inside)


def _plain(one: Inline) -> str:
    match one:
        case Text(text) | CodeSpan(text) | Math(text):
            return text
        case Styled(_, inside) | Link(_, inside):
            return plain(inside)
        case Break():
            return " "
