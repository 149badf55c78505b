"""What an instrumented agent tells OpenTelemetry: which spans, under which, with what in them; and when they end."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk._logs.export import InMemoryLogRecordExporter, SimpleLogRecordProcessor
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import StatusCode, get_current_span
from pydantic import BaseModel

from core import Agent, ImageUrl, ModelRetry, RunContext, UnexpectedModelBehavior, Usage, UsageLimits
from core.agent import InstrumentationSettings
from core.messages import ModelMessage, ModelRequest, ModelResponse, TextPart, ToolCallPart, UserPromptPart
from core.models import (
    AgentInfo,
    DeltaToolCall,
    FallbackModel,
    FunctionModel,
    InstrumentedModel,
    Model,
    ModelRequestParameters,
    OpenAIModel,
    TestModel,
    errors,
)
from core.models._telemetry import jsonable
from tests.providers.clients import everything_closed, served_by
from tests.providers.openai_server import OpenAIServer, Reply

server = served_by(OpenAIServer)


class Told:
    """What was told so far."""

    def __init__(self, event_mode: Any = "attributes") -> None:
        self.exporter, self.logs = InMemorySpanExporter(), InMemoryLogRecordExporter()
        self._tracers, self._loggers = TracerProvider(), LoggerProvider()
        self._tracers.add_span_processor(SimpleSpanProcessor(self.exporter))
        self._loggers.add_log_record_processor(SimpleLogRecordProcessor(self.logs))
        self.settings = InstrumentationSettings(
            event_mode=event_mode, tracer_provider=self._tracers, event_logger_provider=self._loggers
        )
        self.tracer = self._tracers.get_tracer("test")

    @property
    def spans(self) -> list[ReadableSpan]:
        """Those that have ended, in the order in which they began."""
        return sorted(self.exporter.get_finished_spans(), key=lambda span: span.start_time or 0)

    def tree(self) -> list[str]:
        """Their names, indented below the span they belong to."""
        lines: list[str] = []

        def add(parent: int | None, depth: int) -> None:
            for span in self.spans:
                if (span.parent.span_id if span.parent else None) == parent:
                    lines.append("  " * depth + span.name)
                    add(span.context.span_id, depth + 1)

        add(None, 0)
        return lines

    def one(self, name: str) -> ReadableSpan:
        (span,) = [span for span in self.spans if span.name == name]
        return span

    def attributes(self, name: str) -> dict[str, Any]:
        return dict(self.one(name).attributes or {})

    def shut_down(self) -> None:
        self._tracers.shutdown()
        self._loggers.shutdown()


@pytest.fixture
def told() -> Iterator[Told]:
    told = Told()
    yield told
    told.shut_down()


@pytest.fixture
def in_logs() -> Iterator[Told]:
    told = Told("logs")
    yield told
    told.shut_down()


def rolling(told: Told, **options: Any) -> Agent[None, str]:
    agent = Agent(TestModel(), name="dicer", instrument=told.settings, **options)

    @agent.tool_plain
    async def roll() -> int:
        assert get_current_span().name == "running tools"
        return 4

    @agent.tool_plain
    def toss() -> str:
        return "heads"

    return agent


TREE = [
    "agent run",
    "  preparing model request params",
    "  chat test",
    "  running tools",
    "  preparing model request params",
    "  chat test",
]


async def whole(agent: Agent[None, str]) -> None:
    await agent.run("Roll")


async def events(agent: Agent[None, str]) -> None:
    async for _ in agent.run("Roll", stream=True):
        assert not get_current_span().is_recording()  # the reader's work is not the run's


async def typed(agent: Agent[None, str]) -> None:
    async with agent.run_stream("Roll") as result:
        assert get_current_span().name == "agent run"
        async for _ in result.stream_text():  # in groups, which are read in other tasks
            pass


async def nodes(agent: Agent[None, str]) -> None:
    async with agent.iter("Roll") as run:
        async for _ in run:
            pass


@pytest.mark.parametrize("run", [whole, events, typed, nodes])
async def test_every_way_to_run_tells_the_same_tree(told: Told, caplog: pytest.LogCaptureFixture, run: Any) -> None:
    """Requests and tools belong to the run, whatever reads its events; no context is left behind, or left wrongly."""
    await run(rolling(told))
    assert told.tree() == TREE
    assert not get_current_span().is_recording() and not caplog.records
    assert [span.attributes["run_step"] for span in told.spans if span.name.startswith("prep")] == [1, 2]
    assert told.attributes("running tools") == {"tools": ("roll", "toss"), "logfire.msg": "running tools: roll, toss"}


async def test_a_run_tells_what_it_has_used_said_and_come_to(told: Told) -> None:
    result = await rolling(told).run("Roll")
    said = told.attributes("agent run")
    usage = result.usage()
    assert said["model_name"] == "test" and said["agent_name"] == "dicer" and said["logfire.msg"] == "dicer run"
    assert said["final_result"] == result.data == '{"roll":4,"toss":"heads"}'
    assert said["gen_ai.usage.input_tokens"] == usage.request_tokens
    assert said["gen_ai.usage.output_tokens"] == usage.response_tokens
    told_messages = json.loads(said["all_messages_events"])
    assert [(event["event.name"], event["gen_ai.message.index"]) for event in told_messages] == [
        ("gen_ai.user.message", 0),
        ("gen_ai.assistant.message", 1),
        ("gen_ai.tool.message", 2),
        ("gen_ai.tool.message", 2),
        ("gen_ai.assistant.message", 3),
    ]
    assert told_messages[2]["name"] == "roll" and told_messages[2]["content"] == 4
    assert json.loads(said["logfire.json_schema"])["properties"].keys() == {"all_messages_events", "final_result"}


async def test_a_typed_result_is_told_as_json(told: Told) -> None:
    class City(BaseModel):
        name: str

    agent = Agent(TestModel(), result_type=City, instrument=told.settings)
    await agent.run("Where?")
    assert json.loads(told.attributes("agent run")["final_result"]) == {"name": "a"}


async def test_a_request_tells_who_was_asked_what_and_answered_what(told: Told, server: OpenAIServer) -> None:
    """The names are those of OpenTelemetry's conventions for generative AI, the values those that were sent."""
    server.reply(["Rome", "."])
    model = OpenAIModel("gpt-4o", base_url=server.base_url, api_key="k")
    agent = Agent(model, system_prompt="Be brief.", instrument=told.settings, model_settings={"temperature": 0.5})
    for stream in (False, True):
        told.exporter.clear()
        if stream:
            async for _ in agent.run("Where?", stream=True, model_settings={"max_tokens": 9, "timeout": 30}):
                pass
        else:
            await agent.run("Where?", model_settings={"max_tokens": 9, "timeout": 30})
        said = told.attributes("chat gpt-4o")
        said_events = json.loads(said.pop("events"))
        assert json.loads(said.pop("logfire.json_schema")) == {
            "type": "object",
            "properties": {"events": {"type": "array"}},
        }
        assert said.pop("gen_ai.usage.input_tokens") > 0 and said.pop("gen_ai.usage.output_tokens") > 0
        assert {key: value for key, value in said.items() if "details" not in key} == {
            "gen_ai.operation.name": "chat",
            "gen_ai.system": "openai",
            "gen_ai.request.model": "gpt-4o",
            "gen_ai.request.temperature": 0.5,
            "gen_ai.request.max_tokens": 9,
            "gen_ai.response.model": "gpt-4o",
            "server.address": "127.0.0.1",
            "server.port": int(server.base_url.split(":")[2].split("/")[0]),
        }
        of = {"gen_ai.system": "openai"}
        system, asked = "gen_ai.system.message", "gen_ai.user.message"
        assert said_events == [
            {"content": "Be brief.", "role": "system", "gen_ai.message.index": 0, "event.name": system, **of},
            {"content": "Where?", "role": "user", "gen_ai.message.index": 0, "event.name": asked, **of},
            {
                "index": 0,
                "finish_reason": "stop",
                "message": {"role": "assistant", "content": "Rome."},
                "event.name": "gen_ai.choice",
                **of,
            },
        ]
    await agent.aclose()


