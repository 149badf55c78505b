"""Which answers may begin where edits are few and posts are many, and that their ends find the places kept for them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.replies import Bucket, Draws, LocalBudget, Priority, Window
from core.replies.budget import ALIVE_S, HOPE_S, Grant

_EDITS, _POSTS = 2, 12


class Workspace:
    """One budget, with `edits` and `posts` a minute. Times are seconds."""

    def __init__(self, edits: int = _EDITS, posts: int = _POSTS) -> None:
        self._budget = LocalBudget()
        bucket = Bucket("edit", Window(edits, 60.0))
        self._edits = Draws("test", (bucket,))
        self._posts = Draws("test", (Bucket("post", Window(posts, 60.0)),), end=bucket)

    def begin(self, now: float, name: str, priority: Priority = Priority.FIRST, *, apart: bool = False) -> Grant:
        return self._budget.take_at(now, self._posts, name, priority, apart=apart, patience_s=0.0)

    def edit(self, now: float, name: str, priority: Priority = Priority.FINAL, *, apart: bool = False) -> Grant:
        return self._budget.take_at(now, self._edits, name, priority, apart=apart, patience_s=0.0)

    def end_below(self, now: float, name: str) -> Grant:
        return self._budget.take_at(now, self._posts, name, Priority.FINAL, patience_s=0.0)


def test_as_many_answers_begin_anyhow_as_there_are_edits_for_their_ends() -> None:
    """The others wait until a sentence has ended, so that the end can come below."""
    slack = Workspace()
    assert [slack.begin(float(n), f"s{n}").go for n in range(3)] == [True, True, False]
    begun = slack.begin(3.0, "s2", apart=True)
    assert begun.go and not begun.promised
    assert all(slack.edit(4.0, f"s{n}").go for n in range(2)), "what was promised is there"


def test_who_could_end_below_is_promised_a_place_as_well_while_there_is_one() -> None:
    """One message is better than two."""
    slack = Workspace()
    assert [slack.begin(float(n), f"s{n}", apart=True).promised for n in range(3)] == [True, True, False]


def test_an_end_that_can_come_below_takes_no_place_that_was_promised() -> None:
    """Whoever shows half a sentence and a Stop button would stand there for a minute."""
    slack = Workspace(edits=3)
    assert slack.edit(0.0, "other").go
    for name in ("one", "two"):
        assert slack.begin(1.0, name).promised
    assert not slack.begin(2.0, "sentence", apart=True).promised
    assert not slack.edit(3.0, "sentence", apart=True).go
    assert slack.end_below(3.0, "sentence").go
    assert slack.edit(4.0, "one").go and slack.edit(4.0, "two").go


def test_an_end_that_can_come_below_takes_a_place_that_is_left_over() -> None:
    """Two messages are the lesser good."""
    slack = Workspace(edits=4)
    for number in range(3):
        assert slack.edit(0.0, f"other{number}").go
    assert slack.begin(1.0, "one").promised and not slack.begin(1.0, "sentence", apart=True).promised
    assert slack.edit(2.0, "one").go
    assert not slack.edit(3.0, "sentence", apart=True).go
    assert slack.edit(60.0, "sentence", apart=True).go


def test_an_edit_promises_the_end_of_what_it_shows_a_place() -> None:
    """It may end in the middle of a sentence from then on."""
    slack = Workspace(edits=4)
    for number in range(4):
        assert slack.edit(0.0, f"other{number}").go
    assert not slack.begin(1.0, "one", apart=True).promised
    assert slack.edit(60.0, "one", Priority.INTERIM, apart=True).go
    for number in range(2):
        assert slack.edit(61.0, f"more{number}").go
    assert not slack.edit(62.0, "below", apart=True).go, "the last one is promised"
    assert slack.edit(62.0, "one").go


def test_whoever_takes_an_answer_over_that_could_end_below_needs_an_edit_for_it() -> None:
    """He does not know where it was left off; that he asks for an edit says that its end can come nowhere else."""
    slack = Workspace(edits=3, posts=40)
    for number in range(3):
        assert slack.edit(0.0, f"other{number}").go
    assert not slack.begin(1.0, "taken over", apart=True).promised
    assert not slack.edit(2.0, "taken over", Priority.INTERIM).go
    assert [slack.begin(60.0, name).go for name in ("one", "two", "three")] == [True, True, False]
    assert slack.edit(61.0, "one").go and slack.edit(61.0, "two").go and slack.edit(61.0, "taken over").go


def test_the_place_of_an_answer_that_has_ended_is_free_however_it_ended() -> None:
    """An end below needs no edit any more, nor does one whose process has died for ever."""
    slack = Workspace(edits=1, posts=40)
    assert slack.begin(0.0, "one").promised
    assert slack.end_below(1.0, "one").go
    assert slack.begin(2.0, "two").promised
    assert not slack.begin(3.0, "three").go
    assert slack.begin(3.0 + ALIVE_S + 200.0, "three").promised


def test_an_answer_begins_only_while_all_that_are_alive_find_places_for_their_ends() -> None:
    """Those that have shown nothing yet need one as well, for all of their text."""
    slack = Workspace(edits=1, posts=12)
    assert all(slack.end_below(0.0, f"past{number}").go for number in range(4))
    begun = [slack.begin(1.0 + n, f"s{n}", apart=True).go for n in range(5)]
    assert begun == [True, True, True, True, False], "four beginnings, one end as an edit, three below; one is spared"
    assert all(slack.end_below(7.0, f"s{n}").go for n in (1, 2, 3, 4)), "the last one comes whole"
    assert slack.edit(7.0, "s0").go


def test_a_place_that_comes_back_soon_counts_as_one_for_an_end_to_come() -> None:
    """Ends never come all at once, and what is kept for them for long is of no use to anybody."""
    slack = Workspace(edits=1)
    assert slack.edit(0.0, "other").go
    assert not slack.begin(59.0 - HOPE_S, "one").go
    assert slack.begin(61.0 - HOPE_S, "one").promised


def test_a_fresh_answer_goes_before_those_that_have_waited() -> None:
    """Its reader is there; the others have lost theirs, and get their answers whole."""
    slack = Workspace(edits=50, posts=12)
    assert all(slack.end_below(0.0, f"past{number}").go for number in range(9))
    assert not slack.begin(1.0, "late", Priority.LATE).go
    assert slack.begin(1.0, "fresh").go


def test_a_line_that_says_nothing_yet_is_shown_only_where_it_can_be_replaced() -> None:
    """It is no beginning that could stand above the answer."""
    slack = Workspace(posts=80)
    shown = [slack.begin(float(number), f"s{number}", Priority.STATUS).go for number in range(3)]
    assert shown == [True, True, False]
    assert slack.begin(3.0, "s3", apart=True).go


def test_a_second_message_of_an_answer_that_could_end_below_waits_for_a_promise() -> None:
    """It ends wherever the text is just then."""
    slack = Workspace(edits=1, posts=40)
    assert slack.begin(0.0, "one").promised
    assert not slack.begin(0.0, "two", apart=True).promised
    assert not slack.begin(1.0, "two", Priority.INTERIM).go
    assert slack.edit(2.0, "one").go
    assert slack.begin(62.0, "two", Priority.INTERIM).promised


ANSWERS = st.lists(
    st.tuples(st.floats(0, 2), st.booleans(), st.floats(0.5, 12)),  # begins after, may be left off, lasts
    min_size=1,
    max_size=60,
)


@given(ANSWERS, st.integers(1, 8), st.integers(12, 60))
def test_no_end_waits_longer_than_was_hoped_for(
    answers: list[tuple[float, bool, float]], edits: int, posts: int
) -> None:
    """Whoever has begun ends in time: with an edit if that was promised, else with that or a post."""
    slack, now = Workspace(edits, posts), 0.0
    ends: list[tuple[float, str, Grant]] = []
    events: list[tuple[float, str]] = []
    for number, (pause, apart, lasts) in enumerate(answers):
        now += pause
        while ends and ends[0][0] <= now:
            events.append(_ended(slack, *ends.pop(0)))
        begun = slack.begin(now, f"s{number}", apart=apart)
        if begun.go:
            ends = sorted([*ends, (now + lasts, f"s{number}", begun)], key=lambda end: end[0])
    events += [_ended(slack, *end) for end in ends]
    assert all(waited <= HOPE_S + 1e-3 for waited, _ in events), events


def _ended(slack: Workspace, now: float, name: str, begun: Grant) -> tuple[float, str]:
    """How long the end waited, which comes as it may."""
    grant = slack.edit(now, name, apart=not begun.promised)
    if not grant.go and not begun.promised:
        grant = slack.end_below(now, name)
    return grant.wait_s, name


@pytest.mark.parametrize("priority", [Priority.FIRST, Priority.LATE])
def test_a_closed_budget_of_edits_promises_nothing(priority: Priority) -> None:
    """Until shortly before it opens again."""
    slack = Workspace(edits=50, posts=50)
    slack._budget.refused_at(0.0, slack._edits, "", 100.0)
    assert not slack.begin(1.0, "one", priority).go
    assert slack.begin(1.0, "one", priority, apart=True).go
