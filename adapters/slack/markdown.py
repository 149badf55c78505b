"""A Segment of model markdown, written for Slack so that nobody is pinged and nothing is fetched.

Every message carries the Segment twice:

- `text`: the markdown source with `&`, `<` and `>` escaped. Notifications, search and clients that do not know blocks
  show it. It holds no `<` at all, so no reference can be in it.
- a `markdown` block, which Slack itself lays out (bold, lists, tables, code with a language). Broadcasts such as
  `<!here>` are live in it too, and `&lt;!here&gt;` is not read as one again (measured in a workspace: PostHog#95054).
  So outside code every `<` becomes `&lt;`. Inside code, where Slack may show entities as they are, a `<` that could
  open a reference is parted from what follows by a zero-width space. Neither depends on having told code and prose
  apart as Slack does: whichever rule meets a `<!`, it comes out dead.

An answer that grows is rendered anew from its whole text for every edit, so a token that a stream cut in two is seen
whole.
Source: docs.slack.dev, "Markdown block" and "Formatting message text" (docs of 2026-11).
"""

from __future__ import annotations

import re

from markdown_it import MarkdownIt

from adapters.slack.inbound import RETRY_ACTION, STOP_ACTION
from core.chat import Segment

Block = dict[str, object]

_BLOCKS = MarkdownIt("commonmark").disable("inline")

_ZERO_WIDTH_SPACE = "\u200b"
_REFERENCE = re.compile(r"<(?=[!@#]|http|mailto:|tel:|ftp:|slack:)", re.IGNORECASE)
_CODE_SPAN = re.compile(r"(?<!`)(`+)(?!`)(.+?)(?<!`)\1(?!`)", re.DOTALL)
_LINES = re.compile(r"[^\r\n]*(?:\r\n|\r|\n)|[^\r\n]+")
_PARAGRAPH_END = re.compile(r"(\n[ \t]*\n)")
_ASIDE = "\ufdd0"  # a noncharacter: in no text that people exchange
_SET_ASIDE = re.compile(f"{_ASIDE}(\\d+){_ASIDE}")
_AUTOLINK = re.compile(r"<((?:https?|mailto|tel):[^\s<>]*)>", re.IGNORECASE)
_MAIL_AUTOLINK = re.compile(r"<([\w.!#$%&'*+/=?^{|}~-]+@[\w-]+(?:\.[\w-]+)+)>")
_BRACKETED_TARGET = re.compile(r"\]\(\s{0,9}<([^\s<>]*)>")
_TARGET = re.compile(r"\]\((?=\s{0,9}([^\s()<>]*))")
_DEFINITION = re.compile(r"^( {0,3})\[([^\[\]]+)\]:[ \t]*<?([^\s<>]+)>?", re.MULTILINE)
_ALLOWED = re.compile(r"(?:https?|mailto|tel):", re.IGNORECASE)
_LESS_THAN_ENTITY = re.compile(r"&(?:#0*60|#x0*3c|lt);?", re.IGNORECASE)
_NEEDS_RENDERING = re.compile(r"<|\]\(|\]:|!\[|&#|&lt", re.IGNORECASE)


