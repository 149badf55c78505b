"""What a failed call means, as a table."""

from __future__ import annotations

import pytest

from core.replies import (
    MessageFrozen,
    MessageGone,
    NotPermitted,
    PlacementGone,
    RateLimited,
    SegmentRejected,
    SurfaceError,
    SurfaceUnavailable,
)
from core.replies.recovery import (
    MOST_CLOSED_S,
    BackOff,
    Cause,
    Decision,
    GiveUp,
    Leave,
    Move,
    Omit,
    Replace,
    Situation,
    Wait,
    decide,
)

GROWS, FINAL = Situation("edit"), Situation("edit", final=True)
LATE = Situation("edit", final=True, patience=False)
LIMITED, AWAY = RateLimited("ratelimited", 3.0), SurfaceUnavailable("500")
CLOSED = RateLimited("ratelimited", MOST_CLOSED_S + 1)
GONE, FROZEN, REJECTED = MessageGone("gone"), MessageFrozen("closed"), SegmentRejected("blocked")


@pytest.mark.parametrize(
    ("error", "situation", "decision"),
    [
        (LIMITED, GROWS, Wait()),
        (LIMITED, FINAL, Wait()),
        (LIMITED, LATE, GiveUp("away")),
        (CLOSED, GROWS, Wait()),
        (CLOSED, FINAL, GiveUp("closed")),
        (AWAY, GROWS, BackOff()),
        (AWAY, LATE, GiveUp("away")),
        (GONE, GROWS, Move("gone")),
        (GONE, FINAL, Move("gone")),
        (GONE, Situation("edit", moves=1), GiveUp("deleted")),
        (FROZEN, GROWS, Move("there")),
        (FROZEN, Situation("edit", moves=1), Move("there")),
        (FROZEN, Situation("edit", moves=2), GiveUp("frozen")),
        (PlacementGone("locked"), GROWS, GiveUp("gone")),
        (NotPermitted("no"), FINAL, GiveUp("forbidden")),
        (REJECTED, GROWS, BackOff()),
        (REJECTED, FINAL, Replace()),
        (REJECTED, Situation("edit", final=True, is_notice=True), GiveUp("refused")),
        (SurfaceError("something new"), GROWS, BackOff()),
        (SurfaceError("something new"), FINAL, Replace()),
    ],
)
def test_each_failure_has_its_policy(error: SurfaceError, situation: Situation, decision: Decision) -> None:
    assert decide(error, situation) == decision


@pytest.mark.parametrize("error", [CLOSED, PlacementGone("x"), NotPermitted("x"), REJECTED, FROZEN, SurfaceError("x")])
def test_a_message_that_cannot_be_deleted_is_left(error: SurfaceError) -> None:
    assert decide(error, Situation("delete", final=True)) == Leave()


@pytest.mark.parametrize(
    ("error", "decision"),
    [
        (LIMITED, Wait()),
        (CLOSED, Omit()),
        (AWAY, BackOff()),
        (PlacementGone("x"), Omit()),
        (NotPermitted("x"), Omit()),
        (REJECTED, Omit()),
    ],
)
def test_a_file_that_is_refused_is_left_out(error: SurfaceError, decision: Decision) -> None:
    """The text stands already; nothing of it is given up for a file."""
    assert decide(error, Situation("upload", final=True)) == decision
    assert decide(error, Situation("upload", final=True, patience=False)) == Omit()


def test_only_what_the_asker_can_do_something_about_is_told() -> None:
    """Not that a moderator took the answer away, nor that the platform is down."""
    causes: list[Cause] = ["away", "deleted", "frozen", "gone", "forbidden", "refused", "closed"]
    assert [cause for cause in causes if GiveUp(cause).worth_telling] == causes[2:]
