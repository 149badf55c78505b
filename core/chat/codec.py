"""How Messages and Turns are written into Redis: JSON with a schema version, read back with care."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterable, Sequence
from dataclasses import replace

from pydantic import TypeAdapter, ValidationError

from core.chat.message import Author, Message
from core.messages import ModelMessage, ModelMessagesTypeAdapter

log = logging.getLogger(__name__)

_SCHEMA = 1
_MESSAGE = TypeAdapter(Message)


def dump_message(message: Message) -> str:
    """Half a surrogate pair, which JSON may carry and UTF-8 cannot, becomes U+FFFD: no later step trips on it."""
    message = replace(message, text=_whole_characters(message.text), author=_named(message.author))
    return json.dumps({"v": _SCHEMA, "message": _MESSAGE.dump_python(message, mode="json")}, ensure_ascii=False)


def _whole_characters(text: str) -> str:
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def _named(author: Author) -> Author:
    return replace(author, name=_whole_characters(author.name))


def load_message(text: str) -> Message:
    """Raises ValueError for what this version cannot read."""
    read = json.loads(text)
    if not isinstance(read, dict) or read.get("v") != _SCHEMA:
        raise ValueError("a message of another schema version")
    return _MESSAGE.validate_python(read["message"], strict=False)


def dump_turn(messages: Sequence[ModelMessage]) -> str:
    """One Turn's part of the history."""
    return f'{{"v":{_SCHEMA},"messages":{ModelMessagesTypeAdapter.dump_json(list(messages)).decode()}}}'


def load_history(turns: Iterable[str], most_chars: int, thread_id: str) -> list[ModelMessage]:
    """The newest whole Turns that together are at most `most_chars` of JSON, oldest first.

    A Turn that cannot be read is left out and logged: one damaged entry must not silence a thread for ever.
    """
    kept: list[list[ModelMessage]] = []
    room = most_chars
    for text in reversed(list(turns)):
        room -= len(text)
        if room < 0 and kept:
            break
        try:
            read = json.loads(text)
            kept.append(ModelMessagesTypeAdapter.validate_python(read["messages"]))
        except (ValueError, KeyError, TypeError, ValidationError):
            log.warning("history.unreadable_turn", extra={"thread_id": thread_id})
    return [message for turn in reversed(kept) for message in turn]
