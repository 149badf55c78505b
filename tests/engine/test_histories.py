"""Histories: stored, repaired, grown out of deltas."""

from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from core.agent._history import CANCELLED, repaired, with_instructions
from core.messages import (
    AudioUrl,
    BinaryContent,
    DocumentUrl,
    ImageUrl,
    ModelMessage,
    ModelMessagesTypeAdapter,
    ModelRequest,
    ModelResponse,
    PartDeltaEvent,
    PartStartEvent,
    RetryPromptPart,
    SystemPromptPart,
    TextPart,
    ThinkingPart,
    ToolCallPart,
    ToolReturnPart,
    UserPromptPart,
)
from core.models._parts import ResponseParts
from core.models.errors import UnexpectedModelBehavior

ids = st.sampled_from(["1", "2", "3", None])
request_parts = st.one_of(
    st.builds(UserPromptPart, st.just("hi")),
    st.builds(SystemPromptPart, st.just("be")),
    st.builds(ToolReturnPart, st.just("t"), st.just("r"), ids),
    st.builds(RetryPromptPart, st.just("again"), st.sampled_from([None, "t"]), ids),
    st.builds(RetryPromptPart, st.just("Unknown tool name: 't'. No tools available.")),
)
response_parts = st.one_of(
    st.builds(TextPart, st.just("text")),
    st.builds(ThinkingPart, st.just("hm"), st.sampled_from([None, "sig"])),
    st.builds(ToolCallPart, st.just("t"), st.just("{}"), ids),
)
histories = st.lists(
    st.one_of(
        st.builds(ModelRequest, st.lists(request_parts, max_size=4)),
        st.builds(ModelResponse, st.lists(response_parts, max_size=4)),
    ),
    max_size=8,
)


def key(part: Any) -> str:
    return part.tool_call_id or part.tool_name


def returns_of(message: ModelMessage) -> list[str]:
    return [
        key(part)
        for part in (message.parts if isinstance(message, ModelRequest) else ())
        if isinstance(part, ToolReturnPart) or (isinstance(part, RetryPromptPart) and part.tool_name)
    ]


_TWICE = [SystemPromptPart("be"), ToolReturnPart("t", "r", "1")]


@given(histories)
@example([ModelResponse([ToolCallPart("t", "{}", "1")]), ModelRequest([*_TWICE]), ModelRequest([*_TWICE])])
def test_a_repaired_history_is_one_every_provider_takes(messages: list[ModelMessage]) -> None:
    """After each response with calls, one request with exactly their returns; no return anywhere else."""
    before = ModelMessagesTypeAdapter.dump_json(messages)
    mended = repaired(messages)
    assert ModelMessagesTypeAdapter.dump_json(messages) == before
    waiting: list[str] = []
    for message in mended:
        assert message.parts
        assert sorted(returns_of(message)) == sorted(waiting)
        calls = message.parts if isinstance(message, ModelResponse) else ()
        waiting = [key(part) for part in calls if isinstance(part, ToolCallPart)]
    assert not waiting
    assert repaired(mended) == mended

    def said(history: list[ModelMessage]) -> list[Any]:
        kept = (UserPromptPart, SystemPromptPart, TextPart, ThinkingPart, ToolCallPart)
        return [part for message in history for part in message.parts if isinstance(part, kept)]

    assert said(mended) == said(messages)


def test_a_good_history_is_sent_as_it_is() -> None:
    """Repairing costs no copies where there is nothing to repair."""
    good: list[ModelMessage] = [
        ModelRequest([UserPromptPart("a")]),
        ModelResponse([ToolCallPart("t", {}, "1")]),
        ModelRequest([ToolReturnPart("t", 1, "1"), UserPromptPart("and")]),
        ModelResponse([TextPart("b")]),
    ]
    assert repaired(good) == good
    assert repaired(good)[0] is good[0]


def test_what_is_missing_says_cancelled() -> None:
    call = ModelResponse([ToolCallPart("t", {}, "1")])
    [_, returned, asked] = repaired([call, ModelRequest([UserPromptPart("new")])])
    assert returned.parts[0].content == CANCELLED and asked.parts[0].content == "new"


def test_a_call_of_an_unknown_tool_is_answered_by_what_says_so() -> None:
    """What says so names no tool, as no tool was called; a provider wants it to name the call all the same."""
    calls = [ToolCallPart("one", "{}", "1"), ToolCallPart("two", "{}", "2"), ToolCallPart("two", "{}", "3")]
    unknown = RetryPromptPart("Unknown tool name: 'two'. Available tools: one")
    history: list[ModelMessage] = [
        ModelResponse(list(calls)),
        ModelRequest([ToolReturnPart("one", "ok", "1"), unknown, unknown, UserPromptPart("hi")]),
    ]
    [_, request] = repaired(history)
    assert [getattr(part, "tool_call_id", None) for part in request.parts] == ["1", "2", "3", None]
    assert [part.content for part in request.parts] == ["ok", unknown.content, unknown.content, "hi"]
    assert unknown.tool_call_id is None


