"""What agents and runs may be told beside what their types depend on: for type checkers, written once.

`Agent` and `Agent.run` say what each of them means.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Generic, Literal, TypeAlias

from typing_extensions import TypedDict, TypeVar

from core.agent._inputs import RunInputs
from core.agent._plan import EndStrategy
from core.agent.instrumentation import InstrumentationSettings
from core.messages import ModelMessage
from core.models.base import Model
from core.models.errors import UserError
from core.models.settings import ModelSettings
from core.models.usage import Usage, UsageLimits

__all__ = ["AgentOptions", "RunArguments", "RunOptions", "Texts", "refuse_what_nothing_honours"]

DepsT = TypeVar("DepsT", default=None)
Texts: TypeAlias = str | Callable[..., Any] | Sequence[str | Callable[..., Any]]


class AgentOptions(TypedDict, total=False):
    """What else an agent is made with."""

    system_prompt: str | Sequence[str]
    instructions: Texts | None
    name: str | None
    model_settings: ModelSettings | None
    result_tool_name: str
    result_tool_description: str | None
    result_retries: int | None
    defer_model_check: bool
    end_strategy: EndStrategy
    instrument: InstrumentationSettings | bool | None
    tool_timeout: float | None
    run_timeout: float | None
    agent_id: str | None
    session_id: str | None
    session_name: str | None
    user_id: str | None
    description: str | None
    markdown: bool
    show_tool_calls: bool
    debug_mode: bool
    tool_call_limit: int | None
    model_retries: int
    delay_between_retries: float
    exponential_backoff: bool
    storage: None
    monitoring: Literal[False]
    telemetry: Literal[False]


class RunOptions(TypedDict, Generic[DepsT], total=False):
    """What else a run is given."""

    message_history: Sequence[ModelMessage] | None
    model: Model | str | None
    deps: DepsT
    model_settings: ModelSettings | None
    usage_limits: UsageLimits | None
    usage: Usage | None
    infer_name: bool
    run_timeout: float | None


class RunArguments(RunInputs, RunOptions[DepsT], Generic[DepsT], total=False):
    """The same, and what is said under Agno's names."""


def refuse_what_nothing_honours(storage: object, monitoring: object, telemetry: object) -> None:
    """Agno's parameters that this engine has nothing for: better refused than taken and forgotten.

    None and False ask for what is so anyway.   Raises UserError that names what to use instead.
    """
    if storage is not None:
        raise UserError(
            "`storage` cannot be used: an agent forgets a run when it is over. Keep `result.all_messages()`, as JSON"
            " `result.all_messages_json()`, and give it to the next run as `message_history=`"
        )
    for name, asked in (("monitoring", monitoring), ("telemetry", telemetry)):
        if asked:
            raise UserError(
                f"`{name}=True` cannot be used: nothing is ever sent to agno.com."
                " `instrument=True` tells OpenTelemetry of every run"
            )
