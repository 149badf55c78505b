"""Schemas and errors of function tools, as suites compare them.

Source: the public surface of pydantic-ai v0.0.40.
"""

import gc
import logging
import weakref
from dataclasses import dataclass
from typing import Annotated, Any

import pydantic
import pytest
from typing_extensions import TypedDict

from core import Agent, RunContext, Tool, UserError
from core.messages import RetryPromptPart
from core.models import ModelRequestParameters, TestModel, _gemini_wire, _openai_wire, _responses_wire
from core.tools import ToolDefinition
from tests.engine.scripted import Scripted, call


def schema(function: Any, **options: Any) -> dict[str, Any]:
    return Tool(function, **options).definition.parameters_json_schema


async def google(ctx: RunContext[int], foo: int, bar: str) -> str:
    """Do foobar stuff, a lot.

    Args:
        foo: The foo thing.
        bar: The bar thing.
    """
    return f"{foo} {bar}"


async def sphinx(foo: int, bar: str) -> str:
    """Do foobar stuff, a lot.

    :param foo: The foo thing.
    :param bar: The bar thing.
    :return: The result.
    """
    return f"{foo} {bar}"


def numpy(*, foo: int, bar: str) -> str:
    """Do foobar stuff, a lot.

    Parameters
    ----------
    foo : int
        The foo thing.
    bar : str
        The bar thing.
    """
    return f"{foo} {bar}"


@pytest.mark.parametrize("function", [google, sphinx, numpy])
@pytest.mark.parametrize("named", [True, False])
def test_each_docstring_format_is_read_by_name_and_by_itself(function: Any, named: bool) -> None:
    """The first text is the description of the tool."""
    tool: Tool[Any] = Tool(function, docstring_format=function.__name__ if named else "auto")
    assert tool.definition == ToolDefinition(
        function.__name__,
        "Do foobar stuff, a lot.",
        {
            "properties": {
                "foo": {"description": "The foo thing.", "title": "Foo", "type": "integer"},
                "bar": {"description": "The bar thing.", "title": "Bar", "type": "string"},
            },
            "required": ["foo", "bar"],
            "type": "object",
            "additionalProperties": False,
        },
    )


def test_a_field_goes_over_a_docstring_that_may_have_no_text() -> None:
    def no_body(foo: int, bar: Annotated[str, pydantic.Field(description="from fields")]) -> str:
        """
        Args:
            foo: The foo thing.
            bar: The bar thing.
        """
        return bar

    tool: Tool[None] = Tool(no_body)
    assert tool.description == ""
    assert {k: v["description"] for k, v in tool.definition.parameters_json_schema["properties"].items()} == {
        "foo": "The foo thing.",
        "bar": "from fields",
    }


def test_a_tool_of_one_model_is_described_by_the_model_or_not_at_all() -> None:
    """None is what the first face says then; providers, who want text, are sent none of it."""

    class Said(pydantic.BaseModel):
        """What was said."""

        x: int

    class Unsaid(pydantic.BaseModel):
        x: int

    assert Tool(lambda: 0, name="bare").definition.description == ""
    described: list[str | None] = []
    for model in (Said, Unsaid):

        def tool(it: Any) -> int:
            return int(it.x)

        tool.__annotations__["it"] = model
        described.append(Tool(tool).definition.description)
    assert described == ["What was said.", None]
    parameters = ModelRequestParameters([ToolDefinition("tool", None, {"type": "object", "properties": {}})])
    [chat] = _openai_wire.tools_out(parameters)["tools"]
    [responses] = _responses_wire.response_tools_out(parameters)["tools"]
    [gemini] = _gemini_wire.tools_out(parameters, None)["tools"][0]["functionDeclarations"]
    assert [chat["function"]["description"], responses["description"], gemini["description"]] == ["", "", ""]


def test_a_docstring_of_no_format_is_a_description() -> None:
    def unknown(**kwargs: int) -> str:
        """Unknown style docstring."""
        return str(kwargs)

    tool: Tool[None] = Tool(unknown)
    assert tool.description == "Unknown style docstring."
    assert tool.definition.parameters_json_schema == {
        "additionalProperties": True,
        "properties": {},
        "type": "object",
    }


def test_reading_docstrings_leaves_logging_alone() -> None:
    """A library has no business with the root logger."""
    before = logging.getLogger().level
    Tool(sphinx, docstring_format="numpy")
    assert logging.getLogger().level == before


class Foo(pydantic.BaseModel):
    x: int
    y: str


@dataclass
class Data:
    a: int


