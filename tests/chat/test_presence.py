"""The status of a Turn: set, true, and taken away in the end."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass, field, replace

from core.agent.response import RunEvent, RunResponse
from core.chat import texts
from core.chat.presence import GAP_S, Presence
from core.replies import LocalBudget, Placement, Rate, RateLimited, SurfaceError, SurfaceUnavailable
from tests.chat.rig import THREAD, Rig
from tests.replies.scripted_surface import PLACEMENT, ScriptedSurface, in_virtual_time


@dataclass
class Statuses(ScriptedSurface):
    """Notes when each status came. failures: raised by the next calls."""

    failures: Iterator[SurfaceError] = field(default_factory=lambda: iter(()))

    def __post_init__(self) -> None:
        super().__post_init__()
        self.limits = replace(self.limits, status_every_s=90.0)
        self.heard: list[tuple[float, str]] = []

    async def status(self, placement: object, doing: str) -> None:
        self.heard.append((round(asyncio.get_running_loop().time(), 1), doing))
        for failure in self.failures:
            raise failure


async def at_work(surface: Statuses, budget: LocalBudget | None = None) -> tuple[Presence, asyncio.Task[None]]:
    presence = Presence(surface, PLACEMENT, budget or LocalBudget(), texts.IS_THINKING)
    task = asyncio.create_task(presence.run())
    await asyncio.sleep(0)
    return presence, task


async def over(presence: Presence, task: asyncio.Task[None]) -> None:
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    await presence.end(3.0)


def test_a_status_is_set_again_before_it_goes_away_by_itself() -> None:
    """Slack takes it away after two minutes, whatever goes on."""

    async def story() -> None:
        surface = Statuses()
        presence, task = await at_work(surface)
        await asyncio.sleep(200)
        await over(presence, task)
        began = surface.heard[0][0]
        assert [(at - began, doing) for at, doing in surface.heard] == [
            (0, texts.IS_THINKING),
            (90, texts.IS_THINKING),
            (180, texts.IS_THINKING),
            (200, ""),
        ]

    in_virtual_time(story)


def test_a_status_follows_what_is_done_and_comes_back_after_a_message_of_ours() -> None:
    """Not for each tool that is over in no time, and not while the text itself grows."""

    async def story() -> None:
        surface = Statuses()
        presence, task = await at_work(surface)
        presence.show("is using search…")
        presence.show("is using look…")
        await asyncio.sleep(GAP_S + 1)
        presence.posted()
        await asyncio.sleep(GAP_S + 1)
        presence.show("")
        await asyncio.sleep(GAP_S + 200)
        await over(presence, task)
        assert [doing for _, doing in surface.heard] == [
            texts.IS_THINKING, "is using look…", "is using look…", "", "",
        ]  # fmt: skip

    in_virtual_time(story)


def test_a_platform_that_refuses_a_status_is_asked_again_when_it_says() -> None:
    """And one that does not answer holds up nothing. After a refusal the budget fills up by and by."""

    async def story() -> None:
        surface = Statuses(failures=iter([RateLimited("429", 40.0), SurfaceUnavailable("away")]))
        presence, task = await at_work(surface)
        presence.show("is using search…")
        await asyncio.sleep(60)
        await over(presence, task)
        began = surface.heard[0][0]
        assert [(at - began, doing) for at, doing in surface.heard] == [
            (0, texts.IS_THINKING), (41, "is using search…"), (60, ""),
        ]  # fmt: skip

    in_virtual_time(story)


async def test_a_status_is_named_for_the_tool_that_runs(rig: Rig) -> None:
    """In words, without markup."""
    gate = asyncio.Event()
    call = {"tool_name": "search_web", "tool_call_id": "1"}
    started = RunResponse(event=RunEvent.tool_call_started.value, tools=[call])
    rig.answerer.scripts["hi"] = [started, gate, "found"]
    async with rig.worker():
        await rig.say("hi")

        async def named() -> bool:
            return rig.world.doing.get(THREAD) == "is using search_web…"

        await rig.until(named)
        gate.set()
        await rig.settled()
    assert rig.world.doing[THREAD] == ""


async def test_a_status_that_a_dead_worker_has_left_is_cleared_by_the_next_one(rig: Rig) -> None:
    """Scenario 22: status "is thinking" set, process dies. Also when there is nothing left to do but to seal."""
    gate = asyncio.Event()
    rig.answerer.scripts["hi"] = ["a", gate, "b"]
    async with rig.worker() as first:
        await rig.say("hi")

        async def begun() -> bool:
            return bool(rig.world.visible) and bool(rig.world.doing.get(THREAD))

        await rig.until(begun)
        first.hands.kill()
        assert rig.world.doing[THREAD] == texts.IS_THINKING
        gate.set()
        async with rig.worker():
            await rig.settled()
    assert rig.world.doing[THREAD] == ""
    assert rig.world.texts == ["ab"]


def test_in_a_crowd_a_status_comes_later_with_what_is_done_then_and_is_taken_away_for_all_that() -> None:
    """Platforms would refuse more of them, and hold that against whoever asks. Nothing waits for it."""

    async def story() -> None:
        surface, budget = Statuses(quota=Rate(burst=1, per_s=0.1)), LocalBudget()
        presences = [Presence(surface, PLACEMENT, budget, texts.IS_THINKING) for _ in range(3)]
        tasks = [asyncio.create_task(presence.run()) for presence in presences]
        await asyncio.sleep(1)
        assert surface.heard == [(0.0, texts.IS_THINKING)]
        presences[1].show("is using search…")
        await asyncio.sleep(10)
        assert surface.heard[1:] == [(10.0, "is using search…")], "the newest, once there is a place"
        for presence, task in zip(presences, tasks, strict=True):
            await over(presence, task)
        assert [doing for _, doing in surface.heard[2:]] == ["", "", ""]

    in_virtual_time(story)


def test_a_refused_status_closes_its_budget_for_others_in_the_process() -> None:
    """They would be refused as well."""

    async def story() -> None:
        surface, budget = Statuses(quota=Rate(50, 50), failures=iter([RateLimited("slow", 30.0)])), LocalBudget()
        presence = Presence(surface, PLACEMENT, budget, texts.IS_THINKING)
        task = asyncio.create_task(presence.run())
        await asyncio.sleep(1)
        assert budget.refusals == {"test": 1}
        assert budget.spare(surface.draws("status", PLACEMENT)).wait_s > 25
        await over(presence, task)

    in_virtual_time(story)


def test_a_status_that_waits_keeps_to_a_refusal_that_another_thread_was_given_meanwhile() -> None:
    """It would be refused as well, and each such call makes the platform's wait longer."""

    async def story() -> None:
        surface, budget = Statuses(quota=Rate(burst=1, per_s=0.1)), LocalBudget()
        first, waiting = (Presence(surface, PLACEMENT, budget, texts.IS_THINKING) for _ in range(2))
        tasks = [asyncio.create_task(presence.run()) for presence in (first, waiting)]
        await asyncio.sleep(5)
        await budget.refused(surface.draws("status", PLACEMENT), "", 40.0)
        await asyncio.sleep(60)
        heard = [at for at, _ in surface.heard]
        assert heard[0] == 0.0 and heard[1:] and min(heard[1:]) >= 45.0
        await over(first, tasks[0])
        await over(waiting, tasks[1])

    in_virtual_time(story)


