"""Runs: what is asked, what comes back, what is kept."""

import asyncio
from typing import Any

import pydantic
import pytest

from core import (
    Agent,
    ModelRetry,
    RunContext,
    UnexpectedModelBehavior,
    Usage,
    UsageLimitExceeded,
    UsageLimits,
    UserError,
    capture_run_messages,
)
from core.messages import (
    ModelMessagesTypeAdapter,
    ModelRequest,
    ModelResponse,
    RetryPromptPart,
    SystemPromptPart,
    TextPart,
    ToolReturnPart,
    UserPromptPart,
)
from core.models import FunctionModel, TestModel
from tests.engine.scripted import Scripted, call


async def test_a_result_answers_to_both_documents() -> None:
    """`.data` and friends beside every attribute of RunResponse."""
    agent = Agent(Scripted(["Hel", "lo"]), session_id="s")
    result = await agent.run("Hi")
    assert result.data == result.output == result.content == "Hello"
    assert (result.content_type, result.event, result.model) == ("str", "RunResponse", "scripted")
    assert result.messages == result.all_messages() == result.new_messages()
    assert result.run_id and result.agent_id == agent.agent_id and result.session_id == "s"
    assert (result.tools, result.images, result.videos, result.audio, result.context) == (None,) * 5
    assert result.metrics is not None and len(result.metrics["output_tokens"]) == 1
    assert result.usage().requests == 1
    assert result.to_dict()["messages"][0]["parts"][0]["content"] == "Hi"
    assert '"content": "Hello"' in result.to_json()
    assert ModelMessagesTypeAdapter.validate_json(result.all_messages_json()) == result.all_messages()


async def test_a_conversation_goes_on_from_its_history() -> None:
    """new_messages is what a session stores; the history given is not changed."""
    model = Scripted(["one"], ["two"])
    agent = Agent(model, system_prompt="Be kind.", instructions="Be brief.")
    first = await agent.run("a")
    history = first.all_messages()
    before = list(history)
    second = await agent.run("b", message_history=history)
    assert history == before and second.all_messages() == before + second.new_messages()
    assert [type(part) for part in model.requests[1][0].parts] == [
        SystemPromptPart,
        SystemPromptPart,
        UserPromptPart,
    ]
    assert model.requests[1][0].parts[0].content == "Be brief."
    assert "Be brief." not in str(second.all_messages())


async def test_instructions_hold_where_the_history_has_no_system_prompt() -> None:
    """A bot always passes history, and `system_prompt` is then not added again."""
    model = Scripted(["ok"])
    agent = Agent(model, system_prompt="lost")

    @agent.instructions
    def who(ctx: RunContext[str]) -> str:
        return f"You speak to {ctx.deps}."

    history = [ModelRequest([UserPromptPart("old")]), ModelResponse([TextPart("yes")])]
    await agent.run("new", message_history=history, deps="Ada")
    assert [part.content for part in model.requests[0][0].parts] == ["You speak to Ada.", "old"]


async def test_dynamic_system_prompts_are_written_anew() -> None:
    """Only those registered as dynamic."""
    model = Scripted(["ok"])
    agent = Agent(model)
    texts = iter(["first", "second"])

    @agent.system_prompt(dynamic=True)
    async def now() -> str:
        return next(texts)

    @agent.system_prompt
    def fixed() -> str:
        return "fixed"

    first = await agent.run("a")
    await agent.run("b", message_history=first.all_messages())
    assert [part.content for part in model.requests[1][0].parts] == ["second", "fixed", "a"]


async def test_interleaved_runs_on_one_agent_never_see_each_other() -> None:
    """One agent serves every thread of a bot; a mix-up would show one person another's answer."""
    gates = {name: asyncio.Event() for name in "ab"}

    async def echo(messages: list[Any], info: Any) -> Any:
        prompt = messages[-1].parts[-1].content if len(messages) == 1 else messages[0].parts[-1].content
        if len(messages) == 1:
            return ModelResponse([call("wait", f'{{"name": "{prompt}"}}')])
        return ModelResponse([TextPart(f"echo {prompt}")])

    agent: Agent[str] = Agent(FunctionModel(echo), retries=1)
    failed: set[str] = set()

    @agent.tool
    async def wait(ctx: RunContext[str], name: str) -> str:
        await gates[name].wait()
        return f"{name} {ctx.deps}"

    async def release() -> None:
        gates["b"].set()
        await asyncio.sleep(0)
        gates["a"].set()

    first, second, _ = await asyncio.gather(agent.run("a", deps="A"), agent.run("b", deps="B"), release())
    assert (first.data, second.data) == ("echo a", "echo b")
    assert first.tools is not None and first.tools[0]["content"] == "a A"
    assert second.tools is not None and second.tools[0]["content"] == "b B"
    assert first.run_id != second.run_id and not failed


