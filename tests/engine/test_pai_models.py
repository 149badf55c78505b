"""The two models for tests: what they answer, stream, count and refuse. Suites of people compare all of it."""

import json
from collections.abc import AsyncIterator
from enum import StrEnum
from typing import Annotated, Any, Literal

import pydantic
import pytest
from annotated_types import Ge, Gt, Le, Lt, MaxLen, MinLen

from core import Agent, ModelRetry, UnexpectedModelBehavior, Usage
from core.messages import (
    ModelMessage,
    ModelRequest,
    ModelResponse,
    RetryPromptPart,
    TextPart,
    ToolCallPart,
    ToolReturnPart,
    UserPromptPart,
)
from core.models.function import AgentInfo, DeltaToolCall, DeltaToolCalls, FunctionModel
from core.models.test import SchemaData, TestModel
from core.tools import ToolDefinition


def shown(messages: list[ModelMessage]) -> list[list[tuple[str, Any]]]:
    """Each part as its kind and what it holds."""
    return [
        [(part.part_kind, getattr(part, "content", None) or getattr(part, "args", None)) for part in message.parts]
        for message in messages
    ]


# --- TestModel ---


def test_its_options_come_in_this_order() -> None:
    assert Agent(TestModel([], "as told")).run_sync("Hi").data == "as told"
    assert TestModel("all", None, None, 3).seed == 3


def test_without_tools_it_says_so() -> None:
    result = Agent(TestModel()).run_sync("Hello")
    assert result.data == "success (no tool calls)"
    assert result.usage() == Usage(requests=1, request_tokens=51, response_tokens=4, total_tokens=55)
    assert result.all_messages() == [
        ModelRequest([UserPromptPart("Hello", result.all_messages()[0].parts[0].timestamp)]),  # type: ignore[union-attr]
        ModelResponse([TextPart("success (no tool calls)")], "test", result.all_messages()[1].timestamp),  # type: ignore[union-attr]
    ]


async def test_every_tool_is_called_once_and_their_returns_are_the_answer() -> None:
    """Without call ids, in the order of the tools or of `call_tools`."""
    agent = Agent(TestModel())

    @agent.tool_plain
    async def ret_a(x: str) -> str:
        return f"{x}-a"

    @agent.tool_plain
    async def ret_b(y: str) -> str:
        return f"{y}-b"

    result = await agent.run("x")
    assert result.data == '{"ret_a":"a-a","ret_b":"a-b"}'
    calls = result.all_messages()[1].parts
    assert calls == [ToolCallPart("ret_a", {"x": "a"}), ToolCallPart("ret_b", {"y": "a"})]
    assert (await agent.run("x", model=TestModel(call_tools=["ret_b"]))).data == '{"ret_b":"a-b"}'
    result = await agent.run("x", model=TestModel(call_tools=["ret_b", "ret_a"]))
    assert [part.tool_name for part in result.all_messages()[1].parts if isinstance(part, ToolCallPart)] == [
        "ret_b",
        "ret_a",
    ]
    assert (await agent.run("x", model=TestModel(call_tools=[]))).data == "success (no tool calls)"


async def test_a_tool_that_asks_for_it_is_called_again() -> None:
    agent = Agent("test")
    tried: list[int] = []

    @agent.tool_plain
    def shaky(x: int) -> str:
        tried.append(x)
        if len(tried) == 1:
            raise ModelRetry("First call failed")
        return str(x + 1)

    result = await agent.run("Hello")
    assert result.data == '{"shaky":"1"}'
    assert shown(result.all_messages()) == [
        [("user-prompt", "Hello")],
        [("tool-call", {"x": 0})],
        [("retry-prompt", "First call failed")],
        [("tool-call", {"x": 0})],
        [("tool-return", "1")],
        [("text", '{"shaky":"1"}')],
    ]


async def test_custom_answers_go_where_they_fit_and_nowhere_else() -> None:
    """A mistake in a test is named at once."""
    assert (await Agent("test").run("x", model=TestModel(custom_result_text="custom"))).data == "custom"
    pairs = Agent("test", result_type=tuple[str, str])
    assert (await pairs.run("x")).data == ("a", "a")
    assert (await pairs.run("x", model=TestModel(custom_result_args=["b", "c"]))).data == ("b", "c")
    with pytest.raises(AssertionError, match="Plain response not allowed, but `custom_result_text` is set"):
        await pairs.run("x", model=TestModel(custom_result_text="custom"))
    with pytest.raises(AssertionError, match="No result tools provided, but `custom_result_args` is set"):
        await Agent("test").run("x", model=TestModel(custom_result_args={"a": 1}))


class Foo(pydantic.BaseModel):
    a: int
    b: str


class Bar(pydantic.BaseModel):
    c: str


