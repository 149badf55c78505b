"""A Segment of model markdown, written for Slack so that nobody is pinged and nothing is fetched.

Every message carries the Segment twice:

- blocks: `markdown`, which Slack itself lays out (headings, nested lists, code with a language), and for the first
  table its own `table` block between two of those. They say all of it.
- `text` in mrkdwn: notifications, search and clients that do not know blocks show it, and so do we when Slack refuses
  the blocks. In scripts that take three bytes a letter it may be longer than `text` may be in an edit (`TEXT_BYTES`);
  beside the blocks its beginning is enough (`beginning`), in their place `markdown_text` says all.

Both are written anew from the parse, never copied: so every emphasis and every list reads the same, whoever wrote it,
and what a text begins with is written in the same way whatever follows (`outflow` lives by that). How each is made safe
stands in `_writers.py`. A message is rendered anew from the whole Segment for every edit, so a token that a stream cut
in two is seen whole; a chunk that has not changed is not parsed again.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Final

from adapters.slack._tables import Json, native, size
from adapters.slack._writers import MarkdownBlock, Mrkdwn, entities, with_lone_marks
from adapters.slack.controls import control_blocks
from core.chat import Segment
from core.replies.healing import healed
from core.replies.markdown import References, parse, references_of
from core.replies.nodes import Blocks, Table
from core.replies.outline import Chunk, chunks
from core.replies.splitting import Splitter

Block = Json

TEXT_BYTES: Final = 4_000
"""The most that chat.update takes as `text`, counted in UTF-8 (measured: openclaw/openclaw#115027; its page says 4,000
characters)."""

_REMEMBERED = 4096
_REMEMBERED_TEXTS = 64
"""A text is measured, and shown twice in one message, within a moment."""


@dataclass(frozen=True, slots=True)
class Piece:
    """Part of a message. markdown: for a `markdown` block.  table: shown as Slack's own instead, if it can be."""

    markdown: str
    table: Json | None = None
    table_size: int = 0

    @property
    def size(self) -> int:
        return max(_size(self.markdown), self.table_size)


@dataclass(frozen=True, slots=True)
class Rendered:
    """A chunk. size: what it takes as `wire_size` counts, the larger of `text` and blocks."""

    text: str
    pieces: tuple[Piece, ...]
    size: int


def message(segment: Segment, *, own_rating: bool = True) -> tuple[str, list[Block]]:
    """Return `text` and `blocks` of the message that shows `segment`, with the buttons it asks for.

    own_rating: see `control_blocks`."""
    segment = _healed(segment)
    shown = _shown(segment)
    blocks = blocks_of(segment.text if segment.text.strip() else shown)
    if segment.text.strip() and segment.aside:
        aside = {"type": "mrkdwn", "text": mrkdwn(segment.aside), "verbatim": True}
        blocks.append({"type": "context", "elements": [aside]})
    return mrkdwn(shown), blocks + control_blocks(segment, own_rating=own_rating)


def markdown_text(segment: Segment) -> str:
    """The same in one text of standard markdown, as the argument `markdown_text` takes it."""
    return block_text(_shown(_healed(segment)))


def beginning(segment: Segment) -> str:
    """As much of the `text` of `message` as an edit may have, with an ellipsis where it is not all."""
    shown = _shown(_healed(segment))
    text = mrkdwn(shown)
    if text_fits(text):
        return text
    first, *_ = Splitter(TEXT_BYTES - len("…".encode()), lambda part: _bytes(mrkdwn(part))).split(shown[:TEXT_BYTES])
    return mrkdwn(first.text) + "…"


def text_fits(text: str) -> bool:
    """Whether an edit may have `text`."""
    return _bytes(text) <= TEXT_BYTES


def blocks_of(text: str) -> list[Block]:
    """Markdown `text` as `markdown` blocks, with its first table as a `table` block."""
    blocks: list[Block] = []
    words: list[str] = []
    table_shown = False
    for piece in (piece for rendered in _rendered(text) for piece in rendered.pieces):
        if piece.table is None or table_shown:
            words.append(piece.markdown)
            continue
        table_shown = True
        blocks += _markdown(words)
        words = []
        blocks.append(dict(piece.table))  # what is remembered is not handed out
    return [*blocks, *_markdown(words)]


