"""JSON schemas as Gemini takes them.

Source: Gemini API reference, "FunctionDeclaration": `parametersJsonSchema` takes JSON Schema and excludes
`parameters`, the older OpenAPI subset, which knows neither `$ref` nor recursion. The keywords the model reads are those
listed under "GenerationConfig.responseJsonSchema" and in "Schema"; docs of 2026-11.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

__all__ = ["gemini_schema"]

_KEPT = {
    "$anchor",
    "$id",
    "$ref",
    "description",
    "format",
    "maxItems",
    "maxLength",
    "maxProperties",
    "maximum",
    "minItems",
    "minLength",
    "minProperties",
    "minimum",
    "pattern",
    "required",
    "title",
    "type",
}
_LISTS = ("anyOf", "oneOf", "prefixItems")
_MAPS = ("$defs", "properties")


def gemini_schema(schema: Mapping[str, Any]) -> dict[str, Any] | None:
    """The schema of a function's parameters; None when it has none, as Gemini wants nothing then.

    A reference at the top is followed, since the parameters have to be an object; others stay, so that recursive
    types work. `const` becomes an `enum` of one, `null` among types stays; what Gemini does not know is left out.
    """
    top = dict(schema)
    if isinstance(ref := top.get("$ref"), str):
        found = _definition(schema, ref)
        top = {**found, **{key: value for key, value in top.items() if key != "$ref"}}
    out = _translated(top)
    if not out.get("properties") and not out.get("additionalProperties") and not out.get("anyOf"):
        return None
    return {"type": "object", **out}


def _definition(schema: Mapping[str, Any], ref: str) -> Mapping[str, Any]:
    """What `#/$defs/Name` points to; an empty schema if there is nothing."""
    at: Any = schema
    for step in ref.removeprefix("#").split("/")[1:]:
        at = at.get(step.replace("~1", "/").replace("~0", "~")) if isinstance(at, Mapping) else None
    return at if isinstance(at, Mapping) else {}


def _translated(schema: Any) -> Any:
    if not isinstance(schema, Mapping):
        return schema  # true and false are schemas too
    out = {key: value for key, value in schema.items() if key in _KEPT}
    for key in _MAPS:
        if isinstance(named := schema.get(key), Mapping):
            out[key] = {name: _translated(each) for name, each in named.items()}
    for key in _LISTS:
        if isinstance(several := schema.get(key), list):
            out[key] = [_translated(each) for each in several]
    if isinstance(every := schema.get("allOf"), list):
        for each in every:  # pydantic wraps a lone reference like this to describe it
            if isinstance(each, Mapping):
                out = {**_translated(each), **out}
    for key in ("additionalProperties", "items"):
        if key in schema:
            out[key] = _translated(schema[key])
    choices = [schema["const"]] if "const" in schema else schema.get("enum")
    if isinstance(choices, list) and choices:
        out |= _choices(choices)
    return out


def _choices(values: list[Any]) -> dict[str, Any]:
    """An `enum`; Gemini's holds text and numbers, so that of others only their type is kept."""
    if all(isinstance(value, str) for value in values):
        return {"type": "string", "enum": values}
    if all(isinstance(value, int | float) and not isinstance(value, bool) for value in values):
        kind = "integer" if all(isinstance(value, int) for value in values) else "number"
        return {"type": kind, "enum": values}
    kinds = sorted({_kind(value) for value in values})
    return {"type": kinds[0] if len(kinds) == 1 else kinds}


def _kind(value: object) -> str:
    match value:
        case None:
            return "null"
        case bool():
            return "boolean"
        case int():
            return "integer"
        case float():
            return "number"
        case _:
            return "string"