async def test_a_result_is_made_up_and_the_seed_picks_its_type() -> None:
    model = TestModel()
    foo = Agent(model, result_type=Foo)
    assert (await foo.run("x")).data == Foo(a=0, b="a")
    assert model.last_model_request_parameters is not None
    assert model.last_model_request_parameters.allow_text_result is False
    assert model.last_model_request_parameters.result_tools == [
        ToolDefinition(
            "final_result",
            "The final response which ends this conversation",
            {
                "properties": {"a": {"title": "A", "type": "integer"}, "b": {"title": "B", "type": "string"}},
                "required": ["a", "b"],
                "title": "Foo",
                "type": "object",
            },
        )
    ]
    either: Agent[None, Any] = Agent("test", result_type=Foo | Bar)  # type: ignore[arg-type]
    assert (await either.run("x")).data == Foo(a=0, b="a")
    assert (await either.run("x", model=TestModel(seed=1))).data == Bar(c="b")


async def test_where_text_is_allowed_it_writes_text() -> None:
    either: Agent[None, Any] = Agent("test", result_type=str | Foo)  # type: ignore[arg-type]
    assert (await either.run("x")).data == "success (no tool calls)"


async def test_bad_custom_arguments_use_the_retries_up() -> None:
    agent = Agent("test", result_type=Foo, retries=2)
    model = TestModel(custom_result_args={"foo": "a"})
    with pytest.raises(UnexpectedModelBehavior, match=r"Exceeded maximum retries \(2\) for result validation"):
        await agent.run("x", model=model)


async def test_text_streams_word_by_word() -> None:
    """A single word in two halves; tokens are counted as they are read."""
    agent = Agent(TestModel(custom_result_text="The cat sat."))
    async with agent.run_stream("Hello") as stream:
        assert stream.usage() == Usage(requests=1, request_tokens=51, response_tokens=0, total_tokens=51)
        assert [t async for t in stream.stream_text(debounce_by=None)] == ["The ", "The cat ", "The cat sat."]
        assert stream.is_complete
    async with agent.run_stream("Hello") as stream:
        assert [t async for t in stream.stream_text(delta=True, debounce_by=None)] == ["The ", "cat ", "sat."]
    async with agent.run_stream("Hello") as stream:
        assert [t async for t in stream.stream()] == ["The cat sat.", "The cat sat."]  # so far, and the result
    async with Agent(TestModel(custom_result_text="abcdef")).run_stream("x") as stream:
        assert [t async for t in stream.stream_text(delta=True, debounce_by=None)] == ["abc", "def"]


async def test_usage_of_a_streamed_run_with_a_tool() -> None:
    """50 a conversation and one a word, as in a run that does not stream, but for calls not yet sent back."""
    agent = Agent(TestModel())

    @agent.tool_plain
    async def ret_a(x: str) -> str:
        return f"{x}-apple"

    async with agent.run_stream("Hello") as stream:
        assert not stream.is_complete and len(stream.all_messages()) == 3
        assert [t async for t in stream.stream(debounce_by=None)] == [
            '{"ret_a":',
            '{"ret_a":"a-apple"}',
            '{"ret_a":"a-apple"}',
        ]
        assert stream.is_complete and len(stream.all_messages()) == 4
        assert stream.usage() == Usage(requests=2, request_tokens=103, response_tokens=11, total_tokens=114)


class Colour(StrEnum):
    RED = "red"
    BLUE = "blue"


class Everything(pydantic.BaseModel):
    text: str
    long: Annotated[str, MinLen(10)]
    short: Annotated[str, MaxLen(1)]
    empty: Annotated[str, MaxLen(0)]
    number: int
    above: Annotated[int, Gt(5)]
    least: Annotated[int, Ge(5)]
    below: Annotated[int, Lt(5)]
    most: Annotated[int, Le(5)]
    between: Annotated[int, Gt(5), Lt(15)]
    real: float
    real_above: Annotated[float, Gt(5.0)]
    flag: bool
    raw: bytes
    fixed: tuple[int, str]
    tail: tuple[int, ...]
    items: list[str]
    many: Annotated[list[str], MinLen(3)]
    table: dict[str, int]
    few: set[str]
    distinct: Annotated[set[str], MinLen(5)]
    union: int | str
    literal: Literal["x", "y"]
    colour: Colour
    nested: Bar
    nothing: None
    anything: Any


@pytest.mark.parametrize("seed", [0, 1, 7, 60, 1000])
def test_made_up_data_fits_its_schema(seed: int) -> None:
    """Whatever the seed."""
    data = SchemaData(Everything.model_json_schema(), seed).generate()
    Everything.model_validate(data)


def test_made_up_data_is_small_and_repeatable() -> None:
    data = SchemaData(Everything.model_json_schema()).generate()
    expected = {"text": "a", "long": "a" * 10, "empty": "", "above": 6, "most": 5, "items": ["a"], "fixed": [0, "a"]}
    assert {key: data[key] for key in expected} == expected
    assert data["table"] == {"additionalProperty": 0} and data["flag"] is False
    dated = {"type": "string", "format": "date"}
    assert [SchemaData(dated, seed).generate() for seed in (0, 40)] == ["2024-01-01", "2024-02-10"]


