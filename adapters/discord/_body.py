"""What a Segment looks like as the body of a Discord message, and whether a message looks so."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from adapters.discord._rest import Json
from adapters.discord.markdown import LIMIT, to_content
from core.chat import Segment
from core.replies.healing import healed

__all__ = [
    "DOWN_PREFIX",
    "NO_MENTIONS",
    "RETRY_PREFIX",
    "STOP_PREFIX",
    "SUPPRESS_EMBEDS",
    "UP_PREFIX",
    "body_of",
    "shows",
]

STOP_PREFIX: Final = "parley:stop:"
RETRY_PREFIX: Final = "parley:retry:"
UP_PREFIX: Final = "parley:up:"
DOWN_PREFIX: Final = "parley:down:"
SUPPRESS_EMBEDS: Final = 1 << 2
"""Message flag (message resource, "Message Flags")."""
NO_MENTIONS: Final[Json] = {"parse": [], "replied_user": False}


def body_of(segment: Segment) -> dict[str, object]:
    """The message that shows `segment`: it pings nobody and unfolds no link, on creation and on every edit."""
    return {
        "content": _content(segment),
        "allowed_mentions": NO_MENTIONS,
        "flags": SUPPRESS_EMBEDS,
        "components": _rows(segment),
    }


def _content(segment: Segment) -> str:
    """What `segment` shows: while it grows without what its end leaves open, unless closing that made it too long."""
    if segment.growing:
        shown = _written(replace(segment, text=healed(segment.text)))
        if len(shown) <= LIMIT:
            return shown if shown.strip() else "…"
    return _written(segment)


def _written(segment: Segment) -> str:
    """The aside in small grey letters (`-#`, support article "Markdown Text 101") where it stands below a text."""
    if segment.text.strip() and segment.aside:
        return f"{to_content(segment.text).rstrip()}\n-# {to_content(segment.aside)}"
    return to_content(segment.shown)


def shows(message: Json, body: Json) -> bool:
    """Whether `message`, as Discord answered, is what `body` asked for. White space around it Discord takes away."""
    shown = message.get("content")
    same = not isinstance(shown, str) or shown.strip() == str(body["content"]).strip()
    return same and _buttons(message.get("components", body["components"])) == _buttons(body["components"])


def _rows(segment: Segment) -> list[Json]:
    """An action row (1) of grey (2) buttons (2), none for a Segment without any; "Component Reference"."""
    controls: list[tuple[str, Json, str]] = [
        (STOP_PREFIX, {"label": "Stop"}, segment.stop),
        (RETRY_PREFIX, {"label": "Retry"}, segment.retry),
        (UP_PREFIX, {"emoji": {"name": "👍"}}, segment.rating),
        (DOWN_PREFIX, {"emoji": {"name": "👎"}}, segment.rating),
    ]
    buttons = [
        {"type": 2, "style": 2, **face, "custom_id": prefix + value} for prefix, face, value in controls if value
    ]
    return [{"type": 1, "components": buttons}] if buttons else []


def _buttons(rows: object) -> list[object]:
    """What the buttons in `rows` hand back."""
    return [
        button.get("custom_id")
        for row in (rows if isinstance(rows, list) else [])
        for button in row.get("components", ())
    ]
