"""Chat completions on the wire: our messages out, their chunks in. Nothing here waits.

Source: OpenAI API reference, "Create chat completion" and "The chat completion chunk object"; the deviations of
compatible servers are named where they are tolerated.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping
from typing import Any

import pydantic_core

from core.messages import (
    AudioUrl,
    BinaryContent,
    DocumentUrl,
    ImageUrl,
    ModelMessage,
    ModelRequest,
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
from core.models._call_ids import CallIds, IdShape
from core.models._parts import ResponseParts
from core.models.base import ModelRequestParameters, ToolDefinition
from core.models.usage import Usage

__all__ = [
    "OPENAI_IDS",
    "ChunkReader",
    "SurrogateHalves",
    "as_chunk",
    "body_parts",
    "count_in",
    "data_url",
    "messages_out",
    "tools_out",
    "usage_in",
]


OPENAI_IDS = IdShape(r".{1,40}")
"""OpenAI refuses a tool call id of more than 40 characters."""


def messages_out(
    messages: list[ModelMessage], system_role: str, ids: IdShape = OPENAI_IDS, thoughts_as: str | None = None
) -> list[dict[str, Any]]:
    """The `messages` of a request.

    system_role: the role system prompts are sent under.   ids: what tool call ids may look like.
    thoughts_as: the field in which the server wants its thoughts back beside tool calls, None if it wants none.
    """
    call_ids = CallIds(ids)
    out: list[dict[str, Any]] = []
    for message in messages:
        if isinstance(message, ModelRequest):
            out += [_request_part(part, system_role, call_ids) for part in message.parts]
        elif (said := _response(message, call_ids, thoughts_as)) is not None:
            out.append(said)
    return out


def _request_part(
    part: SystemPromptPart | UserPromptPart | ToolReturnPart | RetryPromptPart, system_role: str, call_ids: CallIds
) -> dict[str, Any]:
    match part:
        case SystemPromptPart():
            return {"role": system_role, "content": part.content}
        case UserPromptPart(content=str() as text):
            return {"role": "user", "content": text}
        case UserPromptPart():
            return {"role": "user", "content": [_content(item) for item in part.content]}
        case ToolReturnPart():
            return _tool_message(call_ids.of_return(part), part.model_response_str())
        case RetryPromptPart(tool_name=None):
            return {"role": "user", "content": part.model_response()}
        case RetryPromptPart():
            return _tool_message(call_ids.of_return(part), part.model_response())


def _tool_message(call_id: str, content: str) -> dict[str, Any]:
    return {"role": "tool", "tool_call_id": call_id, "content": content}


def _content(item: UserContent) -> dict[str, Any]:
    match item:
        case str():
            return {"type": "text", "text": item}
        case ImageUrl():
            return {"type": "image_url", "image_url": {"url": item.url}}
        case BinaryContent() if item.is_image:
            return {"type": "image_url", "image_url": {"url": data_url(item)}}
        case BinaryContent() if item.is_audio:
            data = base64.b64encode(item.data).decode()
            return {"type": "input_audio", "input_audio": {"data": data, "format": item.format}}
        case BinaryContent(media_type="application/pdf"):
            return {"type": "file", "file": {"filename": "document.pdf", "file_data": data_url(item)}}
        case BinaryContent() if item.media_type.startswith("text/"):
            return {"type": "text", "text": item.data.decode("utf-8", "replace")}
        case BinaryContent():
            raise RuntimeError(f"Unsupported binary content type: {item.media_type}")
        case AudioUrl() | DocumentUrl():
            raise NotImplementedError(f"{type(item).__name__} is not supported by OpenAI chat completions")


def data_url(item: BinaryContent) -> str:
    return f"data:{item.media_type};base64,{base64.b64encode(item.data).decode()}"


def _response(message: ModelResponse, call_ids: CallIds, thoughts_as: str | None) -> dict[str, Any] | None:
    """An assistant message; None if there is nothing in it the API would take."""
    texts = [part.content for part in message.parts if isinstance(part, TextPart) and part.content]
    calls = [part for part in message.parts if isinstance(part, ToolCallPart)]
    if not texts and not calls:
        return None
    out: dict[str, Any] = {"role": "assistant", "content": "\n\n".join(texts) if texts else None}
    if calls:
        out["tool_calls"] = [
            {
                "id": call_ids.of_call(call),
                "type": "function",
                "function": {"name": call.tool_name, "arguments": call.args_as_json_str() or "{}"},
            }
            for call in calls
        ]
        thoughts = "".join(part.content for part in message.parts if isinstance(part, ThinkingPart))
        if thoughts_as and thoughts:
            out[thoughts_as] = thoughts
    return out


def tools_out(parameters: ModelRequestParameters, required: str | None = "required") -> dict[str, Any]:
    """The fields `tools` and `tool_choice`; none without tools.

    required: the server's word for "call one of them"; None leaves the choice out, for servers that know no such field.
    """
    tools = [*parameters.function_tools, *parameters.result_tools]
    if not tools:
        return {}
    out: dict[str, Any] = {"tools": [_tool(tool) for tool in tools]}
    if required is not None:
        out["tool_choice"] = "auto" if parameters.allow_text_result else required
    return out


def _tool(tool: ToolDefinition) -> dict[str, Any]:
    function = {"name": tool.name, "description": tool.description or "", "parameters": tool.parameters_json_schema}
    return {"type": "function", "function": function}


def count_in(value: object) -> int | None:
    """A number of tokens; some servers send it as text or as a float."""
    try:
        return max(0, int(float(value))) if isinstance(value, str | int | float) else None
    except (ValueError, OverflowError):
        return None


def usage_in(value: object, asked_as: str = "prompt", answered_as: str = "completion") -> Usage | None:
    """A `usage` object; it is the total of the response, so of several the last one counts.

    asked_as, answered_as: what the API calls the two sides, as in "prompt_tokens" and "prompt_tokens_details".
    """
    if not isinstance(value, dict):
        return None
    details: dict[str, int] = {}
    for side in (answered_as, asked_as):
        if isinstance(said := value.get(f"{side}_tokens_details"), dict):
            details |= {key: count for key, raw in said.items() if (count := count_in(raw)) is not None}
    asked, answered = count_in(value.get(f"{asked_as}_tokens")), count_in(value.get(f"{answered_as}_tokens"))
    total = count_in(value.get("total_tokens"))
    if total is None and asked is not None and answered is not None:
        total = asked + answered
    return Usage(request_tokens=asked, response_tokens=answered, total_tokens=total, details=details or None)


class SurrogateHalves:
    """Puts a surrogate pair that was cut in two halves, one in each delta, together again."""

    def __init__(self) -> None:
        self._half = ""

    def joined(self, text: str) -> str:
        """`text` after the half kept from before, without the half it ends with."""
        if not self._half and text.isascii():
            return text
        text, self._half = self._half + text, ""
        if not any("\ud800" <= char <= "\udfff" for char in text):
            return text
        if "\ud800" <= text[-1] <= "\udbff":
            text, self._half = text[:-1], text[-1]
        return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


class ChunkReader:
    """Reads the chunks of one response into parts.

    `finish_reason`, `usage` and `model` are what the chunks have said so far; `delivered` is True from the first chunk
    that holds anything of the answer.
    """

    def __init__(self, parts: ResponseParts, model_name: str) -> None:
        self._parts = parts
        self.model = model_name
        self.finish_reason: str | None = None
        self.usage: Usage | None = None
        self.refusal = False
        self.delivered = False
        self._halves = SurrogateHalves()
        self._calls = _CallHeads(parts)

    def read(self, chunk: Mapping[str, Any]) -> list[ModelResponseStreamEvent]:
        """The events of one chunk; what is missing or null in it is taken as empty."""
        events: list[ModelResponseStreamEvent] = []
        if (said := chunk.get("usage")) and (usage := usage_in(said)) is not None:
            self.usage = usage
        choices = chunk.get("choices")
        if not choices:
            return events
        self.model = chunk.get("model") or self.model
        choice = choices[0]
        if reason := choice.get("finish_reason"):
            self.finish_reason = str(reason)
            self.delivered = True
        # a compatible server that does not stream sends `message` in place of `delta`
        delta = choice.get("delta") or choice.get("message")
        if not delta:
            return events
        thought = delta.get("reasoning_content") or delta.get("reasoning")
        if thought and isinstance(thought, str):
            self.delivered = True
            events.append(self._parts.thinking(thought))
        if (content := delta.get("content") or delta.get("refusal")) and (text := self._text(content)):
            self.delivered = True
            events.append(self._parts.text(text))
        for at, call in enumerate(delta.get("tool_calls") or ()):
            self.delivered = True
            if (event := self._call(at, call)) is not None:
                events.append(event)
        return events

    def more(self, text: str) -> ModelResponseStreamEvent:
        """The event of a chunk that differs from the last one in nothing but its text, which is not empty."""
        return self._parts.text(self._halves.joined(text))

    def _text(self, content: Any) -> str:
        """Text as text, also where it comes as a list of parts."""
        if isinstance(content, list):
            content = "".join(str(part.get("text") or "") for part in content if isinstance(part, dict))
        return self._halves.joined(str(content))

    def _call(self, at: int, call: Mapping[str, Any]) -> ModelResponseStreamEvent | None:
        """A piece of a tool call."""
        function = call.get("function") or {}
        key, name, call_id = self._calls.of(at, call.get("index"), function.get("name") or None, call.get("id") or None)
        args = function.get("arguments")
        if isinstance(args, dict):
            args = pydantic_core.to_json(args).decode()
        return self._parts.call(key, name=name, args=args or None, call_id=call_id)


class _CallHeads:
    """Tells which call a piece of one belongs to, and what of its name and id is new.

    The index says which. Without one it is the id, or else the piece goes on with the last call. Some servers count
    nothing and give all calls the index 0: there a name under another id begins a call, once the arguments of the one
    before are whole. Some say name and id again with every piece.
    """

    def __init__(self, parts: ResponseParts) -> None:
        self._parts = parts
        self._last: object = None
        self._at: dict[object, object] = {}  # the call an index means by now
        self._heads: dict[object, tuple[str, str | None]] = {}  # what of name and id each call has so far

    def of(
        self, at: int, index: object, name: str | None, call_id: str | None
    ) -> tuple[object, str | None, str | None]:
        """The key of the call, and of `name` and `call_id` what it has not had yet.

        at: the place of the piece in its chunk.
        """
        key = self._key(at, index, name, call_id)
        self._last = key
        if name is None and call_id is None:
            return key, None, None
        known, known_id = self._heads.get(key, ("", None))
        if name == known:
            name = None
        self._heads[key] = (known + (name or ""), call_id or known_id)
        return key, name, call_id

    def _key(self, at: int, index: object, name: str | None, call_id: str | None) -> object:
        if index is None:
            key = ("id", call_id) if call_id else self._last
            return ("at", at, object()) if key is None or (name and not call_id) else key
        key = self._at.get(index, index)
        if name and call_id and key in self._heads:
            known_id = self._heads[key][1]
            if known_id is not None and call_id != known_id and self._parts.is_whole_call(key):
                key = self._at[index] = (index, call_id)
        return key


def body_parts(body: Mapping[str, Any], model_name: str) -> tuple[ModelResponse, Usage]:
    """A whole (not streamed) chat completion. Raises ValueError when it is none."""
    parts = ResponseParts()
    reader = ChunkReader(parts, model_name)
    if not body.get("choices"):
        raise ValueError("the answer has no choices")
    reader.read(as_chunk(body))
    response = ModelResponse(parts.parts(), reader.model, finish_reason=reader.finish_reason)
    return response, reader.usage or Usage()


def as_chunk(body: Mapping[str, Any]) -> dict[str, Any]:
    """A whole chat completion as one chunk; its tool calls get their indices."""
    choice = body["choices"][0]
    message = dict(choice.get("message") or {})
    message["tool_calls"] = [{**call, "index": at} for at, call in enumerate(message.get("tool_calls") or ())]
    return {**body, "choices": [{**choice, "delta": message}]}
