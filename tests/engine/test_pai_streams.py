"""Streams as people who wrote against the first face expect them, and where ours is better on purpose.

Source: the public surface of pydantic-ai v0.0.40.
"""

import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any

import pydantic
import pytest

from core import (
    Agent,
    ModelRetry,
    RunContext,
    Tool,
    UnexpectedModelBehavior,
    UsageLimitExceeded,
    UsageLimits,
    UserError,
)
from core.agent import CallToolsNode, End, ModelRequestNode
from core.messages import (
    FinalResultEvent,
    FunctionToolCallEvent,
    FunctionToolResultEvent,
    ModelResponse,
    PartDeltaEvent,
    PartStartEvent,
    TextPart,
    TextPartDelta,
    ToolCallPart,
)
from core.models import FunctionModel, TestModel
from core.models._parts import ResponseParts
from core.models.function import AgentInfo, DeltaToolCall, DeltaToolCalls
from tests.engine.scripted import Scripted, call


async def test_structured_results_stream_and_validate_in_part() -> None:
    """The whole one is given again, as the last."""

    async def numbers(_messages: Any, info: AgentInfo) -> AsyncIterator[DeltaToolCalls]:
        data = json.dumps({"response": [1, 2, 3, 4]})
        yield {0: DeltaToolCall(info.result_tools[0].name)}
        yield {0: DeltaToolCall(json_args=data[:15])}
        yield {0: DeltaToolCall(json_args=data[15:])}

    agent = Agent(FunctionModel(stream_function=numbers), result_type=list[int])
    seen = []
    async with agent.run_stream("") as stream:
        async for message, last in stream.stream_structured(debounce_by=None):
            seen.append(await stream.validate_structured_result(message, allow_partial=not last))
    assert seen == [[1], [1, 2, 3, 4], [1, 2, 3, 4]]
    async with agent.run_stream("") as stream:
        with pytest.raises(UserError, match=r"^stream_text\(\) can only be used with text responses$"):
            async for _ in stream.stream_text():
                pass
    async with Agent("test", result_type=tuple[str, str]).run_stream("") as pairs:
        assert not pairs.is_complete
        assert [pair async for pair in pairs.stream()] == [("a", "a"), ("a", "a")]
        assert pairs.is_complete
        with pytest.raises(UnexpectedModelBehavior, match="Invalid response, unable to find tool:"):
            await pairs.validate_structured_result(ModelResponse([TextPart("x")]))


async def test_text_streams_as_responses_too() -> None:
    agent = Agent(TestModel(custom_result_text="The cat."))
    async with agent.run_stream("x") as stream:
        seen = [(message.parts, last) async for message, last in stream.stream_structured(debounce_by=None)]
    assert seen == [([TextPart("The ")], False), ([TextPart("The cat.")], False), ([TextPart("The cat.")], True)]


async def test_validators_run_on_the_text_so_far_unless_it_comes_in_deltas() -> None:
    agent = Agent(TestModel(custom_result_text="The cat."))

    @agent.result_validator
    def upcase(text: str) -> str:
        return text.upper()

    async with agent.run_stream("x") as stream:
        assert [t async for t in stream.stream(debounce_by=None)] == ["THE ", "THE CAT.", "THE CAT."]
        assert await stream.get_data() == "THE CAT."
    async with agent.run_stream("x") as stream:
        assert [t async for t in stream.stream_text(delta=True, debounce_by=None)] == ["The ", "cat."]


async def test_what_a_validator_refuses_of_an_unfinished_text_is_not_shown() -> None:
    agent = Agent(Scripted(["Hel", "lo", "."]))

    @agent.result_validator
    async def finished(ctx: RunContext[None], text: str) -> str:
        if not text.endswith("."):
            raise ModelRetry("Finish your sentence.")
        return text

    async with agent.run_stream("x") as stream:
        assert [t async for t in stream.stream_text(debounce_by=None)] == ["Hello."]
    assert stream.usage().requests == 1


