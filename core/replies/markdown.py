"""Markdown, parsed once: an answer as a small closed set of nodes, for each platform to write in its own way.

The parse is markdown-it-py's: CommonMark with tables and strikethrough. Four things are read otherwise:

- HTML is text. Nothing that a model writes is handed on as HTML.
- Emphasis also counts where CommonMark's rule for letters fails: `**「太字」**です` is bold, as its writer meant.
- A bare address is a link to its last character: `https://a.b/_x_` holds no emphasis.
- Math (`$x_1$`, `\\(x\\)`, `$$`, `\\[`) is taken as it is, for the same reason.

A link whose scheme is not http, https, mailto or tel is no link: it comes out as its words and, in brackets, where they
would have led. An image is a link. No node holds an address that was not checked, so a writer cannot forget to.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias

from markdown_it import MarkdownIt
from markdown_it.common.utils import isPunctChar, isWhiteSpace
from markdown_it.rules_block import StateBlock
from markdown_it.rules_inline import StateInline
from markdown_it.rules_inline.state_inline import Delimiter
from markdown_it.token import Token

from core.replies.outline import Chunk, indented, opened

Emphasis: TypeAlias = Literal["strong", "em", "strike"]


@dataclass(frozen=True, slots=True)
class Text:
    """Words. escaped: one mark that was written with a backslash or as an entity, so that it would be no markup."""

    text: str
    escaped: bool = False


@dataclass(frozen=True, slots=True)
class CodeSpan:
    text: str


@dataclass(frozen=True, slots=True)
class Math:
    """A formula with its marks, as it was written."""

    text: str


@dataclass(frozen=True, slots=True)
class Styled:
    style: Emphasis
    inside: Inlines


@dataclass(frozen=True, slots=True)
class Link:
    """url: of an allowed scheme, without any character that could end it early. bare: the words are the address."""

    url: str
    inside: Inlines
    bare: bool = False


@dataclass(frozen=True, slots=True)
class Break:
    """The end of a line within a paragraph."""


Inline: TypeAlias = Text | CodeSpan | Math | Styled | Link | Break
Inlines: TypeAlias = tuple[Inline, ...]


@dataclass(frozen=True, slots=True)
class Paragraph:
    inside: Inlines


@dataclass(frozen=True, slots=True)
class Heading:
    level: int
    inside: Inlines


@dataclass(frozen=True, slots=True)
class Code:
    """language: one word or "". text: with the end of its last line, unless it is empty."""

    language: str
    text: str


@dataclass(frozen=True, slots=True)
class Formula:
    """Math that stands by itself, with its marks."""

    text: str


@dataclass(frozen=True, slots=True)
class Quote:
    blocks: Blocks


@dataclass(frozen=True, slots=True)
class Item:
    """done: whether a task's box is ticked, None for what is no task."""

    blocks: Blocks
    done: bool | None = None


@dataclass(frozen=True, slots=True)
class List:
    """first: the number of its first item, None for bullets."""

    items: tuple[Item, ...]
    first: int | None = None


Align: TypeAlias = Literal["left", "center", "right", ""]
Row: TypeAlias = tuple[Inlines, ...]


@dataclass(frozen=True, slots=True)
class Table:
    """head and each of rows: as many cells as there are in `align`."""

    align: tuple[Align, ...]
    head: Row
    rows: tuple[Row, ...]


@dataclass(frozen=True, slots=True)
class Rule:
    """A line across."""


Block: TypeAlias = Paragraph | Heading | Code | Formula | Quote | List | Table | Rule
Blocks: TypeAlias = tuple[Block, ...]

References: TypeAlias = tuple[tuple[str, str], ...]
"""The addresses that a text's definitions (`[name]: https://…`) give to names, sorted."""

