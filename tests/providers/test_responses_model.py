"""Our Responses client against a real server that behaves well and badly."""

import json
from collections.abc import AsyncIterator
from typing import Any

import pytest

from core import Agent
from core.messages import (
    AudioUrl,
    ModelMessagesTypeAdapter,
    ModelRequest,
    TextPart,
    ThinkingPart,
    ToolCallPart,
    UserPromptPart,
)
from core.models import OpenAIResponsesModel, errors, infer_model
from tests.providers.clients import ASK, NOTHING, over_each_transport, served_by, stream
from tests.providers.openai_server import Call, Reply, sse
from tests.providers.responses_server import ResponsesReply, ResponsesServer

RICH = ResponsesReply(
    thoughts=["Let me", "see"],
    encrypted="xyz",
    deltas=["Grüße ", "👋", " 世界"],
    calls=[Call("a", '{"x": [1, 2]}', pieces=4), Call("b", "{}")],
)
RICH_PARTS = [
    ThinkingPart("Let me\n\nsee", "openai:rs_1:xyz"),
    TextPart("Grüße 👋 世界"),
    ToolCallPart("a", '{"x": [1, 2]}', "call_0"),
    ToolCallPart("b", "{}", "call_1"),
]

server = served_by(ResponsesServer)
model = over_each_transport(OpenAIResponsesModel, "gpt-5")


async def test_the_same_answer_streams_and_comes_whole(model: OpenAIResponsesModel, server: ResponsesServer) -> None:
    """Thoughts, text, tool calls, usage and the reason of the end."""
    server.reply(RICH)
    response, usage, told = await stream(model)
    assert response.parts == RICH_PARTS and told == "Grüße 👋 世界"
    assert response.finish_reason == "tool_calls" and response.model_name == "gpt-5"
    whole, whole_usage = await model.request(ASK, None, NOTHING)
    assert (whole.parts, whole.finish_reason, whole_usage) == (response.parts, "tool_calls", usage)
    assert usage.response_tokens == 5 and usage.details == {
        "cached_tokens": 1,
        "cache_write_tokens": 0,
        "reasoning_tokens": 2,
    }
    assert server.requests[0].body["store"] is False


@pytest.mark.parametrize(
    "options",
    [
        {"chunk_size": 1},
        {"chunk_size": 7},
        {"gzip": True},
        {"event_lines": False},
        {"event_lines": False, "end_mark": True},
        {"end_mark": True},
        {"done_events": False},
        {"calls": [], "done_events": False, "finish": False, "end_mark": True},
    ],
)
async def test_how_the_stream_comes_does_not_matter(
    model: OpenAIResponsesModel, server: ResponsesServer, options: dict[str, Any]
) -> None:
    """Byte by byte, compressed, with and without `event:` lines, end mark, `.done` events and last event."""
    server.reply(ResponsesReply(**{**vars(RICH), **options}))
    response, _, told = await stream(model)
    assert told == "Grüße 👋 世界"
    signed = "openai:rs_1:xyz" if options.get("done_events", True) else None  # it comes with the end of its item
    expected = [ThinkingPart("Let me\n\nsee", signed), *RICH_PARTS[1:]]
    assert response.parts == (expected if "calls" not in options else expected[:2])


def event(kind: str, **fields: Any) -> dict[str, Any]:
    return {"type": f"response.{kind}", **fields}


DONE = event("completed", response={"status": "completed", "output": []})
MESSAGE = {"type": "message", "id": "m", "role": "assistant", "content": [{"type": "output_text", "text": "ok"}]}
ONE_WAY_TO_SAY_OK = {
    "deltas": [event("output_text.delta", output_index=0, content_index=0, delta=half) for half in "ok"],
    "the end of the text": [event("output_text.done", output_index=0, content_index=0, text="ok")],
    "the end of the part": [event("content_part.done", output_index=0, content_index=0, part=MESSAGE["content"][0])],
    "the end of the item": [event("output_item.done", output_index=0, item=MESSAGE)],
    "the end of the response": [event("completed", response={"status": "completed", "output": [MESSAGE]})],
    "half in deltas": [
        event("output_text.delta", output_index=0, content_index=0, delta="o"),
        event("completed", response={"output": [MESSAGE]}),
    ],
    "items without a number": [
        event("output_text.delta", item_id="m", delta="ok"),
        event("completed", response={"output": [MESSAGE]}),
    ],
    "a refusal": [event("refusal.delta", output_index=0, content_index=0, delta="ok")],
    "between events nobody knows": [
        event("web_search_call.searching", output_index=0),
        {"type": "keepalive"},
        {},
        event("output_text.delta", output_index=0, content_index=0, delta="ok"),
        event("output_text.annotation.added", output_index=0, annotation={}),
    ],
    "a surrogate pair in two halves": [
        event("output_text.delta", output_index=0, content_index=0, delta="o\ud83d"),
        event("output_text.delta", output_index=0, content_index=0, delta="\udc4bk"),
    ],
}


