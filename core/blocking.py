"""The engine for scripts and notebooks: the same Agent, whose `run` is no coroutine.

    from core.blocking import Agent, RunResponse

    agent = Agent("demo")
    response: RunResponse = agent.run("Hello")
    for delta in agent.run("Hello", stream=True):
        print(delta.content, end="")

It also works where an event loop is already running, as in a notebook.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Literal, overload

from core.agent.agent import Agent as AsyncAgent
from core.agent.agent import Prompt, ResultDataT
from core.agent.printing import pprint_run_response
from core.agent.response import RunEvent, RunResponse
from core.agent.result import AgentRunResult
from core.agent.tools import AgentDepsT

__all__ = ["Agent", "RunEvent", "RunResponse", "pprint_run_response"]


class Agent(AsyncAgent[AgentDepsT, ResultDataT]):
    """`core.Agent` with a `run` that blocks; everything else is the same."""

    @overload  # type: ignore[override]  # that it is no coroutine is the point of this class
    def run(self, user_prompt: Prompt, *, stream: Literal[True], **options: Any) -> Iterator[RunResponse]: ...

    @overload
    def run(
        self, user_prompt: Prompt, *, stream: Literal[False] = False, **options: Any
    ) -> AgentRunResult[ResultDataT]: ...

    def run(
        self, user_prompt: Prompt, *, stream: bool = False, **options: Any
    ) -> AgentRunResult[ResultDataT] | Iterator[RunResponse]:
        """Answer `user_prompt`: the result, or with `stream` an iterator of events. Options as in `core.Agent.run`."""
        if stream:
            return self.run_sync(user_prompt, stream=True, **options)
        result: AgentRunResult[ResultDataT] = self.run_sync(user_prompt, **options)
        return result
