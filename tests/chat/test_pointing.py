"""Scenario 18: people go on talking below an answer that grows by edits. They are led back to it when it has ended."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import pytest

from core.chat import Manual, ThreadId, notes, pointing, texts, turn
from core.chat.pointing import may_be_missed, words_about
from core.chat.turn import TurnSettings
from core.replies import LocalBudget, Placement, PlacementGone, RateLimited, SurfaceUnavailable
from core.sessions import Records
from core.store import keys
from tests.chat.rig import ADA, THREAD, Rig, Step
from tests.replies.scripted_surface import LOST_AFTER, LOST_BEFORE, Fault

LONG_S = 30.0
"""From here on an answer takes long in these tests."""


class Clock:
    """The time of day, which leaps while an answer takes long: what is quick stays quick on a slow machine."""

    def __init__(self) -> None:
        self.leapt_s = 0.0

    def time(self) -> float:
        return time.time() + self.leapt_s


clock = Clock()

LINE = f"[{texts.POINT_FINISHED}](https://chat.test/m0)"


def test_what_is_said_depends_on_who_does_not_know_yet() -> None:
    """Whoever stopped an answer needs no line; that it broke off or took too long, nobody has seen."""
    assert words_about("answered") == texts.POINT_FINISHED
    assert words_about("failed") == words_about("stopped", "deadline") == texts.POINT_FAILED
    for reason in ("asked", "shutdown", "unseen", "interrupted", "withdrawn", "reworded", None):
        assert words_about("stopped", reason) == ""


@pytest.mark.parametrize(
    ("words", "grew_s", "after_s", "has_files", "missed"),
    [
        ("done", 31, 30, False, True),
        ("done", 30, 30, False, False),
        ("done", 5, 30, False, False),
        ("", 31, 30, False, False),
        ("done", 31, 30, True, False),
        ("done", 31, 0, False, False),
        ("done", -3, 0, False, False),
    ],
)
def test_only_the_end_of_a_long_answer_may_be_missed(
    words: str, grew_s: float, after_s: float, has_files: bool, missed: bool
) -> None:
    """A quick one is still looked at, and files come up below it as new messages. 0 stands for never."""
    assert may_be_missed(words, grew_s, after_s, has_files=has_files) is missed


@pytest.fixture
def rig(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> Rig:
    for module in (notes, turn):
        monkeypatch.setattr(module, "time", clock)
    rig.settings = TurnSettings(point_after_s=LONG_S)
    return rig


async def somebody_writes(rig: Rig) -> None:
    rig.world.somebody_writes(THREAD)


async def long() -> None:
    clock.leapt_s += LONG_S * 1.5


def tell(rig: Rig, *then: Step, people: bool = True, word: str = "one ") -> None:
    """An answer that takes long, and below which somebody writes while it grows."""

    async def shown() -> None:
        await rig.world.until(lambda world: any(word.strip() in text for text in world.texts))
        if people:
            rig.world.somebody_writes(THREAD)

    rig.answerer.scripts["hi"] = [word, shown, long, *(then or ("two",))]


async def test_a_line_below_leads_back_to_an_answer_that_took_long(rig: Rig) -> None:
    """Once all of it is shown; for the person who asked, whoever it was that wrote."""
    tell(rig)
    async with rig.worker():
        await rig.ask("hi")
        await rig.ask("next")
    assert rig.world.texts == ["one two", LINE, "re: next"]
    line = rig.world.visible[1]
    assert line.pings == ADA
    assert (line.stop, line.retry, line.rating) == ("", "", "")
    calls = [call.operation for call in rig.world.calls if call.message in ("m0", "m1")]
    assert calls[-2:] == ["read", "post"], "after the last edit"


async def test_nothing_is_said_where_nobody_wrote(rig: Rig) -> None:
    """The platform is asked once, and our own messages are no news to anybody."""
    tell(rig, "x" * 600, people=False)
    async with rig.worker():
        await rig.ask("hi")
    assert len(rig.world.texts) == 2
    assert [call.operation for call in rig.world.calls].count("read") <= 1


async def test_what_was_written_before_the_newest_message_came_up_is_no_reason(rig: Rig) -> None:
    """That message was news itself, below what people had said."""

    async def come_up() -> None:
        await rig.world.until(lambda world: len(world.texts) == 2)

    tell(rig, "x" * 600, come_up, long)
    async with rig.worker():
        await rig.ask("hi")
    assert len(rig.world.texts) == 2
    assert rig.world.calls[-1].operation == "read"


async def test_of_a_quick_answer_nothing_is_asked(rig: Rig) -> None:
    rig.answerer.scripts["hi"] = ["one ", lambda: somebody_writes(rig), "two"]
    rig.settings = TurnSettings(point_after_s=30)
    async with rig.worker():
        await rig.ask("hi")
    assert rig.world.texts == ["one two"]
    assert "read" not in [call.operation for call in rig.world.calls]


async def test_it_can_be_switched_off(rig: Rig) -> None:
    rig.settings = TurnSettings(point_after_s=0)
    tell(rig)
    async with rig.worker():
        await rig.ask("hi")
    assert rig.world.texts == ["one two"]
    assert "read" not in [call.operation for call in rig.world.calls]


async def test_a_failed_answer_is_pointed_at_with_other_words(rig: Rig) -> None:
    """Whoever waits for it would wait for ever."""
    tell(rig, ConnectionError("gone"))
    async with rig.worker():
        await rig.ask("hi")
    assert rig.world.texts[1:] == [f"[{texts.POINT_FAILED}](https://chat.test/m0)"]


async def test_so_is_one_that_took_too_long(rig: Rig) -> None:
    rig.settings = TurnSettings(point_after_s=LONG_S, deadline_s=0.4)
    tell(rig, asyncio.Event())
    async with rig.worker():
        await rig.ask("hi")
    assert rig.world.texts[1:] == [f"[{texts.POINT_FAILED}](https://chat.test/m0)"]


async def test_whoever_stops_an_answer_is_not_told_that_it_has_stopped(rig: Rig) -> None:
    stopped = asyncio.Event()

    async def stop() -> None:
        assert await rig.desk.stop(f"{THREAD}#1")
        stopped.set()

    tell(rig, stop, asyncio.Event())
    async with rig.worker():
        await rig.ask("hi")
    assert rig.world.texts == [f"one\n\n{texts.STOPPED}"]


async def test_a_command_is_answered_without_a_line(rig: Rig) -> None:
    """It takes long only when the platform does."""
    rig.settings = TurnSettings(point_after_s=1e-9)

    def rule(operation: str, *_: str) -> None:
        if operation == "post":
            rig.world._people.append((THREAD, 99))

    rig.world.rules = rule
    async with rig.worker():
        await rig.ask("help")
    assert rig.world.texts == [Manual().text()]


async def test_an_answer_that_was_turned_away_is_not_pointed_at(rig: Rig) -> None:
    tell(rig, "two", lambda: gone(rig))
    async with rig.worker():
        await rig.ask("hi")
    assert "read" not in [call.operation for call in rig.world.calls]


async def gone(rig: Rig) -> None:
    rig.world.rules = lambda operation, *_: Fault(PlacementGone("is_archived")) if operation == "edit" else None


@pytest.mark.parametrize("operation", ["read", "post"])
@pytest.mark.parametrize(
    "fault",
    [Fault(RateLimited("slow down", 0.1)), Fault(SurfaceUnavailable("502")), Fault(seconds=60.0)],
    ids=["rate limited", "unavailable", "no answer"],
)
async def test_a_platform_that_fails_there_holds_nothing_up(
    rig: Rig, operation: str, fault: Fault, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is tried once, within a bound; the Turn is sealed, and the next one is answered."""
    monkeypatch.setattr(pointing, "POINT_WAIT_S", 0.2)
    tell(rig, "two", lambda: break_it())
    calls = 0

    async def break_it() -> None:
        def rule(called: str, *_: str) -> Fault | None:
            nonlocal calls
            calls += called == operation
            return fault if called == operation and calls == 1 else None

        rig.world.rules = rule

    async with rig.worker():
        await rig.ask("hi")
        assert calls == 1
        await rig.ask("next", thread=ThreadId("test:T1:C1:other"))
    assert [text for text in rig.world.texts if "re:" in text or "one" in text] == ["one two", "re: next"]


