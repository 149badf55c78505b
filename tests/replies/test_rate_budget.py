"""The budget of one process, with times as plain numbers."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.replies import Bucket, Draws, LocalBudget, Priority, Rate, Window
from core.replies.account import spared
from core.replies.budget import ALIVE_S, LATE_S, Closure

RATES = st.builds(Rate, st.floats(1, 20), st.floats(0.1, 20))
WINDOWS = st.builds(Window, st.integers(1, 30), st.floats(1, 60))
PRIORITIES = st.sampled_from(Priority)
STEPS = st.lists(st.tuples(st.floats(0, 3), PRIORITIES), max_size=60)
_ROUNDING = 1e-5
FIFTY = Window(50, 60.0)


def on(quota: Rate | Window) -> Draws:
    return Draws("test", (Bucket("b", quota),))


def go(budget: LocalBudget, draws: Draws, now: float, priority: Priority, stream: str = "s") -> float:
    """Wait as told, and call. Returns the time of the call."""
    while not (grant := budget.take_at(now, draws, stream, priority)).go:
        assert grant.wait_s > 0
        now += grant.wait_s
    return now


@given(WINDOWS, STEPS)
def test_no_window_ever_holds_more_calls_than_it_may(window: Window, steps: list[tuple[float, Priority]]) -> None:
    """What the platform promises to refuse must not be tried, not even for a final text."""
    budget, now, times = LocalBudget(), 0.0, []
    for pause, priority in steps:
        now = go(budget, on(window), now + pause, priority)
        times.append(now)
    for first, start in enumerate(times[: -window.calls or None]):
        if first + window.calls < len(times):
            assert times[first + window.calls] - start >= window.seconds - _ROUNDING


@given(RATES, STEPS)
def test_calls_never_exceed_the_burst_and_the_rate(rate: Rate, steps: list[tuple[float, Priority]]) -> None:
    """The same for a bucket that leaks."""
    budget, now, times = LocalBudget(), 0.0, []
    for pause, priority in steps:
        now = go(budget, on(rate), now + pause, priority)
        times.append(now)
    for first, start in enumerate(times):
        for last in range(first, len(times)):
            assert last - first + 1 <= rate.burst + rate.per_s * (times[last] - start) + 1e-3


@given(RATES | WINDOWS, st.floats(0, 100), st.floats(0.01, 600), PRIORITIES)
def test_a_closed_bucket_lets_nothing_through(
    quota: Rate | Window, now: float, retry_after: float, priority: Priority
) -> None:
    """The platform's own word counts for the most urgent call, too."""
    budget, draws = LocalBudget(), on(quota)
    budget.refused_at(now, draws, "", retry_after)
    assert go(budget, draws, now, priority) >= now + retry_after - _ROUNDING
    budget.refused_at(now, draws, "", retry_after / 2)
    assert not budget.take_at(now + retry_after * 0.9, draws, "s", priority).go, "nothing shortens it"


def test_after_a_wait_calls_trickle_and_do_not_burst() -> None:
    """Everybody who waited would call at once, and be refused again."""
    for quota in (Rate(burst=5, per_s=1), Window(5, 5.0)):
        budget, draws, times, now = LocalBudget(), on(quota), [], 0.0
        budget.refused_at(now, draws, "", 10)
        for number in range(4):
            now = go(budget, draws, now, Priority.FINAL, str(number))
            times.append(round(now, 5))
        assert [later - earlier for earlier, later in itertools.pairwise(times)] == [1.0, 1.0, 1.0]
        assert 10 <= times[0] <= 11


def test_a_refusal_closes_the_bucket_it_names_and_no_other() -> None:
    """A channel that is full says nothing of the bot, and the bot's own limit closes every channel."""
    everything = Bucket("global", Rate(50, 50))
    one, other = Draws("d", (Bucket("c1", Rate(5, 1)), everything)), Draws("d", (Bucket("c2", Rate(5, 1)), everything))
    budget = LocalBudget()
    budget.refused_at(0.0, one, "", 30.0)
    assert budget.take_at(0.0, other, "s", Priority.FINAL).go
    assert not budget.take_at(0.0, one, "s", Priority.FINAL).go
    budget.refused_at(0.0, other, "global", 20.0)
    assert not budget.take_at(1.0, other, "s", Priority.FINAL).go
    assert budget.refusals == {"d": 2}


def grow(budget: LocalBudget, draws: Draws, answers: int, seconds: float) -> list[int]:
    """Let answers grow that always have something new to show. Returns how often each was shown."""
    shown, told = [0] * answers, [0.01 * number for number in range(answers)]
    last, now = [-1e9] * answers, 0.0

    def due(number: int) -> float:
        return max(told[number], last[number] + max(0.5, budget.gap_at(now, draws)))

    while (now := max(now, min(map(due, range(answers))))) < seconds:
        number = min(range(answers), key=due)
        grant = budget.take_at(now, draws, f"s{number}", Priority.INTERIM)
        told[number] = now + grant.wait_s
        if grant.go:
            shown[number] += 1
            last[number] = now
    return shown


