"""Whatever dies at whatever point: one answer, in the same messages, in order."""

from __future__ import annotations

import asyncio
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from core.chat import ThreadId, notes, texts
from core.chat import turn as turn_module
from core.chat.turn import MOST_ATTEMPTS
from core.sessions import Mailboxes
from core.store import Store, keys
from core.store.embedded import find_server
from core.usage import read, today
from tests.chat.rig import SCOPE, THREAD, Mortal, Rig

ANSWER = "".join(f"A line of the answer, number {number}.\n" for number in range(30))  # three messages


def tell(rig: Rig) -> None:
    """An answer long enough for three messages, in pieces with a moment between them."""

    async def moment() -> None:
        await asyncio.sleep(0.015)

    pieces = [ANSWER[at : at + 200] for at in range(0, len(ANSWER), 200)]
    rig.answerer.scripts["hi"] = [step for piece in pieces for step in (piece, moment)]


@pytest.mark.parametrize("after_effect", [True, False], ids=["after its effect", "before its effect"])
@pytest.mark.parametrize("die_at", range(1, 24))
async def test_a_worker_killed_at_any_operation_leaves_one_whole_answer(
    rig: Rig, die_at: int, after_effect: bool
) -> None:
    """Scenarios 1 and 2: SIGKILL between any two things that the world can see, be it that the final text was on
    its way and not confirmed, or confirmed and not noted."""
    rig.lease_ms = 150
    tell(rig)
    await rig.say("hi")
    async with rig.worker(die_at=die_at, after_effect=after_effect), rig.worker():
        await rig.settled()
        await rig.ask("next")
    assert "".join(rig.world.texts[:-1]) == ANSWER
    assert rig.world.texts[-1] == "re: next"
    assert all(message.stop == "" for message in rig.world.visible)
    rows = await read(rig.store, SCOPE, 1, today())
    assert sum(row.totals.turns for row in rows) == 2, "paid for once"


async def test_a_stop_between_two_workers_is_heard_by_the_second(rig: Rig) -> None:
    """The message shows a Stop button all the while: pressing it must do something."""
    rig.lease_ms = 150
    rig.answerer.scripts["hi"] = ["one ", asyncio.Event()]
    async with rig.worker() as first:
        await rig.say("hi")
        await rig.world.until(lambda world: bool(world.texts))
        first.hands.kill()
        lease = keys.session(THREAD, "lease")

        async def lapsed() -> bool:
            return not await rig.store.redis.exists(lease)

        await rig.until(lapsed)
        assert await rig.desk.stop(f"{THREAD}#1")
        async with rig.worker():
            await rig.settled()
    assert len(rig.world.texts) == 1 and texts.STOPPED in rig.world.texts[0]


