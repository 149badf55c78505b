"""What our Messages API client sends: conversations put right, tools, thinking, media, cache breakpoints."""

import base64
from collections.abc import AsyncIterator
from typing import Any

import pytest

from core.messages import (
    AudioUrl,
    BinaryContent,
    DocumentUrl,
    ImageUrl,
    ModelMessage,
    ModelRequest,
    ModelResponse,
    RetryPromptPart,
    SystemPromptPart,
    TextPart,
    ThinkingPart,
    ToolCallPart,
    ToolReturnPart,
    UserContent,
    UserPromptPart,
)
from core.models import AnthropicModel, ModelRequestParameters, ToolDefinition, errors
from tests.providers.anthropic_server import AnthropicServer
from tests.providers.clients import served_by

ROLL = ToolDefinition("roll", "Roll.", {"type": "object", "properties": {}})
NOTHING = ModelRequestParameters()
TOOLS = ModelRequestParameters([ROLL])
SERVERS: dict[AnthropicModel, AnthropicServer] = {}
"""Where each model's requests arrive."""

server = served_by(AnthropicServer)


@pytest.fixture
async def model(server: AnthropicServer) -> AsyncIterator[AnthropicModel]:
    model = AnthropicModel("claude-test", base_url=server.base_url, api_key="k")
    SERVERS[model] = server
    yield model
    del SERVERS[model]
    await model.aclose()


def ask(*content: UserContent) -> ModelRequest:
    if len(content) == 1 and isinstance(content[0], str):
        return ModelRequest([UserPromptPart(content[0])])
    return ModelRequest([UserPromptPart(content)])


def text(said: str) -> dict[str, Any]:
    return {"type": "text", "text": said}


async def sent(
    model: AnthropicModel,
    messages: list[ModelMessage],
    settings: Any = None,
    parameters: ModelRequestParameters = TOOLS,
) -> dict[str, Any]:
    """The body that the server, which refuses what Anthropic refuses, was sent and accepted."""
    await model.request(messages, settings, parameters)
    return SERVERS[model].requests[-1].body


async def test_turns_alternate_and_begin_with_the_users(model: AnthropicModel) -> None:
    """Whatever was trimmed off, said twice in a row, or left empty."""
    body = await sent(
        model,
        [
            ModelResponse([TextPart("Earlier.")]),
            ModelResponse([TextPart("And then.")]),
            ask("One."),
            ModelRequest([SystemPromptPart("Be brief."), UserPromptPart("Two.")]),
            ModelResponse([TextPart(" \n"), ThinkingPart("unsigned")]),
            ask("Three."),
            ModelRequest([SystemPromptPart(""), SystemPromptPart("Be kind.")]),
        ],
    )
    assert body["messages"] == [
        {"role": "user", "content": [text("(Earlier messages are left out.)")]},
        {"role": "assistant", "content": [text("Earlier."), text("And then.")]},
        {"role": "user", "content": [text("One."), text("Two."), text("Three.")]},
    ]
    assert body["system"] == [text("Be brief."), text("Be kind.")]


@pytest.mark.parametrize("content", [(), ("",), (" \n",), ("", " ")])
async def test_an_empty_question_is_asked(model: AnthropicModel, content: tuple[str, ...]) -> None:
    """The API refuses empty text; a person who sent only a mention still gets an answer."""
    assert (await sent(model, [ask(*content)]))["messages"][0]["content"] == [text("(no text)")]


async def test_results_come_first_and_find_their_calls(model: AnthropicModel) -> None:
    """Ids that are missing, used again, or of another provider's shape."""
    calls = [ToolCallPart("roll", {}), ToolCallPart("roll", {}), ToolCallPart("roll", {}, "a|b:c")]
    returns: list[Any] = [
        UserPromptPart("Well?"),
        ToolReturnPart("roll", 1),
        RetryPromptPart("Again.", "roll"),
        ToolReturnPart("roll", "", "a|b:c"),
    ]
    history: list[ModelMessage] = [ask("Roll"), ModelResponse([*calls]), ModelRequest(returns)]
    body = await sent(model, [*history, *history[1:], ModelResponse([TextPart("Done.")]), ask("Thanks")])
    ids = [[b["id"] for b in turn["content"] if b["type"] == "tool_use"] for turn in body["messages"]]
    assert ids == [[], ["roll", "roll_2", "a_b_c"], [], ["roll_3", "roll_4", "a_b_c_2"], [], [], []]
    assert body["messages"][2]["content"] == [
        {"type": "tool_result", "tool_use_id": "roll", "content": "1", "is_error": False},
        {
            "type": "tool_result",
            "tool_use_id": "roll_2",
            "content": "Again.\n\nFix the errors and try again.",
            "is_error": True,
        },
        {"type": "tool_result", "tool_use_id": "a_b_c", "is_error": False},
        text("Well?"),
    ]