async def test_in_the_mode_logs_each_event_is_a_record_of_the_request(in_logs: Told) -> None:
    """They are bound to the span of their request, also where that is not the current one, as in a stream."""
    agent = rolling(in_logs)
    async for _ in agent.run("Roll", stream=True):
        pass
    chats = [span for span in in_logs.spans if span.name == "chat test"]
    records = [each.log_record for each in in_logs.logs.get_finished_logs()]
    assert [record.event_name for record in records] == [
        "gen_ai.user.message",
        "gen_ai.choice",
        "gen_ai.user.message",
        "gen_ai.assistant.message",
        "gen_ai.tool.message",
        "gen_ai.tool.message",
        "gen_ai.choice",
    ]
    assert [record.span_id for record in records] == [chats[0].context.span_id] * 2 + [chats[1].context.span_id] * 5
    assert records[0].body == {"content": "Roll", "role": "user"}
    assert records[0].attributes == {
        "gen_ai.system": "test",
        "gen_ai.message.index": 0,
        "event.name": "gen_ai.user.message",
    }
    assert all("events" not in (chat.attributes or {}) for chat in chats)


async def test_every_kind_of_part_is_told(told: Told) -> None:
    """Media by kind alone; a question to try again as what it answers; each further text as a message of its own."""

    async def answer(messages: list[ModelMessage], info: AgentInfo) -> ModelResponse:
        if len(messages) == 1:
            calls = [ToolCallPart("look", {"at": 1}, "c1"), ToolCallPart("nothing", "{}", "c2")]
            return ModelResponse([TextPart("Let me look."), *calls])
        return ModelResponse([TextPart("one"), TextPart("two")])

    agent = Agent(FunctionModel(answer), instrument=told.settings)

    @agent.tool_plain
    def look(at: int) -> str:
        raise ModelRetry("elsewhere")

    await agent.run(["See", ImageUrl("http://x.test/a.png")])
    said = json.loads(told.attributes("agent run")["all_messages_events"])
    asked, answered, tools, last = said[0], said[1], said[2:4], said[4:]
    assert asked["content"] == ["See", {"kind": "image-url"}]
    assert answered["content"] == "Let me look." and [call["id"] for call in answered["tool_calls"]] == ["c1", "c2"]
    assert answered["tool_calls"][0]["function"] == {"name": "look", "arguments": {"at": 1}}
    assert {(each["event.name"], each.get("name")) for each in tools} == {
        ("gen_ai.tool.message", "look"),
        ("gen_ai.user.message", None),
    }
    assert [each["content"] for each in last] == ["one", "two"]


