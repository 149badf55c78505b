"""What a `RunResponse` holds, and what a run takes, under the names that Agno's users know."""

import asyncio
import copy
import dataclasses
import json
import pickle
import threading
from pathlib import Path
from typing import Any

import pydantic
import pytest

from core import Agent, BinaryContent, DocumentUrl, ImageUrl, RetryAgentRun, RunContext, StopAgentRun
from core.agent import Audio, File, Image, MessageContext, MessageReferences, RunEvent, RunResponse, Video
from core.messages import ModelRequest, ModelResponse, TextPart, UserPromptPart
from core.models import FunctionModel, OpenAIChat, TestModel
from core.models.errors import ModelAuthError, ModelOverloaded, UnexpectedModelBehavior, UserError
from tests.engine.scripted import Scripted, call
from tests.providers.openai_server import OpenAIServer, Reply


def echo(name: str = "echo") -> FunctionModel:
    """Answers with what it was asked, the whole conversation over."""

    def answer(messages: list[Any], _info: Any) -> ModelResponse:
        texts = [str(part.content) for message in messages for part in message.parts]
        return ModelResponse([TextPart(" | ".join(texts))])

    return FunctionModel(answer, model_name=name)


def test_a_bare_response_has_every_attribute_with_its_default() -> None:
    """The table of the document, in full."""
    response = RunResponse()
    nothing = {each.name for each in dataclasses.fields(response) if getattr(response, each.name) is None}
    assert nothing >= {
        *("content", "thinking", "messages", "metrics", "model", "run_id", "agent_id", "session_id", "workflow_id"),
        *("tools", "images", "videos", "audio", "response_audio", "citations", "context", "event_data", "extra_data"),
    }
    assert (response.content_type, response.event) == ("str", "RunResponse")
    assert isinstance(response.created_at, int) and response.created_at > 1_700_000_000
    assert response.all_messages() == [] and response.new_messages() == [] and response.usage().requests == 0


def test_the_events_have_their_values() -> None:
    """Code compares with the strings."""
    assert {event.name: event.value for event in RunEvent} == {
        "run_started": "RunStarted",
        "run_response": "RunResponse",
        "run_completed": "RunCompleted",
        "run_error": "RunError",
        "run_cancelled": "RunCancelled",
        "tool_call_started": "ToolCallStarted",
        "tool_call_completed": "ToolCallCompleted",
        "reasoning_started": "ReasoningStarted",
        "reasoning_step": "ReasoningStep",
        "reasoning_completed": "ReasoningCompleted",
        "updating_memory": "UpdatingMemory",
        "workflow_started": "WorkflowStarted",
        "workflow_completed": "WorkflowCompleted",
    }


class City(pydantic.BaseModel):
    name: str
    mayor: str | None = None


def test_a_response_becomes_a_dict_json_and_text() -> None:
    """None is left out, inside a pydantic content as well; everything else becomes JSON."""
    response = RunResponse(City(name="Rome"), "City", messages=[ModelRequest([UserPromptPart("Where?")])], created_at=1)
    said = response.to_dict()
    assert said["content"] == {"name": "Rome"} and said["messages"][0]["parts"][0]["content"] == "Where?"
    assert set(said) == {"content", "content_type", "event", "messages", "created_at"}
    assert response.to_json() == json.dumps(said, indent=2)
    assert response.get_content_as_string() == '{"name":"Rome"}'
    assert RunResponse("as it is").get_content_as_string() == "as it is"
    assert RunResponse({"a": [1]}).get_content_as_string(indent=1) == '{\n "a": [\n  1\n ]\n}'


def weather_agent() -> Agent[None, str]:
    agent = Agent(Scripted([call("get_weather", '{"city": "nyc"}')], ["It is ", "sunny."]), session_id="s")

    @agent.tool
    def get_weather(ctx: RunContext[None], city: str) -> str:
        ctx.add_references(city, ["Sunny since 6 am", {"name": "almanac", "page": 3}], seconds=0.5)
        ctx.add_references(city, ["Sunny since 6 am", {"name": "almanac", "page": 3}])
        ctx.add_images(Image(url="http://localhost/map.png"))
        ctx.add_videos(Video(url="http://localhost/sky.mp4"))
        ctx.add_audio(Audio(content=b"wind", format="wav"))
        return f"sunny in {city}"

    return agent


