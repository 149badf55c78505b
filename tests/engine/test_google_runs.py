"""Agents with Gemini over the wire, against a server that refuses broken conversations."""

import asyncio
import dataclasses
from collections.abc import AsyncIterator
from typing import Any

import pytest
from pydantic import BaseModel

from bots.assistant import default_assistant, make_model, model_name
from bots.settings import Settings
from core import Agent, UnexpectedModelBehavior
from core.chat.answerer import Asker
from core.errors import ConfigError
from core.messages import ModelMessage, ModelRequest, ModelResponse, TextPart, ToolCallPart, UserPromptPart
from core.models import FallbackModel, GeminiModel, OpenAIModel
from core.models.errors import ModelStreamBroken
from tests.providers import openai_server
from tests.providers.agents import rolling, settings, stopped_in_a_tool
from tests.providers.clients import served_by
from tests.providers.google_server import GoogleServer, Reply, Request, call, text, thought
from tests.providers.openai_server import OpenAIServer

server = served_by(GoogleServer)


@pytest.fixture
async def agent(server: GoogleServer) -> AsyncIterator[Agent]:
    """On Gemini 3, which is the strictest."""
    model = GeminiModel("gemini-3-pro-preview", base_url=server.base_url, api_key="k")
    agent = rolling(model)
    yield agent
    await agent.aclose()


async def test_tools_are_called_and_their_answers_read(agent: Agent, server: GoogleServer) -> None:
    """Preamble, two calls without ids, thoughts, answer; the second request holds the whole conversation."""
    calls = [call("roll", {"sides": 6}, signature="c2ln"), call("roll", {"sides": 8})]
    server.queue(Reply(["Rolling.", *calls]), Reply([thought("six "), thought("and eight"), "6 and ", "8."]))
    events = [event async for event in agent.run("Roll", stream=True, stream_intermediate_steps=True)]
    kinds = [event.event for event in events]
    assert kinds[:4] == ["RunStarted", "RunResponse", "ToolCallStarted", "ToolCallStarted"]
    assert kinds[-1] == "RunCompleted" and kinds.count("RunResponse") == 3
    last = events[-1]
    assert last.content == "Rolling.\n\n6 and 8." and last.thinking == "six and eight"
    assert last.event_data == {"finish_reason": "stop"}
    asked, answered = server.requests[1].contents[1:]
    assert asked["parts"] == [text("Rolling."), *calls]
    assert [part["functionResponse"]["response"] for part in answered["parts"]] == [{"output": 6}, {"output": 8}]
    assert server.requests[1].body["systemInstruction"] == {"parts": [{"text": "Be brief."}]}
    ids = {tool["tool_call_id"] for tool in last.tools or ()}
    assert len(ids) == 2 and last.usage().requests == 2


async def test_a_wrong_call_is_shown_its_error(agent: Agent, server: GoogleServer) -> None:
    """The model reads what was wrong, and tries again."""
    server.queue(
        Reply([call("roll", {"sides": "six"}, "c1", "c2ln")]), Reply([call("roll", {"sides": 6}, "c2", "c2ln")])
    )
    assert (await agent.run("Roll")).data == "Hello"
    [returned] = server.requests[1].contents[2]["parts"]
    assert returned["functionResponse"]["id"] == "c1"
    assert "valid integer" in returned["functionResponse"]["response"]["error"]


async def test_a_typed_result_is_asked_for_and_read(server: GoogleServer) -> None:
    """No text is allowed, so a call is asked for."""

    class City(BaseModel):
        name: str
        twin: "City | None" = None

    model = GeminiModel("gemini-2.5-pro", base_url=server.base_url, api_key="k")
    agent = Agent(model, result_type=City)
    server.reply(Reply([call("final_result", {"name": "Bonn", "twin": {"name": "Oxford"}})]))
    assert (await agent.run("Which?")).data == City(name="Bonn", twin=City(name="Oxford"))
    config = server.requests[0].body["toolConfig"]["functionCallingConfig"]
    assert config == {"mode": "ANY", "allowedFunctionNames": ["final_result"]}
    await agent.aclose()


async def test_a_trimmed_history_is_accepted(agent: Agent, server: GoogleServer) -> None:
    """Cutting anywhere, as people do with `messages[-5:]`, must not poison a session."""

    def answer(request: Request) -> Reply:
        returned = "functionResponse" in request.contents[-1]["parts"][0]
        return Reply(["Done."] if returned else [call("roll", {"sides": 6}, "", "c2ln")])

    server.script(answer)
    history = (await agent.run("Roll")).all_messages()
    for start in range(len(history) + 1):
        for end in range(start, len(history) + 1):
            result = await agent.run("Again", message_history=history[start:end])
            assert result.data in ("Done.", "Hello")


async def test_a_stopped_conversation_goes_on(agent: Agent, server: GoogleServer) -> None:
    """The server refuses calls without returns, so it would refuse every later question of a broken history."""
    server.queue(Reply(["Hm.", call("slow", {}, "", "c2ln"), call("roll", {"sides": 6})]), "Fine.")
    history = await stopped_in_a_tool(agent)
    result = await agent.run("And now?", message_history=history)
    assert result.data == "Fine."
    assert [turn["role"] for turn in server.requests[1].contents] == ["user", "model", "user"]


async def test_an_interrupted_answer_is_kept_and_can_be_gone_on_from(agent: Agent, server: GoogleServer) -> None:
    """The broken stream's beginning is part of what was said."""
    server.queue(Reply(["One, ", "two"], cut_after=1), "two, three.")
    stream = agent.run("Count", stream=True)
    with pytest.raises(ModelStreamBroken):
        async for _ in stream:
            pass
    assert (await agent.run("Go on", message_history=stream.all_messages())).data == "two, three."
    assert server.requests[1].contents[1] == {"role": "model", "parts": [text("One, ")]}


