"""Agents on Anthropic's models: the engine, the client and the bot's own assistant together, against a server that
refuses broken conversations."""

import asyncio
import dataclasses
from collections.abc import AsyncIterator
from typing import Any

import pydantic
import pytest

from bots.assistant import default_assistant, make_model, model_name
from core import Agent
from core.errors import ConfigError
from core.messages import ModelResponse, TextPart, ThinkingPart, ToolCallPart
from core.models import AnthropicModel, FallbackModel, OpenAIModel
from core.models.errors import ModelStreamBroken
from tests.providers.agents import rolling, settings, stopped_in_a_tool
from tests.providers.anthropic_server import AnthropicServer, Call, Redacted, Reply, Request, Thought
from tests.providers.clients import served_by
from tests.providers.openai_server import Call as OpenAICall
from tests.providers.openai_server import OpenAIServer
from tests.providers.openai_server import Reply as OpenAIReply

server = served_by(AnthropicServer)


@pytest.fixture
async def agent(server: AnthropicServer) -> AsyncIterator[Agent[None, str]]:
    agent = rolling(AnthropicModel("claude-test", base_url=server.base_url, api_key="k"))
    yield agent
    await agent.aclose()


async def test_a_tool_is_called_while_the_model_thinks(agent: Agent[None, str], server: AnthropicServer) -> None:
    """Thoughts go back with their signatures, calls with their results, and the usage adds up over requests."""
    server.queue(
        Reply(
            [
                Thought(["six ", "it is"]),
                Redacted("enc-1"),
                ["Rolling."],
                Call("roll", '{"sides": 6}', "t1"),
                Call("roll", '{"sides": "x"}', "t2"),
            ]
        ),
        Reply([Thought(["done"], "sig-2"), ["6 and ", "an error."]]),
    )
    settings: Any = {"anthropic_thinking": {"type": "enabled", "budget_tokens": 1024}}
    stream = agent.run("Roll", stream=True, stream_intermediate_steps=True, model_settings=settings)
    events = [event async for event in stream]
    last = events[-1]
    assert last.event == "RunCompleted" and last.content == "Rolling.\n\n6 and an error."
    assert last.event_data == {"finish_reason": "end_turn"}
    assert last.usage().requests == 2 and last.usage().total_tokens == 30
    said, results = server.requests[1].messages[1:]
    assert [block["type"] for block in said["content"]] == [
        "thinking",
        "redacted_thinking",
        "text",
        "tool_use",
        "tool_use",
    ]
    assert [(block["tool_use_id"], block["is_error"]) for block in results["content"]] == [("t1", False), ("t2", True)]
    assert server.requests[0].body["system"] == [{"type": "text", "text": "Be brief."}]


async def test_a_typed_result_is_demanded(agent: Agent[None, str], server: AnthropicServer) -> None:
    """Where no text is allowed, a tool has to be called."""

    class City(pydantic.BaseModel):
        name: str

    server.reply(Reply([Call("final_result", '{"name": "Bern"}')]))
    result = await agent.run("Where?", result_type=City)
    assert result.data == City(name="Bern")
    assert server.requests[0].body["tool_choice"] == {"type": "any"}


async def test_a_stopped_conversation_goes_on(agent: Agent[None, str], server: AnthropicServer) -> None:
    """The server refuses calls without results, so it would refuse every later question of a broken history."""
    server.queue(Reply(["Hm.", Call("slow"), Call("roll", '{"sides": 6}')]), "Fine.")
    history = await stopped_in_a_tool(agent)
    result = await agent.run("And now?", message_history=history)
    assert result.data == "Fine."


async def test_an_answer_cut_anywhere_can_be_gone_on_from(agent: Agent[None, str], server: AnthropicServer) -> None:
    """In the middle of a thought, of text, of a call's arguments: the next question is accepted."""
    blocks = [Thought(["a", "b"]), ["one ", "two"], Call("roll", '{"sides": 6}', "t1", pieces=3)]
    for cut_after in range(4, 18):
        server.queue(Reply(blocks, cut_after=cut_after), "Fine.")
        stream = agent.run("Count", stream=True)
        with pytest.raises(ModelStreamBroken):
            async for _ in stream:
                pass
        result = await agent.run("Go on", message_history=stream.all_messages())
        assert result.data == "Fine.", cut_after


async def test_a_trimmed_history_is_accepted(agent: Agent[None, str], server: AnthropicServer) -> None:
    """Cutting anywhere, as people do with `messages[-5:]`, must not poison a session."""

    def answer(request: Request) -> Any:
        last = request.messages[-1]["content"]
        return "Done." if last[0]["type"] == "tool_result" else Reply([Thought(["h"]), Call("roll", '{"sides": 6}')])

    server.script(answer)
    settings: Any = {"anthropic_thinking": {"type": "enabled", "budget_tokens": 1024}}
    history = (await agent.run("Roll", model_settings=settings)).all_messages()
    history += (await agent.run("Again", message_history=history)).new_messages()
    for start in range(len(history) + 1):
        for end in range(start, len(history) + 1):
            result = await agent.run("Again", message_history=history[start:end], model_settings=settings)
            assert result.data == "Done."


