"""run_stream: text and typed results while they arrive."""

import asyncio
from typing import Any

import pydantic
import pytest

from core import Agent, UserError
from core.messages import TextPart
from tests.engine.scripted import Scripted, call


async def test_text_before_a_tool_call_is_not_the_result() -> None:
    """The commonest complaint about streaming agents: the preamble is taken for the answer."""
    agent = Agent(Scripted(["let me ", "look", call("find")], ["it is ", "there"]))
    agent.tool_plain(lambda: "found", name="find")
    async with agent.run_stream("x") as stream:
        assert not stream.is_complete
        texts = [text async for text in stream.stream_text(debounce_by=None)]
        assert await stream.get_data() == "it is there"
        assert stream.is_complete
    assert texts == ["let me ", "let me look", "let me look\n\nit is ", "let me look\n\nit is there"]
    assert len(stream.new_messages()) == 4 and stream.usage().requests == 2


@pytest.mark.parametrize("debounce", [None, 0.01, 10])
async def test_deltas_joined_are_the_text(debounce: float | None) -> None:
    """With any grouping."""
    words = [f"word{n} " for n in range(50)]
    async with Agent(Scripted(words)).run_stream("x") as stream:
        deltas = [delta async for delta in stream.stream_text(delta=True, debounce_by=debounce)]
    assert "".join(deltas) == "".join(words)
    assert len(deltas) == 50 if debounce is None else len(deltas) <= 50


async def test_a_group_is_shown_when_its_time_is_up() -> None:
    """Not only when the stream goes on."""
    go_on = asyncio.Event()

    async def wait() -> None:
        await go_on.wait()

    async with Agent(Scripted(["a", "b", wait, "c"])).run_stream("x") as stream:
        seen = []
        async for text in stream.stream_text(debounce_by=0.01):
            seen.append(text)
            go_on.set()
        assert seen[0] == "ab" and seen[-1] == "abc"


async def test_leaving_a_grouped_stream_loses_nothing() -> None:
    """Waiting goes on in a task that outlives the loop over it."""
    words = [f"{n} " for n in range(20)]
    async with Agent(Scripted(words)).run_stream("x") as stream:
        async for _ in stream.stream_text(debounce_by=0.001):
            break
        assert await stream.get_data() == "".join(words)


async def test_leaving_the_context_early_reads_no_further() -> None:
    model = Scripted([f"{n} " for n in range(1000)])
    async with Agent(model).run_stream("x") as stream:
        async for _ in stream.stream_text(debounce_by=None):
            break
    assert model.read <= 2 and model.closed == 1
    assert stream.all_messages()[1].parts == [TextPart("0 ")]


class City(pydantic.BaseModel):
    name: str = ""
    people: int = 0


def in_pieces(*pieces: str) -> Any:
    """A model whose result tool call arrives in pieces."""
    from core.models import DeltaToolCall, FunctionModel

    async def stream(_messages: Any, _info: Any) -> Any:
        yield {0: DeltaToolCall("final_result", tool_call_id="1")}
        for piece in pieces:
            yield {0: DeltaToolCall(json_args=piece)}

    return FunctionModel(stream_function=stream)


async def test_a_typed_result_grows() -> None:
    """Loosely validated until it is whole."""
    model = in_pieces('{"name": "Ro', 'me", "peo', 'ple": 7}')
    async with Agent(model, result_type=City).run_stream("x") as stream:
        seen = [city async for city in stream.stream(debounce_by=None)]
    assert seen[-1] == City(name="Rome", people=7)
    assert City(name="Ro") in seen and City(name="Rome") in seen


async def test_text_cannot_be_streamed_of_a_typed_result() -> None:
    async with Agent(in_pieces("{}"), result_type=City).run_stream("x") as stream:
        with pytest.raises(UserError, match=r"stream_text\(\) can only be used with text responses"):
            async for _ in stream.stream_text():
                pass
        with pytest.raises(NotImplementedError):
            stream.all_messages(result_tool_return_content="x")


async def test_an_error_of_the_model_is_raised_where_it_is_read() -> None:
    """At the start when nothing came, else in the loop."""
    with pytest.raises(ZeroDivisionError):
        async with Agent(Scripted([ZeroDivisionError()])).run_stream("x"):
            pass
    for debounce in (None, 0.01):
        seen = []
        async with Agent(Scripted(["a", ZeroDivisionError()])).run_stream("x") as stream:
            with pytest.raises(ZeroDivisionError):
                async for text in stream.stream_text(debounce_by=debounce):
                    seen.append(text)
        assert seen == ["a"]
