"""The provider test server, judged by the official SDK: what it sends must be what Anthropic sends."""

import json
from typing import Any

import anthropic
import httpx
import pytest

from core.messages import (
    BinaryContent,
    ImageUrl,
    ModelRequest,
    ModelResponse,
    RetryPromptPart,
    SystemPromptPart,
    TextPart,
    ThinkingPart,
    ToolCallPart,
    ToolReturnPart,
    UserPromptPart,
)
from core.models import AnthropicModel, ModelRequestParameters, ToolDefinition
from tests.providers.anthropic_server import AnthropicServer, Call, Redacted, Reply, Thought
from tests.providers.clients import served_by

ASK: Any = {"model": "claude-test", "max_tokens": 64, "messages": [{"role": "user", "content": "Hi"}]}
TOOLS: Any = [{"name": "roll", "description": "Roll.", "input_schema": {"type": "object", "properties": {}}}]
EVERYTHING = Reply(
    [Thought(["Let me ", "see."]), Redacted("enc-1"), ["Gr", "üße 👋"], Call("roll", '{"n": [1, 2]}', "toolu_a", 4)],
    usage={"input_tokens": 3, "cache_read_input_tokens": 20, "cache_creation_input_tokens": 4, "output_tokens": 9},
)

server = served_by(AnthropicServer)


def sdk(server: AnthropicServer) -> anthropic.AsyncAnthropic:
    return anthropic.AsyncAnthropic(base_url=server.base_url, api_key="test", max_retries=0)


def check(message: anthropic.types.Message) -> None:
    thought, redacted, text, call = message.content
    assert thought.type == "thinking" and (thought.thinking, thought.signature) == ("Let me see.", "sig-1")
    assert redacted.type == "redacted_thinking" and redacted.data == "enc-1"
    assert text.type == "text" and text.text == "Grüße 👋"
    assert call.type == "tool_use" and (call.name, call.id, call.input) == ("roll", "toolu_a", {"n": [1, 2]})
    assert message.stop_reason == "tool_use" and message.model == "claude-test" and message.role == "assistant"
    assert (message.usage.input_tokens, message.usage.output_tokens) == (3, 9)
    assert (message.usage.cache_read_input_tokens, message.usage.cache_creation_input_tokens) == (20, 4)


async def test_the_sdk_reads_a_whole_message(server: AnthropicServer) -> None:
    """A server the official client cannot read would prove nothing about ours."""
    server.reply(EVERYTHING)
    async with sdk(server) as client:
        check(await client.messages.create(**ASK, tools=TOOLS))


async def test_the_sdk_reads_a_stream(server: AnthropicServer) -> None:
    """Every documented event is where the SDK's accumulator expects it."""
    server.reply(EVERYTHING)
    kinds: list[str] = []
    async with sdk(server) as client, client.messages.stream(**ASK, tools=TOOLS) as stream:
        async for event in stream:
            kinds.append(event.type)
        check(await stream.get_final_message())
    assert {"message_start", "content_block_start", "content_block_delta", "content_block_stop"} < {*kinds}
    assert kinds[-1] == "message_stop"


@pytest.mark.parametrize(
    ("status", "kind", "error"),
    [
        (400, "invalid_request_error", anthropic.BadRequestError),
        (401, "authentication_error", anthropic.AuthenticationError),
        (403, "permission_error", anthropic.PermissionDeniedError),
        (404, "not_found_error", anthropic.NotFoundError),
        (413, "request_too_large", anthropic.APIStatusError),
        (429, "rate_limit_error", anthropic.RateLimitError),
        (500, "api_error", anthropic.InternalServerError),
        (529, "overloaded_error", anthropic.InternalServerError),
    ],
)
async def test_the_sdk_understands_a_refusal(
    server: AnthropicServer, status: int, kind: str, error: type[anthropic.APIStatusError]
) -> None:
    """Refusals carry Anthropic's envelope and request id."""
    server.reply(Reply(status=status, error={"message": "no"}))
    async with sdk(server) as client:
        with pytest.raises(error, match="no") as caught:
            await client.messages.create(**ASK)
    assert caught.value.status_code == status and caught.value.request_id == "req_test"
    assert isinstance(caught.value.body, dict) and caught.value.body["error"]["type"] == kind


async def test_the_sdk_understands_an_error_inside_a_stream(server: AnthropicServer) -> None:
    """Status 200 was sent long before."""
    server.reply(Reply(["one"], error_after=4, error={"type": "overloaded_error", "message": "Overloaded"}))
    async with sdk(server) as client:
        with pytest.raises(anthropic.APIStatusError, match="Overloaded"):
            async with client.messages.stream(**ASK) as stream:
                async for _ in stream:
                    pass


def turn(role: str, *blocks: Any) -> dict[str, Any]:
    return {"role": role, "content": list(blocks)}


