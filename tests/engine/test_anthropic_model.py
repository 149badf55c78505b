"""Our Messages API client against a real server that behaves well and badly."""

import asyncio
import json
from typing import Any

import pytest

from core.messages import TextPart, ThinkingPart, ToolCallPart
from core.models import (
    AnthropicModel,
    ModelRequestParameters,
    ToolDefinition,
    errors,
    infer_model,
    override_allow_model_requests,
)
from tests.providers.anthropic_server import AnthropicServer, Call, Redacted, Reply, Thought
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

server = served_by(AnthropicServer)
model = over_each_transport(AnthropicModel, "claude-test")


async def test_text_usage_and_stop_reason_arrive(model: AnthropicModel, server: AnthropicServer) -> None:
    """The same answer, streamed and whole."""
    server.reply(["Hel", "lo ", "you"])
    response, usage, told = await stream(model)
    assert response.parts == [TextPart("Hello you")] and told == "Hello you"
    assert response.finish_reason == "end_turn" and response.model_name == "claude-test"
    whole, whole_usage = await model.request(ASK, None, NOTHING)
    assert whole.parts == response.parts and whole.finish_reason == "end_turn" and usage == whole_usage
    assert (usage.request_tokens, usage.response_tokens, usage.total_tokens, usage.requests) == (10, 5, 15, 0)
    assert [request.stream for request in server.requests] == [True, False]
    assert "stream" not in server.requests[1].body
    headers = server.requests[0].headers
    assert (headers["x-api-key"], headers["anthropic-version"]) == ("secret", "2023-06-01")


async def test_usage_is_cumulative_and_counts_the_cache(model: AnthropicModel, server: AnthropicServer) -> None:
    """`message_start` and `message_delta` both count the whole message: the last one holds, never the sum."""
    usage = {
        "input_tokens": 3,
        "cache_read_input_tokens": 20,
        "cache_creation_input_tokens": 4,
        "output_tokens": 9,
        "output_tokens_details": {"thinking_tokens": 2},
    }
    server.reply(Reply(["ok"], usage=usage))
    for _, used in ((await stream(model))[:2], await model.request(ASK, None, NOTHING)):
        assert (used.request_tokens, used.response_tokens, used.total_tokens) == (27, 9, 36)
        assert used.details == {"cached_tokens": 20, "cache_creation_tokens": 4, "reasoning_tokens": 2}


async def test_counts_that_come_once_are_kept(model: AnthropicModel, server: AnthropicServer) -> None:
    """Older models count what was asked in `message_start` alone."""
    server.reply(Reply(["ok"], usage={"input_tokens": 7, "output_tokens": 1}))
    async with model.request_stream(ASK, None, NOTHING) as streamed:
        assert (streamed.usage().request_tokens, streamed.usage().response_tokens) == (7, 1)
        async for _ in streamed:
            pass
    assert streamed.usage().total_tokens == 8 and streamed.usage().details is None


async def test_thoughts_calls_and_text_keep_their_order(model: AnthropicModel, server: AnthropicServer) -> None:
    """Signatures, redacted thoughts and arguments cut into many pieces; two thoughts stay two."""
    server.reply(
        Reply(
            [
                Thought(["h", "m"], "sig-1"),
                Redacted("enc-1"),
                Redacted("enc-2"),
                Thought([], "sig-2"),
                "Rolling.",
                Call("a", '{"x": [1, 2]}', "t1", pieces=5),
                Call("b", "", "t2"),
            ]
        )
    )
    response, _, _ = await stream(model)
    thoughts = [
        ThinkingPart("hm", "sig-1"),
        ThinkingPart("", "redacted_thinking:enc-1"),
        ThinkingPart("", "redacted_thinking:enc-2"),
        ThinkingPart("", "sig-2"),
    ]
    calls = [ToolCallPart("a", '{"x": [1, 2]}', "t1"), ToolCallPart("b", "", "t2")]
    assert response.parts == [*thoughts, TextPart("Rolling."), *calls]
    assert response.finish_reason == "tool_use"
    whole, _ = await model.request(ASK, None, NOTHING)
    assert whole.parts[:5] == response.parts[:5]
    assert whole.parts[5:] == [ToolCallPart("a", {"x": [1, 2]}, "t1"), ToolCallPart("b", {}, "t2")]