async def test_a_result_that_belongs_to_nothing_is_said_as_text(model: AnthropicModel) -> None:
    """And so is a request to try again that is about no tool."""
    request = ModelRequest([RetryPromptPart("No tool.", "roll"), RetryPromptPart("Plain text, please.")])
    body = await sent(model, [ask("x"), ModelResponse([TextPart("y")]), request])
    assert [block["type"] for block in body["messages"][2]["content"]] == ["text", "text"]


async def test_arguments_that_are_no_json_are_shown_to_the_model(model: AnthropicModel) -> None:
    """It wrote them, or max_tokens cut them off; it has to see what is wrong."""
    history: list[ModelMessage] = [ask("x"), ModelResponse([ToolCallPart("roll", '{"n": 1', "t")])]
    body = await sent(model, [*history, ModelRequest([RetryPromptPart("Bad JSON", "roll", "t")])])
    assert body["messages"][1]["content"][0]["input"] == {"invalid_json": '{"n": 1'}


async def test_thoughts_go_back_to_their_maker_only(model: AnthropicModel) -> None:
    """Another provider's signature would make the API refuse the conversation for ever."""
    mine = [ThinkingPart("hm", "sig-1"), ThinkingPart("", "redacted_thinking:enc-1"), TextPart("a")]
    other = [ThinkingPart("hm", "rs_123"), ThinkingPart("no signature"), TextPart("b", "gemini-signature")]
    history: list[ModelMessage] = [ask("x"), ModelResponse([*mine], "claude-other"), ask("y")]
    body = await sent(model, [*history, ModelResponse([*other], "o3"), ask("z")])
    assert body["messages"][1]["content"] == [
        {"type": "thinking", "thinking": "hm", "signature": "sig-1"},
        {"type": "redacted_thinking", "data": "enc-1"},
        text("a"),
    ]
    assert body["messages"][3]["content"] == [text("b")]


async def test_tool_choice_follows_what_is_allowed(model: AnthropicModel) -> None:
    """Tools may be called, must be where no text is allowed, one at a time where that is asked."""
    only = ModelRequestParameters([ROLL], False, [ToolDefinition("final_result", "", {"properties": {}})])
    body = await sent(model, [ask("x")], {"parallel_tool_calls": False}, only)
    assert body["tool_choice"] == {"type": "any", "disable_parallel_tool_use": True}
    assert body["tools"] == [
        {"name": "roll", "description": "Roll.", "input_schema": {"type": "object", "properties": {}}},
        {"name": "final_result", "input_schema": {"type": "object", "properties": {}}},
    ]
    body = await sent(model, [ask("x")], {"parallel_tool_calls": True})
    assert body["tool_choice"] == {"type": "auto", "disable_parallel_tool_use": False}
    body = await sent(model, [ask("x")], {"parallel_tool_calls": True}, NOTHING)
    assert "tools" not in body and "tool_choice" not in body


async def test_a_conversation_with_calls_goes_on_without_tools(model: AnthropicModel) -> None:
    """An agent that lost its tools, or a summary of a thread: the API wants tools that were called defined."""
    history: list[ModelMessage] = [ask("x"), ModelResponse([ToolCallPart("roll", {}, "t")])]
    body = await sent(model, [*history, ModelRequest([ToolReturnPart("roll", 1, "t")])], None, NOTHING)
    assert body["tools"] == [{"name": "roll", "input_schema": {"type": "object"}}]
    assert body["tool_choice"] == {"type": "none"}


