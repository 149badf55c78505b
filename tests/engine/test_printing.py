"""What `pprint_run_response` and `print_response` put on the screen."""

import dataclasses
import io
import re
from typing import Any

import pydantic
import pytest
from rich.console import Console

from core import Agent as AsyncAgent
from core import ModelRetry, RunResponse, pprint_run_response
from core.agent.printing import Growing
from core.blocking import Agent
from core.models import TestModel
from core.models.errors import ModelStreamBroken
from tests.engine.scripted import Scripted, call


def printed(response: Any, **options: Any) -> str:
    """What stands on the screen of a terminal 60 wide when it is over."""
    console = Console(file=io.StringIO(), width=60, record=True, force_terminal=False)
    pprint_run_response(response, console=console, **options)
    return console.export_text()


class City(pydantic.BaseModel):
    name: str
    mayor: str | None = None


@dataclasses.dataclass
class Town:
    name: str


def test_a_text_stands_in_a_rounded_frame() -> None:
    """As it is: neither markdown nor rich's own markup is read."""
    assert printed(RunResponse("[bold]so[/bold] **it** is")) == (
        "╭───────────────────────────╮\n"
        "│ [bold]so[/bold] **it** is │\n"
        "╰───────────────────────────╯\n"
    )  # fmt: skip


def test_markdown_is_rendered_where_it_is_asked_for() -> None:
    shown = printed(RunResponse("# Towns\n\n- **Rome**\n- Oslo"), markdown=True)
    assert "**" not in shown and " • Rome" in shown and "Towns" in shown


def test_objects_are_shown_as_json() -> None:
    """pydantic models without what is None; everything else as it is."""
    assert printed(RunResponse(City(name="Rome"))).split("\n")[1:4] == [
        "│ {                │",
        '│   "name": "Rome" │',
        "│ }                │",
    ]
    assert '"name": "Oslo"' in printed(RunResponse(Town("Oslo")))
    assert "1,\n" in printed(RunResponse([1, None])).replace(" ", "").replace("│", "")
    assert "null" in printed(RunResponse(None))


def test_the_time_stands_in_a_column_of_its_own() -> None:
    """Of a stream its own; of a response that is there, the time its model took."""
    response = RunResponse("Hello", metrics={"time": [0.7, 0.54]})
    assert "│ Response │ Hello │\n│ (1.2s)   │       │" in printed(response, show_time=True)
    assert "Response" not in printed(RunResponse("Hello"), show_time=True)
    stream = Agent(Scripted(["Hel", "lo"])).run("x", stream=True)
    shown = re.sub(r"\(\d\.\ds\)", "(0.0s)", printed(stream, show_time=True))  # how long depends on the machine
    assert "│ Response │ Hello │\n│ (0.0s)   │       │" in shown


def test_a_stream_is_shown_as_far_as_it_is_there() -> None:
    """First that it works, then the text as it grows, and at the end the whole."""
    growing = Growing(markdown=False, show_time=False)
    console = Console(file=io.StringIO(), width=60, force_terminal=True, color_system=None)

    def shown() -> str:
        with console.capture() as capture:
            console.print(growing)
        return capture.get()

    assert "Working..." in shown()
    growing.add(RunResponse("find(x=1)", event="ToolCallStarted"))
    assert "Working..." in shown()
    growing.add(RunResponse("Hel"))
    assert "│ Hel │" in shown()
    growing.add(RunResponse("lo"))
    assert "│ Hello │" in shown()
    growing.add(RunResponse("Hello!", event="RunCompleted"))
    growing.end()
    assert "│ Hello! │" in shown()


def test_streams_of_all_kinds_are_printed() -> None:
    """With steps, with tools, with objects, with corrected text, with nothing."""
    agent = Agent(Scripted([call("look")], ["**fo", "und**"]))
    agent.tool_plain(lambda: "ok", name="look")
    assert "│ found" in printed(agent.run("x", stream=True, stream_intermediate_steps=True), markdown=True)
    assert '"name": "a"' in printed(Agent(TestModel(), result_type=City).run("x", stream=True))
    strict = Agent(Scripted(["bad"], ["good"]))

    @strict.result_validator
    def good(text: str) -> str:
        if text == "bad":
            raise ModelRetry("no")
        return text.upper()

    assert "│ GOOD │" in printed(strict.run("x", stream=True, stream_intermediate_steps=True))
    assert printed(iter([RunResponse("")])).strip() == ""


def test_a_terminal_gets_a_live_picture() -> None:
    """The spinner and the growing frame are drawn over each other, the cursor comes back."""
    out = io.StringIO()
    console = Console(file=out, width=60, force_terminal=True, legacy_windows=False)
    pprint_run_response(Agent(Scripted(["Hello"])).run("x", stream=True), console=console)
    raw = out.getvalue()
    assert "Working..." in raw and raw.index("Working...") < raw.index("Hello")
    assert raw.startswith("\x1b[?25l") and "\x1b[?25h" in raw and "\n\x1b[?25h" in raw


def test_an_error_ends_the_picture_and_is_raised() -> None:
    """What was shown stays."""
    console = Console(file=io.StringIO(), width=60, record=True)
    stream = Agent(Scripted(["half ", ModelStreamBroken("broken")])).run("x", stream=True)
    with pytest.raises(ModelStreamBroken):
        pprint_run_response(stream, console=console)
    assert "│ half  │" in console.export_text()


async def test_what_cannot_be_printed_says_what_to_do() -> None:
    """A coroutine or an async stream."""
    events = AsyncAgent(Scripted(["x"])).run("x", stream=True)
    with pytest.raises(TypeError, match=r"RunEvents cannot be printed.*run_sync"):
        pprint_run_response(events)  # type: ignore[arg-type]
    coroutine = AsyncAgent(Scripted(["x"])).run("x")
    with pytest.raises(TypeError, match="await it first"):
        pprint_run_response(coroutine)  # type: ignore[arg-type]
    coroutine.close()


def test_print_response_follows_the_agents_wish_for_markdown(capsys: pytest.CaptureFixture[str]) -> None:
    """Unless the call says otherwise; here a stream, from an async agent as well."""
    agent = AsyncAgent(Scripted(["**x**"]), markdown=True)
    agent.print_response("a", stream=True)
    agent.print_response("a", markdown=False, show_time=True)
    agent.print_response(message="a", console=Console(file=io.StringIO()))
    shown = capsys.readouterr().out
    assert "│ x" in shown and "│ **x** │" in shown and "(0.0s)" in shown