async def test_a_conversation_moves_between_providers(server: GoogleServer) -> None:
    """Calls without ids, and signatures of somebody else's, stop neither of them."""
    async with OpenAIServer() as other:
        gemini = GeminiModel("gemini-3-pro-preview", base_url=server.base_url, api_key="k")
        gpt = OpenAIModel("gpt-4o", base_url=other.base_url, api_key="k")
        agent = Agent()
        agent.tool_plain(name="roll")(lambda: 6)
        server.queue(Reply([thought("Hm.", "c2ln"), call("roll", {}, "", "c2ln")]), "Six.")
        other.queue(openai_server.Reply(calls=[openai_server.Call("roll", id="call_1")]), "Six again.")
        first = await agent.run("Roll", model=gemini)
        second = await agent.run("Again", model=gpt, message_history=first.all_messages())
        assert second.data == "Six again."
        third = await agent.run("And again", model=gemini, message_history=second.all_messages())
        assert third.data == "Hello"
        await gemini.aclose()
        await gpt.aclose()


async def test_another_model_answers_when_this_one_will_not(server: GoogleServer) -> None:
    """Also when Google blocks the question."""
    async with OpenAIServer() as other:
        gemini = GeminiModel("gemini-2.5-pro", base_url=server.base_url, api_key="k")
        model = FallbackModel(gemini, OpenAIModel("gpt-4o", base_url=other.base_url, api_key="k"))
        server.queue(Reply(block="OTHER"), Reply(status=403))
        agent = Agent(model)
        assert [(await agent.run("Hi")).data, (await agent.run("Hi")).data] == ["Hello", "Hello"]
        await agent.aclose()


async def test_an_empty_answer_is_an_error(agent: Agent, server: GoogleServer) -> None:
    """Gemini ends some answers before they begin; thoughts alone are none either."""
    for reply in (Reply(), Reply([thought("Hm.")])):
        server.reply(reply)
        with pytest.raises(UnexpectedModelBehavior, match="Received empty model response"):
            await agent.run("x")


async def test_many_runs_at_once_keep_to_themselves(agent: Agent, server: GoogleServer) -> None:
    """One agent, one session, hundreds of threads."""
    server.script(lambda request: [*request.prompt])
    results = await asyncio.gather(*(agent.run(f"question {n}") for n in range(100)))
    assert [result.data for result in results] == [f"question {n}" for n in range(100)]


async def test_a_history_stored_before_signatures_goes_on(agent: Agent, server: GoogleServer) -> None:
    """Its calls are unsigned, which Gemini 3 would refuse."""
    history: list[ModelMessage] = [
        ModelRequest([UserPromptPart("Roll")]),
        ModelResponse([TextPart("Rolling."), ToolCallPart("roll", {"sides": 6})], "gemini-2.5-pro"),
    ]
    assert (await agent.run("Well?", message_history=history)).data == "Hello"


@pytest.mark.usefixtures("_no_keys")
def test_google_answers_where_only_its_key_is_set() -> None:
    """Other keys come first, and what PARLEY_MODEL says before all of them."""
    assert model_name(settings(gemini_api_key="k")) == "google:gemini-2.5-pro"
    assert model_name(settings(gemini_api_key="k", anthropic_api_key="k")) == "anthropic:claude-sonnet-4-5"
    assert model_name(settings(gemini_api_key="k", parley_model="demo")) == "demo"


@pytest.mark.usefixtures("_no_keys")
@pytest.mark.parametrize("name", ["google:gemini-2.5-pro", "google-gla:gemini-2.5-pro", "gemini-2.5-pro"])
def test_a_missing_key_is_named_at_the_start(name: str) -> None:
    """With the setting to change, and where to get what it needs; a wrong address is named as well."""
    with pytest.raises(ConfigError, match="GEMINI_API_KEY") as caught:
        make_model(settings(parley_model=name))
    assert "aistudio.google.com" in str(caught.value) and f"PARLEY_MODEL={name}" in str(caught.value)
    with pytest.raises(ConfigError, match="GEMINI_BASE_URL"):
        Settings.load(_env_file=None, gemini_base_url="generativelanguage.googleapis.com")


@pytest.mark.usefixtures("_no_keys")
def test_vertex_is_refused_at_the_start() -> None:
    """Its names look like Google's others, but it takes no API key."""
    with pytest.raises(ConfigError, match="Vertex AI"):
        make_model(settings(parley_model="google-vertex:gemini-2.5-pro", gemini_api_key="k"))


@pytest.mark.usefixtures("_no_keys")
@pytest.mark.parametrize("name", ["google:gemini-3-pro-preview", "gemini-3-pro-preview"])
async def test_the_assistant_answers_with_key_and_address_of_the_settings(server: GoogleServer, name: str) -> None:
    """They may stand in `.env` alone, out of the environment's sight; its tools are ones that Google takes."""
    assistant: Any = default_assistant(
        settings(parley_model=name, gemini_api_key="secret", gemini_base_url=server.base_url)
    )
    server.queue(Reply([call("roll_dice", {"dice": "1d6"}, "", "c2ln")]), "Done.")
    fields = {field.name: "x" for field in dataclasses.fields(Asker)}
    result = await assistant.run("Roll", deps=Asker(**fields))  # type: ignore[arg-type]  # any texts will do
    await assistant.aclose()
    assert result.data == "Done."
    assert server.requests[0].headers["x-goog-api-key"] == "secret"
    assert "1d6:" in server.requests[1].contents[2]["parts"][0]["functionResponse"]["response"]["output"]