async def test_retry_counters_belong_to_the_run() -> None:
    """Two runs whose tool fails once each stay within one retry, each for itself."""
    model = FunctionModel(
        lambda messages, info: ModelResponse(
            [TextPart("done")] if isinstance(messages[-1].parts[-1], ToolReturnPart) else [call("shaky")]
        )
    )
    agent = Agent(model, retries=1)
    both = asyncio.Barrier(2)

    @agent.tool
    async def shaky(ctx: RunContext[None]) -> str:
        if ctx.retry == 0:
            await both.wait()
            raise ModelRetry("again")
        return "ok"

    results = await asyncio.gather(agent.run("a"), agent.run("b"))
    assert [result.data for result in results] == ["done", "done"]


async def test_request_limits_stop_a_loop() -> None:
    """The next request would be too many; the message names the limit."""
    agent = Agent(Scripted([call("again")]))
    agent.tool_plain(lambda: "x", name="again")
    with pytest.raises(UsageLimitExceeded, match="The next request would exceed the request_limit of 3"):
        await agent.run("go", usage_limits=UsageLimits(request_limit=3))


async def test_token_limits_are_checked_while_streaming() -> None:
    """Not when the money is spent."""
    model = Scripted([f"word{n} " for n in range(30)])
    stream = Agent(model).run("go", stream=True, usage_limits=UsageLimits(response_tokens_limit=5))
    shown = []
    with pytest.raises(UsageLimitExceeded, match=r"response_tokens_limit of 5 \(response_tokens="):
        async for event in stream:
            shown.append(event.content)
    assert len(shown) < 6 and model.read < 7


async def test_tool_calls_are_limited() -> None:
    """Counted over the run."""
    agent = Agent(Scripted([call("t", id="1"), call("t", id="2")]))
    agent.tool_plain(lambda: "x", name="t")
    with pytest.raises(UsageLimitExceeded, match="tool_calls_limit of 3"):
        await agent.run("go", usage_limits=UsageLimits(tool_calls_limit=3))


async def test_usage_given_is_counted_on() -> None:
    """So that a tool's own agent shares the budget of the run that called it."""
    inner = Agent(Scripted(["in"]))
    outer = Agent(Scripted([call("ask")], ["out"]))

    @outer.tool
    async def ask(ctx: RunContext[None]) -> str:
        return (await inner.run("q", usage=ctx.usage)).data

    usage = Usage()
    result = await outer.run("go", usage=usage)
    assert usage.requests == 3 and result.usage() is usage


def test_adding_usages_changes_neither() -> None:
    """A shared `details` dict would count one person's tokens for another."""
    a, b = Usage(1, 2, details={"x": 1}), Usage(1, None, 3, details={"x": 1, "y": 0})
    total = a + b
    assert total == Usage(2, 2, 3, None, {"x": 2, "y": 0})
    assert a == Usage(1, 2, details={"x": 1}) and b.details == {"x": 1, "y": 0}
    assert total.opentelemetry_attributes() == {
        "gen_ai.usage.input_tokens": 2,
        "gen_ai.usage.output_tokens": 3,
        "gen_ai.usage.details.x": 2,
    }


async def test_an_empty_response_is_an_error() -> None:
    """Better than an empty message in a chat."""
    with pytest.raises(UnexpectedModelBehavior, match="Received empty model response"):
        await Agent(Scripted([])).run("go")


async def test_messages_of_a_run_that_raised_can_be_captured() -> None:
    """What the model had said is the first thing one asks."""
    agent = Agent(Scripted([call("unknown")]), retries=0)
    with capture_run_messages() as messages, pytest.raises(UnexpectedModelBehavior):
        await agent.run("go")
    assert [message.kind for message in messages] == ["request", "response"]


async def test_an_override_does_not_leak_into_other_tasks() -> None:
    """Tests that run at once each override their own."""
    agent = Agent(Scripted(["real"]))
    inside, go = asyncio.Event(), asyncio.Event()

    async def overridden() -> str:
        with agent.override(model=TestModel(custom_result_text="test")):
            inside.set()
            await go.wait()
            return (await agent.run("x")).data

    task = asyncio.create_task(overridden())
    await inside.wait()
    assert (await agent.run("x")).data == "real"
    go.set()
    assert await task == "test"