class _Easy(Model):
    """Takes whatever it is given."""

    model_name = "easy"
    system = "own"

    async def request(self, *asked: Any) -> tuple[ModelResponse, Usage]:
        return ModelResponse([TextPart("ok")]), Usage()


async def test_what_json_cannot_hold_breaks_nothing(told: Told) -> None:
    class Odd:
        def __str__(self) -> str:
            raise ValueError("no")

    agent = Agent(TestModel(), instrument=told.settings)

    @agent.tool_plain
    def odd() -> Any:
        return {"raw": b"\xff", "half": "\ud83d"}

    await agent.run("Go")
    assert told.attributes("agent run")["final_result"]
    assert jsonable(Odd()) == "Unable to serialize: no"
    told.exporter.clear()
    stray: Any = {}
    model = InstrumentedModel(_Easy(), told.settings)
    await model.request([ModelRequest([UserPromptPart("Hi"), stray])], None, ModelRequestParameters())
    said = json.loads(told.attributes("chat easy")["events"])
    assert [each["event.name"] for each in said] == ["gen_ai.user.message", "gen_ai.choice"]


async def test_an_agent_in_a_tool_is_told_below_it(told: Told) -> None:
    inner = Agent(TestModel(call_tools=[]), name="inner", instrument=told.settings)
    outer = Agent(TestModel(), name="outer", instrument=told.settings)

    @outer.tool
    async def ask(ctx: RunContext[None]) -> str:
        return (await inner.run("Hi", usage=ctx.usage)).data

    with told.tracer.start_as_current_span("request of a user"):
        await outer.run("Hi")
    assert told.tree()[:6] == [
        "request of a user",
        "  agent run",
        "    preparing model request params",
        "    chat test",
        "    running tools",
        "      agent run",
    ]


async def test_runs_at_once_keep_their_spans_apart(told: Told) -> None:
    agent = rolling(told)
    await asyncio.gather(*(whole(agent) if at % 2 else typed(agent) for at in range(6)))
    assert told.tree() == TREE * 6


# --- how they end ---


def state(span: ReadableSpan) -> tuple[StatusCode, list[str]]:
    """The status, and the exceptions that were recorded."""
    return span.status.status_code, [str((each.attributes or {})["exception.message"]) for each in span.events]