async def test_a_stream_of_nothing_allowed_fails_before_it_is_given_out() -> None:
    asked = 0

    async def talk(_messages: Any, _info: Any) -> AsyncIterator[str]:
        nonlocal asked
        asked += 1
        yield "hello "
        yield "world"

    agent = Agent(FunctionModel(stream_function=talk), result_type=tuple[str, str])
    with pytest.raises(UnexpectedModelBehavior, match=r"Exceeded maximum retries \(1\) for result validation"):
        async with agent.run_stream(""):
            pass
    assert asked == 2


async def test_a_stream_knows_when_and_what_it_is() -> None:
    """Messages so far, time, usage; the return of a result tool cannot be set in it."""
    before = datetime.now(tz=UTC)
    async with Agent("test").run_stream("x") as stream:
        assert before <= stream.timestamp() <= datetime.now(tz=UTC)
        assert [message.kind for message in stream.all_messages()] == ["request"]
        assert stream.new_messages_json() == stream.all_messages_json()
        for getter in (stream.all_messages, stream.new_messages, stream.all_messages_json, stream.new_messages_json):
            with pytest.raises(NotImplementedError):
                getter(result_tool_return_content="x")
        assert await stream.get_data() == "success (no tool calls)"
        assert [message.kind for message in stream.all_messages()] == ["request", "response"]


# --- better on purpose ---


async def test_text_is_final_only_when_its_response_calls_no_tool() -> None:
    """It streams at once all the same, and the model sees what the tool returned."""
    model = Scripted(["let me look", call("find")], ["it is ", "there"])
    agent = Agent(model)
    agent.tool_plain(lambda: "found", name="find")
    async with agent.run_stream("x") as stream:
        deltas = [delta async for delta in stream.stream_text(delta=True, debounce_by=None)]
        assert await stream.get_data() == "it is there"
    assert "".join(deltas) == "let me look\n\nit is there"
    assert model.requests[1][-1].parts[0].content == "found"


async def test_limits_hold_while_a_text_streams() -> None:
    """Not only when the context closes."""
    agent = Agent(Scripted([f"word{n} " for n in range(30)]))
    got = 0
    with pytest.raises(UsageLimitExceeded):
        async with agent.run_stream("x", usage_limits=UsageLimits(response_tokens_limit=5)) as stream:
            async for _ in stream.stream_text(debounce_by=None):
                got += 1
    assert got <= 5


async def test_leaving_early_reads_no_further() -> None:
    model = Scripted([f"{n} " for n in range(1000)])
    async with Agent(model).run_stream("x") as stream:
        async for _ in stream.stream_text(delta=True, debounce_by=None):
            break
    assert model.read <= 2 and model.closed == 1


async def test_streamed_text_costs_the_same_a_delta_however_long_it_is() -> None:
    """A part is not built anew for every delta: only fragments are kept until somebody asks."""
    parts = ResponseParts()
    text = "x" * 1000
    for _ in range(2000):
        event = parts.text(text)
    assert isinstance(event, PartDeltaEvent) and event.delta == TextPartDelta(text)
    [part] = parts.parts()
    assert isinstance(part, TextPart) and len(part.content) == 2_000_000


def test_json_and_objects_do_not_mix_in_one_call() -> None:
    """Neither way round."""
    parts = ResponseParts()
    parts.call(0, name="t", args='{"a": ')
    with pytest.raises(UnexpectedModelBehavior, match="Cannot apply dict deltas to non-dict tool arguments"):
        parts.call(0, args={"a": 1})
    parts.call(1, name="t", args={"a": 1})
    with pytest.raises(UnexpectedModelBehavior, match="Cannot apply JSON deltas to non-JSON tool arguments"):
        parts.call(1, args='{"b": 1}')


# --- node by node ---


def make() -> Agent[None, str]:
    agent = Agent(Scripted([call("find", '{"x": 1}')], ["found", " it"]))
    agent.tool_plain(lambda x: x, name="find")
    return agent


