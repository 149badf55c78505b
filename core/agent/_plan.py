"""What a run is asked to do, and the events of its loop."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Generic, Literal

from typing_extensions import TypeVar

from core.agent._again import Again
from core.agent._output import ResultSchema
from core.agent._prompts import Instructions, SystemPrompt, Validator
from core.agent.tools import Tool
from core.messages import (
    FinalResultEvent,
    FunctionToolCallEvent,
    FunctionToolResultEvent,
    ModelResponse,
    PartDeltaEvent,
    PartStartEvent,
    UserContent,
)
from core.models.base import Model
from core.models.settings import ModelSettings
from core.models.usage import Usage, UsageLimits

if TYPE_CHECKING:
    from opentelemetry.trace import Tracer

__all__ = ["EndStrategy", "FinalResult", "LoopEvent", "Plan", "ResponseEnded", "ResultDataT", "RunEnded"]

EndStrategy = Literal["early", "exhaustive"]
ResultDataT = TypeVar("ResultDataT", default=str, covariant=True)


@dataclass(frozen=True)
class FinalResult(Generic[ResultDataT]):
    """The result of a run; `tool_name` is None when the model simply wrote it."""

    data: ResultDataT
    tool_name: str | None = None
    tool_call_id: str | None = None


@dataclass(frozen=True, slots=True)
class ResponseEnded:
    """A model response is whole. Times in seconds since its request; `first` is None if it was empty."""

    response: ModelResponse
    usage: Usage
    seconds: float
    first: float | None


@dataclass(frozen=True, slots=True)
class RunEnded:
    """The run has come to its result."""

    result: FinalResult[Any]


LoopEvent = (
    PartStartEvent
    | PartDeltaEvent
    | ResponseEnded
    | FunctionToolCallEvent
    | FunctionToolResultEvent
    | FinalResultEvent
    | RunEnded
)


@dataclass(frozen=True)
class Plan:
    """What was asked for: everything a run needs and never changes."""

    prompt: str | Sequence[UserContent]
    model: Model
    deps: Any
    settings: ModelSettings | None
    limits: UsageLimits
    result: ResultSchema
    tools: dict[str, Tool[Any]]
    system_prompts: Sequence[SystemPrompt]
    instructions: Sequence[Instructions]
    validators: Sequence[Validator]
    end_strategy: EndStrategy
    result_retries: int
    tool_timeout: float | None
    stream: bool
    again: Again = field(default_factory=Again)
    tool_call_limit: int | None = None
    agent: Any = None
    run_timeout: float | None = None
    tracer: Tracer | None = None
    debug: bool = False
