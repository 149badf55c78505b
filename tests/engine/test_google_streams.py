"""Gemini streams that misbehave: cut, split, garbled, silent, left alone."""

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from typing import Any

import httpx
import pytest

from core.messages import ModelResponse, TextPart
from core.models import GeminiModel, errors
from core.models.usage import Usage
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
from tests.providers.google_server import GoogleServer, Reply, call, response, sse, thought

USAGE: dict[str, Any] = {"usageMetadata": {"promptTokenCount": 2, "candidatesTokenCount": 3, "totalTokenCount": 5}}
WHOLE = [
    response(thought("Hm.", "c2ln")),
    response("Grüße ", **USAGE),
    response("👋", " 世界"),
    response(call("roll", {"n": 6}, "c1", "c2ln"), finish="STOP", **USAGE),
]
TEXT = "Grüße 👋 世界"


def utf8(*responses: Any, end: str = "\r\n\r\n") -> bytes:
    """As `sse`, with characters as they are and not as escapes, as Google sends them."""
    texts = (each if isinstance(each, str) else json.dumps(each, ensure_ascii=False) for each in responses)
    return sse(*texts, end=end)


server = served_by(GoogleServer)
model = over_each_transport(GeminiModel, "gemini-2.5-pro")


def is_whole(response: ModelResponse, _usage: Usage, told: str) -> bool:
    kinds = [part.part_kind for part in response.parts]
    return kinds == ["thinking", "text", "tool-call"] and told == TEXT and response.finish_reason == "stop"


async def forever() -> None:
    await asyncio.Event().wait()


def split_everywhere(raw: bytes) -> Iterator[list[bytes]]:
    yield [bytes([each]) for each in raw]
    for at in range(1, len(raw)):
        yield [raw[:at], raw[at:]]


@pytest.mark.parametrize("end", ["\n\n", "\r\n\r\n", "\r\r"])
async def test_where_the_bytes_are_split_does_not_matter(end: str) -> None:
    """At every place, also in the middle of a character, of a line end, of JSON."""
    pieces: list[bytes] = []

    async def body() -> AsyncIterator[bytes]:
        for piece in pieces:
            yield piece

    def answer(_request: httpx.Request) -> httpx.Response:
        return httpx.Response(200, content=body(), headers={"content-type": "text/event-stream"})

    async with httpx.AsyncClient(transport=httpx.MockTransport(answer)) as client:
        model = GeminiModel("m", base_url="http://x", http_client=client)
        for split in split_everywhere(utf8(*WHOLE, end=end)):
            pieces[:] = split
            assert is_whole(*await stream(model))


@pytest.mark.parametrize("how", [{"chunk_size": 1}, {"chunk_size": 5}, {"gzip": True}])
async def test_how_the_bytes_come_over_the_wire_does_not_matter(
    model: GeminiModel, server: GoogleServer, how: dict[str, Any]
) -> None:
    """Byte by byte over a socket, and compressed."""
    server.reply(Reply(raw=utf8(*WHOLE), **how))
    assert is_whole(*await stream(model))


TOLERATED: dict[str, bytes] = {
    "comments, event lines and ids": b": hi\r\n\r\nevent: message\r\nid: 7\r\n" + utf8(*WHOLE),
    "a BOM": b"\xef\xbb\xbf" + utf8(*WHOLE),
    "an end mark, and something after it": utf8(*WHOLE, "[DONE]") + b"data: junk\n\n",
    "no last empty line": utf8(*WHOLE).rstrip(),
    "responses with nothing in them": utf8(
        {}, {"candidates": []}, {"candidates": None}, {"candidates": [{}]}, {"candidates": [{"content": None}]}, *WHOLE
    ),
    "null fields": utf8({"usageMetadata": None, "promptFeedback": None, "modelVersion": None, "error": None}, *WHOLE),
    "usage after the end": utf8(*WHOLE, USAGE),
    "a finish reason with every response": utf8(
        *({**each, "candidates": [{**each["candidates"][0], "finishReason": "STOP"}]} for each in WHOLE)
    ),
    "a list instead of events": json.dumps(WHOLE).encode(),
    "a list over many lines": json.dumps(WHOLE, indent=2).encode(),
}


@pytest.mark.parametrize("name", TOLERATED)
async def test_deviations_are_tolerated(model: GeminiModel, server: GoogleServer, name: str) -> None:
    """Proxies and older models send these."""
    server.reply(Reply(raw=TOLERATED[name]))
    assert is_whole(*await stream(model))