def escaped(text: str) -> str:
    """Escape the three characters that Slack gives a meaning to; the result opens no reference."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def block_text(text: str) -> str:
    """Return markdown `text` for a `markdown` block, by the rules above.

    Links go to http, https, mailto and tel only, others are shown as words; images become links, so that showing an
    answer fetches nothing.
    """
    if not _NEEDS_RENDERING.search(text):
        return text
    lines = _LINES.findall(text)
    parts: list[str] = []
    at = 0
    for start, end in _code_lines(text):
        parts.append(_prose("".join(lines[at:start])))
        parts.append(_code("".join(lines[start:end])))
        at = end
    parts.append(_prose("".join(lines[at:])))
    return "".join(parts)


def wire_size(text: str) -> int:
    """The bytes that a Segment of `text` takes: the larger of its two renderings, in UTF-8.

    Bytes, because peers have measured that Slack's limits on long messages count them.
    """
    return max(len(escaped(text).encode()), len(block_text(text).encode()))


def message(segment: Segment) -> tuple[str, list[Block]]:
    """Return `text` and `blocks` of the message that shows `segment`, with the buttons it asks for."""
    shown = segment.shown if segment.shown.strip() else "…"
    blocks: list[Block] = [markdown_block(segment.text if segment.text.strip() else shown)]
    if segment.text.strip() and segment.aside:
        aside = {"type": "mrkdwn", "text": escaped(segment.aside), "verbatim": True}
        blocks.append({"type": "context", "elements": [aside]})
    controls = ((STOP_ACTION, "Stop", segment.stop), (RETRY_ACTION, "Retry", segment.retry))
    buttons = [_button(action, label, value) for action, label, value in controls if value]
    if buttons:
        blocks.append({"type": "actions", "block_id": "parley_actions", "elements": buttons})
    return escaped(shown), blocks


def markdown_block(text: str) -> Block:
    return {"type": "markdown", "text": block_text(text)}


def quoted(text: str, limit: int = 3000) -> str:
    """Return `text` as an escaped mrkdwn quotation, cut at `limit` characters with an ellipsis."""
    shown = text if len(text) <= limit else text[: limit - 1].rstrip() + "…"
    return "\n".join(f"> {line}" for line in escaped(shown).splitlines())


def _button(action: str, label: str, value: str) -> Block:
    return {"type": "button", "action_id": action, "text": {"type": "plain_text", "text": label}, "value": value}


def _code_lines(text: str) -> list[tuple[int, int]]:
    """The line ranges of fenced and indented code, in order and apart from each other."""
    ranges: list[tuple[int, int]] = []
    for token in _BLOCKS.parse(text):
        if token.type in ("fence", "code_block") and token.map:
            start, end = token.map
            if not ranges or start >= ranges[-1][1]:
                ranges.append((start, end))
    return ranges


def _code(text: str) -> str:
    return _REFERENCE.sub("<" + _ZERO_WIDTH_SPACE, text)


def _prose(text: str) -> str:
    return "".join(_paragraph(part) for part in _PARAGRAPH_END.split(text))


def _paragraph(text: str) -> str:
    """Render one paragraph: backticks pair up within it and no further.

    Code spans stand aside under a number meanwhile, so that a link is seen whole when its label holds code.
    """
    spans: list[str] = []

    def stand_aside(span: re.Match[str]) -> str:
        spans.append(_code(span.group()))
        return f"{_ASIDE}{len(spans) - 1}{_ASIDE}"

    text = _CODE_SPAN.sub(stand_aside, text.replace(_ASIDE, "\ufffd"))
    return _SET_ASIDE.sub(lambda mark: spans[int(mark.group(1))], _words(text))


def _words(text: str) -> str:
    text = _BRACKETED_TARGET.sub(r"](\1", text)
    text = _AUTOLINK.sub(r"[\1](\1)", text)
    text = _MAIL_AUTOLINK.sub(r"[\1](mailto:\1)", text)
    text = text.replace("![](", "[image](").replace("![", "[")
    text = _TARGET.sub(_safe_target, text)
    text = _DEFINITION.sub(_safe_definition, text)
    return _LESS_THAN_ENTITY.sub("&lt;", text).replace("<", "&lt;")


def _safe_target(target: re.Match[str]) -> str:
    """Part the words of a link from an address that is not allowed: `[x] (javascript:y)` is text."""
    return "](" if _ALLOWED.match(target.group(1)) else "] ("


def _safe_definition(definition: re.Match[str]) -> str:
    indent, label, url = definition.groups()
    return definition.group() if _ALLOWED.match(url) else f"{indent}{label}: {url}"
