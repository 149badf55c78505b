"""The two ways in which Slack reads text: a `markdown` block, and `mrkdwn`.

Nothing a model writes opens a reference in either. In words every `<` is written as `&lt;`, which Slack shows and does
not read again (measured in a workspace: PostHog#95054). Within the code of a `markdown` block, where entities may be
shown as they are, a `<` that could open a reference is parted from what follows by a zero-width space. In mrkdwn a `<`
comes from `Mrkdwn.link` and `Mrkdwn.address` alone, and what they put behind it is an address whose scheme was checked.

Source: docs.slack.dev, "Markdown block" and "Formatting message text" (docs of 2026-11).
"""

from __future__ import annotations

import re
import unicodedata
from typing import Final

from core.replies.nodes import (
    Block,
    Code,
    Emphasis,
    Formula,
    Heading,
    Inline,
    Inlines,
    List,
    Paragraph,
    Quote,
    Styled,
)
from core.replies.writing import AtMargin, Writer, runs_on

TABLE_WIDTH: Final = 80
"""Columns of a code block that a window of usual width shows without breaking lines."""

_ZERO_WIDTH_SPACE = "\u200b"
_HAIR_SPACE = "\u200a"
_REFERENCE = re.compile(r"<(?=[!@#]|http|mailto:|tel:|ftp:|slack:)", re.IGNORECASE)
_ENTITY = re.compile(r"&(?=(?:#\d{1,7}|#[xX][0-9a-fA-F]{1,6}|[A-Za-z][A-Za-z0-9]{1,31});)")
_DEFINITION = re.compile(r"^( {0,3})\[([^\[\]]*)\](?=:)", re.MULTILINE)
_BACKTICKS = re.compile(r"`+")
_TIMES = re.compile(r"(?<=[\w)])\*(?=\w)")
_MARK = re.compile(r"\*\*+|~~+|(?<!\w)(?:\*|_+|~)(?=\S)")


def entities(text: str) -> str:
    """Escape the three characters that Slack gives a meaning to; the result opens no reference."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def inert_code(text: str) -> str:
    """Code for a `markdown` block, with every reference in it dead."""
    return _REFERENCE.sub("<" + _ZERO_WIDTH_SPACE, text)


class MarkdownBlock(Writer):
    """Standard markdown, as Slack's `markdown` block takes it."""

    table_width = TABLE_WIDTH

    def words(self, text: str, escaped: bool) -> str:
        if escaped:
            return {"<": "&lt;", ">": "&gt;", "&": "&amp;"}.get(text, "\\" + text)
        text = _ENTITY.sub("&amp;", text).replace("<", "&lt;").replace("](", "] (")
        text = _TIMES.sub(r"\\*", text) if "*" in text else text
        return _DEFINITION.sub(r"\1\2", text) if "]:" in text else text

    def code(self, text: str) -> str:
        text = inert_code(text)
        marks = "`" * (1 + max((len(run) for run in _BACKTICKS.findall(text)), default=0))
        space = " " if text[:1] in "` " or text[-1:] in "` " else ""
        return f"{marks}{space}{text}{space}{marks}"

    def styled(self, style: Emphasis, inside: str, before: str, after: str) -> str:
        mark = {"strong": "**", "strike": "~~"}.get(style) or ("*" if _is_letter(before) or _is_letter(after) else "_")
        if inside[:1] == mark[0] or inside[-1:] == mark[0]:
            mark = "_" if mark == "*" else mark
        opens = _HAIR_SPACE if _is_letter(before) and _is_mark(inside[:1]) else ""
        closes = _HAIR_SPACE if _is_letter(after) and _is_mark(inside[-1:]) else ""
        return f"{opens}{mark}{inside}{mark}{closes}"

    def link(self, url: str, words: str) -> str:
        return f"[{words}]({url})"

    def address(self, url: str, words: str, after: str) -> str:
        return f"[{words}]({url})" if "*" in url or "_" in url or runs_on(after) else url

    def heading(self, level: int, inside: Inlines) -> list[str]:
        return [f"{'#' * level} {self.inline(inside)}".rstrip().replace("\n", " ")]

    def fenced(self, language: str, text: str) -> list[str]:
        marks = "`" * max(3, 1 + max((len(run) for run in _BACKTICKS.findall(text)), default=0))
        return [marks + language, *inert_code(text).removesuffix("\n").split("\n"), marks]

    def quoted(self, lines: list[str]) -> list[str]:
        return [f"> {line}".rstrip() for line in lines]

    def marker(self, number: int | None, done: bool | None, level: int) -> str:
        return ("- " if number is None else f"{number}. ") + _BOXES[done]

    def indent(self, marker: str) -> str:
        return " " * len(marker.removesuffix(_BOXES[True]).removesuffix(_BOXES[False]))

    def rule(self) -> list[str]:
        return ["---"]

    def apart(self, before: Block, after: Block) -> bool:
        """Standard markdown takes the next line for more of the same paragraph."""
        begins = isinstance(after, (Code, Formula, Heading, Quote))
        begins = begins or (isinstance(after, List) and after.first in (None, 1))
        return not (isinstance(before, Paragraph) and begins)


