"""Tools: their schemas, their arguments, their failures, their company."""

import asyncio
import dataclasses
from typing import Annotated, Any

import pydantic
import pytest

from core import Agent, ModelRetry, RunContext, Tool, UnexpectedModelBehavior, UserError, capture_run_messages
from core.messages import ModelRequest, RetryPromptPart, ToolReturnPart
from core.models import ToolDefinition
from tests.engine.scripted import Scripted, call


def google(city: str, days: int = 3) -> str:
    """Tell the weather.

    It is never sure.

    Args:
        city: Where.
        days: How far ahead.
    """
    return f"{city} {days}"


def numpy(city: str, days: int = 3) -> str:
    """Tell the weather.

    It is never sure.

    Parameters
    ----------
    city : str
        Where.
    days : int
        How far ahead.
    """
    return f"{city} {days}"


def sphinx(city: str, days: int = 3) -> str:
    """Tell the weather.

    It is never sure.

    :param city: Where.
    :param days: How far ahead.
    """
    return f"{city} {days}"


@pytest.mark.parametrize("function", [google, numpy, sphinx])
def test_the_schema_comes_from_signature_and_docstring(function: Any) -> None:
    """In any of the three styles."""
    tool: Tool[None] = Tool(function, require_parameter_descriptions=True)
    assert tool.description == "Tell the weather.\n\nIt is never sure."
    assert tool.definition.parameters_json_schema == {
        "type": "object",
        "additionalProperties": False,
        "required": ["city"],
        "properties": {
            "city": {"type": "string", "title": "City", "description": "Where."},
            "days": {"type": "integer", "title": "Days", "description": "How far ahead."},
        },
    }


class Place(pydantic.BaseModel):
    """Somewhere."""

    city: str


def test_a_single_object_is_the_whole_schema() -> None:
    """No parameter name around it."""

    def go(place: Place) -> None: ...

    tool: Tool[None] = Tool(go)
    assert tool.definition.parameters_json_schema["properties"] == {"city": {"type": "string", "title": "City"}}
    assert tool.description == "Somewhere."


async def test_every_kind_of_parameter_is_filled() -> None:
    """Positional-only, *args, keyword-only, **kwargs, and names that pydantic models use themselves."""
    seen: list[Any] = []

    def first(a: int, /, json: str, *more: int, copy: bool = False, **rest: int) -> None:
        seen.append((a, json, more, copy, rest))

    ctx: Any = None
    await Tool(first).call('{"a": 1, "json": "j", "more": [2, 3], "copy": true, "x": 4}', ctx)
    await Tool(first).call({"a": 1, "json": "j"}, ctx)
    assert seen == [(1, "j", (2, 3), True, {"x": 4}), (1, "j", (), False, {})]
    with pytest.raises(pydantic.ValidationError):
        await Tool(first).call({"a": 1, "json": "j", "x": "no"}, ctx)
    with pytest.raises(pydantic.ValidationError):
        await Tool(google).call({"city": "x", "unknown": 1}, ctx)
    assert Tool(first).definition.parameters_json_schema["additionalProperties"] is True


def test_wrong_tools_are_named_when_they_are_made() -> None:
    """All that is wrong at once, with the function's name."""

    def no_ctx(x: int) -> None: ...

    def late_ctx(x: int, ctx: RunContext[None]) -> None: ...

    def good(ctx: RunContext[None], x: int) -> None: ...

    agent = Agent(Scripted(["x"]))
    with pytest.raises(UserError, match=r"Error generating schema for .*no_ctx:\n  First parameter of tools"):
        agent.tool(no_ctx)
    with pytest.raises(UserError, match="can only be used with tools that take context"):
        agent.tool_plain(good)
    with pytest.raises(UserError, match="can only be used as the first argument"):
        agent.tool(late_ctx)
    with pytest.raises(UserError, match="Missing parameter descriptions for x"):
        Tool(no_ctx, require_parameter_descriptions=True)
    agent.tool(good)
    with pytest.raises(UserError, match="Tool name conflicts with existing tool: 'good'"):
        agent.tool(good)
    with pytest.raises(UserError, match="Tool name conflicts with result schema name: 'final_result'"):
        Agent(Scripted(["x"]), result_type=int, tools=[Tool(no_ctx, name="final_result")])


