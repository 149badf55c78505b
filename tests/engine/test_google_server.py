"""The provider test server, judged by Google's official SDK: what it sends must be what Google sends."""

import base64
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from google import genai
from google.genai import errors as sdk_errors
from google.genai import types

from core.messages import ModelRequest, SystemPromptPart, UserPromptPart
from core.models import GeminiModel, ModelRequestParameters, ToolDefinition
from tests.providers.clients import served_by
from tests.providers.google_server import GoogleServer, Reply, call, text, thought

SIGNATURE = base64.b64encode(b"signed").decode()
SCHEMA = {"type": "object", "properties": {"sides": {"type": "integer"}}, "required": ["sides"]}
ROLL = types.Tool(function_declarations=[types.FunctionDeclaration(name="roll", parameters_json_schema=SCHEMA)])

server = served_by(GoogleServer)


@pytest.fixture
async def sdk(server: GoogleServer) -> AsyncIterator[Any]:
    async with httpx.AsyncClient(trust_env=False) as http:
        options = types.HttpOptions(base_url=server.base_url, api_version="v1beta", httpx_async_client=http)
        client = genai.Client(api_key="test", http_options=options)
        yield client.aio.models
        client.close()


EVERYTHING = Reply(
    [thought("Hm."), "Hel", "lo", call("roll", {"sides": 6}, "c1", SIGNATURE), call("roll", {"sides": 8}, "c2")],
    usage={"thoughtsTokenCount": 3, "cachedContentTokenCount": 1},
)


async def test_the_sdk_reads_a_whole_reply(server: GoogleServer, sdk: Any) -> None:
    """A server the official client cannot read would prove nothing about ours."""
    server.reply(EVERYTHING)
    answer = await sdk.generate_content(
        model="gemini-2.5-pro", contents="Hi there", config=types.GenerateContentConfig(tools=[ROLL])
    )
    parts = answer.candidates[0].content.parts
    assert [part.text for part in parts[:2]] == ["Hm.", "Hello"] and parts[0].thought
    assert [(c.id, c.name, c.args) for c in answer.function_calls] == [
        ("c1", "roll", {"sides": 6}),
        ("c2", "roll", {"sides": 8}),
    ]
    assert parts[2].thought_signature == b"signed"
    assert answer.candidates[0].finish_reason == types.FinishReason.STOP
    assert answer.usage_metadata.prompt_token_count == 2 and answer.usage_metadata.thoughts_token_count == 3


@pytest.mark.parametrize("how", [{}, {"end": "\n\n"}, {"chunk_size": 7}, {"gzip": True}])
async def test_the_sdk_reads_a_stream(server: GoogleServer, sdk: Any, how: dict[str, Any]) -> None:
    """Each event is a whole response, the last one says why it ends."""
    reply = Reply(EVERYTHING.parts, usage=EVERYTHING.usage, **how)
    server.reply(reply)
    stream = await sdk.generate_content_stream(
        model="gemini-2.5-pro", contents="Hi there", config=types.GenerateContentConfig(tools=[ROLL])
    )
    chunks = [chunk async for chunk in stream]
    parts = [part for chunk in chunks for part in chunk.candidates[0].content.parts]
    assert "".join(part.text for part in parts if part.text and not part.thought) == "Hello"
    assert [part.function_call.name for part in parts if part.function_call] == ["roll", "roll"]
    assert chunks[-1].candidates[0].finish_reason == types.FinishReason.STOP
    assert chunks[-1].usage_metadata.candidates_token_count == 5
    assert server.requests[0].query == "alt=sse"


async def test_the_sdk_understands_a_blocked_question(server: GoogleServer, sdk: Any) -> None:
    """No candidates, and a reason."""
    server.reply(Reply(block="PROHIBITED_CONTENT"))
    answer = await sdk.generate_content(model="gemini-2.5-pro", contents="Hi")
    assert answer.candidates is None and answer.prompt_feedback.block_reason.name == "PROHIBITED_CONTENT"


@pytest.mark.parametrize(("status", "word"), [(400, "INVALID_ARGUMENT"), (429, "RESOURCE_EXHAUSTED")])
async def test_the_sdk_understands_a_refusal(server: GoogleServer, sdk: Any, status: int, word: str) -> None:
    """Refusals carry Google's error body, streamed or not."""
    server.reply(Reply(status=status, message="no"))
    with pytest.raises(sdk_errors.ClientError) as caught:
        await sdk.generate_content(model="gemini-2.5-pro", contents="Hi")
    assert (caught.value.code, caught.value.status, caught.value.message) == (status, word, "no")
    with pytest.raises(sdk_errors.ClientError, match=word):
        async for _ in await sdk.generate_content_stream(model="gemini-2.5-pro", contents="Hi"):
            pass


@pytest.mark.parametrize("bare", [True, False])
async def test_the_sdk_understands_an_error_inside_a_stream(server: GoogleServer, sdk: Any, bare: bool) -> None:
    """As bare JSON over several lines, and as an event."""
    server.reply(Reply(["a", "b"], error_after=1, bare_error=bare))
    stream = await sdk.generate_content_stream(model="gemini-2.5-pro", contents="Hi")
    with pytest.raises(sdk_errors.APIError, match="UNAVAILABLE"):
        async for _ in stream:
            pass


