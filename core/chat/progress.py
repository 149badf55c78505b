"""Progress: a run's events folded into the answer so far."""

from __future__ import annotations

from dataclasses import dataclass, field

from core.agent.response import RunEvent, RunResponse
from core.chat import texts
from core.messages import ModelMessage
from core.models.usage import Usage
from core.replies.draft import Draft

_CUT = ("length", "max_tokens", "MAX_TOKENS")
"""How OpenAI, Anthropic and Google say that an answer ends at its token limit."""


@dataclass(slots=True)
class Progress:
    """What a run has said and used, as far as its events have come in."""

    text: str = ""
    status: str = texts.THINKING
    model: str = ""
    steps: int = 0
    first_delta_at: float | None = None
    last: RunResponse | None = field(default=None, repr=False)

    def apply(self, event: RunResponse, now: float) -> bool:
        """Take `event` in; True if what people should see has changed."""
        self.last = event
        self.model = event.model or self.model
        match event.event:
            case RunEvent.run_response.value if isinstance(event.content, str) and event.content:
                if self.first_delta_at is None:
                    self.first_delta_at = now
                self.text += event.content
                return True
            case RunEvent.tool_call_started.value:
                self.steps += 1
                name = event.tools[-1].get("tool_name") if event.tools else None
                self.status = texts.using(str(name)) if name else texts.THINKING
                return not self.text
            case RunEvent.tool_call_completed.value:
                self.status = texts.THINKING
                return not self.text
            case RunEvent.run_completed.value if event.content is not None and not self.text:
                self.text = event.get_content_as_string()  # an engine that does not stream, or a typed result
                return bool(self.text)
            case _:
                return False

    @property
    def was_cut(self) -> bool:
        """The model reached the most tokens it may write in one answer."""
        data = self.last.event_data if self.last is not None else None
        return bool(data and data.get("finish_reason") in _CUT)

    def draft(self) -> Draft:
        return Draft(self.text, status=self.status)

    def new_messages(self) -> list[ModelMessage]:
        return self.last.new_messages() if self.last is not None else []

    def usage(self) -> Usage:
        return self.last.usage() if self.last is not None else Usage()
