"""Surface: what core asks of a platform, and the errors a platform may answer with.

The writer (`core.replies.reply`) is the only caller of `post`, `edit` and `delete`.

    SurfaceError            a call failed and will fail again; the subclasses say what to do instead
      RateLimited           come back in `retry_after_s` seconds
      SurfaceUnavailable    the platform did not answer, or answered 5xx: it may or may not have taken effect
      MessageGone           the message was deleted by somebody
      MessageFrozen         the message is there, and may not be edited (any more)
      PlacementGone         the thread or channel is deleted, archived or locked: nothing can be shown there
      NotPermitted          a permission or scope is missing; `hint` says which, fit to log
      SegmentRejected       the platform refused this content (size, blocks, moderation)
      StoppedByPerson       somebody pressed a button of the platform's own: the answer is not wanted any more
"""

from __future__ import annotations

import math
from base64 import b64decode
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal, Protocol, runtime_checkable

from core.ids import ThreadId, UserId

Operation = Literal["post", "edit", "delete", "status"]


@dataclass(frozen=True, slots=True)
class Placement:
    """Where a Reply goes.

    origin: what the adapter wrote into the Message about the question (a message to answer, an interaction
    token); opaque to core, at most a few hundred characters.
    """

    thread_id: ThreadId
    origin: str = ""


@dataclass(frozen=True, slots=True)
class MessageRef:
    """One message of ours on a platform. `channel` and `message` are the platform's own ids."""

    channel: str
    message: str


@dataclass(frozen=True, slots=True)
class ToolCall:
    """One tool call of a run. call_id: the same from its start to its end, unique within the run."""

    call_id: str
    name: str
    state: Literal["running", "done", "failed"] = "running"


@dataclass(frozen=True, slots=True)
class Attachment:
    """A file that goes with a Reply. base64: its bytes, as text.  courtesy: it holds nothing that the Reply does not
    say as well, so that its loss is not worth a word."""

    name: str
    media_type: str
    base64: str = field(repr=False)
    courtesy: bool = False

    @property
    def content(self) -> bytes:
        return b64decode(self.base64)


@dataclass(frozen=True, slots=True)
class Segment:
    """The part of a Reply in one platform message.

    text: markdown as the model wrote it (never escaped for a platform), every fence closed; "" when there is only an
    aside.  aside: one quiet line of markdown below it, that is ours: what is being done while the answer grows, the
    footer once it is final.  Text and aside are together at most `Limits.segment` as `Limits.measure` counts.
    stop, retry, rating: what a Stop button, a Retry button, and the two buttons of a rating hand back when pressed;
    "" shows no such button.  growing: the text goes on, and may end in the middle of anything (`core.replies.healed`).
    tools: the tool calls of the run, for a platform that shows them in a way of its own; two
    Segments that differ in nothing else are equal, as what is going on stands in the aside as well.
    """

    text: str
    stop: str = ""
    retry: str = ""
    rating: str = ""
    aside: str = ""
    growing: bool = False
    tools: tuple[ToolCall, ...] = field(default=(), compare=False)

    @property
    def shown(self) -> str:
        """Text and aside in one, where a platform has nothing quieter for the latter."""
        return f"{self.text}\n\n{self.aside}" if self.text and self.aside else self.text or self.aside


@dataclass(frozen=True, slots=True)
class Rate:
    """A leaky bucket: `burst` calls at once (at least 1), and `per_s` more each second."""

    burst: float
    per_s: float


@dataclass(frozen=True, slots=True)
class Window:
    """At most `calls` in any `seconds`, all of them at once if need be."""

    calls: int
    seconds: float


@dataclass(frozen=True, slots=True)
class Bucket:
    """One budget that a platform keeps. name: unique within its scope; calls that name the same one share it."""

    name: str
    quota: Rate | Window


@dataclass(frozen=True, slots=True)
class Draws:
    """The budgets that one call draws on, all at once.

    scope: whose budgets they are, a workspace or a bot, with the platform in front; those of one scope are kept
    together.  The first bucket is the narrowest: it is the one meant by a refusal that names none.
    end: where the end of an answer that this call begins will draw, if that budget may run short by itself.
    """

    scope: str
    buckets: tuple[Bucket, ...]
    end: Bucket | None = None


@dataclass(frozen=True, slots=True)
class Limits:
    """What a platform allows, as its adapter documents it with sources.

    segment: the largest Segment, in the unit of `measure`.  measure: how the platform counts a Segment's
    markdown once it is written for the wire (escapes included).  min_gap_s: seconds between two interim edits of one
    message while the budget is ample; how often calls may go is said by `Surface.draws`.  status_every_s: how often a
    status has to be set again to stay.
    """

    segment: int
    measure: Callable[[str], int]
    min_gap_s: float
    status_every_s: float = math.inf