def test_interim_calls_leave_a_place_for_the_end_of_each_answer() -> None:
    """Ten answers grow for minutes; then all of them end in the same moment, and all ends are shown at once."""
    budget, draws = LocalBudget(), on(FIFTY)
    grow(budget, draws, 10, 200)
    assert all(budget.take_at(200, draws, f"s{n}", Priority.FINAL).go for n in range(10))


@pytest.mark.parametrize("quota", [FIFTY, Rate(5, 0.97)])
def test_ten_answers_share_the_budget_evenly_and_use_it(quota: Rate | Window) -> None:
    """No answer starves, none is shown much more often than another, and little of the budget is left over."""
    shown = grow(LocalBudget(), on(quota), 10, 600)
    assert max(shown) <= 1.25 * min(shown)
    assert sum(shown) >= 0.9 * 33 * 10, "of fifty a minute some are kept for the ends"


def test_an_answer_after_a_quiet_time_may_use_what_nobody_wants() -> None:
    """A short answer grows quickly; a long one slows down before the budget is gone, and in the end evens out."""
    budget, draws, now, times = LocalBudget(), on(FIFTY), 1000.0, []
    while now < 1900:
        now = go(budget, draws, now, Priority.INTERIM)
        times.append(now)
        now += max(0.5, budget.gap_at(now, draws))
    gaps = [later - earlier for earlier, later in itertools.pairwise(times)]
    assert gaps[:20] == pytest.approx([0.5] * 20)
    assert max(gaps) < 5
    assert max(gaps[-60:]) < 1.6


def test_the_gap_grows_with_the_answers_alive_and_shrinks_when_they_are_gone() -> None:
    """Also those whose process has died: nobody hears of them again, and they do not count for ever."""
    budget, draws = LocalBudget(), on(Window(8, 8.0))
    for number in range(7):
        budget.take_at(0.0, draws, f"s{number}", Priority.FIRST)
    crowded = budget.gap_at(0.0, draws)
    budget.take_at(1.0, draws, "s0", Priority.FINAL)
    assert budget.gap_at(1.0, draws) < crowded
    later = 1.0 + ALIVE_S + 3 * crowded
    budget.take_at(later, draws, "s1", Priority.INTERIM)
    alone = budget.gap_at(later, draws)
    assert alone < crowded / 20


def test_what_was_heard_of_a_full_budget_is_forgotten_when_it_has_had_time_to_empty() -> None:
    """The first answer after a busy minute and a quiet hour grows at once."""
    budget, draws = LocalBudget(), on(Window(8, 60.0))
    for number in range(8):
        grant = budget.take_at(0.0, draws, f"s{number}", Priority.FIRST)
    assert budget.gap_at(1.0, draws) == grant.gap_s > 1
    assert budget.gap_at(3600.0, draws) == 0


def test_what_the_platform_has_closed_is_told_with_its_name() -> None:
    """Whoever waits knows for what."""
    budget = LocalBudget()
    draws = Draws("d", (Bucket("own", Rate(5, 1)), Bucket("global", Rate(50, 40))))
    assert budget.take_at(0.0, draws, "s", Priority.FINAL).closure is None
    budget.refused_at(0.0, draws, "own", 10.0)
    budget.refused_at(0.0, draws, "global", 3600.0)
    assert budget.take_at(100.0, draws, "s", Priority.FINAL).closure == Closure("global", 3500.0)


def test_who_waits_is_served_in_the_order_of_asking_and_better_calls_before_all() -> None:
    """A final text that comes last goes first; interim edits keep their order."""
    budget, draws = LocalBudget(), on(Window(2, 10.0))
    for number in range(2):
        assert budget.take_at(0.0, draws, f"old{number}", Priority.FINAL).go
    waits = [budget.take_at(1.0 + n, draws, f"s{n}", Priority.INTERIM) for n in range(3)]
    told = [1.0 + n + grant.wait_s for n, grant in enumerate(waits)]
    assert told == sorted(told) and told[0] >= 10.0
    final = budget.take_at(5.0, draws, "end", Priority.FINAL)
    assert 5.0 + final.wait_s == pytest.approx(10.0), "not behind those who have waited for less"


