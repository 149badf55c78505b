"""A Segment of model markdown, written for Discord.

Discord renders most markdown itself. What is plain there and here passes as it was written; the rest is written anew
from the parse, by the rules in `_writer.py`. A chunk of the text that has not changed is not parsed again.
"""

from __future__ import annotations

import re
from functools import lru_cache

from adapters.discord._writer import Content
from core.replies.markdown import References, parse, references_of
from core.replies.outline import Chunk, chunks

LIMIT = 2000
"""Characters of `content` that a bot may send ("Create Message"). Discord counts code points, as `len` does: staff in
discord-api-docs#1315."""

_REMEMBERED = 4096
_NEEDS_WRITING = re.compile(
    r"[<$\\|~`&]|\]\(|\]:|\]\[|!\[|\[\^|__|\*\*\*|(?<!\w)_|_(?!\w)|://|[^\x00-\x7f][*_]|[*_][^\x00-\x7f]"
    r"|(?<![*\w\s])\*|\*(?![*\w\s])|(?<=\w)\*(?!\*)(?=\w)"
    r"|^\s*(?:#{4,}|\+\s|\d+\)|>\s*>|>[^ ]|[-=*_ ]{3,}$|(?:[-*]|\d+\.)\s+\[)|^[ ]{4}|^[^\S\n]*-#|\t",
    re.MULTILINE,
)
_ITEM = re.compile(r"^([ ]*)\*(?= )", re.MULTILINE)
_EMPHASIS = re.compile(r"(?<![*_\\])[*_](?![*_])")


def to_content(text: str) -> str:
    """Write model markdown as Discord `content`. Never cuts."""
    references = references_of(text)
    return "".join(_chunk(chunk, references if "[" in chunk.source else ()) for chunk in chunks(text))


def measure(text: str) -> int:
    """The length of `text` as it will be sent, in Discord's unit."""
    return len(to_content(text))


@lru_cache(_REMEMBERED)
def _chunk(chunk: Chunk, references: References) -> str:
    source = chunk.source
    if chunk.number is None and _NEEDS_WRITING.search(source) is None:
        return source
    bare = source.strip("\r\n")
    start = source.find(bare) if bare else len(source)
    written = "\n".join(Content().lines(parse(chunk, references)))
    if _in_one_spelling(written) == _in_one_spelling(bare):
        return source  # nothing in it had to be put in another way
    return source[:start] + written + source[start + len(bare) :]


def _in_one_spelling(text: str) -> str:
    """`text` with one spelling for what Discord reads the same: `*a*` and `_a_`, items with `*` and with `-`."""
    return _EMPHASIS.sub("_", _ITEM.sub(r"\1-", text))
