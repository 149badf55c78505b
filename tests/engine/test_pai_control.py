"""Control of a run: money, calls and time it may take, and what is said to it while it goes."""

import asyncio
from typing import Any

import pytest

from core import Agent, RunContext, RunTimeout, Usage, UsageLimitExceeded, UsageLimits, UserError
from core.messages import ModelRequest, ModelResponse, TextPart, ToolReturnPart, UserPromptPart
from core.models import FunctionModel
from tests.engine.scripted import Scripted, call


def cent_a_token(model: str, usage: Usage) -> float | None:
    return (usage.response_tokens or 0) / 100 if model == "scripted" else None


async def test_a_run_ends_when_it_has_cost_too_much() -> None:
    """Before the next request, and while a response streams."""
    agent = Agent(Scripted([call("again")]))
    agent.tool_plain(lambda: "x", name="again")
    usage = Usage()
    with pytest.raises(UsageLimitExceeded, match=r"Exceeded the cost_limit of 0\.05 USD \(cost=0\.0"):
        await agent.run("go", usage=usage, usage_limits=UsageLimits(cost_limit=0.05, price=cent_a_token))
    assert usage.cost > 0.05
    model = Scripted([f"word{n} " for n in range(30)])
    shown = []
    with pytest.raises(UsageLimitExceeded, match=r"Exceeded the cost_limit of 0.05 USD"):
        async for event in Agent(model).run(
            "go", stream=True, usage_limits=UsageLimits(cost_limit=0.05, price=cent_a_token)
        ):
            shown.append(event.content)
    assert 0 < len(shown) < 7 and model.read < 8
    with pytest.raises(UsageLimitExceeded, match=r"The next request would exceed the cost_limit of 0.05 USD"):
        await agent.run("go", usage=usage, usage_limits=UsageLimits(cost_limit=0.05, price=cent_a_token))


async def test_nested_agents_share_what_a_run_may_cost() -> None:
    """Through the usage they are given."""
    inner = Agent(Scripted(["one two three"]))
    outer = Agent(Scripted([call("ask")], ["never said"]))

    @outer.tool
    async def ask(ctx: RunContext[None]) -> str:
        limits = UsageLimits(cost_limit=1, price=cent_a_token)
        return (await inner.run("q", usage=ctx.usage, usage_limits=limits)).data

    with pytest.raises(UsageLimitExceeded, match=r"The next request would exceed the cost_limit of 0.04 USD"):
        await outer.run("go", usage_limits=UsageLimits(cost_limit=0.04, price=cent_a_token))


async def test_a_cost_limit_needs_prices(caplog: pytest.LogCaptureFixture) -> None:
    """A model without a price counts as free, and is logged."""
    with pytest.raises(UserError, match="`cost_limit` needs `price`"):
        UsageLimits(cost_limit=1)
    model = FunctionModel(lambda m, i: ModelResponse([TextPart("x")], "unpriced"))
    usage = Usage()
    await Agent(model).run("x", usage=usage, usage_limits=UsageLimits(cost_limit=1, price=cent_a_token))
    assert usage.cost == 0 and [record.message for record in caplog.records] == ["run.price_unknown"]


async def never() -> None:
    await asyncio.Event().wait()


@pytest.mark.parametrize("how", ["run", "events", "run_stream", "iter"])
async def test_a_run_ends_when_its_time_is_up(how: str) -> None:
    """In every form; the provider is left, and the history can be used again."""
    model = Scripted(["so far ", never], ["on"])
    agent = Agent(model, run_timeout=60)
    told: Any = None
    with pytest.raises(RunTimeout, match=r"The run did not finish within 0\.02 s") as caught:
        match how:
            case "run":
                await agent.run("x", run_timeout=0.02)
            case "events":
                told = agent.run("x", stream=True, run_timeout=0.02)
                async for _ in told:
                    pass
            case "run_stream":
                async with agent.run_stream("x", run_timeout=0.02) as told:
                    await told.get_data()
            case _:
                async with agent.iter("x", run_timeout=0.02) as told:
                    async for _ in told:
                        pass
    assert caught.value.limit_s == 0.02
    if how in ("events", "run_stream"):
        assert model.closed == 1
        [_, cut] = told.all_messages()
        assert cut.parts == [TextPart("so far ")] and cut.finish_reason == "interrupted"
        assert (await agent.run("y", message_history=told.all_messages())).data == "on"


