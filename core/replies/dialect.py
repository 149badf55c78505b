"""The dialect of markdown that answers are read in: markdown-it-py's CommonMark with tables and strikethrough.

Four things are read otherwise:

- HTML is text. Nothing that a model writes is handed on as HTML.
- Emphasis also counts where CommonMark's rule for letters fails: `**「太字」**です` is bold, as its writer meant.
- A bare address is a link to its last character: `https://a.b/_x_` holds no emphasis.
- Math (`$x_1$`, `\\(x\\)`, `$$`, `\\[`) is taken as it is, for the same reason.

Addresses are not judged here: whoever reads the tokens does that.
"""

from __future__ import annotations

import re

from markdown_it import MarkdownIt
from markdown_it.common.utils import isPunctChar, isWhiteSpace
from markdown_it.rules_block import StateBlock
from markdown_it.rules_inline import StateInline
from markdown_it.rules_inline.state_inline import Delimiter

_BARE = re.compile(
    r"https?://[^\s<>\"`|\u3000-\u303f\uff00-\uffef]*[^\s<>\"`|.,:;!?'*_~\u3000-\u303f\uff00-\uffef]", re.I
)
_MATH = re.compile(
    r"\$\$(?P<display>[^$]+)\$\$"
    r"|\$(?P<dollar>(?![\s$])[^$\n`]*[^\s$\\`]|[^\s$\\`])\$(?![\w$])"
    r"|\\\((?P<round>.{1,400}?)\\\)"
    r"|\\\[(?P<square>.{1,400}?)\\\]",
    re.DOTALL,
)
TIMES = re.compile(r"(?:\d|(?<=\d)\))\*\w|\w\*\d")
"""`2*3*4` is a product: its star, found from the character before it on, begins and ends nothing."""
_FORMULA = re.compile(r"[\\^_={}+*/<>-]|^[A-Za-z]$")


def parser() -> MarkdownIt:
    """A parser of the dialect; its tokens besides markdown-it's own are `math`, `bare` and `formula`."""
    made = MarkdownIt("commonmark", {"maxNesting": 40}).enable(["table", "strikethrough"])
    made.disable(["html_block", "html_inline", "reference"])
    made.core.ruler.disable(["text_join"])
    made.inline.ruler.at("emphasis", _emphasis)
    made.inline.ruler.before("escape", "math", _math)
    made.inline.ruler.before("escape", "footnote", _footnote)
    made.inline.ruler.before("escape", "bare_address", _bare_address)
    made.block.ruler.before("fence", "formula", _formula, {"alt": ["paragraph", "blockquote", "list"]})
    # every address comes through here, and is judged when the tokens are read
    made.validateLink = lambda url: True  # type: ignore[method-assign]
    made.normalizeLink = lambda url: url  # type: ignore[method-assign]
    made.normalizeLinkText = lambda link: link  # type: ignore[method-assign]
    return made


def _emphasis(state: StateInline, silent: bool) -> bool:
    """CommonMark's delimiter runs, but a letter of a script that is written without spaces counts as a word's end.

    Source: the amendment to the flanking rules that markdown-cjk-friendly specifies.
    """
    marker = state.src[state.pos]
    if silent or marker not in "*_":
        return False
    scanned = state.scanDelims(state.pos, marker == "*")
    can_open, can_close = scanned.can_open, scanned.can_close
    if (marker == "*" and can_open != can_close) or (marker == "*" and not (can_open or can_close)):
        before = state.src[state.pos - 1] if state.pos else " "
        end = state.pos + scanned.length
        after = state.src[end] if end < state.posMax else " "
        can_open = can_open or (_is_wide(before) and not isWhiteSpace(ord(after)) and isPunctChar(after))
        can_close = can_close or (_is_wide(after) and not isWhiteSpace(ord(before)) and isPunctChar(before))
    if marker == "*" and scanned.length == 1 and TIMES.match(state.src, max(state.pos - 1, 0)):
        can_open = can_close = False
    for _ in range(scanned.length):
        token = state.push("text", "", 0)
        token.content = marker
        state.delimiters.append(
            Delimiter(
                marker=ord(marker),
                length=scanned.length,
                token=len(state.tokens) - 1,
                end=-1,
                open=can_open,
                close=can_close,
            )
        )
    state.pos += scanned.length
    return True