@pytest.mark.parametrize("way", ONE_WAY_TO_SAY_OK)
async def test_a_text_is_read_once_wherever_it_stands(
    model: OpenAIResponsesModel, server: ResponsesServer, way: str
) -> None:
    """The protocol says everything up to five times; servers that imitate it leave out some of them."""
    events = ONE_WAY_TO_SAY_OK[way]
    last = [] if events[-1]["type"] == "response.completed" else [DONE] if "type" in events[-1] else []
    server.reply(Reply(raw=sse(*events, *last)))
    response, _, _ = await stream(model)
    assert response.parts == [TextPart("o👋k" if "surrogate" in way else "ok")]


async def test_two_messages_stay_apart_and_keep_their_phase(
    model: OpenAIResponsesModel, server: ResponsesServer
) -> None:
    """Glued together they would read as one sentence; newer models want the phase back."""
    messages = [
        {**MESSAGE, "id": "m1", "phase": "commentary"},
        {**MESSAGE, "id": "m2", "phase": "final_answer"},
    ]
    body = {"status": "completed", "model": "gpt-5", "output": messages}
    server.queue(Reply(body=json.dumps(body).encode()), "ok")
    response, _ = await model.request(ASK, None, NOTHING)
    assert [part.content for part in response.parts if isinstance(part, TextPart)] == ["ok\n\nok"]
    await model.request([*ASK, response, *ASK], None, NOTHING)
    said = server.requests[-1].body["input"][1]
    assert said == {"role": "assistant", "content": "ok\n\nok", "phase": "final_answer"}


async def test_thoughts_go_back_encrypted_with_what_they_led_to(server: ResponsesServer) -> None:
    """A reasoning model goes on after a tool call from where it was; the history survives being stored."""
    server.queue(ResponsesReply(encrypted="opaque", calls=[Call("roll", "{}")]), "Six.", "Bye.")
    model = OpenAIResponsesModel("o3", base_url=server.base_url, api_key="k")
    agent = Agent(model, instructions="Be kind.", tools=[roll])
    events = agent.run("Roll", stream=True)
    assert "".join([str(event.content) async for event in events]) == "Six."
    stored = ModelMessagesTypeAdapter.validate_json(ModelMessagesTypeAdapter.dump_json(events.all_messages()))
    await agent.run("Thanks", message_history=stored)
    await model.aclose()
    assert [item.get("type", item.get("role")) for item in server.requests[1].body["input"]] == [
        "user",
        "reasoning",
        "function_call",
        "function_call_output",
    ]
    assert server.requests[1].body["input"][1]["encrypted_content"] == "opaque"
    assert server.requests[2].body["input"][:4] == server.requests[1].body["input"]
    assert {request.body["instructions"] for request in server.requests} == {"Be kind."}


def roll() -> str:
    return "six"


@pytest.mark.parametrize(
    ("code", "error"),
    [
        ("server_error", errors.ModelHTTPError),
        ("rate_limit_exceeded", errors.ModelRateLimited),
        ("context_length_exceeded", errors.ModelContextTooLong),
        ("insufficient_quota", errors.ModelQuotaExceeded),
        ("invalid_prompt", errors.ModelBadRequest),
        ("invalid_image_url", errors.ModelBadRequest),
        ("image_content_policy_violation", errors.ModelContentFiltered),
        ("bio_policy", errors.ModelContentFiltered),
    ],
)
async def test_failures_inside_a_stream_are_typed(
    model: OpenAIResponsesModel, server: ResponsesServer, code: str, error: type[Exception]
) -> None:
    """Status 200 was sent long before: as an `error` event, nested or flat, and as a failed response."""
    said = {"code": code, "message": "no"}
    delta = event("output_text.delta", output_index=0, content_index=0, delta="Half")
    for failure in (
        {"type": "error", **said},
        {"type": "error", "error": said},
        event("failed", response={"status": "failed", "error": said}),
    ):
        server.reply(Reply(raw=sse(delta, failure)))
        with pytest.raises(errors.ModelHTTPError) as caught:
            async with model.request_stream(ASK, None, NOTHING) as streamed:
                async for _ in streamed:
                    pass
        assert type(caught.value) is error
        assert streamed.get().parts == [TextPart("Half")]