async def test_a_server_that_does_not_stream_is_read(model: GeminiModel, server: GoogleServer) -> None:
    """One response, as JSON."""
    server.reply(Reply(body=json.dumps(response("ok", finish="STOP")).encode()))
    assert (await stream(model))[0].parts == [TextPart("ok")]


@pytest.mark.parametrize(
    "garbage",
    [
        b"data: {not json\n\n",
        b"data: 7\n\n",
        b"data: \xff\xfe\n\n",
        b'data: {"candidates": [3]}\n\n',
        b'data: {"candidates": {"a": 1}}\n\n',
        b'data: {"candidates": [{"content": {"parts": [7]}}]}\n\n',
        b'data: {"candidates": [{"content": {"parts": [{"text": 7}]}}]}\n\n',
        b'data: {"candidates": [{"content": {"parts": [{"functionCall": {}}]}}]}\n\n',
        b'data: {"candidates": [{"content": {"parts": [{"functionCall": {"name": "f", "args": [1]}}]}}]}\n\n',
        b'data: {"usageMetadata": 7}\n\n',
        b'data: {"candidates": [{"content": {"parts": [{"te',
        b"<html>",
    ],
)
async def test_garbage_in_a_stream_is_a_typed_error(model: GeminiModel, server: GoogleServer, garbage: bytes) -> None:
    """No parser exception of ours reaches the caller, and the beginning is kept."""
    server.reply(Reply(raw=utf8(response("ok")) + garbage))
    with pytest.raises(errors.ModelStreamBroken):
        async with model.request_stream(ASK, None, NOTHING) as streamed:
            async for _ in streamed:
                pass
    assert streamed.get().parts == [TextPart("ok")]


@pytest.mark.parametrize("body", [b"<html>", b"[]", b"[7]", b"{}", b'{"candidates": []}', b'{"candidates": [{', b"7"])
async def test_garbage_instead_of_an_answer_is_a_typed_error(
    model: GeminiModel, server: GoogleServer, body: bytes
) -> None:
    """A login page with status 200, for instance."""
    server.reply(Reply(body=body))
    with pytest.raises(errors.UnexpectedModelBehavior):
        await model.request(ASK, None, NOTHING)
    with pytest.raises((errors.UnexpectedModelBehavior, errors.ModelConnectionError)):
        await stream(model, {"max_retries": 0})


@pytest.mark.parametrize("bare", [True, False])
async def test_an_error_inside_a_stream_is_typed(model: GeminiModel, server: GoogleServer, bare: bool) -> None:
    """Status 200 was sent long before; Google then sends bare JSON over several lines, outside of any event."""
    for code, kind in ((503, errors.ModelOverloaded), (429, errors.ModelRateLimited), (500, errors.ModelHTTPError)):
        server.reply(Reply(["a", "b"], status=code, error_after=1, bare_error=bare))
        with pytest.raises(kind) as caught:
            await stream(model)
        assert type(caught.value) is kind and caught.value.status_code == code


async def test_an_error_after_the_last_byte_of_an_event_is_found(server: GoogleServer) -> None:
    """However both are cut; a bare error may come in the same bytes as the event before it."""
    error = json.dumps({"error": {"code": 503, "message": "m", "status": "UNAVAILABLE"}}, indent=2).encode()
    model = GeminiModel("m", base_url=server.base_url, api_key="k")
    for raw in (utf8(response("ok")) + error, utf8(response("ok")) + b"[" + error + b"]"):
        for size in (None, 3, 40):
            server.reply(Reply(raw=raw, chunk_size=size))
            with pytest.raises(errors.ModelOverloaded):
                await stream(model)
    await model.aclose()


async def test_an_error_before_the_first_word_is_tried_again(model: GeminiModel, server: GoogleServer) -> None:
    """Nobody has seen anything of that answer."""
    server.queue(Reply(["a"], error_after=0), Reply(["a"], error_after=0, bare_error=True), "ok")
    assert (await stream(model))[2] == "ok"
    assert len(server.requests) == 3


async def test_a_stream_that_dies_before_its_first_word_is_tried_again(
    model: GeminiModel, server: GoogleServer
) -> None:
    """Cut, and ended politely without an answer."""
    server.queue(Reply(["a"], cut_after=0), Reply(raw=utf8(USAGE)), "ok")
    assert (await stream(model))[2] == "ok"
    assert len(server.requests) == 3


