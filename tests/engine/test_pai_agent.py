"""Runs as people who wrote against the first face expect them: names, prompts, results, retries, nodes.

Source: the public surface of pydantic-ai v0.0.40.
"""

import asyncio
import contextlib
import inspect
from dataclasses import dataclass
from typing import Any

import pydantic
import pytest
from typing_extensions import TypeAliasType, TypedDict

from core import Agent, ModelRetry, RunContext, UnexpectedModelBehavior, Usage, UserError, capture_run_messages
from core.agent import CallToolsNode, End, FinalResult, InstrumentationSettings, ModelRequestNode
from core.messages import (
    ModelMessage,
    ModelRequest,
    ModelResponse,
    RetryPromptPart,
    SystemPromptPart,
    TextPart,
    ToolReturnPart,
    UserPromptPart,
)
from core.models import TestModel
from tests.engine.scripted import Scripted, call


def texts(message: ModelMessage) -> list[Any]:
    return [getattr(part, "content", None) for part in message.parts]


def test_the_constructor_has_these_parameters_and_defaults() -> None:
    """Only the model may be given by position."""
    parameters = inspect.signature(Agent).parameters
    expected = {
        "model": None,
        "result_type": str,
        "system_prompt": (),
        "deps_type": type(None),
        "name": None,
        "model_settings": None,
        "retries": 1,
        "result_tool_name": "final_result",
        "result_tool_description": None,
        "result_retries": None,
        "tools": (),
        "defer_model_check": False,
        "end_strategy": "early",
        "instrument": None,
    }
    assert {name: parameters[name].default for name in expected} == expected
    positional = [name for name, each in parameters.items() if each.kind is each.POSITIONAL_OR_KEYWORD]
    assert positional == ["model"]


@pytest.mark.parametrize("method", ["run", "run_stream", "iter"])
def test_runs_take_these_options(method: str) -> None:
    parameters = inspect.signature(getattr(Agent, method)).parameters
    expected = {
        "result_type": None,
        "message_history": None,
        "model": None,
        "deps": None,
        "model_settings": None,
        "usage_limits": None,
        "usage": None,
        "infer_name": True,
    }
    assert {name: parameters[name].default for name in expected} == expected
    assert all(parameters[name].kind is inspect.Parameter.KEYWORD_ONLY for name in expected)


# --- names, models, overrides ---

module_agent = Agent("test")


async def test_the_name_comes_from_the_callers_variable() -> None:
    """From each way to run; never over a name that is there, and not when it is not wanted."""
    mine = Agent("test")
    await mine.run("x", infer_name=False)
    assert mine.name is None
    await mine.run("x")
    assert mine.name == "mine"
    streamed = Agent("test")
    async with streamed.run_stream("x"):
        assert streamed.name == "streamed"
    stepped = Agent("test")
    async with stepped.iter("x"):
        assert stepped.name == "stepped"
    await module_agent.run("x")
    assert module_agent.name == "module_agent"
    other = Agent("test", name="fig")
    await other.run("x")
    assert other.name == "fig"


def test_a_blocking_run_finds_the_name_too() -> None:
    blocking = Agent("test")
    assert blocking.run_sync("x").data == "success (no tool calls)" and blocking.name == "blocking"


def test_a_model_name_is_resolved_at_once_unless_deferred(monkeypatch: pytest.MonkeyPatch) -> None:
    """So that a missing key is known at the start."""
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    with pytest.raises(UserError, match="OPENAI_API_KEY"):
        Agent("openai:gpt-4o")
    assert Agent("openai:gpt-4o", defer_model_check=True).model == "openai:gpt-4o"
    with pytest.raises(UserError, match="Unknown model: potato"):
        Agent("potato")


