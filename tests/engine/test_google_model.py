"""Our Gemini client: what it sends, what it reads, and what it makes of refusals."""

import asyncio
import base64
import json
from typing import Any

import pytest

from core.messages import (
    AudioUrl,
    BinaryContent,
    DocumentUrl,
    ImageUrl,
    ModelMessagesTypeAdapter,
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
from core.models import GeminiModel, GeminiModelSettings, ModelRequestParameters, ToolDefinition, errors, infer_model
from core.models.usage import Usage
from tests.providers.clients import ASK, NOTHING, over_each_transport, served_by
from tests.providers.google_server import GoogleServer, Reply, call, response, text, thought

SIGNATURE = base64.b64encode(b"signed").decode()
SECOND = base64.b64encode(b"signed again").decode()
DAILY = {
    "@type": "type.googleapis.com/google.rpc.QuotaFailure",
    "violations": [{"quotaId": "GenerateRequestsPerDayPerProjectPerModel-FreeTier"}],
}
MINUTE = {
    "@type": "type.googleapis.com/google.rpc.QuotaFailure",
    "violations": [{"quotaId": "GenerateRequestsPerMinutePerProjectPerModel", "quotaValue": "5"}],
}
BAD_KEY = {"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": "API_KEY_INVALID"}


def retry_in(delay: str) -> dict[str, str]:
    return {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": delay}


server = served_by(GoogleServer)
model = over_each_transport(GeminiModel, "gemini-2.5-pro")


async def stream(model: GeminiModel, settings: Any = None, messages: Any = ASK) -> tuple[ModelResponse, Usage]:
    async with model.request_stream(messages, settings, NOTHING) as streamed:
        async for _ in streamed:
            pass
    return streamed.get(), streamed.usage()


async def both(model: GeminiModel) -> ModelResponse:
    """The answer, which must be the same streamed and whole."""
    streamed, usage = await stream(model)
    whole, whole_usage = await model.request(ASK, None, NOTHING)
    for answer in (streamed, whole):  # ids of our own differ from answer to answer
        for part in answer.parts:
            if isinstance(part, ToolCallPart) and (part.tool_call_id or "").startswith("call_gemini_"):
                part.tool_call_id = "ours"
    assert (streamed.parts, streamed.finish_reason, usage) == (whole.parts, whole.finish_reason, whole_usage)
    return streamed


async def test_text_usage_and_finish_reason_arrive(model: GeminiModel, server: GoogleServer) -> None:
    """Thoughts are part of what was answered, and cached tokens of what was asked."""
    counts = {"promptTokenCount": 9, "candidatesTokenCount": 3, "thoughtsTokenCount": 4, "totalTokenCount": 16}
    server.reply(Reply(["Hel", "lo ", "you"], usage={**counts, "cachedContentTokenCount": 8}))
    answer = await both(model)
    assert answer.parts == [TextPart("Hello you")]
    assert (answer.finish_reason, answer.model_name) == ("stop", "gemini-2.5-pro")
    _, usage = await stream(model)
    assert usage == Usage(0, 9, 7, 16, {"cached_tokens": 8, "reasoning_tokens": 4})
    assert server.requests[0].headers["x-goog-api-key"] == "secret"


async def test_usage_is_cumulative(model: GeminiModel, server: GoogleServer) -> None:
    """Summing what is already a sum would charge a person several times."""
    server.reply(["one ", "two ", "three"])
    _, usage = await stream(model)
    assert (usage.request_tokens, usage.response_tokens, usage.total_tokens) == (2, 3, 5)


async def test_thoughts_and_calls_arrive_with_their_signatures(model: GeminiModel, server: GoogleServer) -> None:
    """Of parallel calls only the first one is signed; a signature may also be on a text or a thought."""
    server.reply(
        Reply(
            [
                thought("Hm"),
                thought("m.", SIGNATURE),
                text("Rolling.", SECOND),
                call("roll", {"sides": 6}, "c1", SIGNATURE),
                call("roll", {"sides": 8}),
            ]
        )
    )
    streamed, _ = await stream(model)
    assert streamed.parts[:4] == [
        ThinkingPart("Hmm.", SIGNATURE),
        TextPart("Rolling.", SECOND),
        ToolCallPart("roll", {"sides": 6}, "c1", SIGNATURE),
        ToolCallPart("roll", {"sides": 8}, streamed.parts[3].tool_call_id),  # type: ignore[union-attr]
    ]
    assert streamed.parts[3].tool_call_id  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("before", "signed"),
    [("It is six.", TextPart("It is six.", SIGNATURE)), (call("roll", {}, "c1"), ToolCallPart("roll", {}, "c1"))],
)
async def test_a_signature_that_comes_by_itself_is_kept_with_what_it_signs(
    model: GeminiModel, server: GoogleServer, before: Any, signed: Any
) -> None:
    """At the end of a stream it comes with an empty text."""
    signed.signature = SIGNATURE
    parts = [before, *([call("roll", {}, "c2")] if isinstance(before, dict) else ()), text("", SIGNATURE)]
    server.reply(Reply(parts))
    answer = await both(model)
    assert answer.parts[0] == signed
    assert all(getattr(part, "signature", None) is None for part in answer.parts[1:])


async def test_parts_we_do_not_know_are_passed_over(model: GeminiModel, server: GoogleServer) -> None:
    """Google's own tools send theirs; empty and missing fields are harmless."""
    odd: Any = {"executableCode": {"language": "PYTHON", "code": "1"}}
    server.reply(Reply(["a", odd, {}, {"text": ""}, {"thought": True}, call("f"), {"functionCall": {"name": "g"}}]))
    answer = await both(model)
    assert answer.parts == [TextPart("a"), ToolCallPart("f", {}, "ours"), ToolCallPart("g", {}, "ours")]


@pytest.mark.parametrize(
    ("reason", "word"), [("STOP", "stop"), ("MAX_TOKENS", "length"), ("OTHER", "other"), ("NEWER", "newer")]
)
async def test_why_it_stopped_is_told(model: GeminiModel, server: GoogleServer, reason: str, word: str) -> None:
    """An answer cut at the limit looks like a finished one unless somebody says so."""
    server.reply(Reply(["and so"], finish=reason))
    assert (await both(model)).finish_reason == word


@pytest.mark.parametrize("reason", ["SAFETY", "RECITATION", "PROHIBITED_CONTENT", "BLOCKLIST", "SPII"])
async def test_a_filtered_answer_is_an_error(model: GeminiModel, server: GoogleServer, reason: str) -> None:
    """With and without a beginning."""
    for reply in (Reply(finish=reason), Reply(["a", "b"], finish=reason)):
        server.reply(reply)
        with pytest.raises(errors.ModelContentFiltered, match=reason):
            await stream(model)
        with pytest.raises(errors.ModelContentFiltered, match=reason):
            await model.request(ASK, None, NOTHING)


@pytest.mark.parametrize("reason", ["SAFETY", "OTHER", "BLOCKLIST", "PROHIBITED_CONTENT", "IMAGE_SAFETY"])
async def test_a_blocked_question_is_an_error(model: GeminiModel, server: GoogleServer, reason: str) -> None:
    """There is no candidate then; asking again is no use."""
    server.reply(Reply(block=reason))
    with pytest.raises(errors.ModelContentFiltered, match=reason):
        await stream(model)
    with pytest.raises(errors.ModelContentFiltered, match=reason):
        await model.request(ASK, None, NOTHING)
    assert len(server.requests) == 2


async def test_a_spoiled_answer_is_asked_for_again(model: GeminiModel, server: GoogleServer) -> None:
    """Gemini often misspells a call, and seldom twice; not once anything of the answer was shown."""
    spoiled = Reply(finish="MALFORMED_FUNCTION_CALL")
    server.queue(spoiled, spoiled, "ok", spoiled, "ok", Reply(["a", "b"], finish="MALFORMED_FUNCTION_CALL"))
    assert (await stream(model))[0].parts == [TextPart("ok")]
    assert (await model.request(ASK, None, NOTHING))[0].parts == [TextPart("ok")]
    with pytest.raises(errors.UnexpectedModelBehavior):
        await stream(model)
    assert len(server.requests) == 6


@pytest.mark.parametrize("reason", ["MALFORMED_FUNCTION_CALL", "UNEXPECTED_TOOL_CALL"])
async def test_an_answer_the_model_spoiled_is_named(model: GeminiModel, server: GoogleServer, reason: str) -> None:
    """What it tried to call is in the error, when it does not get it right."""
    server.reply(Reply(finish=reason, finish_message="print(default_api.roll("))
    for asking in (stream(model), model.request(ASK, None, NOTHING)):
        with pytest.raises(errors.UnexpectedModelBehavior, match=reason) as caught:
            await asking
        assert caught.value.body == "print(default_api.roll("


async def test_an_answer_without_parts_is_an_empty_one(model: GeminiModel, server: GoogleServer) -> None:
    """Gemini sends these; the run then says that the response was empty."""
    server.reply(Reply())
    answer = await both(model)
    assert answer.parts == [] and answer.finish_reason == "stop"


REFUSALS = [
    (Reply(status=400, message="Invalid value at 'contents'"), errors.ModelBadRequest),
    (Reply(status=400, message="API key not valid. Please pass a valid API key."), errors.ModelAuthError),
    (Reply(status=400, message="No.", details=[BAD_KEY]), errors.ModelAuthError),
    (Reply(status=400, message="API key expired. Please renew the API key."), errors.ModelAuthError),
    (Reply(status=400, code="FAILED_PRECONDITION", message="User location is not supported"), errors.ModelBadRequest),
    (
        Reply(status=400, message="The input token count (9) exceeds the maximum number of tokens allowed (8)."),
        errors.ModelContextTooLong,
    ),
    (Reply(status=401), errors.ModelAuthError),
    (Reply(status=403), errors.ModelAuthError),
    (Reply(status=404, message="models/x is not found for API version v1beta"), errors.ModelNotFound),
    (Reply(status=429, message="Quota exceeded", details=[MINUTE, retry_in("34.5s")]), errors.ModelRateLimited),
    (Reply(status=429, message="You exceeded your quota", details=[DAILY]), errors.ModelQuotaExceeded),
    (Reply(status=429, message="... free_tier_requests, limit: 0, model: x"), errors.ModelQuotaExceeded),
    (Reply(status=429, message="Your prepayment credits are depleted."), errors.ModelQuotaExceeded),
    (Reply(status=418, body=b"<html>teapot"), errors.ModelHTTPError),
    (Reply(status=400, body=b'[{"error": {"code": 400, "message": "API key not valid"}}]'), errors.ModelAuthError),
    (Reply(status=400, body=b'{"error": {"details": [7, {"violations": [7]}, {"violations": 7}]}}'), None),
    (Reply(status=400, body=b'{"error": "odd"}'), errors.ModelBadRequest),
]


@pytest.mark.parametrize(("reply", "error"), REFUSALS)
async def test_refusals_become_typed_errors_at_once(
    model: GeminiModel, server: GoogleServer, reply: Reply, error: type[Exception] | None
) -> None:
    """None of these passes by waiting (or not within 20 s), so one request is made."""
    server.reply(reply)
    for asking in (stream(model), model.request(ASK, None, NOTHING)):
        with pytest.raises(errors.ModelHTTPError) as caught:
            await asking
        assert type(caught.value) is (error or errors.ModelBadRequest)
        assert caught.value.status_code == reply.status
    assert len(server.requests) == 2


async def test_a_rate_limit_says_how_long(model: GeminiModel, server: GoogleServer) -> None:
    """Google says it in the body, and more than 20 s is not waited for here."""
    server.reply(Reply(status=429, details=[MINUTE, retry_in("34.5s")]))
    with pytest.raises(errors.ModelRateLimited) as caught:
        await model.request(ASK, None, NOTHING)
    assert caught.value.retry_after_s == 34.5
    server.reply(Reply(status=429, details=[{"retryDelay": "soon"}, retry_in("nans")]))
    with pytest.raises(errors.ModelRateLimited) as caught:
        await model.request(ASK, {"max_retries": 0}, NOTHING)
    assert caught.value.retry_after_s is None


@pytest.mark.parametrize("status", [429, 500, 503, 504])
async def test_what_may_pass_is_tried_again(model: GeminiModel, server: GoogleServer, status: int) -> None:
    """Nothing was delivered, so trying again shows nothing twice."""
    fail = Reply(status=status, details=[retry_in("0.01s")])
    server.queue(fail, fail, "ok", fail, fail, "ok")
    assert (await stream(model))[0].parts == [TextPart("ok")]
    assert (await model.request(ASK, None, NOTHING))[0].parts == [TextPart("ok")]
    assert len(server.requests) == 6


async def test_retries_end(model: GeminiModel, server: GoogleServer) -> None:
    """Two further attempts, then the error."""
    server.reply(Reply(status=503, message="The model is overloaded.", details=[retry_in("0s")]))
    with pytest.raises(errors.ModelOverloaded):
        await stream(model)
    assert len(server.requests) == 3


async def test_every_part_is_sent_as_documented(server: GoogleServer) -> None:
    """The whole wire format of a conversation in one look."""
    model = GeminiModel(id="models/gemini-2.5-pro", base_url=server.base_url + "/v1beta/", api_key="k")
    paper = BinaryContent(b"%PDF", "application/pdf")
    settings: GeminiModelSettings = {
        "max_tokens": 5,
        "temperature": 0,
        "top_p": 0.5,
        "seed": 1,
        "presence_penalty": 0.1,
        "frequency_penalty": 0.2,
        "stop_sequences": ["END"],
        "timeout": 9,
        "gemini_thinking_config": {"include_thoughts": True, "thinking_budget": 0},
        "gemini_safety_settings": [{"category": "HARM_CATEGORY_HARASSMENT", "threshold": "OFF"}],
    }
    schema = {"type": "object", "properties": {"x": {"type": "integer"}}}
    await model.request(
        [
            ModelRequest([SystemPromptPart("Be brief."), SystemPromptPart(""), UserPromptPart("")]),
            ModelRequest(
                [SystemPromptPart("Be kind."), UserPromptPart(["Look:", paper, BinaryContent(b"a", "text/csv")])]
            ),
            ModelRequest([UserPromptPart("And?")]),
            ModelResponse(
                [
                    ThinkingPart("hm"),
                    TextPart("Let me see."),
                    ToolCallPart("a", '{"x": 1}', "c1"),
                    ToolCallPart("a", {"x": 2}, "call_gemini_1"),
                    ToolCallPart("a", "{oops", "c3"),
                ],
                "gemini-2.5-pro",
            ),
            ModelRequest(
                [
                    UserPromptPart("Quick!"),
                    ToolReturnPart("a", {"y": 2}, "c1"),
                    ToolReturnPart("a", "two", "call_gemini_1"),
                    RetryPromptPart("No!", "a", "c3"),
                    RetryPromptPart("Not so."),
                ]
            ),
            ModelResponse([TextPart("")]),
        ],
        settings,
        ModelRequestParameters([ToolDefinition("a", "does a", schema)], False, [ToolDefinition("r", "ends", {})]),
    )
    await model.aclose()
    [request] = server.requests
    assert (request.path, request.query) == ("/v1beta/models/gemini-2.5-pro:generateContent", "")
    no, not_so = (f"{said}\n\nFix the errors and try again." for said in ("No!", "Not so."))
    assert request.body == {
        "systemInstruction": {"parts": [{"text": "Be brief."}, {"text": "Be kind."}]},
        "contents": [
            {
                "role": "user",
                "parts": [
                    {"text": "Look:"},
                    {"inlineData": {"mimeType": "application/pdf", "data": "JVBERg=="}},
                    {"text": "a"},
                    {"text": "And?"},
                ],
            },
            {
                "role": "model",
                "parts": [
                    {"text": "Let me see."},
                    {"functionCall": {"id": "c1", "name": "a", "args": {"x": 1}}},
                    {"functionCall": {"name": "a", "args": {"x": 2}}},
                    {"functionCall": {"id": "c3", "name": "a", "args": {"invalid_json": "{oops"}}},
                ],
            },
            {
                "role": "user",
                "parts": [
                    {"functionResponse": {"id": "c1", "name": "a", "response": {"output": {"y": 2}}}},
                    {"functionResponse": {"name": "a", "response": {"output": "two"}}},
                    {"functionResponse": {"id": "c3", "name": "a", "response": {"error": no}}},
                    {"text": "Quick!"},
                    {"text": not_so},
                ],
            },
        ],
        "tools": [
            {
                "functionDeclarations": [
                    {"name": "a", "description": "does a", "parametersJsonSchema": schema},
                    {"name": "r", "description": "ends"},
                ]
            }
        ],
        "toolConfig": {"functionCallingConfig": {"mode": "ANY", "allowedFunctionNames": ["a", "r"]}},
        "generationConfig": {
            "maxOutputTokens": 5,
            "temperature": 0,
            "topP": 0.5,
            "seed": 1,
            "presencePenalty": 0.1,
            "frequencyPenalty": 0.2,
            "stopSequences": ["END"],
            "thinkingConfig": {"includeThoughts": True, "thinkingBudget": 0},
        },
        "safetySettings": [{"category": "HARM_CATEGORY_HARASSMENT", "threshold": "OFF"}],
    }


@pytest.mark.parametrize(
    ("allow_text", "mode", "sent"), [(True, None, "AUTO"), (False, None, "ANY"), (True, "NONE", "NONE")]
)
async def test_whether_tools_must_be_called_is_said(
    model: GeminiModel, server: GoogleServer, allow_text: bool, mode: Any, sent: str
) -> None:
    """Where no text is allowed, a call is asked for; the setting has the last word."""
    settings: Any = {"gemini_function_calling": mode} if mode else None
    await model.request(ASK, settings, ModelRequestParameters([ToolDefinition("a", "", {})], allow_text))
    assert server.requests[0].body["toolConfig"]["functionCallingConfig"]["mode"] == sent


async def test_signatures_return_as_they_came(server: GoogleServer) -> None:
    """Gemini 3 refuses a call whose signature is lost, also when the history was stored in between."""
    model = GeminiModel("gemini-3-pro-preview", base_url=server.base_url, api_key="k")
    parts = [thought("Hm.", SIGNATURE), text("Rolling.", SECOND), call("roll", {}, "", SIGNATURE), call("roll")]
    server.queue(Reply(parts))
    answer, _ = await stream(model)
    first, second = (part for part in answer.parts if isinstance(part, ToolCallPart))
    returns = [ToolReturnPart("roll", n, call.tool_call_id) for n, call in enumerate((first, second))]
    history = ModelMessagesTypeAdapter.validate_json(
        ModelMessagesTypeAdapter.dump_json([*ASK, answer, ModelRequest(list(returns))])
    )
    await stream(model, messages=history)
    assert server.requests[1].contents[1] == {"role": "model", "parts": parts}
    await model.aclose()


async def test_a_conversation_with_another_model_is_gone_on_with(server: GoogleServer) -> None:
    """Signatures of others stay here, and calls of theirs get the mark that Google documents for them."""
    model = GeminiModel("gemini-3-pro-preview", base_url=server.base_url, api_key="k")
    theirs: list[Any] = [
        ThinkingPart("hm", "theirs!"),
        TextPart("Rolling.", "theirs!"),
        ToolCallPart("roll", {}, "c1", "theirs!"),
        ToolCallPart("roll", {}, "c2"),
    ]
    returns = [ToolReturnPart("roll", 1, "c1"), ToolReturnPart("roll", 2, "c2")]
    await stream(model, messages=[*ASK, ModelResponse([*theirs], "claude-x"), ModelRequest([*returns])])
    mark = "skip_thought_signature_validator"
    sent = [{"text": "Rolling."}, call("roll", {}, "c1", mark), call("roll", {}, "c2")]
    assert server.requests[0].contents[1]["parts"] == sent
    await model.aclose()


async def test_a_conversation_begins_with_the_person(model: GeminiModel, server: GoogleServer) -> None:
    """Also one that was cut in the middle, or in which nobody has said anything yet."""
    cut = [ModelResponse([ToolCallPart("roll", {}, "c1")]), ModelRequest([ToolReturnPart("roll", 6, "c1")])]
    await stream(model, messages=cut)
    await stream(model, messages=[ModelRequest([SystemPromptPart("Say hello.")])])
    assert [[turn["role"] for turn in request.contents] for request in server.requests] == [
        ["user", "model", "user"],
        ["user"],
    ]


MEDIA: list[tuple[Any, Any]] = [
    (ImageUrl("https://x.org/y.png"), {"fileUri": "https://x.org/y.png", "mimeType": "image/png"}),
    (AudioUrl("https://x.org/y.mp3?z"), {"fileUri": "https://x.org/y.mp3?z", "mimeType": "audio/mpeg"}),
    (DocumentUrl("https://x.org/y.pdf"), {"fileUri": "https://x.org/y.pdf", "mimeType": "application/pdf"}),
    (ImageUrl("https://x.org/y"), {"fileUri": "https://x.org/y"}),
    (DocumentUrl("https://youtu.be/abc"), {"fileUri": "https://youtu.be/abc"}),
    (BinaryContent(b"a", "video/mp4"), ("video/mp4", "YQ==")),
    (BinaryContent(b"a", "audio/ogg"), ("audio/ogg", "YQ==")),
    (BinaryContent(b"a", "image/heic"), ("image/heic", "YQ==")),
]


@pytest.mark.parametrize(("item", "sent"), MEDIA)
async def test_media_are_sent_as_documented(model: GeminiModel, server: GoogleServer, item: Any, sent: Any) -> None:
    """Bytes inline; addresses for Google to fetch, so that the bot fetches nothing a person names."""
    await model.request([ModelRequest([UserPromptPart(["Look", item])])], None, NOTHING)
    part = server.requests[0].contents[0]["parts"][1]
    if isinstance(sent, tuple):
        assert part == {"inlineData": {"mimeType": sent[0], "data": sent[1]}}
    else:
        assert part == {"fileData": sent}


@pytest.mark.parametrize(
    ("name", "item"),
    [
        ("gemini-2.0-flash", ImageUrl("https://x.org/y.png")),
        ("gemini-2.5-pro", ImageUrl("file:///etc/passwd")),
        ("gemini-2.5-pro", DocumentUrl("https:///y.pdf")),
        ("gemini-2.5-pro", BinaryContent(b"PK", "application/zip")),
    ],
)
async def test_media_the_model_does_not_take_are_refused_clearly(server: GoogleServer, name: str, item: Any) -> None:
    """Before anything is sent."""
    model = GeminiModel(name, base_url=server.base_url, api_key="k")
    with pytest.raises(errors.UserError, match=r"BinaryContent|application/zip"):
        await model.request([ModelRequest([UserPromptPart([item])])], None, NOTHING)
    assert server.requests == []


async def test_half_a_surrogate_pair_does_no_harm(model: GeminiModel, server: GoogleServer) -> None:
    """Neither in a question, where chat platforms let it through, nor in an answer cut in the middle of one."""
    halves = [response("o\ud83d"), response("\udc4bk"), response("!\ud83d", finish="STOP")]
    raw = b"".join(b"data: " + json.dumps(each).encode() + b"\r\n\r\n" for each in halves)
    server.reply(Reply(raw=raw))
    answer, _ = await stream(model, messages=[ModelRequest([UserPromptPart("a\ud83d")])])
    assert answer.parts == [TextPart("o👋k!")]
    assert server.requests[0].prompt == "a?"


async def test_numbers_json_does_not_have_are_left_out(model: GeminiModel, server: GoogleServer) -> None:
    """A tool may give them, and other models write them; Google would refuse the conversation for ever."""
    odd = ToolCallPart("a", '{"x": NaN, "y": [Infinity, 1], "z": "\\ud83d"}', "c1")
    odder = ToolCallPart("a", {"x": float("nan")}, "c2")
    returns = [ToolReturnPart("a", float("inf"), "c1"), ToolReturnPart("a", {"x": float("nan")}, "c2")]
    await stream(model, messages=[*ASK, ModelResponse([odd, odder]), ModelRequest([*returns])])
    calls, returned = (turn["parts"] for turn in server.requests[0].contents[1:])
    assert calls[1]["functionCall"]["args"] == {"x": None}
    assert [part["functionResponse"]["response"]["output"] for part in returned] == [None, {"x": None}]


def test_names_lead_to_the_model(monkeypatch: pytest.MonkeyPatch) -> None:
    """With the provider and without."""
    monkeypatch.setenv("GEMINI_API_KEY", "k")
    monkeypatch.delenv("GEMINI_BASE_URL", raising=False)
    for name in ("google:gemini-2.5-pro", "google-gla:gemini-2.5-pro", "gemini-2.5-pro"):
        model = infer_model(name)
        assert isinstance(model, GeminiModel)
        assert (model.model_name, model.system) == ("gemini-2.5-pro", "google-gla")
        assert model.base_url == "https://generativelanguage.googleapis.com"
    for name in ("google-vertex:gemini-2.5-pro", "vertexai:gemini-2.5-pro"):
        with pytest.raises(errors.UserError, match="Vertex AI"):
            infer_model(name)
    with pytest.raises(errors.UserError, match="name of a model"):
        GeminiModel()


def test_a_missing_key_names_the_setting(monkeypatch: pytest.MonkeyPatch) -> None:
    """Only Google itself insists on a key."""
    monkeypatch.delenv("GEMINI_API_KEY", raising=False)
    monkeypatch.delenv("GEMINI_BASE_URL", raising=False)
    with pytest.raises(errors.UserError, match="GEMINI_API_KEY"):
        infer_model("google:gemini-2.5-pro")
    monkeypatch.setenv("GEMINI_BASE_URL", "http://localhost:1234")
    assert infer_model("gemini-2.5-pro").base_url == "http://localhost:1234"


async def test_a_tuned_model_keeps_its_own_path(server: GoogleServer) -> None:
    model = GeminiModel("tunedModels/mine", base_url=server.base_url, api_key="k")
    await model.request(ASK, None, NOTHING)
    await model.aclose()
    assert server.requests[0].path == "/v1beta/tunedModels/mine:generateContent"


def test_connections_close_with_their_loop() -> None:
    """`asyncio.run` once after another, as scripts do, with nothing closed by hand."""

    async def ask() -> None:
        async with GoogleServer() as server:
            model = GeminiModel("m", base_url=server.base_url, api_key="k")
            assert (await stream(model))[0].parts == [TextPart("Hello")]

    asyncio.run(ask())
    asyncio.run(ask())
