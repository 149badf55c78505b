"""Manual: how people reach us on one platform, and what they can tell us there; what `help` says."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol, runtime_checkable


@dataclass(frozen=True, slots=True)
class Manual:
    """All in markdown. begin: how a conversation begins there and goes on.  ask: a command that asks a question, and
    what it does; "" where there is none.  prefix: what stands before the word of a command.  or_stop: how else an
    answer is stopped.  beside: where commands are given in another way."""

    begin: str = (
        "Mention me in a channel and I answer in a thread; go on there without mentioning me. "
        "In a direct message just write."
    )
    ask: str = ""
    prefix: str = ""
    or_stop: str = "or press **Stop** on it"
    beside: str = "In a thread, mention me with one of these words."

    def text(self) -> str:
        commands = {
            "stop": f"ends the answer that is being written ({self.or_stop})",
            "reset": "makes me forget the conversation",
            "usage": "shows what you have used; administrators see the whole workspace",
            "help": "shows this",
        }
        lines = [f"- {self.ask}"] if self.ask else []
        lines += [f"- `{self.prefix}{word}` {what}" for word, what in commands.items()]
        return "\n\n".join(filter(None, [f"**Ask me anything.** {self.begin}", "\n".join(lines), self.beside]))


@runtime_checkable
class Explained(Protocol):
    """What a Surface may know besides: how people reach us there."""

    @property
    def manual(self) -> Manual: ...


def manual_of(surface: object) -> Manual:
    """That of a Surface; one that names no command where the Surface has none."""
    return surface.manual if isinstance(surface, Explained) else Manual()