async def test_a_response_that_was_cut_says_why(model: OpenAIResponsesModel, server: ResponsesServer) -> None:
    """The limit of tokens leaves an answer; the content filter an error."""
    server.reply(ResponsesReply(deltas=["Half"], incomplete="max_output_tokens"))
    assert (await stream(model))[0].finish_reason == "length"
    assert (await model.request(ASK, None, NOTHING))[0].finish_reason == "length"
    server.reply(ResponsesReply(deltas=["Half"], incomplete="content_filter"))
    with pytest.raises(errors.ModelContentFiltered):
        await stream(model)
    with pytest.raises(errors.ModelContentFiltered):
        await model.request(ASK, None, NOTHING)


async def test_a_stream_is_retried_only_before_its_first_piece(
    model: OpenAIResponsesModel, server: ResponsesServer
) -> None:
    """That a response was created is nothing a person has seen."""
    server.queue(ResponsesReply(deltas=["a"], error_after=0), ResponsesReply(deltas=["a"], cut_after=0), "ok")
    assert (await stream(model))[0].parts == [TextPart("ok")]
    assert len(server.requests) == 3
    server.reply(ResponsesReply(deltas=["one ", "two"], cut_after=1))
    with pytest.raises(errors.ModelStreamBroken):
        await stream(model)
    assert len(server.requests) == 4


async def test_a_thought_may_take_its_time(model: OpenAIResponsesModel, server: ResponsesServer) -> None:
    """Between the first and the last word of a thought nothing comes; that is no idle connection."""
    begun = event("output_item.added", output_index=0, item={"type": "reasoning", "id": "rs_1"})
    server.reply(ResponsesReply(deltas=["a", "b"], hang_after=1))
    with pytest.raises(errors.ModelTimeout) as caught:
        await stream(model, {"idle_timeout": 0.2})
    assert caught.value.phase == "idle"
    server.reply(Reply(raw=sse(begun), hang_after=0))
    server.stream = lambda request, reply: _hanging(sse(begun))  # type: ignore[method-assign]
    with pytest.raises(errors.ModelTimeout) as caught:
        await stream(model, {"idle_timeout": 0.1, "progress_timeout": 0.4, "max_retries": 0})
    assert caught.value.phase == "progress"


async def _hanging(data: bytes) -> AsyncIterator[bytes]:
    import asyncio

    yield data
    await asyncio.Event().wait()


async def test_models_that_never_reason_are_not_asked_for_thoughts(server: ResponsesServer) -> None:
    """They refuse the request for it; and where a name tells nothing, a refusal is answered by asking without."""
    refusal = Reply(status=400, error={"message": "Encrypted content is not supported with this model."})
    for name, requests in (("gpt-4o", 1), ("my-own", 2)):
        server.requests.clear()
        if requests == 2:
            server.queue(refusal)
        model = OpenAIResponsesModel(name, base_url=server.base_url, api_key="k")
        await model.request(ASK, None, NOTHING)
        await model.aclose()
        assert "include" not in server.requests[-1].body and len(server.requests) == requests


def test_the_model_is_found_by_its_name(monkeypatch: pytest.MonkeyPatch) -> None:
    """As `openai-responses:` and the name of the model."""
    monkeypatch.setenv("OPENAI_API_KEY", "k")
    monkeypatch.delenv("OPENAI_BASE_URL", raising=False)
    model = infer_model("openai-responses:gpt-5")
    assert isinstance(model, OpenAIResponsesModel)
    assert (model.model_name, model.system, model.base_url) == ("gpt-5", "openai", "https://api.openai.com/v1")


async def test_sound_is_refused_clearly(server: ResponsesServer) -> None:
    """The API takes none."""
    model = OpenAIResponsesModel("gpt-5", base_url=server.base_url, api_key="k")
    with pytest.raises(errors.UserError, match="not audio/mpeg"):
        await model.request([ModelRequest([UserPromptPart([AudioUrl("https://x/y.mp3")])])], None, NOTHING)


@pytest.mark.parametrize("body", [b"<html>", b"[]", b"{}", b'{"output": 3}', b'{"output": [3]}'])
async def test_garbage_instead_of_a_response_is_a_typed_error(
    model: OpenAIResponsesModel, server: ResponsesServer, body: bytes
) -> None:
    """A login page with status 200, for instance."""
    server.reply(Reply(body=body))
    for ask in (model.request(ASK, None, NOTHING), stream(model)):
        with pytest.raises(errors.UnexpectedModelBehavior):
            await ask