def test_instructions_are_said_first_and_not_stored() -> None:
    history: list[ModelMessage] = [ModelRequest([UserPromptPart("a")])]
    sent = with_instructions(history, "Be brief.")
    assert sent[0].parts[0] == SystemPromptPart("Be brief.") and len(history[0].parts) == 1
    assert with_instructions([ModelResponse([])], "x")[0].parts == [SystemPromptPart("x")]


@given(histories)
def test_a_stored_history_comes_back_the_same(messages: list[ModelMessage]) -> None:
    """Sessions live for months in Redis."""
    assert ModelMessagesTypeAdapter.validate_json(ModelMessagesTypeAdapter.dump_json(messages)) == messages


def test_media_are_stored_too() -> None:
    content = ["see", BinaryContent(b"\xff\x00", "image/png"), ImageUrl("https://x/a.png"), AudioUrl("https://x/a.mp3")]
    history: list[ModelMessage] = [ModelRequest([UserPromptPart(content)])]
    assert ModelMessagesTypeAdapter.validate_json(ModelMessagesTypeAdapter.dump_json(history)) == history


def test_media_types_come_from_extensions() -> None:
    """Query and case do not matter; what is unknown is an error."""
    assert ImageUrl("https://x/A.JPG?size=2").media_type == "image/jpeg"
    assert AudioUrl("https://x/a.wav").media_type == "audio/wav"
    assert DocumentUrl("https://x/a.pdf").format == "pdf"
    assert BinaryContent(b"", "application/pdf").is_document and not BinaryContent(b"", "video/mp4").is_document
    with pytest.raises(ValueError, match=r"Unknown image file extension: https://x/a\.tiff"):
        _ = ImageUrl("https://x/a.tiff").media_type
    with pytest.raises(ValueError, match="Unknown audio file extension"):
        _ = AudioUrl("https://x/a").media_type
    with pytest.raises(RuntimeError, match="Unknown document file extension"):
        _ = DocumentUrl("https://x/a").media_type


pieces = st.lists(
    st.one_of(
        st.tuples(st.just("text"), st.text(min_size=1)),
        st.tuples(st.just("think"), st.text(min_size=1)),
        st.tuples(st.just("call"), st.sampled_from("ab")),
    )
)


@given(pieces)
def test_events_and_parts_tell_the_same(deltas: list[tuple[str, str]]) -> None:
    """Whoever replays the events has the response."""
    parts = ResponseParts()
    replayed: dict[int, str] = {}
    for kind, said in deltas:
        match kind:
            case "text":
                event = parts.text(said)
            case "think":
                event = parts.thinking(said)
            case _:
                event = parts.call(said, name=None if said in parts._calls else said, args="[1]")
        match event:
            case PartStartEvent(index=index, part=part):
                assert index == len(replayed)
                replayed[index] = part.args if isinstance(part, ToolCallPart) else part.content
            case PartDeltaEvent(index=index, delta=delta):
                replayed[index] += getattr(delta, "args_delta", None) or getattr(delta, "content_delta", "")
    now = [part.args if isinstance(part, ToolCallPart) else part.content for part in parts.parts()]
    assert now == list(replayed.values())


def test_a_call_without_a_name_is_not_there_yet() -> None:
    parts = ResponseParts()
    assert parts.call(0, args='{"x"') is None and parts.parts() == []
    assert parts.call(0, name="t", call_id="1") == PartStartEvent(0, ToolCallPart("t", '{"x"', "1"))
    parts.call(0, args=": 1}")
    assert parts.parts() == [ToolCallPart("t", '{"x": 1}', "1")]
    with pytest.raises(UnexpectedModelBehavior, match="Cannot apply dict deltas"):
        parts.call(0, args={"y": 1})
    parts.call(1, name="u", args={"y": 1})
    with pytest.raises(UnexpectedModelBehavior, match="Cannot apply JSON deltas"):
        parts.call(1, args="{}")


def test_a_thought_after_a_signed_one_is_another() -> None:
    """Signatures belong to exactly what they sign."""
    parts = ResponseParts()
    for content, signature in (("a", None), ("b", None), (None, "s"), ("c", None)):
        parts.thinking(content, signature)
    assert parts.parts() == [ThinkingPart("ab", "s"), ThinkingPart("c")]
