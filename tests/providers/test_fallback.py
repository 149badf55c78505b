"""Several models, the next one asked when one fails: what a person sees, and what it costs."""

import asyncio
from collections.abc import AsyncIterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core import Agent
from core.messages import ModelRequest, ModelResponse, TextPart, ToolCallPart, UserPromptPart
from core.models import FallbackModel, ModelRequestParameters, OpenAIModel, errors
from core.models._seam import Seam
from tests.engine.scripted import Scripted, call
from tests.providers.clients import served_by
from tests.providers.openai_server import OpenAIServer, Reply

ASK = [ModelRequest([UserPromptPart("x")])]
NOTHING = ModelRequestParameters()
ONCE = {"max_retries": 0}

server = served_by(OpenAIServer)


@pytest.fixture
async def pair(server: OpenAIServer) -> AsyncIterator[tuple[OpenAIModel, OpenAIModel]]:
    models = tuple(OpenAIModel(name, base_url=server.base_url, api_key="k") for name in ("first", "second"))
    yield models  # type: ignore[misc]  # a tuple of two
    for model in models:
        await model.aclose()


FAILURES = {
    "a refusal": Reply(status=401),
    "a rate limit": Reply(status=429, headers={"retry-after": "60"}),
    "an overload": Reply(status=529),
    "a hang-up": Reply(deltas=["x"], cut_after=0),
    "an error in the stream": Reply(deltas=["x"], error_after=0),
    "garbage": Reply(raw=b"data: {\n\n"),
    "a page": Reply(raw=b"<html>log in", body=None),
    "silence": Reply(before=lambda: asyncio.Event().wait()),
}


@pytest.mark.parametrize("name", FAILURES)
@pytest.mark.parametrize("stream", [True, False])
async def test_before_the_first_word_the_next_model_answers(
    server: OpenAIServer, pair: tuple[OpenAIModel, OpenAIModel], name: str, stream: bool
) -> None:
    """Nobody has seen anything of the first one, so nothing is said twice; and nobody waits for a retry of it."""
    failure = FAILURES[name]
    if not stream and failure.status == 200 and failure.before is None:
        failure = Reply(body=failure.raw or b'{"error": {"code": "server_error"}}')
    server.queue(failure, "from the second")
    agent = Agent(FallbackModel(*pair), model_settings={"max_retries": 0, "first_event_timeout": 0.5})
    if stream:
        events = agent.run("x", stream=True)
        text = "".join([str(event.content) async for event in events])
        messages, usage = events.all_messages(), events.usage()
    else:
        result = await agent.run("x")
        text, messages, usage = result.data, result.all_messages(), result.usage()
    assert text == "from the second"
    assert isinstance(messages[-1], ModelResponse) and messages[-1].model_name == "second"
    assert (usage.requests, usage.response_tokens) == (1, 3)


async def test_all_failures_are_told(server: OpenAIServer, pair: tuple[OpenAIModel, OpenAIModel]) -> None:
    """One of them is what the operator has to mend."""
    server.reply(Reply(status=401))
    model = FallbackModel(*pair)
    with pytest.raises(errors.FallbackExceptionGroup, match="All models from FallbackModel failed") as caught:
        await model.request(ASK, ONCE, NOTHING)  # type: ignore[arg-type]  # a plain dict
    assert [type(exc) for exc in caught.value.exceptions] == [errors.ModelAuthError] * 2
    with pytest.raises(errors.FallbackExceptionGroup):
        async with model.request_stream(ASK, ONCE, NOTHING):  # type: ignore[arg-type]
            pass


async def test_fallbacks_nest(server: OpenAIServer, pair: tuple[OpenAIModel, OpenAIModel]) -> None:
    """A group of failures is a failure like any other to the model outside."""
    server.queue(Reply(status=401), Reply(status=529), "ok", Reply(status=401), Reply(status=529), "ok")
    model = FallbackModel(FallbackModel(*pair), pair[0])
    agent = Agent(model, model_settings={"max_retries": 0})
    assert (await agent.run("x")).data == "ok"
    assert "".join([str(event.content) async for event in agent.run("x", stream=True)]) == "ok"


async def test_what_is_not_covered_is_raised(pair: tuple[OpenAIModel, OpenAIModel], server: OpenAIServer) -> None:
    """Falling back from a mistake of ours would hide it."""
    server.reply(Reply(status=404))
    for fallback_on in ((errors.ModelRateLimited,), lambda exc: isinstance(exc, errors.ModelRateLimited)):
        model = FallbackModel(*pair, fallback_on=fallback_on)
        with pytest.raises(errors.ModelNotFound):
            await model.request(ASK, ONCE, NOTHING)  # type: ignore[arg-type]
        with pytest.raises(errors.ModelNotFound):
            async with model.request_stream(ASK, ONCE, NOTHING):  # type: ignore[arg-type]
                pass


