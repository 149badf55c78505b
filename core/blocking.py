"""The engine for scripts and notebooks: the same Agent, whose `run` is no coroutine.

    from core.blocking import Agent, RunResponse

    agent = Agent("demo")
    response: RunResponse = agent.run("Hello")
    for delta in agent.run("Hello", stream=True):
        print(delta.content, end="")

It also works where an event loop is already running, as in a notebook, and in several threads at once.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from types import NoneType
from typing import Any, Literal, overload

from typing_extensions import Unpack

from core.agent._loop_thread import private_loop
from core.agent._options import AgentOptions, RunArguments
from core.agent.agent import Agent as AsyncAgent
from core.agent.agent import OtherDataT, Prompt, ResultDataT
from core.agent.media import Audio, File, Image, Video
from core.agent.printing import pprint_run_response
from core.agent.response import RunEvent, RunResponse
from core.agent.result import AgentRunResult
from core.agent.sync_events import SyncRunEvents
from core.agent.tools import AgentDepsT, Tool, ToolFuncEither
from core.models.base import Model

__all__ = ["Agent", "Audio", "File", "Image", "RunEvent", "RunResponse", "Video", "pprint_run_response"]


class Agent(AsyncAgent[AgentDepsT, ResultDataT]):
    """`core.Agent` with a `run` that blocks. `arun`, `run_stream` and `iter` stay what they are.

    retries: if given, it counts for a provider that failed as well (Agno's meaning), unless `model_retries` is.
    """

    @overload
    def __init__(
        self,
        model: Model | str | None = None,
        *,
        response_model: type[ResultDataT],
        deps_type: type[AgentDepsT] = NoneType,  # type: ignore[assignment]  # as in core.Agent
        tools: Sequence[Tool[AgentDepsT] | ToolFuncEither[AgentDepsT]] = (),
        retries: int | None = None,
        **options: Unpack[AgentOptions],
    ) -> None: ...

    @overload
    def __init__(
        self,
        model: Model | str | None = None,
        *,
        result_type: type[ResultDataT] = str,  # type: ignore[assignment]  # likewise
        response_model: None = None,
        deps_type: type[AgentDepsT] = NoneType,  # type: ignore[assignment]
        tools: Sequence[Tool[AgentDepsT] | ToolFuncEither[AgentDepsT]] = (),
        retries: int | None = None,
        **options: Unpack[AgentOptions],
    ) -> None: ...

    def __init__(self, model: Model | str | None = None, *, retries: int | None = None, **options: Any) -> None:
        if retries is not None:
            options = {"model_retries": retries, "retries": retries, **options}
        super().__init__(model, **options)

    @overload  # type: ignore[override]  # that it is no coroutine is the point of this class
    def run(
        self,
        user_prompt: Prompt | None = None,
        *,
        result_type: type[Any] | None = None,
        stream: Literal[True],
        stream_intermediate_steps: bool = False,
        **arguments: Unpack[RunArguments[AgentDepsT]],
    ) -> SyncRunEvents: ...

    @overload
    def run(
        self,
        user_prompt: Prompt | None = None,
        *,
        result_type: type[OtherDataT],
        stream: Literal[False] = False,
        stream_intermediate_steps: bool = False,
        **arguments: Unpack[RunArguments[AgentDepsT]],
    ) -> AgentRunResult[OtherDataT]: ...

    @overload
    def run(
        self,
        user_prompt: Prompt | None = None,
        *,
        result_type: None = None,
        stream: Literal[False] = False,
        stream_intermediate_steps: bool = False,
        **arguments: Unpack[RunArguments[AgentDepsT]],
    ) -> AgentRunResult[ResultDataT]: ...

    def run(  # pyright: ignore[reportIncompatibleMethodOverride]  # likewise
        self, user_prompt: Prompt | None = None, *, stream: bool = False, **options: Any
    ) -> AgentRunResult[Any] | SyncRunEvents:
        """Answer `user_prompt`: the result, or with `stream` an iterator of events. Options as in `core.Agent.run`."""
        if self.name is None and options.get("infer_name", True):
            self._infer_name(sys._getframe(1))
        if stream:
            return self.run_sync(user_prompt, stream=True, **options)
        result: AgentRunResult[ResultDataT] = self.run_sync(user_prompt, **options)
        return result

    def close(self) -> None:
        """Give back the connections of the agent's model; the agent may be used again afterwards.

        At the end of the process it happens by itself.
        """
        private_loop().run(self.aclose())
