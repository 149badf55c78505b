"""Slack's message text, as a person would read it: `<@U1>`, `<#C1|general>`, `<https://x|label>` and `&lt;` decoded.

Source: docs.slack.dev, "Formatting message text" (docs of 2026-11): only `&`, `<` and `>` are escaped in a message,
everything else between `<` and `>` is a reference or a link.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

_TOKEN = re.compile(r"<([^<>]*)>")


def unescape(text: str) -> str:
    """Decode the three entities that Slack writes; `&amp;` last, so that `&amp;lt;` becomes `&lt;`."""
    return text.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")


def readable(text: str, names: Mapping[str, str]) -> str:
    """Return `text` with every reference written as plain words.

    names: what to call a user when the token itself does not say, by user id.
    """
    return unescape(_TOKEN.sub(lambda token: _spoken(token.group(1), names), text))


def without_leading_mention(text: str, user: str) -> str:
    """Take away the mention of `user` that opens `text`, with the comma or colon people write behind it."""
    opening = rf"\s*(?:<@{re.escape(user)}(?:\|[^<>]*)?>(?:[,:](?=\s|$))?\s*)+"
    return re.sub(rf"\A{opening}", "", text) if user else text


def opens_with_mention(text: str) -> bool:
    """Whether the first word names a person, an app or a group; "@here" names nobody."""
    return re.match(r"\s*<(?:@|!subteam\^)[^<>]+>", text) is not None


def mentions(text: str, user: str) -> bool:
    return bool(user) and re.search(rf"<@{re.escape(user)}(?:\||>)", text) is not None


def _spoken(token: str, names: Mapping[str, str]) -> str:
    target, bar, label = token.partition("|")
    match target[:1]:
        case "@":
            return "@" + (names.get(target[1:]) or label or target[1:])
        case "#":
            return "#" + (label or target[1:])
        case "!":
            return _spoken_command(target[1:], label)
        case _:
            return _spoken_link(target, label if bar else "") if ":" in target else f"<{token}>"


def _spoken_command(command: str, label: str) -> str:
    kind = command.partition("^")[0]
    if kind in ("here", "channel", "everyone"):
        return f"@{kind}"
    if kind == "subteam":
        return label or "@group"
    return label or command


def _spoken_link(url: str, label: str) -> str:
    address = url.removeprefix("mailto:").removeprefix("tel:")
    if not label or label in (url, address) or url in (f"http://{label}", f"https://{label}"):
        return address
    return f"{label} ({url})"