async def test_the_order_and_the_texts_of_the_events() -> None:
    """As Agno has them, but for the empty first delta."""
    events = [event async for event in weather_agent().run("x", stream=True, stream_intermediate_steps=True)]
    seconds = events[2].tools[0]["metrics"]["time"]
    assert [(event.event, event.content) for event in events] == [
        ("RunStarted", "Run started"),
        ("ToolCallStarted", "get_weather(city=nyc)"),
        ("ToolCallCompleted", f"get_weather(city=nyc) completed in {seconds:.4f}s"),
        ("RunResponse", "It is "),
        ("RunResponse", "sunny."),
        ("UpdatingMemory", "Memory updated"),
        ("RunCompleted", "It is sunny."),
    ]
    plain = [event async for event in weather_agent().run("x", stream=True)]
    assert [(event.event, event.content) for event in plain] == [("RunResponse", "It is "), ("RunResponse", "sunny.")]


async def test_a_run_tells_what_its_tools_found_and_called() -> None:
    """References, their older form, media, and the entry of the call; also on streamed items, as far as known."""
    stream = weather_agent().run("x", stream=True)
    items = [item async for item in stream]
    whole = stream.run_response
    result = await weather_agent().run("x")
    references = [MessageReferences("nyc", ["Sunny since 6 am", {"name": "almanac", "page": 3}], 0.5)]
    docs = [{"content": "Sunny since 6 am"}, {"name": "almanac", "page": 3}]
    for response in (items[0], whole, result):
        assert response is not None and response.extra_data is not None and response.tools is not None
        assert response.extra_data.references == references
        assert response.context == [MessageContext("nyc", docs, 0.5)]
        assert response.images == [Image(url="http://localhost/map.png")] and response.session_id == "s"
        assert response.videos is not None and response.audio is not None and response.messages is not None
        [entry] = response.tools
        assert set(entry) == {
            *("content", "tool_call_id", "tool_name", "tool_args"),
            *("tool_call_error", "metrics", "created_at"),
        }
        assert (entry["content"], entry["tool_args"], entry["tool_call_error"]) == (
            "sunny in nyc",
            {"city": "nyc"},
            False,
        )
    said = result.to_dict()
    assert said["extra_data"] == {
        "references": [{"query": "nyc", "references": ["Sunny since 6 am", docs[1]], "time": 0.5}]
    }
    assert said["images"][0]["url"] == "http://localhost/map.png" and json.loads(result.to_json()) == said


async def test_metrics_are_lists_with_one_entry_a_response() -> None:
    """With every key there may be, and the provider's own counts beside the tokens they belong to."""
    usage = {
        "prompt_tokens": 10,
        "completion_tokens": 4,
        "total_tokens": 14,
        "prompt_tokens_details": {"cached_tokens": 8},
        "completion_tokens_details": {"reasoning_tokens": 2},
    }
    async with OpenAIServer() as server:
        server.queue(Reply(deltas=["Hi"], thoughts=["hm ", "yes"], usage=usage))
        agent = Agent(OpenAIChat(id="gpt-4o", base_url=server.base_url, api_key="k"))
        stream = agent.run("x", stream=True)
        _ = [item async for item in stream]
        await agent.aclose()
    whole = stream.run_response
    assert whole is not None and whole.metrics is not None
    assert {key: values[0] for key, values in whole.metrics.items() if "time" not in key} == {
        "input_tokens": 10,
        "output_tokens": 4,
        "total_tokens": 14,
        "prompt_tokens": 10,
        "completion_tokens": 4,
        "prompt_tokens_details": {"cached_tokens": 8},
        "completion_tokens_details": {"reasoning_tokens": 2},
        "additional_metrics": {"cached_tokens": 8, "reasoning_tokens": 2},
    }
    assert 0 < whole.metrics["time_to_first_token"][0] <= whole.metrics["time"][0]
    assert whole.thinking == "hm yes" and whole.extra_data is not None
    assert [step.reasoning for step in whole.extra_data.reasoning_steps or ()] == ["hm yes"]
    assert whole.extra_data.reasoning_messages == [whole.all_messages()[1]]
    assert whole.to_dict()["extra_data"]["reasoning_steps"] == [{"reasoning": "hm yes"}]


async def test_history_and_added_messages_are_told_apart() -> None:
    """What was passed as history, what came with `messages`, and the prompt, which is the last of them."""
    agent = Agent(echo())
    first = await agent.run("one")
    added = [{"role": "assistant", "content": "two"}, {"role": "user", "content": "three"}]
    result = await agent.run(messages=added, message_history=first.all_messages())
    assert result.content == "one | one | two | three"
    assert result.extra_data is not None
    assert result.extra_data.history == first.all_messages()
    assert [message.parts[0].content for message in result.extra_data.add_messages or ()] == ["two"]
    assert [message.kind for message in result.new_messages()] == ["request", "response"]
    again = await agent.run("zero", messages=[ModelResponse([TextPart("half")]), {"role": "user", "content": "four"}])
    assert again.content == "zero | half | four"


