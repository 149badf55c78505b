"""Recovery: what a failed call means for what comes next. An error and the state of the Reply in, a decision out.

Two promises carry the table: nothing loops, as each way out is taken a bounded number of times; and the end of the
answer is not lost, as what cannot be shown in one way is shown in another, or the writer says that it cannot be shown.

    error               while it grows         final
    RateLimited         Wait                   Wait, until patience ends; for longer than two minutes: GiveUp, and tell
    SurfaceUnavailable  BackOff                BackOff, until patience ends
    MessageGone         Move, once; then somebody does not want it here: GiveUp
    MessageFrozen       Move, and the new message waits for the end; once more if need be, then GiveUp
    PlacementGone       GiveUp, and tell the person
    NotPermitted        GiveUp, and tell the person
    anything else       BackOff                Replace by a line that says so; refused as well: GiveUp, and tell

A message that cannot be deleted is left where it is, whatever the reason; a file that is refused, or that would have to
wait for such a time, is left out.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, assert_never

from core.replies.surface import (
    MessageFrozen,
    MessageGone,
    NotPermitted,
    PlacementGone,
    RateLimited,
    SegmentRejected,
    SurfaceError,
    SurfaceUnavailable,
)

MOST_MOVES_AFTER_DELETION = 1
MOST_MOVES = 2

MOST_CLOSED_S = 120.0
"""How long a final text waits for a platform that says when it may be called again. Where it says an hour, the thread
goes on without the end of this answer rather than not at all."""

Operation = Literal["post", "edit", "delete", "upload"]

Cause = Literal["away", "deleted", "frozen", "gone", "forbidden", "refused", "closed"]
"""Why nothing more can be shown. away: the platform did not answer for as long as it is waited for.  closed: it asks to
be left alone for longer than that."""


@dataclass(frozen=True, slots=True)
class Situation:
    """operation: what failed.  final: the final Draft is being shown.  moves: how often the Reply has gone on in new
    messages.  is_notice: what was refused is the line that stands for a refused text.  patience: is there any left?"""

    operation: Operation
    final: bool = False
    moves: int = 0
    is_notice: bool = False
    patience: bool = True


@dataclass(frozen=True, slots=True)
class Wait:
    """Try again when the budget, which knows what the platform asked for, has a place."""


@dataclass(frozen=True, slots=True)
class BackOff:
    """Try again after a pause that grows; what is newest then."""


@dataclass(frozen=True, slots=True)
class Move:
    """Go on in new messages from here on: this one, and those below it, so that the parts stay in order.

    old: whether the message is gone or still there, to be taken away once the new ones stand.
    """

    old: Literal["gone", "there"]

    @property
    def waits_for_the_end(self) -> bool:
        """Where messages cannot be edited, a new one would be frozen in its turn."""
        return self.old == "there"


@dataclass(frozen=True, slots=True)
class Replace:
    """Show a line that says that this part was refused."""


@dataclass(frozen=True, slots=True)
class Leave:
    """Let the message stand that should have been deleted."""


@dataclass(frozen=True, slots=True)
class Omit:
    """Do without this file, and say so."""


@dataclass(frozen=True, slots=True)
class GiveUp:
    """Nothing more can be shown."""

    cause: Cause

    @property
    def worth_telling(self) -> bool:
        """Whether the person who asked should be told of it in another place; not that a moderator took it away."""
        match self.cause:
            case "gone" | "forbidden" | "frozen" | "refused" | "closed":
                return True
            case "away" | "deleted":
                return False
            case _:
                assert_never(self.cause)


Decision = Wait | BackOff | Move | Replace | Leave | Omit | GiveUp


def decide(error: SurfaceError, now: Situation) -> Decision:
    """See the table above."""
    too_long = isinstance(error, RateLimited) and error.retry_after_s > MOST_CLOSED_S and now.final
    may_pass = isinstance(error, RateLimited | SurfaceUnavailable) and now.patience and not too_long
    if now.operation == "upload" and not may_pass:
        return Omit()
    if now.operation == "delete" and too_long:
        return Leave()
    match error:
        case RateLimited():
            if too_long:
                return GiveUp("closed")
            return Wait() if now.patience or not now.final else GiveUp("away")
        case SurfaceUnavailable():
            return BackOff() if now.patience or not now.final else GiveUp("away")
    if now.operation == "delete":
        return Leave()
    match error:
        case MessageGone():
            return Move("gone") if now.moves < MOST_MOVES_AFTER_DELETION else GiveUp("deleted")
        case MessageFrozen():
            return Move("there") if now.moves < MOST_MOVES else GiveUp("frozen")
        case PlacementGone():
            return GiveUp("gone")
        case NotPermitted():
            return GiveUp("forbidden")
        case SegmentRejected() | _:
            if not now.final:
                return BackOff()
            return GiveUp("refused") if now.is_notice else Replace()
