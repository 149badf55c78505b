"""Verbs: single words that are commands wherever they are said, because a thread has no slash commands on Slack."""

from __future__ import annotations

from core.chat.adapter import CommandName

_VERBS: dict[str, CommandName] = {
    "stop": "stop",
    "reset": "reset",
    "usage": "usage",
    "help": "help",
}


def verb_in(text: str) -> CommandName | None:
    """The command that `text` is, "stop!" as well as "stop"; None when it is something to be answered.

    Nothing said at all asks for help.
    """
    said = text.strip().lower()
    return _VERBS.get(said.removeprefix("/").rstrip("!. ")) if said else "help"
