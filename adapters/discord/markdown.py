"""Markdown for Discord: the few places where Discord shows something else than the model meant.

Discord renders most markdown itself, so text passes through. It has no tables, no `~~~` fences, no headings below
the third level and no images, and it shows a masked link as typed when the scheme is not a web address
(support article "Markdown Text 101"). Inside code nothing is touched. No mention is escaped: each call
forbids all of them with `allowed_mentions`.
"""

from __future__ import annotations

import re

from adapters.discord._tables import is_row, table_lines

LIMIT = 2000
"""Characters of `content` that a bot may send ("Create Message"). Discord counts code points, as `len` does."""

_SAFE = re.compile(r"(?:https?|mailto|tel):[^\s]", re.IGNORECASE)
_LINK = re.compile(
    r"(?P<image>!?)\[(?P<label>[^\[\]]*)\]"
    r"\(\s*<?(?P<url>[^\s()<>]*(?:\([^\s()<>]*\)[^\s()<>]*)*)>?(?:\s+(?:\"[^\"]*\"|'[^']*'))?\s*\)"
)
_FENCE = re.compile(r"^(?P<indent> {0,3})(?P<marks>`{3,}|~{3,})(?P<info>.*)$")
_CODE_SPAN = re.compile(r"(?<!`)(?P<marks>`+)(?!`).*?(?<!`)(?P=marks)(?!`)")
_DEEP_HEADING = re.compile(r"^#{4,6}(?= )")


def to_content(text: str) -> str:
    """Write model markdown as Discord `content`. Never cuts."""
    shown: list[str] = []
    table: list[str] = []
    fence = ""
    for line in text.split("\n"):
        if not fence and is_row(line):
            table.append(line)
            continue
        shown += _table(table)
        table = []
        fence, line = _step(fence, line)
        shown.append(line)
    return "\n".join([*shown, *_table(table)])


def _step(fence: str, line: str) -> tuple[str, str]:
    """The marks of the fence that is open after `line`, and how `line` is shown."""
    match = _FENCE.match(line)
    if fence:
        if match and match["marks"].startswith(fence) and not match["info"].strip():
            return "", match["indent"] + "`" * len(match["marks"])
        return fence, line
    if match and "`" not in match["info"]:
        marks = match["marks"]
        return marks, match["indent"] + "`" * len(marks) + match["info"]
    return "", _prose(line)


def _table(rows: list[str]) -> list[str]:
    lines = table_lines(rows) or rows
    return lines if lines[:1] == ["```"] else [_prose(line) for line in lines]


def measure(text: str) -> int:
    """The length of `text` as it will be sent, in Discord's unit."""
    return len(to_content(text))


def _prose(line: str) -> str:
    """One line outside a fence: everything but its code spans is rewritten."""
    parts: list[str] = []
    end = 0
    for span in _CODE_SPAN.finditer(line):
        parts += [_LINK.sub(_link, line[end : span.start()]), span[0]]
        end = span.end()
    parts.append(_LINK.sub(_link, line[end:]))
    return _DEEP_HEADING.sub("###", "".join(parts))


def _link(match: re.Match[str]) -> str:
    label, url = match["label"], match["url"]
    if label == url:
        return url
    if _SAFE.match(url):
        return f"[{label}]({url})" if label.strip() else url
    if not url:
        return match[0]
    return f"{label} ({url})".strip()
