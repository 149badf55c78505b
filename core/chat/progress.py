"""Progress: a run's events folded into the answer so far."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from core.agent.response import RunEvent, RunResponse
from core.chat import texts
from core.messages import ModelMessage
from core.models.usage import Usage
from core.replies import Draft, ToolCall

_CUT = ("length", "max_tokens", "MAX_TOKENS")
"""How OpenAI, Anthropic and Google say that an answer ends at its token limit."""

_DELTA = RunEvent.run_response.value  # thousands of them come in one answer, and an Enum's `.value` takes its time
_LONGEST_THOUGHT = 1500
_FENCE_LINE = re.compile(r"\s*(?:`{3,}|~{3,})")


@dataclass(slots=True)
class Progress:
    """What a run has said and used, as far as its events have come in.

    text: the answer, in pieces until somebody asks.  body: what people are shown of it, with what the model thought
    quoted where it was thought if `shows_reasoning`; it only grows at its end.  status: the line that says what goes on
    while the text does not grow.
    with_files, with_references: the newest events that had some.
    """

    shows_reasoning: bool = False
    status: str = texts.THINKING
    model: str = ""
    steps: int = 0
    first_delta_at: float | None = None
    tools: dict[str, ToolCall] = field(default_factory=dict)
    last: RunResponse | None = field(default=None, repr=False)
    with_files: RunResponse | None = field(default=None, repr=False)
    with_references: RunResponse | None = field(default=None, repr=False)
    _text: list[str] = field(default_factory=list)
    _body: list[str] | None = None  # where it differs from the text
    _thought: str = ""
    _before_thought: str = ""

    @property
    def text(self) -> str:
        return _joined(self._text)

    @property
    def body(self) -> str:
        return _joined(self._text if self._body is None else self._body)

    @property
    def has_body(self) -> bool:
        """The same as `bool(body)`, for each of thousands of Deltas."""
        return bool(self._text if self._body is None else self._body)

    def apply(self, event: RunResponse, now: float) -> bool:
        """Take `event` in; True if what people should see has changed."""
        self.last = event
        if event.images or event.videos or event.audio:
            self.with_files = event
        if event.extra_data is not None and event.extra_data.references:
            self.with_references = event
        self.model = event.model or self.model
        if event.event == _DELTA:
            if not isinstance(event.content, str) or not event.content:
                return False
            if self.first_delta_at is None:
                self.first_delta_at = now
            self._add_text(event.content)
            return True
        match event.event:
            case RunEvent.reasoning_step.value if self.shows_reasoning:
                self._add_thought(event.thinking or (event.content if isinstance(event.content, str) else ""))
                return True
            case RunEvent.tool_call_started.value:
                self.steps += 1
                self._take_tools(event, ended=False)
                self.status = texts.using(self._running()) if self._running() else texts.THINKING
                return True
            case RunEvent.tool_call_completed.value:
                failed = self._take_tools(event, ended=True)
                if running := self._running():
                    self.status = texts.using(running)
                else:
                    self.status = texts.failing(failed) if failed else texts.THINKING
                return True
            case RunEvent.run_completed.value if event.content is not None and not self._text:
                self._add_text(event.get_content_as_string())  # an engine that does not stream, or a typed result
                return bool(self._text)
            case _:
                return False

    def _add_text(self, text: str) -> None:
        if not text:
            return
        self._text.append(text)
        self.status = ""
        if self._body is None:
            return
        if self._thought:
            self._thought = ""
            self._body.append("\n\n")
            text = text.lstrip("\n")
        self._body.append(text)

    def _add_thought(self, text: str) -> None:
        if not self._thought:
            self._before_thought = f"{self.body.rstrip()}\n\n" if self.body.strip() else ""
        self._thought += text
        self._body = [self._before_thought + quoted(self._thought)]

    def _take_tools(self, event: RunResponse, *, ended: bool) -> str:
        """Note how the tool calls stand, `event` telling that one began or `ended`. The name of one that has just
        failed is given back, "" if none has."""
        failed = ""
        for number, entry in enumerate(event.tools or ()):
            name, call_id = str(entry.get("tool_name") or ""), str(entry.get("tool_call_id") or number)
            before = self.tools.get(call_id)
            if not name or (before and before.state != "running"):
                continue
            self.tools[call_id] = ToolCall(call_id, name, _state_of(entry) if ended else "running")
            if self.tools[call_id].state == "failed":
                failed = name
        return failed

    def _running(self) -> list[str]:
        return [call.name for call in self.tools.values() if call.state == "running"]

    @property
    def doing(self) -> str:
        """What is being done, as it follows our name; "" while the text itself grows."""
        if not self.status:
            return ""
        return texts.is_using(running) if (running := self._running()) else texts.IS_THINKING

    @property
    def was_cut(self) -> bool:
        """The model reached the most tokens it may write in one answer."""
        data = self.last.event_data if self.last is not None else None
        return bool(data and data.get("finish_reason") in _CUT)

    def draft(self) -> Draft:
        return Draft(self.body, status=self.status, tools=tuple(self.tools.values()))

    def new_messages(self) -> list[ModelMessage]:
        return self.last.new_messages() if self.last is not None else []

    def usage(self) -> Usage:
        return self.last.usage() if self.last is not None else Usage()


def _joined(pieces: list[str]) -> str:
    """What `pieces` say together; they are one from then on."""
    if len(pieces) > 1:
        pieces[:] = ["".join(pieces)]
    return pieces[0] if pieces else ""


def _state_of(entry: Mapping[str, Any]) -> Literal["running", "done", "failed"]:
    error = entry.get("tool_call_error")
    if error is None and entry.get("content") is None:
        return "running"
    return "failed" if error else "done"


def quoted(thought: str) -> str:
    """What the model thought, as a quiet quotation; its code is shown as plain lines, so that no fence stays open."""
    shown = thought.strip()
    if len(shown) > _LONGEST_THOUGHT:
        shown = shown[:_LONGEST_THOUGHT].rstrip() + "…"
    lines = [line.replace("```", "'''") for line in shown.split("\n") if not _FENCE_LINE.match(line)]
    return "\n".join(f"> {line}".rstrip() for line in [f"💭 {lines[0]}" if lines else "💭", *lines[1:]])
