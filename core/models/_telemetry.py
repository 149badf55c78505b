"""Messages as the events of OpenTelemetry's conventions for generative AI. Nothing here imports OpenTelemetry.

Source: OpenTelemetry semantic conventions, "Generative AI events" (gen_ai.system.message, gen_ai.user.message,
gen_ai.assistant.message, gen_ai.tool.message, gen_ai.choice), as of 1.30, which the first face of the engine follows.
"""

from __future__ import annotations

import json
import sys
import urllib.parse
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import pydantic_core

from core.messages import (
    ModelMessage,
    ModelRequest,
    ModelRequestPart,
    ModelResponse,
    RetryPromptPart,
    SystemPromptPart,
    TextPart,
    ToolCallPart,
    ToolReturnPart,
    UserPromptPart,
)

if TYPE_CHECKING:
    from core.models.base import Model

__all__ = ["Event", "as_json", "choices_of", "events_of", "jsonable", "model_attributes", "note_who_answers"]


class Event(NamedTuple):
    """One event. `attributes` has its name too, under "event.name", where backends look for it."""

    name: str
    body: Any
    attributes: dict[str, Any]

    def flat(self) -> dict[str, Any]:
        """Body and attributes in one, as in a span's attribute."""
        body = self.body if isinstance(self.body, Mapping) else {"body": self.body} if self.body else {}
        return {**body, **self.attributes}


def events_of(messages: Sequence[ModelMessage]) -> list[Event]:
    """What was said, one event for each part; "gen_ai.message.index" says which message it is of."""
    events: list[Event] = []
    for at, message in enumerate(messages):
        if isinstance(message, ModelRequest):
            told = [
                _of_part(part) for part in message.parts if hasattr(part, "part_kind")
            ]  # a stray one breaks nothing
        else:
            told = _of_response(message)
        for name, body in told:
            events.append(Event(name, jsonable(body), {"gen_ai.message.index": at, "event.name": name}))
    return events


def choices_of(response: ModelResponse) -> list[Event]:
    """An answer as the choice of the model."""
    why = {"finish_reason": response.finish_reason} if response.finish_reason else {}
    return [
        Event("gen_ai.choice", {"index": 0, **why, "message": jsonable(body)}, {"event.name": "gen_ai.choice"})
        for _, body in _of_response(response)
    ]


def _of_part(part: ModelRequestPart) -> tuple[str, dict[str, Any]]:
    match part:
        case SystemPromptPart():
            return "gen_ai.system.message", {"content": part.content, "role": "system"}
        case UserPromptPart():
            content = part.content
            if not isinstance(content, str):  # what is no text is only named: it may be large
                content = [item if isinstance(item, str) else {"kind": item.kind} for item in content]  # type: ignore[misc]  # JSON now
            return "gen_ai.user.message", {"content": content, "role": "user"}
        case ToolReturnPart():
            return _of_tool(part, part.content)
        case RetryPromptPart(tool_name=None):
            return "gen_ai.user.message", {"content": part.model_response(), "role": "user"}
        case RetryPromptPart():
            return _of_tool(part, part.model_response())


def _of_tool(part: ToolReturnPart | RetryPromptPart, content: Any) -> tuple[str, dict[str, Any]]:
    body = {"content": content, "role": "tool", "id": part.tool_call_id, "name": part.tool_name}
    return "gen_ai.tool.message", body


def _of_response(response: ModelResponse) -> list[tuple[str, dict[str, Any]]]:
    """One event with the calls and the text; each further text is an event of its own."""
    bodies: list[dict[str, Any]] = [{"role": "assistant"}]
    for part in response.parts:
        if isinstance(part, ToolCallPart):
            function = {"name": part.tool_name, "arguments": part.args}
            call = {"id": part.tool_call_id, "type": "function", "function": function}
            bodies[-1].setdefault("tool_calls", []).append(call)
        elif isinstance(part, TextPart):
            if bodies[-1].get("content"):
                bodies.append({"role": "assistant"})
            bodies[-1]["content"] = part.content
    return [("gen_ai.assistant.message", body) for body in bodies]


def model_attributes(model: Model) -> dict[str, str | int]:
    """Who is asked, and where."""
    attributes: dict[str, str | int] = {"gen_ai.system": model.system, "gen_ai.request.model": model.model_name}
    if base_url := model.base_url:
        try:
            where = urllib.parse.urlsplit(base_url)
            host, port = where.hostname, where.port
        except ValueError:  # what is no address is for whoever sends the request to refuse
            return attributes
        if host:
            attributes["server.address"] = host
        if port:
            attributes["server.port"] = port
    return attributes


def note_who_answers(asked: Model, answering: Model) -> None:
    """Say in the span of a request to `asked` that it is `answering` who answers it."""
    trace: Any = sys.modules.get("opentelemetry.trace")  # if nobody has imported it there is no span
    span = None if trace is None else trace.get_current_span()
    if span is not None and span.is_recording():
        attributes = getattr(span, "attributes", None) or {}
        if attributes.get("gen_ai.request.model") == asked.model_name:
            span.set_attributes(model_attributes(answering))


def jsonable(value: Any) -> Any:
    """`value` in the terms of JSON; what has none is its text. Telemetry never fails what it watches."""
    try:
        return pydantic_core.to_jsonable_python(value)
    except Exception:
        try:
            return str(value)
        except Exception as exc:
            return f"Unable to serialize: {exc}"


def as_json(value: Any) -> str:
    return json.dumps(jsonable(value))
