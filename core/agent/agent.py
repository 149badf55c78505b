"""The Agent: a model, prompts and tools under one name. It holds nothing of any run, so it serves many at once."""

from __future__ import annotations

import dataclasses
import sys
import uuid
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from types import FrameType, NoneType
from typing import Any, ClassVar, Generic, Literal, TypeAlias, TypeGuard, cast, overload

from typing_extensions import TypeVar, Unpack

from core.agent._again import Again
from core.agent._asked import Asked, asked_with
from core.agent._capture import history_of_run
from core.agent._inputs import RunInputs
from core.agent._loop_thread import private_loop
from core.agent._output import ResultSchema
from core.agent._override import Overridable, Unset
from core.agent._prompts import Instructions, SystemPrompt, Validator
from core.agent._registered import Registered
from core.agent._run import EndStrategy, Plan, Run
from core.agent._tracing import instrumented, run_span, tracer_of
from core.agent.events import Record, RunEvents
from core.agent.instrumentation import InstrumentationSettings
from core.agent.nodes import AgentNode, AgentRun, CallToolsNode, End, ModelRequestNode, UserPromptNode
from core.agent.response import RunEvent
from core.agent.result import AgentRunResult, StreamedRunResult
from core.agent.sync_events import SyncRunEvents
from core.agent.tools import AgentDepsT, Tool, ToolFuncEither
from core.messages import ModelMessage, UserContent
from core.models.base import Model
from core.models.errors import UserError
from core.models.infer import infer_model
from core.models.settings import ModelSettings, merge_model_settings
from core.models.usage import Usage, UsageLimits

__all__ = ["Agent"]

ResultDataT = TypeVar("ResultDataT", default=str, covariant=True)
Prompt: TypeAlias = str | Sequence[UserContent]
Texts: TypeAlias = str | Callable[..., Any] | Sequence[str | Callable[..., Any]]
MARKDOWN = "Use markdown to format your answers."
OtherDataT = TypeVar("OtherDataT")
T = TypeVar("T")
S = TypeVar("S")
NO_MODEL = "`model` must be set either when creating the agent or when calling it."


