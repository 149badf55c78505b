"""The provider test server, judged by the official SDK: what it sends must be what OpenAI sends."""

import json

import httpx
import openai
import pytest

from tests.providers.clients import served_by
from tests.providers.openai_server import Call, OpenAIServer, Reply

server = served_by(OpenAIServer)


def sdk(server: OpenAIServer) -> openai.AsyncOpenAI:
    return openai.AsyncOpenAI(base_url=server.base_url, api_key="test", max_retries=0)


TOOLS = [{"type": "function", "function": {"name": "roll", "parameters": {"type": "object", "properties": {}}}}]
ASK = {"model": "gpt-4o", "messages": [{"role": "user", "content": "Hi there"}]}


async def test_the_sdk_reads_a_whole_reply(server: OpenAIServer) -> None:
    """A server the official client cannot read would prove nothing about ours."""
    server.reply(Reply(deltas=["Hel", "lo"], calls=[Call("roll", '{"n": 2}')]))
    async with sdk(server) as client:
        completion = await client.chat.completions.create(**ASK, tools=TOOLS)
    choice = completion.choices[0]
    assert choice.message.content == "Hello"
    assert choice.finish_reason == "tool_calls"
    assert choice.message.tool_calls[0].function.arguments == '{"n": 2}'
    assert completion.usage.total_tokens == 5


async def test_the_sdk_reads_a_stream(server: OpenAIServer) -> None:
    """Deltas, tool call pieces, the usage chunk and the end mark are all where the SDK expects them."""
    server.reply(Reply(deltas=["Hel", "lo"], calls=[Call("roll", '{"n": 2}', pieces=3)]))
    text, args, reasons, usage = "", "", [], None
    async with sdk(server) as client:
        stream = await client.chat.completions.create(
            **ASK, tools=TOOLS, stream=True, stream_options={"include_usage": True}
        )
        async for chunk in stream:
            usage = chunk.usage or usage
            for choice in chunk.choices:
                text += choice.delta.content or ""
                for call in choice.delta.tool_calls or ():
                    args += call.function.arguments or ""
                reasons += [choice.finish_reason] if choice.finish_reason else []
    assert (text, json.loads(args), reasons) == ("Hello", {"n": 2}, ["tool_calls"])
    assert usage is not None and usage.prompt_tokens == 2


@pytest.mark.parametrize(
    ("status", "error"),
    [(401, openai.AuthenticationError), (429, openai.RateLimitError), (500, openai.InternalServerError)],
)
async def test_the_sdk_understands_a_refusal(server: OpenAIServer, status: int, error: type[Exception]) -> None:
    """Refusals carry OpenAI's error body."""
    server.reply(Reply(status=status, error={"message": "no", "code": "some_code"}))
    async with sdk(server) as client:
        with pytest.raises(error, match="no"):
            await client.chat.completions.create(**ASK)


async def test_what_openai_refuses_is_refused(server: OpenAIServer) -> None:
    """A tool message without its call is the commonest way to break a conversation for ever."""
    messages = [{"role": "user", "content": "Hi"}, {"role": "tool", "tool_call_id": "x", "content": "y"}]
    async with httpx.AsyncClient(trust_env=False) as client:
        for broken in ({}, {"model": "m"}, {"model": "m", "messages": messages}):
            answer = await client.post(f"{server.base_url}/chat/completions", json=broken)
            assert answer.status_code == 400
            assert answer.json()["error"]["message"]
    assert server.requests == []


async def test_our_client_sends_what_the_sdk_would_send(server: OpenAIServer) -> None:
    """The SDK's own request for the same conversation is the reference for the fields of ours."""
    from core.messages import ModelRequest, UserPromptPart
    from core.models import ModelRequestParameters, OpenAIModel, ToolDefinition

    async with sdk(server) as client:
        await client.chat.completions.create(**ASK, n=1, tools=TOOLS, tool_choice="auto", temperature=0.5)
    model = OpenAIModel("gpt-4o", base_url=server.base_url, api_key="test")
    tool = ToolDefinition("roll", "", {"type": "object", "properties": {}})
    await model.request(
        [ModelRequest([UserPromptPart("Hi there")])], {"temperature": 0.5}, ModelRequestParameters([tool])
    )
    await model.aclose()
    theirs, ours = (request.body for request in server.requests)
    ours["tools"][0]["function"].pop("description")
    assert ours == theirs
    assert server.requests[1].headers["Authorization"] == server.requests[0].headers["Authorization"]
