"""The witness of the chaos run sees what is wrong: one that finds nothing has proved nothing by it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest

from tests.chaos.plan import Question, Shape, make
from tests.chaos.witness import Asked, Place, Post, Request, bear_witness

ONE = Question(7, 1, 0.0, 0.0, (), words=2, pause_s=0.0)
TWO = replace(ONE, number=2)


def post(question: Question, at: float, *, text: str = "", **changed: object) -> Post:
    """A reply that grows within a second."""
    states = [(at, "Thinking…"), (at + 0.5, question.answer[:6]), (at + 1, text or question.answer)]
    return replace(Post(f"m{at}", states), **changed)  # type: ignore[arg-type]  # the fields of Post


ASKED = [Asked(ONE, 0.0, 0.5), Asked(TWO, 1.0, 1.5)]
GOOD = [post(ONE, 2), post(TWO, 4)]


def line(at: float, points_at: Post = GOOD[0]) -> Post:
    return Post(f"l{at}", [(at, "It is above")], points_at=points_at.id)


def kinds(posts: Sequence[Post], asked: Sequence[Asked] = ASKED) -> list[str]:
    return [finding.kind for finding in bear_witness([Place("here", asked, posts)], []).findings]


def test_two_whole_replies_in_order_are_good() -> None:
    """And a question that was never taken in may go unanswered."""
    assert kinds(GOOD) == []
    assert kinds(GOOD[:1], [ASKED[0], Asked(TWO, 1.0, None)]) == []
    assert kinds([*GOOD, line(3.5), line(6, GOOD[1])]) == [], "and a line that leads back to each"


@pytest.mark.parametrize(
    ("posts", "kind"),
    [
        (GOOD[:1], "lost"),
        ([*GOOD, post(TWO, 6)], "twice"),
        ([*GOOD, Post("m9", [(9.0, "Thinking…")])], "unasked"),
        ([GOOD[0], post(TWO, 4, deleted=True)], "deleted"),
        ([GOOD[0], post(TWO, 4, text=TWO.answer[:-3])], "incomplete"),
        ([GOOD[0], post(TWO, 4, text=TWO.answer + " (stopped)")], "incomplete"),
        ([GOOD[0], post(TWO, 4, is_growing=True)], "incomplete"),
        ([post(ONE, 4), post(TWO, 2)], "disorder"),
        ([post(ONE, 2), post(TWO, 2.5)], "overlap"),
        ([*GOOD, line(3.5), line(3.6)], "twice"),
        ([*GOOD, line(2.5)], "overlap"),
        ([*GOOD, line(4.5)], "disorder"),
        ([*GOOD, line(3.5, post(ONE, 9))], "unasked"),
    ],
)
def test_every_broken_promise_is_found(posts: Sequence[Post], kind: str) -> None:
    assert kind in kinds(posts)


def test_what_was_taken_in_at_the_same_time_has_no_order() -> None:
    """The second was offered before the first was taken: whoever stores it first is first."""
    asked = [Asked(ONE, 0.0, 2.0), Asked(TWO, 1.0, 1.5)]
    assert kinds([post(ONE, 4), post(TWO, 2)], asked) == []


@pytest.mark.parametrize("said", [[ONE.answer[:8]], [ONE.answer, ONE.answer], ["re-q8.1 w0 end-q8.1"]])
def test_a_history_that_is_not_what_was_said_is_found(said: Sequence[str]) -> None:
    """Half an answer, one told twice, and one of another thread."""
    place = Place("here", ASKED, GOOD)
    assert [one.kind for one in bear_witness([place], [Request("q7.2", said, True)]).findings] == ["history"]
    assert bear_witness([place], [Request("q7.2", [ONE.answer], True)]).findings == []


def test_the_same_seed_makes_the_same_plan() -> None:
    shape = Shape(threads=20)
    assert make(5, shape) == make(5, shape) != make(6, shape)