def test_a_schema_is_made_once_a_function() -> None:
    """An agent built for each request pays for it once."""
    assert Tool(google).schema is Tool(google).schema


async def test_bad_arguments_go_back_to_the_model() -> None:
    """With pydantic's errors, and one more try."""
    model = Scripted([call("google", '{"city": 1}')], [call("google", '{"city": "Rome"}')], ["done"])
    result = await Agent(model, tools=[google]).run("x")
    [retry] = [p for m in result.all_messages() for p in m.parts if isinstance(p, RetryPromptPart)]
    assert "Input should be a valid string" in retry.model_response() and retry.tool_call_id == "id_google"
    assert result.tools is not None
    assert [tool["tool_call_error"] for tool in result.tools] == [True, False]
    assert result.tools[1] | {"metrics": 0, "created_at": 0} == {
        "content": "Rome 3",
        "tool_call_id": "id_google",
        "tool_name": "google",
        "tool_args": {"city": "Rome"},
        "tool_call_error": False,
        "metrics": 0,
        "created_at": 0,
    }


async def test_a_tool_that_keeps_failing_ends_the_run() -> None:
    agent = Agent(Scripted([call("t")]), retries=2)
    tries: list[int] = []

    @agent.tool
    def t(ctx: RunContext[None]) -> None:
        tries.append(ctx.retry)
        raise ModelRetry("again")

    with pytest.raises(UnexpectedModelBehavior, match="Tool exceeded max retries count of 2"):
        await agent.run("x")
    assert tries == [0, 1, 2]


async def test_a_tool_has_its_own_number_of_retries() -> None:
    """Over the agent's."""
    agent = Agent(Scripted([call("t")]), retries=5)

    @agent.tool_plain(retries=0)
    def t() -> None:
        raise ModelRetry("again")

    with pytest.raises(UnexpectedModelBehavior, match="Tool exceeded max retries count of 0"):
        await agent.run("x")


async def test_an_unknown_tool_is_answered_with_the_known_ones() -> None:
    model = Scripted([call("nope")], ["sorry"])
    result = await Agent(model, tools=[google]).run("x")
    assert result.data == "sorry"
    assert result.all_messages()[2].parts[0].content == "Unknown tool name: 'nope'. Available tools: google"


async def test_tools_run_at_once_and_are_stored_in_order() -> None:
    """They meet at a barrier, so one after another would never end."""
    both = asyncio.Barrier(2)
    agent = Agent(Scripted([call("t", '{"n": 1}', "1"), call("t", '{"n": 2}', "2")], ["done"]))

    @agent.tool_plain
    async def t(n: int) -> int:
        await both.wait()
        if n == 1:
            await asyncio.sleep(0)
        return n

    result = await agent.run("x")
    assert [part.content for part in result.all_messages()[2].parts] == [1, 2]


async def test_a_failing_tool_takes_nothing_back_from_those_that_finished() -> None:
    """Its siblings still running are cancelled, and every call has its return in the history."""
    finished, cancelled = asyncio.Event(), asyncio.Event()
    agent = Agent(Scripted([call("good"), call("slow"), call("bad")], ["on"]))

    @agent.tool_plain
    async def good() -> str:
        finished.set()
        return "kept"

    @agent.tool_plain
    async def slow() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            cancelled.set()

    @agent.tool_plain
    async def bad() -> None:
        await finished.wait()
        raise ZeroDivisionError

    with capture_run_messages() as messages, pytest.raises(ZeroDivisionError):
        await agent.run("x")
    assert cancelled.is_set()
    last = messages[-1]
    assert isinstance(last, ModelRequest) and all(isinstance(part, ToolReturnPart) for part in last.parts)
    cancelled_text = "The tool call was cancelled before it finished."
    assert [part.content for part in last.parts] == ["kept", cancelled_text, cancelled_text]
    assert (await agent.run("go on", message_history=messages)).data == "on"


async def test_a_slow_tool_is_given_up() -> None:
    """The model hears of it, and may try something else."""
    agent = Agent(Scripted([call("slow")], ["done"]), tool_timeout=60)

    @agent.tool_plain(timeout=0.01)
    async def slow() -> None:
        await asyncio.Event().wait()

    result = await agent.run("x")
    assert result.all_messages()[2].parts[0].content == "Timed out after 0.01 seconds."


