"""A run step by step."""

from typing import Any

import pytest

from core import Agent, UserError
from core.agent import CallToolsNode, End, ModelRequestNode, UserPromptNode
from core.messages import FinalResultEvent, FunctionToolCallEvent, FunctionToolResultEvent
from tests.engine.scripted import Scripted, call


def make() -> Agent[Any, Any]:
    agent = Agent(Scripted(["look ", "here", call("find")], ["found", " it"]))
    agent.tool_plain(lambda: "it", name="find")
    return agent


async def test_nodes_come_in_order() -> None:
    """And the same messages come out as of a plain run."""
    async with make().iter("x") as run:
        assert run.result is None and isinstance(run.next_node, UserPromptNode)
        kinds = [type(node) async for node in run]
    step = [ModelRequestNode, CallToolsNode]
    assert kinds == [*step, *step, End]
    assert run.result is not None and run.result.data == "found it" and run.usage().requests == 2
    assert [m.kind for m in run.result.all_messages()] == ["request", "response", "request", "response"]


async def test_nodes_can_be_driven_by_hand_and_streamed() -> None:
    """Events of the model and of the tools, each from its node."""
    events: list[Any] = []
    calls: list[Any] = []
    async with make().iter("x") as run:
        node = run.next_node
        while not Agent.is_end_node(node):
            if Agent.is_model_request_node(node):
                async with node.stream(run.ctx) as stream:
                    events += [event async for event in stream]
                with pytest.raises(UserError):
                    async with node.stream(run.ctx):
                        pass
            elif Agent.is_call_tools_node(node):
                async with node.stream(run.ctx) as handled:
                    calls += [type(event) async for event in handled]
            else:
                assert Agent.is_user_prompt_node(node)
            node = await run.next(node)
    assert run.result is not None and run.result.data == "found it"
    assert calls == [FunctionToolCallEvent, FunctionToolResultEvent]
    assert sum(isinstance(event, FinalResultEvent) for event in events) == 2


async def test_the_output_of_a_response_can_be_streamed() -> None:
    async with make().iter("x") as run:
        async for node in run:
            if Agent.is_model_request_node(node):
                async with node.stream(run.ctx) as stream:
                    texts = [text async for text in stream.stream_output(debounce_by=None)]
    assert texts == ["found", "found it", "found it"]  # as it grows, and at last the whole


async def test_a_run_left_between_its_nodes_has_a_usable_history() -> None:
    agent = make()
    async with agent.iter("x") as run:
        async for node in run:
            if Agent.is_call_tools_node(node):
                break
    assert run.ctx.messages[-1].parts[0].content == "The tool call was cancelled before it finished."
    assert (await agent.run("y", message_history=run.ctx.messages)).data == "found it"
