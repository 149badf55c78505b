"""Google's Generative Language API on the wire, outwards: our messages and tools. Nothing here waits.

Source: Gemini API reference, "Method: models.generateContent" and "models.streamGenerateContent", the guides "Function
calling", "Thought signatures", "Gemini thinking" and "File input methods"; docs of 2026-11.
"""

from __future__ import annotations

import base64
import contextlib
import urllib.parse
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
    RetryPromptPart,
    SystemPromptPart,
    TextPart,
    ThinkingPart,
    ToolCallPart,
    ToolReturnPart,
    UserContent,
    UserPromptPart,
)
from core.models._gemini_schema import gemini_schema
from core.models.base import ModelRequestParameters, ToolDefinition
from core.models.errors import UserError

__all__ = ["FOREIGN_SIGNATURE", "OWN_ID", "conversation_out", "tools_out"]

FOREIGN_SIGNATURE = "skip_thought_signature_validator"
"""What the guide "Thought signatures" gives for calls that another model made."""

OWN_ID = "call_gemini_"
"""How ids begin that we gave to calls because Gemini did not; they are never sent to it."""

_BEFORE = "(The beginning of this conversation is not shown.)"
_SILENCE = "(no text)"


def conversation_out(messages: list[ModelMessage], model_name: str) -> dict[str, Any]:
    """The fields `contents` and `systemInstruction` of a request.

    Turns alternate and begin with the person: what follows in the same role is one turn, and a history whose beginning
    was cut off gets a first line.   Raises UserError for media the model does not take.
    """
    system = [
        {"text": part.content}
        for message in messages
        if isinstance(message, ModelRequest)
        for part in message.parts
        if isinstance(part, SystemPromptPart) and part.content
    ]
    contents: list[dict[str, Any]] = []
    for message in messages:
        if isinstance(message, ModelRequest):
            role, parts = "user", _request(message, model_name)
        else:
            role, parts = "model", _response(message, model_name)
        if not parts:
            continue
        if contents and contents[-1]["role"] == role:
            contents[-1]["parts"] += parts
        else:
            contents.append({"role": role, "parts": parts})
    if not contents or contents[0]["role"] == "model":
        contents.insert(0, {"role": "user", "parts": [{"text": _BEFORE if contents else _SILENCE}]})
    return {"contents": contents, **({"systemInstruction": {"parts": system}} if system else {})}


def _request(message: ModelRequest, model_name: str) -> list[dict[str, Any]]:
    """The parts of a person's turn: first what tools gave back, as it answers the calls right before."""
    returns: list[dict[str, Any]] = []
    others: list[dict[str, Any]] = []
    for part in message.parts:
        match part:
            case SystemPromptPart():
                pass
            case UserPromptPart(content=str() as text):
                others += [{"text": text}] if text else []
            case UserPromptPart():
                others += [_content(item, model_name) for item in part.content if item]
            case ToolReturnPart():
                returns.append(_function_response(part, {"output": _returned(part)}))
            case RetryPromptPart(tool_name=None):
                others.append({"text": part.model_response()})
            case RetryPromptPart():
                returns.append(_function_response(part, {"error": part.model_response()}))
    return returns + others


def _function_response(part: ToolReturnPart | RetryPromptPart, response: dict[str, Any]) -> dict[str, Any]:
    return {"functionResponse": {**_id(part.tool_call_id), "name": part.tool_name, "response": response}}


def _returned(part: ToolReturnPart) -> Any:
    """What a tool gave back, as JSON can hold it."""
    return part.content if isinstance(part.content, str) else pydantic_core.from_json(part.model_response_str())


def _id(call_id: str | None) -> dict[str, str]:
    return {"id": call_id} if call_id and not call_id.startswith(OWN_ID) else {}


def _content(item: UserContent, model_name: str) -> dict[str, Any]:
    match item:
        case str():
            return {"text": item}
        case BinaryContent(media_type=kind) if _is_text(kind):
            return {"text": item.data.decode("utf-8", "replace") or _SILENCE}
        case BinaryContent(media_type=kind) if kind.startswith(("image/", "audio/", "video/")):
            return _inline(item)
        case BinaryContent(media_type="application/pdf"):
            return _inline(item)
        case BinaryContent():
            raise UserError(f"Gemini reads images, sounds, videos, PDF and text, but not {item.media_type}")
        case ImageUrl() | AudioUrl() | DocumentUrl():
            return _file(item, model_name)