_BRACKETS = 200
"""Opening brackets in one block from which no links are looked for: that would take quadratic time."""
_DEPTH = 12  # quotations and lists within each other; more is not read by anybody
_ADDRESS = re.compile(r"[a-z][a-z0-9+.-]*:|[/?#]|\.\.?/", re.IGNORECASE)
_SCHEME = re.compile(r"(?:https?|mailto|tel):[^\s]", re.IGNORECASE)
_UNSAFE = re.compile(r"[\x00-\x20\x7f-\xa0<>|\"`\\^{}\u2028\u2029]|[\u200b-\u200f\u202a-\u202e\u2066-\u2069\ufeff]")
_BARE = re.compile(
    r"https?://[^\s<>\"`|\u3000-\u303f\uff00-\uffef]*[^\s<>\"`|.,:;!?'*_~\u3000-\u303f\uff00-\uffef]", re.I
)
_PLAIN = re.compile(r"[^\s\d*_~`\[\]<>&!\\|$#:+=-][^\n*_~`\[\]<>&!\\|$:]*")
_PUNCTUATION = frozenset("!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~")
_TASK = re.compile(r"\[([ xX])\](?:[ \t]+|$)")
_DEFINITION = re.compile(
    r"^ {0,3}\[(?P<name>[^\[\]\n]{1,200})\]:[ \t]*(?P<url><[^<>\n]*>|[^\s<>]+)?(?P<rest>[^\n]*)$", re.MULTILINE
)
_TITLE = re.compile(r"[ \t]*(?:\"[^\"\n]*\"|'[^'\n]*'|\([^()\n]*\))?[ \t\r]*$")
_MATH = re.compile(
    r"\$\$(?P<display>[^$]+)\$\$"
    r"|\$(?P<dollar>(?![\s$])[^$\n`]*[^\s$\\`]|[^\s$\\`])\$(?![\w$])"
    r"|\\\((?P<round>.{1,400}?)\\\)"
    r"|\\\[(?P<square>.{1,400}?)\\\]",
    re.DOTALL,
)
_TIMES = re.compile(r"(?:\d|(?<=\d)\))\*\w|\w\*\d")
"""`2*3*4` is a product."""
_FORMULA = re.compile(r"[\\^_={}+*/<>-]|^[A-Za-z]$")


def safe_url(url: str) -> str | None:
    """`url` fit to be linked to, None if its scheme is not one of http, https, mailto and tel."""
    if _SCHEME.match(url) is None:
        return None
    url = _UNSAFE.sub(lambda found: "".join(f"%{byte:02X}" for byte in found[0].encode(errors="replace")), url)
    if url.count("(") != url.count(")") or url.find(")") < url.find("("):
        url = url.replace("(", "%28").replace(")", "%29")
    return url


def references_of(text: str) -> References:
    """What the definitions in `text` name; the first of a name counts, as in markdown."""
    if "]:" not in text:
        return ()
    found: dict[str, str] = {}
    for definition in _DEFINITION.finditer(text):
        target = _target(definition)
        if target:
            found.setdefault(_name(definition["name"]), target)
    return tuple(sorted(found.items()))


def parse(chunk: Chunk, references: References = ()) -> Blocks:
    """The blocks in one chunk of a text. references: what is defined anywhere in that text."""
    source = chunk.source.replace("\r\n", "\n").replace("\r", "\n").strip("\n")
    if _PLAIN.fullmatch(source):
        return (Paragraph((Text(source.rstrip(" \t")),)),)
    if source[:3] in ("```", "~~~") and (code := _code(source)) is not None:
        return (code,)
    if "]:" in source:
        source = _DEFINITION.sub(_defined, source)
    if indented(source) < 4 and "\n" in source and _ITEM.match(source):
        source = _straightened(source)
    env: dict[str, Any] = {  # Any: markdown-it's own environment
        "references": {name: {"href": url, "title": ""} for name, url in references} if "[" in source else {}
    }
    parser = _PARSER if source.count("[") <= _BRACKETS else _WITHOUT_LINKS
    tokens = parser.parse(source, env)
    blocks = _Reader(tokens).blocks()
    if chunk.number is not None and blocks and isinstance(blocks[0], List) and blocks[0].first is not None:
        blocks = (List(blocks[0].items, chunk.number), *blocks[1:])
    return blocks


def parse_inline(source: str) -> Inlines:
    """The inline markup of one line."""
    tokens = _PARSER.parseInline(source.replace("\n", " "))
    return _inlines(tokens[0].children or [])


def plain(inside: Inlines) -> str:
    """The words alone."""
    return "".join(_plain(one) for one in inside)


def _plain(one: Inline) -> str:
    match one:
        case Text(text) | CodeSpan(text) | Math(text):
            return text
        case Styled(_, inside) | Link(_, inside):
            return plain(inside)
        case Break():
            return " "


# -- sources, put right before they are parsed ------------------------------------------------------------------

_ITEM = re.compile(r"(?P<indent> {0,3})(?P<mark>[-*+]|\d{1,9}[.)])(?P<space>[ \t]+)")


def _code(source: str) -> Code | None:
    """A chunk that is fenced code at the margin, which needs no parser."""
    first, _, rest = source.partition("\n")
    fence = opened(first)
    if fence is None:
        return None
    lines = rest.split("\n") if rest else []
    if lines and fence.closed_by(lines[-1]):
        lines.pop()
    return Code(_language(fence.info), "".join(f"{line}\n" for line in lines))


def _language(info: str) -> str:
    word = info.split()[0] if info.split() else ""
    return word if re.fullmatch(r"[A-Za-z0-9_+#.-]{1,32}", word) else ""


