"""How Messages and Turns are written into Redis: JSON with a schema version, read back with care."""

from __future__ import annotations

import json
import logging
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace

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


@dataclass(frozen=True, slots=True)
class Again:
    """The wish to have a Turn answered once more. of: the Turn, or a Message in it.  key: a Message of it that says
    `text` now, "" when its words are as they were."""

    of: int
    key: str = ""
    text: str = ""


_AGAIN = TypeAdapter(Again)


def dump_again(wish: Again) -> str:
    wish = replace(wish, text=_whole_characters(wish.text))
    return json.dumps({"v": _SCHEMA, "again": asdict(wish)}, ensure_ascii=False)


def load_letter(text: str) -> Message | Again:
    """Raises ValueError for what this version cannot read."""
    read = json.loads(text)
    if not isinstance(read, dict) or read.get("v") != _SCHEMA:
        raise ValueError("a message of another schema version")
    if "again" in read:
        return _AGAIN.validate_python(read["again"])
    return _MESSAGE.validate_python(read.get("message"), strict=False)


def dump_turn(messages: Sequence[ModelMessage]) -> str:
    """One Turn's part of the history."""
    return f'{{"v":{_SCHEMA},"messages":{ModelMessagesTypeAdapter.dump_json(list(messages)).decode()}}}'


def dump_summary(messages: Sequence[ModelMessage]) -> str:
    """A history entry that stands for all entries before it. It begins as seal.lua expects."""
    return f'{{"v":{_SCHEMA},"summary":true,"messages":{ModelMessagesTypeAdapter.dump_json(list(messages)).decode()}}}'


def is_summary(entry: str) -> bool:
    return entry.startswith(f'{{"v":{_SCHEMA},"summary":')


def load_history(
    turns: Sequence[str], most_chars: int, thread_id: str, most_turns: int | None = None
) -> list[ModelMessage]:
    """The newest whole Turns that together are at most `most_chars` of JSON, oldest first, after a summary of those
    before them, if there is one.

    most_turns: not more than so many.  A Turn that cannot be read is left out and logged: one damaged entry must not
    silence a thread for ever.
    """
    summary = [entry for entry in turns[:1] if is_summary(entry)]
    rest = list(turns[len(summary) :])
    room = most_chars - sum(map(len, summary))
    kept: list[list[ModelMessage]] = []
    for entry in reversed(rest[-most_turns:] if most_turns else rest):
        room -= len(entry)
        if room < 0 and kept:
            break
        kept.append(load_entry(entry, thread_id))
    kept += [load_entry(entry, thread_id) for entry in summary]
    return [message for turn in reversed(kept) for message in turn]


def load_entry(entry: str, thread_id: str) -> list[ModelMessage]:
    """One Turn's messages, [] for what cannot be read."""
    try:
        return ModelMessagesTypeAdapter.validate_python(json.loads(entry)["messages"])
    except (ValueError, KeyError, TypeError, ValidationError):
        log.warning("history.unreadable_turn", extra={"thread_id": thread_id})
        return []