def test_a_turn_that_ends_while_its_status_waits_does_not_ask_in_vain() -> None:
    """Nothing was shown that would have to be taken away; the platform has asked to be left alone."""

    async def story() -> None:
        surface, budget = Statuses(), LocalBudget()
        await budget.refused(surface.draws("status", PLACEMENT), "", 40.0)
        presence, task = await at_work(surface, budget)
        await asyncio.sleep(20)
        await over(presence, task)
        assert surface.heard == []

    in_virtual_time(story)


def test_a_status_that_may_stand_there_is_taken_away_as_soon_as_the_platform_lets_us() -> None:
    """Within the moment that the end of a Turn has for it; what was refused is not asked for again before its time."""

    async def story() -> None:
        for seconds, taken_away in ((12.0, [12.0]), (30.0, [])):
            surface = Statuses(failures=iter([SurfaceUnavailable("lost"), RateLimited("429", seconds - 3.0)]))
            presence, task = await at_work(surface)
            presence.show("is using search…")
            began = asyncio.get_running_loop().time()
            await asyncio.sleep(10)
            await over(presence, task)
            assert [at - began for at, doing in surface.heard if not doing] == taken_away

    in_virtual_time(story)


async def test_a_worker_killed_while_its_status_waits_leaves_none_and_is_followed(rig: Rig) -> None:
    """Nothing of the wait is anywhere but in its memory: the answer comes once, and no status stays."""
    gate = asyncio.Event()
    rig.budget = budget = LocalBudget()
    await budget.refused(rig.world.draws("status", Placement(THREAD)), "", 3600.0)
    rig.answerer.scripts["hi"] = ["a", gate, "b"]
    async with rig.worker() as first:
        await rig.say("hi")

        async def begun() -> bool:
            return bool(rig.world.visible)

        await rig.until(begun)
        assert not rig.world.doing.get(THREAD), "it waits"
        first.hands.kill()
        gate.set()
        rig.budget = None
        async with rig.worker():
            await rig.settled()
    assert not rig.world.doing.get(THREAD)
    assert rig.world.texts == ["ab"]


async def test_a_refused_status_holds_up_no_answer(rig: Rig) -> None:
    """It is refused again and again while the answer comes, is sealed, and the next one as well."""
    rig.budget = budget = LocalBudget()

    async def refused(placement: object, doing: str) -> None:
        raise RateLimited("429", 3600.0)

    rig.world.status = refused  # type: ignore[method-assign]
    async with rig.worker():
        await rig.ask("hi")
        await rig.ask("again")
    assert rig.world.texts == ["re: hi", "re: again"]
    assert budget.refusals == {"test": 1}, "it was asked once"
