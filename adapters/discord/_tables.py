"""Tables for Discord, which has none: aligned columns in a code block, or a list where that would be too wide.

Only rows that begin and end with `|` are read as a table, the form that models write. A table cut in two by the end
of a message is still one on either side: rows alone, without a heading, are aligned as well.
"""

from __future__ import annotations

import re
import unicodedata
from typing import Final

WIDTH: Final = 56
"""Columns of a code block that a narrow window shows without breaking lines."""

_ROW = re.compile(r"^ {0,3}\|(?!\|).*\|\s*$")  # not `||spoiler||`
_RULE = re.compile(r"^ {0,3}\|(?:\s*:?-+:?\s*\|)+\s*$")
_CELL_END = re.compile(r"(?<!\\)\|")
_MARKUP = re.compile(r"\*\*|__|~~|`")


def is_row(line: str) -> bool:
    return len(line) > 2 and _ROW.match(line) is not None


def table_lines(rows: list[str]) -> list[str]:
    """Show rows of a table that follow each other; [] when these are not one (a single row without a rule)."""
    if len(rows) < 2:
        return []
    ruled = _RULE.match(rows[1]) is not None
    raw = [_cells(row) for row in rows if not _RULE.match(row)]
    if not raw:
        return []
    columns = max(len(row) for row in raw)
    raw = [row + [""] * (columns - len(row)) for row in raw]
    plain = [[_MARKUP.sub("", cell) for cell in row] for row in raw]
    widths = [max(width(row[column]) for row in plain) for column in range(columns)]
    if sum(widths) + 2 * (columns - 1) > WIDTH:
        return _as_list(raw, ruled)
    return _as_block(plain, widths, ruled)


def width(text: str) -> int:
    """Columns that `text` takes in a fixed-width font: two for wide characters, none for combining ones."""
    return sum(_character_width(character) for character in text)


def _character_width(character: str) -> int:
    if unicodedata.combining(character) or unicodedata.category(character) in ("Mn", "Me", "Cf"):
        return 0
    return 2 if unicodedata.east_asian_width(character) in ("W", "F") else 1


def _cells(row: str) -> list[str]:
    inner = _CELL_END.split(row.strip())[1:-1]
    return [cell.strip().replace("\\|", "|") for cell in inner]


def _as_block(rows: list[list[str]], widths: list[int], ruled: bool) -> list[str]:
    lines = ["  ".join(_padded(cell, size) for cell, size in zip(row, widths, strict=True)).rstrip() for row in rows]
    if ruled:
        lines.insert(1, "  ".join("─" * size for size in widths))
    return ["```", *lines, "```"]


def _padded(cell: str, size: int) -> str:
    return cell + " " * (size - width(cell))


def _as_list(rows: list[list[str]], ruled: bool) -> list[str]:
    """One entry a row: its first cell, then the others, named by the heading if there is one."""
    names = rows[0] if ruled else [""] * len(rows[0])
    lines: list[str] = []
    for row in rows[1:] if ruled else rows:
        lines.append(f"- **{_MARKUP.sub('', row[0])}**" if row[0] else "-")
        lines += [
            f"  - {name}: {cell}" if name else f"  - {cell}"
            for name, cell in zip(names[1:], row[1:], strict=True)
            if cell
        ]
    return lines or [f"**{' · '.join(cell for cell in names if cell)}**"]