async def test_a_plain_function_does_not_block_the_loop() -> None:
    """It runs in a thread."""
    import threading

    where: list[str] = []
    agent = Agent(Scripted([call("t")], ["done"]))
    agent.tool_plain(lambda: where.append(threading.current_thread().name), name="t")
    await agent.run("x")
    assert where != [threading.current_thread().name]


async def test_a_tool_can_be_left_out_of_a_step() -> None:
    """By `prepare`, which sees the run's deps."""

    async def only_admins(ctx: RunContext[str], definition: ToolDefinition) -> ToolDefinition | None:
        return definition if ctx.deps == "admin" else None

    model = Scripted(["done"])
    agent: Agent[str] = Agent(model, tools=[Tool(google, prepare=only_admins)])
    await agent.run("x", deps="admin")
    await agent.run("x", deps="guest")
    assert [len(info.function_tools) for info in model.infos] == [1, 0]


def test_a_field_as_default_counts() -> None:
    """With its own default."""

    def t(x: int = pydantic.Field(5, ge=1, description="A number.")) -> None: ...

    schema = Tool(t).definition.parameters_json_schema
    assert schema["properties"]["x"] == {
        "type": "integer",
        "minimum": 1,
        "title": "X",
        "description": "A number.",
        "default": 5,
    }


def test_annotated_descriptions_count() -> None:
    """pydantic's own way to describe a parameter."""

    def t(x: Annotated[int, pydantic.Field(description="A number.", ge=1)]) -> None: ...

    schema = Tool(t).definition.parameters_json_schema
    assert schema["properties"]["x"] == {"type": "integer", "minimum": 1, "title": "X", "description": "A number."}


@dataclasses.dataclass
class Point:
    x: int


async def test_an_object_may_stand_wherever_a_parameter_may() -> None:
    """By position only, and among any number: it is not the whole schema then, or has no name to be given by."""
    by_position: list[Any] = []

    def alone(place: Place, /) -> None:
        by_position.append(place)

    def many(*places: Place) -> None:
        by_position.append(places)

    def named(**places: Place) -> None:
        by_position.append(places)

    ctx: Any = None
    await Tool(alone).call({"city": "Rome"}, ctx)
    await Tool(many).call({"places": [{"city": "Rome"}]}, ctx)
    await Tool(named).call({"home": {"city": "Rome"}}, ctx)
    rome = Place(city="Rome")
    assert by_position == [rome, (rome,), {"home": rome}]


async def test_what_is_too_much_is_refused_of_the_arguments_but_not_within_them() -> None:
    """What a dataclass takes is for the dataclass to say."""

    def go(point: Point, fast: bool = False) -> int:
        return point.x

    tool: Tool[None] = Tool(go)
    ctx: Any = None
    assert await tool.call({"point": {"x": 1, "y": 2}}, ctx) == 1
    assert "additionalProperties" not in tool.definition.parameters_json_schema["$defs"]["Point"]
    with pytest.raises(pydantic.ValidationError, match="Extra inputs are not permitted"):
        await tool.call({"point": {"x": 1}, "slow": True}, ctx)


@pytest.mark.parametrize("where", ["tool", "prompt", "validator"])
async def test_a_plain_function_that_runs_out_of_items_ends_the_run(where: str) -> None:
    """No future can hold a StopIteration; the run would wait for ever."""

    def first(*_: Any) -> Any:
        return next(iter(()))

    agent = Agent(Scripted([call("t")] if where == "tool" else ["ok"]))
    {"tool": agent.tool_plain(name="t"), "prompt": agent.system_prompt, "validator": agent.result_validator}[where](
        first
    )
    async with asyncio.timeout(5):
        with pytest.raises(RuntimeError, match="first raised StopIteration"):
            await agent.run("x")


async def test_what_a_tool_returns_can_always_be_stored() -> None:
    """Names of files may hold bytes that are no text."""
    agent = Agent(Scripted([call("t")], ["ok"]), tools=[Tool(lambda: {"file": "a\udc80b"}, name="t")])
    result = await agent.run("x")
    [part] = result.all_messages()[2].parts
    assert isinstance(part, ToolReturnPart) and part.content == {"file": "a\ufffdb"}
    assert b"tool-return" in result.all_messages_json()