def _is_wide(character: str) -> bool:
    """Whether `character` is of a script that is written without spaces."""
    return "\u2e80" <= character <= "\ud7ff" or "\uf900" <= character <= "\ufaff" or character >= "\U00020000"


def _math(state: StateInline, silent: bool) -> bool:
    if state.src[state.pos] not in "$\\":
        return False
    found = _MATH.match(state.src, state.pos, state.posMax)
    if found is None:
        return False
    inside = found["dollar"] or found["round"] or found["square"]
    if inside is not None and _FORMULA.search(inside.strip()) is None:
        return False  # an amount of money, or brackets that were escaped so that they are no link
    if found["dollar"] is not None and state.pos and state.src[state.pos - 1].isalnum():
        return False
    if not silent:
        state.push("math", "", 0).content = found[0]
    state.pos = found.end()
    return True


def _footnote(state: StateInline, silent: bool) -> bool:
    """`[^1]` is `[1]`."""
    if not state.src.startswith("[^", state.pos):
        return False
    found = re.compile(r"\[\^([^\[\]\s^]{1,40})\]").match(state.src, state.pos, state.posMax)
    if found is None:
        return False
    if not silent:
        state.push("text", "", 0).content = f"[{found[1]}]"
    state.pos = found.end()
    return True


def _bare_address(state: StateInline, silent: bool) -> bool:
    if not state.src.startswith("://", state.pos) or state.linkLevel > 0:
        return False
    scheme = re.search(r"(?<![a-z0-9+.-])https?$", state.src[max(0, state.pos - 6) : state.pos], re.I)
    if scheme is None or not state.pending.endswith(scheme[0]):
        return False
    found = _BARE.match(state.src, state.pos - len(scheme[0]), state.posMax)
    if found is None:
        return False
    url = _without_closers(found[0])
    if len(url) <= len(scheme[0]) + 3:
        return False
    if not silent:
        state.pending = state.pending[: -len(scheme[0])]
        state.push("bare", "", 0).content = url
    state.pos += len(url) - len(scheme[0])
    return True


def _without_closers(url: str) -> str:
    """`url` without brackets that belong to the text around it."""
    while url and (
        (url[-1] == ")" and url.count(")") > url.count("(")) or (url[-1] == "]" and url.count("]") > url.count("["))
    ):
        url = url[:-1].rstrip(".,:;!?'*_~")
    return url


def _formula(state: StateBlock, start: int, end: int, silent: bool) -> bool:
    """`$$` or `\\[` at the start of a line, up to its end at the end of another."""
    first = state.src[state.bMarks[start] + state.tShift[start] : state.eMarks[start]]
    mark = first[:2]
    if mark not in ("$$", "\\[") or state.is_code_block(start):
        return False
    closing = "$$" if mark == "$$" else "\\]"
    for line in range(start, end):
        if line > start and (state.sCount[line] < state.blkIndent or state.isEmpty(line)):
            return False
        text = state.src[state.bMarks[line] + state.tShift[line] : state.eMarks[line]].rstrip()
        if text.endswith(closing) and not (line == start and len(text) < 5):
            if closing in (text[2:] if line == start else text)[: -len(closing)]:
                return False
            if not silent:
                token = state.push("formula", "", 0)
                token.content = state.getLines(start, line + 1, state.blkIndent, False).strip()
                token.map = [start, line + 1]
                state.line = line + 1
            return True
        if line > start and closing in text:
            return False
    return False
