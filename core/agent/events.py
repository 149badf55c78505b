"""The event stream of a run: what the chat side, and everybody who shows a run while it goes, reads."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Generator, Iterator, Sequence
from contextlib import aclosing
from dataclasses import dataclass, replace
from time import time
from typing import Any

from core.agent._run import LoopEvent, ResponseEnded, Run, RunEnded
from core.agent.extra import ReasoningStep, RunResponseExtraData
from core.agent.response import RunEvent, RunResponse, args_of, call_line, metric_lists, metrics_of
from core.messages import (
    FunctionToolCallEvent,
    FunctionToolResultEvent,
    ModelMessage,
    ModelResponse,
    PartDeltaEvent,
    PartStartEvent,
    RetryPromptPart,
    TextPart,
    TextPartDelta,
    ThinkingPart,
    ThinkingPartDelta,
    ToolCallPart,
    ToolReturnPart,
    UserContent,
)
from core.models.usage import Usage

__all__ = ["RunEvents"]


@dataclass(frozen=True, slots=True)
class Labels:
    """What the responses of a run are labelled with, for whoever keeps them."""

    agent_id: str
    session_id: str | None
    session_name: str | None
    user_id: str | None


class Record:
    """What is known of a run so far, in the shape of a `RunResponse`: its text, tools and metrics.

    shows_calls: the calls of tools stand in the text, unless the run comes to something else than text.
    """

    def __init__(
        self, run: Run[Any], labels: Labels, *, added: Sequence[ModelMessage] = (), shows_calls: bool = False
    ) -> None:
        self.run = run
        self.added = added
        self.labels = labels
        self._shows_calls = shows_calls and not run.plan.result.tools
        self._call_lines: list[str] = []
        self.model = run.plan.model.model_name
        self.created_at = int(time())
        self.tools: list[dict[str, Any]] = []
        self.entries: list[dict[str, Any]] = []
        self.finish_reason: str | None = None
        self._text: list[str] = []
        self._between = ""
        self._thinking: list[str] = []
        self._started: dict[str, tuple[dict[str, Any], float]] = {}
        self._known: dict[str, Any] | None = None  # what pieces of text have in common until something else happens

    def text(self) -> str:
        """Everything the model has said in this run, the texts of its responses apart by an empty line."""
        return "".join(self._text)

    def thinking(self) -> str | None:
        return "".join(self._thinking) or None

    def begin_text(self) -> None:
        """The next piece of text begins a part of its own."""
        said = self._text[-1] if self._text else ""
        self._between = "\n\n" if said and not said.endswith(tuple(self._call_lines[-1:])) else ""

    def add_call(self, line: str) -> str:
        """Take in that a tool is called; what to show for it is given back, "" if calls are not shown."""
        if not self._shows_calls:
            return ""
        self.begin_text()
        self._call_lines.append(f" - Running: {line}\n\n")
        return self.add_text(self._call_lines[-1])

    def content(self, data: Any) -> Any:
        """What the result of the run is shown as: below the calls that it took, if they are shown."""
        return "".join([*self._call_lines, data]) if self._call_lines else data

    def add_text(self, text: str) -> str:
        """Take a piece of text in; what to show for it is given back."""
        if self._between:
            text, self._between = self._between + text, ""
        self._text.append(text)
        return text

    def add_thinking(self, text: str) -> None:
        self._thinking.append(text)

    def start_call(self, call: ToolCallPart) -> str:
        args = args_of(call)
        entry = {
            "content": None,
            "tool_call_id": call.tool_call_id,
            "tool_name": call.tool_name,
            "tool_args": args,
            "tool_call_error": None,
            "metrics": None,
            "created_at": int(time()),
        }
        self.tools.append(entry)
        self._started[call.tool_call_id or call.tool_name] = (entry, asyncio.get_running_loop().time())
        return call_line(call.tool_name, args)

    def end_call(self, event: FunctionToolResultEvent) -> str:
        entry, started = self._started.pop(event.tool_call_id, ({}, 0.0))
        seconds = asyncio.get_running_loop().time() - started
        result = event.result
        failed = isinstance(result, RetryPromptPart)
        entry |= {
            "content": _as_read(result),
            "tool_call_error": failed,
            "metrics": {"time": seconds},
        }
        line = call_line(result.tool_name or "", entry.get("tool_args"))
        return f"{line} {'failed' if failed else 'completed'} in {seconds:.4f}s"

    def end_response(self, event: ResponseEnded) -> None:
        self.finish_reason = event.response.finish_reason
        self.entries.append(metrics_of(event.usage, event.seconds, event.first))

    def response(self, content: Any, event: RunEvent = RunEvent.run_response) -> RunResponse:
        """An event with `content`, and what is known so far."""
        found, labels = self.run.findings, self.labels
        return RunResponse(
            content=content,
            event=event.value,
            messages=self.run.messages,
            model=self.model,
            run_id=self.run.run_id,
            agent_id=labels.agent_id,
            session_id=labels.session_id,
            session_name=labels.session_name,
            user_id=labels.user_id,
            tools=self.tools or None,
            images=found.images or None,
            videos=found.videos or None,
            audio=found.audio or None,
            extra_data=found.extra_data(),
            context=found.context(),
            created_at=self.created_at,
            _run=self.run,
        )

    def piece(self, text: str) -> RunResponse:
        """`response(text)` at a fifth of its price, as long as nothing but text comes; see `happened`."""
        if self._known is None:
            self._known = vars(self.response(""))
        piece = RunResponse.__new__(RunResponse)
        piece.__dict__.update(self._known)
        piece.content = text
        return piece

    def happened(self) -> None:
        """Something else than a piece of text has come: what is known may have changed."""
        self._known = None

    def whole(self, content: Any, event: RunEvent, **event_data: Any) -> RunResponse:
        """The last event of a run: everything there is to know of it."""
        known = {key: value for key, value in event_data.items() if value is not None}
        return replace(
            self.response(content, event),
            content_type=type(content).__name__,
            thinking=self.thinking(),
            metrics=metric_lists(self.entries),
            event_data=known or None,
            extra_data=self._extra_data(),
        )

    def _extra_data(self) -> RunResponseExtraData | None:
        """What the run gives beside its answer; None if there is nothing."""
        new = self.run.new_messages()
        before = self.run.messages[: len(self.run.messages) - len(new) - len(self.added)]
        thoughts = [
            (message, part.content)
            for message in new
            if isinstance(message, ModelResponse)
            for part in message.parts
            if isinstance(part, ThinkingPart) and part.content
        ]
        extra = RunResponseExtraData(references=[*self.run.findings.references] or None)
        extra.add_messages = [*self.added] or None
        extra.history = before or None
        extra.reasoning_steps = [ReasoningStep(text) for _, text in thoughts] or None
        thinking = {id(message): message for message, _ in thoughts}
        extra.reasoning_messages = [*thinking.values()] or None
        return extra if extra != RunResponseExtraData() else None


def _as_read(result: ToolReturnPart | RetryPromptPart) -> str:
    """What the model reads of a tool's answer."""
    return result.model_response() if isinstance(result, RetryPromptPart) else result.model_response_str()


