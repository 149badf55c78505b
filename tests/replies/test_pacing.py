"""The pace of one Reply, with times as plain numbers."""

from __future__ import annotations

from core.replies import Draft, Priority
from core.replies.pacing import FINAL_PATIENCE_S, FIRST_TEXT_WAIT_S, WAITED_LONG_S, Pacing


def make_pacing() -> Pacing:
    return Pacing(1.0, jitter=lambda: 1.0)


def due(pacing: Pacing, now: float, *, place: int = 0, gap_s: float = 0.0) -> float:
    return pacing.due(place, pacing.priority(now, anything_shown=True), now, gap_s)


def called(pacing: Pacing, now: float, *, said: bool) -> None:
    pacing.granted(0, now)
    pacing.confirmed(now + 0.3, said=said)


def test_the_first_words_are_held_back_for_a_moment_and_no_longer() -> None:
    """The first message should be more than a syllable; more words do not hold it back again."""
    pacing = make_pacing()
    assert pacing.drafted(Draft("He"), 10.0), "worth waking up for"
    assert not pacing.drafted(Draft("Hello"), 10.05)
    assert due(pacing, 10.05) == 10.0 + FIRST_TEXT_WAIT_S
    assert due(pacing, 11.0) == 11.0


def test_the_first_text_ignores_the_gap_after_a_status_line_and_growth_keeps_it() -> None:
    """A status line says less than a word of the answer."""
    pacing = make_pacing()
    pacing.drafted(Draft(status="Thinking"), 0.0)
    called(pacing, 5.0, said=False)
    assert pacing.first_text_at is None
    pacing.drafted(Draft("Hello"), 5.0)
    assert pacing.priority(5.2, anything_shown=True) is Priority.FIRST and due(pacing, 5.2) == 5.2
    called(pacing, 5.3, said=True)
    pacing.drafted(Draft("Hello you"), 5.4)
    assert pacing.priority(5.4, anything_shown=True) is Priority.INTERIM
    assert due(pacing, 5.4) == 6.3
    assert due(pacing, 5.4, place=1) == 5.4, "another message has a gap of its own"
    assert due(pacing, 5.4, place=1, gap_s=4.0) == 9.3, "but the fair gap is one for the Reply"
    assert pacing.first_text_at == 5.6


def test_the_end_waits_for_no_gap() -> None:
    """Nothing comes after it that would make up for the wait."""
    pacing = make_pacing()
    pacing.drafted(Draft("Hello"), 0.0)
    called(pacing, 0.2, said=True)
    assert pacing.drafted(Draft("Hello.", final=True), 0.3)
    assert pacing.priority(0.3, anything_shown=True) is Priority.FINAL and due(pacing, 0.3, gap_s=60.0) == 0.3


def test_pauses_grow_with_failures_in_a_row_and_hold_for_the_end_as_well() -> None:
    """A platform that is away is not hammered, and one answer of it forgets the past."""
    pacing = make_pacing()
    pacing.drafted(Draft("Hello.", final=True), 0.0)
    pauses, now = [], 0.0
    for _ in range(8):
        pacing.failed(now)
        pauses.append(due(pacing, now) - now)
        now = due(pacing, now)
    assert pauses == [0.5, 1.0, 2.0, 4.0, 8.0, 15.0, 15.0, 15.0]
    called(pacing, now, said=True)
    assert due(pacing, now) == now
    pacing.failed(now)
    assert due(pacing, now) == now + 0.5


def test_patience_ends_some_time_after_the_final_draft_only() -> None:
    """While the model still writes, the platform may come back as late as it likes."""
    pacing = make_pacing()
    pacing.drafted(Draft("Hello"), 0.0)
    assert not pacing.out_of_patience(1e6)
    pacing.drafted(Draft("Hello.", final=True), 1e6)
    assert not pacing.out_of_patience(1e6 + FINAL_PATIENCE_S)
    assert pacing.out_of_patience(1e6 + FINAL_PATIENCE_S + 1)


def test_a_time_told_by_the_budget_holds_until_the_call_is_worth_more() -> None:
    """Who waits in line for an interim edit does not wait with the end of the answer."""
    pacing = make_pacing()
    pacing.drafted(Draft("Hello"), 0.0)
    called(pacing, 0.2, said=True)
    pacing.told(30.0, Priority.INTERIM)
    assert due(pacing, 2.0) == 30.0
    pacing.drafted(Draft("Hello.", final=True), 2.0)
    assert due(pacing, 2.0) == 2.0
    pacing.told(4.0, Priority.FINAL)
    assert due(pacing, 2.0) == 4.0
    pacing.granted(0, 4.0)
    assert due(pacing, 2.0) == 2.0


def test_what_has_waited_for_long_is_worth_as_much_as_a_final_text() -> None:
    """Finals that come without end must not keep a stopped answer from saying so."""
    pacing = make_pacing()
    assert pacing.priority(0.0, anything_shown=False) is Priority.STATUS
    pacing.drafted(Draft("Hello"), 0.0)
    assert pacing.priority(WAITED_LONG_S, anything_shown=False) is Priority.FIRST, "its end needs a place as well"
    pacing.drafted(Draft("Hello", notice="Stopped.", final=True), 50.0)
    assert pacing.priority(50.0, anything_shown=True) is Priority.NOTICE
    assert pacing.priority(50.0 + WAITED_LONG_S, anything_shown=True) is Priority.FINAL