async def test_a_server_that_does_not_stream_is_read(model: AnthropicModel, server: AnthropicServer) -> None:
    """Some proxies ignore `stream` and send the whole message."""
    blocks = [{"type": "text", "text": "ok"}, {"type": "tool_use", "id": "t", "name": "a", "input": {"x": 1}}]
    server.reply(Reply(body=json.dumps({"content": blocks, "stop_reason": "tool_use"}).encode()))
    assert (await stream(model))[0].parts == [TextPart("ok"), ToolCallPart("a", {"x": 1}, "t")]


@pytest.mark.parametrize("reason", ["end_turn", "max_tokens", "stop_sequence", "pause_turn", "a_new_reason"])
async def test_the_stop_reason_is_told(model: AnthropicModel, server: AnthropicServer, reason: str) -> None:
    """Whoever shows an answer cut by max_tokens can say that there was more."""
    server.reply(Reply(["ok"], stop_reason=reason))
    assert (await stream(model))[0].finish_reason == reason
    assert (await model.request(ASK, None, NOTHING))[0].finish_reason == reason


async def test_a_refusal_is_a_filtered_answer(model: AnthropicModel, server: AnthropicServer) -> None:
    """An answer that stops in the middle of a sentence needs its reason."""
    server.reply(Reply(["I"], stop_reason="refusal", stop_details={"type": "refusal", "category": "bio"}))
    for asking in (stream(model), model.request(ASK, None, NOTHING)):
        with pytest.raises(errors.ModelContentFiltered) as caught:
            await asking
        assert caught.value.body == {
            "stop_reason": "refusal",
            "stop_details": {"type": "refusal", "category": "bio"},
        }
    assert len(server.requests) == 2


async def test_an_answer_that_reaches_the_end_of_the_context_is_kept(
    model: AnthropicModel, server: AnthropicServer
) -> None:
    """Unless nothing of it fitted."""
    server.reply(Reply(["some"], stop_reason="model_context_window_exceeded"))
    assert (await stream(model))[0].parts == [TextPart("some")]
    server.reply(Reply([], stop_reason="model_context_window_exceeded"))
    for asking in (stream(model), model.request(ASK, None, NOTHING)):
        with pytest.raises(errors.ModelContextTooLong):
            await asking


LOW = "Your credit balance is too low to access the Anthropic API. Please go to Plans & Billing."
SPENT = "You have reached your specified API usage limits. You will regain access on 2026-12-01 at 00:00 UTC."
LONG = "prompt is too long: 200251 tokens > 200000 maximum"
FULL = "input length and `max_tokens` exceed context limit: 197202 + 21333 > 200000"
REFUSALS = [
    (400, {}, errors.ModelBadRequest),
    (400, {"message": LONG}, errors.ModelContextTooLong),
    (400, {"message": FULL}, errors.ModelContextTooLong),
    (400, {"message": LOW}, errors.ModelQuotaExceeded),
    (400, {"message": SPENT}, errors.ModelQuotaExceeded),
    (401, {}, errors.ModelAuthError),
    (402, {}, errors.ModelQuotaExceeded),
    (403, {}, errors.ModelAuthError),
    (404, {}, errors.ModelNotFound),
    (413, {}, errors.ModelContextTooLong),
    (429, {}, errors.ModelRateLimited),
    (500, {}, errors.ModelHTTPError),
    (504, {}, errors.ModelHTTPError),
    (529, {}, errors.ModelOverloaded),
]


@pytest.mark.parametrize(("status", "error", "expected"), REFUSALS)
async def test_refusals_become_typed_errors(
    model: AnthropicModel, server: AnthropicServer, status: int, error: dict[str, str], expected: type[Exception]
) -> None:
    """Every documented error type; the request id stays for whoever asks the provider."""
    server.reply(Reply(status=status, error=error, headers={"retry-after": "30"}))
    for asking in (stream(model), model.request(ASK, None, NOTHING)):
        with pytest.raises(errors.ModelHTTPError) as caught:
            await asking
        assert type(caught.value) is expected and caught.value.status_code == status
        assert "req_test" in str(caught.value)
        if isinstance(caught.value, errors.ModelRateLimited):
            assert caught.value.retry_after_s == 30
    assert len(server.requests) == 2


