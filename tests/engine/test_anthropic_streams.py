"""Streams of the Messages API as hostile networks and servers deliver them: cut, broken, padded, garbled."""

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from core.messages import ModelResponse, TextPart, ThinkingPart, ToolCallPart
from core.models import AnthropicModel, errors
from tests.providers.anthropic_server import (
    AnthropicServer,
    Call,
    Redacted,
    Reply,
    Thought,
    events_of,
    sse,
    stream_bytes,
)
from tests.providers.clients import ASK, NOTHING, over_each_transport, served_by

EVERYTHING = Reply(
    [Thought(["hm ", "世"], "sig-1"), Redacted("enc-1"), ["Grü", "ße 👋"], Call("roll", '{"n": "é"}', "t1", 3)]
)
PARTS = [
    ThinkingPart("hm 世", "sig-1"),
    ThinkingPart("", "redacted_thinking:enc-1"),
    TextPart("Grüße 👋"),
    ToolCallPart("roll", '{"n": "é"}', "t1"),
]


class Chunks(httpx.AsyncByteStream):
    """A body in exactly these pieces, then its end or a reset connection."""

    def __init__(self, pieces: list[bytes], reset: bool) -> None:
        self._pieces = pieces
        self._reset = reset
        self.closed = False

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for piece in self._pieces:
            yield piece
        if self._reset:
            raise httpx.ReadError("Connection reset by peer")

    async def aclose(self) -> None:
        self.closed = True


async def read(
    *pieces: bytes, reset: bool = False, retries: int = 0
) -> tuple[ModelResponse | None, Exception | None, int]:
    """What our client makes of such a body: the response (None if it never began), the failure, the requests made."""
    bodies: list[Chunks] = []

    def answer(_request: httpx.Request) -> httpx.Response:
        bodies.append(Chunks(list(pieces), reset))
        return httpx.Response(200, headers={"content-type": "text/event-stream"}, stream=bodies[-1])

    response = None
    failure: Exception | None = None
    async with httpx.AsyncClient(transport=httpx.MockTransport(answer)) as client:
        model = AnthropicModel("claude-test", base_url="http://x", api_key="k", http_client=client)
        try:
            async with model.request_stream(ASK, {"max_retries": retries}, NOTHING) as streamed:
                try:
                    async for _ in streamed:
                        pass
                finally:
                    response = streamed.get()
        except errors.AgentRunError as exc:
            failure = exc
    assert all(body.closed for body in bodies)
    return response, failure, len(bodies)


@pytest.mark.parametrize("line_end", ["\n", "\r\n", "\r"])
async def test_a_stream_cut_in_two_at_any_byte_reads_the_same(line_end: str) -> None:
    """Also in the middle of characters, of line ends and of JSON."""
    data = stream_bytes(Reply(EVERYTHING.blocks, line_end=line_end))
    for at in range(len(data) + 1):
        response, failure, _ = await read(data[:at], data[at:])
        assert failure is None and response is not None and response.parts == PARTS, at
        assert response.finish_reason == "tool_use"


async def test_byte_by_byte_reads_the_same() -> None:
    """As some proxies send it."""
    data = stream_bytes(EVERYTHING)
    response, failure, _ = await read(*(data[at : at + 1] for at in range(len(data))))
    assert failure is None and response is not None and response.parts == PARTS


@pytest.mark.parametrize("reset", [True, False])
async def test_a_connection_lost_at_any_byte_is_typed_and_keeps_what_came(reset: bool) -> None:
    """Reset or closed politely: nothing that came is lost, and nothing hangs."""
    data = stream_bytes(EVERYTHING)
    told_why = data.index(b'"stop_reason": "tool_use"')
    seen, whole = 0, False
    for at in range(len(data)):
        response, failure, _ = await read(data[:at], reset=reset)
        if response is None:
            assert isinstance(failure, errors.ModelConnectionError), at
            continue
        shown = sum(len(part.args if isinstance(part, ToolCallPart) else part.content) for part in response.parts)
        assert shown >= seen and response.parts == PARTS[: len(response.parts) - 1] + response.parts[-1:], at
        seen = shown
        if at > told_why:
            whole = whole or failure is None
        if whole:  # all of it was there, but for its last formalities
            assert failure is None and response.parts == PARTS, at
        else:
            assert isinstance(failure, errors.ModelStreamBroken), at
    assert seen == len("hm 世Grüße 👋") + len('{"n": "é"}')


