"""The one run loop. `run`, `run_stream` and the event stream are views of `Run.events()`.

A run goes in steps: ask the model, read its response, run the tools it calls, ask again. Everything that is known of a
run lives on its `Run`; the agent is never written to. However a run ends (result, error, cancelled task, closed
iterator), `messages` is left such that the next run can go on from it: what had arrived of a response is kept, and
every tool call has a return.
"""

from __future__ import annotations

import functools
import logging
import time
import uuid
from collections.abc import AsyncGenerator, Callable, Coroutine, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Generic, cast

import pydantic

from core.agent._calls import Retries, call_tool, error_details, run_together, within
from core.agent._debug import tell_request, told
from core.agent._history import cancelled, close_calls, interrupted, repaired, with_instructions
from core.agent._output import ResultTool
from core.agent._plan import EndStrategy, FinalResult, LoopEvent, Plan, ResponseEnded, ResultDataT, RunEnded
from core.agent._tracing import preparing, traced, traced_tools
from core.agent.extra import Findings
from core.agent.tools import RunContext, Tool
from core.messages import (
    FinalResultEvent,
    FunctionToolCallEvent,
    FunctionToolResultEvent,
    ModelMessage,
    ModelRequest,
    ModelRequestPart,
    ModelResponse,
    PartStartEvent,
    RetryPromptPart,
    SystemPromptPart,
    TextPart,
    ToolCallPart,
    ToolReturnPart,
    UserContent,
    UserPromptPart,
)
from core.models.base import ModelRequestParameters, StreamedResponse
from core.models.errors import ModelRetry, StopAgentRun, UnexpectedModelBehavior
from core.models.usage import Usage

if TYPE_CHECKING:
    from opentelemetry.trace import Span

__all__ = ["EndStrategy", "FinalResult", "LoopEvent", "Plan", "ResponseEnded", "Run", "RunEnded"]

log = logging.getLogger(__name__)


