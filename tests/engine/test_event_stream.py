"""The event stream: what a chat shows while a run goes, and how a run is stopped."""

import asyncio
import contextlib
from typing import Any

import pytest

from core import Agent, RunContext, RunEvents
from core.messages import ModelMessage, ModelResponse, TextPart, ToolReturnPart
from core.models import TestModel
from core.models.errors import ModelStreamBroken
from tests.engine.scripted import Scripted, call

CANCELLED = "The tool call was cancelled before it finished."


def watched(agent: Agent[Any, Any], prompt: str = "x", **options: Any) -> RunEvents:
    return agent.run(prompt, stream=True, stream_intermediate_steps=True, **options)


def lookup(agent: Agent[Any, Any]) -> None:
    @agent.tool_plain
    def find(name: str) -> str:
        return f"found {name}"


async def test_the_events_of_a_run_come_in_order() -> None:
    """Started, each call started and completed, deltas, completed: with the whole in the last."""
    agent = Agent(Scripted(["Let me ", "look.", call("find", '{"name": "it"}')], ["It ", "is there."]))
    lookup(agent)
    events = [event async for event in watched(agent)]
    assert [(event.event, event.content) for event in events[:5]] == [
        ("RunStarted", "Run started"),
        ("RunResponse", "Let me "),
        ("RunResponse", "look."),
        ("ToolCallStarted", "find(name=it)"),
        ("ToolCallCompleted", events[4].content),
    ]
    assert events[4].content.startswith("find(name=it) completed in 0.")
    assert [event.content for event in events[5:]] == [
        "\n\nIt ",
        "is there.",
        "Memory updated",
        "Let me look.\n\nIt is there.",
    ]
    last = events[-1]
    assert last.event == "RunCompleted" and last.metrics is not None and len(last.metrics["time"]) == 2
    assert last.messages == last.all_messages() and len(last.new_messages()) == 4
    assert last.tools is not None and last.tools[0]["content"] == "found it"
    assert last.usage().requests == 2 and len({event.run_id for event in events}) == 1


async def test_without_steps_only_deltas_come() -> None:
    """Joined, they are the answer."""
    agent = Agent(Scripted(["a", call("find", '{"name": "it"}')], ["b", "c"]))
    lookup(agent)
    stream = agent.run("x", stream=True)
    events = [event async for event in stream]
    assert [(event.event, event.content) for event in events] == [
        ("RunResponse", "a"),
        ("RunResponse", "\n\nb"),
        ("RunResponse", "c"),
    ]
    assert stream.run_response is not None and stream.run_response.content == "a\n\nbc"


async def test_a_typed_result_comes_as_an_object() -> None:
    events = [event async for event in watched(Agent(TestModel(), result_type=int))]
    assert (events[-1].event, events[-1].content, events[-1].content_type) == ("RunCompleted", 0, "int")


async def test_an_error_is_an_event_and_then_raised() -> None:
    """The text shown so far stays, in the history as well."""
    stream = watched(Agent(Scripted(["half ", ModelStreamBroken("broken")])))
    events = []
    with pytest.raises(ModelStreamBroken):
        async for event in stream:
            events.append(event)
    assert [event.event for event in events] == ["RunStarted", "RunResponse", "RunError"]
    assert isinstance(events[-1].event_data["exception"], ModelStreamBroken)
    assert events[-1].content == "broken"
    [_, response] = stream.all_messages()
    assert response.parts == [TextPart("half ")] and response.finish_reason == "interrupted"


class Hanging:
    """A model's step and a tool that never end, and say when they were reached and left."""

    def __init__(self) -> None:
        self.reached = asyncio.Event()
        self.left = False

    async def __call__(self) -> None:
        self.reached.set()
        try:
            await asyncio.Event().wait()
        finally:
            self.left = True


def hang_in_text() -> tuple[Agent[Any, Any], Hanging, Scripted]:
    hanging = Hanging()
    model = Scripted(["one ", "two ", hanging, "three"], ["next"])
    return Agent(model), hanging, model


def hang_in_tool() -> tuple[Agent[Any, Any], Hanging, Scripted]:
    hanging = Hanging()
    model = Scripted(["one ", "two ", call("quick"), call("slow")], ["next"])
    agent = Agent(model)
    agent.tool_plain(hanging.__call__, name="slow")

    @agent.tool_plain
    async def quick() -> str:
        return "done"

    return agent, hanging, model


def check_history(messages: list[ModelMessage], model: Scripted) -> None:
    """Text that was shown is kept, what finished is kept, what did not says so."""
    response = messages[1]
    assert isinstance(response, ModelResponse) and response.parts[0] == TextPart("one two ")
    if len(response.parts) > 1:
        returns = messages[2].parts
        assert [part.content for part in returns if isinstance(part, ToolReturnPart)] == ["done", CANCELLED]


