"""Many answers at a time under the platforms' limits, in virtual time: refusals, staleness, first and final text.

Each of n threads is asked, answers for 20 s (ten deltas a second), and is asked again ten seconds after the end was
shown. A delta is a word, every twelfth ends a sentence. Staleness: at any moment from the first delta until the final
text is visible, how long ago the oldest delta that nobody can see yet came. The limits are the emulators' (a window of
50 edits a minute for each Slack workspace, a leaky bucket of 5 for each Discord channel and 50 calls a second in all),
each call takes 60 ms.

What any scheduler could do at best in the long run is printed with each case. Of c calls a minute the ends of a answers
need a, if none of them is to wait, and each answer that begins before its end needs one call more: so at most c - a of
them can. Where edits are a budget of their own (Slack: 50 of the 350) only as many can begin in the middle of a
sentence, because what was cut there has to be edited at the end; the first sentence ends after 1.1 s. So the median
reader can see a text in less than a second only where half of the answers can begin so, and before the end only where
half of them can begin at all. (A run begins with budgets that are full: for the first minute there is more.)

Compared with a timer of 0.5 s and one of 1 s, which post the first delta at once, edit whenever the time is over, and
after a 429 wait as told and go on.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import random
from bisect import bisect_right
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

import looptime

from adapters.discord.limits import LIMITS as DISCORD
from adapters.emulators.discord.limits import Limits as DiscordLimits
from adapters.emulators.slack.limits import RateLimits as SlackLimits
from adapters.slack.limits import LIMITS as SLACK
from benchmarks.replies._platforms import DELTA, DiscordRules, Rules, SimulatedSurface, SlackRules
from benchmarks.replies._writers import MakeWriter, Timer, ours
from core.chat import Limits

DELTAS, EVERY_S = 200, 0.1
PAUSE_S = 10.0
SAMPLE_S = 0.25
MOST_S = 900.0
"""When a case is ended, whatever is still to be shown: some timers get shut out again and again."""
_SENTENCE = "words " * 11 + "end.\n "
TEXT = (_SENTENCE * (DELTAS // 12 + 1))[: DELTAS * DELTA]


@dataclass(frozen=True)
class Allowed:
    """calls: what the platform takes in a minute.  edits: how many of these can be edits.  scopes: in each of so many
    workspaces."""

    calls: int
    edits: int
    scopes: int = 1


@dataclass(frozen=True)
class Case:
    """rules: the platform.  thread: the name of thread number k.  answers: how many one thread is asked for."""

    name: str
    rules: Callable[[], Rules]
    limits: Limits
    thread: Callable[[int], str]
    size: int
    answers: int
    allowed: Allowed

    @property
    def ends(self) -> float:
        """How many answers end in a minute in one workspace, if nobody waits."""
        return 60.0 * self.size / self.allowed.scopes / (DELTAS * EVERY_S + PAUSE_S)

    @property
    def early(self) -> float:
        """The share of the answers that can begin before they end, at best, if no end is to wait."""
        return min(1.0, max(0.0, self.allowed.calls / self.ends - 1.0))

    @property
    def at_once(self) -> float:
        """The share of those that can begin in the middle of a sentence."""
        return min(self.early, self.allowed.edits / self.ends)


@dataclass
class Outcome:
    """Seconds, of every answer or every sample. unseen: answers whose end was not shown by `MOST_S`."""

    staleness: list[float] = field(default_factory=list)
    first: list[float] = field(default_factory=list)
    final: list[float] = field(default_factory=list)
    calls: int = 0
    refused: int = 0
    unseen: int = 0


class Beat:
    """Ten times a second everybody who answers has one more delta: one wake-up for all, not one for each."""

    def __init__(self) -> None:
        self._answering: set[Callable[[], None]] = set()

    async def run(self) -> None:
        while True:
            await asyncio.sleep(EVERY_S)
            for give in list(self._answering):
                give()

    async def deltas(self, show: Callable[[int], None]) -> None:
        """Call `show` with 1, 2, ... and return after the last; the first comes at once."""
        done, number = asyncio.Event(), 1

        def give() -> None:
            nonlocal number
            number += 1
            show(number)
            if number == DELTAS:
                self._answering.discard(give)
                done.set()

        show(number)
        self._answering.add(give)
        await done.wait()


async def _answer(
    surface: SimulatedSurface, make: MakeWriter, thread: str, name: str, outcome: Outcome, beat: Beat
) -> None:
    loop = asyncio.get_running_loop()
    writer = make(surface, thread, name)
    running = asyncio.create_task(writer.run())
    came: list[float] = []

    def show(number: int) -> None:
        came.append(loop.time())
        writer.show(TEXT[: number * DELTA], final=number == DELTAS)

    try:
        await beat.deltas(show)
        await running
    finally:
        running.cancel()
        seen = surface.seen.get(thread)
        states = [state for state in seen.states if state[0] >= came[0]] if seen else []
        _note(outcome, came, states, loop.time())


def _note(outcome: Outcome, came: Sequence[float], states: Sequence[tuple[float, int]], now: float) -> None:
    """Note what was seen of one answer, and when; an end that nobody has seen by `now` comes then at the earliest."""
    whole = bool(states) and states[-1][1] == DELTAS
    until = states[-1][0] if whole else now
    outcome.unseen += not whole
    outcome.first.append((states[0][0] if states else now) - came[0])
    if len(came) == DELTAS:
        outcome.final.append(until - came[-1])
    times = [at for at, _ in states]
    at = came[0] + random.uniform(0, SAMPLE_S)
    while at < until:
        visible = bisect_right(times, at)
        shown = states[visible - 1][1] if visible else 0
        outcome.staleness.append(max(0.0, at - came[shown]) if shown < len(came) else 0.0)
        at += SAMPLE_S


async def _thread(
    case: Case, surface: SimulatedSurface, make: MakeWriter, number: int, outcome: Outcome, beat: Beat
) -> None:
    await asyncio.sleep(random.uniform(0, DELTAS * EVERY_S + PAUSE_S) if case.size > 1 else 0)
    for turn in range(case.answers):
        await asyncio.sleep(random.uniform(0, EVERY_S))
        await _answer(surface, make, case.thread(number), f"{number}-{turn}", outcome, beat)
        await asyncio.sleep(PAUSE_S)


def simulated(case: Case, writer: Callable[[], MakeWriter]) -> Outcome:
    random.seed(5)
    outcome = Outcome()
    surface = SimulatedSurface(case.rules(), case.limits)

    async def story() -> None:
        make, beat = writer(), Beat()
        beating = asyncio.create_task(beat.run())
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(MOST_S), asyncio.TaskGroup() as threads:
                for number in range(case.size):
                    threads.create_task(_thread(case, surface, make, number, outcome, beat))
        beating.cancel()

    with asyncio.Runner(loop_factory=looptime.new_event_loop) as runner:
        runner.run(story())
    outcome.calls, outcome.refused = surface.calls.total(), len(surface.refused)
    return outcome


def timer(every_s: float) -> Callable[[], MakeWriter]:
    return lambda: lambda surface, thread, name: Timer(surface, thread, every_s)


WRITERS: dict[str, Callable[[], MakeWriter]] = {"ours": ours, "0.5 s timer": timer(0.5), "1 s timer": timer(1.0)}


def cases(sizes: Sequence[int]) -> list[Case]:
    def answers(size: int) -> int:
        return max(1, min(8, 400 // size))

    slack, on_discord = SlackLimits(), round(60 * DiscordLimits().global_.refill)
    edits = slack.tiers["t3"]
    one = Allowed(edits + slack.posts_per_minute, edits)
    hundred, bot = replace(one, scopes=100), Allowed(on_discord, on_discord)

    found = [Case("one Slack workspace", SlackRules, SLACK, lambda n: f"T1/C{n}", n, answers(n), one) for n in sizes]
    for n in (n for n in sizes if n >= 100):
        each = answers(min(n, 100))
        found.append(Case("100 Slack workspaces", SlackRules, SLACK, lambda n: f"T{n % 100}/C{n}", n, each, hundred))
    return found + [Case("Discord channels", DiscordRules, DISCORD, str, n, answers(min(n, 100)), bot) for n in sizes]


def _at(values: list[float], share: float) -> float:
    return sorted(values)[min(len(values) - 1, int(share * len(values)))]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sizes", type=int, nargs="+", default=[1, 10, 100, 1000])
    parser.add_argument("--platform", default="", help="only the cases whose name holds this")
    parser.add_argument("--writers", nargs="+", choices=WRITERS, default=list(WRITERS))
    asked = parser.parse_args()
    print("seconds; staleness of the visible text, first text after the first delta, final text after the last delta")
    for case in (case for case in cases(asked.sizes) if asked.platform in case.name):
        print(f"\n{case.name}, {case.size} answers at a time, {case.size * case.answers} in all")
        print(
            f"  ends: {case.ends:.0f} of {case.allowed.calls} calls a minute; before they end can begin at best "
            f"{case.early:.0%}, in the middle of a sentence {case.at_once:.0%}"
        )
        print(f"  {'':12}  calls   429s   stale p50     p95   first p50     max   final p50     p95     max   unseen")
        for name in asked.writers:
            got = simulated(case, WRITERS[name])
            print(
                f"  {name:12} {got.calls:6} {got.refused:6}   {_at(got.staleness, 0.5):9.2f} "
                f"{_at(got.staleness, 0.95):7.2f}   {_at(got.first, 0.5):9.2f} {max(got.first):7.2f}   "
                f"{_at(got.final, 0.5):9.2f} {_at(got.final, 0.95):7.2f} {max(got.final):7.2f}   {got.unseen:6}",
                flush=True,
            )


if __name__ == "__main__":
    main()