async def broken(told: Told, stream: bool) -> None:
    async def breaks(messages: list[ModelMessage], info: AgentInfo) -> AsyncIterator[str]:
        yield "half "
        raise OSError("broken")

    async def fails(messages: list[ModelMessage], info: AgentInfo) -> ModelResponse:
        raise OSError("broken")

    agent = Agent(FunctionModel(fails, stream_function=breaks, model_name="m"), instrument=told.settings)
    with pytest.raises(OSError):
        if stream:
            async with agent.run_stream("Hi") as result:
                await result.get_data()
        else:
            await agent.run("Hi")


@pytest.mark.parametrize("stream", [False, True])
async def test_an_error_is_told_once_in_the_request_and_once_in_the_run(told: Told, stream: bool) -> None:
    """With what was asked, and what had come."""
    await broken(told, stream)
    for name in ("chat m", "agent run"):
        assert state(told.one(name)) == (StatusCode.ERROR, ["broken"]), name
    said = [(each["event.name"]) for each in json.loads(told.attributes("chat m")["events"])]
    assert said == ["gen_ai.user.message", *(["gen_ai.choice"] if stream else [])]
    assert "final_result" not in told.attributes("agent run")


async def test_a_tool_that_fails_is_told(told: Told) -> None:
    agent = Agent(TestModel(), instrument=told.settings)

    @agent.tool_plain
    def fail() -> None:
        raise LookupError("nowhere")

    with pytest.raises(LookupError):
        await agent.run("Hi")
    assert state(told.one("running tools")) == state(told.one("agent run")) == (StatusCode.ERROR, ["nowhere"])
    assert state(told.one("chat test")) == (StatusCode.UNSET, [])


async def test_a_limit_is_told_of_the_run(told: Told) -> None:
    with pytest.raises(errors.UsageLimitExceeded):
        await rolling(told).run("Hi", usage_limits=UsageLimits(request_limit=1))
    assert state(told.one("agent run"))[0] is StatusCode.ERROR
    with pytest.raises(UnexpectedModelBehavior):
        await Agent(FunctionModel(_says_nothing), instrument=told.settings).run("Hi")


async def _says_nothing(messages: list[ModelMessage], info: AgentInfo) -> ModelResponse:
    return ModelResponse([])


@pytest.mark.parametrize("how", ["left", "closed", "cancelled", "stopped"])
async def test_the_spans_of_a_stream_that_ends_early_end_with_it(told: Told, server: OpenAIServer, how: str) -> None:
    """They are no failures, and tell what had come."""
    server.reply(Reply(deltas=["one ", "two "], hang_after=1))
    agent = Agent(OpenAIModel("m", base_url=server.base_url, api_key="k"), instrument=told.settings)
    if how == "left":
        async with agent.run_stream("Hi") as result:
            async for _ in result.stream_text(debounce_by=None):
                break
    else:
        stream = agent.run("Hi", stream=True)
        await anext(stream)
        if how == "closed":
            await stream.aclose()
        elif how == "stopped":
            stream.cancel()
            assert [each async for each in stream] == []
        else:
            reading = asyncio.ensure_future(anext(stream))
            await asyncio.sleep(0)
            reading.cancel()
            with pytest.raises(asyncio.CancelledError):
                await reading
    await everything_closed(server)
    assert told.tree() == ["agent run", "  preparing model request params", "  chat m"]
    assert [state(span) for span in told.spans] == [(StatusCode.UNSET, [])] * 3
    choice = json.loads(told.attributes("chat m")["events"])[-1]
    assert choice["event.name"] == "gen_ai.choice" and choice["message"]["content"] == "one "
    await agent.aclose()


async def test_an_exception_of_the_reader_is_told_of_the_run(told: Told) -> None:
    agent = rolling(told)
    with pytest.raises(ZeroDivisionError):
        async with agent.run_stream("Hi"):
            raise ZeroDivisionError("mine")
    with pytest.raises(ZeroDivisionError):
        async with agent.iter("Hi"):
            raise ZeroDivisionError("mine")
    runs = [span for span in told.spans if span.name == "agent run"]
    assert [state(run) for run in runs] == [(StatusCode.ERROR, ["mine"])] * 2


async def test_a_stream_may_be_opened_and_closed_in_different_tasks(
    told: Told, caplog: pytest.LogCaptureFixture
) -> None:
    """Event streams are handed from task to task; a context may only be left where it was entered."""
    stream = rolling(told).run("Hi", stream=True, stream_intermediate_steps=True)
    while (await asyncio.ensure_future(_next(stream))) is not None:
        pass
    assert told.tree() == TREE and not caplog.records


