"""Outflow: what may go out of an answer that still grows, where nothing that has gone out can be changed any more.

A stream takes additions only. What an edit shows is rendered from the whole text (`markdown.blocks_of`); a stream gets
the beginning of just that, as far as it is settled. Whether it is, is not judged here by rules about markdown: the
renderer is asked. The text is rendered as it stands, healed as an edit would show it, and with each of the endings that
could still change the meaning of what is there: the mark that would close what is open, one more line, one more row.
What all of these renderings begin with is settled, and of it all goes out up to the end of a word.

So escaping, links and tables are those of edits by construction. Whoever wants to know what a stream shows in the end
asks for the rendering of the whole: what has gone out is its beginning, or `Outflow.more` says that it is not, and then
the message goes on by edits, which can change everything. Four things make it so: a text that was changed, a line of
dashes that makes a heading of a paragraph, code that holds the marks of its own fence, and a mark that is closed only
long after it was opened (`MOST_HELD`).

Nothing with a link goes out at all: `has_link` says so, and the caller shows the text in another way. A stream has no
switch for link previews (chat.startStream has no unfurl argument, docs of 2026-11), and what a model wrote is not to
be fetched.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Final

from adapters.slack._writers import TABLE_WIDTH
from adapters.slack.markdown import Block, block_text, blocks_of
from core.replies.healing import healed, only_marks
from core.replies.outline import Outline, chunks, outline_of

MOST_HELD: Final = 400
"""Characters of prose behind a mark that is still open which are held back for it. One that stays open for longer is
most likely none, and is shown as it is."""

_LINK = re.compile(r"://|www\.|(?:mailto|tel):|(?<![\w.+-])[\w.+-]+@[\w-]+\.\w", re.IGNORECASE)
_BACKTICKS = re.compile(r"`+")
_LEAD = re.compile(r"[ \t>]*")
_WORD_END = re.compile(r"[\s\u3000-\u30ff\u3400-\u9fff\uac00-\ud7af\uff01-\uff60]")
_CLOSERS: Final = {
    "*": ("*", "**"),
    "_": ("_", "__"),
    "~": ("~~",),
    "[": ("]", "](https://a.example)"),
    "$": ("=1$", "=1$$"),
    "\\": ("=1\\)", "=1\\]"),
}
"""By the character that something open begins with: what would close it."""


class Outflow:
    """What one stream shows. sent: all that has gone out, as the blocks that it makes."""

    def __init__(self) -> None:
        self.sent: list[Block] = []

    def more(self, text: str, *, pauses: bool = False, ended: bool = False) -> list[Block] | None:
        """What to add to show more of `text`: pieces of markdown, tables; None when its rendering does not go on from
        what has gone out.

        pauses: the text will not grow for a while, so its last word is whole.  ended: it will not grow at all.
        """
        whole = blocks_of(text) if ended else settled(text, pauses=pauses)
        if (added := _added(self.sent, whole)) is not None:
            return added
        return [] if not ended and _added(whole, self.sent) is not None else None

    def mark_sent(self, added: Sequence[Block]) -> None:
        for block in added:
            if _is_markdown(block) and self.sent and _is_markdown(self.sent[-1]):
                self.sent[-1] = _markdown(_text(self.sent[-1]) + _text(block))
            else:
                self.sent.append(block)


def has_link(text: str) -> bool:
    """Whether the rendering of `text` holds what Slack may take for a link; in code as well."""
    return _LINK.search(block_text(text)) is not None


def is_open(text: str) -> bool:
    """Whether something is open at the end of `text`, its last word apart: a fence, a code span, a table."""
    shown = blocks_of(text)
    return _added(settled(text, pauses=True), shown) != []


def settled(text: str, *, pauses: bool = False) -> list[Block]:
    """The beginning of the rendering of `text` that stays the same whatever follows. An open fence may be closed for
    display at the end of `text`, as a Segment's is. pauses: see `Outflow.more`."""
    text = _without_closing_for_display(text)
    word = " x" if pauses else "x"
    going_on = blocks_of(text + word)
    likely = _shared([going_on, *map(blocks_of, (text, *_goings_on(text)))])
    certain = _shared([likely, *map(blocks_of, (healed(text), *_closings(text)))]) if likely else []
    certain = _to_word_end(certain, going_on, closed=True)
    likely = _to_word_end(likely, going_on, closed=False)
    return likely if _size(likely) - _size(certain) > MOST_HELD else certain