def test_without_a_model_there_is_a_clear_error_and_an_override_helps() -> None:
    """Not instead of a model, though: what runs in a test would not run outside of it."""
    agent: Agent[int, str] = Agent(deps_type=int)
    model = Scripted(["not used"])

    @agent.tool
    def deps(ctx: RunContext[int]) -> int:
        return ctx.deps

    with pytest.raises(UserError, match=r"^`model` must be set either when creating the agent or when calling it\.$"):
        agent.run_sync("x", deps=1)
    with agent.override(model="test", deps=7):
        assert agent.run_sync("x", model=model, deps=1).data == '{"deps":7}'
        with agent.override(deps=8):
            assert agent.run_sync("x", model=model, deps=1).data == '{"deps":8}'
        assert agent.run_sync("x", model=model, deps=1).data == '{"deps":7}'
        with pytest.raises(
            UserError, match=r"must be set either .* \(Even when `override\(model=\.\.\.\)` is customiz"
        ):
            agent.run_sync("x", deps=1)


@pytest.fixture
def overridden() -> Any:
    """What suites do: override the model in a fixture that is not async."""
    agent = Agent(Scripted(["real"]))
    with agent.override(model=TestModel(custom_result_text="fake")):
        yield agent


async def test_an_override_of_a_fixture_holds_in_every_task(overridden: Agent[None, str]) -> None:
    """Plugins differ in which context a test runs in."""
    assert (await overridden.run("x")).data == "fake"
    import contextvars

    elsewhere = asyncio.get_running_loop().create_task(overridden.run("x"), context=contextvars.Context())
    assert (await elsewhere).data == "fake"


def test_the_old_way_to_see_messages_says_what_is_the_new_one() -> None:
    with pytest.raises(AttributeError) as caught:
        Agent("test").last_run_messages  # noqa: B018
    assert str(caught.value) == (
        "The `last_run_messages` attribute has been removed, use `capture_run_messages` instead."
    )


def test_what_an_agent_was_told_of_telemetry_is_what_it_says() -> None:
    """What all agents are told is not written to each of them."""
    told, untold = Agent("test", instrument=False), Agent("test")
    Agent.instrument_all(InstrumentationSettings())
    try:
        assert (told.instrument, untold.instrument) == (False, None)
    finally:
        Agent.instrument_all(False)
    assert InstrumentationSettings().event_mode == "attributes"


# --- system prompts and histories ---


async def test_system_prompts_come_in_order_and_only_without_history() -> None:
    """Fixed ones, then functions of nothing or the context, sync or async."""
    agent: Agent[str, str] = Agent("test", system_prompt=("one", "two"), deps_type=str)

    @agent.system_prompt
    def three() -> str:
        return "three"

    @agent.system_prompt
    async def four(ctx: RunContext[str]) -> str:
        return f"{ctx.deps} {ctx.prompt}"

    first = await agent.run("hi", deps="four")
    assert texts(first.all_messages()[0]) == ["one", "two", "three", "four hi", "hi"]
    second = await agent.run("again", deps="four", message_history=first.all_messages())
    assert texts(second.new_messages()[0]) == ["again"]
    assert second.all_messages()[:2] == first.all_messages()
    assert second.new_messages() == second.all_messages()[2:]
    assert second.new_messages_json().startswith(b'[{"parts":[{"content":"again",')
    empty = await agent.run("hi", deps="four", message_history=[])
    assert len(texts(empty.all_messages()[0])) == 5


async def test_a_dynamic_prompt_keeps_its_name_even_when_it_says_nothing() -> None:
    """It may have something to say the next time."""
    agent = Agent("test")
    said = ["", "now"]

    @agent.system_prompt(dynamic=True)
    def moment() -> str:
        return said.pop(0)

    first = await agent.run("x")
    [part, _] = first.all_messages()[0].parts
    assert part == SystemPromptPart("", moment.__qualname__)
    second = await agent.run("y", message_history=first.all_messages())
    assert texts(second.all_messages()[0]) == ["now", "x"]
    assert texts(first.all_messages()[0]) == ["", "x"]


# --- results ---


class Point(TypedDict):
    """A place."""

    x: int


@dataclass
class Pair:
    a: int
    b: str = "b"


Alias = TypeAliasType("Alias", int | str)