def block_text(text: str) -> str:
    """Markdown `text` for one `markdown` block, its tables as lines of it."""
    return "".join(piece.markdown for rendered in _rendered(text) for piece in rendered.pieces)


def mrkdwn(text: str) -> str:
    """Markdown `text` in Slack's own markup."""
    return "".join(rendered.text for rendered in _rendered(text))


def wire_size(text: str) -> int:
    """What a Segment of `text` takes of a message: the larger of its two renderings, in characters, or in thirds of
    their bytes where that is more.

    Slack gives the limits of blocks in characters; should one of them be meant in bytes, it is kept as well.
    """
    return sum(rendered.size for rendered in _rendered(text))


def wire_bytes(text: str) -> int:
    """The same in bytes, for a server that shows nothing but `text`."""
    return sum(max(_bytes(rendered.text), rendered.size) for rendered in _rendered(text))


def quoted(text: str, limit: int = 3000) -> str:
    """Return `text` as an escaped mrkdwn quotation, cut at `limit` characters with an ellipsis."""
    shown = text if len(text) <= limit else text[: limit - 1].rstrip() + "…"
    return "\n".join(f"> {line}" for line in entities(shown).splitlines())


def _healed(segment: Segment) -> Segment:
    return replace(segment, text=healed(segment.text)) if segment.growing else segment


def _shown(segment: Segment) -> str:
    return segment.shown if segment.shown.strip() else "…"


def _markdown(words: list[str]) -> list[Block]:
    text = "".join(words).strip("\n")
    return [{"type": "markdown", "text": text}] if text.strip() else []


@lru_cache(_REMEMBERED_TEXTS)
def _rendered(text: str) -> tuple[Rendered, ...]:
    references = references_of(text)
    return tuple(_chunk(chunk, references if "[" in chunk.source else ()) for chunk in chunks(text))


@lru_cache(_REMEMBERED)
def _chunk(chunk: Chunk, references: References) -> Rendered:
    blocks = parse(chunk, references)
    source = chunk.source
    lead, tail = _margin(source)
    words = with_lone_marks("\n".join(Mrkdwn().lines(blocks)), source)
    text = f"{lead}{words}{tail}"
    pieces = _written(blocks, lead, tail)
    return Rendered(text, pieces, max(_size(text), sum(piece.size for piece in pieces)))


def _written(blocks: Blocks, lead: str, tail: str) -> tuple[Piece, ...]:
    """The blocks of a chunk, each table a piece of its own."""
    writer = MarkdownBlock()
    pieces = [Piece(lead)]
    words: Blocks = ()
    for block in blocks:
        if isinstance(block, Table):
            table = native(block)
            pieces.append(Piece(_paragraph(writer.lines(words))))
            pieces.append(Piece(_paragraph(writer.table(block)), table, size(block) if table else 0))
            words = ()
        else:
            words = (*words, block)
    if words:
        pieces.append(Piece("\n".join(writer.lines(words)) + tail))
    else:
        pieces[-1] = replace(pieces[-1], markdown=pieces[-1].markdown.removesuffix("\n\n") + tail)
    return tuple(piece for piece in pieces if piece.markdown or piece.table)


def _paragraph(lines: list[str]) -> str:
    return "\n".join(lines) + "\n\n" if lines else ""


def _size(text: str) -> int:
    return len(text) if text.isascii() else max(len(text), -(-_bytes(text) // 3))


def _bytes(text: str) -> int:
    return len(text) if text.isascii() else len(text.encode(errors="surrogatepass"))


def _margin(source: str) -> tuple[str, str]:
    """The empty lines that `source` begins with, and the ends of lines after its words."""
    bare = source.strip("\r\n")
    start = source.find(bare) if bare else len(source)
    return source[:start], source[start + len(bare) :]