@pytest.mark.parametrize(
    "continuation",
    ["and two.", "One and two.", "One and", "One ", " One and two.", "One and two. And three."],
)
async def test_a_broken_answer_is_continued_without_a_word_twice(
    server: OpenAIServer, pair: tuple[OpenAIModel, OpenAIModel], continuation: str
) -> None:
    """The next model may go on, or begin again: what a person has read is not written again."""
    server.queue(Reply(deltas=["One ", "and ", "x"], cut_after=1), Reply(deltas=list(continuation)))
    agent = Agent(FallbackModel(*pair, broken_stream="continue"))
    events = agent.run("x", stream=True)
    text = "".join([str(event.content) async for event in events])
    expected = {"and two.": "One and two.", "One ": "One ", "One and": "One and", " One and two.": "One  One and two."}
    assert text == expected.get(continuation, continuation)
    [response] = [each for each in events.all_messages() if isinstance(each, ModelResponse)]
    assert response.parts == [TextPart(text)] and response.finish_reason == "stop"
    assert events.usage().requests == 2
    said = server.requests[1].messages
    assert [message["role"] for message in said] == ["user", "assistant", "user"]
    assert said[1]["content"] == "One "


async def test_by_default_a_broken_answer_stays_broken(
    server: OpenAIServer, pair: tuple[OpenAIModel, OpenAIModel]
) -> None:
    """Two models in one answer is for the developer to want."""
    server.queue(Reply(deltas=["One ", "x"], cut_after=1), "two")
    events = Agent(FallbackModel(*pair)).run("x", stream=True)
    with pytest.raises(errors.ModelStreamBroken):
        async for _ in events:
            pass
    assert events.all_messages()[-1].parts == [TextPart("One ")]
    assert len(server.requests) == 1


@pytest.mark.parametrize("begun", [[call("roll", '{"n"')], ["One ", call("roll", '{"n"')]])
async def test_a_begun_tool_call_is_not_continued(begun: list[str | ToolCallPart]) -> None:
    """Half the arguments of one model and half of another are no call."""
    first = Scripted([*begun, errors.ModelStreamBroken("cut")])
    second = Scripted(["two"])
    model = FallbackModel(first, second, broken_stream="continue")
    with pytest.raises(errors.ModelStreamBroken):
        async with model.request_stream(ASK, None, NOTHING) as streamed:
            async for _ in streamed:
                pass
    assert second.requests == []


async def test_a_continued_answer_may_call_tools_and_break_again() -> None:
    """The third model goes on after the second; the tool it calls runs once."""
    cut = errors.ModelStreamBroken("cut")
    first = Scripted(["Let me ", cut], [cut])
    second = Scripted(["look ", errors.ModelTimeout("idle", 1)], [cut])
    third = Scripted(["it up.", call("roll")], ["Six."])
    rolled: list[int] = []
    agent = Agent(FallbackModel(first, second, third, broken_stream="continue"))

    @agent.tool_plain
    def roll() -> str:
        rolled.append(1)
        return "six"

    events = agent.run("x", stream=True)
    text = "".join([str(event.content) async for event in events])
    assert text == "Let me look it up.\n\nSix." and rolled == [1]
    response = events.all_messages()[1]
    assert [type(part) for part in response.parts] == [TextPart, ToolCallPart]
    assert response.parts[0] == TextPart("Let me look it up.")


async def test_leaving_a_continued_answer_closes_every_stream() -> None:
    """Also those that broke."""
    first = Scripted(["One ", errors.ModelStreamBroken("cut")])
    second = Scripted(["and ", "two ", "three"])
    model = FallbackModel(first, second, broken_stream="continue")
    async with model.request_stream(ASK, None, NOTHING) as streamed:
        async for _ in streamed:
            if "and" in "".join(part.content for part in streamed.get().parts if isinstance(part, TextPart)):
                break
    assert (first.closed, second.closed, second.read) == (1, 1, 1)


words = st.text("ab ", max_size=12)


@given(words, words, st.integers(1, 5))
def test_a_seam_repeats_nothing_and_loses_nothing_new(said: str, new: str, size: int) -> None:
    """Whether the next model goes on or begins again, and however its text is cut."""
    for text in (new, said + new):
        seam = Seam(said)
        fed = [seam.feed(text[at : at + size]) for at in range(0, len(text), size)]
        told = "".join([*fed, seam.finish()])
        assert text.endswith(told)
        if text == said + new and said:
            assert told == new