@pytest.mark.parametrize(
    ("result_type", "args", "data"),
    [
        (tuple[str, str], '{"response": ["a", "b"]}', ("a", "b")),
        (list[int], '{"response": [1]}', [1]),
        (bool, '{"response": true}', True),
        (dict[str, int], '{"response": {"a": 1}}', {"a": 1}),
        (Point, '{"x": 1}', {"x": 1}),
        (Pair, '{"a": 1}', Pair(1)),
        (Alias, '{"response": 3}', 3),
    ],
)
async def test_any_type_can_be_a_result(result_type: Any, args: str, data: Any) -> None:
    """What has no named fields is wrapped as `response`."""
    model = Scripted([call("final_result", args)])
    agent: Agent[None, Any] = Agent(model, result_type=result_type)
    assert (await agent.run("x")).data == data
    [tool] = model.infos[0].result_tools
    assert tool.outer_typed_dict_key == ("response" if "response" in args else None)
    assert model.infos[0].allow_text_result == (result_type is Alias)
    assert tool.parameters_json_schema["type"] == "object"


async def test_result_tools_are_named_and_described() -> None:
    """By the agent's words, the type's docstring, and the member of a union."""
    model = Scripted(["x"])

    async def described(result_type: Any, **options: Any) -> list[tuple[str, str]]:
        agent: Agent[None, Any] = Agent(model, result_type=result_type, **options)
        with contextlib.suppress(UnexpectedModelBehavior):
            await agent.run("x")
        return [(tool.name, tool.description) for tool in model.infos[-1].result_tools]

    final = "The final response which ends this conversation"
    assert await described(int) == [("final_result", final)]
    assert await described(int | bool) == [
        ("final_result_int", f"int: {final}"),
        ("final_result_bool", f"bool: {final}"),
    ]
    assert await described(Point) == [("final_result", "A place.")]
    named = {"result_tool_name": "end", "result_tool_description": "Be done"}
    assert await described(Point, **named) == [("end", "Be done. A place.")]
    assert await described(int | list[str], **named) == [("end_int", "int: Be done"), ("end_list", "list: Be done")]
    assert [name for name, _ in await described(list[int] | list[str])] == ["final_result_list", "final_result_list_2"]


async def test_a_run_may_have_a_result_type_of_its_own() -> None:
    agent = Agent(TestModel())
    assert (await agent.run("x", result_type=int)).data == 0
    async with agent.run_stream("x", result_type=tuple[str, str]) as stream:
        assert await stream.get_data() == ("a", "a")
    async with agent.iter("x", result_type=bool) as run:
        async for _ in run:
            pass
    assert run.result is not None and run.result.data is False
    agent.result_validator(lambda data: data)
    with pytest.raises(UserError) as caught:
        await agent.run("x", result_type=int)
    assert str(caught.value) == "Cannot set a custom run `result_type` when the agent has result validators"


async def test_the_return_of_a_result_tool_can_be_set_in_a_copy() -> None:
    """Where there is one."""
    result = await Agent("test", result_type=tuple[str, str]).run("x")
    changed = result.new_messages(result_tool_return_content="shown")
    assert texts(changed[-1]) == ["shown"] and texts(result.new_messages()[-1]) == ["Final result processed."]
    assert b'"content":"shown"' in result.all_messages_json(result_tool_return_content="shown")
    result._result_tool_name = "wrong"
    with pytest.raises(LookupError) as missing:
        result.all_messages(result_tool_return_content="x")
    assert missing.value.args == ("No tool call found with tool name 'wrong'.",)
    text = await Agent("test").run("x")
    for getter in (text.all_messages, text.new_messages, text.all_messages_json, text.new_messages_json):
        with pytest.raises(ValueError, match="Cannot set result tool return content when the return type is `str`"):
            getter(result_tool_return_content="x")


async def test_validators_see_the_tool_that_gave_the_result() -> None:
    names: list[Any] = []
    either: Agent[None, Any] = Agent("test", result_type=str | Point)  # type: ignore[arg-type]

    @either.result_validator
    def note(ctx: RunContext[None], data: Any) -> Any:
        names.append(ctx.tool_name)
        return data

    await either.run("x")
    await either.run("x", model=Scripted([call("final_result", '{"x": 1}')]))
    assert names == [None, "final_result"]