async def test_settings_are_sent_under_their_names(model: AnthropicModel) -> None:
    """What Anthropic does not know is left out, and `max_tokens` is always there."""
    assert (await sent(model, [ask("x")]))["max_tokens"] == 1024
    settings = {"max_tokens": 7, "temperature": 0.0, "top_p": 0.5, "stop_sequences": ["END"], "seed": 1}
    body = await sent(model, [ask("x")], {**settings, "anthropic_metadata": {"user_id": "u"}, "idle_timeout": 9})
    assert {key: body[key] for key in ("max_tokens", "temperature", "top_p", "stop_sequences", "metadata")} == {
        "max_tokens": 7,
        "temperature": 0.0,
        "top_p": 0.5,
        "stop_sequences": ["END"],
        "metadata": {"user_id": "u"},
    }
    assert not {"seed", "idle_timeout", "thinking"} & set(body)


async def test_thinking_leaves_out_what_cannot_go_with_it(model: AnthropicModel) -> None:
    """No temperature, no demanded tool, room for the answer beyond the thoughts."""
    only = ModelRequestParameters([ROLL], False)
    thinking = {"type": "enabled", "budget_tokens": 2000}
    body = await sent(model, [ask("x")], {"anthropic_thinking": thinking, "temperature": 0.2, "top_p": 0.1}, only)
    assert (body["thinking"], body["max_tokens"], body["tool_choice"]) == (thinking, 3024, {"type": "auto"})
    assert "temperature" not in body and "top_p" not in body
    body = await sent(model, [ask("x")], {"anthropic_thinking": {"type": "disabled"}, "temperature": 0.2}, only)
    assert (body["temperature"], body["tool_choice"]) == (0.2, {"type": "any"})
    with pytest.raises(errors.UserError, match=r"max_tokens \(2000\) must be more than budget_tokens"):
        await sent(model, [ask("x")], {"anthropic_thinking": thinking, "max_tokens": 2000})


async def test_thinking_waits_for_the_next_turn_if_this_one_began_without(model: AnthropicModel) -> None:
    """Switched on in the middle of tool calls, the API refuses it until the next question."""
    settings = {"anthropic_thinking": {"type": "enabled", "budget_tokens": 1024}}
    call, result = ToolCallPart("roll", {}, "t"), ModelRequest([ToolReturnPart("roll", 1, "t")])
    plain: list[ModelMessage] = [ask("x"), ModelResponse([call]), result]
    thought: list[ModelMessage] = [ask("x"), ModelResponse([ThinkingPart("h", "sig-1"), call]), result]
    assert "thinking" not in await sent(model, plain, settings)
    assert "thinking" in await sent(model, thought, settings)
    second: list[ModelMessage] = [
        ModelResponse([ToolCallPart("roll", {}, "t2")]),
        ModelRequest([ToolReturnPart("roll", 2, "t2")]),
    ]
    assert "thinking" in await sent(model, [*thought, *second], settings)
    assert "thinking" in await sent(model, [*plain, ModelResponse([TextPart("1")]), ask("y")], settings)
    adaptive = {"anthropic_thinking": {"type": "adaptive"}}
    assert (await sent(model, plain, adaptive))["thinking"] == {"type": "adaptive"}


PNG, PDF = BinaryContent(b"\x89PNG", "image/png"), BinaryContent(b"%PDF", "application/pdf")
MEDIA: list[tuple[UserContent, dict[str, Any]]] = [
    (ImageUrl("https://x/y.png"), {"type": "image", "source": {"type": "url", "url": "https://x/y.png"}}),
    (
        ImageUrl("data:image/gif;base64,R0lG"),
        {"type": "image", "source": {"type": "base64", "media_type": "image/gif", "data": "R0lG"}},
    ),
    (PNG, {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "iVBORw=="}}),
    (PDF, {"type": "document", "source": {"type": "base64", "media_type": "application/pdf", "data": "JVBERg=="}}),
    (DocumentUrl("https://x/y.pdf"), {"type": "document", "source": {"type": "url", "url": "https://x/y.pdf"}}),
    (DocumentUrl("https://x/get"), {"type": "document", "source": {"type": "url", "url": "https://x/get"}}),
    (
        BinaryContent("Grüße".encode(), "text/plain; charset=utf-8"),
        {"type": "document", "source": {"type": "text", "media_type": "text/plain", "data": "Grüße"}},
    ),
    (
        BinaryContent(b"a,b", "text/csv"),
        {"type": "document", "source": {"type": "text", "media_type": "text/plain", "data": "a,b"}},
    ),
]