def test_who_waits_for_a_window_is_told_when_its_calls_of_a_minute_ago_come_back() -> None:
    """Not at even distances: what was used in one moment comes back in one."""
    budget, draws, times = LocalBudget(), on(Window(4, 60.0)), (0.0, 10.0, 10.0, 50.0)
    for number, at in enumerate(times):
        assert budget.take_at(at, draws, f"old{number}", Priority.FINAL).go
    told = [55.0 + budget.take_at(55.0, draws, f"s{number}", Priority.FINAL).wait_s for number in range(6)]
    assert told == pytest.approx([60.0, 70.0, 70.0, 110.0, 120.0, 130.0])
    for number, at in enumerate(told):
        assert budget.take_at(at, draws, f"s{number}", Priority.FINAL).go, "and then there is a place"


def test_who_will_not_wait_for_as_long_takes_no_place_in_line() -> None:
    """He does something else, and nobody is told a later time because of him."""
    budget, draws = LocalBudget(), on(Window(1, 60.0))
    assert budget.take_at(0.0, draws, "old", Priority.FINAL).go
    for _ in range(3):
        assert budget.take_at(1.0, draws, "s0", Priority.FINAL, patience_s=30.0).wait_s == pytest.approx(59.0)
    assert budget.take_at(2.0, draws, "s1", Priority.FINAL).wait_s == pytest.approx(58.0)
    assert budget.take_at(3.0, draws, "s2", Priority.FINAL).wait_s == pytest.approx(117.0)


def test_first_texts_do_not_all_come_back_with_every_place_that_ends_take_from_them() -> None:
    """Ends take all there is for a minute, and a hundred answers wait: that must not become a storm of questions."""
    budget, draws, asked = LocalBudget(), on(Rate(5, 5)), 0
    back = {f"late{number}": 0.0 for number in range(100)}
    ends = iter([tenth / 10 for tenth in range(600)])
    end = next(ends)
    while (now := min(end, *back.values())) < 59:
        if end == now:
            budget.take_at(now, draws, f"end{now}", Priority.FINAL, patience_s=0.0)
            end = next(ends)
        for name in [name for name, told in back.items() if told == now]:
            grant = budget.take_at(now, draws, name, Priority.LATE)
            asked += 1
            back[name] = now + (grant.wait_s or 60.0)
    assert asked < 1000, "no more often than places come back, beside what each asks once"


@pytest.mark.parametrize("quota", [Rate(5, 41), Rate(4.7, 0.99), Window(49, 60.5)])
def test_beginnings_leave_a_place_for_an_end(quota: Rate | Window) -> None:
    """In a crowd on Discord ends came half a second late: first texts took each place as soon as it came back."""
    budget, draws = LocalBudget(), on(quota)
    while budget.take_at(0.0, draws, "", Priority.FIRST, patience_s=0.0).go:
        pass
    assert budget.take_at(0.0, draws, "end", Priority.FINAL).go


def test_a_place_in_line_is_not_kept_for_who_does_not_come() -> None:
    """His process has died, and who comes after him need not be behind him."""
    budget, draws = LocalBudget(), on(Window(1, 60.0))
    assert budget.take_at(0.0, draws, "old", Priority.FINAL).go
    assert budget.take_at(1.0, draws, "dead", Priority.FINAL).wait_s == pytest.approx(59.0)
    assert not budget.take_at(60.0 + LATE_S / 2, draws, "other", Priority.INTERIM, patience_s=0).go
    assert budget.take_at(60.1 + LATE_S, draws, "other", Priority.INTERIM).go


@given(PRIORITIES, st.integers(0, 2000), RATES | WINDOWS)
def test_what_is_spared_grows_as_the_priority_falls(priority: Priority, alive: int, quota: Rate | Window) -> None:
    """final > first > stop and error > status > late > interim, and no answer alive is without a place for its end."""
    most = quota.calls if isinstance(quota, Window) else quota.burst
    assert 0 <= spared(priority, alive, quota) <= most
    if isinstance(quota, Window):
        assert spared(Priority.INTERIM, alive, quota) == min(alive + 2, most - 1)
    ranks = [spared(one, 10_000, quota) for one in Priority]
    assert ranks == sorted(ranks)


def test_a_share_of_a_budget_is_smaller_in_every_way() -> None:
    """What a process allows itself that cannot ask the others."""
    budget = LocalBudget(share=0.5)
    granted = [budget.take_at(0.0, on(Window(10, 60)), "s", Priority.FINAL).go for _ in range(10)]
    assert sum(granted) == 5


def test_buckets_do_not_share_and_idle_ones_are_forgotten() -> None:
    """A process that meets a thousand channels a day must not remember them all."""
    budget, rate = LocalBudget(), Rate(burst=1, per_s=1)
    for number in range(1000):
        assert budget.take_at(number, Draws("d", (Bucket(f"b{number}", rate),)), "s", Priority.FIRST).go
    budget.take_at(100_000.0, Draws("d", (Bucket("other", rate),)), "s", Priority.FIRST)
    assert len(budget._accounts) == 1