IN_STREAM = [
    ("invalid_request_error", errors.ModelBadRequest, 400),
    ("authentication_error", errors.ModelAuthError, 401),
    ("billing_error", errors.ModelQuotaExceeded, 402),
    ("permission_error", errors.ModelAuthError, 403),
    ("not_found_error", errors.ModelNotFound, 404),
    ("request_too_large", errors.ModelContextTooLong, 413),
    ("rate_limit_error", errors.ModelRateLimited, 429),
    ("api_error", errors.ModelHTTPError, 500),
    ("timeout_error", errors.ModelHTTPError, 504),
    ("overloaded_error", errors.ModelOverloaded, 529),
    ("an_error_not_known_yet", errors.ModelHTTPError, 500),
]


@pytest.mark.parametrize(("kind", "expected", "status"), IN_STREAM)
async def test_an_error_inside_a_stream_is_typed_and_keeps_the_beginning(
    model: AnthropicModel, server: AnthropicServer, kind: str, expected: type[Exception], status: int
) -> None:
    """Status 200 was sent long before, and text with it, so nothing is tried again."""
    server.reply(Reply([["one ", "two"]], error_after=4, error={"type": kind}))
    with pytest.raises(errors.ModelHTTPError) as caught:
        async with model.request_stream(ASK, None, NOTHING) as streamed:
            async for _ in streamed:
                pass
    assert type(caught.value) is expected and caught.value.status_code == status
    assert streamed.get().parts == [TextPart("one ")] and len(server.requests) == 1


@pytest.mark.parametrize("status", [408, 409, 429, 500, 503, 504, 529])
async def test_what_may_pass_is_tried_again(model: AnthropicModel, server: AnthropicServer, status: int) -> None:
    """Nothing was delivered, so trying again shows nothing twice."""
    fail = Reply(status=status, headers={"retry-after": "0.01"})
    server.queue(fail, fail, "ok", fail, fail, "ok")
    assert (await stream(model))[0].parts == [TextPart("ok")]
    assert (await model.request(ASK, None, NOTHING))[0].parts == [TextPart("ok")]
    assert len(server.requests) == 6


async def test_a_stream_that_dies_before_its_first_word_is_tried_again(
    model: AnthropicModel, server: AnthropicServer
) -> None:
    """`message_start`, a ping and the start of an empty block are nothing a person has seen."""
    overloaded = Reply(["a"], error_after=3, error={"type": "overloaded_error"})
    server.queue(Reply(["a"], cut_after=3), overloaded, "ok")
    assert (await stream(model))[0].parts == [TextPart("ok")]
    assert len(server.requests) == 3


async def test_a_stream_that_is_cut_keeps_its_beginning(model: AnthropicModel, server: AnthropicServer) -> None:
    """Half an answer is not shown as a whole one, not asked for again, and not thrown away."""
    server.reply(Reply([["one ", "two ", "three"]], cut_after=5))
    with pytest.raises(errors.ModelStreamBroken):
        async with model.request_stream(ASK, None, NOTHING) as streamed:
            async for _ in streamed:
                pass
    assert streamed.get().parts == [TextPart("one two ")] and len(server.requests) == 1


@pytest.mark.parametrize(
    ("settings", "reply", "phase"),
    [
        ({"first_event_timeout": 0.3}, Reply(["a"], before=lambda: asyncio.Event().wait()), "first event"),
        ({"first_event_timeout": 9, "idle_timeout": 0.1}, Reply([["a", "b"]], hang_after=4), "idle"),
        ({"timeout": 0.3}, Reply(["a"], hang_after=1), "whole request"),
        ({"timeout": 0.3}, Reply([["a", "b"]], hang_after=4), "whole request"),
    ],
)
async def test_silence_ends_in_a_timeout_that_says_which(
    model: AnthropicModel, server: AnthropicServer, settings: Any, reply: Reply, phase: str
) -> None:
    """A person waits for a process that looks alive; the error names the setting."""
    server.reply(reply)
    await times_out(model, settings, phase, server)