@pytest.mark.parametrize("lost", [LOST_AFTER, LOST_BEFORE], ids=["after its effect", "before its effect"])
async def test_a_line_whose_answer_was_lost_is_known_and_goes_with_its_answer(
    rig: Rig, lost: Fault, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It stands there once, and does not stay behind when the answer is written anew."""
    monkeypatch.setattr(pointing, "_LOOK_AGAIN_S", 0.01)

    async def break_it() -> None:
        left = [lost]
        rig.world.rules = lambda called, _, text: left.pop() if called == "post" and text == LINE and left else None

    tell(rig, "two", break_it)
    async with rig.worker():
        await rig.ask("hi")
        assert rig.world.texts == ["one two", LINE]
        rig.answerer.scripts["hi"] = ["quick"]
        assert await rig.desk.retry(rig.world.visible[0].retry) == "accepted"
        await rig.settled()
    assert rig.world.texts == ["quick"]


async def test_a_budget_without_a_place_holds_nothing_up(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    """Others need it more."""
    monkeypatch.setattr(pointing, "POINT_WAIT_S", 0.2)

    rig.budget = budget = LocalBudget()

    async def close() -> None:
        await budget.refused(rig.world.draws("post", Placement(THREAD)), "post", 60.0)

    tell(rig, "two", close)
    async with rig.worker():
        await rig.ask("hi")
    assert rig.world.texts == ["one two"]
    assert rig.world.calls[-1].operation == "read"


@pytest.mark.parametrize("after_effect", [True, False], ids=["after its effect", "before its effect"])
@pytest.mark.parametrize("dies_at", ["is_buried", "point", "journal", "seal"])
async def test_a_worker_killed_there_leaves_exactly_one_line(rig: Rig, dies_at: str, after_effect: bool) -> None:
    """Between the answer shown and the line posted, between the line posted and noted, between that and the seal."""
    rig.lease_ms = 150
    tell(rig)
    async with rig.worker() as first:
        hands, ended = first.hands, False

        def dying(act: Callable[..., Awaitable[Any]], name: str) -> Callable[..., Awaitable[Any]]:
            async def mortal(*args: Any) -> Any:
                nonlocal ended
                ended = ended or name == "is_buried"  # the answer is shown from here on
                if ended and dies_at in (name, *args[:2]):
                    hands.die_next(after_effect=after_effect)
                return await act(*args)

            return mortal

        for name in ("is_buried", "point"):
            setattr(hands, name, dying(getattr(hands, name), name))
        for name in ("script", "script_with"):
            setattr(first.store, name, dying(getattr(first.store, name), name))
        await rig.say("hi")
        await asyncio.wait_for(hands.dead.wait(), 10)
        assert rig.world.texts[0] == "one two"
        posted = (dies_at, after_effect) in (
            ("point", True),
            ("journal", False),
            ("journal", True),
        ) or dies_at == "seal"
        assert (LINE in rig.world.texts) is posted
        async with rig.worker():
            await rig.settled()
            await rig.ask("next")
    assert rig.world.texts == ["one two", LINE, "re: next"]
    assert len(rig.world.messages) == 3


async def test_a_worker_that_has_lost_its_lease_says_nothing(rig: Rig) -> None:
    """It was away after its answer was shown; another has ended the Turn meanwhile, with the line."""
    rig.lease_ms = 150
    away, back = asyncio.Event(), asyncio.Event()
    tell(rig)
    async with rig.worker() as first:
        script = first.store.script

        async def asleep(name: str, names: Sequence[str], args: Sequence[str | int]) -> Any:
            await back.wait()
            return await script(name, names, args)

        is_buried = first.hands.is_buried

        async def long_ago(*args: Any) -> bool:
            buried = await is_buried(*args)
            if not away.is_set():
                first.store.script = asleep  # type: ignore[method-assign]
                away.set()
                await back.wait()
            return buried

        first.hands.is_buried = long_ago  # type: ignore[method-assign]
        await rig.say("hi")
        await asyncio.wait_for(away.wait(), 10)
        await first.end()
        async with rig.worker():
            await rig.settled()
            assert rig.world.texts == ["one two", LINE]
            back.set()
            await rig.ask("next")
            await first.worker.drain(finish_s=5, stop_s=5)
    assert rig.world.texts == ["one two", LINE, "re: next"]
    assert len(rig.world.messages) == 3


async def test_the_line_goes_when_the_answer_is_written_anew(rig: Rig) -> None:
    """It spoke of the answer that was there before. A new one that takes long has a line of its own."""
    tell(rig)
    async with rig.worker():
        await rig.ask("hi")
        retry = rig.world.visible[0].retry
        rig.answerer.scripts["hi"] = ["quick"]
        assert await rig.desk.retry(retry) == "accepted"
        await rig.settled()
        assert rig.world.texts == ["quick"]
        tell(rig, people=False, word="three ")
        assert await rig.desk.retry(rig.world.visible[0].retry) == "accepted"
        await rig.settled()
    assert rig.world.texts == ["three two", LINE], "it still stands above what was said"


async def test_forgetting_the_thread_leaves_nothing_of_the_line(rig: Rig) -> None:
    tell(rig)
    async with rig.worker():
        await rig.ask("hi")
    assert LINE in rig.world.texts
    assert '"m1"' in (await rig.store.redis.get(keys.session(THREAD, "last")) or "")
    await Records(rig.store).forget_session(THREAD)
    assert [name async for name in rig.store.names("*") if THREAD in name or "C1:m" in name] == []