class Surface(Protocol):
    """One platform, as one workspace's worker sees it. Every method may raise any SurfaceError."""

    @property
    def limits(self) -> Limits: ...

    def draws(self, operation: Operation, placement: Placement) -> Draws:
        """The rate budgets that a call for `placement` draws on."""
        ...

    async def open(self, placement: Placement) -> None:
        """Make the place ready before there is text (a Discord thread is created). Calling it again is harmless."""
        ...

    async def status(self, placement: Placement, doing: str) -> None:
        """Show that we are at work, until our next message at the latest; "" takes it away.

        doing: as it follows our name ("is thinking…"), for a platform that shows words. A courtesy: whoever calls it
        ignores SurfaceError.
        """
        ...

    async def post(self, placement: Placement, segment: Segment, key: str) -> MessageRef:
        """Post a new message in the thread, pinging nobody.

        key: the same for every attempt at the same Segment of the same Turn, at most 25 characters; a platform
        that can drops the repetition.
        """
        ...

    async def find(self, placement: Placement, key: str) -> MessageRef | None:
        """The message that `post` made for `key`, asked for when its answer was lost.

        None when there is none, or where repeating `post` is safe because the platform drops the repetition.
        """
        ...

    async def edit(self, placement: Placement, ref: MessageRef, segment: Segment) -> None:
        """Replace what a message of ours shows."""
        ...

    async def delete(self, placement: Placement, ref: MessageRef) -> None:
        """Take a message of ours away; one that is gone already is no error."""
        ...


@runtime_checkable
class Perishable(Protocol):
    """What a Surface may be able to do besides: show messages that have to be seen to in time."""

    def good_until(self, ref: MessageRef) -> float | None:
        """Loop time at which `ref` is to be edited, be it with what it shows already; None for one that lasts."""
        ...


@runtime_checkable
class Uploader(Protocol):
    """What a Surface may be able to do besides: show files."""

    @property
    def largest_file(self) -> int:
        """Bytes of one file that the platform takes."""
        ...

    async def upload(self, placement: Placement, file: Attachment, key: str) -> MessageRef:
        """Post `file` in the thread. key: as in `Surface.post`.  `Surface.delete` takes what is given back."""
        ...

    async def find_upload(self, placement: Placement, key: str) -> MessageRef | None:
        """As `Surface.find`, for what `upload` made."""
        ...


@runtime_checkable
class Whisperer(Protocol):
    """What a Surface may be able to do besides: tell one person something that nobody else sees."""

    async def whisper(self, placement: Placement, user: UserId, text: str) -> None:
        """Tell `user` the markdown `text`, beside the thread or, where that cannot be, in a direct message.

        Called once, and rarely; raises any SurfaceError when it cannot be told.
        """
        ...


@runtime_checkable
class Pointer(Protocol):
    """What a Surface may be able to do besides: lead people back to a message of ours that others have written below.

    An answer that grows by edits makes nothing unread, so its end passes unnoticed where people went on talking."""

    async def is_buried(self, placement: Placement, ref: MessageRef) -> bool:
        """Has a person written below `ref`, where it stands? What bots and the platform itself say does not count."""
        ...

    async def link_to(self, placement: Placement, ref: MessageRef) -> str:
        """The address that opens `ref` in the platform's own client."""
        ...

    async def point(self, placement: Placement, ref: MessageRef, text: str, asker: UserId, key: str) -> MessageRef:
        """Post the markdown `text` below `ref`, so that `asker` hears of it; nobody else is pinged.

        key: as in `Surface.post`.  `Surface.delete` takes what is given back.
        """
        ...

    async def find_pointer(self, placement: Placement, key: str) -> MessageRef | None:
        """As `Surface.find`, for what `point` made."""
        ...


class SurfaceError(Exception):
    """A platform call failed. `str()` is fit for a log: no tokens, no message text."""


class RateLimited(SurfaceError):
    """The platform asks to wait `retry_after_s` seconds before the next call on the bucket called `bucket`, or on the
    first that the call draws on.

    noted: the RateBudget knows of it; what has no place is another call, that the one that was made needs as well.
    """

    def __init__(self, message: str, retry_after_s: float, bucket: str = "", *, noted: bool = False) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s
        self.bucket = bucket
        self.noted = noted


class SurfaceUnavailable(SurfaceError):
    """No answer, or a 5xx: whether the call took effect is not known."""


class MessageGone(SurfaceError):
    """The message to edit was deleted."""


class MessageFrozen(SurfaceError):
    """The message is there, and may not be edited (any more)."""


class PlacementGone(SurfaceError):
    """The thread or channel is deleted, archived or locked, or the bot is not in it."""


class NotPermitted(SurfaceError):
    """The bot may not do this here; `hint` names the missing permission or scope."""

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.hint = hint


class StoppedByPerson(SurfaceError):
    """Somebody has stopped what grew by means of the platform's own. Told once; the message can still be edited."""


class SegmentRejected(SurfaceError):
    """The platform refused the content itself; sending it again is pointless."""
