"""Servers that speak chat completions their own way: what each of them is sent, and what it sends."""

from typing import Any

import pytest

from core.messages import (
    ModelRequest,
    ModelResponse,
    RetryPromptPart,
    TextPart,
    ThinkingPart,
    ToolCallPart,
    ToolReturnPart,
    UserPromptPart,
)
from core.models import ModelRequestParameters, OpenAIModel, OpenAIResponsesModel, ToolDefinition, errors, infer_model
from core.models._call_ids import CallIds, IdShape
from core.models._profiles import PROVIDERS
from tests.providers.clients import served_by
from tests.providers.openai_server import OpenAIServer, Reply, sse

ASK = [ModelRequest([UserPromptPart("Hi there")])]
TOOL = ModelRequestParameters([ToolDefinition("roll", "", {"type": "object", "properties": {}})], False)
NOTHING = ModelRequestParameters()
SETTINGS: Any = {
    "max_tokens": 9,
    "seed": 1,
    "logit_bias": {"1": 2},
    "parallel_tool_calls": True,
    "openai_reasoning_effort": "low",
    "openai_user": "ada",
}

server = served_by(OpenAIServer)


@pytest.fixture(autouse=True)
def _no_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of the machine the tests run on."""
    for profile in PROVIDERS.values():
        for name in (profile.url_env, profile.key_env, "OPENAI_API_VERSION"):
            if name:
                monkeypatch.delenv(name, raising=False)


@pytest.mark.parametrize(
    ("name", "base_url", "key"),
    [
        ("groq:llama-3.3-70b-versatile", "https://api.groq.com/openai/v1", "GROQ_API_KEY"),
        ("mistral:mistral-large-latest", "https://api.mistral.ai/v1", "MISTRAL_API_KEY"),
        ("deepseek:deepseek-chat", "https://api.deepseek.com", "DEEPSEEK_API_KEY"),
        ("openrouter:meta/llama", "https://openrouter.ai/api/v1", "OPENROUTER_API_KEY"),
        ("xai:grok-4", "https://api.x.ai/v1", "XAI_API_KEY"),
        ("grok:grok-4", "https://api.x.ai/v1", "XAI_API_KEY"),
    ],
)
def test_a_provider_is_known_by_its_name(monkeypatch: pytest.MonkeyPatch, name: str, base_url: str, key: str) -> None:
    """Its own key, never that of OpenAI; missing, it is named."""
    monkeypatch.setenv("OPENAI_API_KEY", "secret of OpenAI")
    with pytest.raises(errors.UserError, match=key):
        infer_model(name)
    monkeypatch.setenv(key, "its own")
    model = infer_model(name)
    assert isinstance(model, OpenAIModel)
    assert (model.base_url, model._api_key) == (base_url, "its own")
    assert model.system == ("xai" if name.startswith("grok") else name.partition(":")[0])
    assert model.model_name == name.partition(":")[2]


def test_azure_has_two_addresses(monkeypatch: pytest.MonkeyPatch) -> None:
    """The v1 path, or with an API version the path of the deployment; the key has a header of its own."""
    with pytest.raises(errors.UserError, match="AZURE_OPENAI_ENDPOINT"):
        infer_model("azure:my-gpt")
    monkeypatch.setenv("AZURE_OPENAI_ENDPOINT", "https://me.openai.azure.com/")
    monkeypatch.setenv("AZURE_OPENAI_API_KEY", "k")
    model = infer_model("azure:my-gpt")
    assert isinstance(model, OpenAIModel)
    post = model._post_of(ASK, {}, NOTHING, True)
    assert post.url == "https://me.openai.azure.com/openai/v1/chat/completions"
    assert post.headers == {"api-key": "k"}
    monkeypatch.setenv("OPENAI_API_VERSION", "2024-10-21")
    model = OpenAIModel("my gpt", provider="azure")
    assert model._post_of(ASK, {}, NOTHING, True).url == (
        "https://me.openai.azure.com/openai/deployments/my%20gpt/chat/completions?api-version=2024-10-21"
    )
    responses = OpenAIResponsesModel("my-gpt", provider="azure")
    assert responses._post_of(ASK, {}, NOTHING, True).url == (
        "https://me.openai.azure.com/openai/responses?api-version=2024-10-21"
    )


def sent(provider: str, history: Any = ASK, parameters: ModelRequestParameters = TOOL) -> dict[str, Any]:
    model = OpenAIModel("m", provider=provider, base_url="http://127.0.0.1:1/v1", api_key="k")
    return model._post_of(history, SETTINGS, parameters, True).body


def test_each_server_is_sent_what_it_takes() -> None:
    """Under the names it knows, without what it refuses."""
    openai = sent("openai")
    assert openai["max_completion_tokens"] == 9 and openai["tool_choice"] == "required" and openai["n"] == 1
    assert openai["stream_options"] == {"include_usage": True} and openai["reasoning_effort"] == "low"
    mistral = sent("mistral")
    assert (mistral["max_tokens"], mistral["random_seed"], mistral["tool_choice"]) == (9, 1, "any")
    assert not {"stream_options", "seed", "logit_bias", "user", "n"} & set(mistral)
    groq = sent("groq")
    assert groq["max_completion_tokens"] == 9 and "logit_bias" not in groq and groq["seed"] == 1
    assert sent("openrouter")["reasoning"] == {"effort": "low"}
    assert not {"seed", "logit_bias", "parallel_tool_calls"} & set(sent("deepseek"))
    assert "parallel_tool_calls" not in sent("openai", parameters=NOTHING)


def test_tool_call_ids_fit_the_server() -> None:
    """A conversation goes on with another provider: its ids are too long, of other characters, or missing."""
    history = [
        *ASK,
        ModelResponse([ToolCallPart("roll", "{}", "call_" + "x" * 60), ToolCallPart("roll", "{}")]),
        ModelRequest([ToolReturnPart("roll", "1", "call_" + "x" * 60), RetryPromptPart("no", "roll")]),
        ModelResponse([ToolCallPart("roll", "{}", "abcDEF123")]),
        ModelRequest([ToolReturnPart("roll", "2", "abcDEF123")]),
    ]
    for provider, longest, shortest in (("openai", 40, 1), ("mistral", 9, 9)):
        messages = sent(provider, history)["messages"]
        called = [call["id"] for message in messages for call in message.get("tool_calls", ())]
        returned = [message["tool_call_id"] for message in messages if message["role"] == "tool"]
        assert called == returned and len(set(called)) == 3 and called[2] == "abcDEF123"
        assert all(shortest <= len(each) <= longest for each in called)
        assert messages == sent(provider, history)["messages"]


def test_a_return_without_any_call_is_our_mistake() -> None:
    """Histories are paired before they are sent."""
    with pytest.raises(AssertionError, match="needs the id"):
        CallIds(IdShape(".+")).of_return(ToolReturnPart("roll", "1"))


def test_thoughts_go_back_only_to_the_server_that_wants_them() -> None:
    """DeepSeek refuses a tool call of a thinking model without them; others refuse the field."""
    history = [
        *ASK,
        ModelResponse([ThinkingPart("Hm."), ToolCallPart("roll", "{}", "1")]),
        ModelRequest([ToolReturnPart("roll", "1", "1")]),
    ]
    assert sent("deepseek", history)["messages"][1]["reasoning_content"] == "Hm."
    assert "reasoning_content" not in sent("openai", history)["messages"][1]


REFUSED = [
    ("stream_options", "Extra inputs are not permitted: stream_options", None),
    (
        "max_tokens",
        "Unsupported parameter: 'max_tokens'. Use 'max_completion_tokens' instead.",
        "max_completion_tokens",
    ),
    ("tool_choice", "deepseek-reasoner does not support this tool_choice", "tool_choice"),
    ("parallel_tool_calls", "`parallel_tool_calls` is not supported", None),
    ("reasoning_effort", "Unknown field reasoning_effort", None),
    ("user", "property 'user' is unsupported", None),
]


@pytest.mark.parametrize(("field", "message", "instead"), REFUSED)
async def test_a_field_that_is_refused_is_spared(
    server: OpenAIServer, field: str, message: str, instead: str | None
) -> None:
    """Servers in no table: they say themselves what they do not take, and are asked once more without it."""
    server.queue(Reply(status=400, error={"message": message, "type": "invalid_request_error"}), "ok")
    model = OpenAIModel("m", base_url=server.base_url, api_key="k")
    settings = {**SETTINGS, "max_retries": 0}
    async with model.request_stream(ASK, settings, TOOL) as streamed:
        async for _ in streamed:
            pass
    await model.aclose()
    assert streamed.get().parts == [TextPart("ok")]
    before, after = (request.body for request in server.requests)
    if instead == field:
        assert (before[field], after[field]) == ("required", "auto")
    else:
        assert field in before and field not in after
        assert instead is None or after[instead] == before[field]


async def test_what_cannot_be_spared_is_not_asked_for_again(server: OpenAIServer) -> None:
    """The word alone is no reason: a sentence about a user names no field."""
    server.reply(Reply(status=400, error={"message": "messages: the user must speak last; tools are wrong"}))
    model = OpenAIModel("m", base_url=server.base_url, api_key="k")
    with pytest.raises(errors.ModelBadRequest):
        await model.request(ASK, SETTINGS, TOOL)
    await model.aclose()
    assert len(server.requests) == 1


async def test_a_server_that_refuses_for_ever_is_not_asked_for_ever(server: OpenAIServer) -> None:
    """Each field is spared once."""
    server.reply(Reply(status=400, error={"message": "stream_options, tool_choice, max_tokens, parallel_tool_calls"}))
    model = OpenAIModel("m", base_url=server.base_url, api_key="k")
    with pytest.raises(errors.ModelBadRequest):
        async with model.request_stream(ASK, SETTINGS, TOOL):
            pass
    await model.aclose()
    assert len(server.requests) <= 6


def chunk(delta: Any = None, finish: str | None = None, **more: Any) -> dict[str, Any]:
    return {"choices": [{"index": 0, "delta": delta, "finish_reason": finish}], **more}


async def test_deviations_in_the_stream_are_read(server: OpenAIServer) -> None:
    """Numbers as text, ids missing, thoughts under both names, no blank after `data:`, usage late or never."""
    call = {"function": {"name": "roll", "arguments": "{}"}}
    raw = b"".join(
        [
            sse(chunk({"reasoning": "Hm"})).replace(b"data: ", b"data:"),
            sse(chunk({"reasoning_content": "m."})),
            sse(chunk({"content": "ok", "tool_calls": None})),
            sse(chunk({"tool_calls": [call]}), chunk({"tool_calls": [call]}), chunk({}, "tool_calls")),
            sse({"choices": [], "usage": {"prompt_tokens": "5", "completion_tokens": 2.0, "total_tokens": None}}),
            b"data:[DONE]",
        ]
    )
    server.queue(Reply(raw=raw), Reply(raw=sse(chunk({"content": "ok"}, "stop"), "[DONE]")))
    model = OpenAIModel("m", base_url=server.base_url, api_key="k")
    async with model.request_stream(ASK, None, NOTHING) as streamed:
        async for _ in streamed:
            pass
    assert streamed.get().parts == [
        ThinkingPart("Hmm."),
        TextPart("ok"),
        ToolCallPart("roll", "{}"),
        ToolCallPart("roll", "{}"),
    ]
    usage = streamed.usage()
    assert (usage.request_tokens, usage.response_tokens, usage.total_tokens) == (5, 2, 7)
    async with model.request_stream(ASK, None, NOTHING) as streamed:
        async for _ in streamed:
            pass
    assert streamed.usage().total_tokens is None
    await model.aclose()
