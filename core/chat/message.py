"""Message: what a person wrote, in our form, and how it was addressed to us."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from core.ids import ChannelId, ScopeId, ThreadId, UserId

Reach = Literal["mention", "direct", "command", "thread"]
"""How a message reached us. `thread`: neither mentioned nor direct, so it counts only where we already talk."""


@dataclass(frozen=True, slots=True)
class Author:
    """Who wrote it. name: as the platform shows it, "" when the event does not say. kind: guests and bots are gated."""

    user_id: UserId
    name: str = ""
    kind: Literal["member", "guest", "bot"] = "member"


@dataclass(frozen=True, slots=True)
class Said:
    """One message that somebody wrote. name: its author's, or an id if nothing better is known.  ours: we wrote it."""

    name: str
    text: str
    ours: bool = False


@dataclass(frozen=True, slots=True)
class Message:
    """One thing that a person said to us.

    thread_id: where it was said and where the answer goes.  scope, channel: for usage reports.
    text: without our own mention, entities decoded, stripped; may be empty (a bare mention).
    keys: every identity under which the platform may deliver this same message again (message id, client id,
    event id), each unique within `scope`.  sent_at: seconds since the epoch, as the platform says.
    origin: for the Surface alone, see `core.replies.surface.Placement`.
    to_another: it begins with a mention of somebody else, or answers somebody else's message, and does not mention us.
    quoted: somebody else's message that it answers, None where it answers none or that cannot be read.
    """

    thread_id: ThreadId
    scope: ScopeId
    channel: ChannelId
    author: Author
    text: str
    reach: Reach
    keys: tuple[str, ...]
    sent_at: float
    origin: str = ""
    to_another: bool = False
    quoted: Said | None = None
