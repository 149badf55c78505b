"""Of many streams each is read now and then, and says all that has come at once; nothing is lost or late for it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import ExitStack, asynccontextmanager
from typing import Any

import pytest

from bots.loop import loop_factory
from core.messages import ModelResponseStreamEvent, PartDeltaEvent, PartStartEvent, TextPart, TextPartDelta
from core.models import OpenAIModel, errors
from core.models._pace import GAP_PER_STREAM_S, LONGEST_GAP_S, pace_of
from tests.providers.clients import ASK, NOTHING, TRANSPORTS, model_over
from tests.providers.openai_server import sse
from tests.providers.raw_server import RawServer, head

ONCE: Any = {"max_retries": 0, "first_event_timeout": 5, "idle_timeout": 5}
MERGED: Any = {**ONCE, "merge_deltas": True}
STOP = sse({"choices": [{"delta": {}, "finish_reason": "stop"}]}, "[DONE]")


def said(*texts: str) -> bytes:
    return sse(*[{"choices": [{"delta": {"content": text}}]} for text in texts])


def text_of(event: ModelResponseStreamEvent) -> str | None:
    match event:
        case PartStartEvent(part=TextPart(content=text)) | PartDeltaEvent(delta=TextPartDelta(content_delta=text)):
            return text
        case _:
            return None


class Heard:
    """What came out of one stream. times: when each event came, in seconds of the loop."""

    def __init__(self) -> None:
        self.events: list[ModelResponseStreamEvent] = []
        self.times: list[float] = []
        self.failure: errors.AgentRunError | None = None

    async def read(self, model: OpenAIModel, settings: Any = ONCE, first: asyncio.Event | None = None) -> Heard:
        try:
            async with model.request_stream(ASK, settings, NOTHING) as streamed:
                async for event in streamed:
                    self.events.append(event)
                    self.times.append(asyncio.get_running_loop().time())
                    if first is not None:
                        first.set()
        except errors.AgentRunError as exc:
            self.failure = exc
        return self

    @property
    def text(self) -> str:
        return "".join(text_of(event) or "" for event in self.events)


@asynccontextmanager
async def crowd(size: int = 100) -> AsyncIterator[None]:
    """So many streams that every one is read as rarely as can be."""
    with ExitStack() as stack:
        for _ in range(size):
            stack.enter_context(pace_of(asyncio.get_running_loop()).joined())
        yield


@pytest.fixture(params=["asyncio", "uvloop"])
def run(request: pytest.FixtureRequest) -> Callable[[Coroutine[Any, Any, None]], None]:
    """Runs a coroutine in Python's own loop, and in the one that the bot runs in."""
    factory = None
    if request.param == "uvloop" and (factory := loop_factory()) is None:
        pytest.skip("uvloop is not made for this platform")

    def in_loop(job: Coroutine[Any, Any, None]) -> None:
        with asyncio.Runner(loop_factory=factory) as runner:
            runner.run(asyncio.wait_for(job, 20))

    return in_loop


async def test_the_gap_grows_with_the_streams() -> None:
    pace = pace_of(asyncio.get_running_loop())
    assert pace.gap_s == 0
    async with crowd(4):
        assert pace.gap_s == 0  # a few are read whenever there is something
    async with crowd(50):
        assert pace.gap_s == pytest.approx(50 * GAP_PER_STREAM_S)
        async with crowd(1000):
            assert pace.gap_s == LONGEST_GAP_S
    assert pace.gap_s == 0


