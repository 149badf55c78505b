"""The budget, with times as plain numbers."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from core.replies import Rate, RateBudget

RATES = st.builds(Rate, st.floats(1, 20), st.floats(0.1, 20))
STEPS = st.lists(st.tuples(st.floats(0, 3), st.booleans()), max_size=80)
_ROUNDING = 1e-6


def go(budget: RateBudget, rate: Rate, now: float, urgent: bool) -> float:
    """Wait as told, and call. Returns the time of the call."""
    while (due := budget.when("b", rate, now, urgent=urgent)) > now + _ROUNDING:
        now = due
    budget.spend("b", rate, now)
    return now


@given(RATES, st.lists(st.floats(0, 3), max_size=80))
def test_interim_calls_never_exceed_the_rate_in_any_window(rate: Rate, pauses: list[float]) -> None:
    """What the platform promises to refuse must not be tried."""
    budget, now, times = RateBudget(), 0.0, []
    for pause in pauses:
        now = go(budget, rate, now + pause, urgent=False)
        times.append(now)
    for first, start in enumerate(times):
        for last in range(first, len(times)):
            assert last - first + 1 <= rate.burst + rate.per_s * (times[last] - start) + 1e-3


@given(RATES, STEPS)
def test_urgent_calls_overdraw_by_no_more_than_the_burst(rate: Rate, steps: list[tuple[float, bool]]) -> None:
    """The debt is bounded, so that interim calls come back soon and the platform's window is not blown."""
    budget, now, times = RateBudget(), 0.0, []
    for pause, urgent in steps:
        now = go(budget, rate, now + pause, urgent)
        times.append(now)
    for first, start in enumerate(times):
        for last in range(first, len(times)):
            assert last - first + 1 <= 2 * rate.burst + rate.per_s * (times[last] - start) + 1e-3


@given(RATES, st.floats(0, 100), st.floats(0.01, 600), st.booleans())
def test_a_closed_bucket_lets_nothing_through(rate: Rate, now: float, retry_after: float, urgent: bool) -> None:
    """The platform's own word counts for the most urgent call, too."""
    budget = RateBudget()
    budget.close("b", rate, now, now + retry_after)
    assert budget.when("b", rate, now, urgent=urgent) >= now + retry_after
    assert budget.when("b", rate, now + retry_after * 0.9, urgent=urgent) >= now + retry_after
    budget.close("b", rate, now, now + retry_after / 2)
    assert budget.when("b", rate, now, urgent=urgent) >= now + retry_after, "the later word does not shorten the wait"


def test_after_a_wait_calls_trickle_and_do_not_burst() -> None:
    """Everybody who waited would call at once, and be refused again."""
    budget, rate = RateBudget(), Rate(burst=5, per_s=1)
    budget.close("b", rate, 0, 10)
    times, now = [], 0.0
    for _ in range(4):
        now = go(budget, rate, now, urgent=False)
        times.append(round(now, 6))
    assert times == [11, 12, 13, 14]


def test_an_urgent_call_goes_while_interim_calls_wait() -> None:
    """The first and the last text are worth much."""
    budget, rate = RateBudget(), Rate(burst=2, per_s=1)
    for _ in range(2):
        budget.spend("b", rate, 0)
    assert budget.when("b", rate, 0, urgent=False) == 1
    assert budget.when("b", rate, 0, urgent=True) == 0


def test_buckets_do_not_share_and_idle_ones_are_forgotten() -> None:
    """A process that meets a thousand channels a day must not remember them all."""
    budget, rate = RateBudget(), Rate(burst=1, per_s=1)
    for number in range(1000):
        budget.spend(f"b{number}", rate, number)
    assert budget.when("new", rate, 1000, urgent=False) == 1000
    budget.spend("other", rate, 100_000)
    assert budget.when("b999", rate, 100_000, urgent=False) == 100_000