async def test_a_lost_beginning_is_asked_for_again() -> None:
    """Up to the first piece of the answer, and never after it."""
    data = stream_bytes(Reply(["one"]))
    first = data.index(b"\n\n", data.index(b'"text_delta"')) + 2
    for at, expected in ((0, 2), (first - 2, 2), (first, 1), (first + 20, 1)):
        _, failure, made = await read(data[:at], reset=True, retries=1)
        assert failure is not None and made == expected, at


@pytest.mark.parametrize(
    "noise", [b": keep-alive\n\n", b'event: ping\ndata: {"type": "ping"}\n\n', b"retry: 3\nid: 4\n"]
)
async def test_pings_comments_and_other_fields_are_passed_over(noise: bytes) -> None:
    """They may come before, between and after all events."""
    response, failure, _ = await read(stream_bytes(Reply(EVERYTHING.blocks, noise=noise)) + noise)
    assert failure is None and response is not None and response.parts == PARTS


def with_events(*more: dict[str, Any]) -> bytes:
    """A good stream with these events in its middle."""
    events = list(events_of(Reply([["o", "k"]]), "claude-test"))
    return b"".join(map(sse, [*events[:4], *more, *events[4:]]))


UNKNOWN: list[dict[str, Any]] = [
    {"type": "an_event_not_known_yet", "index": 0, "delta": 7},
    {
        "type": "content_block_delta",
        "index": 0,
        "delta": {"type": "citations_delta", "citation": {"cited_text": "x"}},
    },
    {"type": "content_block_delta", "index": 0, "delta": {"type": "a_delta_not_known_yet"}},
    {"type": "content_block_start", "index": 9, "content_block": {"type": "server_tool_use", "id": "s", "name": "w"}},
    {"type": "content_block_delta", "index": 9, "delta": {"type": "input_json_delta", "partial_json": '{"q"'}},
    {"type": "content_block_stop", "index": 9},
    {"type": "content_block_start", "index": 8, "content_block": {"type": "web_search_tool_result", "content": []}},
    {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": ""}},
    {"type": "message_delta", "delta": {}, "usage": None},
]


@pytest.mark.parametrize("event", UNKNOWN)
async def test_what_is_unknown_or_not_ours_is_ignored(event: dict[str, Any]) -> None:
    """The API's versioning policy: events and blocks may be added at any time."""
    response, failure, _ = await read(with_events(event))
    assert failure is None and response is not None and response.parts == [TextPart("ok")]


async def test_the_event_line_names_an_event_whose_data_does_not() -> None:
    """Some proxies write the type but once."""
    data = stream_bytes(EVERYTHING)
    for event in events_of(EVERYTHING, "claude-test"):
        data = data.replace(json.dumps(event, ensure_ascii=False).encode(), _untyped(event))
    assert b'{"type": "content_block_delta"' not in data
    response, failure, _ = await read(data)
    assert failure is None and response is not None and response.parts == PARTS
    error = b'event: error\ndata: {"error": {"type": "overloaded_error", "message": "Overloaded"}}\n\n'
    assert isinstance((await read(error))[1], errors.ModelOverloaded)


def _untyped(event: dict[str, Any]) -> bytes:
    return json.dumps({key: value for key, value in event.items() if key != "type"}, ensure_ascii=False).encode()


async def test_arguments_that_come_at_once_are_read() -> None:
    """A server that does not cut them up may put them in the first event."""
    block = {"type": "tool_use", "id": "t", "name": "a", "input": {"x": 1}}
    start, stop = {"type": "content_block_start", "index": 0, "content_block": block}, {"type": "content_block_stop"}
    end = {"type": "message_delta", "delta": {"stop_reason": "tool_use"}}
    response, failure, _ = await read(sse(start) + sse({**stop, "index": 0}) + sse(end))
    assert failure is None and response is not None
    [call] = response.parts
    assert isinstance(call, ToolCallPart) and call.args_as_dict() == {"x": 1}


GARBAGE = [
    b"data: {not json\n\n",
    b"data: 7\n\n",
    b"data: []\n\n",
    b'data: {"type": "content_block_delta", "index": 0}\n\n',
    b'data: {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": 3}}\n\n',
    b'data: {"type": "content_block_start", "index": 0, "content_block": null}\n\n',
    b'data: {"type": "content_block_start", "index": [], "content_block": {"type": "text"}}\n\n',
    b'data: {"type": "message_delta", "delta": 3}\n\n',
    b'data: {"type": {}}\n\n',
    b"data: \xff\xfe\n\n",
    b"data: " + b"x" * (10 * 1024 * 1024 + 8),
]


@pytest.mark.parametrize("garbage", GARBAGE, ids=range(len(GARBAGE)))
async def test_garbage_is_a_typed_error_and_keeps_what_came(garbage: bytes) -> None:
    """No parser exception of ours reaches the caller."""
    good = stream_bytes(Reply(["ok"], cut_after=4))
    response, failure, _ = await read(good, garbage)
    assert isinstance(failure, errors.ModelStreamBroken)
    assert response is not None and response.parts == [TextPart("ok")]
    response, failure, _ = await read(garbage)
    assert isinstance(failure, errors.AgentRunError) and response is None


async def test_json_cut_off_anywhere_is_a_typed_error() -> None:
    """A server that dies while it writes a line, and ends the line for us."""
    good = stream_bytes(Reply(["ok"], cut_after=4))
    last = sse({"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "more"}})
    for at in range(last.index(b"{") + 1, last.rindex(b"}")):
        response, failure, _ = await read(good + last[:at] + b"\n\n")
        assert isinstance(failure, errors.ModelStreamBroken), at
        assert response is not None and response.parts == [TextPart("ok")]


async def test_half_a_character_never_reaches_the_text() -> None:
    """Half a surrogate pair could neither be shown nor stored."""
    event = b'data: {"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"a\\ud83d"}}\n\n'
    end = sse({"type": "message_delta", "delta": {"stop_reason": "end_turn"}})
    response, failure, _ = await read(event + end)
    assert failure is None and response is not None and response.parts == [TextPart("a\ufffd")]


server = served_by(AnthropicServer)
model = over_each_transport(AnthropicModel, "claude-test")


@pytest.mark.parametrize("options", [{"chunk_size": 1}, {"chunk_size": 7}, {"gzip": True}, {"line_end": "\r\n"}])
async def test_how_the_bytes_come_does_not_matter(
    model: AnthropicModel, server: AnthropicServer, options: dict[str, Any]
) -> None:
    """Over real connections: byte by byte, compressed, with other line ends."""
    server.reply(Reply(EVERYTHING.blocks, **options))
    async with model.request_stream(ASK, None, NOTHING) as streamed:
        async for _ in streamed:
            pass
    assert streamed.get().parts == PARTS


async def test_a_real_connection_may_end_anywhere(model: AnthropicModel, server: AnthropicServer) -> None:
    """No request, task or connection is left, and the next answer is whole."""
    length = len(stream_bytes(EVERYTHING))
    for at in range(0, length, 61):
        server.queue(Reply(EVERYTHING.blocks, cut_at=at))
        try:
            async with asyncio.timeout(10), model.request_stream(ASK, {"max_retries": 0}, NOTHING) as streamed:
                async for _ in streamed:
                    pass
        except (errors.ModelConnectionError, errors.ModelStreamBroken):
            continue
        assert streamed.get().parts == PARTS
    await server.idle.wait()
    assert (await model.request(ASK, None, NOTHING))[0].parts == [TextPart("Hello")]
