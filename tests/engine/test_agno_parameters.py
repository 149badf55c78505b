"""Constructor parameters of Agno's Agent beside prompts and retries: each is honoured, or refused with what to use.

Source: Agno 1.1.13, `Agent.__init__`.
"""

from __future__ import annotations

import logging
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pydantic
import pytest

from core import Agent as AsyncAgent
from core import ModelRetry, RunEvent, UserError
from core.blocking import Agent
from core.models import TestModel
from tests.engine.scripted import Scripted, call


class City(pydantic.BaseModel):
    name: str


def roll(dice: str) -> str:
    return "4"


def rolling() -> Scripted:
    """Says something, rolls twice at once, says something, rolls again, and answers."""
    return Scripted(
        ["Let me see.", call("roll", '{"dice": "1d6"}', "a"), call("roll", '{"dice": "2d6"}', "b")],
        ["Once ", "more.", call("roll", '{"dice": "3d6"}', "c")],
        ["Four", " each."],
    )


def test_calls_are_shown_in_a_streamed_answer_where_they_happen() -> None:
    """As people who read along would want it, and as markdown shows it well."""
    agent = Agent(rolling(), tools=[roll], show_tool_calls=True)
    stream = agent.run("x", stream=True)
    text = "".join(response.content for response in stream)
    assert text == (
        "Let me see.\n\n - Running: roll(dice=1d6)\n\n - Running: roll(dice=2d6)\n\n"
        "Once more.\n\n - Running: roll(dice=3d6)\n\n"
        "Four each."
    )
    assert stream.run_response is not None and stream.run_response.content == text


def test_calls_are_shown_above_a_whole_answer_and_no_model_reads_of_it() -> None:
    model = rolling()
    result = Agent(model, tools=[roll], show_tool_calls=True).run("x")
    calls = [f" - Running: roll(dice={dice})\n\n" for dice in ("1d6", "2d6", "3d6")]
    assert result.content == result.data == "".join([*calls, "Four each."])
    assert "Running" not in str(result.all_messages()) + str(model.requests)


@pytest.mark.parametrize("stream", [True, False])
def test_print_response_shows_the_calls(stream: bool, capsys: pytest.CaptureFixture[str]) -> None:
    Agent(rolling(), tools=[roll], show_tool_calls=True).print_response("x", stream=stream)
    shown = capsys.readouterr().out
    assert shown.count("Running: roll(dice=") == 3 and "Four each." in shown


def test_nothing_is_shown_unless_asked_for_nor_where_the_result_is_no_text() -> None:
    """Agno leaves it out with a `response_model`, too."""
    assert Agent(rolling(), tools=[roll]).run("x").content == "Four each."
    model = Scripted([call("roll", '{"dice": "1d6"}')], [call("final_result", '{"name": "Rome"}')])
    agent = Agent(model, tools=[roll], show_tool_calls=True, response_model=City)
    assert [response.content for response in agent.run("x", stream=True)] == [City(name="Rome")]
    model._responses *= 2  # the script is over
    assert agent.run("x").content == City(name="Rome")


async def test_validators_read_the_answer_alone() -> None:
    agent = AsyncAgent(rolling(), tools=[roll], show_tool_calls=True)

    @agent.result_validator
    def check(data: str) -> str:
        return data.upper()

    events = [event async for event in agent.run("x", stream=True, stream_intermediate_steps=True)]
    assert events[-1].content.count("Running: roll") == 3 and events[-1].content.endswith("\n\nFOUR EACH.")


async def test_labels_are_noted_in_every_response() -> None:
    """A run's own come before the agent's; what was not given takes no room in JSON."""
    agent = AsyncAgent(TestModel(), session_id="s", session_name="Towns", user_id="ada")
    assert (agent.session_name, agent.user_id) == ("Towns", "ada")
    result = await agent.run("x")
    assert (result.session_id, result.session_name, result.user_id) == ("s", "Towns", "ada")
    async for event in agent.run("x", user_id="grace", stream=True, stream_intermediate_steps=True):
        assert (event.session_name, event.user_id) == ("Towns", "grace")
    assert event.event == RunEvent.run_completed
    assert event.to_dict()["user_id"] == "grace"
    assert {"user_id", "session_name"}.isdisjoint((await AsyncAgent(TestModel()).run("x")).to_dict())