def _straightened(source: str) -> str:
    """One list item with its lines indented as CommonMark wants them, where they are only nearly so."""
    found = _ITEM.match(source)
    if found is None:
        return source
    offset = (
        len(found["indent"])
        + len(found["mark"])
        + (len(found["space"].expandtabs(4)) if len(found["space"]) < 5 else 1)
    )
    margin = len(found["indent"]) + 2
    first, *rest = source.split("\n")
    depths = [indented(line) for line in rest if line.strip()]
    inside = [depth for depth in depths if depth >= margin]
    if not inside or (min(inside) >= offset and min(depths) >= margin):
        return source
    shift = max(offset - min(inside), 0)
    lines = [first]
    fence = opened(first)
    for line in rest:
        if fence is not None and fence.over_at(line):
            fence = None
        if not line.strip():
            lines.append("")
            continue
        depth = indented(line)
        if depth >= margin:
            line = " " * shift + line
        elif fence is not None:
            line = " " * (offset - depth if depth < offset else 0) + line
        lines.append(line)
        if fence is None:
            fence = opened(line)
        elif fence.closed_by(line):
            fence = None
    return "\n".join(lines)


def _target(definition: re.Match[str]) -> str:
    """Where a line defines its name to lead, "" if it is not a definition but words, or a footnote."""
    url = (definition["url"] or "").strip("<>")
    if definition["name"].startswith("^") or _TITLE.match(definition["rest"]) is None:
        return ""
    return safe_url(url) or ""


def _name(name: str) -> str:
    return " ".join(name.split()).lower().upper()  # as markdown-it normalises them


def _defined(definition: re.Match[str]) -> str:
    """A definition stays to be read: a footnote as its text, a link as its address."""
    name, rest = definition["name"], definition["rest"]
    if name.startswith("^"):
        return f"[{name[1:]}] {definition['url'] or ''}{rest}"
    url = definition["url"] or ""
    if _target(definition):
        return f"{name}: {url.strip('<>')}"
    return f"{name}: {url}{rest}"


# -- the parser -------------------------------------------------------------------------------------------------


def _parser() -> MarkdownIt:
    parser = MarkdownIt("commonmark", {"maxNesting": 40}).enable(["table", "strikethrough"])
    parser.disable(["html_block", "html_inline", "reference"])
    parser.core.ruler.disable(["text_join"])
    parser.inline.ruler.at("emphasis", _emphasis)
    parser.inline.ruler.before("escape", "math", _math)
    parser.inline.ruler.before("escape", "footnote", _footnote)
    parser.inline.ruler.before("escape", "bare_address", _bare_address)
    parser.block.ruler.before("fence", "formula", _formula, {"alt": ["paragraph", "blockquote", "list"]})
    # every address comes through here, and is judged when the tokens are read
    parser.validateLink = lambda url: True  # type: ignore[method-assign]
    parser.normalizeLink = lambda url: url  # type: ignore[method-assign]
    parser.normalizeLinkText = lambda link: link  # type: ignore[method-assign]
    return parser


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
    if marker == "*" and scanned.length == 1 and _TIMES.match(state.src, max(state.pos - 1, 0)):
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
    if found["dollar"] is not None and (
        _FORMULA.search(found["dollar"]) is None or (state.pos and state.src[state.pos - 1].isalnum())
    ):
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


_PARSER = _parser()
_WITHOUT_LINKS = _parser().disable(["link", "image"])

# -- tokens to nodes --------------------------------------------------------------------------------------------


