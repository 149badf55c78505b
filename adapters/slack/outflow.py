"""Outflow: what may go out of a text that still grows, where nothing that has gone out can be changed any more.

A stream takes additions only. So of a growing markdown text just that part goes out whose meaning is settled, and it is
written for the wire in a way that what follows does not change: character by character, with a look at the line it
stands in and at no other. What has gone out is always the beginning of what the whole text will be.

Held back meanwhile: the last word, white space at the end, a code span or a bracket that is still open, a line of code
that is not finished, a line that may become a fence, a row of a table. So no `<!here>`, no link and no fence is ever
seen by halves.

Nothing with a link goes out at all: `has_link` says so, and the caller shows the text in another way. A stream has no
switch for link previews (chat.startStream has no unfurl argument, docs of 2026-11), and what a model wrote is not to
be fetched.
"""

from __future__ import annotations

import re

_ZERO_WIDTH_SPACE = "\u200b"
_FENCE = re.compile(r"[ \t]*(?:(?:[-*+>]|\d{1,9}[.)])[ \t]+)*(?P<mark>`{3,}|~{3,})(?P<info>[^\n]*)")
_CLOSING = re.compile(r"[ \t]*(?P<mark>`{3,}|~{3,})[ \t]*")
_MAY_BECOME_FENCE = re.compile(r"[ \t]*(?:(?:[-*+>]|\d{1,9}[.)])[ \t]+)*(?:`*|~*)")
_CODE_SPAN = re.compile(r"(?<!`)(`+)(?!`)(.+?)(?<!`)\1(?!`)")
_LIVE_IN_CODE = re.compile(r"<(?=[!@#]|http|mailto:|tel:|ftp:|slack:)", re.IGNORECASE)
_LESS_THAN_ENTITY = re.compile(r"&(?:#0*60|#x0*3c|lt);?", re.IGNORECASE)
_LINK = re.compile(
    r"://|www\.|(?:mailto|tel|javascript|data):|\](?:\(|\[)|^[ ]{0,3}\[[^\]\n]+\]:|"
    r"(?<![\w.+-])[\w.+-]+@[\w-]+\.\w",
    re.IGNORECASE | re.MULTILINE,
)
_LINES = re.compile(r"[^\n]*\n|[^\n]+")
_MAY_OPEN = re.compile(r"[`\[]")
_WORD_END = re.compile(r"[\s\u3000-\u30ff\u3400-\u9fff\uac00-\ud7af\uff01-\uff60]")


class Outflow:
    """The wire text of one stream. sent: all that has gone out, in order."""

    def __init__(self) -> None:
        self.sent = ""

    def more(self, text: str, *, pauses: bool = False, ended: bool = False) -> str | None:
        """What may be added to show more of `text`; None when `text` does not go on from what has gone out.

        pauses: the text will not grow for a while, so its last word is whole.  ended: it will not grow at all.
        """
        whole = wire(text if ended else text[: settled(text, pauses=pauses)])
        if whole.startswith(self.sent):
            return whole[len(self.sent) :]
        return "" if self.sent.startswith(whole) and not ended else None

    def mark_sent(self, piece: str) -> None:
        self.sent += piece


def has_link(text: str) -> bool:
    """Whether `text` holds what Slack may take for a link, in code as well."""
    return _LINK.search(text) is not None


def is_open(text: str) -> bool:
    """Whether something is open at the end of `text`, its last word apart: a fence, a code span, a bracket."""
    return bool(text[settled(text, pauses=True) :].strip()) or _fence_at_the_end(text) is not None


def wire(text: str) -> str:
    """`text` as it is sent: outside code `<` becomes `&lt;`, inside it is parted from what would make it live."""
    lines: list[str] = []
    mark = ""
    for line in _LINES.findall(text):
        fence = _opened(line) if not mark else ""
        lines.append(_code(line) if mark or fence else _prose(line))
        mark = fence or ("" if mark and _closes(line, mark) else mark)
    return "".join(lines)


def settled(text: str, *, pauses: bool = False) -> int:
    """How many characters of `text` mean the same whatever follows. An open fence may be closed for display at the end
    of `text`, as a Segment's is. pauses: see `Outflow.more`."""
    end = _without_last_line(text)
    mark = _fence_at_the_end(text[:end])
    last = text[end:]
    if mark:
        if _CLOSING.fullmatch(last):  # perhaps only for display, and then the line before it may go on
            end = _without_last_line(text[: max(end - 1, 0)])
        return _trimmed(text, end)
    if _MAY_BECOME_FENCE.fullmatch(last) or _opened(last) or (last.lstrip().startswith("|") and not pauses):
        return _trimmed(text, end)
    return _trimmed(text, end + _settled_words(last, pauses=pauses))


def _settled_words(line: str, *, pauses: bool) -> int:
    """The same of a line of prose that is not finished."""
    spans = [span.span() for span in _CODE_SPAN.finditer(line)]
    openings = (found.start() for found in _MAY_OPEN.finditer(line) if not _within(spans, found.start()))
    end = next((at for at in openings if line[at] == "`" or not _bracket_is_closed(line, at)), len(line))
    if end == len(line) and pauses:
        return end
    for found in reversed(list(_WORD_END.finditer(line, 0, end))):
        if found.end() < len(line) or found.group().isspace():
            end = found.end()
            break
    else:
        end = 0
    inside = next((start for start, stop in spans if start < end < stop), None)
    return inside if inside is not None else end


def _within(spans: list[tuple[int, int]], at: int) -> bool:
    return any(start <= at < stop for start, stop in spans)


def _bracket_is_closed(line: str, start: int) -> bool:
    """Whether the bracket at `start` has become no link: something that makes none follows its end."""
    end = line.find("]", start)
    return 0 <= end < len(line) - 1 and line[end + 1] not in "([:"


def _trimmed(text: str, end: int) -> int:
    return len(text[:end].rstrip())


def _without_last_line(text: str) -> int:
    return text.rfind("\n") + 1


def _fence_at_the_end(text: str) -> str | None:
    mark = ""
    for line in _LINES.findall(text):
        mark = _opened(line) if not mark else "" if _closes(line, mark) else mark
    return mark or None


def _opened(line: str) -> str:
    """The mark of the fence that `line` opens, "" for any other line."""
    found = _FENCE.match(line)
    if found is None or (found["mark"][0] == "`" and "`" in found["info"]):
        return ""
    return found["mark"]


def _closes(line: str, mark: str) -> bool:
    found = _CLOSING.fullmatch(line.rstrip("\r\n"))
    return found is not None and found["mark"][0] == mark[0] and len(found["mark"]) >= len(mark)


def _code(text: str) -> str:
    return _LIVE_IN_CODE.sub("<" + _ZERO_WIDTH_SPACE, text)


def _prose(line: str) -> str:
    parts: list[str] = []
    at = 0
    for span in _CODE_SPAN.finditer(line):
        parts += [_words(line[at : span.start()]), _code(span.group())]
        at = span.end()
    return "".join([*parts, _words(line[at:])])


def _words(text: str) -> str:
    return _LESS_THAN_ENTITY.sub("&lt;", text).replace("<", "&lt;")
