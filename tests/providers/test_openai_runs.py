"""Agents over the wire: the engine and the client together, against a server that refuses broken conversations."""

import asyncio
from collections.abc import AsyncIterator

import httpx
import pytest

from core import Agent, UnexpectedModelBehavior, UsageLimits
from core.messages import ModelRequest, ModelResponse, TextPart, ToolCallPart, UserPromptPart
from core.models import FallbackModel, OpenAIModel
from core.models.errors import ModelHTTPError, ModelStreamBroken
from tests.providers.agents import rolling, stopped_in_a_tool
from tests.providers.clients import served_by
from tests.providers.openai_server import Call, OpenAIServer, Reply, Request

server = served_by(OpenAIServer)


@pytest.fixture
async def agent(server: OpenAIServer) -> AsyncIterator[Agent]:
    agent = rolling(OpenAIModel("gpt-4o", base_url=server.base_url, api_key="k"))
    yield agent
    await agent.aclose()


async def test_a_tool_is_called_and_its_answer_read(agent: Agent, server: OpenAIServer) -> None:
    """Streamed: preamble, call, thoughts, answer; the second request holds the whole conversation."""
    server.queue(
        Reply(deltas=["Rolling."], calls=[Call("roll", '{"sides": 6}', "c1"), Call("roll", '{"sides": 8}', "c2")]),
        Reply(thoughts=["six ", "and eight"], deltas=["6 and ", "8."]),
    )
    events = [event async for event in agent.run("Roll", stream=True, stream_intermediate_steps=True)]
    kinds = [event.event for event in events]
    assert kinds[:4] == ["RunStarted", "RunResponse", "ToolCallStarted", "ToolCallStarted"]
    assert kinds[6:] == [
        "ReasoningStarted",
        "ReasoningStep",
        "ReasoningStep",
        "ReasoningCompleted",
        "RunResponse",
        "RunResponse",
        "UpdatingMemory",
        "RunCompleted",
    ]
    last = events[-1]
    assert last.content == "Rolling.\n\n6 and 8." and last.thinking == "six and eight"
    assert last.event_data == {"finish_reason": "stop"}
    assert [message["role"] for message in server.requests[1].messages] == [
        "system",
        "user",
        "assistant",
        "tool",
        "tool",
    ]
    assert [m["content"] for m in server.requests[1].messages[3:]] == ["6", "8"]
    assert last.usage().requests == 2 and (last.usage().total_tokens or 0) > 0


async def test_a_stopped_conversation_goes_on(agent: Agent, server: OpenAIServer) -> None:
    """The server refuses calls without returns, so it would refuse every later question of a broken history."""
    server.queue(Reply(deltas=["Hm."], calls=[Call("slow"), Call("roll", '{"sides": 6}')]), "Fine.")
    history = await stopped_in_a_tool(agent)
    result = await agent.run("And now?", message_history=history)
    assert result.data == "Fine."
    assert [m["role"] for m in server.requests[1].messages][-3:] == ["tool", "tool", "user"]


async def test_a_trimmed_history_is_accepted(agent: Agent, server: OpenAIServer) -> None:
    """Cutting anywhere, as people do with `messages[-5:]`, must not poison a session."""
    server.script(
        lambda request: (
            "Done." if request.messages[-1]["role"] == "tool" else Reply(calls=[Call("roll", '{"sides": 6}')])
        )
    )
    history = (await agent.run("Roll")).all_messages()
    for start in range(len(history) + 1):
        for end in range(start, len(history) + 1):
            result = await agent.run("Again", message_history=history[start:end])
            assert result.data == "Done."


async def test_an_interrupted_answer_is_kept_and_can_be_gone_on_from(agent: Agent, server: OpenAIServer) -> None:
    """The broken stream's beginning is part of what was said."""
    server.queue(Reply(deltas=["One, ", "two"], cut_after=1), "two, three.")
    stream = agent.run("Count", stream=True)
    with pytest.raises(ModelStreamBroken):
        async for _ in stream:
            pass
    result = await agent.run("Go on", message_history=stream.all_messages())
    assert result.data == "two, three."
    assert server.requests[1].messages[2] == {"role": "assistant", "content": "One, "}


