"""Slack's own table: the `table` block.

Limits: 100 rows of 20 cells, 10,000 characters in the cells of a message, no empty cell, and one table a message.
Source: docs.slack.dev, "Table block" (docs of 2026-11); that a second one is refused is what peers report
(vercel/chat#194, openclaw#57717). A cell's text is text: no reference is read in it.
"""

from __future__ import annotations

from typing import Final

from core.replies.nodes import Break, CodeSpan, Inline, Inlines, Link, Math, Styled, Table, Text, plain

Json = dict[str, object]

ROWS: Final = 100
COLUMNS: Final = 20
CHARACTERS: Final = 10_000
_NOTHING = " "


def native(table: Table) -> Json | None:
    """`table` as a block, None where Slack would not take it."""
    rows = (table.head, *table.rows)
    if len(rows) > ROWS or len(table.align) > COLUMNS or size(table) > CHARACTERS:
        return None
    settings = [{"align": align or "left", "is_wrapped": True} for align in table.align]
    return {"type": "table", "column_settings": settings, "rows": [[_cell(cell) for cell in row] for row in rows]}


def size(table: Table) -> int:
    """Characters in the cells of `table`."""
    return sum(max(len(plain(cell)), 1) for row in (table.head, *table.rows) for cell in row)


def _cell(inside: Inlines) -> Json:
    words = plain(inside)
    if not words.strip():
        return {"type": "raw_text", "text": _NOTHING}
    if all(isinstance(one, Text | Math) for one in inside):
        return {"type": "raw_text", "text": words}
    elements = [element for one in inside for element in _elements(one, {})]
    return {"type": "rich_text", "elements": [{"type": "rich_text_section", "elements": elements}]}


def _elements(one: Inline, style: dict[str, bool]) -> list[Json]:
    match one:
        case Text(text) | Math(text):
            return _styled({"type": "text", "text": text}, style) if text else []
        case CodeSpan(text):
            return _styled({"type": "text", "text": text}, style | {"code": True}) if text else []
        case Styled(kind, inside):
            name = {"strong": "bold", "em": "italic", "strike": "strike"}[kind]
            return [element for inner in inside for element in _elements(inner, style | {name: True})]
        case Link(url, inside, bare):
            named: Json = {} if bare else {"text": plain(inside)}
            return _styled({"type": "link", "url": url} | named, style)
        case Break():
            return [{"type": "text", "text": " "}]


def _styled(element: Json, style: dict[str, bool]) -> list[Json]:
    return [element | {"style": style}] if style else [element]