@pytest.mark.parametrize(
    ("asked", "instead"),
    [
        ({"storage": object()}, "message_history="),
        ({"monitoring": True}, "instrument=True"),
        ({"telemetry": True}, "instrument=True"),
    ],
)
@pytest.mark.parametrize("kind", [Agent, AsyncAgent])
def test_what_nothing_honours_is_refused_with_what_to_use(kind: Any, asked: dict[str, Any], instead: str) -> None:
    """Taken and forgotten, it would be missed when it is too late."""
    with pytest.raises(UserError, match=f"^`{next(iter(asked))}.*{instead}"):
        kind(TestModel(), **asked)
    kind(TestModel(), storage=None, monitoring=False, telemetry=False)


@pytest.fixture
def told(caplog: pytest.LogCaptureFixture) -> Iterator[pytest.LogCaptureFixture]:
    yield caplog
    logging.getLogger("core.agent.debug").setLevel(logging.NOTSET)


async def test_debug_mode_tells_all_that_is_sent_said_and_called(told: pytest.LogCaptureFixture) -> None:
    """What a developer would ask about, in order; the run itself is what it is without."""
    agent = AsyncAgent(rolling(), name="dicer", tools=[roll], instructions="Be brief.", debug_mode=True)
    with told.at_level(logging.DEBUG):
        result = await agent.run("Roll!")
    assert result.content == "Four each."
    assert {record.name for record in told.records} == {"core.agent.debug"}
    lines = [record.getMessage().partition(": ")[2] for record in told.records]
    assert all(record.getMessage().startswith(f"dicer {result.run_id[:8]}: ") for record in told.records)
    assert lines[0].startswith("request 1 to scripted, ")
    told_of = [line.strip() for line in lines]
    for expected in (
        "system-prompt: Be brief.",
        "user-prompt: Roll!",
        "text: Let me see.",
        "calls roll(dice=1d6)",
        "runs roll(dice=2d6)",
        "roll returned: 4",
        "text: Four each.",
        "result: 'Four each.'",
    ):
        assert expected in told_of
    assert told_of.count("user-prompt: Roll!") == 1, "what was told of once is not told of again"
    assert sum(line.startswith("request ") for line in lines) == 3


async def test_debug_mode_tells_of_retries_and_of_how_a_run_failed(told: pytest.LogCaptureFixture) -> None:
    def pick() -> str:
        raise ModelRetry("not yet")

    agent = AsyncAgent(Scripted([call("pick", "[]")], [RuntimeError("broken")]), tools=[pick], debug_mode=True)
    with pytest.raises(RuntimeError):
        async for _ in agent.run("x", stream=True):
            pass
    lines = told.text
    assert "retry pick: " in lines and "failed with RuntimeError: broken" in lines
    assert "calls pick([])" in lines


SCRIPT = """
import logging, sys
from core.blocking import Agent
if "configured" in sys.argv:
    logging.basicConfig(stream=sys.stdout, level=logging.DEBUG, format="log: %(message)s")
Agent("test", debug_mode="debug" in sys.argv).run("Hello")
"""


@pytest.mark.parametrize(
    ("words", "out", "err"),
    [((), False, False), (("debug",), False, True), (("debug", "configured"), True, False)],
)
def test_in_a_script_debug_mode_is_seen_without_further_ado(words: tuple[str, ...], out: bool, err: bool) -> None:
    """On standard error, unless logging is set up: then wherever that leads, and there alone."""
    asked = [sys.executable, "-c", SCRIPT, *words]
    ended = subprocess.run(asked, check=True, capture_output=True, text=True, timeout=50)
    assert ("user-prompt: Hello" in ended.stdout, "user-prompt: Hello" in ended.stderr) == (out, err)