@pytest.mark.parametrize(("item", "block"), MEDIA)
async def test_images_and_documents_are_sent(model: AnthropicModel, item: UserContent, block: dict[str, Any]) -> None:
    """As blocks of their own, in the order they were given."""
    body = await sent(model, [ask("Look:", item, "Well?")])
    assert body["messages"][0]["content"] == [text("Look:"), block, text("Well?")]


@pytest.mark.parametrize(
    ("item", "said"),
    [
        (AudioUrl("https://x/y.mp3"), "do not take audio"),
        (BinaryContent(b"x", "audio/wav"), "do not take audio"),
        (BinaryContent(b"x", "image/tiff"), "do not take image/tiff"),
        (BinaryContent(b"x", "application/zip"), "do not take application/zip"),
        (DocumentUrl("https://x/y.docx"), "no document at an address but PDFs"),
    ],
)
async def test_what_anthropic_does_not_take_is_refused_clearly(
    model: AnthropicModel, server: AnthropicServer, item: UserContent, said: str
) -> None:
    """Before anything is sent."""
    with pytest.raises(errors.UserError, match=said):
        await model.request([ask("x", item)], None, NOTHING)
    assert server.requests == []


async def test_half_a_surrogate_pair_is_sent_as_a_question_mark(model: AnthropicModel, server: AnthropicServer) -> None:
    """Chat platforms let them through."""
    await model.request([ask("broken \ud83d emoji")], None, NOTHING)
    assert server.requests[0].prompt == "broken ? emoji"


def marks(body: dict[str, Any]) -> list[Any]:
    """Where the breakpoints are: tools, system prompts, turns."""
    found: list[Any] = [[b.get("cache_control") for b in body.get(name, ())] for name in ("tools", "system")]
    return [*found, [b.get("cache_control") for turn in body["messages"] for b in turn["content"]]]


async def test_long_prompts_are_kept_by_the_provider(model: AnthropicModel) -> None:
    """By default tools and system prompts, where they are long enough; with the rest of the conversation if asked."""
    long = ModelRequest([SystemPromptPart("a"), SystemPromptPart("Be brief. " * 400)])
    history: list[ModelMessage] = [long, ask("x"), ModelResponse([TextPart("y")]), ask("z")]
    mark = {"type": "ephemeral"}
    assert marks(await sent(model, history)) == [[mark], [None, mark], [None, None, None]]
    assert marks(await sent(model, history, {"anthropic_cache": "off"})) == [[None], [None, None], [None] * 3]
    body = await sent(model, history, {"anthropic_cache": "conversation", "anthropic_cache_ttl": "1h"})
    hour = {"type": "ephemeral", "ttl": "1h"}
    assert marks(body) == [[hour], [None, hour], [None, None, hour]]
    assert marks(await sent(model, history[1:], {"anthropic_cache": "conversation"})) == [
        [None],
        [],
        [None, None, mark],
    ]
    assert marks(await sent(model, history[1:])) == [[None], [], [None, None, None]]


async def test_a_thought_is_never_a_breakpoint(model: AnthropicModel) -> None:
    """The API refuses that; a conversation that ends with an answer has no last question to mark."""
    history: list[ModelMessage] = [ask("x"), ModelResponse([TextPart("y"), ThinkingPart("z", "sig-1")])]
    assert marks(await sent(model, history, {"anthropic_cache": "conversation"}))[2] == [None, None, None]


async def test_the_messages_given_are_not_changed(model: AnthropicModel) -> None:
    """They are the history of a session."""
    parts: list[Any] = [ThinkingPart("h", "sig-1"), ToolCallPart("roll", {"n": 1}, "t"), ToolCallPart("roll", {}, "t")]
    returns: list[Any] = [UserPromptPart(["x", PNG]), ToolReturnPart("roll", 1, "t"), ToolReturnPart("roll", 2, "t")]
    history: list[ModelMessage] = [ask("x"), ModelResponse(parts), ModelRequest(returns)]
    before = repr(history)
    first = await sent(model, history, {"anthropic_cache": "conversation"})
    assert repr(history) == before
    assert await sent(model, history, {"anthropic_cache": "conversation"}) == first
    image = first["messages"][2]["content"][3]["source"]["data"]
    assert base64.b64decode(image) == PNG.data
