"""What type checkers know of agents. Nothing here runs: `mypy --strict` reads it, and a test asks mypy.

Each `type: ignore` is a claim too: `warn_unused_ignores` fails when the mistake behind it is no longer refused.
"""

from dataclasses import dataclass
from typing import assert_type

from pydantic import BaseModel

from core import Agent, AgentRunResult, ModelRetry, RunContext, StreamedRunResult, Tool
from core.agent import AgentRun, AgentStream, FinalResult, ModelRequestNode, RunEvents, SyncRunEvents
from core.blocking import Agent as BlockingAgent
from core.tools import ToolDefinition


@dataclass
class Deps:
    user: str


class City(BaseModel):
    name: str


plain = Agent("test")
assert_type(plain, Agent[None, str])
typed = Agent("test", deps_type=Deps, result_type=City)
assert_type(typed, Agent[Deps, City])
assert_type(Agent("test", response_model=City), Agent[None, City])
assert_type(Agent("test", response_model=City, deps_type=Deps), Agent[Deps, City])
assert_type(BlockingAgent("test", response_model=City, retries=2), BlockingAgent[None, City])
assert_type(BlockingAgent("test", response_model=City).run("x").data, City)
assert_type(BlockingAgent("test").run("x", result_type=int).data, int)
assert_type(BlockingAgent("test").run("x", stream=True), SyncRunEvents)
Agent("test", retrys=2)  # type: ignore[call-overload]
Agent("test", storage="sqlite")  # type: ignore[call-overload]


async def results() -> None:
    assert_type((await plain.run("x")).data, str)
    assert_type(await typed.run("x", deps=Deps("Ada")), AgentRunResult[City])
    assert_type((await typed.run("x", deps=Deps("Ada"))).data, City)
    assert_type((await typed.run("x", deps=Deps("Ada"), result_type=int)).data, int)
    assert_type(typed.run("x", deps=Deps("Ada"), stream=True), RunEvents)
    async with typed.run_stream("x", deps=Deps("Ada")) as stream:
        assert_type(stream, StreamedRunResult[Deps, City])
        assert_type(await stream.get_data(), City)
        async for city in stream.stream():
            assert_type(city, City)
    async with typed.run_stream("x", deps=Deps("Ada"), result_type=bool) as other:
        assert_type(await other.get_data(), bool)
    async with typed.iter("x", deps=Deps("Ada")) as run:
        assert_type(run, AgentRun[Deps, City])
        async for node in run:
            if Agent.is_model_request_node(node):
                assert_type(node, ModelRequestNode[Deps, City])
                async with node.stream(run.ctx) as events:
                    assert_type(events, AgentStream[Deps, City])
            elif Agent.is_end_node(node):
                assert_type(node.data, FinalResult[City])
    assert_type(typed.run_sync("x", deps=Deps("Ada")).data, City)
    assert_type(typed.run_sync("x", deps=Deps("Ada"), result_type=int).data, int)


async def shown(stream: StreamedRunResult[Deps, City], agent: Agent[Deps, City]) -> City:
    """Functions that take results of the first face name the deps as well."""
    async with agent.run_stream("x", deps=Deps("Ada")) as other:
        stream = other
    return await stream.get_data()


async def wrong_deps() -> None:
    await typed.run("x", deps=7)  # type: ignore[call-overload]
    typed.run_stream("x", deps="Ada")  # type: ignore[call-overload]
    typed.run_sync("x", deps="Ada")  # type: ignore[call-overload]
    typed.run_sync("x", deps=Deps("Ada"), modell="test")  # type: ignore[call-overload]


@typed.system_prompt
def greet(ctx: RunContext[Deps]) -> str:
    return ctx.deps.user


@typed.system_prompt(dynamic=True)
async def fixed() -> str:
    return "kind"


@typed.tool
async def weather(ctx: RunContext[Deps], city: str, days: int = 1) -> list[str]:
    assert_type(ctx.deps, Deps)
    return [city] * days


@typed.tool(retries=3)
def other(ctx: RunContext[Deps]) -> str:
    if ctx.retry:
        raise ModelRetry("again")
    return ctx.deps.user


@typed.tool_plain
def now() -> str:
    return "now"


@typed.result_validator
async def check(ctx: RunContext[Deps], data: City) -> City:
    return data


@typed.tool  # type: ignore[arg-type]
def for_others(ctx: RunContext[int], x: int) -> str:
    return str(ctx.deps + x)


@typed.tool(retries=2)  # type: ignore[arg-type]
def also_for_others(ctx: RunContext[int]) -> str:
    return str(ctx.deps)


@typed.tool  # type: ignore[arg-type]
def without_context(x: int) -> str:
    return str(x)


@typed.system_prompt  # type: ignore[arg-type]
def of_others(ctx: RunContext[int]) -> str:
    return str(ctx.deps)


async def only_ada(ctx: RunContext[Deps], definition: ToolDefinition) -> ToolDefinition | None:
    return definition if ctx.deps.user == "Ada" else None


offered: Tool[Deps] = Tool(weather, takes_ctx=True, prepare=only_ada)
Agent("test", deps_type=Deps, tools=[offered, now, weather])
Agent("test", deps_type=int, tools=[offered])  # type: ignore[list-item]

# decorated functions keep their own types
assert_type(now(), str)
