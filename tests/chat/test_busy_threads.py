"""What becomes of Messages that come while their thread is busy, and of Messages that change."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest

from core.agent.response import RunEvent, RunResponse
from core.chat import texts
from core.chat.adapter import Spot
from core.chat.desk import DeskSettings
from core.chat.policies import BUSY_POLICIES, BusyPolicies, BusyPolicy
from core.messages import ModelMessage, ModelRequest, ModelResponse, TextPart, UserPromptPart
from core.models.usage import Usage
from core.sessions import Retention
from core.store import keys
from core.usage import read, today
from tests.chat.rig import GRACE, SCOPE, THREAD, Rig, said_in

SECOND = 1.0


def follow(rig: Rig, policy: BusyPolicy, **settings: Any) -> None:
    pause = settings.pop("pause_s", 0.0)
    rig.desk.settings = DeskSettings(BusyPolicies(policy, merge_pause_s=pause), **settings)


def spot(key: str) -> Spot:
    return Spot(SCOPE, key)


@dataclass
class SteeredRun:
    """A run of two model requests: what is steered before the second is told to the model with it."""

    prompt: str
    gate: asyncio.Event
    second: asyncio.Event
    waiting: list[str] = field(default_factory=list)
    told: list[ModelMessage] = field(default_factory=list)
    over: bool = False
    said: str = ""

    @property
    def messages(self) -> list[ModelMessage]:
        return self.told

    @property
    def usage(self) -> Usage:
        return Usage(requests=1, request_tokens=10, response_tokens=20, total_tokens=30)

    def new_messages(self) -> list[ModelMessage]:
        return [*self.told, ModelResponse(parts=[TextPart(self.said)])]

    def steer(self, content: str) -> bool:
        if not self.over:
            self.waiting.append(content)
        return not self.over

    def __aiter__(self) -> AsyncIterator[RunResponse]:
        return self

    async def aclose(self) -> None:
        await self._events.aclose()

    async def __anext__(self) -> RunResponse:
        return await anext(self._events)

    def __post_init__(self) -> None:
        self._events = self._run()

    async def _run(self) -> Any:
        run: Any = self
        self.told.append(ModelRequest(parts=[UserPromptPart(self.prompt)]))
        yield RunResponse(event=RunEvent.run_started.value, model="gpt-4o", _run=run)
        self.said = f"re: {self.prompt}"
        yield RunResponse(content=self.said, model="gpt-4o", _run=run)
        await self.gate.wait()
        if self.waiting:
            self.told.append(ModelRequest(parts=[UserPromptPart(text) for text in self.waiting]))
            more = f" and {', '.join(self.waiting)}"
            self.waiting.clear()
            self.said += more
            yield RunResponse(content=more, model="gpt-4o", _run=run)
            await self.second.wait()
        self.over = True
        yield RunResponse(content=self.said, event=RunEvent.run_completed.value, model="gpt-4o", _run=run)


@dataclass
class SteerableAnswerer:
    gate: asyncio.Event = field(default_factory=asyncio.Event)
    second: asyncio.Event = field(default_factory=asyncio.Event)
    runs: list[SteeredRun] = field(default_factory=list)
    histories: list[Sequence[ModelMessage]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.second.set()

    def run(self, user_prompt: str, *, message_history: Any = None, **_: Any) -> SteeredRun:
        self.runs.append(SteeredRun(user_prompt, self.gate, self.second))
        self.histories.append(message_history or [])
        return self.runs[-1]


async def begin(rig: Rig, text: str = "one") -> asyncio.Event:
    """Have a first answer under way; it ends when the event that is given back is set."""
    gate = asyncio.Event()
    rig.answerer.scripts[text] = [f"re: {text}", gate]
    await rig.say(text, key="k-" + text)
    await rig.world.until(lambda world: any(f"re: {text}" in shown for shown in world.texts))
    return gate


async def test_what_waits_is_answered_one_by_one(rig: Rig) -> None:
    """Policy queue, the default (scenario 6)."""
    async with rig.worker():
        gate = await begin(rig)
        for text in ("two", "three"):
            await rig.say(text, reach="thread")
        gate.set()
        await rig.settled()
    assert rig.world.texts == ["re: one", "re: two", "re: three"]


async def test_what_waits_is_merged_into_one_turn(rig: Rig) -> None:
    """Policy merge: one Reply, all questions in the prompt, and the seal removes all of them at once."""
    follow(rig, "merge")
    async with rig.worker():
        gate = await begin(rig)
        await rig.say("two", reach="thread")
        await rig.say("three", reach="thread", user=GRACE, name="Grace")
        gate.set()
        await rig.settled()
    assert rig.answerer.prompts == ["one", "two\n\n[Grace] three"]
    assert rig.world.texts == ["re: one", "re: two\n\n[Grace] three"]
    rows = await read(rig.store, SCOPE, 1, today())
    assert sum(row.totals.turns for row in rows) == 2


async def test_what_comes_within_the_pause_is_merged(rig: Rig) -> None:
    """People press enter after every half sentence."""
    follow(rig, "merge", pause_s=0.25)
    async with rig.worker():
        for text in ("one", "two", "three"):
            await rig.say(text)
        await rig.settled()
    assert rig.answerer.prompts == ["one\n\ntwo\n\nthree"]
    assert len(rig.world.texts) == 1


async def test_a_command_is_never_merged(rig: Rig) -> None:
    """A word like reset has an answer of its own, at its place in the order."""
    follow(rig, "merge")
    async with rig.worker():
        gate = await begin(rig)
        for text in ("two", "reset", "three"):
            await rig.say(text, reach="thread")
        gate.set()
        await rig.settled()
    assert rig.world.texts == ["re: one", "re: two", texts.FORGOTTEN, "re: three"]


async def test_a_worker_that_dies_leaves_the_merged_turn_to_the_next(rig: Rig) -> None:
    """The next answers the same Messages, also when more have come since (scenarios 1, 2)."""
    follow(rig, "merge")
    rig.lease_ms = 150
    await rig.say("two")
    await rig.say("three")
    rig.answerer.scripts["two\n\nthree"] = ["half", asyncio.Event()]
    async with rig.worker() as first:
        await rig.world.until(lambda world: bool(world.texts))
        first.hands.kill()
        await rig.say("four")
        rig.answerer.scripts["two\n\nthree"] = ["whole"]
        async with rig.worker():
            await rig.settled()
    assert rig.world.texts == ["whole", "re: four"]


async def test_an_interrupted_answer_stays_and_the_new_one_knows_both(rig: Rig) -> None:
    """Policy interrupt, under a second; several that come together are one Turn, so none of them is cut unanswered."""
    follow(rig, "interrupt")
    async with rig.worker():
        await begin(rig)
        began = asyncio.get_running_loop().time()
        await rig.say("two", reach="thread")
        await rig.settled()
        assert asyncio.get_running_loop().time() - began < SECOND
    assert rig.world.texts == [f"re: one\n\n{texts.INTERRUPTED}", "re: two"]
    assert said_in(rig.answerer.histories[-1]) == ["one", "re: one"]


async def test_nothing_is_interrupted_before_it_was_begun(rig: Rig) -> None:
    """With no worker about, the first question waits with the second, and is answered too."""
    follow(rig, "interrupt")
    for text in ("one", "two", "three"):
        await rig.say(text)
    async with rig.worker():
        await rig.settled()
    assert rig.world.texts == ["re: one\n\ntwo\n\nthree"]


async def test_a_busy_thread_takes_nothing_in_under_reject(rig: Rig) -> None:
    """Policy reject: the verdict is told to the person; words that are commands work all the same."""
    follow(rig, "reject")
    async with rig.worker():
        await begin(rig)
        assert await rig.say("two", reach="thread", key="q2") == "busy"
        assert await rig.say("two", reach="thread", key="q2") == "duplicate", "it is refused once"
        assert await rig.say("stop", reach="thread") == "accepted"
        await rig.settled()
        assert await rig.say("three", reach="thread") == "accepted"
        await rig.settled()
    assert rig.world.texts == [f"re: one\n\n{texts.STOPPED}", texts.STOP_DONE, "re: three"]


async def test_a_policy_may_hold_for_one_channel(rig: Rig) -> None:
    """PARLEY_BUSY_POLICIES beside PARLEY_BUSY_POLICY."""
    policies = BusyPolicies("queue", {"test:T1:C1": "reject"})  # type: ignore[dict-item]  # a ChannelId
    rig.desk.settings = DeskSettings(policies)
    async with rig.worker():
        await begin(rig)
        assert await rig.say("two", reach="thread") == "busy"


@pytest.mark.parametrize("policy", [one for one in BUSY_POLICIES if one != "reject"])
async def test_a_full_mailbox_says_so(rig: Rig, policy: BusyPolicy) -> None:
    """Twenty may wait."""
    follow(rig, policy)
    verdicts = [await rig.say(f"q{number}") for number in range(Retention().waiting + 1)]
    assert verdicts == ["accepted"] * Retention().waiting + ["full"]


async def test_a_steered_message_becomes_part_of_the_running_turn(rig: Rig) -> None:
    """Policy steer: one Reply that knows of both, both out of the mailbox with it."""
    follow(rig, "steer")
    answerer = SteerableAnswerer()
    async with rig.worker(answerer=answerer):
        await rig.say("one")
        await rig.world.until(lambda world: bool(world.texts))
        await rig.say("two", reach="thread")
        await rig.until(lambda: _true(answerer.runs[0].waiting == ["two"]))
        answerer.gate.set()
        await rig.settled()
        await rig.ask("three")
    assert rig.world.texts == ["re: one and two", "re: three"]
    assert said_in(answerer.histories[-1]) == ["one", "two", "re: one and two"]


async def test_what_the_run_was_never_told_is_the_next_turn(rig: Rig) -> None:
    """It was handed over, but the run was stopped before its next request: not lost, not answered twice."""
    follow(rig, "steer")
    answerer = SteerableAnswerer()
    async with rig.worker(answerer=answerer):
        await rig.say("one")
        await rig.world.until(lambda world: bool(world.texts))
        await rig.say("two", reach="thread")
        await rig.until(lambda: _true(answerer.runs[0].waiting == ["two"]))
        answerer.gate = asyncio.Event()
        assert await rig.desk.stop(f"{THREAD}#1")
        answerer.gate.set()
        await rig.settled()
    assert rig.world.texts == [f"re: one\n\n{texts.STOPPED}", "re: two"]


async def test_a_run_that_cannot_be_steered_leaves_the_message_to_the_next_turn(rig: Rig) -> None:
    """An engine of somebody else's."""
    follow(rig, "steer")
    async with rig.worker():
        gate = await begin(rig)
        await rig.say("two", reach="thread")
        await rig.say("three", reach="thread")
        gate.set()
        await rig.settled()
    assert rig.world.texts == ["re: one", "re: two\n\nthree"]


