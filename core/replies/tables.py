"""Tables where a platform has none: columns lined up in a fixed-width font, or a list where that would be too wide."""

from __future__ import annotations

import unicodedata

from core.replies.nodes import Align, Inline, Item, Link, List, Paragraph, Row, Styled, Table, Text, plain


def aligned(table: Table, most: int) -> list[str] | None:
    """The lines of `table` with its columns lined up; None if they would be wider than `most` columns, or would lose
    where a link leads to.

    The marks of emphasis and code are left out: in a fixed-width block they would be read as they are.
    """
    cells = (table.head, *table.rows)
    if any(_leads_away(one) for row in cells for cell in row for one in cell):
        return None
    rows = [[" ".join(plain(cell).split()) for cell in row] for row in cells]
    widths = [max(width(row[column]) for row in rows) for column in range(len(table.align))]
    if sum(widths) + 2 * (len(widths) - 1) > most:
        return None
    lines = ["  ".join(_padded(*cell) for cell in zip(row, widths, table.align, strict=True)).rstrip() for row in rows]
    lines.insert(1, "  ".join("─" * size for size in widths).rstrip())
    return lines


def listed(table: Table) -> List:
    """One entry a row: its first cell, then the others, each named by its heading."""
    return List(tuple(_entry(table.head, row) for row in table.rows or (table.head,)))


def _leads_away(one: Inline) -> bool:
    """Whether an address stands behind words that do not say it."""
    match one:
        case Link():
            return not one.bare
        case Styled():
            return any(_leads_away(inside) for inside in one.inside)
        case _:
            return False


def _entry(head: Row, row: Row) -> Item:
    first, *others = row
    named = tuple(
        Item((Paragraph(((*name, Text(": ")) if name and row is not head else ()) + cell),))
        for name, cell in zip(head[1:], others, strict=True)
        if cell
    )
    title = Paragraph((Styled("strong", first),) if first else (Text("–"),))
    return Item((title, List(named)) if named else (title,))


def width(text: str) -> int:
    """Columns that `text` takes in a fixed-width font: two for wide characters, none for combining ones."""
    if text.isascii():
        return len(text)
    return sum(_character_width(character) for character in text)


def _character_width(character: str) -> int:
    if unicodedata.combining(character) or unicodedata.category(character) in ("Mn", "Me", "Cf"):
        return 0
    return 2 if unicodedata.east_asian_width(character) in ("W", "F") else 1


def _padded(cell: str, size: int, align: Align) -> str:
    room = size - width(cell)
    match align:
        case "right":
            return " " * room + cell
        case "center":
            return " " * (room // 2) + cell + " " * (room - room // 2)
        case _:
            return cell + " " * room
