"""Code as the two documents show it, with only its import lines changed, against a server that speaks OpenAI's API."""

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass

import pytest
from pydantic import BaseModel, Field

from tests.engine.threaded_server import threaded_server
from tests.providers.openai_server import Call, OpenAIServer, Reply


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[OpenAIServer]:
    with threaded_server() as server:
        monkeypatch.setenv("OPENAI_BASE_URL", server.base_url)
        monkeypatch.setenv("OPENAI_API_KEY", "key")
        yield server


def test_pydantic_ai_hello_world(server: OpenAIServer) -> None:
    """A result's text is `data`."""
    from core import Agent

    server.reply('The first known use of "hello, world" was in a 1974 textbook.')
    agent = Agent("openai:gpt-4o", system_prompt="Be concise, reply with one sentence.")
    result = agent.run_sync('Where does "hello world" come from?')
    assert result.data == 'The first known use of "hello, world" was in a 1974 textbook.'
    assert [message["role"] for message in server.requests[0].messages] == ["system", "user"]


async def test_pydantic_ai_running_agents(server: OpenAIServer) -> None:
    """`run_sync` before, `run` and `run_stream` in a coroutine."""
    from core import Agent

    agent = Agent("openai:gpt-4o")
    server.queue("Rome", "Paris", ["Lon", "don"])
    result_sync = agent.run_sync("What is the capital of Italy?")
    assert result_sync.data == "Rome"
    result = await agent.run("What is the capital of France?")
    assert result.data == "Paris"
    async with agent.run_stream("What is the capital of the UK?") as response:
        assert await response.get_data() == "London"
    await agent.aclose()


def test_pydantic_ai_roulette_wheel(server: OpenAIServer) -> None:
    """A tool with dependencies, and a typed result."""
    from core import Agent, RunContext

    roulette_agent = Agent(
        "openai:gpt-4o",
        deps_type=int,
        result_type=bool,
        system_prompt=(
            "Use the `roulette_wheel` function to see if the "
            "customer has won based on the number they provide."
        ),
    )  # fmt: skip

    @roulette_agent.tool
    async def roulette_wheel(ctx: RunContext[int], square: int) -> str:
        """check if the square is a winner"""
        return "winner" if square == ctx.deps else "loser"

    server.queue(
        Reply(calls=[Call("roulette_wheel", '{"square": 18}')]),
        Reply(calls=[Call("final_result", '{"response": true}')]),
        Reply(calls=[Call("roulette_wheel", '{"square": 5}')]),
        Reply(calls=[Call("final_result", '{"response": false}')]),
    )
    success_number = 18
    result = roulette_agent.run_sync("Put my money on square eighteen", deps=success_number)
    assert result.data is True
    result = roulette_agent.run_sync("I bet five is the winner", deps=success_number)
    assert result.data is False
    assert server.requests[1].messages[-1]["content"] == "winner"
    assert server.requests[0].body["tool_choice"] == "required"


async def test_pydantic_ai_bank_support(server: OpenAIServer) -> None:
    """Dependencies as a dataclass, a dynamic system prompt, a tool, a structured result."""
    from core import Agent, RunContext

    class DatabaseConn:
        async def customer_name(self, *, id: int) -> str:
            return "John"

        async def customer_balance(self, *, id: int, include_pending: bool) -> float:
            return 123.45 if include_pending else 100.0

    @dataclass
    class SupportDependencies:
        customer_id: int
        db: DatabaseConn

    class SupportResult(BaseModel):
        support_advice: str = Field(description="Advice returned to the customer")
        block_card: bool = Field(description="Whether to block their card or not")
        risk: int = Field(description="Risk level of query", ge=0, le=10)

    support_agent = Agent(
        "openai:gpt-4o",
        deps_type=SupportDependencies,
        result_type=SupportResult,
        system_prompt="You are a support agent in our bank.",
    )

    @support_agent.system_prompt
    async def add_customer_name(ctx: RunContext[SupportDependencies]) -> str:
        customer_name = await ctx.deps.db.customer_name(id=ctx.deps.customer_id)
        return f"The customer's name is {customer_name!r}"

    @support_agent.tool
    async def customer_balance(ctx: RunContext[SupportDependencies], include_pending: bool) -> str:
        """Returns the customer's current account balance."""
        balance = await ctx.deps.db.customer_balance(id=ctx.deps.customer_id, include_pending=include_pending)
        return f"${balance:.2f}"

    server.queue(
        Reply(calls=[Call("customer_balance", '{"include_pending": true}')]),
        Reply(calls=[Call("final_result", '{"support_advice": "$123.45", "block_card": false, "risk": 1}')]),
    )
    deps = SupportDependencies(customer_id=123, db=DatabaseConn())
    result = await support_agent.run("What is my balance?", deps=deps)
    assert result.data == SupportResult(support_advice="$123.45", block_card=False, risk=1)
    assert server.requests[0].messages[1]["content"] == "The customer's name is 'John'"
    assert server.requests[1].messages[-1]["content"] == "$123.45"
    await support_agent.aclose()


