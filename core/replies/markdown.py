"""Markdown, parsed once: an answer as the nodes of `nodes`, read in the dialect of `dialect`.

A link whose scheme is not http, https, mailto or tel is no link: it comes out as its words and, in brackets, where they
would have led. An image is a link. No node holds an address that was not checked, so a writer cannot forget to.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from markdown_it.token import Token

from core.replies.dialect import parser
from core.replies.nodes import (
    Align,
    Block,
    Blocks,
    Break,
    Code,
    CodeSpan,
    Emphasis,
    Formula,
    Heading,
    Inline,
    Inlines,
    Item,
    Link,
    List,
    Math,
    Paragraph,
    Quote,
    Row,
    Rule,
    Styled,
    Table,
    Text,
    plain,
)
from core.replies.outline import Chunk, indented, opened

References: TypeAlias = tuple[tuple[str, str], ...]
"""The addresses that a text's definitions (`[name]: https://…`) give to names, sorted."""

_BRACKETS = 200
"""Opening brackets in one block from which no links are looked for: that would take quadratic time."""
_DEPTH = 12  # quotations and lists within each other; more is not read by anybody
_ADDRESS = re.compile(r"[a-z][a-z0-9+.-]*:|[/?#]|\.\.?/", re.IGNORECASE)
_SCHEME = re.compile(r"(?:https?|mailto|tel):[^\s]", re.IGNORECASE)
_UNSAFE = re.compile(r"[\x00-\x20\x7f-\xa0<>|\"`\\^{}\u2028\u2029]|[\u200b-\u200f\u202a-\u202e\u2066-\u2069\ufeff]")
_PLAIN = re.compile(r"[^\s\d*_~`\[\]<>&!\\|$#:+=-][^\n*_~`\[\]<>&!\\|$:]*")
_PUNCTUATION = frozenset("!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~")
_TASK = re.compile(r"\[([ xX])\](?:[ \t]+|$)")
_DEFINITION = re.compile(
    r"^ {0,3}\[(?P<name>[^\[\]\n]{1,200})\]:[ \t]*(?P<url><[^<>\n]*>|[^\s<>]+)?(?P<rest>[^\n]*)$", re.MULTILINE
)
_TITLE = re.compile(r"[ \t]*(?:\"[^\"\n]*\"|'[^'\n]*'|\([^()\n]*\))?[ \t\r]*$")

_PARSER = parser()
_WITHOUT_LINKS = parser().disable(["link", "image"])


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
