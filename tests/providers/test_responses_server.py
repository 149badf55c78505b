"""The Responses test server, judged by the official SDK."""

import json
from typing import Any

import openai
import pytest

from core.messages import (
    BinaryContent,
    DocumentUrl,
    ImageUrl,
    ModelRequest,
    ModelResponse,
    SystemPromptPart,
    TextPart,
    ThinkingPart,
    ToolCallPart,
    ToolReturnPart,
    UserPromptPart,
)
from core.models import ModelRequestParameters, OpenAIResponsesModel, ToolDefinition
from tests.providers.clients import served_by
from tests.providers.openai_server import Call, Reply
from tests.providers.responses_server import ResponsesReply, ResponsesServer

WHOLE = ResponsesReply(
    thoughts=["Let me", "see"], encrypted="xyz", deltas=["Hel", "lo"], calls=[Call("roll", '{"n": 2}')]
)
ASK: dict[str, Any] = {"model": "gpt-5", "input": "Hi there"}

server = served_by(ResponsesServer)


def sdk(server: ResponsesServer) -> openai.AsyncOpenAI:
    return openai.AsyncOpenAI(base_url=server.base_url, api_key="test", max_retries=0)


async def test_the_sdk_reads_a_whole_response(server: ResponsesServer) -> None:
    """A server the official client cannot read would prove nothing about ours."""
    server.reply(WHOLE)
    async with sdk(server) as client:
        response = await client.responses.create(**ASK)
    assert response.output_text == "Hello" and response.status == "completed"
    assert [item.type for item in response.output] == ["reasoning", "message", "function_call"]
    assert response.usage is not None and response.usage.output_tokens == 3


async def test_the_sdk_reads_a_stream(server: ResponsesServer) -> None:
    """Its own accumulator rebuilds the response from our events, so each of them is where it expects it."""
    server.reply(WHOLE)
    async with sdk(server) as client, client.responses.stream(**ASK) as stream:
        kinds = [event.type async for event in stream]
        final = await stream.get_final_response()
    assert final.output_text == "Hello"
    assert json.loads(final.output[2].arguments) == {"n": 2}  # type: ignore[union-attr]  # the third is the call
    assert final.output[0].encrypted_content == "xyz"  # type: ignore[union-attr]  # and the first the thought
    assert kinds[0] == "response.created" and kinds[-1] == "response.completed"


async def test_the_sdk_understands_failures(server: ResponsesServer) -> None:
    """A refusal, and an error in the middle of a stream."""
    server.queue(Reply(status=429, error={"message": "no"}), ResponsesReply(deltas=["a"], error_after=1))
    async with sdk(server) as client:
        with pytest.raises(openai.RateLimitError, match="no"):
            await client.responses.create(**ASK)
        events = [event async for event in await client.responses.create(**ASK, stream=True)]
    assert events[-1].type == "error" and events[-1].message == "broken"


async def test_our_client_sends_what_the_sdk_would_send(server: ResponsesServer) -> None:
    """Every kind of item, through the SDK's own request."""
    tool = ToolDefinition("roll", "Rolls.", {"type": "object", "properties": {}})
    history = [
        ModelRequest(
            [
                SystemPromptPart("Be kind."),
                UserPromptPart(
                    [
                        "Look:",
                        ImageUrl("https://example.com/a.png"),
                        BinaryContent(b"%PDF", "application/pdf"),
                        DocumentUrl("https://example.com/b.pdf"),
                    ]
                ),
            ]
        ),
        ModelResponse([ThinkingPart("Hm", "openai:rs_1:opaque"), ToolCallPart("roll", {"n": 1}, "call_1")]),
        ModelRequest([ToolReturnPart("roll", "six", "call_1")]),
        ModelResponse([ThinkingPart("other", "of another provider"), TextPart("Six.")]),
        ModelRequest([UserPromptPart("Again")]),
    ]
    model = OpenAIResponsesModel("gpt-5", base_url=server.base_url, api_key="test")
    settings: Any = {
        "max_tokens": 9,
        "openai_reasoning_effort": "low",
        "openai_reasoning_summary": "auto",
        "openai_text": {"format": {"type": "text"}},
        "parallel_tool_calls": False,
    }
    await model.request(history, settings, ModelRequestParameters([tool], False))  # type: ignore[arg-type]
    await model.aclose()
    async with sdk(server) as client:
        await client.responses.create(
            model="gpt-5",
            instructions="Be kind.",
            input=[
                {
                    "role": "user",
                    "content": [
                        {"type": "input_text", "text": "Look:"},
                        {"type": "input_image", "image_url": "https://example.com/a.png", "detail": "auto"},
                        {
                            "type": "input_file",
                            "filename": "document.pdf",
                            "file_data": "data:application/pdf;base64,JVBERg==",
                        },
                        {"type": "input_file", "file_url": "https://example.com/b.pdf"},
                    ],
                },
                {
                    "type": "reasoning",
                    "id": "rs_1",
                    "summary": [{"type": "summary_text", "text": "Hm"}],
                    "encrypted_content": "opaque",
                },
                {"type": "function_call", "call_id": "call_1", "name": "roll", "arguments": '{"n":1}'},
                {"type": "function_call_output", "call_id": "call_1", "output": "six"},
                {"role": "assistant", "content": "Six."},
                {"role": "user", "content": "Again"},
            ],
            tools=[
                {
                    "type": "function",
                    "name": "roll",
                    "description": "Rolls.",
                    "parameters": {"type": "object", "properties": {}},
                    "strict": False,
                }
            ],
            tool_choice="required",
            parallel_tool_calls=False,
            store=False,
            include=["reasoning.encrypted_content"],
            max_output_tokens=9,
            reasoning={"effort": "low", "summary": "auto"},
            text={"format": {"type": "text"}},
        )
    ours, theirs = (request.body for request in server.requests)
    assert ours == theirs
