"""Whom a message notifies and which addresses Slack would fetch for it.

The rules, where they are written down and what is assumed where they are not:
- `<@U..>`, `<!subteam^S..>`, `<!channel>`, `<!here>`, `<!everyone>` (each with an optional `|label`) are live in
  `text`, in mrkdwn text objects, and, as measured on a live workspace, in `markdown` blocks and `markdown_text`.
  `&lt;!here&gt;` is text and is not read again. Sources: docs.slack.dev/messaging/formatting-message-text and
  PostHog/posthog#95054.
- Inside code the tokens count as live too: nobody documents that they are not, and a test wants the worst case.
- Plain `@channel` in `text` is live only with `link_names` or `parse=full`; `@name` of a person only with `parse=full`
  (link_names "no longer supports linking individual users", docs of chat.postMessage).
- A mrkdwn text object with `verbatim` false, its default, has "certain mentions automatically parsed"
  (docs.slack.dev/reference/block-kit/composition-objects/text-object): plain broadcasts are live there.
- In a `rich_text` block only the elements `user`, `usergroup` and `broadcast` notify; its text is text.
- A post by an app fetches links for previews unless both `unfurl_links` and `unfurl_media` are false: whether an
  address is media is known only after it was fetched. An image block's `image_url` is fetched in any case.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

_TOKEN = re.compile(r"<(?P<kind>@|!|#)(?P<body>[^<>|\s]+)(?:\|[^<>]*)?>")
_PLAIN_BROADCAST = re.compile(r"(?<![\w@])@(channel|here|everyone|group)\b", re.IGNORECASE)
_PLAIN_NAME = re.compile(r"(?<![\w@])@([a-z0-9][\w.-]*)", re.IGNORECASE)
_URL = re.compile(r"https?://[^\s<>|\"'`\])}]+")
_BROADCASTS = {"channel": "channel", "group": "channel", "here": "here", "everyone": "everyone"}


@dataclass(frozen=True, slots=True)
class Pings:
    """Who is notified: user ids, usergroup ids, and broadcasts ("channel", "here", "everyone"). Empty is false.

    channels: ids that are linked (`<#C..>`); a link notifies nobody and does not count for truth.
    """

    users: frozenset[str] = frozenset()
    usergroups: frozenset[str] = frozenset()
    broadcasts: frozenset[str] = frozenset()
    channels: frozenset[str] = frozenset()

    def __bool__(self) -> bool:
        return bool(self.users or self.usergroups or self.broadcasts)

    def __or__(self, other: Pings) -> Pings:
        return Pings(
            self.users | other.users,
            self.usergroups | other.usergroups,
            self.broadcasts | other.broadcasts,
            self.channels | other.channels,
        )


@dataclass(frozen=True, slots=True)
class Parsing:
    """How one call asks its text to be read. parse: "none", "full" or "client"; names: user name to user id.

    auto_parse: whether mrkdwn text objects without `verbatim` read plain broadcasts.
    """

    parse: str = "none"
    link_names: bool = False
    names: Mapping[str, str] = field(default_factory=dict)
    auto_parse: bool = True


def pings_of(text: str, blocks: Iterable[dict[str, Any]], parsing: Parsing) -> Pings:
    """Return whom a message with this `text` and these `blocks` notifies."""
    found = _in_tokens(text) | _in_plain_text(text, parsing)
    for node in _nodes(list(blocks)):
        found |= _in_node(node, parsing)
    return found


def _in_node(node: dict[str, Any], parsing: Parsing) -> Pings:
    match node:
        case {"type": "mrkdwn", "text": str(text)}:
            found = _in_tokens(text)
            if parsing.auto_parse and node.get("verbatim") is not True:
                found |= _plain_broadcasts(text)
            return found
        case {"type": "markdown", "text": str(text)}:
            return _in_tokens(text)
        case {"type": "task_card" | "plan", **rest}:
            return _union(_in_tokens(value) for value in rest.values() if isinstance(value, str))
        case {"type": "user", "user_id": str(user)}:
            return Pings(users=frozenset({user}))
        case {"type": "usergroup", "usergroup_id": str(group)}:
            return Pings(usergroups=frozenset({group}))
        case {"type": "broadcast", "range": str(reach)}:
            return Pings(broadcasts=frozenset({_BROADCASTS.get(reach, reach)}))
        case {"type": "channel", "channel_id": str(channel)}:
            return Pings(channels=frozenset({channel}))
        case _:
            return Pings()


def _in_tokens(text: str) -> Pings:
    return _union(_token(match["kind"], match["body"]) for match in _TOKEN.finditer(text))


def _token(kind: str, body: str) -> Pings:
    if kind == "@" and body[0] in "UW":
        return Pings(users=frozenset({body}))
    if kind == "@" and body[0] == "S":
        return Pings(usergroups=frozenset({body}))
    if kind == "#":
        return Pings(channels=frozenset({body}))
    if kind == "!" and body.startswith("subteam^"):
        return Pings(usergroups=frozenset({body.removeprefix("subteam^")}))
    if kind == "!" and body in _BROADCASTS:
        return Pings(broadcasts=frozenset({_BROADCASTS[body]}))
    return Pings()


def _in_plain_text(text: str, parsing: Parsing) -> Pings:
    if parsing.parse != "full" and not parsing.link_names:
        return Pings()
    found = _plain_broadcasts(text)
    if parsing.parse == "full":
        names = (match[1].lower() for match in _PLAIN_NAME.finditer(text))
        found |= Pings(users=frozenset(parsing.names[name] for name in names if name in parsing.names))
    return found


def _plain_broadcasts(text: str) -> Pings:
    words = {_BROADCASTS[match[1].lower()] for match in _PLAIN_BROADCAST.finditer(text)}
    return Pings(broadcasts=frozenset(words))


def _union(parts: Iterable[Pings]) -> Pings:
    found = Pings()
    for part in parts:
        found |= part
    return found


def unfurls_of(
    text: str, blocks: Iterable[dict[str, Any]], *, unfurl_links: bool, unfurl_media: bool
) -> tuple[str, ...]:
    """Return the addresses Slack would fetch for this message, each once, in order of appearance.

    unfurl_links, unfurl_media: as in chat.postMessage; for a post by an app they default to false and true.
    Source: docs.slack.dev/messaging/unfurling-links-in-messages.
    """
    found: list[str] = []
    wanted = unfurl_links or unfurl_media
    if wanted:
        found += _URL.findall(text)
    for node in _nodes(list(blocks)):
        if node.get("type") == "image" and isinstance(node.get("image_url"), str):
            found.append(node["image_url"])
        elif wanted:
            found += _links(node)
    return tuple(dict.fromkeys(url.rstrip(".,;:!?") for url in found))


def _links(node: dict[str, Any]) -> list[str]:
    if node.get("type") == "link" and isinstance(node.get("url"), str):
        return [node["url"]]
    if str(node.get("type")) in {"mrkdwn", "markdown"} and isinstance(node.get("text"), str):
        return _URL.findall(node["text"])
    return []


def _nodes(value: Any) -> Iterator[dict[str, Any]]:
    """Walk every JSON object in `value` (Any: Block Kit JSON, checked where it came in)."""
    if isinstance(value, dict):
        yield value
        for child in value.values():
            yield from _nodes(child)
    elif isinstance(value, list):
        for child in value:
            yield from _nodes(child)


def visible_text(text: str, blocks: list[dict[str, Any]]) -> str:
    """Return what a person reads: the words in `blocks` if there are any, else `text`."""
    words = [line for block in blocks if (line := _words(block))]
    return "\n".join(words) if words else text


def _words(value: Any) -> str:
    match value:
        case {"type": "user", "user_id": str(user)}:
            return f"<@{user}>"
        case {"type": "broadcast", "range": str(reach)}:
            return f"<!{reach}>"
        case {"type": "link", "url": str(url)}:
            return str(value.get("text") or url)
        case {"type": "actions" | "context_actions" | "divider" | "image"}:
            return ""
        case {"type": "plan", "title": str(title), "tasks": list(tasks)}:
            return "\n".join(line for line in (title, *map(_words, tasks)) if line)
        case {"type": "task_card", "title": str(title)}:
            return title
        case {"text": str(text)}:
            return text
        case {"text": dict(inner), **rest}:
            return "\n".join(part for part in (_words(inner), _words(rest.get("fields", []))) if part)
        case {"elements": list(elements), **rest}:
            whole = rest.get("type") == "rich_text"
            return ("\n" if whole else "").join(_words(element) for element in elements)
        case {"rows": list(rows)}:
            return "\n".join(" | ".join(_words(cell) for cell in row) for row in rows if isinstance(row, list))
        case list():
            return "\n".join(part for item in value if (part := _words(item)))
        case _:
            return ""
