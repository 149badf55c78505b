"""How a run of an agent begins: what the agent is, and what this run is told, become the plan of the run."""

from __future__ import annotations

import dataclasses
from typing import Any, ClassVar, Generic, cast

from core.agent._again import Again
from core.agent._asked import Asked
from core.agent._capture import history_of_run
from core.agent._debug import listen
from core.agent._output import ResultSchema
from core.agent._override import Overridable, Unset
from core.agent._plan import EndStrategy, Plan, ResultDataT
from core.agent._registered import Registered
from core.agent._run import Run
from core.agent._tracing import instrumented, tracer_of
from core.agent.events import Labels, Record, RunEvents
from core.agent.instrumentation import InstrumentationSettings
from core.agent.response import RunEvent
from core.agent.result import AgentRunResult
from core.agent.tools import AgentDepsT, Tool
from core.models.base import Model
from core.models.errors import UserError
from core.models.infer import infer_model
from core.models.settings import ModelSettings, merge_model_settings
from core.models.usage import Usage, UsageLimits

__all__ = ["Starting"]

NO_MODEL = "`model` must be set either when creating the agent or when calling it."


class Starting(Registered[AgentDepsT], Overridable, Generic[AgentDepsT, ResultDataT]):
    """The part of an agent that starts its runs. They take copies of what they need, and write nothing back."""

    model: Model | str | None
    name: str | None
    model_settings: ModelSettings | None
    end_strategy: EndStrategy
    agent_id: str
    session_id: str | None
    session_name: str | None
    user_id: str | None
    instrument: InstrumentationSettings | bool | None
    show_tool_calls: bool
    debug_mode: bool
    _result_tool_name: str
    _result_tool_description: str | None
    _result_retries: int
    _tool_timeout: float | None
    _run_timeout: float | None
    _tool_call_limit: int | None
    _again: Again

    _instrument_all: ClassVar[InstrumentationSettings | bool] = False

    @staticmethod
    def instrument_all(instrument: InstrumentationSettings | bool = True) -> None:
        """Tell every agent whose own `instrument` is None."""
        Starting._instrument_all = instrument

    async def _finish(self, asked: Asked) -> AgentRunResult[ResultDataT]:
        """Run to the end without streaming, from the same events."""
        record = self._record(asked, stream=False)
        run = record.run
        events = RunEvents(record, steps=False)
        async for _ in events:
            pass
        assert run.result is not None
        content = record.content(run.result.data)
        whole = record.whole(content, RunEvent.run_response, finish_reason=record.finish_reason)
        known = {each.name: getattr(whole, each.name) for each in dataclasses.fields(whole)}
        return AgentRunResult(**known, _result_tool_name=run.result.tool_name)

    def _record(self, asked: Asked, *, stream: bool) -> Record:
        run = self._start(asked, stream=stream)
        session_id, user_id = asked.session_id or self.session_id, asked.user_id or self.user_id
        labels = Labels(self.agent_id, session_id, self.session_name, user_id)
        return Record(run, labels, added=asked.added, shows_calls=self.show_tool_calls)

    def _start(self, asked: Asked, *, stream: bool) -> Run[ResultDataT]:
        if self.debug_mode:
            listen()
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
            Starting._instrument_all if self.instrument is None else self.instrument,
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
            debug=self.debug_mode,
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
