"""The demo model: useful without a key, and honest."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core import Agent
from core.messages import TextPart
from core.models import DemoModel, FallbackModel, FunctionModel, infer_model
from core.models._demo_answers import Conversation, answer, long_text
from core.models.demo import pace_of
from core.models.errors import FallbackExceptionGroup, ModelConnectionError, ModelOverloaded
from tests.engine.scripted import Scripted


async def say(agent: Agent, *prompts: str) -> str:
    """The answer to the last of a conversation's prompts, streamed."""
    history = []
    for prompt in prompts:
        stream = agent.run(prompt, message_history=history, stream=True)
        text = "".join([str(event.content) async for event in stream])
        history = stream.all_messages()
    return text


@pytest.fixture
def agent() -> Agent:
    agent = Agent(DemoModel(pace=0))

    @agent.tool_plain
    def current_time(timezone: str = "UTC") -> str:
        return f"12:00 in {timezone}"

    @agent.tool_plain
    def roll_dice(count: int, sides: int) -> str:
        return f"{count}d{sides}"

    return agent


@pytest.mark.parametrize(
    ("prompts", "expected"),
    [
        (["Hello!"], "demo model: a set of rules, not a language model"),
        (["Hello!", "hi"], "written 1 message here"),
        (["Hello!", "hi", "hey"], "written 2 messages here"),
        (["My name is Ada", "What is my name?"], "**Ada**"),
        (["What's my name?"], "not told me"),
        (["First thing", "second", "What did I say first?"], "“First thing”"),
        (["First thing", "second", "What did I just say?"], "“second”"),
        (["apples", "pears", "What did we talk about?"], "1. “apples”\n2. “pears”"),
        (["What time is it in Tokyo?"], "It is 12:00 in Asia/Tokyo."),
        (["what time is it?"], "It is 12:00 in UTC."),
        (["What time is it in Atlantis?"], "I do not know the time zone of Atlantis."),
        (["roll 2d20"], "🎲 You rolled 2d20."),
        (["Roll the dice, please"], "🎲 You rolled 1d6."),
        (["What is the capital of France?"], "PARLEY_MODEL"),
        (["x", "What is the capital of France?"], "OPENAI_API_KEY"),
        (["thanks"], "You are welcome!"),
        (["[Ada Lovelace] hi"], "Hello!"),
    ],
)
async def test_it_answers_from_the_conversation(agent: Agent, prompts: list[str], expected: str) -> None:
    assert expected in await say(agent, *prompts)


async def test_without_tools_it_says_so() -> None:
    agent = Agent(DemoModel(pace=0))
    assert "no `current_time` tool" in await say(agent, "what time is it?")
    assert "no `roll_dice` tool" in await say(agent, "roll a die")


@pytest.mark.parametrize("length", [1, 77, 2000, 4001, 20000])
async def test_it_writes_as_much_as_asked_for(agent: Agent, length: int) -> None:
    """To the character, so that splitting can be watched."""
    text = await say(agent, f"Write {length} characters")
    assert len(text) == length
    if length >= 4000:
        assert "## " in text and "| what |" in text and "```python" in text and text.count("```") % 2 == 0


@given(st.integers(1, 9000))
def test_long_texts_have_their_length_and_close_their_fences(length: int) -> None:
    text = long_text(length)
    assert len(text) == length and text.count("```") % 2 == 0 and text.endswith(".")


@given(st.lists(st.text(max_size=60), min_size=1, max_size=4))
def test_it_has_an_answer_to_everything(said: list[str]) -> None:
    """And always the same one."""
    parts = answer(Conversation(said), [])
    assert parts == answer(Conversation(said), [])
    assert isinstance(parts[0], TextPart) and parts[0].content


async def test_it_streams_in_small_pieces_at_a_human_pace(monkeypatch: pytest.MonkeyPatch) -> None:
    """The pace is kept by the clock; here the clock is replaced."""
    slept: list[float] = []

    async def sleep(seconds: float) -> None:
        slept.append(seconds)

    monkeypatch.setattr("core.models.demo.asyncio.sleep", sleep)
    text = await say(Agent(DemoModel(pace=50)), "help")
    words = re.findall(r"\S+", text)
    assert len(slept) == len(words)
    assert 0.3 < slept[0] < 0.4 and slept[1] == pytest.approx(slept[0] + 1 / 18, abs=0.01)


def test_a_short_answer_is_watchable_and_a_long_one_does_not_drag_on() -> None:
    assert pace_of(90, most=50) == 18
    assert pace_of(3000, most=50) == 50
    assert pace_of(90, most=10) == 10


async def test_whole_answers_need_no_waiting() -> None:
    result = await Agent(infer_model("demo")).run("hi")
    assert result.data.startswith("Hello!") and result.usage().response_tokens


async def test_a_fallback_answers_when_the_first_cannot() -> None:
    """Also when the first could not be reached at all; whole and streamed."""

    def refuse(_messages: object, _info: object) -> None:
        raise ModelConnectionError("nobody there")

    async def refuse_stream(_messages: object, _info: object) -> object:
        raise ModelOverloaded(529, "m")
        yield

    broken = FunctionModel(refuse, stream_function=refuse_stream)  # type: ignore[arg-type]
    model = FallbackModel(broken, DemoModel(pace=0))
    assert (await Agent(model).run("hi")).data.startswith("Hello!")
    with pytest.raises(FallbackExceptionGroup, match="All models from FallbackModel failed"):
        await Agent(FallbackModel(broken, broken)).run("hi")
    with pytest.raises(ZeroDivisionError):
        await Agent(FallbackModel(Scripted([ZeroDivisionError()]), model)).run("hi")
    assert model.model_name == f"fallback:{broken.model_name},demo"
