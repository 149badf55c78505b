"""The status of a Turn: set, true, and taken away in the end."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass, field, replace

from core.agent.response import RunEvent, RunResponse
from core.chat import texts
from core.chat.presence import GAP_S, Presence
from core.replies import LocalBudget, Rate, RateLimited, SurfaceError, SurfaceUnavailable
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


async def at_work(surface: Statuses) -> tuple[Presence, asyncio.Task[None]]:
    presence = Presence(surface, PLACEMENT, LocalBudget(), texts.IS_THINKING)
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
        assert budget.spare(surface.draws("status", PLACEMENT)) > 25
        await over(presence, task)

    in_virtual_time(story)