async def test_the_time_of_a_run_covers_its_tools() -> None:
    """A tool that still runs is cancelled."""
    ended = asyncio.Event()
    agent = Agent(Scripted([call("slow")]))

    @agent.tool_plain
    async def slow() -> None:
        try:
            await never()
        finally:
            ended.set()

    with pytest.raises(RunTimeout):
        await agent.run("x", run_timeout=0.01)
    assert ended.is_set()


async def test_a_tool_that_times_out_by_itself_ends_the_run() -> None:
    """Only our limit is a reason to ask the model again."""
    agent = Agent(Scripted([call("t")]), run_timeout=60, tool_timeout=60)

    @agent.tool_plain
    async def t() -> None:
        raise TimeoutError("mine")

    with pytest.raises(TimeoutError, match="mine"):
        await agent.run("x")


async def test_what_is_steered_reaches_the_model_with_the_tools_returns() -> None:
    """As if the person had spoken again, before the next request."""
    model = Scripted([call("work")], ["done"])
    agent = Agent(model)
    working, go_on = asyncio.Event(), asyncio.Event()

    @agent.tool_plain
    async def work() -> str:
        working.set()
        await go_on.wait()
        return "worked"

    events = agent.run("go", stream=True)

    async def read() -> list[Any]:
        return [event.content async for event in events]

    reader = asyncio.create_task(read())
    await working.wait()
    assert events.steer("And hurry.")
    go_on.set()
    assert await reader == ["done"]
    last = model.requests[1][-1]
    assert [type(part) for part in last.parts] == [ToolReturnPart, UserPromptPart]
    assert last.parts[1].content == "And hurry."
    assert not events.steer("too late") and len(events.all_messages()) == 4


async def test_a_run_that_would_end_goes_on_with_what_was_steered() -> None:
    """Its answer so far stays in the history, and the next one is the result."""
    model = Scripted(["first", "."], ["second"])
    events = Agent(model).run("go", stream=True, stream_intermediate_steps=True)
    contents = []
    async for event in events:
        contents.append(event.content)
        if event.content == "first":
            assert events.steer("What else?")
    assert contents[-1] == "first.\n\nsecond"
    assert [message.kind for message in events.all_messages()] == ["request", "response"] * 2
    assert model.requests[1][-1] == events.all_messages()[2]
    [said] = events.all_messages()[2].parts
    assert isinstance(said, UserPromptPart) and said.content == "What else?"


async def test_a_typed_stream_is_steered_too() -> None:
    model = Scripted(["first", "."], ["second"])
    async with Agent(model).run_stream("go") as result:
        assert result.steer("What else?")
        assert [text async for text in result.stream_text(debounce_by=None)][-1] == "first.\n\nsecond"
        assert await result.get_data() == "second" and not result.steer("late")
    assert model.requests[1][-1].parts[0].content == "What else?"


async def test_a_result_of_a_tool_is_taken_back_when_the_run_is_steered() -> None:
    model = Scripted([call("final_result", '{"response": 1}')], [call("final_result", '{"response": 2}')])
    async with Agent(model, result_type=int).iter("go") as run:
        assert run.steer("Think again.")
        node = run.next_node
        for _ in range(2):
            node = await run.next(node)  # type: ignore[arg-type]
        assert isinstance(model.requests[0][-1], ModelRequest) and len(model.requests[0][-1].parts) == 2
        assert run.steer("And again.")
        async for _ in run:
            pass
    assert run.result is not None and run.result.data == 2 and not run.steer("late")
    assert [part.part_kind for part in model.requests[1][-1].parts] == ["tool-return", "user-prompt"]


async def test_a_cancelled_run_says_which_calls_never_finished() -> None:
    """So that the next run knows."""
    agent = Agent(Scripted([call("quick"), call("slow")], ["on"]))
    started, quick_done = asyncio.Event(), asyncio.Event()

    @agent.tool_plain
    async def quick() -> str:
        quick_done.set()
        return "quick"

    @agent.tool_plain
    async def slow() -> None:
        started.set()
        await never()

    events = agent.run("x", stream=True)

    async def read() -> None:
        async for _ in events:
            pass

    reader = asyncio.create_task(read())
    await started.wait()
    await quick_done.wait()
    for _ in range(5):
        await asyncio.sleep(0)
    events.cancel()
    await reader
    last = events.all_messages()[-1]
    assert [part.content for part in last.parts] == ["quick", "The tool call was cancelled before it finished."]