@pytest.mark.parametrize(
    ("prompt", "inputs", "asked"),
    [
        (None, {"message": "hello"}, "hello"),
        (None, {"message": {"role": "user", "content": "hello"}}, "hello"),
        (None, {"message": {"q": "é"}}, '{"q": "é"}'),
        (None, {"message": City(name="Rome")}, '{"name":"Rome"}'),
        (["a", ImageUrl("http://h/a.png")], {}, ["a", ImageUrl("http://h/a.png")]),
        ("look", {"images": ["http://h/a.png"]}, ["look", ImageUrl("http://h/a.png")]),
        ("look", {"images": [Image(content=b"x")]}, ["look", BinaryContent(b"x", "image/png")]),
        (None, {"audio": [b"x"]}, [BinaryContent(b"x", "audio/wav")]),
        ("see", {"videos": [Video(url="http://h/a.mp4")]}, ["see", DocumentUrl("http://h/a.mp4")]),
        ("read", {"files": [File(content=b"x", format="csv")]}, ["read", BinaryContent(b"x", "text/csv")]),
        ("hear", {"audio": ["http://h/a.mp3", BinaryContent(b"x", "audio/mpeg")]}, None),
    ],
)
async def test_a_run_takes_messages_and_media_in_many_forms(prompt: Any, inputs: Any, asked: Any) -> None:
    result = await Agent(TestModel()).run(prompt, **inputs)
    part = result.all_messages()[0].parts[0]
    assert isinstance(part, UserPromptPart)
    assert asked is None or part.content == asked


async def test_a_file_is_read_from_its_path(tmp_path: Path) -> None:
    """As an object, a path or its name."""
    path = tmp_path / "note.txt"
    path.write_text("hi")
    for given in (path, str(path), File(filepath=path)):
        result = await Agent(TestModel()).run("read", files=[given])
        assert result.all_messages()[0].parts[0].content[1] == BinaryContent(b"hi", "text/plain")


@pytest.mark.parametrize(
    ("prompt", "inputs", "says"),
    [
        (None, {}, "nothing to answer"),
        ("a", {"message": "b"}, "once"),
        (None, {"messages": [{"role": "assistant", "content": "x"}]}, "must be one by the user"),
        (None, {"messages": [{"role": "robot", "content": "x"}]}, "'robot'"),
        (None, {"messages": ["x"]}, "dict of `role` and `content`"),
        ("a", {"images": [3]}, "read as image"),
        ("a", {"files": [File()]}, "one of url, filepath and content"),
    ],
)
async def test_bad_input_is_refused_with_what_to_do(prompt: Any, inputs: Any, says: str) -> None:
    with pytest.raises(UserError, match=says):
        await Agent(TestModel()).run(prompt, **inputs)


async def test_the_agents_texts_are_said_first() -> None:
    """Description, then the wish for markdown, then the instructions, with every request."""
    agent = Agent(echo(), description="You know towns.", markdown=True, instructions=["Be brief.", "Be kind."])
    first = await agent.run("x")
    said = "You know towns.\n\nUse markdown to format your answers.\n\nBe brief.\n\nBe kind."
    assert first.content == f"{said} | x"
    assert (await agent.run("y", message_history=first.all_messages())).content.startswith(said)


async def test_a_response_model_is_the_result_type() -> None:
    result = await Agent(TestModel(), response_model=City).run("x")
    assert result.content == City(name="a") and result.content_type == "City"


async def test_runs_of_one_agent_at_once_keep_apart() -> None:
    """Agno 1.1 gave the second caller the first one's answer."""
    agent = Agent(echo(), session_id="default")
    one, two = await asyncio.gather(agent.arun("one"), agent.arun("two", session_id="mine"))
    assert (one.content, two.content) == ("one", "two")
    assert one.run_id != two.run_id and one.agent_id == two.agent_id
    assert (one.session_id, two.session_id) == ("default", "mine")


async def test_a_tool_may_ask_for_the_agent() -> None:
    """By the name `agent`, when it is annotated as one or not at all; the model does not see the parameter."""
    model = Scripted([call("who", '{"word": "hi"}'), call("plain"), call("clerk", '{"agent": "Ada"}')], ["done"])
    agent: Agent[None, str] = Agent(model, name="me")
    seen: list[Any] = []

    @agent.tool_plain
    def who(agent: Agent[Any, Any] | None, word: str) -> None:
        seen.append((agent, word))

    @agent.tool
    async def plain(ctx: RunContext[None], agent) -> None:  # type: ignore[no-untyped-def]
        seen.append((agent, ctx.agent))

    @agent.tool_plain
    def clerk(agent: str) -> None:
        seen.append(agent)

    await agent.run("x")
    assert len(seen) == 3 and all(item in seen for item in ((agent, "hi"), (agent, agent), "Ada"))
    schemas = {tool.name: tool.parameters_json_schema.get("properties") for tool in model.infos[0].function_tools}
    assert list(schemas["who"]) == ["word"] and not schemas["plain"] and list(schemas["clerk"]) == ["agent"]