async def test_a_worker_that_dies_after_steering_leaves_both_questions_to_the_next(rig: Rig) -> None:
    """The Message is part of the Turn in Redis before the run is told (scenario 1)."""
    follow(rig, "steer")
    rig.lease_ms = 150
    answerer = SteerableAnswerer()
    async with rig.worker(answerer=answerer) as first:
        await rig.say("one")
        await rig.world.until(lambda world: bool(world.texts))
        await rig.say("two", reach="thread")
        await rig.until(lambda: _true(answerer.runs[0].waiting == ["two"]))
        first.hands.kill()
        async with rig.worker():
            await rig.settled()
    assert rig.world.texts == ["re: one\n\ntwo"]
    assert rig.answerer.prompts == ["one\n\ntwo"]


@pytest.mark.parametrize("die_at", range(1, 16))
@pytest.mark.parametrize("policy", ["merge", "interrupt", "steer"])
async def test_whoever_dies_when_each_question_is_answered_once(rig: Rig, policy: BusyPolicy, die_at: int) -> None:
    """SIGKILL between any two things that the world can see, with more Messages coming."""
    follow(rig, policy)
    rig.lease_ms = 120
    rig.answerer.otherwise = lambda prompt: [lambda: asyncio.sleep(0.02), f"<{prompt}>"]
    await rig.say("one")
    async with rig.worker(die_at=die_at), rig.worker():
        for text in ("two", "three", "four"):
            await rig.say(text, reach="thread")
            await asyncio.sleep(0.01)
        await rig.settled()
    shown = "\n".join(rig.world.texts)
    answered = [text for text in ("one", "two", "three", "four") if text in shown]
    if policy == "interrupt":
        assert "four" in answered and all(message.stop == "" for message in rig.world.visible)
    else:
        assert answered == ["one", "two", "three", "four"]
    assert all(shown.count(text) <= 1 for text in ("one", "two", "three", "four"))