class Typed(TypedDict):
    a: int


async def test_one_parameter_with_fields_is_the_schema() -> None:
    """A model, a dataclass, a TypedDict; two parameters are not."""

    def takes_model(model: Foo) -> str:
        return f"{model.x} {model.y}"

    def takes_data(data: Data) -> Any:
        return data.a

    def takes_typed(typed: Typed) -> Any:
        return typed["a"]

    def takes_two(model: Foo, z: int) -> str:
        return f"{model.x} {model.y} {z}"

    assert schema(takes_model) == {
        "properties": {"x": {"title": "X", "type": "integer"}, "y": {"title": "Y", "type": "string"}},
        "required": ["x", "y"],
        "title": "Foo",
        "type": "object",
    }
    assert schema(takes_two)["properties"]["model"] == {"$ref": "#/$defs/Foo"}
    agent = Agent("test", tools=[takes_model, takes_data, takes_typed, takes_two])
    result = await agent.run("x")
    assert result.data == '{"takes_model":"0 a","takes_data":0,"takes_typed":0,"takes_two":"0 a 0"}'


async def test_star_arguments_and_defaults_are_filled() -> None:
    seen: list[Any] = []

    def t(a: int, /, b: int = 2, *more: int, c: int, **rest: str) -> None:
        seen.append((a, b, more, c, rest))

    made = schema(t)
    assert made["required"] == ["a", "c"] and made["additionalProperties"] is True
    assert made["properties"]["more"]["type"] == "array"
    assert "default" not in made["properties"]["b"]  # that it may be left out is all the model needs to know
    args = ['{"a": 1, "c": 3}', '{"a": 1, "b": 5, "c": 3, "more": [7, 8], "d": "e"}']
    await Agent(Scripted([call("t", args[0], "1"), call("t", args[1], "2")], ["ok"]), tools=[t]).run("x")
    assert sorted(seen) == [(1, 2, (), 3, {}), (1, 5, (7, 8), 3, {"d": "e"})]


def test_each_wrong_signature_has_its_text() -> None:
    """With the function's qualified name."""
    agent: Agent[Any, str] = Agent("test")

    def error(make: Any) -> str:
        with pytest.raises(UserError) as caught:
            make()
        return str(caught.value).replace("test_each_wrong_signature_has_its_text.<locals>.", "")

    def no_ctx(x: int) -> None: ...

    def with_ctx(ctx: RunContext[Any], x: int) -> None: ...

    def late(x: int, ctx: RunContext[Any]) -> None: ...

    first = "First parameter of tools that take context must be annotated with RunContext[...]"
    only = "RunContext annotations can only be used with tools that take context"
    begin = "Error generating schema for"
    assert error(lambda: agent.tool(no_ctx)) == f"{begin} no_ctx:\n  {first}"
    assert error(lambda: Tool(no_ctx, takes_ctx=True)) == f"{begin} no_ctx:\n  {first}"
    assert error(lambda: agent.tool_plain(with_ctx)) == f"{begin} with_ctx:\n  {only}"
    assert error(lambda: agent.tool_plain(late)) == f"{begin} late:\n  {only}"
    assert error(lambda: agent.tool(late)) == (
        f"{begin} late:\n  {first}\n  RunContext annotations can only be used as the first argument"
    )
    assert error(lambda: agent.tool(require_parameter_descriptions=True)(with_ctx)) == (
        f"{begin} with_ctx:\n  Missing parameter descriptions for x"
    )
    several = lambda: Tool(numpy_less, require_parameter_descriptions=True)  # noqa: E731
    assert error(several).endswith("Missing parameter descriptions for foo, bar")
    agent.tool(with_ctx)
    assert error(lambda: agent.tool(with_ctx)) == "Tool name conflicts with existing tool: 'with_ctx'"
    assert error(lambda: Agent("test", tools=[no_ctx, no_ctx])) == "Tool name conflicts with existing tool: 'no_ctx'"
    taken = lambda: Agent("test", tools=[no_ctx], result_type=int, result_tool_name="no_ctx")  # noqa: E731
    assert error(taken) == "Tool name conflicts with result schema name: 'no_ctx'"


def numpy_less(foo: int, bar: str) -> None:
    """Nothing about the parameters."""


def test_descriptions_of_the_context_are_not_required() -> None:
    """Nor do those of parameters that are not there matter."""

    def complete(ctx: RunContext, foo: int) -> str:
        """Describe it.

        :param foo: The foo thing.
        :param bar: The bar thing.
        """
        return str(foo)

    Agent("test").tool(require_parameter_descriptions=True)(complete)


