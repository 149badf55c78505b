"""What no honest server sends: always a typed error, the beginning kept, no hang, nothing left open."""

import asyncio
import gzip
import json
import random
import zlib
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

from core import Agent
from core.messages import ModelMessagesTypeAdapter, ModelRequest, TextPart, UserPromptPart
from core.models import ModelRequestParameters, OpenAIModel, OpenAIResponsesModel, errors
from core.models._sse import MAX_EVENT_BYTES
from core.models.errors import AgentRunError
from tests.providers.clients import TRANSPORTS, model_over
from tests.providers.openai_server import Call, OpenAIServer, Reply, sse
from tests.providers.raw_server import RawServer, head
from tests.providers.responses_server import ResponsesReply, ResponsesServer

ASK = [ModelRequest([UserPromptPart("Hi")])]
NOTHING = ModelRequestParameters()
HASTY: Any = {"max_retries": 0, "first_event_timeout": 5, "idle_timeout": 5}


def chat_stream(text: str) -> tuple[bytes, bytes]:
    """A stream that says `text` in two deltas, and its end."""
    halves = (text[: len(text) // 2], text[len(text) // 2 :])
    chunks = [{"choices": [{"delta": {"content": half}}]} for half in halves]
    return sse(*chunks), sse({"choices": [{"delta": {}, "finish_reason": "stop"}]}, "[DONE]")


def responses_stream(text: str) -> tuple[bytes, bytes]:
    halves = (text[: len(text) // 2], text[len(text) // 2 :])
    deltas = [{"type": "response.output_text.delta", "output_index": 0, "delta": half} for half in halves]
    return sse(*deltas), sse({"type": "response.completed", "response": {"status": "completed"}})


CLIENTS: dict[str, tuple[type[OpenAIModel], Callable[[str], tuple[bytes, bytes]]]] = {
    "chat": (OpenAIModel, chat_stream),
    "responses": (OpenAIResponsesModel, responses_stream),
}


class Asked:
    """A client, and the stream its server would speak."""

    def __init__(self, model: OpenAIModel, stream: Callable[[str], tuple[bytes, bytes]]) -> None:
        self.model = model
        self.stream = stream

    async def text(self, settings: Any = None) -> tuple[str, AgentRunError | None]:
        """The text that came, and how it ended."""
        said: list[str] = []
        try:
            async with self.model.request_stream(ASK, {**HASTY, **(settings or {})}, NOTHING) as streamed:
                try:
                    async for _ in streamed:
                        pass
                finally:
                    said = [part.content for part in streamed.get().parts if isinstance(part, TextPart)]
        except AgentRunError as exc:
            return "".join(said), exc
        return "".join(said), None


@pytest.fixture
async def server() -> AsyncIterator[RawServer]:
    async with RawServer() as server:
        yield server


@pytest.fixture(params=[(client, transport) for client in CLIENTS for transport in TRANSPORTS], ids="-".join)
async def asked(request: pytest.FixtureRequest, server: RawServer) -> AsyncIterator[Asked]:
    """Both clients over both transports; at the end no connection stands."""
    kind, stream = CLIENTS[request.param[0]]
    async with model_over(request.param[1], kind, "gpt-4o", server.base_url) as model:
        yield Asked(model, stream)
        await server.all_closed()


async def test_a_connection_that_ends_anywhere_keeps_the_beginning(asked: Asked, server: RawServer) -> None:
    """At every byte of a stream, with characters of several bytes: whole deltas are kept, and nothing is made up."""
    body, end = asked.stream("grün👋世界")
    whole = body + end
    deltas = ["grün👋世界"[:3], "grün👋世界"]
    cuts = [whole.index(b"\n\n") + 1, body.index(b"\n\n", whole.index(b"\n\n") + 2) + 1]
    for at in range(len(whole) + 1):
        server.answer = head() + whole[:at]
        text, failure = await asked.text()
        # an event counts when its line is whole, with or without the empty line after it
        assert text == ("" if at < cuts[0] - 1 else deltas[0] if at < cuts[1] - 1 else deltas[1])
        if failure is None:
            assert b'"stop"' in whole[:at] or b'"completed"' in whole[:at]
        else:
            assert isinstance(failure, errors.ModelStreamBroken | errors.ModelConnectionError)


async def test_a_reset_anywhere_is_a_typed_error(asked: Asked, server: RawServer) -> None:
    """The kernel may drop what was not read yet; what was read is a beginning of the answer."""
    body, end = asked.stream("grün👋世界")
    whole = head() + body + end
    server.then = "reset"
    for at in range(len(whole) + 1):
        server.answer = whole[:at]
        text, failure = await asked.text()
        assert "grün👋世界".startswith(text)
        assert failure is None or isinstance(failure, errors.ModelStreamBroken | errors.ModelConnectionError)
        assert failure is not None or text == "grün👋世界"


GARBAGE = {
    "words": b"what is this\n\n",
    "binary": bytes(range(256)) * 4,
    "not JSON": b"data: {not json\n\n",
    "a number": b"data: 7\n\n",
    "null": b"data: null\n\n",
    "a wrong shape": b'data: {"choices": [3], "type": "response.output_item.added", "item": 3}\n\n',
    "nested too deep": b"data: " + b'{"a":' * 100_000 + b"\n\n",
    "not UTF-8": b'data: {"choices": [{"delta": {"content": "\xff\xfe"}}], "type": "response.output_text.delta",'
    b' "delta": "\xff"}\n\n',
    "a page": b"<!doctype html><title>Log in</title>",
    "an array": b"[1, 2]",
    "cut JSON": b'{"choices": [{"mess',
}


@pytest.mark.parametrize("name", GARBAGE)
@pytest.mark.parametrize("begun", [True, False])
async def test_garbage_is_a_typed_error(asked: Asked, server: RawServer, name: str, begun: bool) -> None:
    """At the beginning or in the middle; no parser exception of ours reaches the caller."""
    body, _ = asked.stream("half")
    server.answer = head() + (body if begun else b"") + GARBAGE[name]
    text, failure = await asked.text()
    assert text == ("half" if begun else "")
    kinds = (errors.ModelStreamBroken, errors.UnexpectedModelBehavior, errors.ModelConnectionError)
    assert isinstance(failure, kinds)


@pytest.mark.parametrize("content_type", ["text/plain", "application/json", "application/octet-stream", "text/html"])
async def test_the_content_type_decides_nothing(asked: Asked, server: RawServer, content_type: str) -> None:
    """Proxies and small servers send the wrong one."""
    server.answer = head(content_type) + b"".join(asked.stream("hello"))
    assert await asked.text() == ("hello", None)
    server.answer = head(content_type) + b"<html><title>Log in"
    text, failure = await asked.text()
    assert text == "" and isinstance(failure, errors.UnexpectedModelBehavior) and "Log in" in str(failure)


@pytest.mark.parametrize("coding", ["gzip", "deflate"])
@pytest.mark.parametrize("size", [1, 1000])
async def test_compressed_streams_are_read(asked: Asked, server: RawServer, coding: str, size: int) -> None:
    """Byte by byte as well; and cut off, they keep what could be read."""
    packed = {"gzip": gzip.compress, "deflate": zlib.compress}[coding](b"".join(asked.stream("grün👋世界")))

    async def answer(writer: asyncio.StreamWriter, data: bytes = packed) -> None:
        writer.write(head("text/event-stream", f"content-encoding: {coding}"))
        for at in range(0, len(data), size):
            writer.write(data[at : at + size])
            await writer.drain()

    server.answer = answer
    assert await asked.text() == ("grün👋世界", None)
    server.answer = lambda writer: answer(writer, b"this is not compressed at all")
    text, failure = await asked.text()
    assert text == "" and isinstance(failure, AgentRunError)


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_a_redirect_is_not_followed(asked: Asked, server: RawServer, status: int) -> None:
    """Neither the key nor what people said goes to an address nobody has set."""
    elsewhere = "location: http://127.0.0.1:1/v1"
    server.answer = head("text/plain", elsewhere, status=f"{status} Elsewhere") + b"moved"
    _, failure = await asked.text()
    assert isinstance(failure, errors.ModelHTTPError) and failure.status_code == status
    assert "base URL" in str(failure) and server.requests == 1


@pytest.mark.parametrize("what", ["one line", "one line after another"])
async def test_an_endless_event_is_refused(asked: Asked, server: RawServer, what: str) -> None:
    """Memory is not the provider's to fill."""
    body, _ = asked.stream("half")
    piece = b"x" * 2**18 if what == "one line" else b"data: " + b"x" * 2**18 + b"\n"

    async def answer(writer: asyncio.StreamWriter) -> None:
        writer.write(head() + body + b"data: ")
        sent = 0
        while sent < 3 * MAX_EVENT_BYTES:
            writer.write(piece)
            sent += len(piece)
            await writer.drain()

    server.answer = answer
    text, failure = await asked.text()
    assert text == "half" and isinstance(failure, errors.ModelStreamBroken)
    assert "longer than" in str(failure)


def beat(kind: str) -> bytes:
    return {
        "comments": b": still here\n\n",
        "empty events": b"\n\n\n",
        "empty deltas": sse({"choices": [{"delta": {"content": ""}}], "type": "response.in_progress"}),
        "unknown events": sse({"type": "keepalive"}),
    }[kind]


@pytest.mark.parametrize("kind", ["comments", "empty events", "empty deltas", "unknown events"])
@pytest.mark.parametrize("begun", [True, False])
async def test_signs_of_life_alone_are_no_answer(asked: Asked, server: RawServer, kind: str, begun: bool) -> None:
    """They keep the connection from being idle, not a person from waiting: that has a limit of its own."""
    body, _ = asked.stream("half")

    async def answer(writer: asyncio.StreamWriter) -> None:
        writer.write(head() + (body if begun else b""))
        while True:
            writer.write(beat(kind))
            await writer.drain()
            await asyncio.sleep(0.01)

    server.answer = answer
    text, failure = await asked.text({"idle_timeout": 0.3, "first_event_timeout": 0.8, "progress_timeout": 0.6})
    assert text == ("half" if begun else "")
    # bytes without any content are no first event either
    phases = ("progress", "first event") if kind == "empty events" and not begun else ("progress",)
    assert isinstance(failure, errors.ModelTimeout) and failure.phase in phases


async def test_a_slow_stream_is_not_an_idle_one(asked: Asked, server: RawServer) -> None:
    """Byte by byte, with pauses shorter than the limit: longer than the limit in all."""
    whole = b"".join(asked.stream("hello"))

    async def answer(writer: asyncio.StreamWriter) -> None:
        writer.write(head())
        for at in range(len(whole)):
            writer.write(whole[at : at + 1])
            await writer.drain()
            await asyncio.sleep(0.002)

    server.answer = answer
    assert await asked.text({"idle_timeout": 0.3}) == ("hello", None)


def _chat() -> OpenAIServer:
    return OpenAIServer()


def _responses() -> OpenAIServer:
    return ResponsesServer()


def _reply(rng: random.Random) -> Reply:
    """An answer with text and perhaps a tool call, whose deltas come at random moments."""

    async def pause(_: int) -> None:
        await asyncio.sleep(rng.choice((0, 0, 0.001, 0.003)))

    async def before() -> None:
        await asyncio.sleep(rng.choice((0, 0.002)))

    calls = [Call("roll", json.dumps({"sides": 6}), f"call_{rng.random()}")] if rng.random() < 0.3 else []
    return ResponsesReply(deltas=["one ", "two ", "three "], calls=calls, thoughts=["hm"], pause=pause, before=before)


@pytest.mark.parametrize("make_server", [_chat, _responses])
@pytest.mark.parametrize("transport", TRANSPORTS)
async def test_runs_cancelled_anywhere_leave_nothing_behind(
    make_server: Callable[[], OpenAIServer], transport: str
) -> None:
    """1,000 runs in all (250 for each client and transport): no task, no connection, a history that goes on."""
    rng = random.Random(f"{make_server.__name__} {transport}")
    cut = whole = 0
    kind = OpenAIModel if make_server is _chat else OpenAIResponsesModel
    async with make_server() as server, model_over(transport, kind, "gpt-5", server.base_url) as model:
        server.script(lambda request: _reply(rng))
        agent = Agent(model, retries=3)

        @agent.tool_plain
        async def roll(sides: int) -> int:
            await asyncio.sleep(0.002)
            return sides

        async def one() -> None:
            nonlocal cut, whole
            events = agent.run("Hi", stream=True, stream_intermediate_steps=True)
            there = asyncio.Event()
            running = asyncio.ensure_future(_drain(events, rng.randrange(14), there))
            if rng.random() < 0.7:  # else before the first event
                await there.wait()
            for _ in range(rng.randrange(20)):
                await asyncio.sleep(0)
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)
            cut, whole = cut + running.cancelled(), whole + (not running.cancelled())
            dumped = ModelMessagesTypeAdapter.dump_json(events.all_messages())
            again = await agent.run("Again", message_history=ModelMessagesTypeAdapter.validate_json(dumped))
            assert again.data

        for _ in range(25):
            await asyncio.gather(*(one() for _ in range(10)))
        assert cut > 50 and whole > 5, (cut, whole)
        async with asyncio.timeout(5):
            await server.idle.wait()


async def _drain(events: Any, count: int, there: asyncio.Event) -> None:
    """Read all events; `there` is set when so many of them have come, or at the end."""
    try:
        async for _ in events:
            count -= 1
            if count <= 0:
                there.set()
    finally:
        there.set()