async def test_a_reaction_stops_the_answer_it_stands_on_or_the_one_to_its_question(rig: Rig) -> None:
    """Any person's, in under a second, and no other reaction."""
    async with rig.worker():
        for where, text in (("k-one", "one"), ("", "two")):
            await begin(rig, text)
            on = where or f"C1:{list(rig.world.messages)[-1]}"
            await rig.until(lambda on=on: _known(rig, on))  # type: ignore[misc]
            await rig.desk.reacted(spot(on), "thumbsup")
            began = asyncio.get_running_loop().time()
            await rig.desk.reacted(spot(on), "octagonal_sign" if where else "🛑\ufe0f")
            await rig.settled()
            assert asyncio.get_running_loop().time() - began < SECOND
        assert rig.world.texts == [f"re: one\n\n{texts.STOPPED}", f"re: two\n\n{texts.STOPPED}"]
        await begin(rig, "three")
        await rig.desk.reacted(spot("k-one"), "🛑")  # on an answer of before
        rig.answerer.scripts["three"][1].set()  # type: ignore[union-attr]
        await rig.settled()
    assert rig.world.texts[2] == "re: three"


async def test_what_runs_in_a_thread_is_stopped_without_naming_it(rig: Rig) -> None:
    """A platform's own Stop button knows the thread and nothing else."""
    async with rig.worker():
        await begin(rig, "one")
        assert await rig.desk.stop_in(THREAD)
        await rig.settled()
        assert not await rig.desk.stop_in(THREAD)
    assert rig.world.texts == [f"re: one\n\n{texts.STOPPED}"]


