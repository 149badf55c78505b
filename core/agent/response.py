"""What a caller of a run reads: `RunResponse` and its events.

Source: Agno 1.1, RunResponse and RunEvent, with the two older fields `context` and `event_data`.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field, fields
from enum import StrEnum
from time import time
from typing import TYPE_CHECKING, Any

import pydantic
import pydantic_core

from core.agent.extra import MessageContext, RunResponseExtraData
from core.messages import ModelMessage, ModelMessagesTypeAdapter, ToolCallPart
from core.models.usage import Usage

if TYPE_CHECKING:
    from core.agent._run import Run

__all__ = ["RunEvent", "RunResponse"]


class RunEvent(StrEnum):
    """What a `RunResponse` tells of. Every run ends in exactly one of run_completed, run_error, run_cancelled."""

    run_started = "RunStarted"
    run_response = "RunResponse"
    run_completed = "RunCompleted"
    run_error = "RunError"
    run_cancelled = "RunCancelled"
    tool_call_started = "ToolCallStarted"
    tool_call_completed = "ToolCallCompleted"
    reasoning_started = "ReasoningStarted"
    reasoning_step = "ReasoningStep"
    reasoning_completed = "ReasoningCompleted"
    updating_memory = "UpdatingMemory"
    workflow_started = "WorkflowStarted"
    workflow_completed = "WorkflowCompleted"


@dataclass
class _Past:
    """What stays of a run in a response that was copied or stored: none of its model, its deps and its agent."""

    messages: list[ModelMessage]
    before: int
    usage: Usage

    def new_messages(self) -> list[ModelMessage]:
        return self.messages[self.before :]


@dataclass
class RunResponse:
    """One event of a run, or the whole of it.

    content: a delta of the answer (event "RunResponse"), the whole answer ("RunCompleted", and what `run` returns),
    else a line for people.   tools: the tool calls so far, each `content, tool_call_id, tool_name, tool_args,
    tool_call_error, metrics, created_at`.   metrics: lists with one entry a model response; tokens, and `time` and
    `time_to_first_token` in seconds.   event_data: `exception` of a RunError, `reason` of a RunCancelled,
    `finish_reason` of a RunCompleted.   extra_data, context: what was looked up, and the like (`core.agent.extra`).
    images, videos, audio: what tools handed over.   thinking: what the model thought aloud.
    response_audio, citations: None, as no provider here gives them.   created_at: seconds since the epoch.
    session_name, user_id: as the agent or the run was told.
    """

    content: Any | None = None
    content_type: str = "str"
    thinking: str | None = None
    event: str = RunEvent.run_response.value
    event_data: dict[str, Any] | None = None
    messages: list[ModelMessage] | None = None
    metrics: dict[str, Any] | None = None
    model: str | None = None
    run_id: str | None = None
    agent_id: str | None = None
    session_id: str | None = None
    workflow_id: str | None = None
    tools: list[dict[str, Any]] | None = None
    images: list[Any] | None = None
    videos: list[Any] | None = None
    audio: list[Any] | None = None
    response_audio: Any | None = None
    citations: Any | None = None
    context: list[MessageContext] | None = None
    extra_data: RunResponseExtraData | None = None
    created_at: int = field(default_factory=lambda: int(time()))
    session_name: str | None = None
    user_id: str | None = None
    _run: Run[Any] | _Past | None = field(default=None, repr=False, compare=False)

    def __getstate__(self) -> dict[str, Any]:
        """For pickle and copy: the response holds what it knows, and nothing it would have to share with the run."""
        state = self.__dict__.copy()
        if (run := self._run) is not None:
            state["_run"] = _Past(run.messages, len(run.messages) - len(run.new_messages()), run.usage)
        return state

    def usage(self) -> Usage:
        """What the run has used so far."""
        return self._run.usage if self._run is not None else Usage()

    def all_messages(self) -> list[ModelMessage]:
        """The history as it is now: what was passed in, and what this run added."""
        return self._run.messages if self._run is not None else list(self.messages or [])

    def new_messages(self) -> list[ModelMessage]:
        """The part of the history that this run added."""
        return self._run.new_messages() if self._run is not None else []

    def all_messages_json(self) -> bytes:
        return ModelMessagesTypeAdapter.dump_json(self.all_messages())

    def new_messages_json(self) -> bytes:
        return ModelMessagesTypeAdapter.dump_json(self.new_messages())

    def to_dict(self) -> dict[str, Any]:
        """Everything that is set, as JSON-able values: what is None is left out, also inside a pydantic `content`."""
        said: dict[str, Any] = {}
        for each in fields(self):
            if each.name.startswith("_") or (value := getattr(self, each.name)) is None:
                continue
            said[each.name] = _jsonable(each.name, value)
        return said

    def to_json(self) -> str:
        return json.dumps(self.to_dict(), indent=2)

    def get_content_as_string(self, **kwargs: Any) -> str:
        """The content as text: a string as it is, a pydantic model or anything else as JSON."""
        if isinstance(self.content, str):
            return self.content
        if isinstance(self.content, pydantic.BaseModel):
            return self.content.model_dump_json(exclude_none=True, **kwargs)
        return json.dumps(pydantic_core.to_jsonable_python(self.content), **kwargs)


def _jsonable(name: str, value: Any) -> Any:
    if name == "messages":
        return json.loads(ModelMessagesTypeAdapter.dump_json(value))
    if isinstance(value, pydantic.BaseModel):
        return value.model_dump(mode="json", exclude_none=True)
    if isinstance(value, RunResponseExtraData):
        return value.to_dict()
    return pydantic_core.to_jsonable_python(value, fallback=repr, bytes_mode="base64")


def args_of(call: ToolCallPart) -> Any:
    """The arguments of a tool call: an object, or what the model wrote where it is none."""
    try:
        return call.args_as_dict()
    except ValueError:
        return call.args


def call_line(name: str, args: Any) -> str:
    """A tool call for people: `get_weather(city=nyc)`."""
    if isinstance(args, dict):
        return f"{name}({', '.join(f'{key}={value}' for key, value in args.items())})"
    return f"{name}({args})" if args else f"{name}()"


def metrics_of(usage: Usage, seconds: float, first: float | None) -> dict[str, Any]:
    """The measures of one model response, with every key there may be.

    The provider's own counts stand in `additional_metrics`, and by their names once more beside the tokens they are
    part of.   seconds: of the whole response.   first: until its first event.
    """
    details = usage.details or {}
    asked = {key: count for key, count in details.items() if "cache" in key}
    answered = {key: count for key, count in details.items() if key.startswith(("reasoning", "thought"))}
    answered |= {key: count for key, count in details.items() if "prediction" in key}
    return {
        "input_tokens": usage.request_tokens,
        "output_tokens": usage.response_tokens,
        "total_tokens": usage.total_tokens,
        "prompt_tokens": usage.request_tokens,
        "completion_tokens": usage.response_tokens,
        "prompt_tokens_details": asked or None,
        "completion_tokens_details": answered or None,
        "additional_metrics": usage.details,
        "time": seconds,
        "time_to_first_token": first,
    }


def metric_lists(entries: Sequence[dict[str, Any]]) -> dict[str, list[Any]]:
    """From one dict a response to one list a measure."""
    lists: dict[str, list[Any]] = {}
    for entry in entries:
        for key, value in entry.items():
            lists.setdefault(key, []).append(value)
    return lists