async def _next(stream: Any) -> Any:
    return await anext(stream, None)


async def test_a_fallback_says_who_answered(told: Told) -> None:
    async def fails(messages: list[ModelMessage], info: AgentInfo) -> ModelResponse:
        raise errors.ModelHTTPError(503, "first", None)

    async def fails_to_stream(messages: list[ModelMessage], info: AgentInfo) -> AsyncIterator[str]:
        raise errors.ModelHTTPError(503, "first", None)
        yield ""

    first = FunctionModel(fails, stream_function=fails_to_stream, model_name="first")
    model = FallbackModel(first, TestModel(call_tools=[]))
    agent = Agent(model, instrument=told.settings)
    await agent.run("Hi")
    async for _ in agent.run("Hi", stream=True):
        pass
    chats = [span for span in told.spans if span.name.startswith("chat")]
    assert [span.name for span in chats] == ["chat test", "chat test"]
    for span in chats:
        assert span.attributes is not None
        assert span.attributes["gen_ai.request.model"] == span.attributes["gen_ai.response.model"] == "test"
        assert span.attributes["gen_ai.system"] == "test"
    assert {span.attributes["model_name"] for span in told.spans if span.name == "agent run"} == {"fallback:first,test"}


# --- who is instrumented ---


async def test_an_agent_is_asked_before_all_agents_are(told: Told) -> None:
    model = TestModel(call_tools=[])
    silent, untold = Agent(model, instrument=False), Agent(model)
    Agent.instrument_all(told.settings)
    try:
        await silent.run("Hi")
        assert told.tree() == []
        await untold.run("Hi")
        assert told.tree()[0] == "agent run"
        assert untold.model is model
    finally:
        Agent.instrument_all(False)
    told.exporter.clear()
    await untold.run("Hi")
    assert told.tree() == []


async def test_a_model_with_telemetry_of_its_own_keeps_it(told: Told, in_logs: Told) -> None:
    """And serves an agent that knows nothing of telemetry: the run is told too."""
    model = InstrumentedModel(TestModel(call_tools=[]), told.settings)
    await Agent(model, instrument=in_logs.settings).run("Hi")
    await Agent(model).run("Hi")
    assert told.tree() == ["agent run", "  preparing model request params", "  chat test"] * 2
    assert in_logs.tree() == []
    assert model.wrapped.model_name == model.model_name == "test" and model.system == "test"
    assert model.call_tools == [] and model.base_url is None  # what the wrapped one has


async def test_without_a_provider_nothing_is_told_and_everything_works() -> None:
    """`instrument=True` in a process where nobody has set OpenTelemetry up."""
    agent = Agent(TestModel(), instrument=True)
    assert (await agent.run("Hi")).data == "success (no tool calls)"
    async with agent.run_stream("Hi") as result:
        assert await result.get_data() == "success (no tool calls)"


def test_opentelemetry_is_not_imported_before_it_is_wanted() -> None:
    """It costs an import time that nobody pays who does not ask for it, also with a FallbackModel."""
    code = (
        "import asyncio, sys\n"
        "from core import Agent\n"
        "from core.models import FallbackModel, TestModel\n"
        "asyncio.run(Agent(FallbackModel(TestModel(), TestModel())).run('Hi'))\n"
        "print([name for name in sys.modules if name.startswith('opentelemetry')])\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


async def test_pieces_of_tool_calls_are_told_as_one(told: Told) -> None:
    """A streamed answer is told whole."""

    async def calls(messages: list[ModelMessage], info: AgentInfo) -> AsyncIterator[str | dict[int, DeltaToolCall]]:
        if len(messages) == 1:
            yield {0: DeltaToolCall("roll", '{"si', "c1")}
            yield {0: DeltaToolCall(json_args='des": 6}')}
        else:
            yield "done"

    agent = Agent(FunctionModel(stream_function=calls, model_name="m"), instrument=told.settings)

    @agent.tool_plain
    def roll(sides: int) -> int:
        return sides

    async for _ in agent.run("Hi", stream=True):
        pass
    first = next(span for span in told.spans if span.name == "chat m")
    assert first.attributes is not None
    choice = json.loads(str(first.attributes["events"]))[-1]
    assert choice["message"]["tool_calls"] == [
        {"id": "c1", "type": "function", "function": {"name": "roll", "arguments": '{"sides": 6}'}}
    ]
