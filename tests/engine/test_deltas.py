"""Deltas put together by hand, as code does that reads events itself.

Source: pydantic-ai v0.0.40, `TextPartDelta.apply` and `ToolCallPartDelta.apply`; `ThinkingPartDelta` is newer.
"""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core import UnexpectedModelBehavior
from core.messages import (
    ModelResponsePart,
    TextPart,
    TextPartDelta,
    ThinkingPart,
    ThinkingPartDelta,
    ToolCallPart,
    ToolCallPartDelta,
)


@given(st.text(), st.lists(st.text()))
def test_a_text_grows_by_its_deltas_and_the_part_before_stays(begun: str, pieces: list[str]) -> None:
    """Whoever kept an earlier part still has what it was."""
    first = part = TextPart(begun, signature="kept")
    for piece in pieces:
        part = TextPartDelta(piece).apply(part)
    assert part == TextPart(begun + "".join(pieces), signature="kept")
    assert first == TextPart(begun, signature="kept")


def test_a_thought_grows_and_its_signature_comes_last() -> None:
    part = ThinkingPartDelta(" hm").apply(ThinkingPart("So,"))
    assert ThinkingPartDelta(signature_delta="s").apply(part) == ThinkingPart("So, hm", "s")
    assert part == ThinkingPart("So, hm")


@given(st.dictionaries(st.text(), st.integers()), st.integers(1, 5), st.booleans())
def test_a_call_comes_together_from_pieces(args: dict[str, Any], size: int, announced: bool) -> None:
    """Begun as a part, or only known by deltas until there is a name and something of its arguments."""
    text = json.dumps(args)
    pieces = [text[at : at + size] for at in range(0, len(text), size)]
    grown: ToolCallPart | ToolCallPartDelta = (
        ToolCallPart("roll", "") if announced else ToolCallPartDelta("ro").apply(ToolCallPartDelta())
    )
    assert announced or isinstance(grown, ToolCallPartDelta)
    if not announced:
        grown = ToolCallPartDelta("ll").apply(grown)
    for piece in pieces:
        grown = ToolCallPartDelta(args_delta=piece, tool_call_id="7").apply(grown)
    assert grown == ToolCallPart("roll", text, "7")


def test_objects_are_merged() -> None:
    part = ToolCallPart("roll", {"a": 1, "b": 1})
    assert ToolCallPartDelta(args_delta={"b": 2}).apply(part) == ToolCallPart("roll", {"a": 1, "b": 2})
    assert part.args == {"a": 1, "b": 1}
    assert ToolCallPartDelta(args_delta={"b": 2}).apply(ToolCallPartDelta("roll")) == ToolCallPart("roll", {"b": 2})


def test_half_a_call_is_no_part() -> None:
    assert ToolCallPartDelta("roll").as_part() is None and ToolCallPartDelta(args_delta="{}").as_part() is None
    assert ToolCallPartDelta("roll", "{}", "7").as_part() == ToolCallPart("roll", "{}", "7")


@pytest.mark.parametrize(
    ("delta", "part", "said"),
    [
        (TextPartDelta("x"), ToolCallPart("a", "{}"), "Cannot apply TextPartDeltas to non-TextParts"),
        (ThinkingPartDelta("x"), TextPart("a"), "Cannot apply ThinkingPartDeltas to non-ThinkingParts"),
        (
            ToolCallPartDelta("x"),
            TextPart("a"),
            "Can only apply ToolCallPartDeltas to ToolCallParts or ToolCallPartDeltas, not TextPart(",
        ),
    ],
)
def test_a_delta_of_another_kind_is_refused(delta: Any, part: ModelResponsePart, said: str) -> None:
    with pytest.raises(ValueError) as refused:
        delta.apply(part)
    assert str(refused.value).startswith(said)


@pytest.mark.parametrize("begun", [ToolCallPart, ToolCallPartDelta])
@pytest.mark.parametrize(
    ("known", "delta", "said"),
    [
        (({"a": 1}, None), ToolCallPartDelta(args_delta="{}"), "Cannot apply JSON deltas to non-JSON tool arguments ("),
        (("{", None), ToolCallPartDelta(args_delta={}), "Cannot apply dict deltas to non-dict tool arguments ("),
        (
            ("{", "1"),
            ToolCallPartDelta(tool_call_id="2"),
            "Cannot apply a new tool_call_id to a ToolCallPartDelta that already has one (",
        ),
    ],
)
def test_calls_that_do_not_fit_together_are_the_models_mistake(
    begun: Any, known: tuple[Any, Any], delta: ToolCallPartDelta, said: str
) -> None:
    with pytest.raises(UnexpectedModelBehavior) as refused:
        delta.apply(begun("roll", *known))
    assert str(refused.value).startswith(said)