async def test_a_conversation_moves_between_providers(server: AnthropicServer) -> None:
    """Begun with one, gone on with the other, and back: ids, thoughts and signatures differ."""
    async with OpenAIServer() as openai:
        claude = rolling(AnthropicModel("claude-test", base_url=server.base_url, api_key="k"))
        other = rolling(OpenAIModel("gpt-4o", base_url=openai.base_url, api_key="k"))
        openai.script(
            lambda request: (
                "Six."
                if request.messages[-1]["role"] == "tool"
                else OpenAIReply(thoughts=["hm"], calls=[OpenAICall("roll", '{"sides": 6}', "call_0")])
            )
        )
        server.script(
            lambda request: (
                "Six."
                if request.messages[-1]["content"][0]["type"] == "tool_result"
                else Reply([Thought(["h"]), Redacted("enc-1"), Call("roll", '{"sides": 6}')])
            )
        )
        history: list[Any] = []
        for agent in (claude, other, other, claude, claude, other):
            result = await agent.run("Roll", message_history=history)
            assert result.data == "Six."
            history = result.all_messages()
        await claude.aclose()
        await other.aclose()


async def test_another_model_answers_when_anthropic_is_overloaded(server: AnthropicServer) -> None:
    """Its typed errors are those that FallbackModel goes on after."""
    server.reply(Reply(status=529, headers={"retry-after": "0"}))
    async with OpenAIServer() as openai:
        model = FallbackModel(
            AnthropicModel("claude-test", base_url=server.base_url, api_key="k"),
            OpenAIModel("gpt-4o", base_url=openai.base_url, api_key="k"),
        )
        agent = Agent(model)
        assert (await agent.run("Hi")).data == "Hello"
        await agent.aclose()


async def test_many_runs_at_once_keep_to_themselves(agent: Agent[None, str], server: AnthropicServer) -> None:
    """One agent, one session, hundreds of threads."""
    server.script(lambda request: Reply([[*request.prompt]]))
    results = await asyncio.gather(*(agent.run(f"question {n}") for n in range(100)))
    assert [result.data for result in results] == [f"question {n}" for n in range(100)]


async def test_the_history_can_be_stored_and_read_again(agent: Agent[None, str], server: AnthropicServer) -> None:
    """Signed and redacted thoughts among it."""
    from core.messages import ModelMessagesTypeAdapter

    server.reply(Reply([Thought(["h"]), Redacted("enc-1"), "Hello"]))
    result = await agent.run("Hi")
    history = ModelMessagesTypeAdapter.validate_json(result.all_messages_json())
    answer = history[1]
    assert isinstance(answer, ModelResponse)
    assert answer.parts == [
        ThinkingPart("h", "sig-1"),
        ThinkingPart("", "redacted_thinking:enc-1"),
        TextPart("Hello"),
    ]
    assert (await agent.run("Again", message_history=history)).data == "Hello"
    assert [b["type"] for b in server.requests[1].messages[1]["content"]] == [
        "thinking",
        "redacted_thinking",
        "text",
    ]


def test_a_call_without_arguments_is_whole() -> None:
    """Anthropic sends nothing at all for them, which must not look like a call that was cut off."""
    assert ToolCallPart("roll", "", "t").args_as_dict() == {}


# --- the bot's own assistant -------------------------------------------------------------------------------


@pytest.mark.usefixtures("_no_keys")
def test_the_key_that_is_set_chooses_the_model() -> None:
    """Of several keys OpenAI's; what PARLEY_MODEL says comes before all of them."""
    assert model_name(settings(anthropic_api_key="k")) == "anthropic:claude-sonnet-4-5"
    assert model_name(settings(anthropic_api_key="k", openai_api_key="k")) == "openai:gpt-4o"
    assert model_name(settings(anthropic_api_key="k", parley_model="demo")) == "demo"
    assert model_name(settings()) == "demo"


@pytest.mark.usefixtures("_no_keys")
@pytest.mark.parametrize("name", ["anthropic:claude-sonnet-4-5", "claude-sonnet-4-5"])
def test_a_missing_key_is_named_at_the_start(name: str) -> None:
    """With the setting to change, and where to get what it needs."""
    with pytest.raises(ConfigError, match="ANTHROPIC_API_KEY") as caught:
        make_model(settings(parley_model=name))
    assert "platform.claude.com" in str(caught.value) and f"PARLEY_MODEL={name}" in str(caught.value)


@pytest.mark.usefixtures("_no_keys")
@pytest.mark.parametrize("name", ["anthropic:claude-test", "claude-test"])
async def test_the_assistant_answers_with_key_and_address_of_the_settings(server: AnthropicServer, name: str) -> None:
    """They may stand in `.env` alone, out of the environment's sight; and an answer may be longer than 700 words."""
    from core.chat.answerer import Asker

    assistant: Any = default_assistant(
        settings(parley_model=name, anthropic_api_key="secret", anthropic_base_url=server.base_url)
    )
    fields = {field.name: "x" for field in dataclasses.fields(Asker)}
    result = await assistant.run("Hi", deps=Asker(**fields))  # type: ignore[arg-type]  # any texts will do
    await assistant.aclose()
    assert result.data == "Hello"
    [request] = server.requests
    assert request.headers["x-api-key"] == "secret" and request.body["max_tokens"] == 8192
    assert request.messages[-1]["content"][-1]["cache_control"] == {"type": "ephemeral"}
