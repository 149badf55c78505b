"""OpenAI responses on the wire: our messages out, their items and events in. Nothing here waits.

Source: OpenAI API reference, "Create a model response" and "Streaming events" of the Responses API, as of openai-python
3.52. Events are told apart by their JSON `type`; `event:` lines may be missing.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from core.messages import (
    AudioUrl,
    BinaryContent,
    DocumentUrl,
    ImageUrl,
    ModelMessage,
    ModelResponse,
    ModelResponseStreamEvent,
    RetryPromptPart,
    SystemPromptPart,
    TextPart,
    ThinkingPart,
    ToolCallPart,
    ToolReturnPart,
    UserContent,
    UserPromptPart,
)
from core.models._call_ids import CallIds
from core.models._openai_wire import SurrogateHalves, data_url, usage_in
from core.models._parts import ResponseParts
from core.models.base import ModelRequestParameters, ToolDefinition
from core.models.errors import UserError
from core.models.usage import Usage

__all__ = ["ItemReader", "input_out", "response_tools_out"]

_SIGNED = "openai:"
"""Begins the signatures of this API: of a ThinkingPart with its item id and encrypted content, parted by a colon; of a
TextPart with its phase ("commentary" or "final_answer"), which newer models want back."""


def input_out(
    messages: list[ModelMessage], call_ids: CallIds, system_role: str | None = None
) -> tuple[str, list[dict[str, Any]]]:
    """`instructions` and the items of `input`. system_role: say system prompts as items of this role instead."""
    instructions: list[str] = []
    items: list[dict[str, Any]] = []
    for message in messages:
        if isinstance(message, ModelResponse):
            items += _response(message, call_ids)
            continue
        for part in message.parts:
            if isinstance(part, SystemPromptPart) and system_role is None:
                instructions.append(part.content)
            else:
                items.append(_request_part(part, call_ids, system_role))
    return "\n\n".join(text for text in instructions if text), items


def _request_part(
    part: SystemPromptPart | UserPromptPart | ToolReturnPart | RetryPromptPart,
    call_ids: CallIds,
    system_role: str | None,
) -> dict[str, Any]:
    match part:
        case SystemPromptPart():
            return {"role": system_role, "content": part.content}
        case UserPromptPart(content=str() as text):
            return {"role": "user", "content": text}
        case UserPromptPart():
            return {"role": "user", "content": [_content(item) for item in part.content]}
        case RetryPromptPart(tool_name=None):
            return {"role": "user", "content": part.model_response()}
        case ToolReturnPart() | RetryPromptPart():
            said = part.model_response_str() if isinstance(part, ToolReturnPart) else part.model_response()
            return {"type": "function_call_output", "call_id": call_ids.of_return(part), "output": said}


def _content(item: UserContent) -> dict[str, Any]:
    match item:
        case str():
            return {"type": "input_text", "text": item}
        case ImageUrl():
            return {"type": "input_image", "image_url": item.url, "detail": "auto"}
        case DocumentUrl():
            return {"type": "input_file", "file_url": item.url}
        case BinaryContent() if item.is_image:
            return {"type": "input_image", "image_url": data_url(item), "detail": "auto"}
        case BinaryContent() if item.media_type.startswith("text/"):
            return {"type": "input_text", "text": item.data.decode("utf-8", "replace")}
        case BinaryContent() if item.is_document:
            return {"type": "input_file", "filename": f"document.{item.format}", "file_data": data_url(item)}
        case AudioUrl() | BinaryContent():
            raise UserError(f"OpenAI responses take text, images and documents, not {item.media_type}")


def _response(message: ModelResponse, call_ids: CallIds) -> Iterator[dict[str, Any]]:
    """The items of a response. A reasoning item is sent only before what it led to: alone the API refuses it."""
    thoughts: list[dict[str, Any]] = []
    for part in message.parts:
        match part:
            case ThinkingPart():
                thoughts += _reasoning(part)
                continue
            case TextPart():
                if not part.content:
                    continue
                item: dict[str, Any] = {"role": "assistant", "content": part.content}
                if part.signature and part.signature.startswith(_SIGNED):
                    item["phase"] = part.signature.removeprefix(_SIGNED)
            case ToolCallPart():
                item = {
                    "type": "function_call",
                    "call_id": call_ids.of_call(part),
                    "name": part.tool_name,
                    "arguments": part.args_as_json_str() or "{}",
                }
        yield from thoughts
        thoughts = []
        yield item


def _reasoning(part: ThinkingPart) -> list[dict[str, Any]]:
    """A thought of this API as its item; of a thought of another provider, nothing."""
    if not part.signature or not part.signature.startswith(_SIGNED):
        return []
    item_id, _, encrypted = part.signature.removeprefix(_SIGNED).partition(":")
    summary = [{"type": "summary_text", "text": part.content}] if part.content else []
    return [{"type": "reasoning", "id": item_id, "summary": summary, "encrypted_content": encrypted}]


def response_tools_out(parameters: ModelRequestParameters) -> dict[str, Any]:
    """The fields `tools` and `tool_choice`; none without tools."""
    tools = [*parameters.function_tools, *parameters.result_tools]
    if not tools:
        return {}
    choice = "auto" if parameters.allow_text_result else "required"
    return {"tools": [_tool(tool) for tool in tools], "tool_choice": choice}


def _tool(tool: ToolDefinition) -> dict[str, Any]:
    # strict is on unless told otherwise, and takes only a part of JSON schema
    return {
        "type": "function",
        "name": tool.name,
        "description": tool.description or "",
        "parameters": tool.parameters_json_schema,
        "strict": False,
    }


class ItemReader:
    """Reads the events of one response into parts.

    Every text comes several times: in deltas, in the `done` event of its part, in that of its item, in the last event
    of the response. What was read before is counted, so that only what is new is given on, whichever of them a server
    leaves out.
    """

    def __init__(self, parts: ResponseParts, model_name: str) -> None:
        self._parts = parts
        self.model = model_name
        self.status: str | None = None
        self.incomplete: str | None = None
        self.usage: Usage | None = None
        self.delivered = False
        self.thinking = False
        self._calls = False
        self._read: dict[tuple[object, ...], int] = {}  # characters, by place
        self._signed: set[object] = set()
        self._last: tuple[str, object] | None = None  # what the last part is, and of which item
        self._unplaced = False  # a server that does not number the items
        self._halves = SurrogateHalves()

    @property
    def finish_reason(self) -> str | None:
        """Why the response ended, in the words of chat completions; None while it has not."""
        if self.status == "completed":
            return "tool_calls" if self._calls else "stop"
        if self.status == "incomplete":
            return "length" if self.incomplete in ("max_output_tokens", None) else self.incomplete
        return None

    def read(self, event: Mapping[str, Any]) -> Iterator[ModelResponseStreamEvent]:
        """What one event adds. An event of a kind not known adds nothing."""
        kind = str(event.get("type") or "")
        at = event.get("output_index")
        if at is None and (at := event.get("item_id")) is not None:
            self._unplaced = True
        match kind.removeprefix("response."):
            case "output_text.delta" | "refusal.delta":
                yield from self._text(at, event.get("content_index"), str(event.get("delta") or ""))
            case "output_text.done":
                yield from self._rest_of_text(at, event.get("content_index"), event.get("text"))
            case "refusal.done":
                yield from self._rest_of_text(at, event.get("content_index"), event.get("refusal"))
            case "content_part.done":
                yield from self._content(at, event.get("content_index"), event.get("part") or {})
            case "function_call_arguments.delta":
                yield from self._call(at, args=str(event.get("delta") or ""))
            case "function_call_arguments.done":
                yield from self._rest_of_args(at, event.get("arguments"))
            case "reasoning_summary_text.delta" | "reasoning_text.delta":
                yield from self._thought(at, _place(event), str(event.get("delta") or ""))
            case "reasoning_summary_text.done" | "reasoning_text.done":
                yield from self._rest_of_thought(at, _place(event), event.get("text"))
            case "output_item.added":
                yield from self._item_begins(at, event["item"])
            case "output_item.done":
                yield from self._item_ends(at, event["item"])
            case "created" | "in_progress" | "queued" | "completed" | "incomplete" | "failed" | "cancelled":
                yield from self.read_response(event.get("response") or {}, kind.removeprefix("response."))

    def read_response(self, body: Mapping[str, Any], kind: str | None = None) -> Iterator[ModelResponseStreamEvent]:
        """What a response object adds; kind: its status where it does not say one itself."""
        self.model = body.get("model") or self.model
        if (usage := usage_in(body.get("usage"), "input", "output")) is not None:
            self.usage = usage
        status = body.get("status") or kind
        if status in ("completed", "incomplete"):
            for at, item in enumerate(() if self._unplaced else body.get("output") or ()):
                yield from self._item_begins(at, item)
                yield from self._item_ends(at, item)
            self.delivered = True
        self.thinking = False
        self.status = status
        self.incomplete = (body.get("incomplete_details") or {}).get("reason")

    def _item_begins(self, at: object, item: Mapping[str, Any]) -> Iterator[ModelResponseStreamEvent]:
        match item.get("type"):
            case "reasoning":
                self.thinking = True
            case "function_call" if (at, "name") not in self._read:
                self._calls = True
                self._read[at, "name"] = 1
                yield from self._call(at, name=item.get("name"), call_id=item.get("call_id") or item.get("id"))

    def _item_ends(self, at: object, item: Mapping[str, Any]) -> Iterator[ModelResponseStreamEvent]:
        match item.get("type"):
            case "message":
                for index, part in enumerate(item.get("content") or ()):
                    yield from self._content(at, index, part)
                if (phase := item.get("phase")) and self._last == ("text", at):
                    self._parts.sign(f"{_SIGNED}{phase}")
            case "function_call":
                yield from self._item_begins(at, item)
                yield from self._rest_of_args(at, item.get("arguments"))
            case "reasoning":
                yield from self._reasoning_ends(at, item)

    def _reasoning_ends(self, at: object, item: Mapping[str, Any]) -> Iterator[ModelResponseStreamEvent]:
        self.thinking = False
        if at in self._signed or self._is_past(at):
            return
        for group, name in (("summary", "summary"), ("content", "reasoning")):
            for index, part in enumerate(item.get(group) or ()):
                yield from self._rest_of_thought(at, (name, index), part.get("text"))
        if encrypted := item.get("encrypted_content"):
            self._signed.add(at)
            yield self._think(at, None, f"{_SIGNED}{item.get('id') or ''}:{encrypted}")

    def _think(self, at: object, text: str | None, signature: str | None) -> ModelResponseStreamEvent:
        new = self._last != ("thought", at)
        self._last = "thought", at
        self.delivered = True
        return self._parts.thinking(text, signature, new=new)

    def _is_past(self, at: object) -> bool:
        """Whether something of a later item was read: a thought that comes now has lost its place."""
        return isinstance(at, int) and any(isinstance(place[0], int) and place[0] > at for place in self._read)

    def _content(self, at: object, index: object, part: Mapping[str, Any]) -> Iterator[ModelResponseStreamEvent]:
        if part.get("type") in ("output_text", "refusal", "text"):
            yield from self._rest_of_text(at, index, part.get("text") or part.get("refusal"))

    def _text(self, at: object, index: object, text: str) -> Iterator[ModelResponseStreamEvent]:
        place = (at, "text", index or 0)
        self._read[place] = self._read.get(place, 0) + len(text)
        if not (text := self._halves.joined(text)):
            return
        if self._last not in (("text", at), None) and self._last[0] == "text":
            text = "\n\n" + text  # messages apart, as paragraphs
        self._last = "text", at
        self.delivered = True
        yield self._parts.text(text)

    def _rest_of_text(self, at: object, index: object, text: object) -> Iterator[ModelResponseStreamEvent]:
        if isinstance(text, str) and (rest := text[self._read.get((at, "text", index or 0), 0) :]):
            yield from self._text(at, index, rest)

    def _thought(self, at: object, place: tuple[str, object], text: str) -> Iterator[ModelResponseStreamEvent]:
        key = (at, *place)
        if text and key not in self._read and any(read[0] == at for read in self._read):
            text = "\n\n" + text  # the parts of a summary apart, as paragraphs
            self._read[key] = -2
        self._read[key] = self._read.get(key, 0) + len(text)
        if text:
            yield self._think(at, text, None)

    def _rest_of_thought(
        self, at: object, place: tuple[str, object], text: object
    ) -> Iterator[ModelResponseStreamEvent]:
        if isinstance(text, str) and (rest := text[self._read.get((at, *place), 0) :]):
            yield from self._thought(at, place, rest)

    def _call(
        self, at: object, *, name: str | None = None, args: str | None = None, call_id: str | None = None
    ) -> Iterator[ModelResponseStreamEvent]:
        self._read[at, "args"] = self._read.get((at, "args"), 0) + len(args or "")
        self._last = "call", at
        self.delivered = True
        event = self._parts.call(("item", at), name=name, args=args or None, call_id=call_id)
        if event is not None:
            yield event

    def _rest_of_args(self, at: object, args: object) -> Iterator[ModelResponseStreamEvent]:
        if isinstance(args, str) and (rest := args[self._read.get((at, "args"), 0) :]):
            yield from self._call(at, args=rest)


def _place(event: Mapping[str, Any]) -> tuple[str, object]:
    """Where in its item a piece of a thought belongs."""
    if "summary_index" in event:
        return "summary", event["summary_index"]
    return "reasoning", event.get("content_index") or 0
