"""Adapter: what a platform's package gives to whoever starts it, and what it is given."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal, Protocol, runtime_checkable

from core.chat.manual import Manual
from core.chat.message import Message
from core.ids import ChannelId, ScopeId, ThreadId, UserId
from core.replies.budget import RateBudget
from core.replies.surface import Surface
from core.sessions import Rated, Vote

CommandName = Literal["usage", "reset", "stop", "help"]

Verdict = Literal["accepted", "duplicate", "ignored", "full", "busy"]
"""What became of a Message: stored to be answered (a visible answer will come), delivered before, not meant for
us, or refused because too many messages wait in its thread already, or because an answer is still being written and
only one at a time is taken there (the adapter tells the person so)."""

Retried = Literal["accepted", "repeated", "busy", "old"]
"""What became of the wish for another answer: it will come in the place of the one there is, it was wished for already,
that one is still being written, or something newer was asked since."""


@dataclass(frozen=True, slots=True)
class Spot:
    """One message on a platform, whoever wrote it. key: as in `Message.keys`, its identity within `scope`."""

    scope: ScopeId
    key: str


@runtime_checkable
class Directory(Protocol):
    """Who and what stands behind the ids of one platform."""

    async def name_of(self, one: str) -> str | None:
        """The name people know a UserId or ChannelId of this platform by; None when it is not known. Never raises."""
        ...


@dataclass(frozen=True, slots=True)
class CommandCall:
    """A command that is answered with a text and needs no model.

    thread_id: the thread it was given in, None where the platform does not say (a Slack slash command).
    is_admin: the platform says this person administers the workspace or server.
    directory: for the names in a report, None leaves ids.
    manual: what there is to say of the platform it was given on.
    """

    name: CommandName
    user: UserId
    scope: ScopeId
    channel: ChannelId
    thread_id: ThreadId | None = None
    is_admin: bool = False
    directory: Directory | None = field(default=None, repr=False, compare=False)
    manual: Manual = field(default=Manual(), repr=False)


class Intake(Protocol):
    """Where an adapter hands in what people say, before it acks the platform."""

    async def accept(self, message: Message) -> Verdict:
        """Gate, deduplicate and store `message` in one atomic step.

        Returns once it is durable. Raises StoreUnavailable when it may not be: then do not ack.
        """
        ...

    async def stop(self, stop: str) -> bool:
        """Stop the Turn whose Segment carried this `stop` value; False when it is not running any more."""
        ...

    async def retry(self, retry: str) -> Retried:
        """Answer once more what the Reply with this `retry` value answered, in the same messages."""
        ...

    async def rated(self, rating: str, user: UserId, vote: Vote) -> Rated:
        """Note what a person thinks of the answer whose Segment carried this `rating` value; what they thought before
        counts no more. "unknown": nothing is known of that answer any more."""
        ...

    async def edited(self, spot: Spot, text: str, version: str) -> None:
        """The author of a message said it in other words.

        text: read as `Message.text` was.  version: names this edit among those of the message. Whether the message
        was meant for us need not be known; that holds for `deleted` and `reacted` too. All raise StoreUnavailable.
        """
        ...

    async def deleted(self, spot: Spot) -> None:
        """A message is gone."""
        ...

    async def reacted(self, spot: Spot, reaction: str) -> None:
        """Somebody put a reaction on a message. reaction: the emoji or its name, as the platform says."""
        ...

    async def stop_in(self, thread_id: ThreadId) -> bool:
        """Stop the Turn that runs in a thread, whichever it is; False when none does. Raises StoreUnavailable."""
        ...

    async def command(self, call: CommandCall) -> str:
        """Answer a command with markdown, for that person's eyes only. Raises StoreUnavailable."""
        ...


@runtime_checkable
class Marks(Protocol):
    """What an adapter wants to find again after a restart, such as how far it has heard. An Intake may offer it."""

    async def mark(self, name: str, value: str) -> None:
        """Keep `value` under `name` for as long as Sessions are kept. Raises StoreUnavailable."""
        ...

    async def marked(self, name: str) -> str | None:
        """What was kept last. Raises StoreUnavailable."""
        ...


class Adapter(Protocol):
    """One platform connection of this process."""

    @property
    def platform(self) -> str:
        """`slack`, `discord`, `terminal`: the first part of each of its ids."""
        ...

    @property
    def surface(self) -> Surface: ...

    async def open(self, budget: RateBudget | None = None) -> None:
        """Check tokens, scopes and addresses. Raises ConfigError naming the setting. The surface works from here on.

        budget: what every call asks that no Reply makes, the same that Replies ask; None for who is alone.
        """
        ...

    async def listen(self, intake: Intake) -> None:
        """Take in events until cancelled; reconnects by itself. Raises ConfigError for what no retry can mend."""
        ...

    def unready(self) -> str | None:
        """Why events would not arrive just now, None when they would."""
        ...

    async def aclose(self) -> None:
        """Close every connection. The surface is of no use afterwards."""
        ...
