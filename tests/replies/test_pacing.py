"""The pace of one Reply, with times as plain numbers."""

from __future__ import annotations

from core.replies import Draft
from core.replies.pacing import FINAL_PATIENCE_S, FIRST_TEXT_WAIT_S, Pacing


def make_pacing() -> Pacing:
    return Pacing(1.0, jitter=lambda: 1.0)


def test_the_first_words_are_held_back_for_a_moment_and_no_longer() -> None:
    """The first message should be more than a syllable; more words do not hold it back again."""
    pacing = make_pacing()
    assert pacing.drafted(Draft("He"), 10.0), "worth waking up for"
    assert not pacing.drafted(Draft("Hello"), 10.05)
    assert pacing.due(0, 10.05) == 10.0 + FIRST_TEXT_WAIT_S
    assert pacing.due(0, 11.0) == 11.0


def test_the_first_text_ignores_the_gap_after_a_status_line_and_growth_keeps_it() -> None:
    """A status line says less than a word of the answer."""
    pacing = make_pacing()
    pacing.drafted(Draft(status="Thinking"), 0.0)
    pacing.confirmed(0, 5.0, said=False)
    assert pacing.first_text_at is None
    pacing.drafted(Draft("Hello"), 5.0)
    assert pacing.urgent(anything_shown=True) and pacing.due(0, 5.2) == 5.2
    pacing.confirmed(0, 5.3, said=True)
    pacing.drafted(Draft("Hello you"), 5.4)
    assert not pacing.urgent(anything_shown=True)
    assert pacing.due(0, 5.4) == 6.3
    assert pacing.due(1, 5.4) == 5.4, "another message has a gap of its own"
    assert pacing.first_text_at == 5.3


def test_the_end_waits_for_no_gap() -> None:
    """Nothing comes after it that would make up for the wait."""
    pacing = make_pacing()
    pacing.drafted(Draft("Hello"), 0.0)
    pacing.confirmed(0, 0.2, said=True)
    assert pacing.drafted(Draft("Hello.", final=True), 0.3)
    assert pacing.urgent(anything_shown=True) and pacing.due(0, 0.3) == 0.3


def test_pauses_grow_with_failures_in_a_row_and_hold_for_the_end_as_well() -> None:
    """A platform that is away is not hammered, and one answer of it forgets the past."""
    pacing = make_pacing()
    pacing.drafted(Draft("Hello.", final=True), 0.0)
    pauses, now = [], 0.0
    for _ in range(8):
        pacing.failed(now)
        pauses.append(pacing.due(0, now) - now)
        now = pacing.due(0, now)
    assert pauses == [0.5, 1.0, 2.0, 4.0, 8.0, 15.0, 15.0, 15.0]
    pacing.confirmed(0, now, said=True)
    assert pacing.due(0, now) == now
    pacing.failed(now)
    assert pacing.due(0, now) == now + 0.5


def test_patience_ends_some_time_after_the_final_draft_only() -> None:
    """While the model still writes, the platform may come back as late as it likes."""
    pacing = make_pacing()
    pacing.drafted(Draft("Hello"), 0.0)
    assert not pacing.out_of_patience(1e6)
    pacing.drafted(Draft("Hello.", final=True), 1e6)
    assert not pacing.out_of_patience(1e6 + FINAL_PATIENCE_S)
    assert pacing.out_of_patience(1e6 + FINAL_PATIENCE_S + 1)