@pytest.mark.parametrize("setup", [hang_in_text, hang_in_tool])
@pytest.mark.parametrize("how", ["cancel", "aclose", "task"])
async def test_a_stopped_run_leaves_nothing_running_and_a_usable_history(setup: Any, how: str) -> None:
    """However it is stopped, in the model or in a tool; the next run goes on from it."""
    agent, hanging, model = setup()
    stream = watched(agent)
    seen = []

    async def read() -> None:
        async for event in stream:
            seen.append((event.event, event.content))

    reader = asyncio.create_task(read())
    async with asyncio.timeout(5):
        await hanging.reached.wait()
        if how == "cancel":
            stream.cancel("asked to")
            await reader
            assert seen[-1] == ("RunCancelled", "one two ")
        else:
            reader.cancel()
            with pytest.raises(asyncio.CancelledError):
                await reader
            await stream.aclose()
            assert "RunCancelled" not in [event for event, _ in seen]
    assert hanging.left and model.closed == 1
    assert stream.run_response is not None and stream.run_response.event == "RunCancelled"
    assert stream.run_response.content == "one two "
    check_history(stream.all_messages(), model)
    result = await agent.run("again", message_history=stream.all_messages())
    assert result.data == "next"


async def test_a_stream_left_early_reads_no_further() -> None:
    """Tokens nobody reads are not paid for."""
    model = Scripted([f"{n} " for n in range(1000)])
    async with Agent(model).run("x", stream=True) as stream:
        async for _ in stream:
            break
    assert model.read == 1 and model.closed == 1
    assert stream.all_messages()[1].parts == [TextPart("0 ")]


async def test_cancelling_before_the_first_event_asks_nobody() -> None:
    """A stop can be faster than the run."""
    model = Scripted(["a"])
    stream = watched(Agent(model))
    stream.cancel()
    assert [event.event async for event in stream] == ["RunCancelled"]
    assert model.requests == []


async def test_cancelling_from_within_the_run_is_heard() -> None:
    """A tool, or the reader between two events, may be who stops it."""
    model = Scripted(["a ", "b ", "c"])
    stream = watched(Agent(model))
    seen = []
    async for event in stream:
        seen.append(event.event)
        if event.content == "a ":
            stream.cancel()
            stream.cancel()
    assert seen == ["RunStarted", "RunResponse", "RunCancelled"] and model.read == 1
    task = asyncio.current_task()
    assert task is not None and task.cancelling() == 0

    agent = Agent(Scripted([call("stop")], ["never"]))
    holder: list[RunEvents] = []

    @agent.tool
    async def stop(ctx: RunContext[None]) -> None:
        holder[0].cancel()
        await asyncio.Event().wait()

    holder.append(watched(agent))
    assert [event.event async for event in holder[0]][-1] == "RunCancelled"


async def test_a_cancelled_task_is_cancelled_also_when_the_run_was() -> None:
    """A shutdown during a stop must not be swallowed."""
    agent, hanging, _ = hang_in_text()
    stream = watched(agent)

    async def read() -> None:
        async for _ in stream:
            pass

    reader = asyncio.create_task(read())
    await hanging.reached.wait()
    stream.cancel()
    reader.cancel()
    with pytest.raises(asyncio.CancelledError):
        await reader


async def test_closing_while_another_task_reads_ends_its_reading() -> None:
    """A generator cannot be closed while it runs; the reader is told instead."""
    agent, hanging, _ = hang_in_text()
    stream = watched(agent)

    async def read() -> list[str]:
        return [event.event async for event in stream]

    reader = asyncio.create_task(read())
    async with asyncio.timeout(5):
        await hanging.reached.wait()
        await stream.aclose()
        assert (await reader)[-1] == "RunCancelled"
    assert hanging.left


async def test_a_tool_that_will_not_stop_holds_nobody_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """Stop means stop, within a bound, also with a tool that swallows its cancellation."""
    monkeypatch.setattr("core.agent._calls.GRACE_S", 0.01)
    agent = Agent(Scripted([call("stubborn")], ["next"]))
    reached, release = asyncio.Event(), asyncio.Event()

    @agent.tool_plain
    async def stubborn() -> None:
        reached.set()
        while not release.is_set():
            with contextlib.suppress(asyncio.CancelledError):
                await release.wait()

    stream = watched(agent)

    async def read() -> list[str]:
        return [event.event async for event in stream]

    reader = asyncio.create_task(read())
    async with asyncio.timeout(5):
        await reached.wait()
        stream.cancel()
        assert (await reader)[-1] == "RunCancelled"
    release.set()


async def test_a_tool_that_cancels_itself_does_not_end_the_run() -> None:
    """The model reads that the call was cancelled."""
    agent = Agent(Scripted([call("odd")], ["next"]))

    @agent.tool_plain
    async def odd() -> None:
        raise asyncio.CancelledError

    result = await agent.run("x")
    assert result.data == "next" and result.all_messages()[2].parts[0].content == CANCELLED


async def test_a_finished_run_stays_finished() -> None:
    """Stopping too late changes nothing."""
    stream = watched(Agent(Scripted(["a"])))
    assert [event.event async for event in stream][-1] == "RunCompleted"
    stream.cancel()
    await stream.aclose()
    assert stream.run_response is not None and stream.run_response.event == "RunCompleted"
    assert [event async for event in stream] == []