async def test_what_the_sdk_sends_is_accepted(server: GoogleServer, sdk: Any) -> None:
    """A conversation with tools, signatures, media and every setting of ours."""
    asked = types.Part.from_function_call(name="roll", args={"sides": 6})
    asked.thought_signature = b"signed"
    answer = await sdk.generate_content(
        model="gemini-3-pro-preview",
        contents=[
            types.UserContent(["Hi", types.Part.from_bytes(data=b"\x89PNG", mime_type="image/png")]),
            types.ModelContent([asked]),
            types.UserContent([types.Part.from_function_response(name="roll", response={"output": 4})]),
        ],
        config=types.GenerateContentConfig(
            system_instruction="Be brief.",
            temperature=0.5,
            max_output_tokens=10,
            stop_sequences=["x"],
            thinking_config=types.ThinkingConfig(include_thoughts=True, thinking_level=types.ThinkingLevel.LOW),
            safety_settings=[
                types.SafetySetting(
                    category=types.HarmCategory.HARM_CATEGORY_HARASSMENT, threshold=types.HarmBlockThreshold.OFF
                )
            ],
            tools=[ROLL],
            tool_config=types.ToolConfig(
                function_calling_config=types.FunctionCallingConfig(
                    mode=types.FunctionCallingConfigMode.ANY, allowed_function_names=["roll"]
                )
            ),
        ),
    )
    assert answer.text == "Hello"


USER = {"role": "user", "parts": [text("Hi")]}
CALL = {"role": "model", "parts": [call("roll")]}
RETURN = {"role": "user", "parts": [{"functionResponse": {"name": "roll", "response": {"output": 1}}}]}
TOOLS = [{"functionDeclarations": [{"name": "roll"}]}]
REFUSED: dict[str, Any] = {
    "no contents": {"contents": []},
    "a role of OpenAI's": {"contents": [{"role": "assistant", "parts": [text("Hi")]}]},
    "no parts": {"contents": [{"role": "user", "parts": []}]},
    "a part of two kinds": {"contents": [{"role": "user", "parts": [{**text("Hi"), **call("roll")}]}]},
    "an unknown field": {"contents": [USER], "messages": []},
    "a call without its return": {"contents": [USER, CALL]},
    "a return without its call": {"contents": [USER, RETURN]},
    "one return of two": {
        "contents": [USER, {"role": "model", "parts": [call("roll"), call("roll")]}, RETURN],
    },
    "a conversation that begins with a call": {"contents": [CALL, RETURN]},
    "both kinds of schema": {
        "contents": [USER],
        "tools": [{"functionDeclarations": [{"name": "f", "parameters": {}, "parametersJsonSchema": SCHEMA}]}],
    },
    "an object without properties": {
        "contents": [USER],
        "tools": [{"functionDeclarations": [{"name": "f", "parametersJsonSchema": {"type": "object"}}]}],
    },
    "allowed names without ANY": {
        "contents": [USER],
        "tools": TOOLS,
        "toolConfig": {"functionCallingConfig": {"mode": "AUTO", "allowedFunctionNames": ["roll"]}},
    },
    "a tool config without tools": {
        "contents": [USER],
        "toolConfig": {"functionCallingConfig": {"mode": "AUTO"}},
    },
    "an unsigned call to Gemini 3": {"contents": [USER, CALL, RETURN]},
}


@pytest.mark.parametrize("name", REFUSED)
async def test_what_google_refuses_is_refused(server: GoogleServer, name: str) -> None:
    """These are the ways in which clients break a conversation for ever."""
    async with httpx.AsyncClient(trust_env=False) as client:
        answer = await client.post(
            f"{server.base_url}/v1beta/models/gemini-3-pro-preview:generateContent",
            json=REFUSED[name],
            headers={"x-goog-api-key": "k"},
        )
    assert answer.status_code == 400 and answer.json()["error"]["status"] == "INVALID_ARGUMENT"
    assert server.requests == []


async def test_a_request_without_a_key_is_refused(server: GoogleServer) -> None:
    async with httpx.AsyncClient(trust_env=False) as client:
        answer = await client.post(f"{server.base_url}/v1beta/models/m:generateContent", json={})
    assert answer.status_code == 403


@pytest.mark.parametrize("streamed", [False, True])
async def test_our_client_sends_what_the_sdk_would_send(server: GoogleServer, sdk: Any, streamed: bool) -> None:
    """The SDK's own request for the same conversation is the reference for address, key and fields of ours."""
    config = types.GenerateContentConfig(
        system_instruction="Be brief.",
        temperature=0.5,
        max_output_tokens=10,
        tools=[ROLL],
        tool_config=types.ToolConfig(
            function_calling_config=types.FunctionCallingConfig(mode=types.FunctionCallingConfigMode.AUTO)
        ),
    )
    ask: dict[str, Any] = {"model": "gemini-2.5-pro", "contents": "Hi there", "config": config}
    model = GeminiModel("gemini-2.5-pro", base_url=server.base_url, api_key="test")
    ours: Any = [ModelRequest([SystemPromptPart("Be brief."), UserPromptPart("Hi there")])]
    parameters = ModelRequestParameters([ToolDefinition("roll", "", SCHEMA)])
    settings: Any = {"temperature": 0.5, "max_tokens": 10}
    if streamed:
        async for _ in await sdk.generate_content_stream(**ask):
            pass
        async with model.request_stream(ours, settings, parameters) as stream:
            async for _ in stream:
                pass
    else:
        await sdk.generate_content(**ask)
        await model.request(ours, settings, parameters)
    await model.aclose()
    theirs, sent = server.requests
    sent.body["tools"][0]["functionDeclarations"][0].pop("description")
    theirs.body["systemInstruction"].pop("role", None)
    assert sent.body == theirs.body
    assert (sent.path, sent.query) == (theirs.path, theirs.query)
    key = "x-goog-api-key"
    assert {k.lower(): v for k, v in sent.headers.items()}[key] == {k.lower(): v for k, v in theirs.headers.items()}[
        key
    ]