async def test_a_second_attempt_takes_nothing_away_before_it_has_better(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Half an answer that turns into "Thinking", and messages that vanish and come back, would puzzle."""
    monkeypatch.setattr(turn_module, "THINKING_AFTER_S", 0.05)
    rig.lease_ms = 150
    rig.answerer.scripts["hi"] = ["x" * 900, asyncio.Event()]
    async with rig.worker() as first:
        await rig.say("hi")
        await rig.world.until(lambda world: len(world.texts) == 2)
        first.hands.kill()
        rig.answerer.scripts["hi"] = [lambda: asyncio.sleep(0.2), "y" * 300, lambda: asyncio.sleep(0.1), "y" * 600]
        async with rig.worker():
            await rig.settled()
    assert rig.world.texts == ["y" * 500, "y" * 400]
    assert len(rig.world.messages) == 2
    assert not any(texts.THINKING in call.text for call in rig.world.calls[2:])


async def test_the_model_is_not_asked_again_for_an_answer_that_was_complete(rig: Rig) -> None:
    """Its conclusion is in the journal: only the showing is left."""
    rig.lease_ms = 150
    rig.world.rules = lambda operation, _, text: None
    async with rig.worker() as first:
        edits = asyncio.Event()

        def rule(operation: str, message: str, text: str) -> None:
            if operation == "edit":
                first.hands.kill()  # the final edit: the conclusion was noted before
                edits.set()

        rig.world.rules = rule
        rig.answerer.scripts["hi"] = ["whole ", lambda: asyncio.sleep(0.1)]
        await rig.say("hi")
        await asyncio.wait_for(edits.wait(), 5)
        rig.world.rules = lambda *_: None
        async with rig.worker():
            await rig.settled()
    assert rig.answerer.prompts == ["hi"]
    assert rig.world.texts == ["whole "]


async def test_what_a_dead_run_cost_is_in_the_ledger_as_an_estimate(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    """The provider has it on its bill. How far the run was is noted now and then, so that also its words count."""
    monkeypatch.setattr(notes, "NOTE_RUN_EVERY_S", 0.01)
    rig.lease_ms = 150
    rig.answerer.scripts["hi"] = ["forty characters ", "of text come out of it", asyncio.Event()]

    async def noted() -> bool:
        return '"written": 39' in (await rig.store.redis.get(keys.session(THREAD, "turn")) or "")

    async with rig.worker() as first:
        await rig.say("hi")
        await rig.until(noted)
        first.hands.kill()
        rig.answerer.scripts["hi"] = ["whole"]
        async with rig.worker():
            await rig.settled()
    [row] = await read(rig.store, SCOPE, 1, today())
    assert (row.totals.turns, row.totals.estimated) == (1, 1)
    assert (row.totals.estimated_input_tokens, row.totals.estimated_output_tokens) == (1, 10)
    assert (row.totals.input_tokens, row.totals.output_tokens) == (10 + 1, 20 + 10)


async def test_a_message_that_kills_its_workers_is_given_up(rig: Rig) -> None:
    """It would go round for ever, and take every worker with it. What its runs cost is counted all the same."""
    rig.lease_ms = 100
    await rig.say("hi")
    for _ in range(MOST_ATTEMPTS):
        async with rig.worker() as doomed:

            async def die(hands: Mortal = doomed.hands) -> None:
                hands.kill()
                await asyncio.Event().wait()

            rig.answerer.scripts["hi"] = [die]
            await asyncio.wait_for(doomed.hands.dead.wait(), 10)
    async with rig.worker():
        await rig.settled()
        await rig.ask("next")
    assert rig.world.texts == [texts.GAVE_UP, "re: next"]
    rows = await read(rig.store, SCOPE, 1, today())
    assert sum(row.totals.estimated for row in rows) == MOST_ATTEMPTS


async def test_two_messages_at_once_on_two_workers_are_answered_in_order(rig: Rig) -> None:
    """Scenario 6: two Turns of one thread never overlap."""
    async with rig.worker(), rig.worker():
        for number in range(10):
            thread = ThreadId(f"test:T1:C1:{number}")
            rig.answerer.scripts[f"a{number}"] = ["first ", lambda: asyncio.sleep(0.03), "answer"]
            await rig.say(f"a{number}", thread=thread)  # who is first is settled by who is accepted first
            await rig.say(f"b{number}", thread=thread)
        await rig.settled(*(ThreadId(f"test:T1:C1:{number}") for number in range(10)))
    for number in range(10):
        thread = ThreadId(f"test:T1:C1:{number}")
        assert rig.world.texts_in(thread) == ["first answer", f"re: b{number}"]
        calls = [call.message for call in rig.world.calls if call.thread_id == thread]
        assert calls == sorted(calls, key=lambda name: int(name[1:])), (
            "the first answer was left alone once the second had begun"
        )
    assert rig.world.most_in_flight == 1


async def test_a_worker_that_was_away_too_long_says_nothing_more(rig: Rig) -> None:
    """Scenario 5: a stopped machine comes back: its lease went to another, which has finished by then."""
    rig.lease_ms = 150
    gate = asyncio.Event()
    awake = asyncio.Event()
    async with rig.worker() as first:
        rig.answerer.scripts["hi"] = ["old ", gate, "late words"]
        await rig.say("hi")
        await rig.world.until(lambda world: bool(world.texts))
        await first.end()  # it takes no new work in, but its Turn goes on
        script = first.store.script

        async def asleep(name: str, keys: Sequence[str], args: Sequence[str | int]) -> Any:
            await awake.wait()
            return await script(name, keys, args)

        first.store.script = asleep  # type: ignore[method-assign]
        rig.answerer.scripts["hi"] = ["new ", "answer"]
        async with rig.worker():
            await rig.settled()
            assert rig.world.texts == ["new answer"]
            awake.set()
            gate.set()
            await rig.ask("next")
            await first.worker.drain(finish_s=5, stop_s=5)
    assert rig.world.texts == ["new answer", "re: next"]


async def test_drain_lets_a_running_answer_finish(rig: Rig) -> None:
    """A deployment is no reason to cut an answer short."""
    gate = asyncio.Event()
    rig.answerer.scripts["hi"] = ["one ", gate, "two"]
    async with rig.worker() as worker:
        await rig.say("hi")
        await rig.world.until(lambda world: bool(world.texts))
        await worker.end()
        draining = asyncio.create_task(worker.worker.drain(finish_s=5, stop_s=5))
        await asyncio.sleep(0)
        gate.set()
        await draining
        assert rig.world.texts == ["one two"]
        assert worker.worker.running == 0


async def test_drain_stops_what_does_not_finish_visibly_and_hands_over_what_waits(rig: Rig) -> None:
    """The person sees what happened, and the next question is not lost."""
    rig.lease_ms = 8000
    rig.answerer.scripts["hi"] = ["one ", asyncio.Event()]
    async with rig.worker() as worker:
        await rig.say("hi")
        await rig.world.until(lambda world: bool(world.texts))
        await rig.say("next")
        await worker.end()
        await worker.worker.drain(finish_s=0.05, stop_s=5)
        assert rig.world.texts == [f"one\n\n{texts.STOPPED_BY_RESTART}"]
        began = asyncio.get_running_loop().time()
        async with rig.worker():
            await rig.settled()
        assert asyncio.get_running_loop().time() - began < rig.lease_ms / 1000, "at once, not when a lease lapses"
    assert rig.world.texts[1:] == ["re: next"]


async def test_redis_killed_in_the_middle_of_an_answer_leaves_one_answer(tmp_path: Path, quick: None) -> None:
    """The append-only file has all of it; whoever waits goes on when it is back."""
    socket = tmp_path / "s"
    command = [str(find_server()), "--port", "0", "--unixsocket", str(socket), "--dir", str(tmp_path), "--save", ""]
    command += ["--appendonly", "yes", "--appendfsync", "always"]

    async def started() -> subprocess.Popen[bytes]:
        socket.unlink(missing_ok=True)
        server = subprocess.Popen(command, stdout=subprocess.DEVNULL)  # noqa: ASYNC220 - takes a millisecond
        async with asyncio.timeout(10):
            while not socket.exists():  # noqa: ASYNC110 - another process makes it
                await asyncio.sleep(0.01)
        return server

    server = await started()
    try:
        store = await Store.open(f"unix://{socket}")
        rig = Rig(store, f"unix://{socket}")
        gate = asyncio.Event()
        rig.answerer.scripts["hi"] = ["one ", gate, "two"]
        async with rig.worker(), rig.worker():
            await rig.say("hi")
            await rig.world.until(lambda world: bool(world.texts))
            server.kill()
            server.wait()
            gate.set()
            await asyncio.sleep(1.0)  # longer than a lease
            server = await started()
            await rig.settled(within_s=30)
            await rig.ask("next")
        assert rig.world.texts == ["one two", "re: next"]
        assert await Mailboxes(store, rig.retention).facts(THREAD)
        await store.aclose()
    finally:
        server.kill()
        server.wait()


async def test_a_worker_serves_no_more_sessions_at_once_than_it_may(rig: Rig) -> None:
    """Whoever finds mail for more of them leaves it in Redis, also where each partition is asked for by itself."""
    threads = [ThreadId(f"test:T1:C1:crowd.{number}") for number in range(12)]
    gate, seen = asyncio.Event(), list[int]()

    async def noted() -> None:
        seen.append(rig.answerer.running)
        await rig.store.redis.ping()
        seen.append(rig.answerer.running)

    rig.answerer.otherwise = lambda prompt: [noted, gate, noted, prompt]
    for thread in threads:
        assert await rig.say("hi", thread=thread) == "accepted"
    async with rig.worker(concurrency=3):

        async def full() -> bool:
            return rig.answerer.running == 3

        await rig.until(full)
        gate.set()
        for thread in threads:
            await rig.settled(thread)
    assert max(seen) == 3
    assert all(rig.world.texts_in(thread) == ["hi"] for thread in threads)
