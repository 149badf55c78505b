"""What Google refuses in a request; the rules that clients break in practice."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterator
from typing import Any

__all__ = ["camel", "problem_of"]

_FIELDS = {
    "cachedContent",
    "contents",
    "generationConfig",
    "safetySettings",
    "systemInstruction",
    "toolConfig",
    "tools",
}
_GENERATION = {
    "candidateCount",
    "frequencyPenalty",
    "maxOutputTokens",
    "presencePenalty",
    "responseJsonSchema",
    "responseMimeType",
    "seed",
    "stopSequences",
    "temperature",
    "thinkingConfig",
    "topK",
    "topP",
}
_THINKING = {"includeThoughts", "thinkingBudget", "thinkingLevel"}
_DATA = {"text", "inlineData", "fileData", "functionCall", "functionResponse"}
_DECLARATION = {"name", "description", "parameters", "parametersJsonSchema", "response", "responseJsonSchema"}
_CALL = {"id", "name", "args"}
_RETURN = {"id", "name", "response"}
_FREE = {"args", "parametersJsonSchema", "response", "responseJsonSchema"}  # their keys are the caller's
_MODES = {"AUTO", "ANY", "NONE", "VALIDATED"}


def camel(value: Any) -> Any:
    """`value` with the fields of messages in camelCase; Google takes snake_case as well, and the SDK sends both."""
    if isinstance(value, list):
        return [camel(each) for each in value]
    if not isinstance(value, dict):
        return value
    out = {}
    for name, inner in value.items():
        first, *rest = name.split("_")
        key = first + "".join(map(str.capitalize, rest))
        out[key] = inner if key in _FREE else camel(inner)
    return out


def problem_of(body: Any, model: str) -> str | None:
    """What is wrong with `body`, None if nothing is."""
    for problem in _problems(body, model):
        return problem
    return None


def _unknown(value: dict[str, Any], known: set[str], where: str) -> Iterator[str]:
    for name in sorted(set(value) - known):
        yield f"Invalid JSON payload received. Unknown name \"{name}\" at '{where}': Cannot find field."


def _problems(body: Any, model: str) -> Iterator[str]:
    if not isinstance(body, dict):
        yield "Invalid JSON payload received."
        return
    yield from _unknown(body, _FIELDS, "request")
    config = body.get("generationConfig") or {}
    yield from _unknown(config, _GENERATION, "generation_config")
    yield from _unknown(config.get("thinkingConfig") or {}, _THINKING, "generation_config.thinking_config")
    yield from _tools(body)
    contents = body.get("contents")
    if not isinstance(contents, list) or not contents:
        yield "* GenerateContentRequest.contents: contents is not specified"
        return
    for turn in [*contents, body.get("systemInstruction") or {"parts": [{"text": "x"}]}]:
        yield from _unknown(turn, {"role", "parts"}, "contents")
        if turn.get("role", "user") not in ("user", "model"):
            yield "Please use a valid role: user, model."
        if not turn.get("parts"):
            yield "* GenerateContentRequest.contents.parts: contents.parts must not be empty."
        for part in turn.get("parts") or ():
            yield from _part(part)
    yield from _order(contents)
    if model.startswith("gemini-3"):
        yield from _signatures(contents)


def _tools(body: dict[str, Any]) -> Iterator[str]:
    declared = [each for tool in body.get("tools") or () for each in tool["functionDeclarations"]]
    names = [each.get("name") for each in declared]
    for each in declared:
        yield from _unknown(each, _DECLARATION, "tools[0].function_declarations[0]")
        if "parameters" in each and "parametersJsonSchema" in each:
            yield "parameters and parameters_json_schema are mutually exclusive"
        schema = each.get("parametersJsonSchema")
        if schema is not None and (schema.get("type") != "object" or not schema.get("properties")):
            yield "functionDeclaration parameters schema should be of type OBJECT with properties"
    if len(set(names)) < len(names):
        yield "Duplicate function declaration found"
    calling = (body.get("toolConfig") or {}).get("functionCallingConfig") or {}
    if calling.get("mode", "AUTO") not in _MODES:
        yield "Invalid value at 'tool_config.function_calling_config.mode'"
    allowed = calling.get("allowedFunctionNames")
    if allowed and calling.get("mode") not in ("ANY", "VALIDATED"):
        yield "Allowed function names should only be set when function calling mode is ANY."
    if calling and not declared:
        yield "Function calling config is set without function_declarations."
    if set(allowed or ()) - set(names):
        yield "allowed_function_names should be a subset of the function declarations"


def _part(part: dict[str, Any]) -> Iterator[str]:
    yield from _unknown(part, _DATA | {"thought", "thoughtSignature"}, "contents.parts")
    data = _DATA & set(part)
    if len(data) != 1:
        yield "contents.parts: required oneof field 'data' must have one initialized field"
    if part.get("text") == "" and not part.get("thoughtSignature"):
        yield "Unable to submit request because it must have a text parameter."
    yield from _unknown(part.get("functionCall") or {}, _CALL, "function_call")
    yield from _unknown(part.get("functionResponse") or {}, _RETURN, "function_response")
    for message, key in (("functionCall", "args"), ("functionResponse", "response")):
        if message in part and not isinstance(part[message].get(key), dict):
            yield f"Invalid value at 'contents.parts.{message}.{key}' (type.googleapis.com/google.protobuf.Struct)"
        if message in part and not part[message].get("name"):
            yield f"{message}.name: Name cannot be empty."
    for encoded in (part.get("thoughtSignature"), (part.get("inlineData") or {}).get("data")):
        if encoded is not None and not _is_base64(encoded):
            yield "Base64 decoding failed"


def _is_base64(value: str) -> bool:
    try:
        base64.b64decode(value.replace("-", "+").replace("_", "/"), validate=True)
    except binascii.Error:
        return False
    return True


def _order(contents: list[dict[str, Any]]) -> Iterator[str]:
    """Calls come right after the person's turn, and are answered, all of them, in the turn right after."""
    waiting: list[dict[str, Any]] = []
    for at, turn in enumerate(contents):
        calls = [part["functionCall"] for part in turn["parts"] if "functionCall" in part]
        returns = [part["functionResponse"] for part in turn["parts"] if "functionResponse" in part]
        if len(returns) != len(waiting):
            yield (
                "Please ensure that the number of function response parts is equal to the number of function call "
                "parts of the function call turn."
            )
        for asked, returned in zip(waiting, returns, strict=False):
            if (asked["name"], asked.get("id")) != (returned["name"], returned.get("id")):
                yield "Function response does not match its function call."
        if calls and (at == 0 or contents[at - 1].get("role") == "model" or turn.get("role") != "model"):
            yield (
                "Please ensure that function call turn comes immediately after a user turn or after a function "
                "response turn."
            )
        waiting = calls
    if waiting:
        yield "Please ensure that function response turn comes immediately after a function call turn."


def _signatures(contents: list[dict[str, Any]]) -> Iterator[str]:
    """Since the last text of the person, the first call of each step is signed."""
    start = 0
    for at, turn in enumerate(contents):
        if turn.get("role", "user") == "user" and any("text" in part for part in turn["parts"]):
            start = at
    for at, turn in enumerate(contents[start:], start):
        calls = [part for part in turn["parts"] if "functionCall" in part]
        if calls and not calls[0].get("thoughtSignature"):
            name = calls[0]["functionCall"]["name"]
            yield (
                "Function call is missing a thought_signature in functionCall parts. This is required for tools to "
                f"work correctly. Additional data, function call `default_api:{name}`, position {at + 1}."
            )