async def test_several_texts_are_one_answer_and_empty_ones_none() -> None:
    from core.models import FunctionModel

    parts = [TextPart("a"), TextPart(""), TextPart("b")]
    agent = Agent(FunctionModel(lambda m, i: ModelResponse(parts)))
    assert (await agent.run("x")).data == "a\n\nb"
    parts[:] = [TextPart("")]
    with pytest.raises(UnexpectedModelBehavior, match="Received empty model response"):
        await agent.run("x")


async def test_text_beside_a_tool_call_is_not_a_result() -> None:
    agent = Agent(Scripted(["let me look", call("find")], ["found"]))
    agent.tool_plain(lambda: "it", name="find")
    assert (await agent.run("x")).data == "found"


# --- retries and strategies ---


async def test_an_unknown_tool_ends_a_run_that_insists_and_leaves_the_messages() -> None:
    """As the model sent them: nothing is added that nobody said. No tool was called, so none is named."""
    agent = Agent(Scripted([call("foobar")]))
    with (
        capture_run_messages() as messages,
        pytest.raises(UnexpectedModelBehavior, match=r"Exceeded maximum retries \(1\) for result validation"),
    ):
        await agent.run("Hello")
    assert [message.kind for message in messages] == ["request", "response", "request", "response"]
    [retry] = messages[2].parts
    assert isinstance(retry, RetryPromptPart) and retry.tool_name is None
    assert retry.content == "Unknown tool name: 'foobar'. No tools available."


async def test_retry_counters_have_these_texts() -> None:
    agent = Agent(Scripted([call("t")]), retries=3)

    @agent.tool_plain(retries=2)
    def t() -> None:
        raise ModelRetry("no")

    seen: list[int] = []
    with pytest.raises(UnexpectedModelBehavior, match=r"^Tool exceeded max retries count of 2$"):
        await agent.run("x")
    agent = Agent(Scripted([call("t")], [call("t")], ["ok"], ["no"]), retries=1)

    @agent.tool_plain(name="t")
    def once(ctx_free: int = 0) -> str:
        seen.append(ctx_free)
        return "fine"

    assert (await agent.run("x")).data == "ok" and seen == [0, 0]


async def test_a_tools_counter_starts_again_after_a_success() -> None:
    agent = Agent(Scripted(*[[call("t")]] * 4, ["done"]), retries=1)
    outcomes = iter([False, True, False, True])
    counts: list[int] = []

    @agent.tool
    def t(ctx: RunContext[None]) -> str:
        counts.append(ctx.retry)
        if not next(outcomes):
            raise ModelRetry("again")
        return "ok"

    assert (await agent.run("x")).data == "done" and counts == [0, 1, 0, 1]


async def everything(end_strategy: Any, *calls: Any) -> tuple[list[str], list[Any]]:
    ran: list[str] = []
    agent = Agent(Scripted([*calls]), result_type=Point, end_strategy=end_strategy)
    agent.tool_plain(lambda x: ran.append(f"regular {x}") or x, name="regular")
    agent.tool_plain(lambda y: ran.append(f"another {y}") or y, name="another")
    result = await agent.run("x")
    assert result.data == {"x": 1}
    return sorted(ran), result.all_messages()[-1].parts


async def test_early_runs_no_tool_beside_a_result() -> None:
    """And says so of each, in the order of the calls."""
    ran, parts = await everything(
        "early",
        call("regular", '{"x": 1}'),
        call("final_result", '{"x": 1}'),
        call("another", '{"y": 2}'),
        call("unknown"),
        call("final_result", '{"x": 2}', "second"),
    )
    stub = "Tool not executed - a final result was already processed."
    assert ran == [] and [part.content for part in parts] == [
        stub,
        "Final result processed.",
        stub,
        "Unknown tool name: 'unknown'. Available tools: regular, another, final_result",
        "Result tool not used - a final result was already processed.",
    ]


