"""Answerer: whoever turns a question into a stream of run events. Parley's own Agent is one; any engine can be."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol, runtime_checkable

from core.agent.response import RunResponse
from core.ids import ThreadId, UserId
from core.messages import ModelMessage


@dataclass(frozen=True, slots=True)
class Asker:
    """The `deps` of every run: who asks, and where. Tools read it from `ctx.deps`."""

    user_id: UserId
    name: str
    thread_id: ThreadId


class Answerer(Protocol):
    """What a worker needs of an engine; `core.Agent` has it."""

    def run(
        self,
        user_prompt: str,
        *,
        message_history: Sequence[ModelMessage] | None,
        deps: Any,
        stream: Literal[True],
        stream_intermediate_steps: bool,
    ) -> AsyncIterator[RunResponse]:
        """Stream the run's events: deltas in `content` of RunResponse events, tool calls, and one ending.

        An error is raised to whoever iterates. After any ending, also a closed iterator, the last event's
        `new_messages()` and `usage()` say what the run added to the history and what it used.
        """
        ...


@runtime_checkable
class Steerable(Protocol):
    """What the events of an Answerer's run may be able to do besides; `core.agent.RunEvents` can."""

    def steer(self, content: str) -> bool:
        """Say something to the model in its next request. False when the run is over."""
        ...
