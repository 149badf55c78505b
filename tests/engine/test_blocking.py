"""The engine without asyncio, its printing, and what the packages export."""

import asyncio
import importlib
import io
import re
import subprocess
import sys
from types import ModuleType

import pydantic
import pytest
from rich.console import Console

import core
import core.agent
import core.blocking
import core.messages
import core.models
from core.blocking import Agent, RunResponse
from core.models import DemoModel, FunctionModel, TestModel
from core.models.errors import UserError
from tests.engine.scripted import Scripted, call


def test_run_is_no_coroutine() -> None:
    """As scripts and notebooks expect it."""
    agent = Agent(Scripted(["Hel", "lo"]))
    response = agent.run("Hi")
    assert isinstance(response, RunResponse) and response.content == "Hello"
    assert [delta.content for delta in agent.run("Hi", stream=True)] == ["Hel", "lo"]
    events = list(agent.run("Hi", stream=True, stream_intermediate_steps=True))
    assert (events[-1].event, events[-1].content) == ("RunCompleted", "Hello")


async def test_it_works_where_a_loop_is_running() -> None:
    """A notebook runs its cells in one."""
    agent = Agent(Scripted(["Hello"]))
    assert agent.run("Hi").content == "Hello"
    assert core.Agent(Scripted(["x"])).run_sync("Hi").data == "x"


def test_a_blocking_run_inside_a_blocking_run_is_refused() -> None:
    """It would wait for itself for ever."""
    outer = Agent(Scripted([call("ask")], ["done"]))

    @outer.tool_plain
    async def ask() -> str:
        return str(Agent(Scripted(["x"])).run("q").content)

    with pytest.raises(RuntimeError, match="await it instead"):
        outer.run("go")


def test_leaving_a_blocking_stream_ends_its_run() -> None:
    """A `break` reads no further."""
    model = Scripted([f"{n} " for n in range(100)])
    for _ in Agent(model).run("x", stream=True):
        break
    assert model.closed == 1 and model.read == 1


def test_errors_and_captures_cross_the_thread() -> None:
    """The caller's context goes with the run."""
    with core.capture_run_messages() as messages, pytest.raises(ZeroDivisionError):
        Agent(Scripted([ZeroDivisionError()])).run("Hi")
    assert len(messages) == 1


def printed(response: object, **options: bool) -> str:
    out = io.StringIO()
    console = Console(file=out, width=60, force_terminal=False)
    core.pprint_run_response(response, console=console, **options)  # type: ignore[arg-type]
    return out.getvalue()


class City(pydantic.BaseModel):
    name: str


def test_responses_are_printed_in_a_frame() -> None:
    """Text, markdown, objects, and streams with their time."""
    agent = Agent(Scripted(["**bo", "ld** text"]))
    assert "│ **bold** text" in printed(agent.run("x")) and "╭" in printed(agent.run("x"))
    assert "│ bold text" in printed(agent.run("x"), markdown=True)
    stream = agent.run("x", stream=True, stream_intermediate_steps=True)
    shown = printed(stream, markdown=True, show_time=True)
    assert "bold text" in shown and re.search(r"\(\d+\.\ds\)", shown)
    assert '"name": "a"' in printed(Agent(TestModel(), result_type=City).run("x"))


def test_print_response_runs_and_prints(capsys: pytest.CaptureFixture[str]) -> None:
    Agent(Scripted(["Hello"])).print_response("Hi", markdown=True)
    Agent(Scripted(["World"])).print_response("Hi", stream=True)
    out = capsys.readouterr().out
    assert "Hello" in out and "World" in out


@pytest.mark.parametrize("module", [core, core.agent, core.blocking, core.messages, core.models])
def test_what_is_exported_is_there_and_sorted(module: ModuleType) -> None:
    """`__all__` is the promise to other people's code."""
    names = module.__all__
    assert names == sorted(names) and len(names) == len(set(names))
    for name in names:
        assert getattr(module, name) is not None
    with pytest.raises(AttributeError):
        _ = module.no_such_name


def test_importing_the_packages_is_cheap() -> None:
    """Neither a terminal nor an HTTP client is loaded before it is used."""
    code = (
        "import sys, core, core.agent, core.models.openai; core.Agent('demo');"
        "print([m for m in ('rich', 'httpx', 'aiohttp', 'docstring_parser', 'redis', 'openai') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_an_agent_may_wait_for_its_model() -> None:
    """A name is resolved when the agent is made, unless told otherwise."""
    with pytest.raises(UserError, match="Unknown model: nope"):
        core.Agent("nope")
    agent = core.Agent("demo", defer_model_check=True)
    assert agent.model == "demo"
    assert agent.run_sync("hi").content and isinstance(agent.model, DemoModel)
    with pytest.raises(AttributeError, match="use `capture_run_messages` instead"):
        _ = agent.last_run_messages


def test_models_that_are_functions_say_what_they_lack() -> None:
    """One function for each way to be asked."""
    with pytest.raises(TypeError):
        FunctionModel()
    whole = FunctionModel(lambda messages, info: importlib.import_module("core.messages").ModelResponse([]))
    with pytest.raises(AssertionError, match="stream_function"):
        asyncio.run(anext(core.Agent(whole).run("x", stream=True)))  # type: ignore[arg-type]