async def test_a_waiting_question_that_is_deleted_is_dropped_silently(rig: Rig) -> None:
    """Nobody wants an answer to it any more (scenario 16)."""
    async with rig.worker():
        gate = await begin(rig)
        await rig.say("two", reach="thread", key="q2")
        await rig.say("three", reach="thread")
        await rig.desk.deleted(spot("q2"))
        await rig.desk.deleted(spot("q2"))
        await rig.desk.deleted(spot("nobody knows it"))
        gate.set()
        await rig.settled()
    assert rig.world.texts == ["re: one", "re: three"]


async def test_deleting_the_question_stops_its_answer_and_keeps_what_is_shown(rig: Rig) -> None:
    """With a notice, in under a second."""
    async with rig.worker():
        await begin(rig)
        began = asyncio.get_running_loop().time()
        await rig.desk.deleted(spot("k-one"))
        await rig.settled()
        assert asyncio.get_running_loop().time() - began < SECOND
    assert rig.world.texts == [f"re: one\n\n{texts.WITHDRAWN}"]
    assert rig.world.visible[0].retry == "", "there is no question left to ask again"


async def test_deleting_the_question_before_the_first_word_leaves_nothing(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not even the line that says we think (scenario 16)."""
    monkeypatch.setattr("core.chat.turn.THINKING_AFTER_S", 0.01)
    rig.answerer.scripts["one"] = [asyncio.Event(), "never"]
    async with rig.worker():
        await rig.say("one", key="k1")
        await rig.world.until(lambda world: bool(world.texts))
        await rig.desk.deleted(spot("k1"))
        await rig.settled()
        await rig.ask("two")
    assert rig.world.texts == ["re: two"]
    assert said_in(rig.answerer.histories[-1]) == []


async def test_one_deleted_question_of_several_does_not_stop_the_answer_to_all(rig: Rig) -> None:
    """The others are still to be answered."""
    follow(rig, "merge")
    await rig.say("one", key="k1")
    await rig.say("two", key="q2")
    gate = asyncio.Event()
    rig.answerer.scripts["one\n\ntwo"] = ["both", gate]
    async with rig.worker():
        await rig.world.until(lambda world: bool(world.texts))
        await rig.desk.deleted(spot("k1"))
        await rig.desk.deleted(spot("q2"))
        gate.set()
        await rig.settled()
    assert rig.world.texts == ["both"]


async def test_an_edit_replaces_what_waits(rig: Rig) -> None:
    """In place: its turn in the order stays (scenario 17)."""
    async with rig.worker():
        gate = await begin(rig)
        await rig.say("two", reach="thread", key="q2")
        await rig.say("three", reach="thread")
        await rig.desk.edited(spot("q2"), "second", "v1")
        gate.set()
        await rig.settled()
    assert rig.world.texts == ["re: one", "re: second", "re: three"]


async def test_an_edit_of_an_answered_question_is_ignored_unless_it_is_wanted(rig: Rig) -> None:
    """PARLEY_EDIT_RERUNS is off by default: a corrected letter should not cost a second run (scenario 17)."""
    async with rig.worker():
        await rig.ask("one", key="k1")
        await rig.desk.edited(spot("k1"), "uno", "v1")
        await rig.settled()
    assert rig.world.texts == ["re: one"]


async def test_an_edit_runs_the_turn_again_into_the_same_reply(rig: Rig) -> None:
    """Once, however often it is delivered; the history holds the new Turn in the place of the old (scenario 17)."""
    follow(rig, "queue", edit_reruns=True)
    async with rig.worker():
        await rig.ask("zero")
        await rig.ask("one", key="k1")
        for _ in range(2):
            await rig.desk.edited(spot("k1"), "uno", "v1")
            await rig.settled()
        await rig.desk.edited(spot("k1"), "uno", "v2")
        assert rig.world.texts == ["re: zero", "re: uno"]
        assert len(rig.world.messages) == 2
        await rig.desk.edited(spot("k1"), "eins", "v3")
        await rig.settled()
        await rig.ask("two")
        await rig.desk.edited(spot("k1"), "un", "v4")  # not the newest any more
        await rig.settled()
    assert rig.world.texts == ["re: zero", "re: eins", "re: two"]
    assert said_in(rig.answerer.histories[-1]) == ["zero", "re: zero", "eins", "re: eins"]


async def test_an_edit_while_the_answer_runs_starts_it_anew(rig: Rig) -> None:
    """In the same message, where that is wanted."""
    follow(rig, "queue", edit_reruns=True)
    async with rig.worker():
        await begin(rig)
        await rig.desk.edited(spot("k-one"), "uno", "v1")
        await rig.settled()
    assert rig.world.texts == ["re: uno"]
    assert len(rig.world.messages) == 1


async def test_retry_runs_the_newest_turn_again_into_the_same_messages(rig: Rig) -> None:
    """The question comes from the record; double presses run once; the old answer leaves the history."""
    rig.answerer.scripts["one"] = ["x" * 900]
    async with rig.worker():
        await rig.ask("one")
        value = rig.world.visible[-1].retry
        assert value and not rig.world.visible[0].retry, "under the end of the answer alone"
        rig.answerer.scripts["one"] = ["short"]
        assert await rig.desk.retry(value) == "accepted"
        assert await rig.desk.retry(value) == "repeated"
        await rig.settled()
        assert rig.world.texts == ["short"]
        assert list(rig.world.messages) == ["m0", "m1"], "the same messages, the surplus taken away"
        assert await rig.desk.retry(value) == "repeated"
        newer = rig.world.visible[0].retry
        assert newer != value
        await rig.ask("two")
        assert await rig.desk.retry(newer) == "old"
    assert said_in(rig.answerer.histories[-1]) == ["one", "short"]
    assert rig.answerer.prompts == ["one", "one", "two"]


async def test_retry_mends_a_failed_and_a_stopped_answer(rig: Rig) -> None:
    """A provider that drops the stream half way, and a person who stopped too early (scenario 26)."""
    rig.answerer.scripts["one"] = ["half", ConnectionError("gone")]
    async with rig.worker():
        await rig.ask("one")
        assert "half" in rig.world.texts[0] and "went wrong" in rig.world.texts[0]
        rig.answerer.scripts["one"] = ["whole", asyncio.Event()]
        assert await rig.desk.retry(rig.world.visible[0].retry) == "accepted"
        await rig.world.until(lambda world: world.texts == ["whole"])
        assert await rig.desk.retry(f"{THREAD}#2") == "busy", "that one is still running"
        await rig.say("stop", reach="thread")
        await rig.settled()
        assert rig.world.texts == [f"whole\n\n{texts.STOPPED}", texts.STOP_DONE]
        rig.answerer.scripts["one"] = ["done"]
        assert await rig.desk.retry(rig.world.visible[0].retry) == "accepted"
        await rig.settled()
        await rig.ask("two")
    assert rig.world.texts == ["done", texts.STOP_DONE, "re: two"]
    assert said_in(rig.answerer.histories[-1]) == ["one", "done"]


async def test_a_retried_answer_can_be_stopped_by_a_reaction_on_its_question(rig: Rig) -> None:
    """The platform's name of the question leads to the Turn that answers it now."""
    async with rig.worker():
        await rig.ask("one", key="k1")
        rig.answerer.scripts["one"] = ["again", asyncio.Event()]
        await rig.desk.retry(rig.world.visible[0].retry)
        await rig.world.until(lambda world: world.texts == ["again"])
        await rig.desk.reacted(spot("k1"), "octagonal_sign")
        await rig.settled()
    assert rig.world.texts == [f"again\n\n{texts.STOPPED}"]


@pytest.mark.parametrize("die_at", range(1, 14))
async def test_a_worker_killed_while_it_retries_leaves_one_answer(rig: Rig, die_at: int) -> None:
    """SIGKILL between any two things that the world can see."""
    rig.lease_ms = 120
    async with rig.worker():
        await rig.ask("one")
    rig.answerer.scripts["one"] = ["new ", lambda: asyncio.sleep(0.02), "answer"]
    await rig.desk.retry(rig.world.visible[0].retry)
    async with rig.worker(die_at=die_at), rig.worker():
        await rig.settled()
        await rig.ask("two")
    assert rig.world.texts == ["new answer", "re: two"]
    assert said_in(rig.answerer.histories[-1]) == ["one", "new answer"]


async def test_there_is_nothing_to_retry_once_the_conversation_is_forgotten(rig: Rig) -> None:
    """What was said is gone, the question too."""
    async with rig.worker():
        await rig.ask("one")
        await rig.say("reset", reach="thread")
        await rig.settled()
        assert await rig.desk.retry(rig.world.visible[0].retry) == "old"
        assert not await rig.store.redis.exists(keys.session(THREAD, "last"))


async def _true(value: bool) -> bool:
    return value


async def _known(rig: Rig, key: str) -> bool:
    return await rig.mailboxes.find(SCOPE, key) is not None
