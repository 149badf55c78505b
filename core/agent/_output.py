"""The result a run must come to: text, or a value of a type through result tools."""

from __future__ import annotations

import inspect
import types
import typing
from dataclasses import dataclass
from typing import Any

import pydantic
from typing_extensions import TypeAliasType, TypedDict

from core.agent._schema import is_object_type, object_schema
from core.messages import ToolCallPart
from core.models.base import ToolDefinition

__all__ = ["ResultSchema", "ResultTool"]

_DESCRIPTION = "The final response which ends this conversation"


@dataclass(frozen=True)
class ResultTool:
    """A tool the model calls to end the run; its arguments are the result."""

    definition: ToolDefinition
    adapter: pydantic.TypeAdapter[Any]

    def validate(self, call: ToolCallPart, *, partial: bool = False) -> Any:
        """The result in `call`. partial: take what is there of arguments still streaming.

        Raises pydantic.ValidationError.
        """
        mode: Any = "trailing-strings" if partial else "off"
        if isinstance(call.args, str):
            value = self.adapter.validate_json(call.args or "{}", experimental_allow_partial=mode)
        else:
            value = self.adapter.validate_python(call.args, experimental_allow_partial=mode)
        key = self.definition.outer_typed_dict_key
        return value[key] if key else value


@dataclass(frozen=True)
class ResultSchema:
    """All ways a run may end."""

    allow_text_result: bool
    tools: dict[str, ResultTool]

    @classmethod
    def build(cls, result_type: Any, name: str, description: str | None) -> ResultSchema:
        """The schema for `result_type`; a union gives one tool a member, `str` in it allows text."""
        if result_type is str:
            return cls(True, {})
        members = _members(result_type)
        others = [member for member in members if member is not str]
        tools: dict[str, ResultTool] = {}
        for number, member in enumerate(others, 1):
            tool_name = unique = name if len(others) == 1 else f"{name}_{_type_name(member)}"
            while unique in tools:
                unique = f"{tool_name}_{number}"
            tools[unique] = _result_tool(member, unique, description, several=len(others) > 1)
        return cls(len(others) < len(members), tools)


def _members(result_type: Any) -> list[Any]:
    while isinstance(result_type, TypeAliasType):
        result_type = result_type.__value__
    if typing.get_origin(result_type) in (typing.Union, types.UnionType):
        return list(typing.get_args(result_type))
    return [result_type]


def _type_name(kind: Any) -> str:
    name = getattr(kind, "__name__", None) or str(kind)
    return "".join(char if char.isalnum() or char == "_" else "_" for char in name)


def _result_tool(kind: Any, name: str, description: str | None, *, several: bool) -> ResultTool:
    key = None
    adapter: pydantic.TypeAdapter[Any] = pydantic.TypeAdapter(kind)
    if not (is_object_type(kind) and _resolved(adapter.json_schema()).get("type") == "object"):
        key = "response"
        adapter = pydantic.TypeAdapter(_wrapped(kind))
    schema = object_schema(adapter)
    if key is not None:
        schema.pop("title", None)  # that of the wrapping, which says nothing
    if doc := schema.pop("description", None):
        doc = inspect.cleandoc(doc)
        said = f"{description}. {doc}" if description else doc
    else:
        said = description or _DESCRIPTION
        said = f"{_type_name(kind)}: {said}" if several else said
    return ResultTool(ToolDefinition(name, said, schema, key), adapter)


def _wrapped(kind: Any) -> Any:
    """A TypedDict with the one key `response`, made by hand because `kind` is known only now."""
    return types.new_class("Result", (TypedDict,), {}, lambda body: body.update(__annotations__={"response": kind}))


def _resolved(schema: dict[str, Any]) -> dict[str, Any]:
    if reference := schema.get("$ref"):
        found: dict[str, Any] = schema.get("$defs", {}).get(reference.rsplit("/", 1)[-1], {})
        return found
    return schema
