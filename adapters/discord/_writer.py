"""Markdown as Discord reads it.

Discord's reader is a set of patterns, not CommonMark. It knows headings to the third level, `**`, `*`, `_` at the
borders of words, `~~`, code, lists that nest by two spaces, one level of quotation, and masked links to web addresses.
It has no tables, task boxes, images, rules or `~~~`; `__` underlines, `||` hides, `>>>` quotes all the rest, and code
ends at the first three backticks, however many it began with. No mention is escaped: each call forbids all of them with
`allowed_mentions`.

Source: support article "Markdown Text 101", and the patterns of Discord's published reader (discord-markdown).
"""

from __future__ import annotations

import re

from core.replies.nodes import Emphasis, Inlines
from core.replies.writing import Writer, runs_on

_ZERO_WIDTH_SPACE = "\u200b"
_BACKTICKS = re.compile(r"`+")
_MARKS = re.compile(
    r"(?P<stars>\*+(?=[^\s*]))"  # `2 * 3` is no emphasis, `2*3*4` is
    r"|(?P<low>(?<!\w)_+(?=\S)|__+|(?<=\S)_+(?!\w))"
    r"|(?P<strike>~~+)"
    r"|(?P<bars>\|\|+)"
)
_HIDDEN = re.compile(r"(?<!\S)(\|\|(?=[^\s|])[^|]*(?<=[^\s|])\|\|)(?!\w)")
"""`||word||` is hidden on purpose; the bars in `a || b || c` mean "or"."""


class Content(Writer):
    """Discord's `content`."""

    table_width = 56

    def words(self, text: str, escaped: bool) -> str:
        if escaped:
            return "\\" + text if text in "*_~`|\\>#-:[]()" else text
        if "||" in text:
            parts = _HIDDEN.split(text)
            return "".join(part if number % 2 else _literal(part) for number, part in enumerate(parts))
        return _literal(text)

    def code(self, text: str) -> str:
        marks = "`" * (1 + max((len(run) for run in _BACKTICKS.findall(text)), default=0))
        space = " " if text[:1] in ("`", " ") or text[-1:] in ("`", " ") else ""
        return f"{marks}{space}{text}{space}{marks}"

    def styled(self, style: Emphasis, inside: str, before: str, after: str) -> str:
        match style:
            case "strong":
                mark = "**"
            case "strike":
                mark = "~~"
            case "em":
                within = (before + after).replace(" ", "") and (before.isalnum() or after.isalnum())
                mark = "*" if within or inside[:1] == "_" or inside[-1:] == "_" else "_"
        return f"{mark}{inside}{mark}"

    def link(self, url: str, words: str) -> str:
        """Words that look like an address of their own are not masked by Discord: both are shown."""
        if "://" in words:
            return f"{words} ({url})"
        return f"[{' '.join(words.split())}]({url})"

    def address(self, url: str, words: str, after: str) -> str:
        return f"<{url}>" if runs_on(after) else url

    def heading(self, level: int, inside: Inlines) -> list[str]:
        text = self.inline(inside).replace("\n", " ")
        return [f"{'#' * min(level, 3)} {text}".rstrip()]

    def fenced(self, language: str, text: str) -> list[str]:
        text = text.replace("```", f"``{_ZERO_WIDTH_SPACE}`").removesuffix("\n")
        return [f"```{language}", *text.split("\n"), "```"]

    def marker(self, number: int | None, done: bool | None, level: int) -> str:
        if done is not None:
            return "- ☑ " if done else "- ☐ "
        return "- " if number is None else f"{number}. "

    def indent(self, marker: str) -> str:
        return "  "

    def rule(self) -> list[str]:
        return ["-# ──────────"]


def _literal(text: str) -> str:
    return _MARKS.sub(lambda found: "".join("\\" + mark for mark in found[0]), text).replace("`", "\\`")
