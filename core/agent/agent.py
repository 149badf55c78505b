"""The Agent: a model, prompts and tools under one name. It holds nothing of any run, so it serves many at once."""

from __future__ import annotations

import sys
import uuid
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from types import FrameType, NoneType
from typing import Any, Generic, Literal, TypeAlias, overload

from typing_extensions import TypeVar, Unpack

from core.agent._again import Again
from core.agent._asked import Asked, asked_with
from core.agent._inputs import RunInputs
from core.agent._loop_thread import private_loop
from core.agent._options import AgentOptions, RunArguments, RunOptions, Texts, refuse_what_nothing_honours
from core.agent._output import ResultSchema
from core.agent._prompts import Instructions, SystemPrompt, Validator
from core.agent._run import EndStrategy
from core.agent._starting import Starting
from core.agent._tracing import run_span
from core.agent.events import RunEvents
from core.agent.instrumentation import InstrumentationSettings
from core.agent.nodes import AgentRun, TellsNodes
from core.agent.result import AgentRunResult, StreamedRunResult
from core.agent.sync_events import SyncRunEvents
from core.agent.tools import AgentDepsT, Tool, ToolFuncEither
from core.messages import ModelMessage, UserContent
from core.models.base import Model
from core.models.infer import infer_model
from core.models.settings import ModelSettings
from core.models.usage import Usage, UsageLimits

__all__ = ["Agent"]

ResultDataT = TypeVar("ResultDataT", default=str, covariant=True)
Prompt: TypeAlias = str | Sequence[UserContent]
MARKDOWN = "Use markdown to format your answers."
OtherDataT = TypeVar("OtherDataT")


class Agent(Starting[AgentDepsT, ResultDataT], TellsNodes, Generic[AgentDepsT, ResultDataT]):
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
    `response_model` is `result_type`; `session_id`, `session_name` and `user_id` are noted in the responses.
    show_tool_calls: what a run calls stands in its text as well, where that is the result.
    debug_mode: what is sent, said and called goes to the log (`core.agent._debug`), texts included.
    storage, monitoring, telemetry: only None and False; there is nothing that would honour more.
    tool_call_limit: calls beyond it are answered with a note instead of being run.
    model_retries: how often a provider that failed is asked again, on top of the model's own `max_retries`, after
    `delay_between_retries` seconds, twice as long each time with `exponential_backoff`.
    """

    @overload
    def __init__(
        self,
        model: Model | str | None = None,
        *,
        response_model: type[ResultDataT],
        deps_type: type[AgentDepsT] = NoneType,  # type: ignore[assignment]  # None is the default of AgentDepsT
        tools: Sequence[Tool[AgentDepsT] | ToolFuncEither[AgentDepsT]] = (),
        retries: int = 1,
        **options: Unpack[AgentOptions],
    ) -> None: ...

    @overload
    def __init__(
        self,
        model: Model | str | None = None,
        *,
        result_type: type[ResultDataT] = str,  # type: ignore[assignment]  # likewise str that of ResultDataT
        response_model: None = None,
        deps_type: type[AgentDepsT] = NoneType,  # type: ignore[assignment]
        tools: Sequence[Tool[AgentDepsT] | ToolFuncEither[AgentDepsT]] = (),
        retries: int = 1,
        **options: Unpack[AgentOptions],
    ) -> None: ...

    def __init__(
        self,
        model: Model | str | None = None,
        *,
        result_type: type[Any] = str,
        system_prompt: str | Sequence[str] = (),
        instructions: Texts | None = None,
        deps_type: type[Any] = NoneType,
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
        session_name: str | None = None,
        user_id: str | None = None,
        description: str | None = None,
        markdown: bool = False,
        response_model: type[Any] | None = None,
        show_tool_calls: bool = False,
        debug_mode: bool = False,
        tool_call_limit: int | None = None,
        model_retries: int = 0,
        delay_between_retries: float = 1,
        exponential_backoff: bool = False,
        storage: None = None,
        monitoring: bool = False,
        telemetry: bool = False,
    ) -> None:
        refuse_what_nothing_honours(storage, monitoring, telemetry)
        result_type = response_model or result_type
        self.model = model if model is None or defer_model_check else infer_model(model)
        self.name = name
        self.model_settings = model_settings
        self.end_strategy: EndStrategy = end_strategy
        self.agent_id = agent_id or str(uuid.uuid4())
        self.session_id = session_id
        self.session_name = session_name
        self.user_id = user_id
        self.debug_mode = debug_mode
        self.show_tool_calls = show_tool_calls
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
        stream: Literal[False] = False,
        stream_intermediate_steps: bool = False,
        **arguments: Unpack[RunArguments[AgentDepsT]],
    ) -> Coroutine[Any, Any, AgentRunResult[ResultDataT]]: ...

    @overload
    def run(
        self,
        user_prompt: Prompt | None = None,
        *,
        result_type: type[OtherDataT],
        stream: Literal[False] = False,
        stream_intermediate_steps: bool = False,
        **arguments: Unpack[RunArguments[AgentDepsT]],
    ) -> Coroutine[Any, Any, AgentRunResult[OtherDataT]]: ...

    @overload
    def run(
        self,
        user_prompt: Prompt | None = None,
        *,
        result_type: type[Any] | None = None,
        stream: Literal[True],
        stream_intermediate_steps: bool = False,
        **arguments: Unpack[RunArguments[AgentDepsT]],
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
        self,
        user_prompt: Prompt | None = None,
        *,
        result_type: type[Any] | None = None,
        stream: Literal[True],
        stream_intermediate_steps: bool = False,
        **arguments: Unpack[RunArguments[AgentDepsT]],
    ) -> SyncRunEvents: ...

    @overload
    def run_sync(
        self,
        user_prompt: Prompt | None = None,
        *,
        result_type: type[OtherDataT],
        stream: Literal[False] = False,
        stream_intermediate_steps: bool = False,
        **arguments: Unpack[RunArguments[AgentDepsT]],
    ) -> AgentRunResult[OtherDataT]: ...

    @overload
    def run_sync(
        self,
        user_prompt: Prompt | None = None,
        *,
        result_type: None = None,
        stream: Literal[False] = False,
        stream_intermediate_steps: bool = False,
        **arguments: Unpack[RunArguments[AgentDepsT]],
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
        **options: Unpack[RunOptions[AgentDepsT]],
    ) -> AbstractAsyncContextManager[StreamedRunResult[AgentDepsT, ResultDataT]]: ...

    @overload
    def run_stream(
        self,
        user_prompt: Prompt,
        *,
        result_type: type[OtherDataT],
        **options: Unpack[RunOptions[AgentDepsT]],
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
        **options: Unpack[RunOptions[AgentDepsT]],
    ) -> AbstractAsyncContextManager[AgentRun[AgentDepsT, ResultDataT]]: ...

    @overload
    def iter(
        self,
        user_prompt: Prompt,
        *,
        result_type: type[OtherDataT],
        **options: Unpack[RunOptions[AgentDepsT]],
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

    def _infer_name(self, frame: FrameType) -> None:
        """Take the name of the caller's variable this agent is bound to."""
        for variables in (frame.f_locals, frame.f_globals):
            for name, value in variables.items():
                if value is self and name != "self":
                    self.name = name
                    return