async def test_events_of_nodes_come_from_their_streams() -> None:
    """The call's start and rest, the tool, its result; then text, final as soon as it begins."""
    events: list[Any] = []
    async with make().iter("x") as run:
        async for node in run:
            if Agent.is_model_request_node(node):
                async with node.stream(run.ctx) as stream:
                    events += [event async for event in stream]
                    assert stream.usage().requests == run.usage().requests
            elif Agent.is_call_tools_node(node):
                async with node.stream(run.ctx) as handled:
                    events += [event async for event in handled]
            else:
                assert isinstance(node, End)
    assert [type(event) for event in events] == [
        PartStartEvent,
        PartDeltaEvent,
        FunctionToolCallEvent,
        FunctionToolResultEvent,
        PartStartEvent,
        FinalResultEvent,
        PartDeltaEvent,
    ]
    called, returned, final = events[2], events[3], events[5]
    assert called.part == ToolCallPart("find", '{"x": 1}', "id_find") and called.call_id == "id_find"
    assert returned.result.content == 1 and returned.tool_call_id == "id_find"
    assert (final.tool_name, final.tool_call_id) == (None, None)
    assert run.result is not None and run.result.data == "found it"


class City(pydantic.BaseModel):
    name: str = ""


async def test_a_result_tool_is_final_as_soon_as_it_is_named() -> None:
    agent = Agent(Scripted([call("final_result", '{"name": "Rome"}', "c1")]), result_type=City)
    async with agent.iter("x") as run:
        node = await run.next(run.next_node)  # type: ignore[arg-type]
        assert isinstance(node, ModelRequestNode)
        async with node.stream(run.ctx) as stream:
            events = [event async for event in stream]
        handled = await run.next(node)
        assert isinstance(handled, CallToolsNode)
    assert FinalResultEvent("final_result", "c1") in events


async def test_the_output_and_the_responses_of_a_node_can_be_streamed() -> None:
    agent = Agent(Scripted([call("final_result", '{"name": "Rome"}')]), result_type=City)
    async with agent.iter("x") as run:
        node = await run.next(run.next_node)  # type: ignore[arg-type]
        assert isinstance(node, ModelRequestNode)
        async with node.stream(run.ctx) as stream:
            assert [city async for city in stream.stream_output(debounce_by=None)][-1] == City(name="Rome")
    async with Agent(Scripted(["a", "b"])).iter("x") as run:
        node = await run.next(run.next_node)  # type: ignore[arg-type]
        assert isinstance(node, ModelRequestNode)
        async with node.stream(run.ctx) as stream:
            parts = [response.parts async for response in stream.stream_responses(debounce_by=None)]
    assert parts[0] == [TextPart("a")] and parts[-1] == [TextPart("ab")]


async def test_limits_hold_in_the_stream_of_a_node() -> None:
    agent = Agent(Scripted([f"word{n} " for n in range(30)]))
    got = 0
    with pytest.raises(UsageLimitExceeded):
        async with agent.iter("x", usage_limits=UsageLimits(response_tokens_limit=5)) as run:
            node = await run.next(run.next_node)  # type: ignore[arg-type]
            assert isinstance(node, ModelRequestNode)
            async with node.stream(run.ctx) as stream:
                async for _ in stream:
                    got += 1
    assert got <= 7


async def test_what_led_to_a_result_is_not_streamed_with_it() -> None:
    """The responses that called tools are over when the stream is given out, and each piece of it comes once."""
    model = Scripted([call("t", '{"x": 1}')], ["one ", "two"])
    agent: Agent[None, int | str] = Agent(model, result_type=int | str, tools=[Tool(lambda x: x, name="t")])  # type: ignore[arg-type]  # unions are no types for checkers
    async with agent.run_stream("x") as stream:
        assert [t async for t in stream.stream(debounce_by=None)] == ["one ", "one two", "one two"]
    model = Scripted([call("t", '{"x": 1}')], ["one ", "two"])
    async with agent.run_stream("x", model=model) as stream:
        parts = [(response.parts, last) async for response, last in stream.stream_structured(debounce_by=None)]
    assert parts == [([TextPart("one ")], False), ([TextPart("one two")], False), ([TextPart("one two")], True)]