def _is_text(media_type: str) -> bool:
    return media_type.startswith("text/") or media_type in ("application/json", "application/xml")


def _inline(item: BinaryContent) -> dict[str, Any]:
    return {"inlineData": {"mimeType": item.media_type, "data": base64.b64encode(item.data).decode()}}


def _file(item: ImageUrl | AudioUrl | DocumentUrl, model_name: str) -> dict[str, Any]:
    """An address Google fetches itself: of its Files API, of a YouTube video, or any other but for older models."""
    where = urllib.parse.urlsplit(item.url)
    host = where.hostname or ""
    youtube = host in ("youtu.be", "youtube.com", "www.youtube.com", "m.youtube.com")
    own = host == "generativelanguage.googleapis.com" or where.scheme == "gs"
    if not (own or youtube):
        if where.scheme not in ("http", "https") or not host:
            raise UserError(f"Gemini can only fetch http:// and https:// addresses; send {item.kind} as BinaryContent")
        if model_name.startswith(("gemini-1.", "gemini-2.0")):
            raise UserError(f"{model_name} does not fetch addresses; send {item.kind} as BinaryContent")
    data = {"fileUri": item.url}
    if not youtube:
        # where no extension tells, Google goes by what it is served
        with contextlib.suppress(ValueError, RuntimeError):
            data["mimeType"] = item.media_type
    return {"fileData": data}


def _is_from_google(message: ModelResponse, model_name: str) -> bool:
    """Whether signatures in `message` are Google's; those of others it refuses."""
    return message.model_name == model_name or (message.model_name or "").startswith("gemini")


def _response(message: ModelResponse, model_name: str) -> list[dict[str, Any]]:
    """The parts of a model's turn; thoughts only where they are signed, as Gemini reads no others."""
    google = _is_from_google(message, model_name)
    parts: list[dict[str, Any]] = []
    first_call = True
    for part in message.parts:
        signed = {"thoughtSignature": part.signature} if part.signature and google else {}
        match part:
            case TextPart() if part.content or signed:
                parts.append({"text": part.content, **signed})
            case ThinkingPart() if signed:
                parts.append({"text": part.content, "thought": True, **signed})
            case ToolCallPart():
                if first_call and not signed and _insists_on_signatures(model_name):
                    signed = {"thoughtSignature": FOREIGN_SIGNATURE}
                first_call = False
                call = {**_id(part.tool_call_id), "name": part.tool_name, "args": _args(part)}
                parts.append({"functionCall": call, **signed})
            case _:
                pass
    return parts


def _insists_on_signatures(model_name: str) -> bool:
    """From Gemini 3 on, the first call of a step must be signed; an alias stands for a newer model."""
    return model_name.startswith("gemini-") and not model_name.startswith(("gemini-1.", "gemini-2."))


def _args(part: ToolCallPart) -> dict[str, Any]:
    """The arguments; what a model got wrong is shown to it as text, as Gemini takes only objects, and NaN is null."""
    try:
        args = part.args_as_dict()
    except ValueError:
        return {"invalid_json": part.args_as_json_str()}
    with contextlib.suppress(ValueError):  # half a surrogate pair, which `json_bytes` takes care of
        args = pydantic_core.from_json(pydantic_core.to_json(args, inf_nan_mode="null"))
    return args


def tools_out(parameters: ModelRequestParameters, mode: str | None) -> dict[str, Any]:
    """The fields `tools` and `toolConfig`; none without tools.

    mode: AUTO, ANY, NONE or VALIDATED in place of what follows from `parameters`.
    """
    tools = [*parameters.function_tools, *parameters.result_tools]
    if not tools:
        return {}
    config: dict[str, Any] = {"mode": mode or ("AUTO" if parameters.allow_text_result else "ANY")}
    if config["mode"] == "ANY":
        config["allowedFunctionNames"] = [tool.name for tool in tools]
    declared = [_declaration(tool) for tool in tools]
    return {"tools": [{"functionDeclarations": declared}], "toolConfig": {"functionCallingConfig": config}}


def _declaration(tool: ToolDefinition) -> dict[str, Any]:
    declared: dict[str, Any] = {"name": tool.name, "description": tool.description or ""}
    if (schema := gemini_schema(tool.parameters_json_schema)) is not None:
        declared["parametersJsonSchema"] = schema
    return declared
