"""Models that people wrote for the first face: a `request_stream` that gives a dataclass with `_get_event_iterator`."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime

import pytest

from core import Agent, UnexpectedModelBehavior
from core.messages import (
    ModelMessage,
    ModelResponse,
    ModelResponseStreamEvent,
    PartDeltaEvent,
    PartStartEvent,
    TextPart,
    TextPartDelta,
    ToolCallPart,
    ToolCallPartDelta,
    ToolReturnPart,
)
from core.models import Model, ModelRequestParameters, ModelSettings, StreamedResponse, Usage
from core.models._parts import ResponseParts


@dataclass
class Letters(StreamedResponse):
    """Text letter by letter, or a call in pieces."""

    _text: str
    _model_name: str
    _timestamp: datetime = field(default_factory=lambda: datetime(2025, 3, 1, tzinfo=UTC), init=False)

    async def _get_event_iterator(self) -> AsyncIterator[ModelResponseStreamEvent]:
        self._usage += Usage(request_tokens=2)
        for letter in self._text:
            self._usage += Usage(response_tokens=1)
            yield self._parts_manager.handle_text_delta(vendor_part_id="content", content=letter)
        if not self._text:
            for piece in (("roll", None), (None, '{"si'), (None, 'des": 6}')):
                event = self._parts_manager.handle_tool_call_delta(
                    vendor_part_id=None, tool_name=piece[0], args=piece[1], tool_call_id=None
                )
                if event is not None:
                    yield event

    @property
    def model_name(self) -> str:
        return self._model_name

    @property
    def timestamp(self) -> datetime:
        return self._timestamp


@dataclass
class Spelling(Model):
    """Calls a tool first, then says what it returned."""

    _model_name: str = field(default="spelling", repr=False)
    _system: str | None = field(default="own", repr=False)

    async def request(
        self,
        messages: list[ModelMessage],
        model_settings: ModelSettings | None,
        model_request_parameters: ModelRequestParameters,
    ) -> tuple[ModelResponse, Usage]:
        raise AssertionError("it streams")

    @asynccontextmanager
    async def request_stream(
        self,
        messages: list[ModelMessage],
        model_settings: ModelSettings | None,
        model_request_parameters: ModelRequestParameters,
    ) -> AsyncIterator[StreamedResponse]:
        last = messages[-1].parts[-1]
        yield Letters(str(last.content) if isinstance(last, ToolReturnPart) else "", self._model_name)

    @property
    def model_name(self) -> str:
        return self._model_name

    @property
    def system(self) -> str:
        return self._system or ""


async def test_a_model_written_for_the_first_face_streams_through_every_view() -> None:
    agent = Agent(Spelling())

    @agent.tool_plain
    def roll(sides: int) -> str:
        return f"{sides}!"

    async with agent.run_stream("Roll") as result:
        assert [text async for text in result.stream_text(debounce_by=None)] == ["6", "6!"]
        assert result.timestamp() == datetime(2025, 3, 1, tzinfo=UTC)
    assert result.usage() == Usage(requests=2, request_tokens=4, response_tokens=2)
    assert [each.content async for each in agent.run("Roll", stream=True)] == ["6", "!"]
    said = result.all_messages()[1]
    assert isinstance(said, ModelResponse) and said.parts == [ToolCallPart("roll", '{"sides": 6}')]
    assert said.model_name == "spelling"


async def test_a_response_that_says_of_no_events_is_named() -> None:
    class Nothing(StreamedResponse):
        model_name = "nothing"

    with pytest.raises(NotImplementedError, match="Nothing says of no events"):
        aiter(Nothing())


def test_parts_are_known_by_what_the_vendor_calls_them() -> None:
    """Also when they take turns; without a name the last part goes on."""
    parts = ResponseParts()
    named = parts.named
    first = named.handle_text_delta(vendor_part_id="a", content="one")
    second = named.handle_text_delta(vendor_part_id="b", content="two")
    more = named.handle_text_delta(vendor_part_id="a", content=" more")
    last = named.handle_text_delta(vendor_part_id=None, content=" and")
    assert (first, second) == (PartStartEvent(0, TextPart("one")), PartStartEvent(1, TextPart("two")))
    assert (more, last) == (PartDeltaEvent(0, TextPartDelta(" more")), PartDeltaEvent(1, TextPartDelta(" and")))
    assert named.get_parts() == [TextPart("one more"), TextPart("two and")]


def test_a_call_may_come_in_pieces_or_whole() -> None:
    parts = ResponseParts()
    named = parts.named
    assert named.handle_tool_call_delta(vendor_part_id="x", tool_name=None, args='{"', tool_call_id=None) is None
    started = named.handle_tool_call_delta(vendor_part_id="x", tool_name="f", args=None, tool_call_id="1")
    assert started == PartStartEvent(0, ToolCallPart("f", '{"', "1"))
    grown = named.handle_tool_call_delta(vendor_part_id="x", tool_name=None, args='a":1}', tool_call_id=None)
    assert grown == PartDeltaEvent(0, ToolCallPartDelta(None, 'a":1}', None))
    named.handle_text_delta(vendor_part_id=None, content="then")
    whole = named.handle_tool_call_part(vendor_part_id="x", tool_name="g", args={"b": 2}, tool_call_id="2")
    assert whole == PartStartEvent(0, ToolCallPart("g", {"b": 2}, "2"))
    named.handle_tool_call_part(vendor_part_id=None, tool_name="h", args="{}")
    named.handle_tool_call_delta(vendor_part_id=None, tool_name="i", args="{", tool_call_id=None)
    named.handle_tool_call_delta(vendor_part_id=None, tool_name=None, args="}", tool_call_id=None)
    assert named.get_parts() == [
        ToolCallPart("g", {"b": 2}, "2"),
        TextPart("then"),
        ToolCallPart("h", "{}"),
        ToolCallPart("i", "{}"),
    ]


def test_text_and_calls_are_not_mixed() -> None:
    named = ResponseParts().named
    named.handle_text_delta(vendor_part_id="a", content="text")
    with pytest.raises(UnexpectedModelBehavior, match="Cannot apply a tool call delta"):
        named.handle_tool_call_delta(vendor_part_id="a", tool_name="f", args=None, tool_call_id=None)
    named.handle_tool_call_part(vendor_part_id="b", tool_name="f", args="{}")
    with pytest.raises(UnexpectedModelBehavior, match="Cannot apply a text delta"):
        named.handle_text_delta(vendor_part_id="b", content="text")
