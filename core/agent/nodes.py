"""A run step by step: `Agent.iter` gives an `AgentRun`, which goes from node to node.

    UserPromptNode -> ModelRequestNode -> CallToolsNode -> ModelRequestNode -> ... -> End

A node is given out before it runs; going on runs it. `node.stream(run.ctx)` runs it while its events are read.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Generic, TypeAlias, TypeGuard

import pydantic
from typing_extensions import TypeVar

from core.agent._run import FinalResult, LoopEvent, Run
from core.agent.result import AgentRunResult, StreamedRunResult
from core.agent.tools import AgentDepsT
from core.messages import (
    FinalResultEvent,
    FunctionToolCallEvent,
    FunctionToolResultEvent,
    ModelRequest,
    ModelRequestPart,
    ModelResponse,
    PartDeltaEvent,
    PartStartEvent,
    TextPart,
    ToolCallPart,
    UserContent,
)
from core.models.base import StreamedResponse
from core.models.errors import ModelRetry, RunTimeout, UserError
from core.models.usage import Usage

__all__ = ["AgentRun", "AgentStream", "CallToolsNode", "End", "ModelRequestNode", "UserPromptNode"]

ResultDataT = TypeVar("ResultDataT", default=str, covariant=True)
T = TypeVar("T")
S = TypeVar("S")


@dataclass(frozen=True)
class End(Generic[ResultDataT]):
    """The run is over."""

    data: FinalResult[ResultDataT]


@dataclass
class UserPromptNode(Generic[AgentDepsT, ResultDataT]):
    """The prompt, before anything was done with it."""

    user_prompt: str | Sequence[UserContent]

    async def run(self, run: Run[Any]) -> ModelRequestNode[AgentDepsT, ResultDataT]:
        return ModelRequestNode(await run.first_request())


@dataclass
class ModelRequestNode(Generic[AgentDepsT, ResultDataT]):
    """A request about to be sent."""

    request: ModelRequest
    _asked: bool = field(default=False, repr=False, compare=False)

    async def run(self, run: Run[Any]) -> CallToolsNode[AgentDepsT, ResultDataT]:
        """Ask the model, unless `stream` has."""
        if not self._asked:
            self._asked = True
            async with aclosing(run.ask(self.request, stream=False)) as events:
                async for _ in events:
                    pass
        response = run.messages[-1]
        if not isinstance(response, ModelResponse):
            raise UserError("The response of this request was not kept, because nothing of it arrived")
        return CallToolsNode(response)

    @asynccontextmanager
    async def stream(self, ctx: Run[Any]) -> AsyncIterator[AgentStream[AgentDepsT, ResultDataT]]:
        """Ask the model and read its response as it comes; what is not read when the context ends is read then."""
        if self._asked:
            raise UserError("This request was sent already")
        self._asked = True
        async with aclosing(ctx.ask(self.request, stream=True)) as events:
            stream: AgentStream[AgentDepsT, ResultDataT] = AgentStream(ctx, events)
            yield stream
            async for _ in events:
                pass


@dataclass
class CallToolsNode(Generic[AgentDepsT, ResultDataT]):
    """A response about to be acted on."""

    model_response: ModelResponse
    _parts: list[ModelRequestPart] = field(default_factory=list, repr=False, compare=False)
    _handled: bool = field(default=False, repr=False, compare=False)

    async def run(self, run: Run[Any]) -> ModelRequestNode[AgentDepsT, ResultDataT] | End[ResultDataT]:
        """Run the tools the response calls, unless `stream` has."""
        if not self._handled:
            async with self.stream(run) as events:
                async for _ in events:
                    pass
        request = run.next_request(self._parts)
        if request is not None:
            return ModelRequestNode(request)
        assert run.result is not None
        return End(run.result)

    @asynccontextmanager
    async def stream(
        self, ctx: Run[Any]
    ) -> AsyncIterator[AsyncIterator[FunctionToolCallEvent | FunctionToolResultEvent]]:
        """Run the tools and read of each call and result; what is not read when the context ends is read then."""
        if self._handled:
            raise UserError("This response was acted on already")
        self._handled = True
        async with aclosing(ctx.handle(self._parts)) as events:
            calls = _calls(events)
            yield calls
            async for _ in calls:
                pass


async def _calls(
    events: AsyncGenerator[LoopEvent, None],
) -> AsyncIterator[FunctionToolCallEvent | FunctionToolResultEvent]:
    async for event in events:
        if isinstance(event, FunctionToolCallEvent | FunctionToolResultEvent):
            yield event


AgentNode: TypeAlias = (
    UserPromptNode[AgentDepsT, ResultDataT]
    | ModelRequestNode[AgentDepsT, ResultDataT]
    | CallToolsNode[AgentDepsT, ResultDataT]
)


class TellsNodes:
    """The part of an agent that type checkers ask of which kind a node is."""

    @staticmethod
    def is_user_prompt_node(node: AgentNode[T, S] | End[S]) -> TypeGuard[UserPromptNode[T, S]]:
        return isinstance(node, UserPromptNode)

    @staticmethod
    def is_model_request_node(node: AgentNode[T, S] | End[S]) -> TypeGuard[ModelRequestNode[T, S]]:
        return isinstance(node, ModelRequestNode)

    @staticmethod
    def is_call_tools_node(node: AgentNode[T, S] | End[S]) -> TypeGuard[CallToolsNode[T, S]]:
        return isinstance(node, CallToolsNode)

    @staticmethod
    def is_end_node(node: AgentNode[T, S] | End[S]) -> TypeGuard[End[S]]:
        return isinstance(node, End)


class AgentStream(Generic[AgentDepsT, ResultDataT]):
    """One response while it streams: iterate for its events, or take its output as it grows."""

    def __init__(self, run: Run[Any], events: AsyncGenerator[LoopEvent, None]) -> None:
        self._run = run
        self._source = events
        self._events = self._iterate()
        self._streamed: StreamedResponse | None = None
        self._final = False  # whether the response can be the result of the run

    def __aiter__(self) -> AsyncIterator[PartStartEvent | PartDeltaEvent | FinalResultEvent]:
        return self._events

    async def stream_output(self, *, debounce_by: float | None = 0.1) -> AsyncIterator[Any]:
        """The result as far as it is there, loosely validated; at last the whole of it, validated fully.

        Nothing, if the response cannot be the result of the run. Raises pydantic.ValidationError and ModelRetry.
        """
        result: StreamedRunResult[AgentDepsT, Any] = StreamedRunResult(self._run, self._events)
        async for response in self.stream_responses(debounce_by=debounce_by):
            if not self._final:
                continue
            try:
                partial = await result.validate_structured_result(response, allow_partial=True)
            except (pydantic.ValidationError, ModelRetry):
                continue  # too little of it is there
            yield partial
        if self._final and self._streamed is not None:
            yield await result.validate_structured_result(self._streamed.get())

    async def stream_responses(self, *, debounce_by: float | None = 0.1) -> AsyncIterator[ModelResponse]:
        """The response so far after each event, or after all the events within `debounce_by` seconds."""
        result: StreamedRunResult[AgentDepsT, Any] = StreamedRunResult(self._run, self._events)
        async with aclosing(result.grouped(debounce_by)) as groups:
            async for _ in groups:
                assert self._streamed is not None
                yield self._streamed.get()

    def usage(self) -> Usage:
        """What the run has used so far, this response included."""
        streamed = self._run.streamed
        return self._run.usage + streamed.usage() if streamed is not None else self._run.usage

    async def _iterate(self) -> AsyncIterator[PartStartEvent | PartDeltaEvent | FinalResultEvent]:
        async for event in self._source:
            if not isinstance(event, PartStartEvent | PartDeltaEvent):
                continue
            self._streamed = self._run.streamed
            yield event
            if not self._final and isinstance(event, PartStartEvent) and (final := self._final_event(event)):
                self._final = True
                yield final

    def _final_event(self, event: PartStartEvent) -> FinalResultEvent | None:
        part, result = event.part, self._run.plan.result
        if isinstance(part, TextPart) and result.allow_text_result:
            return FinalResultEvent(None, None)
        if isinstance(part, ToolCallPart) and part.tool_name in result.tools:
            return FinalResultEvent(part.tool_name, part.tool_call_id)
        return None


class AgentRun(Generic[AgentDepsT, ResultDataT]):
    """A run that its caller drives: iterate over it for its nodes, or go on from `next_node` with `next`.

    Iteration begins with what comes of the prompt, the first ModelRequestNode; `next_node` is the UserPromptNode then.
    """

    def __init__(self, run: Run[ResultDataT]) -> None:
        self.ctx = run
        self._next: AgentNode[AgentDepsT, ResultDataT] | End[ResultDataT] = UserPromptNode(run.plan.prompt)
        self._deadline: float | None = None

    @property
    def next_node(self) -> AgentNode[AgentDepsT, ResultDataT] | End[ResultDataT]:
        """The node that runs next."""
        return self._next

    @property
    def result(self) -> AgentRunResult[ResultDataT] | None:
        """The result, None until the run has come to its End."""
        if not isinstance(self._next, End):
            return None
        data = self._next.data.data
        return AgentRunResult(
            content=data,
            content_type=type(data).__name__,
            messages=self.ctx.messages,
            model=self.ctx.plan.model.model_name,
            run_id=self.ctx.run_id,
            _run=self.ctx,
            _result_tool_name=self._next.data.tool_name,
        )

    def usage(self) -> Usage:
        """What the run has used so far."""
        return self.ctx.usage

    async def next(
        self, node: AgentNode[AgentDepsT, ResultDataT]
    ) -> AgentNode[AgentDepsT, ResultDataT] | End[ResultDataT]:
        """Run `node`; the node after it. Raises RunTimeout when the run's time is up."""
        if isinstance(node, End):
            raise TypeError("The run is over; there is no node after its End")
        seconds = self.ctx.plan.run_timeout
        if seconds is None:
            self._next = await node.run(self.ctx)
            return self._next
        if self._deadline is None:
            self._deadline = asyncio.get_running_loop().time() + seconds
        limit = asyncio.timeout_at(self._deadline)
        try:
            async with limit:
                self._next = await node.run(self.ctx)
        except TimeoutError as exc:
            if not limit.expired():
                raise
            raise RunTimeout(seconds) from exc
        return self._next

    def steer(self, content: str | Sequence[UserContent]) -> bool:
        """Say something to the model in its next request, as if the person had spoken again.

        Would the run end, it goes on instead. False when it is over already: then it is for the next run to say.
        """
        return self.ctx.steer(content)

    def __aiter__(self) -> AsyncIterator[AgentNode[AgentDepsT, ResultDataT] | End[ResultDataT]]:
        return self

    async def __anext__(self) -> AgentNode[AgentDepsT, ResultDataT] | End[ResultDataT]:
        if isinstance(self._next, End):
            raise StopAsyncIteration
        return await self.next(self._next)