def test_agno_running_an_agent(server: OpenAIServer, capsys: pytest.CaptureFixture[str]) -> None:
    """A response, a stream, and both printed."""
    from core.blocking import Agent, RunResponse, pprint_run_response
    from core.models import OpenAIChat

    server.queue("A **robot** beeped.", ["A **lion**", " roared."])
    agent = Agent(model=OpenAIChat(id="gpt-4o-mini"))

    # Run agent and return the response as a variable
    response: RunResponse = agent.run("Tell me a 5 second short story about a robot")
    # Run agent and return the response as a stream
    response_stream: Iterator[RunResponse] = agent.run("Tell me a 5 second short story about a lion", stream=True)

    # Print the response in markdown format
    pprint_run_response(response, markdown=True)
    # Print the response stream in markdown format
    pprint_run_response(response_stream, markdown=True)
    shown = capsys.readouterr().out
    assert "A robot beeped." in shown and "A lion roared." in shown
    agent.close()


def test_agno_print_response(server: OpenAIServer, capsys: pytest.CaptureFixture[str]) -> None:
    """Instructions, a tool, markdown, streamed to the terminal."""
    from core.blocking import Agent
    from core.models import OpenAIChat

    def get_top_stories(num_stories: int = 10) -> str:
        """Use this function to get top stories.

        Args:
            num_stories (int): Number of stories to return. Defaults to 10.
        """
        return f"{num_stories} stories"

    agent = Agent(
        model=OpenAIChat(id="gpt-4o"),
        description="You are an enthusiastic news reporter!",
        instructions=["Always cite.", "Use tables."],
        tools=[get_top_stories],
        markdown=True,
    )
    server.queue(Reply(calls=[Call("get_top_stories", '{"num_stories": 2}')]), ["Here are ", "**two**."])
    agent.print_response("Summarize the top 2 stories", stream=True)
    assert "Here are two." in capsys.readouterr().out
    first = server.requests[0]
    assert first.messages[0]["content"].startswith("You are an enthusiastic news reporter!")
    [tool] = first.body["tools"]
    assert tool["function"]["parameters"]["properties"]["num_stories"]["description"].startswith("Number of stories")
    assert server.requests[1].messages[-1]["content"] == "2 stories"
    agent.close()


def test_agno_structured_output(server: OpenAIServer) -> None:
    """`response_model` gives an object as the content."""
    from core.blocking import Agent
    from core.models import OpenAIChat

    class MovieScript(BaseModel):
        name: str = Field(..., description="Give a name to this movie")
        genre: str = Field(..., description="Genre of the movie.")

    structured_output_agent = Agent(
        model=OpenAIChat(id="gpt-4o"),
        description="You write movie scripts.",
        response_model=MovieScript,
    )
    server.queue(Reply(calls=[Call("final_result", '{"name": "Night", "genre": "noir"}')]))
    response = structured_output_agent.run("New York")
    assert response.content == MovieScript(name="Night", genre="noir")
    assert (
        response.content_type == "MovieScript" and response.get_content_as_string() == '{"name":"Night","genre":"noir"}'
    )
    structured_output_agent.close()


def test_agno_streaming_intermediate_steps_and_async(server: OpenAIServer) -> None:
    """The events with their strings, and `arun` in a coroutine."""
    from core.blocking import Agent, RunEvent
    from core.models import OpenAIChat

    agent = Agent(model=OpenAIChat(id="gpt-4o"), markdown=True)
    server.reply(["Hel", "lo"])
    events = [chunk.event for chunk in agent.run("Hi", stream=True, stream_intermediate_steps=True)]
    assert events[0] == RunEvent.run_started.value and events[-1] == RunEvent.run_completed.value
    assert events.count("RunResponse") == 2

    async def main() -> list[str]:
        response = await agent.arun("Hi")
        assert response.content == "Hello"
        run_response = await agent.arun("Hi", stream=True)
        assert [chunk.content async for chunk in run_response] == ["Hel", "lo"]
        return [chunk.content async for chunk in agent.arun("Hi", stream=True)]

    async def in_a_loop() -> list[str]:
        try:
            return await main()
        finally:
            await agent.aclose()

    assert asyncio.run(in_a_loop()) == ["Hel", "lo"]
    agent.close()
