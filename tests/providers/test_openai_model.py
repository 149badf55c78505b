"""Our chat completions client against a real server that behaves well and badly."""

import asyncio
import json
from typing import Any

import pytest

from core.messages import (
    BinaryContent,
    DocumentUrl,
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
from core.models import (
    ModelRequestParameters,
    OpenAIModel,
    ToolDefinition,
    errors,
    infer_model,
    override_allow_model_requests,
)
from tests.providers.clients import (
    ASK,
    NOTHING,
    Held,
    cancelled,
    everything_closed,
    over_each_transport,
    served_by,
    stream,
    times_out,
)
from tests.providers.openai_server import Call, OpenAIServer, Reply, sse

server = served_by(OpenAIServer)
model = over_each_transport(OpenAIModel, "gpt-4o")


async def test_text_usage_and_finish_reason_arrive(model: OpenAIModel, server: OpenAIServer) -> None:
    """The same answer, streamed and whole."""
    server.reply(["Hel", "lo ", "you"])
    response, usage, told = await stream(model)
    assert [part.content for part in response.parts] == ["Hello you"] and told == "Hello you"
    assert response.finish_reason == "stop" and response.model_name == "gpt-4o"
    whole, whole_usage = await model.request(ASK, None, NOTHING)
    assert whole.parts == response.parts and whole.finish_reason == "stop"
    assert usage == whole_usage
    assert (usage.request_tokens, usage.response_tokens, usage.total_tokens) == (2, 3, 5)
    assert server.requests[0].body["stream_options"] == {"include_usage": True}
    assert server.requests[0].headers["Authorization"] == "Bearer secret"


async def test_tool_calls_and_thoughts_arrive(model: OpenAIModel, server: OpenAIServer) -> None:
    """Arguments cut into many pieces become whole again; two calls stay two."""
    server.reply(Reply(thoughts=["hm", "m"], calls=[Call("a", '{"x": [1, 2]}', pieces=5), Call("b", "{}")]))
    response, _, _ = await stream(model)
    assert response.parts == [
        ThinkingPart("hmm"),
        ToolCallPart("a", '{"x": [1, 2]}', "call_0"),
        ToolCallPart("b", "{}", "call_1"),
    ]
    assert (await model.request(ASK, None, NOTHING))[0].parts == response.parts


@pytest.mark.parametrize("options", [{"chunk_size": 1}, {"gzip": True}, {"ignore_include_usage": True}])
async def test_how_the_bytes_come_does_not_matter(
    model: OpenAIModel, server: OpenAIServer, options: dict[str, Any]
) -> None:
    """Byte by byte through the middle of characters, compressed, without usage."""
    server.reply(Reply(deltas=["Grüße ", "👋", " 世界"], **options))
    response, _, told = await stream(model)
    assert told == "Grüße 👋 世界" and response.parts == [TextPart("Grüße 👋 世界")]


def chunk(delta: Any = None, finish: str | None = None, **more: Any) -> dict[str, Any]:
    return {"choices": [{"index": 0, "delta": delta, "finish_reason": finish}], **more}


TOLERATED = {
    "event lines, comments and CRLF": b": hi\r\n\r\n"
    + b"event: message\r\n"
    + sse(chunk({"content": "ok"}), end="\r\n\r\n")
    + sse(chunk({}, "stop"), "[DONE]"),
    "a BOM": b"\xef\xbb\xbf" + sse(chunk({"content": "ok"}), "[DONE]"),
    "no [DONE]": sse(chunk({"content": "ok"}), chunk({}, "stop")),
    "no finish reason": sse(chunk({"content": "ok"}), "[DONE]"),
    "no last empty line": sse(chunk({"content": "ok"})) + b"data: [DONE]",
    "empty choices, null delta, null content": sse(
        {"choices": []}, chunk(None), chunk({"content": None}), chunk({"content": "ok"}), chunk(None, "stop")
    ),
    "no choices at all": sse({"id": "x"}, {"choices": None}, chunk({"content": "ok"}, "stop")),
    "content as parts": sse(chunk({"content": [{"type": "text", "text": "ok"}]}, "stop")),
    "a surrogate pair in two halves": b'data: {"choices":[{"delta":{"content":"o\\ud83d"}}]}\n\n'
    + b'data: {"choices":[{"delta":{"content":"\\udc4bk"},"finish_reason":"stop"}]}\n\n',
}


@pytest.mark.parametrize("name", TOLERATED)
async def test_deviations_of_servers_are_tolerated(model: OpenAIModel, server: OpenAIServer, name: str) -> None:
    """Each of these is sent by some compatible server."""
    server.reply(Reply(raw=TOLERATED[name]))
    response, _, _ = await stream(model)
    assert response.parts == [TextPart("o👋k" if "surrogate" in name else "ok")]


async def test_usage_is_cumulative_and_may_come_in_any_chunk(model: OpenAIModel, server: OpenAIServer) -> None:
    """Summing what is already a sum would charge a person several times."""
    usages = [{"prompt_tokens": 5, "completion_tokens": count, "total_tokens": 5 + count} for count in (1, 2)]
    chunks = [chunk({"content": "ok"}, usage=usages[0]), chunk({"content": "!"}, "stop", usage=usages[1])]
    server.reply(Reply(raw=sse(*chunks, "[DONE]")))
    _, usage, _ = await stream(model)
    assert (usage.request_tokens, usage.response_tokens, usage.total_tokens) == (5, 2, 7)


@pytest.mark.parametrize(
    "calls",
    [
        [[{"id": "1", "function": {"name": "a", "arguments": '{"x"'}}], [{"function": {"arguments": ": 1}"}}]],
        [[{"index": 0, "function": {"name": "a", "arguments": '{"x": 1}'}, "id": "1"}]],
        [[{"id": "1", "function": {"name": "a", "arguments": {"x": 1}}}]],
        [[{"index": 0, "id": "1", "function": {"name": "a"}}], [{"index": 0, "function": {"arguments": '{"x": 1}'}}]],
    ],
)
async def test_tool_calls_without_index_or_in_one_piece_are_read(
    model: OpenAIModel, server: OpenAIServer, calls: list[Any]
) -> None:
    """Compatible servers leave out the index, or send the arguments as an object."""
    server.reply(Reply(raw=sse(*(chunk({"tool_calls": call}) for call in calls), chunk({}, "tool_calls"))))
    response, _, _ = await stream(model)
    [call] = response.parts
    assert isinstance(call, ToolCallPart)
    assert (call.tool_name, call.args_as_dict(), call.tool_call_id) == ("a", {"x": 1}, "1")


ONE, TWO = '{"city": "Rome"}', '{"city": "Oslo", "in": {"a": 1}}'


@pytest.mark.parametrize(
    ("pieces", "whole"),
    [
        pytest.param([("1", "a", ONE), ("2", "b", TWO)], [("1", "a", ONE), ("2", "b", TWO)], id="one index for all"),
        pytest.param(
            [("1", "a", ONE), ("2", "b", TWO[:12]), (None, None, TWO[12:])],
            [("1", "a", ONE), ("2", "b", TWO)],
            id="one index for all, and pieces",
        ),
        pytest.param(
            [("1", "a", TWO[:9]), ("1", "a", TWO[9:-1]), ("1", "a", "}")], [("1", "a", TWO)], id="name and id again"
        ),
        pytest.param(
            [("1", "a", TWO[:9]), ("2", "a", TWO[9:-1]), ("3", "a", "}")], [("3", "a", TWO)], id="an id for each piece"
        ),
        pytest.param([("1", "a", ""), (None, "b", ""), (None, None, ONE)], [("1", "ab", ONE)], id="a name in pieces"),
    ],
)
async def test_calls_are_told_apart_where_the_index_does_not(
    model: OpenAIModel, server: OpenAIServer, pieces: list[Any], whole: list[Any]
) -> None:
    """Compatible servers give every call the index 0, or say its name and id with every piece."""
    deltas = [
        {"index": 0, "type": "function", "function": {"name": name, "arguments": args}, "id": call_id}
        for call_id, name, args in pieces
    ]
    server.reply(Reply(raw=sse(*(chunk({"tool_calls": [delta]}) for delta in deltas), chunk({}, "tool_calls"))))
    response, _, _ = await stream(model)
    assert response.parts == [ToolCallPart(name, args, call_id) for call_id, name, args in whole]


async def test_a_server_that_does_not_stream_is_read(model: OpenAIModel, server: OpenAIServer) -> None:
    """Some proxies ignore `stream` and send the whole completion."""
    body = {"choices": [{"message": {"content": "ok"}, "finish_reason": "stop"}]}
    server.reply(Reply(body=json.dumps(body).encode()))
    assert (await stream(model))[0].parts == [TextPart("ok")]


@pytest.mark.parametrize(
    ("reply", "error"),
    [
        (Reply(status=401), errors.ModelAuthError),
        (Reply(status=403), errors.ModelAuthError),
        (Reply(status=404), errors.ModelNotFound),
        (Reply(status=400), errors.ModelBadRequest),
        (Reply(status=400, error={"code": "context_length_exceeded"}), errors.ModelContextTooLong),
        (Reply(status=400, error={"message": "prompt is too long: 9 > 8"}), errors.ModelContextTooLong),
        (Reply(status=400, error={"code": "content_filter"}), errors.ModelContentFiltered),
        (Reply(status=429, error={"code": "insufficient_quota"}), errors.ModelQuotaExceeded),
        (Reply(status=429, headers={"retry-after": "30"}), errors.ModelRateLimited),
        (Reply(status=418, body=b"<html>teapot"), errors.ModelHTTPError),
    ],
)
async def test_refusals_become_typed_errors_at_once(
    model: OpenAIModel, server: OpenAIServer, reply: Reply, error: type[Exception]
) -> None:
    """None of these passes by waiting (or not within 20 s), so one request is made."""
    server.reply(reply)
    with pytest.raises(errors.ModelHTTPError) as caught:
        await stream(model)
    assert type(caught.value) is error
    assert caught.value.status_code == reply.status and f"status_code: {reply.status}" in str(caught.value)
    with pytest.raises(error):
        await model.request(ASK, None, NOTHING)
    assert len(server.requests) == 2


async def test_a_rate_limit_says_how_long(model: OpenAIModel, server: OpenAIServer) -> None:
    """More than 20 s is not waited for here: who asked decides."""
    server.reply(Reply(status=429, headers={"retry-after": "30"}))
    with pytest.raises(errors.ModelRateLimited) as caught:
        await model.request(ASK, None, NOTHING)
    assert caught.value.retry_after_s == 30


@pytest.mark.parametrize("status", [408, 409, 429, 500, 503, 529])
async def test_what_may_pass_is_tried_again(model: OpenAIModel, server: OpenAIServer, status: int) -> None:
    """Nothing was delivered, so trying again shows nothing twice."""
    fail = Reply(status=status, headers={"retry-after": "0.01"})
    server.queue(fail, fail, "ok", fail, fail, "ok")
    assert (await stream(model))[0].parts == [TextPart("ok")]
    assert (await model.request(ASK, None, NOTHING))[0].parts == [TextPart("ok")]
    assert len(server.requests) == 6


async def test_retries_end(model: OpenAIModel, server: OpenAIServer) -> None:
    """Two further attempts, then the error."""
    server.reply(Reply(status=529, headers={"retry-after": "0"}))
    with pytest.raises(errors.ModelOverloaded):
        await stream(model)
    assert len(server.requests) == 3
    with pytest.raises(errors.ModelOverloaded):
        await stream(model, {"max_retries": 0})
    assert len(server.requests) == 4


async def test_nobody_waits_for_several_first_events(model: OpenAIModel, server: OpenAIServer) -> None:
    """A provider that fails slowly three times would keep a person waiting three times as long as allowed."""
    server.reply(Reply(status=500, before=lambda: asyncio.sleep(0.2)))
    with pytest.raises(errors.ModelHTTPError):
        await stream(model, {"first_event_timeout": 0.5})
    assert len(server.requests) == 1


async def test_a_stream_that_dies_before_its_first_word_is_tried_again(
    model: OpenAIModel, server: OpenAIServer
) -> None:
    """The role chunk is nothing a person has seen."""
    server.queue(Reply(deltas=["a"], cut_after=0), Reply(deltas=["a"], error_after=0), "ok")
    assert (await stream(model))[0].parts == [TextPart("ok")]
    assert len(server.requests) == 3


async def test_a_stream_that_is_cut_keeps_its_beginning(model: OpenAIModel, server: OpenAIServer) -> None:
    """Half an answer is not shown as a whole one, not asked for again, and not thrown away."""
    server.reply(Reply(deltas=["one ", "two ", "three"], cut_after=2))
    told = []
    with pytest.raises(errors.ModelStreamBroken):
        async with model.request_stream(ASK, None, NOTHING) as streamed:
            async for event in streamed:
                told.append(event)
    assert streamed.get().parts == [TextPart("one two ")] and len(told) == 2
    assert len(server.requests) == 1


async def test_an_end_without_any_end_mark_is_broken(model: OpenAIModel, server: OpenAIServer) -> None:
    """A proxy that closes politely in the middle looks like an end; it is none."""
    server.reply(Reply(deltas=["one"], finish=False, done=False))
    with pytest.raises(errors.ModelStreamBroken):
        await stream(model)


@pytest.mark.parametrize("garbage", [b"data: {not json\n\n", b"data: 7\n\n", b'data: {"choices": [3]}\n\n'])
async def test_garbage_in_a_stream_is_a_typed_error(model: OpenAIModel, server: OpenAIServer, garbage: bytes) -> None:
    """No parser exception of ours reaches the caller."""
    server.reply(Reply(raw=sse(chunk({"content": "ok"})) + garbage))
    with pytest.raises(errors.ModelStreamBroken):
        await stream(model)


async def test_garbage_instead_of_a_completion_is_a_typed_error(model: OpenAIModel, server: OpenAIServer) -> None:
    """A login page with status 200, for instance."""
    for body in (b"<html>", b"[]", b"{}", b'{"choices": []}'):
        server.reply(Reply(body=body))
        with pytest.raises(errors.UnexpectedModelBehavior):
            await model.request(ASK, None, NOTHING)
        with pytest.raises(errors.UnexpectedModelBehavior):
            await stream(model)


async def test_an_error_inside_a_stream_is_typed(model: OpenAIModel, server: OpenAIServer) -> None:
    """Status 200 was sent long before."""
    server.reply(Reply(deltas=["a", "b"], error_after=1, error={"code": "rate_limit_exceeded"}))
    with pytest.raises(errors.ModelRateLimited):
        await stream(model)


async def test_a_filtered_answer_is_an_error(model: OpenAIModel, server: OpenAIServer) -> None:
    """An answer that stops in the middle of a sentence needs its reason."""
    server.reply(Reply(deltas=["a"], finish_reason="content_filter"))
    with pytest.raises(errors.ModelContentFiltered):
        await stream(model)
    with pytest.raises(errors.ModelContentFiltered):
        await model.request(ASK, None, NOTHING)


@pytest.mark.parametrize(
    ("settings", "reply", "phase"),
    [
        ({"first_event_timeout": 0.3}, Reply(before=lambda: asyncio.Event().wait()), "first event"),
        ({"first_event_timeout": 5, "idle_timeout": 0.1}, Reply(deltas=["a", "b"], hang_after=1), "idle"),
        ({"timeout": 0.3}, Reply(deltas=["a"], hang_after=0), "whole request"),
        ({"timeout": 0.3}, Reply(deltas=["a", "b"], hang_after=1), "whole request"),
    ],
)
async def test_silence_ends_in_a_timeout_that_says_which(
    model: OpenAIModel, server: OpenAIServer, settings: Any, reply: Reply, phase: str
) -> None:
    """A person waits for a process that looks alive; the error names the setting."""
    server.reply(reply)
    await times_out(model, settings, phase, server)


async def test_nobody_there_is_a_connection_error(unused_tcp_port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """The message names host and port, and nothing secret."""
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    model = OpenAIModel("m", base_url=f"http://user:pass@127.0.0.1:{unused_tcp_port}/v1")
    with pytest.raises(errors.ModelConnectionError, match=f"127.0.0.1:{unused_tcp_port}") as caught:
        await stream(model, {"max_retries": 0})
    assert "pass" not in str(caught.value)
    await model.aclose()


async def test_leaving_a_stream_early_stops_the_provider(model: OpenAIModel, server: OpenAIServer) -> None:
    """Tokens nobody reads cost money: the server must notice that we went away."""
    server.reply(Reply(deltas=["a", "b", "c"], hang_after=2))
    async with model.request_stream(ASK, None, NOTHING) as streamed:
        async for _ in streamed:
            break
    await everything_closed(server)
    assert streamed.get().parts == [TextPart("a")]


async def test_a_cancelled_request_stops_the_provider(model: OpenAIModel, server: OpenAIServer) -> None:
    """Also before the first word."""
    held = Held()
    server.reply(Reply(before=held))
    for asking in (stream(model), model.request(ASK, None, NOTHING)):
        await cancelled(asking, held.arrived, server)


async def test_every_part_is_sent_as_documented(server: OpenAIServer) -> None:
    """The whole wire format of a conversation in one look."""
    model = OpenAIModel(id="gpt-4o", base_url=server.base_url + "/", api_key="k", system_prompt_role="developer")
    paper = BinaryContent(b"%PDF", "application/pdf")
    ends = ToolDefinition("r", "ends", {})
    picture = BinaryContent(b"\x89PNG", "image/png")
    await model.request(
        [
            ModelRequest(
                [
                    SystemPromptPart("Be brief."),
                    UserPromptPart(["Look:", ImageUrl("https://x/y.png"), picture, paper]),
                ]
            ),
            ModelResponse([ThinkingPart("hm"), TextPart("Let me see."), ToolCallPart("a", {"x": 1}, "c1")]),
            ModelRequest([ToolReturnPart("a", {"y": 2}, "c1"), RetryPromptPart("No!")]),
            ModelResponse([TextPart(""), ThinkingPart("only a thought")]),
        ],
        {"max_tokens": 5, "temperature": 0, "seed": 1, "timeout": 9, "logit_bias": {"1": 2}, "stop_sequences": ["END"]},
        ModelRequestParameters([ToolDefinition("a", "does a", {"type": "object"})], False, [ends]),
    )
    await model.aclose()
    body = server.requests[0].body
    assert body["messages"] == [
        {"role": "developer", "content": "Be brief."},
        {
            "role": "user",
            "content": [
                {"type": "text", "text": "Look:"},
                {"type": "image_url", "image_url": {"url": "https://x/y.png"}},
                {"type": "image_url", "image_url": {"url": "data:image/png;base64,iVBORw=="}},
                {
                    "type": "file",
                    "file": {"filename": "document.pdf", "file_data": "data:application/pdf;base64,JVBERg=="},
                },
            ],
        },
        {
            "role": "assistant",
            "content": "Let me see.",
            "tool_calls": [{"id": "c1", "type": "function", "function": {"name": "a", "arguments": '{"x":1}'}}],
        },
        {"role": "tool", "tool_call_id": "c1", "content": '{"y":2}'},
        {"role": "user", "content": "No!\n\nFix the errors and try again."},
    ]
    assert [tool["function"]["name"] for tool in body["tools"]] == ["a", "r"]
    assert body["tool_choice"] == "required"
    assert {key: body[key] for key in ("max_tokens", "temperature", "seed", "logit_bias")} == {
        "max_tokens": 5,
        "temperature": 0,
        "seed": 1,
        "logit_bias": {"1": 2},
    }
    assert body["stop"] == ["END"] and "timeout" not in body and "stream" not in body


async def test_a_document_url_is_refused_clearly(server: OpenAIServer) -> None:
    """Chat completions take no address of a document."""
    model = OpenAIModel("m", base_url=server.base_url, api_key="k")
    with pytest.raises(NotImplementedError, match="DocumentUrl"):
        await model.request([ModelRequest([UserPromptPart([DocumentUrl("https://x/y.pdf")])])], None, NOTHING)


def test_a_missing_key_names_the_setting(monkeypatch: pytest.MonkeyPatch) -> None:
    """Only OpenAI itself insists on a key."""
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    monkeypatch.delenv("OPENAI_BASE_URL", raising=False)
    with pytest.raises(errors.UserError, match="OPENAI_API_KEY"):
        infer_model("openai:gpt-4o")
    monkeypatch.setenv("OPENAI_BASE_URL", "http://localhost:1234/v1")
    assert infer_model("gpt-4o").base_url == "http://localhost:1234/v1"


def test_ollama_is_a_compatible_server(monkeypatch: pytest.MonkeyPatch) -> None:
    """OpenAI's key never goes to it."""
    monkeypatch.delenv("OLLAMA_BASE_URL", raising=False)
    monkeypatch.setenv("OPENAI_API_KEY", "secret")
    model = infer_model("ollama:llama3.2")
    assert (model.model_name, model.base_url, model.system) == (
        "llama3.2",
        "http://localhost:11434/v1",
        "ollama",
    )
    assert isinstance(model, OpenAIModel) and model._api_key == "ollama"


@pytest.mark.parametrize("name", ["bedrock:claude", "cohere:command-r"])
def test_a_provider_not_built_yet_says_so(name: str) -> None:
    """Better than an unknown model."""
    with pytest.raises(errors.UserError, match="not built in yet"):
        infer_model(name)
    with pytest.raises(errors.UserError, match="Unknown model: nonsense"):
        infer_model("nonsense")


async def test_requests_can_be_switched_off(server: OpenAIServer) -> None:
    """Tests of other people's bots must not spend money."""
    model = OpenAIModel("m", base_url=server.base_url, api_key="k")
    with override_allow_model_requests(False), pytest.raises(RuntimeError, match="ALLOW_MODEL_REQUESTS is False"):
        await model.request(ASK, None, NOTHING)
    assert server.requests == []


def test_connections_close_with_their_loop() -> None:
    """`asyncio.run` once after another, as scripts do, with the same model and nothing closed by hand."""

    async def ask(model: OpenAIModel | None) -> OpenAIModel:
        async with OpenAIServer() as server:
            model = model or OpenAIModel("m", base_url=server.base_url, api_key="k")
            model._base_url = server.base_url
            assert (await stream(model))[0].parts == [TextPart("Hello")]
        return model

    asyncio.run(ask(asyncio.run(ask(None))))
