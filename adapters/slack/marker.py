"""Marker: what each message of ours has in its metadata, to be found again when the answer to a post is lost.

Everyone in the workspace can read metadata: there are no secrets in it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

SEGMENT_EVENT = "parley_segment"


def marker(key: str) -> dict[str, Any]:
    """The metadata of the message that `Surface.post` made for `key`; "" where the key is not known."""
    return {"event_type": SEGMENT_EVENT, "event_payload": {"key": key}}


def is_marked(shown: Mapping[str, Any]) -> bool:
    """Whether a message, as conversations.replies gives it, carries a marker."""
    return (shown.get("metadata") or {}).get("event_type") == SEGMENT_EVENT


def key_of(shown: Mapping[str, Any]) -> str | None:
    """The key in the marker of a message, None where there is none."""
    key = ((shown.get("metadata") or {}).get("event_payload") or {}).get("key")
    return key if is_marked(shown) and isinstance(key, str) else None