@pytest.mark.looptime
async def test_a_stream_is_left_alone_from_when_it_was_read() -> None:
    async with crowd():
        with pace_of(asyncio.get_running_loop()).joined() as rhythm:
            assert rhythm.rest_s() <= 0  # the first piece is not late
            rhythm.has_read()
            assert rhythm.rest_s() == pytest.approx(LONGEST_GAP_S)
            await asyncio.sleep(LONGEST_GAP_S * 0.75)
            assert rhythm.rest_s() == pytest.approx(LONGEST_GAP_S / 4)
            await asyncio.sleep(1)
            assert rhythm.rest_s() <= 0  # nor is one after a pause


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_many_streams_are_read_now_and_then(run: Callable[[Coroutine[Any, Any, None]], None], transport: str) -> None:
    """Deltas that come every two milliseconds: all is said, in no more events than there are gaps."""
    words = [f"word {at} " for at in range(60)]

    async def paced(writer: asyncio.StreamWriter) -> None:
        writer.write(head())
        for word in words:
            writer.write(said(word))
            await asyncio.sleep(0.002)
        writer.write(STOP)
        await writer.drain()

    async def job() -> None:
        async with (
            RawServer(paced) as server,
            model_over(transport, OpenAIModel, "m", server.base_url) as model,
            crowd(),
        ):
            began = time.monotonic()
            async with asyncio.TaskGroup() as tasks:
                reading = [tasks.create_task(Heard().read(model, MERGED)) for _ in range(10)]
            most = 3 + (time.monotonic() - began) / LONGEST_GAP_S
            for task in reading:
                heard = task.result()
                assert heard.failure is None
                assert heard.text == "".join(words)
                assert len(heard.events) <= most
            await server.all_closed()

    run(job())


@pytest.mark.parametrize("transport", TRANSPORTS)
@pytest.mark.parametrize("ending", ["close", "reset"])
def test_a_connection_that_ends_while_it_is_left_alone(
    run: Callable[[Coroutine[Any, Any, None]], None], transport: str, ending: Any
) -> None:
    async def job() -> None:
        async with (
            RawServer(head() + said("Half an"), then=ending) as server,
            model_over(transport, OpenAIModel, "m", server.base_url) as model,
            crowd(),
        ):
            heard = await Heard().read(model)
            assert isinstance(heard.failure, errors.ModelStreamBroken | errors.ModelConnectionError)
            assert ending == "reset" or heard.text == "Half an"
            await server.all_closed()

    run(job())


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_a_stream_can_be_stopped_while_it_is_left_alone(
    run: Callable[[Coroutine[Any, Any, None]], None], transport: str
) -> None:
    async def endless(writer: asyncio.StreamWriter) -> None:
        writer.write(head())
        while True:
            writer.write(said("on and on "))
            await asyncio.sleep(0.001)

    async def job() -> None:
        async with (
            RawServer(endless) as server,
            model_over(transport, OpenAIModel, "m", server.base_url) as model,
            crowd(),
        ):
            first = asyncio.Event()
            reading = asyncio.create_task(Heard().read(model, first=first))
            await first.wait()
            reading.cancel()
            with pytest.raises(asyncio.CancelledError):
                await reading
            await server.all_closed()

    run(job())


async def test_what_is_read_at_once_is_one_delta_where_that_is_wanted() -> None:
    """What is no piece of the same text stays in its place between them."""
    thought = sse({"choices": [{"delta": {"reasoning_content": "Hm."}}]})
    call = sse(
        {"choices": [{"delta": {"tool_calls": [{"index": 0, "id": "c", "function": {"name": "f", "arguments": "{"}}]}}]}
    )
    rest = sse({"choices": [{"delta": {"tool_calls": [{"index": 0, "function": {"arguments": "}"}}]}}]})
    async with (
        RawServer(head() + thought + said("A", "b", "c") + call + rest + STOP) as server,
        model_over("aiohttp", OpenAIModel, "m", server.base_url) as model,
    ):
        each, merged = await Heard().read(model), await Heard().read(model, MERGED)
    assert [text_of(event) for event in each.events] == [None, "A", "b", "c", None, None]
    assert [text_of(event) for event in merged.events] == [None, "A", "bc", None, None]
    assert [type(event) for event in merged.events[3:]] == [PartStartEvent, PartDeltaEvent]


async def test_what_came_before_an_error_is_said_before_it() -> None:
    error = sse({"error": {"message": "overloaded", "type": "server_error", "code": 503}})
    async with (
        RawServer(head() + said("Half", " an", " answer") + error) as server,
        model_over("aiohttp", OpenAIModel, "m", server.base_url) as model,
    ):
        each, merged = await Heard().read(model), await Heard().read(model, MERGED)
    assert each.failure is not None
    assert (merged.text, str(merged.failure)) == (each.text, str(each.failure)) == ("Half an answer", str(each.failure))
    assert len(merged.events) == 2