_BOXES: Final = {None: "", True: "[x] ", False: "[ ] "}


class Mrkdwn(Writer):
    """Slack's own markup: notifications, search, and whatever does not show blocks.

    It has no headings (bold lines), no lists (a bullet is a character), no tables and no language of code. Its marks
    count at the borders of words only: a zero-width space makes such a border. They cannot be escaped: one that is
    meant as itself, where it could begin something, is written as a mark that looks like it.
    """

    table_width = TABLE_WIDTH

    def __init__(self) -> None:
        self._inside: list[Emphasis] = []

    def words(self, text: str, escaped: bool) -> str:
        text = entities(text)
        if escaped:
            return _ALIKE.get(text, text)
        return _MARK.sub(lambda found: "".join(_ALIKE[mark] for mark in found[0]), text).replace("`", _ALIKE["`"])

    def code(self, text: str) -> str:
        return f"`{entities(text).replace('`', _ALIKE['`'])}`".replace("\n", " ")

    def one(self, one: Inline, before: str, after: str) -> str:
        """The same emphasis within itself is left out: its inner marks would end the outer ones."""
        if not isinstance(one, Styled):
            return super().one(one, before, after)
        if one.style in self._inside:
            return self.inline(one.inside)
        self._inside.append(one.style)
        try:
            return super().one(one, before, after)
        finally:
            self._inside.pop()

    def styled(self, style: Emphasis, inside: str, before: str, after: str) -> str:
        mark = {"strong": "*", "em": "_", "strike": "~"}[style]
        opens = _ZERO_WIDTH_SPACE if _is_letter(before) else ""
        closes = _ZERO_WIDTH_SPACE if _is_letter(after) else ""
        lines = [f"{mark}{line}{mark}" if line.strip() else line for line in inside.split("\n")]
        return opens + "\n".join(lines) + closes

    def link(self, url: str, words: str) -> str:
        return f"<{entities(url)}|{' '.join(words.split())}>" if "<" not in words else words

    def address(self, url: str, words: str, after: str) -> str:
        return f"<{entities(url)}>"

    def heading(self, level: int, inside: Inlines) -> list[str]:
        text = self.inline((Styled("strong", inside),)) if inside else ""
        return [text.replace("\n", " ")]

    def fenced(self, language: str, text: str) -> list[str]:
        text = entities(text).replace("```", f"``{_ZERO_WIDTH_SPACE}`")
        return [AtMargin(line) for line in ("```", *text.removesuffix("\n").split("\n"), "```")]

    def marker(self, number: int | None, done: bool | None, level: int) -> str:
        if done is not None:
            return "☑ " if done else "☐ "
        return f"{number}. " if number is not None else f"{'•◦▪'[min(level, 2)]} "

    def indent(self, marker: str) -> str:
        return "    "

    def rule(self) -> list[str]:
        return ["──────"]


_ALIKE: Final = {"*": "∗", "_": "\u200b_\u200b", "~": "∼", "`": "ˋ"}


def with_lone_marks(written: str, source: str) -> str:
    """What `Mrkdwn` has `written`, with those marks as themselves that have nothing to pair up with."""
    for mark, alike in _ALIKE.items():
        if mark not in written.replace(alike, "") and written.count(alike) == 1 and alike not in source:
            written = written.replace(alike, mark)
    return written


def _is_letter(character: str) -> bool:
    return character.isalnum()


def _is_mark(character: str) -> bool:
    """Punctuation, as the rules of emphasis mean it."""
    return bool(character) and unicodedata.category(character)[0] in "PS"
