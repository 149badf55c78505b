"""Histories that outgrow what a run is given."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from hypothesis import given
from hypothesis import strategies as st

from core.chat import codec
from core.chat.compaction import HEADING, NEWEST_KEPT, NOTED, Compactor, Summary, entry_of, falls_out, transcript
from core.chat.turn import TurnSettings
from core.messages import (
    ModelMessage,
    ModelRequest,
    ModelResponse,
    SystemPromptPart,
    TextPart,
    ToolCallPart,
    ToolReturnPart,
    UserPromptPart,
)
from core.models.usage import Usage
from core.sessions import Histories
from core.store import keys
from core.usage import read, today
from tests.chat.rig import ADA, SCOPE, THREAD, Rig, said_in

HISTORY = keys.session(THREAD, "history")
MOST_TURNS = 6


@dataclass
class Scribe:
    """Summarises when it is let."""

    gate: asyncio.Event = field(default_factory=asyncio.Event)
    asked: list[str] = field(default_factory=list)
    failure: Exception | None = None

    async def __call__(self, text: str) -> Summary:
        self.asked.append(text)
        await self.gate.wait()
        if self.failure:
            raise self.failure
        return Summary(
            f"summary {len(self.asked)}", Usage(requests=1, request_tokens=100, response_tokens=10), "gpt-4o"
        )


@asynccontextmanager
async def compacting(rig: Rig, scribe: Scribe) -> AsyncIterator[Compactor]:
    """Every worker that is started meanwhile shortens histories."""
    rig.settings = TurnSettings(history_turns=MOST_TURNS)
    rig.compactor = Compactor(Histories(rig.store), scribe, 400_000, MOST_TURNS, "openai")
    yield rig.compactor
    await rig.compactor.aclose()


async def entries(rig: Rig) -> list[str]:
    return list(await rig.store.redis.lrange(HISTORY, 0, -1))


async def test_what_falls_out_is_summarised_beside_the_turns(rig: Rig) -> None:
    """No question waits for it, nothing is lost meanwhile, and the model is given the summary and the newest Turns."""
    scribe = Scribe()
    async with compacting(rig, scribe), rig.worker():
        for number in range(MOST_TURNS + 1):
            await rig.ask(f"q{number}")
        await rig.until(lambda: _true(bool(scribe.asked)))
        await rig.ask("meanwhile")
        assert rig.world.texts[-1] == "re: meanwhile"
        scribe.gate.set()
        await rig.until(lambda: _shorter(rig))
        await rig.ask("after")
    said = said_in(rig.answerer.histories[-1])
    assert said[0] == f"{HEADING}\n\nsummary 1" and said[1] == NOTED
    assert said[2:] == ["q4", "re: q4", "q5", "re: q5", "q6", "re: q6", "meanwhile", "re: meanwhile"]
    assert scribe.asked[0].startswith("User: q0\n\nAssistant: re: q0")
    rows = await read(rig.store, SCOPE, 1, today())
    turns = sum(row.totals.turns for row in rows)
    assert turns == MOST_TURNS + 3, "a summary is no Turn"
    assert sum(row.totals.input_tokens for row in rows) == 10 * turns + 100, "but it is paid for"
    assert all(row.user == ADA for row in rows)


async def test_a_summary_is_summarised_in_its_turn(rig: Rig) -> None:
    """It stays the first entry, and there is one."""
    scribe = Scribe()
    scribe.gate.set()
    async with compacting(rig, scribe) as compactor, rig.worker():
        for number in range(3 * MOST_TURNS):
            await rig.ask(f"q{number}")
            await asyncio.gather(*compactor._tasks.values())
        found = await entries(rig)
    assert [codec.is_summary(entry) for entry in found] == [True] + [False] * (len(found) - 1)
    assert len(found) <= MOST_TURNS
    assert len(scribe.asked) > 1 and HEADING in scribe.asked[-1]


async def test_a_failed_summary_leaves_everything_as_it_is(rig: Rig) -> None:
    """And is asked for again after the next Turn."""
    scribe = Scribe(failure=RuntimeError("no"))
    scribe.gate.set()
    async with compacting(rig, scribe) as compactor, rig.worker():
        for number in range(MOST_TURNS + 2):
            await rig.ask(f"q{number}")
            asked = number + 1 - MOST_TURNS  # so many times by a moment after the Turn has ended
            await rig.until(lambda asked=asked: _true(len(scribe.asked) >= asked))
            await asyncio.gather(*compactor._tasks.values())
        assert len(await entries(rig)) == MOST_TURNS + 2
        assert not await rig.store.redis.exists(keys.session(THREAD, "compacting"))
    assert len(scribe.asked) == 2


async def test_a_history_that_was_forgotten_meanwhile_stays_forgotten(rig: Rig) -> None:
    """The summary of it must not come back."""
    scribe = Scribe()
    async with compacting(rig, scribe) as compactor, rig.worker():
        for number in range(MOST_TURNS + 1):
            await rig.ask(f"q{number}")
        await rig.until(lambda: _true(bool(scribe.asked)))
        await rig.ask("reset")
        scribe.gate.set()
        await asyncio.gather(*compactor._tasks.values())
        assert await entries(rig) == []


async def test_two_processes_do_not_summarise_the_same(rig: Rig) -> None:
    """It costs money; and the second would find nothing to replace."""
    histories = Histories(rig.store)
    async with histories.claimed(THREAD, 60) as first, histories.claimed(THREAD, 60) as second:
        assert (first, second) == (True, False)
    async with histories.claimed(THREAD, 60) as again:
        assert again


async def test_the_hard_bound_of_a_history_keeps_its_summary(rig: Rig) -> None:
    """Where nobody can summarise any more, the oldest Turns go, not what stands for all before them."""
    summary = codec.dump_summary(entry_of("long ago", []))
    rig.retention = type(rig.retention)(turns=2)
    rig.settings = TurnSettings(history_turns=2)
    async with rig.worker():
        await rig.ask("q0")
        await rig.store.redis.lpush(HISTORY, summary)
        for number in range(1, 8):
            await rig.ask(f"q{number}")
    found = await entries(rig)
    assert found[0] == summary and len(found) == rig.retention.kept
    assert said_in(rig.answerer.histories[-1])[0].endswith("long ago")


@given(st.lists(st.integers(1, 5000), max_size=60), st.integers(100, 20_000), st.integers(1, 40))
def test_the_newest_turns_never_fall_out(sizes: list[int], most_chars: int, most_turns: int) -> None:
    """And what does is worth a summary."""
    out = falls_out(sizes, most_chars, most_turns)
    assert out == 0 or 2 <= out <= len(sizes) - NEWEST_KEPT
    if sum(sizes) <= most_chars and len(sizes) <= most_turns:
        assert out == 0


def test_a_summary_keeps_the_system_prompt_and_is_labelled() -> None:
    """An agent of one's own may have one, and it stands in the first request only."""
    before: list[ModelMessage] = [
        ModelRequest(parts=[SystemPromptPart("be kind"), UserPromptPart("hi")]),
        ModelResponse(parts=[ToolCallPart("dice", "{}", "c1")]),
        ModelRequest(parts=[ToolReturnPart("dice", "4", "c1")]),
        ModelResponse(parts=[TextPart("four")]),
    ]
    request, response = entry_of("notes", before)
    assert request.parts[0] == SystemPromptPart("be kind")
    assert isinstance(response, ModelResponse)
    assert json.loads(codec.dump_summary([request, response]))["summary"] is True
    assert transcript(before) == "User: hi\n\n(The assistant used dice.)\n\n(dice gave: 4)\n\nAssistant: four"


async def _shorter(rig: Rig) -> bool:
    return codec.is_summary((await entries(rig))[0])


async def _true(value: bool) -> bool:
    return value