CALL = {"type": "tool_use", "id": "t1", "name": "roll", "input": {}}
RESULT = {"type": "tool_result", "tool_use_id": "t1", "content": "6"}
HI = {"type": "text", "text": "Hi"}
BROKEN: dict[str, Any] = {
    "max_tokens": {"max_tokens": None},
    "at least one message": {"messages": []},
    "roles must alternate": {"messages": [turn("user", HI), turn("user", HI)]},
    'beginning with "user"': {"messages": [turn("assistant", HI)]},
    "non-whitespace": {"messages": [turn("user", {"type": "text", "text": " "})]},
    "without `tool_result`": {"messages": [turn("user", HI), turn("assistant", CALL), turn("user", HI)]},
    "unexpected `tool_use_id`": {"messages": [turn("user", RESULT)]},
    "must come first": {"messages": [turn("user", HI), turn("assistant", CALL), turn("user", HI, RESULT)]},
    "ids must be unique": {"messages": [turn("user", HI), turn("assistant", CALL, CALL), turn("user", RESULT)]},
    "must define `tools`": {"messages": [turn("user", HI), turn("assistant", CALL), turn("user", RESULT)]},
    "tool_choice": {"tool_choice": {"type": "auto"}},
    "input_schema.type": {"tools": [{"name": "x", "input_schema": {}}]},
    "forces tool use": {"thinking": {"type": "adaptive"}, "tool_choice": {"type": "any"}, "tools": TOOLS},
    "budget_tokens": {"thinking": {"type": "enabled", "budget_tokens": 1024}},
    "Invalid `signature`": {
        "messages": [turn("user", HI), turn("assistant", {"type": "thinking", "thinking": "x", "signature": "rs_1"})]
    },
    "Expected `thinking`": {
        "thinking": {"type": "enabled", "budget_tokens": 1024},
        "max_tokens": 2000,
        "tools": TOOLS,
        "messages": [turn("user", HI), turn("assistant", CALL), turn("user", RESULT)],
    },
    "Extra inputs": {"seed": 1},
}


@pytest.mark.parametrize("said", BROKEN)
async def test_what_anthropic_refuses_is_refused(server: AnthropicServer, said: str) -> None:
    """Each of these has broken somebody's conversation for ever."""
    headers = {"x-api-key": "k", "anthropic-version": "2023-06-01"}
    async with httpx.AsyncClient(trust_env=False) as client:
        answer = await client.post(f"{server.base_url}/v1/messages", json=ASK | BROKEN[said], headers=headers)
        assert answer.status_code == 400 and said in answer.json()["error"]["message"]
        assert (await client.post(f"{server.base_url}/v1/messages", json=ASK)).status_code == 401
    assert server.requests == []


async def test_our_client_sends_what_the_sdk_would_send(server: AnthropicServer) -> None:
    """The SDK's own request for the same conversation is the reference for ours (both at the older version)."""
    messages: Any = [
        turn(
            "user",
            {"type": "text", "text": "Look:"},
            {"type": "image", "source": {"type": "url", "url": "https://x/y.png"}},
            {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "iVBORw=="}},
            {"type": "document", "source": {"type": "base64", "media_type": "application/pdf", "data": "JVBERg=="}},
        ),
        turn(
            "assistant",
            {"type": "thinking", "thinking": "hm", "signature": "sig-9"},
            {"type": "redacted_thinking", "data": "enc-9"},
            {"type": "text", "text": "Let me see."},
            {"type": "tool_use", "id": "t1", "name": "roll", "input": {"n": 1}},
            {"type": "tool_use", "id": "t2", "name": "roll", "input": {}},
        ),
        turn(
            "user",
            {"type": "tool_result", "tool_use_id": "t1", "content": '{"y":2}', "is_error": False},
            {
                "type": "tool_result",
                "tool_use_id": "t2",
                "content": "No!\n\nFix the errors and try again.",
                "is_error": True,
            },
            {"type": "text", "text": "And?"},
        ),
    ]
    async with sdk(server) as client:
        await client.messages.create(
            model="claude-test",
            max_tokens=1024,
            system=[{"type": "text", "text": "Be brief."}, {"type": "text", "text": "Be kind."}],
            messages=messages,
            tools=TOOLS,
            tool_choice={"type": "any", "disable_parallel_tool_use": True},
            stop_sequences=["END"],
            metadata={"user_id": "u1"},
            extra_body={"temperature": 0.5, "top_p": 0.9},
            extra_headers={"anthropic-version": "2023-06-01"},
        )
    model = AnthropicModel("claude-test", base_url=server.base_url, api_key="test")
    paper, picture = BinaryContent(b"%PDF", "application/pdf"), BinaryContent(b"\x89PNG", "image/png")
    settings: Any = {
        "temperature": 0.5,
        "top_p": 0.9,
        "stop_sequences": ["END"],
        "parallel_tool_calls": False,
        "anthropic_metadata": {"user_id": "u1"},
        "seed": 3,
        "timeout": 9,
    }
    await model.request(
        [
            ModelRequest([SystemPromptPart("Be brief."), SystemPromptPart("Be kind.")]),
            ModelRequest([UserPromptPart(["Look:", ImageUrl("https://x/y.png"), picture, paper])]),
            ModelResponse(
                [
                    ThinkingPart("hm", "sig-9"),
                    ThinkingPart("", "redacted_thinking:enc-9"),
                    TextPart("Let me see."),
                    ToolCallPart("roll", '{"n": 1}', "t1"),
                    ToolCallPart("roll", "", "t2"),
                ],
                "claude-test",
            ),
            ModelRequest([ToolReturnPart("roll", {"y": 2}, "t1"), RetryPromptPart("No!", "roll", "t2")]),
            ModelRequest([UserPromptPart("And?")]),
        ],
        settings,
        ModelRequestParameters([ToolDefinition("roll", "Roll.", {"type": "object", "properties": {}})], False),
    )
    await model.aclose()
    theirs, ours = server.requests
    assert json.loads(json.dumps(ours.body)) == theirs.body
    their_headers, our_headers = theirs.headers, ours.headers
    for name in ("anthropic-version", "content-type"):
        assert our_headers[name] == their_headers[name]
    assert our_headers["x-api-key"] == "test" and "authorization" not in our_headers
