"""Pieces of text that are read without their JSON say what their JSON says."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import example, given
from hypothesis import strategies as st

from core.messages import ModelResponseStreamEvent
from core.models import OpenAIModel
from core.models._mould import Mould, Moulds
from tests.providers.clients import ASK, NOTHING, model_over
from tests.providers.openai_server import sse
from tests.providers.raw_server import RawServer, head

KEY = b'"content"'


def chunk(content: str, **more: Any) -> dict[str, Any]:
    return {"id": "c", "choices": [{"index": 0, "delta": {"content": content}, "logprobs": None}], "model": "m", **more}


def content_of(data: bytes) -> Any:
    return json.loads(data)["choices"][0]["delta"]["content"]


TEXTS = st.text(max_size=12) | st.sampled_from(
    ['"', "\\", "\\u0041", "a\nb", "\x7f", "\x00", "é", "🙂", "content", "m"]
)
DUMPS = st.sampled_from([{}, {"ensure_ascii": False}, {"separators": (",", ":")}])


@given(TEXTS, TEXTS, DUMPS, DUMPS)
@example("a", 'b","role":"x', {}, {})
def test_what_a_mould_reads_is_what_json_reads(first: str, second: str, one: Any, other: Any) -> None:
    forerunner = json.dumps(chunk(first), **one).encode(errors="surrogatepass")
    data = json.dumps(chunk(second), **other).encode(errors="surrogatepass")
    mould = Mould.of(forerunner, KEY)
    if mould is not None and (text := mould.text_in(data)) is not None:
        assert text == content_of(data) != ""
        assert {**json.loads(data), "choices": 0} == {**json.loads(forerunner), "choices": 0}
    if one == other and first.isalnum() and second.isalnum() and "content" not in (first, second):
        assert (one.get("ensure_ascii", True) and not (first + second).isascii()) or (mould and text == second)


@given(st.binary(max_size=20))
def test_bytes_that_are_no_json_are_left_to_who_reads_json(between: bytes) -> None:
    mould = Mould.of(json.dumps(chunk("x")).encode(), KEY)
    assert mould is not None
    before, _, after = json.dumps(chunk("\x01")).encode().partition(rb"\u0001")
    text = mould.text_in(before + between + after)
    try:
        expected = content_of(before + between + after)
    except ValueError:
        expected = None
    assert text is None or text == expected


def test_an_event_with_more_than_one_place_for_its_text_has_no_mould() -> None:
    twice = chunk("x", echo={"content": "x"})
    assert Mould.of(json.dumps(twice).encode(), KEY) is None


def test_who_pads_each_piece_at_random_is_not_measured_again_and_again() -> None:
    moulds = Moulds("content")
    for number in range(100):
        data = json.dumps(chunk("x", padding=str(number))).encode()
        assert moulds.text_in(data) is None
        moulds.read(data, is_text=True)
    data = json.dumps(chunk("y", padding="99")).encode()
    assert moulds.text_in(data) is None


async def test_a_stream_says_the_same_with_and_without_moulds(monkeypatch: Any) -> None:
    """Text, thoughts, calls, a finish that has text with it, usage, and text that comes in halves of characters."""
    half = json.dumps(chunk("🙂")).replace("\\ude42", ""), json.dumps(chunk("🙂")).replace("\\ud83d", "")
    call = {"tool_calls": [{"index": 0, "id": "c", "function": {"name": "f", "arguments": "{}"}}]}
    said = [
        *map(chunk, ["One", "two", " three", "\n", " four", "", " five"]),
        chunk("five", usage={"prompt_tokens": 1, "completion_tokens": 2}),
        {**chunk("six"), "choices": [{"delta": {"content": "six", "reasoning_content": "Hm."}}]},
        *map(chunk, ["seven", "eight", "é", "nine"]),
        {"choices": [{"delta": call}]},
        *map(chunk, ["nine", "ten"]),
    ]
    nameless = {"tool_calls": [{"index": 1, "function": {"arguments": "x"}}]}
    other = {"index": 1, "delta": {"content": "not ours"}}
    said += [{"choices": [{"delta": {"content": text, **nameless}}]} for text in ("with", "half", "a", "call")]
    said.append({"choices": [{"delta": {"tool_calls": [{"index": 1, "function": {"name": "g"}}]}}]})
    said.append(chunk("eleven"))
    said += [
        {"choices": [{"delta": {"refusal": text}}, other | {"delta": {"content": text * 2}}]}
        for text in ("I", " will", " not")
    ]
    end = [{"choices": [{"delta": {"content": "end"}, "finish_reason": "stop"}]}, "[DONE]", chunk("late")]
    raw = b"".join(b"data: %s\n\n" % text.encode() for text in half)

    async def heard(merge: bool) -> tuple[list[ModelResponseStreamEvent], Any, Any]:
        settings: Any = {"max_retries": 0, "merge_deltas": merge}
        async with (
            RawServer(head() + sse(*said) + raw + sse(chunk("more"), *end)) as server,
            model_over("aiohttp", OpenAIModel, "m", server.base_url) as model,
            model.request_stream(ASK, settings, NOTHING) as streamed,
        ):
            return [event async for event in streamed], streamed.get().parts, streamed.usage()

    moulded = await heard(False), await heard(True)
    taken = 0

    def without(self: Moulds, data: bytes) -> None:
        nonlocal taken
        taken += Mould.text_in(self._mould, data) is not None if self._mould else 0

    monkeypatch.setattr(Moulds, "text_in", without)
    assert (await heard(False), await heard(True)) == moulded
    assert taken >= 8  # of those without an escape that follow another one