async def test_many_runs_at_once_keep_to_themselves(agent: Agent, server: OpenAIServer) -> None:
    """One agent, one session, hundreds of threads."""

    def echo(request: Request) -> list[str]:
        return [*request.prompt]

    server.script(echo)
    results = await asyncio.gather(*(agent.run(f"question {n}", stream=False) for n in range(200)))
    assert [result.data for result in results] == [f"question {n}" for n in range(200)]


async def test_a_conversation_may_hold_half_a_surrogate_pair(agent: Agent, server: OpenAIServer) -> None:
    """Chat platforms let them through; the question still gets its answer."""
    assert (await agent.run("broken \ud83d emoji")).data == "Hello"
    assert server.requests[0].prompt == "broken ? emoji"


async def test_a_tool_may_return_anything(agent: Agent, server: OpenAIServer) -> None:
    """What JSON cannot hold is sent as text, and the history can still be stored."""

    @agent.tool_plain
    def odd() -> object:
        return {"object": agent.__class__, "bytes": b"\xff"}

    server.queue(Reply(calls=[Call("odd")]), "ok")
    result = await agent.run("x")
    assert "core.agent.agent.Agent" in server.requests[1].messages[-1]["content"]
    assert b"core.agent.agent.Agent" in result.all_messages_json()


async def test_a_client_of_the_callers_is_used() -> None:
    """With its transports and hooks, and it stays open."""
    seen: list[httpx.Request] = []

    def answer(request: httpx.Request) -> httpx.Response:
        seen.append(request)
        message = {"content": None, "tool_calls": [{"id": "1", "function": {"name": "f", "arguments": ""}}]}
        if len(seen) > 1:
            message = {"content": "done"}
        return httpx.Response(200, json={"choices": [{"message": message, "finish_reason": "stop"}]})

    async with httpx.AsyncClient(transport=httpx.MockTransport(answer)) as client:
        agent = Agent(OpenAIModel("m", base_url="http://x/v1", api_key="k", http_client=client))
        agent.tool_plain(lambda: "f", name="f")
        result = await agent.run("x", usage_limits=UsageLimits(request_limit=2))
        await agent.aclose()
        assert result.data == "done" and not client.is_closed
    assert str(seen[0].url) == "http://x/v1/chat/completions"
    assert result.all_messages()[1] == ModelResponse(
        [ToolCallPart("f", "", "1")], "m", result.all_messages()[1].timestamp, "stop"
    )


async def test_a_refusal_leaves_the_question_in_the_history(agent: Agent, server: OpenAIServer) -> None:
    """A person who asks again after a failure need not repeat themselves."""
    server.queue(Reply(status=400), "Now.")
    stream = agent.run("My question", stream=True)
    with pytest.raises(ModelHTTPError):
        await anext(stream)
    [request] = stream.new_messages()
    assert isinstance(request, ModelRequest) and isinstance(request.parts[0], UserPromptPart)
    assert (await agent.run("Again", message_history=stream.all_messages())).data == "Now."


async def test_a_stream_falls_back_before_its_first_word_and_never_after(server: OpenAIServer) -> None:
    """Two halves of different answers would be shown as one."""
    first = OpenAIModel("first", base_url=server.base_url, api_key="k")
    second = OpenAIModel("second", base_url=server.base_url, api_key="k")
    agent = Agent(FallbackModel(first, second), model_settings={"max_retries": 0})
    server.queue(Reply(deltas=["x"], error_after=0), "from the second")
    events = [event.content async for event in agent.run("x", stream=True)]
    assert "".join(events) == "from the second"
    assert [request.body["model"] for request in server.requests] == ["first", "second"]
    server.queue(Reply(deltas=["half", "x"], cut_after=1))
    with pytest.raises(ModelStreamBroken):
        async for _ in agent.run("x", stream=True):
            pass
    assert len(server.requests) == 3
    await agent.aclose()


async def test_an_answer_of_thoughts_alone_is_an_error(agent: Agent, server: OpenAIServer) -> None:
    server.reply(Reply(thoughts=["hm"]))
    with pytest.raises(UnexpectedModelBehavior, match="Received empty model response"):
        await agent.run("x")


async def test_an_answer_cut_by_max_tokens_says_so(agent: Agent, server: OpenAIServer) -> None:
    """Whoever shows it can add that there was more to say."""
    server.reply(Reply(deltas=["and so"], finish_reason="length"))
    result = await agent.run("x")
    assert result.event_data == {"finish_reason": "length"}
    assert result.all_messages()[-1].parts == [TextPart("and so")]