async def test_preparing_sees_the_run_and_changes_one_step_only() -> None:
    """The definition is a copy, so that nothing is left of it in the next run."""
    seen: list[tuple[Any, ...]] = []

    async def prepare(ctx: RunContext[int], definition: ToolDefinition) -> ToolDefinition | None:
        seen.append((ctx.deps, ctx.tool_name, ctx.retry, definition.parameters_json_schema["properties"]["x"].get("d")))
        definition.parameters_json_schema["properties"]["x"]["d"] = 1
        return definition if ctx.deps == 42 else None

    model = TestModel()
    agent: Agent[int, str] = Agent(model, deps_type=int)

    @agent.tool_plain(prepare=prepare)
    def hitchhiker(x: int) -> str:
        return f"{x}"

    assert (await agent.run("x", deps=41)).data == "success (no tool calls)"
    assert (await agent.run("x", deps=42)).data == '{"hitchhiker":"0"}'
    assert seen == [(41, "hitchhiker", 0, None)] + [(42, "hitchhiker", 0, None)] * 2


async def test_a_tool_can_be_a_subclass_that_prepares_itself() -> None:
    """With a method as its function, and a dataclass at that."""

    @dataclass
    class Mine(Tool[int]):
        spam: int

        def __init__(self, spam: int = 0, **options: Any) -> None:
            self.spam = spam
            super().__init__(self.function_of_mine, takes_ctx=False, **options)

        def function_of_mine(self, x: int, y: str) -> str:
            return f"{self.spam} {x} {y}"

        async def prepare_tool_def(self, ctx: RunContext[int]) -> ToolDefinition | None:
            return await super().prepare_tool_def(ctx) if ctx.deps != 42 else None

    agent = Agent("test", tools=[Mine(spam=777)], deps_type=int)
    assert (await agent.run("x", deps=1)).data == '{"function_of_mine":"777 0 a"}'
    assert (await agent.run("x", deps=42)).data == "success (no tool calls)"


async def test_a_context_knows_the_call() -> None:
    """And can be copied with another retry count."""
    seen: list[RunContext[str]] = []
    agent: Agent[str, str] = Agent(Scripted([call("t", id="c7")], ["ok"]), deps_type=str)

    @agent.tool
    def t(ctx: RunContext[str]) -> None:
        seen.append(ctx)

    await agent.run("prompt", deps="d")
    [ctx] = seen
    assert (ctx.deps, ctx.prompt, ctx.tool_name, ctx.tool_call_id) == ("d", "prompt", "t", "c7")
    assert (ctx.retry, ctx.run_step, ctx.usage.requests, ctx.model.model_name) == (0, 1, 2, "scripted")
    again = ctx.replace_with(retry=2, tool_name="u")
    assert (again.retry, again.tool_name, ctx.retry, ctx.deps) == (2, "u", 0, again.deps)


async def test_errors_of_arguments_name_the_parameter() -> None:
    """By the name the model knows."""
    agent = Agent(Scripted([call("t", '{"number": "x", "more": 1}')], ["ok"]))
    agent.tool_plain(lambda number: number, name="any")

    @agent.tool_plain
    def t(number: int) -> int:
        return number

    result = await agent.run("x")
    [retry] = result.all_messages()[2].parts
    assert isinstance(retry, RetryPromptPart) and isinstance(retry.content, list)
    assert [(error["type"], error["loc"]) for error in retry.content] == [
        ("int_parsing", ("number",)),
        ("extra_forbidden", ("more",)),
    ]


def test_a_tool_does_not_keep_its_function_alive() -> None:
    """Bots that build an agent a request would grow for ever."""

    def short_lived(x: int) -> int:
        return x

    gone = weakref.ref(short_lived)
    Tool(short_lived)
    del short_lived
    gc.collect()
    assert gone() is None


def test_a_decorated_function_can_still_be_called() -> None:
    agent = Agent("test")

    @agent.tool_plain(retries=3)
    def double(x: int) -> int:
        return 2 * x

    assert double(4) == 8 and agent.tool_plain(double, name="twice") is double


def test_tools_take_the_retries_of_their_agent() -> None:
    """In a copy, so that one tool may serve agents that differ."""
    plain: Tool[None] = Tool(lambda x: x, name="t")
    mine: Tool[None] = Tool(lambda x: x, name="t", max_retries=2)
    for given, expected in ((plain, 7), (mine, 2)):
        assert Agent("test", tools=[given], retries=7)._function_tools["t"].max_retries == expected
    assert plain.max_retries is None