async def test_leaving_a_stream_early_stops_the_provider(model: AnthropicModel, server: AnthropicServer) -> None:
    """Tokens nobody reads cost money: the server must notice that we went away."""
    server.reply(Reply([["a", "b", "c"]], hang_after=5))
    async with model.request_stream(ASK, None, NOTHING) as streamed:
        async for _ in streamed:
            break
    await everything_closed(server)
    assert streamed.get().parts[0].has_content()


@pytest.mark.parametrize("hang_after", [None, 0, 1, 3, 4, 6])
async def test_a_cancelled_request_leaves_nothing_open(
    model: AnthropicModel, server: AnthropicServer, hang_after: int | None
) -> None:
    """Before the first byte, between any two events, and for an answer that does not stream."""
    held = Held(forever=hang_after is None)
    server.reply(Reply([["a", "b", "c"]], before=held, hang_after=hang_after))
    for asking in (stream(model), model.request(ASK, None, NOTHING)):
        await cancelled(asking, held.arrived, server)


async def test_garbage_instead_of_a_message_is_a_typed_error(model: AnthropicModel, server: AnthropicServer) -> None:
    """A login page with status 200, for instance."""
    for body in (b"<html>", b"[]", b"{}", b'{"content": 3}', b'{"content": [{}]}', b'{"type": "completion"}'):
        server.reply(Reply(body=body))
        with pytest.raises(errors.UnexpectedModelBehavior, match="not a message"):
            await model.request(ASK, None, NOTHING)
        with pytest.raises(errors.UnexpectedModelBehavior, match="not a message"):
            await stream(model)
    server.reply(Reply(body=json.dumps({"type": "error", "error": {"type": "overloaded_error"}}).encode()))
    with pytest.raises(errors.ModelOverloaded):
        await model.request(ASK, {"max_retries": 0}, NOTHING)


async def test_nobody_there_is_a_connection_error(unused_tcp_port: int) -> None:
    """The message names host and port, and nothing secret."""
    model = AnthropicModel("m", base_url=f"http://127.0.0.1:{unused_tcp_port}", api_key="secret")
    with pytest.raises(errors.ModelConnectionError, match=f"127.0.0.1:{unused_tcp_port}") as caught:
        await stream(model, {"max_retries": 0})
    assert "secret" not in str(caught.value) and caught.value.model_name == "m"
    await model.aclose()


def test_names_lead_to_anthropic(monkeypatch: pytest.MonkeyPatch) -> None:
    """With the provider or without."""
    monkeypatch.delenv("ANTHROPIC_BASE_URL", raising=False)
    monkeypatch.setenv("ANTHROPIC_API_KEY", "k")
    for name in ("anthropic:claude-sonnet-4-5", "claude-sonnet-4-5"):
        model = infer_model(name)
        assert isinstance(model, AnthropicModel)
        assert (model.model_name, model.system, model.base_url) == (
            "claude-sonnet-4-5",
            "anthropic",
            "https://api.anthropic.com",
        )
    monkeypatch.setenv("ANTHROPIC_BASE_URL", "http://localhost:1/v1/")
    assert AnthropicModel(id="x").base_url == "http://localhost:1"
    with pytest.raises(errors.UserError, match="name of a model"):
        AnthropicModel()


def test_a_missing_key_names_the_setting(monkeypatch: pytest.MonkeyPatch) -> None:
    """Only Anthropic itself insists on a key."""
    monkeypatch.delenv("ANTHROPIC_API_KEY", raising=False)
    monkeypatch.delenv("ANTHROPIC_BASE_URL", raising=False)
    with pytest.raises(errors.UserError, match="ANTHROPIC_API_KEY"):
        infer_model("anthropic:claude-sonnet-4-5")
    assert AnthropicModel("m", base_url="http://localhost:1").base_url == "http://localhost:1"


async def test_requests_can_be_switched_off(server: AnthropicServer) -> None:
    """Tests of other people's bots must not spend money."""
    model = AnthropicModel("m", base_url=server.base_url, api_key="k")
    with override_allow_model_requests(False), pytest.raises(RuntimeError, match="ALLOW_MODEL_REQUESTS is False"):
        await model.request(ASK, None, ModelRequestParameters([ToolDefinition("a", "", {})]))
    assert server.requests == []