async def test_a_tool_may_make_the_model_try_again() -> None:
    agent = Agent(Scripted([call("pick")], ["done"]))

    @agent.tool_plain
    def pick() -> None:
        raise RetryAgentRun("pick another")

    result = await agent.run("x")
    assert result.content == "done" and result.tools is not None
    assert result.tools[0]["tool_call_error"] is True and "pick another" in result.tools[0]["content"]


@pytest.mark.parametrize("stream", [False, True])
async def test_a_tool_may_end_the_run(stream: bool) -> None:
    """What it says is the answer, is streamed, and is known to the next run; the model is not asked again."""
    model = Scripted(["Wait. ", call("stop"), call("other")], ["next"])
    agent = Agent(model)

    @agent.tool_plain
    def stop() -> None:
        raise StopAgentRun("We are closed.")

    @agent.tool_plain
    def other() -> str:
        return "done"

    if stream:
        events = agent.run("x", stream=True, stream_intermediate_steps=True)
        kinds = [(event.event, event.content) async for event in events]
        assert ("RunResponse", "\n\nWe are closed.") in kinds
        assert kinds[-1] == ("RunCompleted", "Wait. \n\nWe are closed.")
        history = events.all_messages()
    else:
        result = await agent.run("x")
        assert result.data == "We are closed."
        history = result.all_messages()
    assert len(model.requests) == 1
    assert [part.content for part in history[2].parts] == ["We are closed.", "done"]
    assert history[3].parts == [TextPart("We are closed.")]
    assert (await agent.run("y", message_history=history)).data == "next"


async def test_a_run_that_owes_an_object_cannot_be_ended_with_words() -> None:
    agent = Agent(Scripted([call("stop")]), result_type=City)

    @agent.tool_plain
    def stop() -> None:
        raise StopAgentRun("closed")

    with pytest.raises(UnexpectedModelBehavior, match="before it had a result: closed"):
        await agent.run("x")


async def test_calls_beyond_the_limit_are_answered_not_run() -> None:
    """The model is told, and may still answer."""
    agent = Agent(
        Scripted([call("look", "{}", "a"), call("look", "{}", "b")], [call("look")], ["done"]), tool_call_limit=1
    )
    ran = []

    @agent.tool_plain
    def look() -> None:
        ran.append(1)

    result = await agent.run("x")
    assert result.data == "done" and len(ran) == 1
    returns = [part.content for message in result.all_messages()[2:5:2] for part in message.parts]
    assert [str(text).startswith("Tool not executed - the limit of 1") for text in returns] == [False, True, True]


BUSY = Reply(status=503, error={"message": "busy"})
ONE_TRY: Any = {"max_retries": 0}


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("how", ["agent", "run"])
async def test_a_provider_that_failed_is_asked_again(stream: bool, how: str) -> None:
    """Also when the answer streams, as nothing of it was delivered; and only the request, not the run."""
    async with OpenAIServer() as server:
        server.queue(BUSY, BUSY, "here")
        model = OpenAIChat(id="gpt-4o", base_url=server.base_url, api_key="k")
        options = {"model_retries": 2} if how == "agent" else {}
        agent = Agent(model, delay_between_retries=0.001, exponential_backoff=True, model_settings=ONE_TRY, **options)
        asked: Any = {} if how == "agent" else {"retries": 2}
        if stream:
            assert [item.content async for item in agent.run("x", stream=True, **asked)] == ["here"]
        else:
            assert (await agent.run("x", **asked)).data == "here"
        server.queue(BUSY, BUSY, BUSY)
        with pytest.raises(ModelOverloaded):
            await agent.run("x", **asked)
        server.queue(Reply(status=401))
        with pytest.raises(ModelAuthError):
            await agent.run("x", **asked)
        await agent.aclose()
    assert len(server.requests) == 7


async def test_a_result_can_be_copied_and_pickled() -> None:
    """Without what it came from: a model with its connections is nobody's to copy."""
    locked = threading.Lock()
    agent = Agent(echo(), deps_type=Any)
    result = await agent.run("one", deps=locked)
    for again in (pickle.loads(pickle.dumps(result)), copy.deepcopy(result), copy.copy(result)):
        assert again == result and again.data == result.data
        assert again.all_messages() == result.all_messages() and again.new_messages() == result.new_messages()
        assert again.usage() == result.usage()