class RunEvents(AsyncIterator[RunResponse]):
    """The events of one run, read once.

    Without `steps` only the deltas of the answer ("RunResponse") are given, and errors are raised. With `steps` there
    is more, and the last event is exactly one of "RunCompleted" (`content`: the whole text, or the typed result),
    "RunError" (`content`: what went wrong; `event_data["exception"]`; the exception is raised by the next read) and
    "RunCancelled" (`content`: the text so far).

    `cancel()` ends the run from any task of the same loop; `aclose()` ends it without another event, as does
    cancelling the task that reads. In each case reading the provider stops at once, the tools are cancelled, and
    `all_messages()` is a history to go on from. `run_response` is the last event, with the totals.
    """

    def __init__(self, record: Record, *, steps: bool) -> None:
        self._record = record
        self._steps = steps
        self._source = self._generate()
        self._reader: asyncio.Task[Any] | None = None
        self._cancel_asked: str | None = None
        self._over = False
        self._thinking = False  # the model thinks aloud, and has not begun to answer
        self.run_response: RunResponse | None = None

    def usage(self) -> Usage:
        """What the run has used so far."""
        return self._record.run.usage

    def all_messages(self) -> list[ModelMessage]:
        """The history as it is now."""
        return self._record.run.messages

    def new_messages(self) -> list[ModelMessage]:
        """The part of the history this run added."""
        return self._record.run.new_messages()

    def cancel(self, reason: str = "cancelled") -> None:
        """Stop the run: whoever reads gets the "RunCancelled" event next. Does nothing when the run is over."""
        if self._over or self._cancel_asked is not None:
            return
        self._cancel_asked = reason
        if self._reader is not None and self._reader is not asyncio.current_task():
            self._reader.cancel()

    def steer(self, content: str | Sequence[UserContent]) -> bool:
        """Say something to the model in its next request, as if the person had spoken again.

        Would the run end, it goes on instead. False when it is over already: then it is for the next run to say.
        """
        return self._cancel_asked is None and self._record.run.steer(content)

    async def aclose(self) -> None:
        """End the run, if it still goes on, without another event. Safe to call more than once.

        While another task reads, this is `cancel()`: that task ends the run.
        """
        if self._reader is not None and self._reader is not asyncio.current_task():
            self.cancel("closed")
            return
        await self._source.aclose()
        self._end(RunEvent.run_cancelled, "closed")

    def __await__(self) -> Generator[Any, None, RunEvents]:
        """These events: `arun(..., stream=True)` is awaited first in code written for Agno."""
        yield from ()  # nothing is waited for
        return self

    async def __aenter__(self) -> RunEvents:
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        await self.aclose()

    def __aiter__(self) -> RunEvents:
        return self

    async def __anext__(self) -> RunResponse:
        if self._over:
            return await anext(self._source)
        if self._is_cancelling():
            return await self._cancelled()
        task = self._reader = asyncio.current_task()
        asked_before = task.cancelling() if task is not None else 0
        try:
            return await anext(self._source)
        except asyncio.CancelledError:
            # ours only if nobody else asked for the cancellation of this task as well
            if self._is_cancelling() and task is not None and task.uncancel() <= asked_before:
                return await self._cancelled()
            self._end(RunEvent.run_cancelled, "task cancelled")
            raise
        finally:
            self._reader = None

    def _is_cancelling(self) -> bool:
        return self._cancel_asked is not None

    async def _cancelled(self) -> RunResponse:
        await self._source.aclose()
        self._end(RunEvent.run_cancelled, self._cancel_asked)
        if not self._steps or self.run_response is None:
            raise StopAsyncIteration
        return self.run_response

    def _end(self, event: RunEvent, reason: str | None) -> None:
        """Note how the run ended, unless it already has."""
        if not self._over:
            self._over = True
            self.run_response = self._record.whole(self._record.text(), event, reason=reason)

    async def _generate(self) -> AsyncGenerator[RunResponse, None]:
        record, steps = self._record, self._steps
        if steps:
            yield record.response("Run started", RunEvent.run_started)
        try:
            async with aclosing(record.run.events()) as events:
                async for event in events:
                    if type(event) is PartDeltaEvent and type(event.delta) is TextPartDelta:  # nearly always
                        if text := event.delta.content_delta:
                            yield record.piece(record.add_text(text))
                        continue
                    record.happened()
                    for response in self._shown(event):
                        yield response
        except Exception as exc:
            self._over = True
            self.run_response = record.whole(str(exc), RunEvent.run_error, exception=exc)
            if steps:
                yield self.run_response
            raise
        assert record.run.result is not None
        data = record.run.result.data
        self._over = True
        streamed = isinstance(data, str) and not record.run.plan.validators
        content = record.text() if streamed else record.content(data)
        self.run_response = record.whole(content, RunEvent.run_completed, finish_reason=record.finish_reason)
        if not isinstance(data, str):
            yield replace(record.response(data), content_type=type(data).__name__)
        if steps:
            yield record.response("Memory updated", RunEvent.updating_memory)
            yield self.run_response

    def _shown(self, event: LoopEvent) -> Iterator[RunResponse]:
        """What is shown of an event of the loop that is no piece of text."""
        record, steps = self._record, self._steps
        match event:
            case (
                PartDeltaEvent(delta=ThinkingPartDelta(content_delta=str() as text))
                | PartStartEvent(part=ThinkingPart(content=text))
            ):
                record.add_thinking(text)
                if steps and not self._thinking:
                    yield record.response("Reasoning started", RunEvent.reasoning_started)
                self._thinking = True
                if steps and text:
                    yield replace(record.response(text, RunEvent.reasoning_step), thinking=text)
                return
            case PartDeltaEvent():
                return
        if self._thinking:
            self._thinking = False
            if steps:
                yield record.response("Reasoning completed", RunEvent.reasoning_completed)
        match event:
            case PartStartEvent(part=TextPart(content=text)):
                record.begin_text()
                if text:
                    yield record.response(record.add_text(text))
            case FunctionToolCallEvent():
                line = record.start_call(event.part)
                if shown := record.add_call(line):
                    yield record.response(shown)
                if steps:
                    yield record.response(line, RunEvent.tool_call_started)
            case FunctionToolResultEvent():
                line = record.end_call(event)
                if steps:
                    yield record.response(line, RunEvent.tool_call_completed)
            case ResponseEnded():
                record.end_response(event)
            case RunEnded() | _:
                pass