async def test_arguments_can_be_made_up_better_by_a_subclass() -> None:
    class Better(TestModel):
        def gen_tool_args(self, tool_def: ToolDefinition) -> Any:
            return {"x": "better"}

    agent = Agent(Better())
    agent.tool_plain(lambda x: x, name="echo")
    assert (await agent.run("x")).data == '{"echo":"better"}'


# --- FunctionModel ---


async def test_a_function_answers_and_learns_of_the_agent() -> None:
    """Its name is the model's; plain and async functions do."""
    seen: list[AgentInfo] = []

    async def answer(messages: list[ModelMessage], info: AgentInfo) -> ModelResponse:
        seen.append(info)
        return ModelResponse([TextPart(f"{len(messages)}")])

    def plain(messages: list[ModelMessage], info: AgentInfo) -> ModelResponse:
        return ModelResponse([TextPart("plain")])

    agent = Agent(FunctionModel(answer), model_settings={"temperature": 0.5})
    agent.tool_plain(lambda: 1, name="one")
    result = await agent.run("Hello")
    assert result.data == "1"
    last = result.all_messages()[-1]
    assert isinstance(last, ModelResponse) and last.model_name == "function:answer:"
    assert seen[0].allow_text_result and seen[0].result_tools == [] and seen[0].model_settings == {"temperature": 0.5}
    assert [tool.name for tool in seen[0].function_tools] == ["one"]
    assert (await agent.run("x", model=FunctionModel(plain))).data == "plain"
    assert FunctionModel(plain, model_name="mine").model_name == "mine"


async def test_a_stream_function_gives_text_and_pieces_of_calls() -> None:
    async def talk(messages: list[ModelMessage], info: AgentInfo) -> AsyncIterator[str | DeltaToolCalls]:
        if len(messages) == 1:
            yield {0: DeltaToolCall("ret_a")}
            yield {0: DeltaToolCall(json_args='{"x": ')}
            yield {0: DeltaToolCall(json_args='"hello"}', tool_call_id="c1")}
        else:
            yield "hello "
            yield "world"

    agent = Agent(FunctionModel(stream_function=talk))
    agent.tool_plain(lambda x: f"{x} there", name="ret_a")
    async with agent.run_stream("") as stream:
        assert await stream.get_data() == "hello world"
        messages = stream.all_messages()
    assert messages[1].parts == [ToolCallPart("ret_a", '{"x": "hello"}', "c1")]
    assert isinstance(messages[2].parts[0], ToolReturnPart) and messages[2].parts[0].content == "hello there"
    last = messages[-1]
    assert isinstance(last, ModelResponse) and last.model_name == "function::talk"


async def test_what_a_function_model_cannot_do_is_named() -> None:
    async def nothing(messages: list[ModelMessage], info: AgentInfo) -> AsyncIterator[str]:
        return
        yield ""

    async def no_call(messages: list[ModelMessage], info: AgentInfo) -> AsyncIterator[DeltaToolCalls]:
        yield {}

    def plain(messages: list[ModelMessage], info: AgentInfo) -> ModelResponse:
        return ModelResponse([TextPart("x")])

    with pytest.raises(TypeError, match="Either `function` or `stream_function` must be provided"):
        FunctionModel()
    with pytest.raises(ValueError, match="Stream function must return at least one item"):
        async with Agent(FunctionModel(stream_function=nothing)).run_stream(""):
            pass
    with pytest.raises(UnexpectedModelBehavior, match="Received empty model response"):
        async with Agent(FunctionModel(stream_function=no_call)).run_stream(""):
            pass
    with pytest.raises(AssertionError, match="must receive a `stream_function` to support streamed requests"):
        async with Agent(FunctionModel(plain)).run_stream(""):
            pass
    with pytest.raises(AssertionError, match="must receive a `function` to support non-streamed requests"):
        await Agent(FunctionModel(stream_function=nothing)).run("")


async def test_a_function_that_repeats_itself_gets_the_errors_of_the_document() -> None:
    """Of pydantic's errors with their context, which can be stored."""

    class Small(pydantic.BaseModel):
        n: Annotated[int, Le(3)]

        @pydantic.field_validator("n")
        @classmethod
        def even(cls, n: int) -> int:
            if n % 2:
                raise ValueError("odd")
            return n

    args = iter(['{"n": 5}', '{"n": 1}', '{"n": 2}'])
    model = FunctionModel(lambda m, i: ModelResponse([ToolCallPart("final_result", next(args))]))
    result = await Agent(model, result_type=Small, retries=2).run("x")
    retries = [p.content for m in result.all_messages() for p in m.parts if isinstance(p, RetryPromptPart)]
    assert retries == [
        [
            {
                "type": "less_than_equal",
                "loc": ("n",),
                "msg": "Input should be less than or equal to 3",
                "input": 5,
                "ctx": {"le": 3},
            }
        ],
        [{"type": "value_error", "loc": ("n",), "msg": "Value error, odd", "input": 1, "ctx": {"error": "odd"}}],
    ]
    json.loads(result.all_messages_json())