async def test_exhaustive_runs_them_all_and_the_first_result_counts() -> None:
    """Their returns come after the others, in the order of the calls."""
    ran, parts = await everything(
        "exhaustive",
        call("regular", '{"x": 42}'),
        call("final_result", '{"x": 1}'),
        call("another", '{"y": 2}'),
        call("final_result", '{"x": 2}', "second"),
        call("unknown"),
    )
    assert ran == ["another 2", "regular 42"]
    assert [(type(part), part.content) for part in parts] == [
        (ToolReturnPart, "Final result processed."),
        (ToolReturnPart, "Result tool not used - a final result was already processed."),
        (RetryPromptPart, "Unknown tool name: 'unknown'. Available tools: regular, another, final_result"),
        (ToolReturnPart, 42),
        (ToolReturnPart, 2),
    ]


async def test_the_first_valid_result_is_used() -> None:
    _, parts = await everything("early", call("final_result", '{"bad": 1}', "1"), call("final_result", '{"x": 1}', "2"))
    assert [(part.content, part.tool_call_id) for part in parts] == [
        ("Result tool not used - result failed validation.", "1"),
        ("Final result processed.", "2"),
    ]


# --- usage and captured messages ---


async def test_usage_of_a_delegate_counts_where_it_is_passed() -> None:
    delegate = Agent(TestModel(), result_type=int)
    controller = Agent(TestModel())

    @controller.tool
    async def ask(ctx: RunContext[None], sentence: str) -> int:
        result = await delegate.run(sentence, usage=ctx.usage)
        assert result.usage() is ctx.usage
        return result.data

    result = await controller.run("foobar")
    assert result.data == '{"ask":0}'
    assert result.usage().requests == 3 and isinstance(result.usage(), Usage)


def test_only_the_first_run_is_captured() -> None:
    """Also inside another capture."""
    agent = Agent("test")
    with capture_run_messages() as messages:
        with capture_run_messages() as inner:
            assert messages == [] and inner is messages
            agent.run_sync("Hello")
        agent.run_sync("Hello 2")
    assert len(messages) == 2 and texts(messages[0]) == ["Hello"]


# --- node by node ---


async def test_a_run_by_nodes_goes_from_prompt_to_end() -> None:
    """`next_node` begins with the prompt; iteration with what comes of it."""
    agent = Agent("test")
    async with agent.iter("What?") as run:
        node = run.next_node
        assert Agent.is_user_prompt_node(node) and node.user_prompt == "What?" and run.result is None
        kinds = [type(node) async for node in run]
        assert kinds == [ModelRequestNode, CallToolsNode, End]
        end = run.next_node
        assert Agent.is_end_node(end) and end.data == FinalResult("success (no tool calls)", None, None)
        with pytest.raises(StopAsyncIteration):
            await anext(run)
        with pytest.raises(TypeError):
            await run.next(end)  # type: ignore[arg-type]
    assert run.result is not None and run.usage().requests == 1
    assert repr(CallToolsNode(ModelResponse([TextPart("x")]))).startswith("CallToolsNode(model_response=ModelResponse(")


async def test_nodes_can_be_driven_and_changed_by_hand() -> None:
    """A request is what its node holds."""
    model = Scripted(["ok"])
    async with Agent(model).iter("x") as run:
        request = await run.next(run.next_node)  # type: ignore[arg-type]
        assert isinstance(request, ModelRequestNode)
        request.request.parts.append(UserPromptPart("and y"))
        handled = await run.next(request)
        assert isinstance(handled, CallToolsNode) and texts(handled.model_response) == ["ok"]
        assert run.result is None
        assert isinstance(await run.next(handled), End)
    assert texts(model.requests[0][0]) == ["x", "and y"]
    assert run.ctx.state.message_history == run.result.all_messages()  # type: ignore[union-attr]
    assert isinstance(run.ctx.state.message_history[0], ModelRequest)


class Unserializable(pydantic.BaseModel):
    n: int


async def test_what_tools_return_is_kept_as_it_is() -> None:
    """Models of pydantic and all: a history in memory holds the objects."""
    agent = Agent("test")
    agent.tool_plain(lambda: Unserializable(n=1), name="t")
    result = await agent.run("x")
    assert result.data == '{"t":{"n":1}}'
    [part] = result.all_messages()[2].parts
    assert isinstance(part, ToolReturnPart) and part.content == Unserializable(n=1)
    assert part.model_response_str() == '{"n":1}' and part.model_response_object() == {"n": 1}