async def test_a_connection_that_is_reset_anywhere_leaves_the_beginning_or_the_whole(server: GoogleServer) -> None:
    """Half an answer is never taken for a whole one, nor asked for again, nor thrown away."""
    model = GeminiModel("m", base_url=server.base_url, api_key="k")
    raw = utf8(*WHOLE)
    outcomes = set()
    for at in range(len(raw) + 1):
        server.reply(Reply(raw=raw, cut_at=at))
        streamed: Any = None
        try:
            async with model.request_stream(ASK, {"max_retries": 0}, NOTHING) as streamed:
                async for _ in streamed:
                    pass
        except errors.ModelConnectionError:
            outcomes.add("nothing")
            assert streamed is None
        except errors.ModelStreamBroken:
            outcomes.add("beginning")
            said = "".join(part.content for part in streamed.get().parts if isinstance(part, TextPart))
            assert TEXT.startswith(said) and streamed.get().finish_reason is None
        else:
            outcomes.add("whole")
            assert streamed.get().finish_reason == "stop"
    assert {"nothing", "beginning"} <= outcomes
    assert len(server.requests) == len(range(len(raw) + 1))
    await model.aclose()


async def test_an_end_without_a_finish_reason_is_broken(model: GeminiModel, server: GoogleServer) -> None:
    """A proxy that closes politely in the middle looks like an end; it is none."""
    server.reply(Reply(["one", "two"], finish=None))
    with pytest.raises(errors.ModelStreamBroken):
        await stream(model)


@pytest.mark.parametrize(
    ("settings", "reply", "phase"),
    [
        ({"first_event_timeout": 0.2}, Reply(before=forever), "first event"),
        ({"first_event_timeout": 5, "idle_timeout": 0.2}, Reply(["a", "b"], hang_after=1), "idle"),
        ({"timeout": 0.2}, Reply(["a"], hang_after=0), "whole request"),
        ({"timeout": 0.3}, Reply(["a", "b"], hang_after=1), "whole request"),
    ],
)
async def test_silence_ends_in_a_timeout_that_says_which(
    model: GeminiModel, server: GoogleServer, settings: Any, reply: Reply, phase: str
) -> None:
    """A person waits for a process that looks alive; the error names the setting."""
    server.reply(reply)
    await times_out(model, settings, phase, server)


async def test_leaving_a_stream_early_stops_the_provider(model: GeminiModel, server: GoogleServer) -> None:
    """Tokens nobody reads cost money: the server must notice that we went away."""
    server.reply(Reply(["a", "b", "c"], hang_after=2))
    async with model.request_stream(ASK, None, NOTHING) as streamed:
        async for _ in streamed:
            break
    await everything_closed(server)
    assert streamed.get().parts == [TextPart("a")]


@pytest.mark.parametrize("streamed", [True, False])
async def test_a_cancelled_request_stops_the_provider(model: GeminiModel, server: GoogleServer, streamed: bool) -> None:
    """Before the first word, without streaming too; no task and no connection stays (a fixture looks for tasks)."""
    held = Held()
    server.reply(Reply(before=held))
    asking = stream(model) if streamed else model.request(ASK, None, NOTHING)
    await cancelled(asking, held.arrived, server)


async def test_cancelling_in_the_middle_leaves_nothing_open(model: GeminiModel, server: GoogleServer) -> None:
    """What was said by then is still there."""
    server.reply(Reply(["a", "b", "c"], hang_after=2))
    seen = asyncio.Event()
    kept: list[ModelResponse] = []

    async def read() -> None:
        async with model.request_stream(ASK, None, NOTHING) as streamed:
            try:
                async for _ in streamed:
                    if streamed.get().parts == [TextPart("ab")]:
                        seen.set()
            finally:
                kept.append(streamed.get())

    task = asyncio.ensure_future(read())
    async with asyncio.timeout(5):
        await seen.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await server.gone.wait()
    assert kept[0].parts == [TextPart("ab")] and server.open_streams == 0


async def test_nobody_there_is_a_connection_error(unused_tcp_port: int) -> None:
    """The message names host and port, and nothing secret."""
    model = GeminiModel("m", base_url=f"http://127.0.0.1:{unused_tcp_port}", api_key="secret")
    with pytest.raises(errors.ModelConnectionError, match=f"127.0.0.1:{unused_tcp_port}") as caught:
        await stream(model, {"max_retries": 0})
    assert "secret" not in str(caught.value)
    await model.aclose()