class Agent(Registered[AgentDepsT], Overridable, Generic[AgentDepsT, ResultDataT]):
    """Answers prompts with a model, calling tools on the way.

    model: a `Model` or a name such as "openai:gpt-4o"; may be left to each run.
    result_type: what a run comes to; `str` is text, anything else pydantic can validate comes through a result tool.
    system_prompt: said at the beginning of a conversation and kept in its history.
    instructions: said with every request and never kept, so that they hold in a conversation that goes on.
    retries, result_retries: how often the model may try again, per tool and for the result, in one run.
    tools: functions or `Tool`s.   tool_timeout: seconds a tool call may take.
    run_timeout: seconds a run may take in all; then it ends with RunTimeout.
    end_strategy: "early" leaves function tools called beside a result unrun, "exhaustive" runs them.
    defer_model_check: resolve a model name when it is first used, not now.
    instrument: tell OpenTelemetry of every run, True with the global providers; None: as `instrument_all` says.

    Of Agno's parameters: `description` is said first among the instructions, `markdown` asks for markdown,
    `response_model` is `result_type`. tool_call_limit: calls beyond it are answered with a note instead of being run.
    model_retries: how often a provider that failed is asked again, on top of the model's own `max_retries`, after
    `delay_between_retries` seconds, twice as long each time with `exponential_backoff`.
    """

    def __init__(
        self,
        model: Model | str | None = None,
        *,
        result_type: type[ResultDataT] = str,  # type: ignore[assignment]  # str is the default of ResultDataT
        system_prompt: str | Sequence[str] = (),
        instructions: Texts | None = None,
        deps_type: type[AgentDepsT] = NoneType,  # type: ignore[assignment]  # likewise None
        name: str | None = None,
        model_settings: ModelSettings | None = None,
        retries: int = 1,
        result_tool_name: str = "final_result",
        result_tool_description: str | None = None,
        result_retries: int | None = None,
        tools: Sequence[Tool[AgentDepsT] | ToolFuncEither[AgentDepsT]] = (),
        defer_model_check: bool = False,
        end_strategy: EndStrategy = "early",
        instrument: InstrumentationSettings | bool | None = None,
        tool_timeout: float | None = None,
        run_timeout: float | None = None,
        agent_id: str | None = None,
        session_id: str | None = None,
        description: str | None = None,
        markdown: bool = False,
        response_model: type[ResultDataT] | None = None,
        tool_call_limit: int | None = None,
        model_retries: int = 0,
        delay_between_retries: float = 1,
        exponential_backoff: bool = False,
    ) -> None:
        result_type = response_model or result_type
        self.model = model if model is None or defer_model_check else infer_model(model)
        self.name = name
        self.model_settings = model_settings
        self.end_strategy: EndStrategy = end_strategy
        self.agent_id = agent_id or str(uuid.uuid4())
        self.session_id = session_id
        self.result_type = result_type
        self.instrument = instrument
        self._deps_type = deps_type
        self._retries = retries
        self._result_retries = retries if result_retries is None else result_retries
        self._result_tool_name = result_tool_name
        self._result_tool_description = result_tool_description
        self._result_schema = ResultSchema.build(result_type, result_tool_name, result_tool_description)
        self._tool_timeout = tool_timeout
        self._run_timeout = run_timeout
        self._tool_call_limit = tool_call_limit
        self._markdown = markdown
        self._again = Again(model_retries, delay_between_retries, exponential_backoff)
        prompts = (system_prompt,) if isinstance(system_prompt, str) else system_prompt
        self._system_prompts = [SystemPrompt(text) for text in prompts]
        given: Sequence[Any] = (
            ()
            if instructions is None
            else (instructions,)
            if isinstance(instructions, str) or callable(instructions)
            else instructions
        )
        framing = [*([description] if description else []), *([MARKDOWN] if markdown else [])]
        self._instructions: list[Instructions] = [SystemPrompt(text) for text in (*framing, *given)]
        self._validators: list[Validator] = []
        self._function_tools: dict[str, Tool[AgentDepsT]] = {}
        for tool in tools:
            self._register(tool if isinstance(tool, Tool) else Tool(tool))

    # --- running ---

    @overload
    def run(
        self,
        user_prompt: Prompt | None = None,
        *,
        result_type: None = None,
        message_history: Sequence[ModelMessage] | None = None,
        model: Model | str | None = None,
        deps: AgentDepsT = ...,
        model_settings: ModelSettings | None = None,
        usage_limits: UsageLimits | None = None,
        usage: Usage | None = None,
        infer_name: bool = True,
        run_timeout: float | None = None,
        stream: Literal[False] = False,
        stream_intermediate_steps: bool = False,
        **inputs: Unpack[RunInputs],
    ) -> Coroutine[Any, Any, AgentRunResult[ResultDataT]]: ...

    @overload
    def run(
        self,
        user_prompt: Prompt | None = None,
        *,
        result_type: type[OtherDataT],
        message_history: Sequence[ModelMessage] | None = None,
        model: Model | str | None = None,
        deps: AgentDepsT = ...,
        model_settings: ModelSettings | None = None,
        usage_limits: UsageLimits | None = None,
        usage: Usage | None = None,
        infer_name: bool = True,
        run_timeout: float | None = None,
        stream: Literal[False] = False,
        stream_intermediate_steps: bool = False,
        **inputs: Unpack[RunInputs],
    ) -> Coroutine[Any, Any, AgentRunResult[OtherDataT]]: ...

    @overload
    def run(
        self,
        user_prompt: Prompt | None = None,
        *,
        result_type: type[Any] | None = None,
        message_history: Sequence[ModelMessage] | None = None,
        model: Model | str | None = None,
        deps: AgentDepsT = ...,
        model_settings: ModelSettings | None = None,
        usage_limits: UsageLimits | None = None,
        usage: Usage | None = None,
        infer_name: bool = True,
        run_timeout: float | None = None,
        stream: Literal[True],
        stream_intermediate_steps: bool = False,
        **inputs: Unpack[RunInputs],
    ) -> RunEvents: ...

    def run(
        self,
        user_prompt: Prompt | None = None,
        *,
        result_type: type[Any] | None = None,
        message_history: Sequence[ModelMessage] | None = None,
        model: Model | str | None = None,
        deps: AgentDepsT = None,  # type: ignore[assignment]
        model_settings: ModelSettings | None = None,
        usage_limits: UsageLimits | None = None,
        usage: Usage | None = None,
        infer_name: bool = True,
        run_timeout: float | None = None,
        stream: bool = False,
        stream_intermediate_steps: bool = False,
        **inputs: Unpack[RunInputs],
    ) -> Coroutine[Any, Any, AgentRunResult[Any]] | RunEvents:
        """Answer `user_prompt`: await it for the result, or with `stream` iterate over the events (see `RunEvents`).

        message_history: what was said before; it is not changed.   usage: counts on, in place.
        usage_limits: None means 50 requests.   model_settings: over the agent's, key by key.
        run_timeout: seconds for all of the run, in place of the agent's; then it ends with RunTimeout.
        inputs: the prompt, media and further messages under Agno's names; see `RunInputs`.
        Raises AgentRunError (see `core.models.errors`), UserError, and whatever a tool raises.
        """
        if infer_name and self.name is None:
            self._infer_name(sys._getframe(1))
        asked = asked_with(
            inputs,
            user_prompt,
            result_type,
            message_history,
            model,
            deps,
            model_settings,
            usage_limits,
            usage,
            run_timeout,
        )
        if stream:
            return RunEvents(self._record(asked, stream=True), steps=stream_intermediate_steps)
        return self._finish(asked)

    @overload
    def run_sync(
        self, user_prompt: Prompt | None = None, *, stream: Literal[True], **options: Any
    ) -> SyncRunEvents: ...

    @overload
    def run_sync(
        self,
        user_prompt: Prompt | None = None,
        *,
        result_type: type[OtherDataT],
        stream: Literal[False] = False,
        **options: Any,
    ) -> AgentRunResult[OtherDataT]: ...

    @overload
    def run_sync(
        self,
        user_prompt: Prompt | None = None,
        *,
        deps: AgentDepsT = ...,
        stream: Literal[False] = False,
        **options: Any,
    ) -> AgentRunResult[ResultDataT]: ...

    def run_sync(
        self, user_prompt: Prompt | None = None, *, stream: bool = False, infer_name: bool = True, **options: Any
    ) -> AgentRunResult[Any] | SyncRunEvents:
        """`run` without asyncio, with the same options; with `stream` a plain iterator. Works beside a running loop."""
        if infer_name and self.name is None:
            self._infer_name(sys._getframe(1))
        loop = private_loop()
        run: Callable[..., Any] = Agent.run  # the one to await, also where a subclass has one that blocks
        if stream:
            return SyncRunEvents(run(self, user_prompt, stream=True, infer_name=False, **options), loop)
        result: AgentRunResult[ResultDataT] = loop.run(run(self, user_prompt, infer_name=False, **options))
        return result

    arun = run
    """`run` under Agno's name; it is a coroutine, and with `stream` an async iterator, in `core.blocking` as well."""

    @overload
    def run_stream(
        self,
        user_prompt: Prompt,
        *,
        result_type: None = None,
        message_history: Sequence[ModelMessage] | None = None,
        model: Model | str | None = None,
        deps: AgentDepsT = ...,
        model_settings: ModelSettings | None = None,
        usage_limits: UsageLimits | None = None,
        usage: Usage | None = None,
        infer_name: bool = True,
        run_timeout: float | None = None,
    ) -> AbstractAsyncContextManager[StreamedRunResult[AgentDepsT, ResultDataT]]: ...

    @overload
    def run_stream(
        self,
        user_prompt: Prompt,
        *,
        result_type: type[OtherDataT],
        message_history: Sequence[ModelMessage] | None = None,
        model: Model | str | None = None,
        deps: AgentDepsT = ...,
        model_settings: ModelSettings | None = None,
        usage_limits: UsageLimits | None = None,
        usage: Usage | None = None,
        infer_name: bool = True,
        run_timeout: float | None = None,
    ) -> AbstractAsyncContextManager[StreamedRunResult[AgentDepsT, OtherDataT]]: ...

    @asynccontextmanager
    async def run_stream(
        self,
        user_prompt: Prompt,
        *,
        result_type: type[Any] | None = None,
        message_history: Sequence[ModelMessage] | None = None,
        model: Model | str | None = None,
        deps: AgentDepsT = None,  # type: ignore[assignment]
        model_settings: ModelSettings | None = None,
        usage_limits: UsageLimits | None = None,
        usage: Usage | None = None,
        infer_name: bool = True,
        run_timeout: float | None = None,
    ) -> AsyncIterator[Any]:
        """Stream a typed result; options as in `run`. Leaving the context early ends the run and reads no further."""
        if infer_name and self.name is None:
            self._infer_name(sys._getframe(2))
        asked = Asked(
            user_prompt, result_type, message_history, model, deps, model_settings, usage_limits, usage, run_timeout
        )
        run = self._start(asked, stream=True)
        result: StreamedRunResult[AgentDepsT, Any] = StreamedRunResult(run, run.events())
        with run_span(run):
            try:
                await result.open()
                yield result
            finally:
                await result.aclose()

    @overload
    def iter(
        self,
        user_prompt: Prompt,
        *,
        result_type: None = None,
        message_history: Sequence[ModelMessage] | None = None,
        model: Model | str | None = None,
        deps: AgentDepsT = ...,
        model_settings: ModelSettings | None = None,
        usage_limits: UsageLimits | None = None,
        usage: Usage | None = None,
        infer_name: bool = True,
        run_timeout: float | None = None,
    ) -> AbstractAsyncContextManager[AgentRun[AgentDepsT, ResultDataT]]: ...

    @overload
    def iter(
        self,
        user_prompt: Prompt,
        *,
        result_type: type[OtherDataT],
        message_history: Sequence[ModelMessage] | None = None,
        model: Model | str | None = None,
        deps: AgentDepsT = ...,
        model_settings: ModelSettings | None = None,
        usage_limits: UsageLimits | None = None,
        usage: Usage | None = None,
        infer_name: bool = True,
        run_timeout: float | None = None,
    ) -> AbstractAsyncContextManager[AgentRun[AgentDepsT, OtherDataT]]: ...

    @asynccontextmanager
    async def iter(
        self,
        user_prompt: Prompt,
        *,
        result_type: type[Any] | None = None,
        message_history: Sequence[ModelMessage] | None = None,
        model: Model | str | None = None,
        deps: AgentDepsT = None,  # type: ignore[assignment]
        model_settings: ModelSettings | None = None,
        usage_limits: UsageLimits | None = None,
        usage: Usage | None = None,
        infer_name: bool = True,
        run_timeout: float | None = None,
    ) -> AsyncIterator[Any]:
        """Run step by step (see `core.agent.nodes`); options as in `run`. Leaving the context ends the run."""
        if infer_name and self.name is None:
            self._infer_name(sys._getframe(2))
        asked = Asked(
            user_prompt, result_type, message_history, model, deps, model_settings, usage_limits, usage, run_timeout
        )
        run = self._start(asked, stream=False)
        with run_span(run):
            try:
                yield AgentRun(run)
            except BaseException as exc:
                run.close(failed=isinstance(exc, Exception))
                raise
            else:
                run.close()

    _instrument_all: ClassVar[InstrumentationSettings | bool] = False

    @staticmethod
    def instrument_all(instrument: InstrumentationSettings | bool = True) -> None:
        """Tell every agent whose own `instrument` is None."""
        Agent._instrument_all = instrument

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

    def print_response(self, user_prompt: Prompt | None = None, *, stream: bool = False, **options: Any) -> None:
        """Run and print the answer with rich; `markdown`, `show_time` and `console` as in `pprint_run_response`.

        markdown: if it is not given, as the agent was told.
        """
        from core.agent.printing import pprint_run_response

        shown = {key: options.pop(key) for key in ("markdown", "show_time", "console") if key in options}
        shown.setdefault("markdown", self._markdown)
        if stream:
            pprint_run_response(self.run_sync(user_prompt, stream=True, **options), **shown)
        else:
            pprint_run_response(self.run_sync(user_prompt, **options), **shown)

    # --- control ---

    @property
    def last_run_messages(self) -> list[ModelMessage]:
        raise AttributeError("The `last_run_messages` attribute has been removed, use `capture_run_messages` instead.")

    async def aclose(self) -> None:
        """Give back the connections of the agent's model; the agent may be used again afterwards."""
        if isinstance(self.model, Model):
            await self.model.aclose()

    # --- inside ---

    async def _finish(self, asked: Asked) -> AgentRunResult[ResultDataT]:
        """Run to the end without streaming, from the same events."""
        record = self._record(asked, stream=False)
        run = record.run
        events = RunEvents(record, steps=False)
        async for _ in events:
            pass
        assert run.result is not None
        whole = record.whole(run.result.data, RunEvent.run_response, finish_reason=record.finish_reason)
        known = {each.name: getattr(whole, each.name) for each in dataclasses.fields(whole)}
        return AgentRunResult(**known, _result_tool_name=run.result.tool_name)

    def _record(self, asked: Asked, *, stream: bool) -> Record:
        run = self._start(asked, stream=stream)
        return Record(run, self.agent_id, asked.session_id or self.session_id, added=asked.added)

    def _start(self, asked: Asked, *, stream: bool) -> Run[ResultDataT]:
        override = self._overridden()
        result = self._result_schema
        if asked.result_type is not None:
            if self._validators:
                raise UserError("Cannot set a custom run `result_type` when the agent has result validators")
            result = ResultSchema.build(asked.result_type, self._result_tool_name, self._result_tool_description)
        for name in result.tools.keys() & self._function_tools.keys():
            raise UserError(f"Tool name conflicts with result schema name: {name!r}")
        model = instrumented(
            self._model(asked.model, override.model),
            Agent._instrument_all if self.instrument is None else self.instrument,
        )
        plan = Plan(
            prompt=asked.prompt,
            model=model,
            deps=asked.deps if isinstance(override.deps, Unset) else override.deps,
            settings=merge_model_settings(self.model_settings, asked.settings),
            limits=asked.limits or UsageLimits(),
            result=result,
            tools=cast("dict[str, Tool[Any]]", dict(self._function_tools)),
            system_prompts=tuple(self._system_prompts),
            instructions=tuple(self._instructions),
            validators=tuple(self._validators),
            end_strategy=self.end_strategy,
            result_retries=self._result_retries,
            tool_timeout=self._tool_timeout,
            stream=stream,
            again=self._again if asked.retries is None else dataclasses.replace(self._again, retries=asked.retries),
            tool_call_limit=self._tool_call_limit,
            agent=self,
            run_timeout=self._run_timeout if asked.run_timeout is None else asked.run_timeout,
            tracer=tracer_of(model),
        )
        run: Run[ResultDataT] = Run(
            plan, history_of_run(asked.history), Usage() if asked.usage is None else asked.usage, self.name
        )
        return run

    def _model(self, given: Model | str | None, overriding: Any) -> Model:
        """The model of a run. There must be one also where it is overridden: what a test runs should run outside it."""
        if not isinstance(overriding, Unset):
            if given is None and self.model is None:
                raise UserError(f"{NO_MODEL} (Even when `override(model=...)` is customizing the model that is called)")
            return infer_model(overriding)
        if given is not None:
            return infer_model(given)
        if self.model is None:
            raise UserError(NO_MODEL)
        if isinstance(self.model, str):  # deferred; kept, so that its connections are
            self.model = infer_model(self.model)
        return self.model

    def _infer_name(self, frame: FrameType) -> None:
        """Take the name of the caller's variable this agent is bound to."""
        for variables in (frame.f_locals, frame.f_globals):
            for name, value in variables.items():
                if value is self and name != "self":
                    self.name = name
                    return