async def test_settings_of_a_run_go_over_those_of_the_agent() -> None:
    """Key by key."""
    model = Scripted(["ok"])
    await Agent(model, model_settings={"temperature": 1, "max_tokens": 5}).run("x", model_settings={"temperature": 0})
    assert model.infos[0].model_settings == {"temperature": 0, "max_tokens": 5}


async def test_no_model_is_a_clear_error() -> None:
    with pytest.raises(UserError, match="`model` must be set either when creating the agent"):
        await Agent().run("x")


async def test_the_name_is_that_of_the_variable() -> None:
    """For logs."""
    helpful = Agent(Scripted(["ok"]))
    await helpful.run("x")
    assert helpful.name == "helpful"


class City(pydantic.BaseModel):
    """A place."""

    name: str
    people: int


async def test_a_typed_result_is_validated_and_asked_for_again() -> None:
    """The model reads what was wrong."""
    model = Scripted(
        [call("final_result", '{"name": "Rome"}')], ["text"], [call("final_result", '{"name": "Rome", "people": 3}')]
    )
    agent = Agent(model, result_type=City, result_retries=2)
    result = await agent.run("x")
    assert result.data == City(name="Rome", people=3) and result.content_type == "City"
    retries = [p for m in result.all_messages() for p in m.parts if isinstance(p, RetryPromptPart)]
    assert retries[0].model_response().startswith("1 validation errors:")
    assert "Plain text responses are not permitted" in retries[1].model_response()
    assert result.all_messages()[-1].parts[0].content == "Final result processed."
    changed = result.all_messages(result_tool_return_content="Shown to Ada")
    assert changed[-1].parts[0].content == "Shown to Ada"
    assert result.all_messages()[-1].parts[0].content == "Final result processed."


async def test_too_many_bad_results_end_the_run() -> None:
    agent = Agent(Scripted([call("final_result", "{}")]), result_type=City)
    with pytest.raises(UnexpectedModelBehavior, match=r"Exceeded maximum retries \(1\) for result validation"):
        await agent.run("x")


async def test_a_union_gives_a_tool_for_each_member() -> None:
    """And `str` in it allows text."""
    model = Scripted([call("final_result_int", '{"response": 7}')], ["seven"])
    agent: Agent[None, Any] = Agent(model, result_type=int | City | str)  # type: ignore[arg-type]
    assert (await agent.run("x")).data == 7
    assert (await agent.run("x")).data == "seven"
    assert [tool.name for tool in model.infos[0].result_tools] == ["final_result_int", "final_result_City"]
    assert model.infos[0].result_tools[1].description == "A place."


@pytest.mark.parametrize(("strategy", "ran"), [("early", []), ("exhaustive", ["t"])])
async def test_tools_beside_a_result_run_only_if_asked_for(strategy: Any, ran: list[str]) -> None:
    """The model is told in either case."""
    seen: list[str] = []
    model = Scripted([call("t"), call("final_result", '{"response": 1}'), call("final_result", '{"response": 2}', "z")])
    agent = Agent(model, result_type=int, end_strategy=strategy)
    agent.tool_plain(lambda: seen.append("t"), name="t")
    result = await agent.run("x")
    assert result.data == 1 and seen == ran
    texts = [part.content for part in result.all_messages()[-1].parts]
    final = ["Final result processed.", "Result tool not used - a final result was already processed."]
    assert texts == ([*final, None] if ran else ["Tool not executed - a final result was already processed.", *final])


async def test_validators_change_or_refuse_a_result() -> None:
    """In order, with or without the context."""
    agent = Agent(Scripted(["bad"], ["good"]))

    @agent.result_validator
    def check(data: str) -> str:
        if data == "bad":
            raise ModelRetry("Better, please.")
        return data

    @agent.result_validator
    async def sign(ctx: RunContext[None], data: str) -> str:
        return f"{data} ({ctx.run_step})"

    assert (await agent.run("x")).data == "good (2)"
    with pytest.raises(UserError, match="Cannot set a custom run `result_type`"):
        await agent.run("x", result_type=int)
    stream = agent.run("x", stream=True, stream_intermediate_steps=True)
    assert [event.content async for event in stream][-1] == "good (1)"