def _without_closing_for_display(text: str) -> str:
    """`text` without a last line that closes code: it may be there for display only, and the line before it go on."""
    start = text.rfind("\n") + 1
    if "```" not in text[start:] and "~~~" not in text[start:]:
        return text
    fence = outline_of(text[:start].removesuffix("\n")).fence if start else None
    return text[: start - 1] if fence is not None and fence.closed_by(text[start:]) else text


def _goings_on(text: str) -> Iterator[str]:
    """`text` with one more line of the same block, and with a wider row of the same table."""
    newline = "" if text.endswith("\n") else "\n"
    lead = _LEAD.match(text.rstrip().rpartition("\n")[2])
    yield f"{text}{newline}{lead[0] if lead else ''}x"
    if _outline(text).table:
        yield f"{text}{newline}|{'x' * TABLE_WIDTH}|"


def _closings(text: str) -> Iterator[str]:
    """`text` with each end that closes what may be open in its last block; in code nothing but the code itself is."""
    if _outline(text).fence is not None:
        return
    last = ""
    for chunk in chunks(text):
        last = chunk.source
    for mark, closers in _CLOSERS.items():
        if mark in last:
            yield from (f"{text}x{closer}" for closer in closers)
    yield from (f"{text}x{run}" for run in sorted(set(_BACKTICKS.findall(last))))


def _outline(text: str) -> Outline:
    return outline_of(text.removesuffix("\n"))


# -- renderings, compared ---------------------------------------------------------------------------------------


def _shared(renderings: Sequence[list[Block]]) -> list[Block]:
    """What all of them begin with."""
    shared = renderings[0]
    for other in renderings[1:]:
        shared = _both(shared, other)
    return shared


def _both(one: list[Block], other: list[Block]) -> list[Block]:
    both: list[Block] = []
    for block, counterpart in zip(one, other, strict=False):
        if block == counterpart:
            both.append(block)
            continue
        if _is_markdown(block) and _is_markdown(counterpart):
            text = _common(_text(block), _text(counterpart))
            both += [_markdown(text)] if text.strip() else []
        break
    return both


def _common(one: str, other: str) -> str:
    """What both begin with, found by halving."""
    low, high = 0, min(len(one), len(other))
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if one[low:middle] == other[low:middle] else (low, middle - 1)
    return one[:low]


def _added(before: list[Block], after: list[Block]) -> list[Block] | None:
    """What `after` has beyond `before`, None if it does not begin with it."""
    if not before:
        return after
    *whole, last = before
    if after[: len(whole)] != whole or len(after) < len(before):
        return None
    goes_on = after[len(whole)]
    rest = after[len(before) :]
    if goes_on == last:
        return rest
    if _is_markdown(last) and _is_markdown(goes_on) and _text(goes_on).startswith(_text(last)):
        return [_markdown(_text(goes_on)[len(_text(last)) :]), *rest]
    return None


def _to_word_end(blocks: list[Block], going_on: list[Block], *, closed: bool) -> list[Block]:
    """`blocks`, the beginning of `going_on`, up to the end of a word. closed: only up to where nothing is open."""
    if not blocks or not _is_markdown(blocks[-1]):
        return blocks
    *before, last = blocks
    text, whole = _text(last), _text(going_on[len(before)])
    if len(blocks) < len(going_on) and text == whole:
        return blocks
    words = _words_of(text, ended=whole[len(text) : len(text) + 1].isspace(), closed=closed)
    return [*before, _markdown(words)] if words else before


def _words_of(text: str, *, ended: bool, closed: bool) -> str:
    ends = [found.end() for found in _WORD_END.finditer(text) if found.end() < len(text) or found.group().isspace()]
    for end in reversed([*ends, len(text)] if ended else ends):
        if len(text) - end > MOST_HELD:
            break
        words = text[:end].rstrip()
        if words and not (closed and _leaves_open(words)):
            return words
    return ""


def _leaves_open(words: str) -> bool:
    """Whether a reader would see half of something, were it all: a mark that waits for its end, or for its words."""
    return only_marks(words.rpartition("\n")[2]) or healed(f"{words} x") != f"{words} x"


def _size(blocks: list[Block]) -> int:
    return sum(len(_text(block)) for block in blocks if _is_markdown(block))


def _is_markdown(block: Block) -> bool:
    return block["type"] == "markdown"


def _markdown(text: str) -> Block:
    return {"type": "markdown", "text": text}


def _text(block: Block) -> str:
    return str(block["text"])