@dataclass
class Run(Generic[ResultDataT]):
    """One run. `messages` is the history, growing; `usage` is the caller's object if one was given."""

    plan: Plan
    messages: list[ModelMessage]
    usage: Usage
    agent_name: str | None = None
    run_id: str = field(default_factory=lambda: str(uuid.uuid4()))
    result: FinalResult[ResultDataT] | None = None
    streamed: StreamedResponse | None = None
    step: int = 0
    tool_calls: int = 0
    findings: Findings = field(default_factory=Findings)
    over: bool = False

    def __post_init__(self) -> None:
        self._before = len(self.messages)
        self._retries = Retries()
        self._result_retries = 0
        self._returns: dict[int, ModelRequestPart] = {}
        self._ran: set[int] = set()  # the positions of calls whose tool ran, or would have
        self._steered: list[ModelRequestPart] = []
        self._priced: Usage | None = None  # the usage whose price was looked up last
        self.span: Span | None = None  # if the run has one that goes on beyond its events
        self._stop: str | None = None  # what a tool that ended the run said

    # --- what callers read ---

    def new_messages(self) -> list[ModelMessage]:
        return self.messages[self._before :]

    @property
    def state(self) -> Run[ResultDataT]:
        """This run, under the name by which code that drives runs node by node asks for `message_history`."""
        return self

    @property
    def message_history(self) -> list[ModelMessage]:
        return self.messages

    def context(self) -> RunContext[Any]:
        """The run, as tools and prompts see it now."""
        plan = self.plan
        ctx = RunContext(plan.deps, plan.model, self.usage, plan.prompt, self.messages, run_step=self.step)
        ctx.agent, ctx._findings = plan.agent, self.findings
        return ctx

    # --- the loop ---

    def events(self) -> AsyncGenerator[LoopEvent, None]:
        """Everything that happens, to its end. Closing it, or cancelling whoever waits for it, ends the run."""
        plan, events = self.plan, self._loop()
        if plan.run_timeout is not None:
            events = within(plan.run_timeout, events)
        return events if plan.tracer is None else traced(self, plan.tracer, events)

    async def _loop(self) -> AsyncGenerator[LoopEvent, None]:
        try:
            request: ModelRequest | None = await self.first_request()
            while request is not None:
                async with aclosing(self.ask(request, stream=self.plan.stream)) as events:
                    async for event in events:
                        yield event
                parts: list[ModelRequestPart] = []
                async with aclosing(self.handle(parts)) as events:
                    async for event in events:
                        yield event
                request = self.next_request(parts)
            assert self.result is not None
            yield RunEnded(self.result)
        except Exception:
            self.close(failed=True)
            raise
        except BaseException:
            self.close()
            raise

    def next_request(self, parts: list[ModelRequestPart]) -> ModelRequest | None:
        """The request that tells the model `parts`; None when the run is over, and then they end the history.

        What was steered meanwhile keeps the run going: its result so far is one of its answers then.
        """
        request = ModelRequest(parts)
        if self.result is not None and parts and (self._stop is not None or not self._steered):
            self.messages.append(request)
            request = ModelRequest([])
        if self._stop is not None:  # it was shown as the answer, so the next run has to know of it
            self.messages.append(ModelResponse([TextPart(self._stop)]))
        if self.result is not None and not self._steered:
            self.over = True
            return None
        self.result, self._stop = None, None
        return request

    def steer(self, content: str | Sequence[UserContent]) -> bool:
        """Say something to the model in its next request; see `AgentRun.steer`."""
        if not self.over:
            self._steered.append(UserPromptPart(content))
        return not self.over

    def close(self, *, failed: bool = False) -> None:
        """Leave a history to go on from. Safe to call more than once.

        failed: by an error. A history that ends in the calls it came from says more than one that calls them
        cancelled, so it stays as it is, unless a tool had finished, whose work must not be forgotten. (What calls are
        left open is closed when the history is used again.)
        """
        self.over = True
        if not failed or any(isinstance(part, ToolReturnPart) for part in self._returns.values()):
            close_calls(self.messages, self._returns)

    async def first_request(self) -> ModelRequest:
        """What is said first: system prompts where there is no history yet, and the prompt."""
        ctx = self.context()
        parts: list[ModelRequestPart] = []
        if self.messages:
            await self._renew_dynamic_prompts(ctx)
        else:
            for prompt in self.plan.system_prompts:
                if (text := await prompt.text(ctx)) or prompt.dynamic:
                    parts.append(SystemPromptPart(text, prompt.ref if prompt.dynamic else None))
        parts.append(UserPromptPart(self.plan.prompt))
        return ModelRequest(parts)

    async def _renew_dynamic_prompts(self, ctx: RunContext[Any]) -> None:
        """Write the dynamic system prompts of the history anew; the caller's messages are not changed."""
        dynamic = {prompt.ref: prompt for prompt in self.plan.system_prompts if prompt.dynamic}
        for at, message in enumerate(self.messages):
            if not dynamic or not isinstance(message, ModelRequest):
                continue
            parts: list[ModelRequestPart] = []
            for part in message.parts:
                prompt = dynamic.get(part.dynamic_ref or "") if isinstance(part, SystemPromptPart) else None
                parts.append(SystemPromptPart(await prompt.text(ctx), prompt.ref) if prompt else part)
            self.messages[at] = ModelRequest(parts)

    def ask(self, request: ModelRequest, *, stream: bool) -> AsyncGenerator[LoopEvent, None]:
        """One request and its response, which becomes the last message."""
        events = self._ask_for_stream(request) if stream else self._ask_for_whole(request)
        return told(self, events) if self.plan.debug else events

    async def _prepare(self, request: ModelRequest) -> tuple[list[ModelMessage], ModelRequestParameters]:
        """What is sent: `request` becomes the last message, with what was steered meanwhile."""
        plan = self.plan
        if self._steered:
            request = replace(request, parts=[*request.parts, *self._steered])
            self._steered.clear()
        self.messages.append(request)
        plan.limits.check_before_request(self.usage)
        self.step += 1
        with preparing(self):
            parameters = await self._parameters()
        sent = repaired(self.messages)
        if plan.instructions:
            ctx = self.context()
            texts = [await instructions.text(ctx) for instructions in plan.instructions]
            sent = with_instructions(sent, "\n\n".join(text for text in texts if text))
        if plan.debug:
            tell_request(self, sent)
        self.usage.requests += 1
        self._returns, self._ran = {}, set()
        return sent, parameters

    async def _ask_for_whole(self, request: ModelRequest) -> AsyncGenerator[LoopEvent, None]:
        plan = self.plan
        sent, parameters = await self._prepare(request)
        started = time.perf_counter()
        response, usage = await plan.again.request(plan.model, sent, plan.settings, parameters)
        self.usage.incr(usage)
        self._charge(response.model_name, usage)
        self.messages.append(response)
        seconds = time.perf_counter() - started
        for index, part in enumerate(response.parts):
            yield PartStartEvent(index, part)
        plan.limits.check_tokens(self.usage)
        yield ResponseEnded(response, usage, seconds, seconds)

    async def _ask_for_stream(self, request: ModelRequest) -> AsyncGenerator[LoopEvent, None]:
        plan = self.plan
        sent, parameters = await self._prepare(request)
        started = time.perf_counter()
        first: float | None = None
        checked = plan.limits.has_token_limits() or plan.limits.cost_limit is not None
        asked = plan.again.stream(plan.model, sent, plan.settings, parameters)
        async with asked as streamed, aclosing(streamed):
            self.streamed = streamed
            whole = False
            try:
                async for event in streamed:
                    if first is None:
                        first = time.perf_counter() - started
                    if checked:
                        self._check_so_far(streamed)
                    yield event
                whole = True
            finally:
                usage = streamed.usage()
                self.usage.incr(usage)
                self._charge(streamed.model_name, usage)
                self.streamed = None
                response = streamed.get() if whole else interrupted(streamed.get())
                if response is not None:
                    self.messages.append(response)
        assert response is not None
        plan.limits.check_tokens(self.usage)
        yield ResponseEnded(response, usage, time.perf_counter() - started, first)

    def _check_so_far(self, streamed: StreamedResponse) -> None:
        """Raise UsageLimitExceeded as soon as a response that streams goes beyond a limit."""
        limits, usage = self.plan.limits, streamed.usage()
        so_far = self.usage + usage
        if usage != self._priced:  # prices are looked up, which costs more than to compare
            self._priced = replace(usage)
            so_far.cost += limits.cost(streamed.model_name, usage) or 0.0
        limits.check_tokens(so_far)

    def _charge(self, model_name: str | None, usage: Usage) -> None:
        """Count what a response cost, if it matters."""
        if self.plan.limits.cost_limit is None:
            return
        name = model_name or self.plan.model.model_name
        cost = self.plan.limits.cost(name, usage)
        if cost is None:
            log.warning("run.price_unknown", extra={"model": name})
        self.usage.cost += cost or 0.0

    async def _parameters(self) -> ModelRequestParameters:
        plan = self.plan
        definitions = []
        if plan.tools:
            ctx = self.context()
            for tool in plan.tools.values():
                ctx.retry = self._retries.count(tool.name)
                if (definition := await tool.prepare_tool_def(ctx)) is not None:
                    definitions.append(definition)
        results = [tool.definition for tool in plan.result.tools.values()]
        return ModelRequestParameters(definitions, plan.result.allow_text_result, results)

    # --- what a response asks for ---

    def handle(self, parts: list[ModelRequestPart]) -> AsyncGenerator[LoopEvent, None]:
        """Act on the last response; `parts` receives what the model reads next. Sets `result` if it is one."""
        return told(self, self._handle(parts)) if self.plan.debug else self._handle(parts)

    async def _handle(self, parts: list[ModelRequestPart]) -> AsyncGenerator[LoopEvent, None]:
        response = self.messages[-1]
        assert isinstance(response, ModelResponse)
        calls = [part for part in response.parts if isinstance(part, ToolCallPart)]
        texts = [part.content for part in response.parts if isinstance(part, TextPart) and part.content]
        if calls:
            async with aclosing(self._handle_calls(calls)) as events:
                async for event in events:
                    yield event
            # what needed no tool to run comes first; a tool that cancelled itself has left nothing
            for at in sorted(range(len(calls)), key=lambda at: at in self._ran):
                parts.append(self._returns.get(at) or cancelled(calls[at]))
            if self._stop is not None and self.result is None:
                if not self.plan.result.allow_text_result:
                    raise UnexpectedModelBehavior(f"A tool ended the run before it had a result: {self._stop}")
                yield PartStartEvent(len(response.parts), TextPart(self._stop))
                self.result = FinalResult(cast(ResultDataT, self._stop))
        elif not texts:
            raise UnexpectedModelBehavior("Received empty model response")
        elif not self.plan.result.allow_text_result:
            self._retry_result(None)
            parts.append(
                RetryPromptPart("Plain text responses are not permitted, please call one of the functions instead.")
            )
        else:
            try:
                self.result = FinalResult(await self.validated("\n\n".join(texts), None))
            except ModelRetry as exc:
                self._retry_result(exc)
                parts.append(RetryPromptPart(exc.message))

    async def _handle_calls(self, calls: list[ToolCallPart]) -> AsyncGenerator[LoopEvent, None]:
        """Answer every call, in `self._returns` by its position."""
        await self._handle_results(calls)
        if self.result is not None:
            yield FinalResultEvent(self.result.tool_name, self.result.tool_call_id)
        jobs: list[Callable[[], Coroutine[Any, Any, FunctionToolResultEvent]]] = []
        called: list[ToolCallPart] = []
        most = self.plan.tool_call_limit
        for at, call in enumerate(calls):
            tool = self.plan.tools.get(call.tool_name)
            if at in self._returns:
                continue
            if tool is None:
                self._returns[at] = self._unknown(call)
                continue
            if self.result is not None and self.plan.end_strategy == "early":
                text = "Tool not executed - a final result was already processed."
                self._returns[at] = ToolReturnPart(call.tool_name, text, call.tool_call_id)
                continue
            self._ran.add(at)
            if most is not None and self.tool_calls + len(jobs) >= most:
                text = f"Tool not executed - the limit of {most} tool calls is reached. Answer without further calls."
                self._returns[at] = ToolReturnPart(call.tool_name, text, call.tool_call_id)
            else:
                jobs.append(functools.partial(self._call, at, tool, call))
                called.append(call)
        self.plan.limits.check_before_tool_calls(self.tool_calls, len(jobs))
        self.tool_calls += len(jobs)
        for call in called:
            yield FunctionToolCallEvent(call)
        if jobs:
            answers = run_together(jobs)
            if self.plan.tracer is not None:
                answers = traced_tools(self.plan.tracer, [call.tool_name for call in called], answers)
            async with aclosing(answers) as results:
                async for event in results:
                    yield event

    async def _call(self, at: int, tool: Tool[Any], call: ToolCallPart) -> FunctionToolResultEvent:
        ctx = self.context()
        ctx.retry = self._retries.count(tool.name)
        ctx.tool_name, ctx.tool_call_id = tool.name, call.tool_call_id
        timeout = self.plan.tool_timeout if tool.timeout is None else tool.timeout
        try:
            answer = await call_tool(tool, call, ctx, self._retries, timeout)
        except StopAgentRun as exc:
            self._stop = exc.message
            answer = ToolReturnPart(tool.name, exc.message, call.tool_call_id)
        self._returns[at] = answer  # at once: it is kept also when a sibling fails or the run is stopped now
        return FunctionToolResultEvent(answer, call.tool_call_id or call.tool_name)

    async def _handle_results(self, calls: list[ToolCallPart]) -> None:
        """Look for the result among the calls of result tools; the first valid one is it."""
        failed: Exception | None = None
        for at, call in enumerate(calls):
            tool = self.plan.result.tools.get(call.tool_name)
            if tool is None:
                continue
            if self.result is not None:
                text = "Result tool not used - a final result was already processed."
                self._returns[at] = ToolReturnPart(call.tool_name, text, call.tool_call_id)
                continue
            try:
                self.result = await self._result_of(tool, call)
                self._returns[at] = ToolReturnPart(call.tool_name, "Final result processed.", call.tool_call_id)
            except pydantic.ValidationError as exc:
                failed = exc
                self._returns[at] = RetryPromptPart(error_details(exc), call.tool_name, call.tool_call_id)
            except ModelRetry as exc:
                failed = exc
                self._returns[at] = RetryPromptPart(exc.message, call.tool_name, call.tool_call_id)
        if failed is None:
            return
        if self.result is None:
            self._retry_result(failed)
            return
        for at, part in self._returns.items():
            if isinstance(part, RetryPromptPart):
                text = "Result tool not used - result failed validation."
                self._returns[at] = ToolReturnPart(part.tool_name or "", text, part.tool_call_id)

    async def _result_of(self, tool: ResultTool, call: ToolCallPart) -> FinalResult[Any]:
        data = await self.validated(tool.validate(call), call)
        return FinalResult(data, call.tool_name, call.tool_call_id)

    async def validated(self, data: Any, call: ToolCallPart | None) -> Any:
        """`data` through the agent's validators. Raises ModelRetry."""
        if not self.plan.validators:
            return data
        ctx = self.context()
        ctx.retry = self._result_retries
        if call is not None:
            ctx.tool_name, ctx.tool_call_id = call.tool_name, call.tool_call_id
        for validator in self.plan.validators:
            data = await validator.validate(data, ctx)
        return data

    def _unknown(self, call: ToolCallPart) -> RetryPromptPart:
        if self.result is None:
            self._retry_result(None)
        known = [*self.plan.tools, *self.plan.result.tools]
        hint = f"Available tools: {', '.join(known)}" if known else "No tools available."
        text = f"Unknown tool name: {call.tool_name!r}. {hint}"
        return RetryPromptPart(text)  # of no tool; `repaired` finds the call it answers when it is sent

    def _retry_result(self, cause: Exception | None) -> None:
        """Count one more try at a result. Raises UnexpectedModelBehavior when there were too many."""
        self._result_retries += 1
        if self._result_retries > (limit := self.plan.result_retries):
            raise UnexpectedModelBehavior(f"Exceeded maximum retries ({limit}) for result validation") from cause