@dataclass(slots=True)
class _Reader:
    """Reads markdown-it's flat list of tokens."""

    tokens: Sequence[Token]
    at: int = 0
    depth: int = field(default=0)

    def blocks(self, until: str = "") -> Blocks:
        found: list[Block] = []
        while self.at < len(self.tokens):
            token = self.tokens[self.at]
            self.at += 1
            if token.type == until:
                break
            found += self._block(token)
        return tuple(found)

    def _block(self, token: Token) -> Iterable[Block]:
        match token.type:
            case "paragraph_open" | "heading_open":
                inside = _inlines(self.tokens[self.at].children or [])
                self.at += 2
                if token.type == "heading_open":
                    return (Heading(int(token.tag[1]), inside),)
                return (Paragraph(inside),) if inside else ()
            case "fence" | "code_block":
                return (Code(_language(token.info), token.content),)
            case "formula":
                return (Formula(token.content),)
            case "hr":
                return (Rule(),)
            case "blockquote_open":
                return self._nested("blockquote_close", Quote)
            case "bullet_list_open":
                return (List(self._items("bullet_list_close")),)
            case "ordered_list_open":
                return (List(self._items("ordered_list_close"), int(token.attrs.get("start", 1))),)
            case "table_open":
                return (self._table(),)
            case "inline":  # what stands deeper than the parser goes
                return (Paragraph((Text(token.content),)),)
            case _:
                return ()

    def _nested(self, until: str, make: type[Quote]) -> Iterable[Block]:
        self.depth += 1
        inside = self.blocks(until)
        self.depth -= 1
        return (make(inside),) if self.depth < _DEPTH else inside

    def _items(self, until: str) -> tuple[Item, ...]:
        items: list[Item] = []
        while self.at < len(self.tokens):
            token = self.tokens[self.at]
            self.at += 1
            if token.type == until:
                break
            if token.type == "list_item_open":
                items.append(_task(self.blocks("list_item_close")))
        return tuple(items)

    def _table(self) -> Table:
        align: list[Align] = []
        rows: list[Row] = []
        row: list[Inlines] = []
        while self.at < len(self.tokens):
            token = self.tokens[self.at]
            self.at += 1
            match token.type:
                case "table_close":
                    break
                case "tr_open":
                    row = []
                case "tr_close":
                    rows.append(tuple(row))
                case "th_open":
                    style = str(token.attrs.get("style", ""))
                    align.append(_ALIGN.get(style.removeprefix("text-align:"), ""))
                case "inline":
                    row.append(_inlines(token.children or []))
                case _:
                    pass
        width = len(align)
        even = [tuple((*row, *((),) * width)[:width]) for row in rows]
        return Table(tuple(align), even[0], tuple(even[1:]))


_ALIGN: Mapping[str, Align] = {"left": "left", "center": "center", "right": "right"}


def _task(blocks: Blocks) -> Item:
    """An item that begins with `[ ]` or `[x]`."""
    match blocks:
        case (Paragraph((Text(), *_) as inside), *rest):
            pass
        case _:
            return Item(blocks)
    words = ""
    for taken, one in enumerate(inside[:4], 1):
        if not isinstance(one, Text):
            break
        words += one.text
        if (found := _TASK.match(words)) is not None and (found.end() < len(words) or taken == len(inside)):
            left = Text(words[found.end() :])
            first = Paragraph(((left,) if left.text else ()) + inside[taken:])
            return Item((first, *rest), done=found[1] != " ")
    return Item(blocks)


def _inlines(tokens: Sequence[Token]) -> Inlines:
    """The nodes of one line of text; tokens come in pairs that hold each other rightly, markdown-it sees to that."""
    levels: list[list[Inline]] = [[]]
    opening: list[Token] = []
    for token in tokens:
        match token.type:
            case "text":
                _add(levels[-1], token.content)
            case "text_special":
                if token.content in _PUNCTUATION:
                    levels[-1].append(Text(token.content, escaped=True))
                else:
                    _add(levels[-1], token.content)
            case "softbreak" | "hardbreak":
                levels[-1].append(Break())
            case "code_inline":
                levels[-1].append(CodeSpan(token.content))
            case "math":
                levels[-1].append(Math(token.content))
            case "bare":
                url = safe_url(token.content) or token.content
                levels[-1].append(Link(url, (Text(token.content),), bare=True))
            case "image":
                inside = _inlines(token.children or []) or (Text("image"),)
                levels[-1] += _link(str(token.attrs.get("src", "")), inside)
            case "strong_open" | "em_open" | "s_open" | "link_open":
                levels.append([])
                opening.append(token)
            case "strong_close" | "em_close" | "s_close" | "link_close":
                inside = tuple(levels.pop())
                began = opening.pop()
                if token.type == "link_close":
                    levels[-1] += _link(str(began.attrs.get("href", "")), inside, auto=began.info == "auto")
                elif inside:
                    levels[-1].append(Styled(_STYLES[token.type], inside))
            case _:
                _add(levels[-1], token.content)
    return tuple(levels[0])


_STYLES: Mapping[str, Emphasis] = {"strong_close": "strong", "em_close": "em", "s_close": "strike"}


def _add(nodes: list[Inline], text: str) -> None:
    if not text:
        return
    if nodes and isinstance(last := nodes[-1], Text) and not last.escaped:
        nodes[-1] = Text(last.text + text)
    else:
        nodes.append(Text(text))


def _link(url: str, inside: Inlines, auto: bool = False) -> Inlines:
    """A link as it may be shown; words and address where it may not lead there."""
    safe = safe_url(url)
    words = plain(inside)
    if safe is not None:
        if not words.strip():
            return (Link(safe, (Text(safe),), bare=True),)
        return (Link(safe, inside, bare=words == url and not url.startswith(("mailto:", "tel:"))),)
    if auto:
        return (Text(words),)
    if _ADDRESS.match(url) is None:
        return (Text("["), *inside, Text(f"]({url})"))  # `a[i](x)`
    return (*inside, Text(f" ({url})")) if url != words else inside
