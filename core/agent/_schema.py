"""From a function to the JSON schema of its parameters, and from a model's arguments to the call.

The schema is a pydantic model with one field a parameter, and keeps the titles pydantic makes (who sends it decides
whether they are worth their tokens). It is made once a function and kept as long as the function lives, so that an
agent built per request pays for it once.
"""

from __future__ import annotations

import inspect
import types
import typing
import weakref
from collections.abc import Callable
from dataclasses import dataclass, is_dataclass
from typing import Annotated, Any

import pydantic
from pydantic.fields import FieldInfo
from pydantic_core import CoreSchema
from typing_extensions import is_typeddict  # knows its own kind and that of typing

from core.agent._threads import in_thread
from core.models.errors import UserError

__all__ = ["FunctionSchema", "function_schema", "is_object_type", "object_schema"]


@dataclass(frozen=True)
class _Parameter:
    name: str
    kind: inspect._ParameterKind
    field: str
    """The name of the field in the pydantic model; parameters may be called like methods of a model."""


@dataclass(frozen=True)
class FunctionSchema:
    """What a model needs to know of a function, and how to call it with what the model says.

    It does not hold the function, which could never be freed then.
    """

    description: str | None
    json_schema: dict[str, Any]
    takes_ctx: bool
    is_async: bool
    adapter: pydantic.TypeAdapter[Any]
    parameters: tuple[_Parameter, ...]
    single: inspect.Parameter | None
    """The one parameter that is an object itself, when the schema is its own."""
    takes_agent: bool = False
    """Whether a parameter `agent` receives the agent that runs; the model does not see it."""

    async def call(self, function: Callable[..., Any], args: str | dict[str, Any], ctx: Any) -> Any:
        """Call `function`; a plain one runs in a thread. Raises pydantic.ValidationError first."""
        positional, named = self._arguments(args)
        if self.takes_ctx:
            positional.insert(0, ctx)
        if self.takes_agent:
            named["agent"] = ctx.agent
        if self.is_async:
            return await function(*positional, **named)
        return await in_thread(function, *positional, **named)

    def _arguments(self, args: str | dict[str, Any]) -> tuple[list[Any], dict[str, Any]]:
        if isinstance(args, str):
            value = self.adapter.validate_json(args or "{}")
        else:
            value = self.adapter.validate_python(args)
        if self.single is not None:
            by_position = self.single.kind is inspect.Parameter.POSITIONAL_ONLY
            return ([value], {}) if by_position else ([], {self.single.name: value})
        positional: list[Any] = []
        named: dict[str, Any] = {}
        for parameter in self.parameters:
            match parameter.kind:
                case inspect.Parameter.POSITIONAL_ONLY:
                    positional.append(getattr(value, parameter.field))
                case inspect.Parameter.VAR_POSITIONAL:
                    # what stands before *args must be given by position too
                    positional += named.values()
                    named = {}
                    positional += getattr(value, parameter.field)
                case inspect.Parameter.VAR_KEYWORD:
                    named |= value.__pydantic_extra__ or {}
                case _:
                    named[parameter.name] = getattr(value, parameter.field)
        return positional, named


_made: weakref.WeakKeyDictionary[Callable[..., Any], dict[tuple[Any, ...], FunctionSchema]]
_made = weakref.WeakKeyDictionary()


def function_schema(
    function: Callable[..., Any],
    takes_ctx: bool | None,
    docstring_format: str,
    require_parameter_descriptions: bool,
) -> FunctionSchema:
    """The schema of `function`, from memory if it was made before. Raises UserError with everything that is wrong."""
    options = (takes_ctx, docstring_format, require_parameter_descriptions)
    try:
        kept = _made.setdefault(function, {})
    except TypeError:  # a callable without weak references or hash: made each time
        kept = {}
    if options not in kept:
        kept[options] = _make(function, *options)
    return kept[options]


def _make(
    function: Callable[..., Any], takes_ctx: bool | None, docstring_format: str, require_descriptions: bool
) -> FunctionSchema:
    target = function if inspect.isroutine(function) else type(function).__call__
    try:
        parameters = list(inspect.signature(function).parameters.values())
    except ValueError:  # a builtin that does not tell its signature
        raise UserError(f"Error generating schema for {_qualname(function)}:\n  no signature") from None
    hints = typing.get_type_hints(target, include_extras=True)
    errors: list[str] = []
    with_ctx = _takes_ctx(parameters, hints) if takes_ctx is None else takes_ctx
    if with_ctx and not (parameters and _is_ctx(hints.get(parameters[0].name))):
        # an unannotated first parameter is taken for the context, as far as `takes_ctx` says so
        if not parameters or parameters[0].name in hints:
            errors.append("First parameter of tools that take context must be annotated with RunContext[...]")
    elif not with_ctx and parameters and _is_ctx(hints.get(parameters[0].name)):
        errors.append("RunContext annotations can only be used with tools that take context")
    for parameter in parameters[1:]:
        if _is_ctx(hints.get(parameter.name)):
            where = "as the first argument" if with_ctx else "with tools that take context"
            errors.append(f"RunContext annotations can only be used {where}")
    said = parameters[1:] if with_ctx else parameters
    takes_agent = any(_is_agent(parameter, hints) for parameter in said)
    said = [parameter for parameter in said if not _is_agent(parameter, hints)]
    description, described = _read_docstring(function, docstring_format)
    if require_descriptions and (missing := [p.name for p in said if p.name not in described]):
        errors.append(f"Missing parameter descriptions for {', '.join(missing)}")
    if errors:
        raise UserError(f"Error generating schema for {_qualname(function)}:\n  " + "\n  ".join(errors))
    adapter, fields, single = _adapter(said, hints, described)
    schema = object_schema(adapter)
    if single is None:
        schema.pop("title", None)
        schema["additionalProperties"] = any(p.kind is inspect.Parameter.VAR_KEYWORD for p in said)
        for declared in said:  # which arguments may be left out is said by "required"
            if not isinstance(declared.default, FieldInfo):
                schema["properties"].get(declared.name, {}).pop("default", None)
    elif not description:
        description = schema.pop("description", None)
    return FunctionSchema(
        description,
        schema,
        with_ctx,
        inspect.iscoroutinefunction(target),
        adapter,
        fields,
        single,
        takes_agent,
    )


def _adapter(
    said: list[inspect.Parameter], hints: dict[str, Any], described: dict[str, str]
) -> tuple[pydantic.TypeAdapter[Any], tuple[_Parameter, ...], inspect.Parameter | None]:
    several = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
    alone = len(said) == 1 and said[0].default is said[0].empty and said[0].kind not in several
    if alone and is_object_type(hints.get((only := said[0]).name)):
        return pydantic.TypeAdapter(hints[only.name]), (), only
    parameters = tuple(_Parameter(p.name, p.kind, f"p{at}") for at, p in enumerate(said))
    fields: dict[str, Any] = {}
    base: type[pydantic.BaseModel] = _Arguments
    annotations: dict[str, Any] = {}
    for parameter, declared in zip(parameters, said, strict=True):
        hint = hints.get(parameter.name, Any)
        if parameter.kind is inspect.Parameter.VAR_KEYWORD:
            base = _FurtherArguments
            annotations["__pydantic_extra__"] = dict.__class_getitem__((str, hint))
            continue
        options: dict[str, Any] = {"alias": parameter.name}
        if (description := described.get(parameter.name)) and not _describes_itself(hint, declared.default):
            options["description"] = description
        if parameter.kind is inspect.Parameter.VAR_POSITIONAL:
            hint = list.__class_getitem__(hint)
            options["default_factory"] = list
        elif isinstance(declared.default, FieldInfo):
            hint = Annotated[hint, declared.default]
        elif declared.default is not declared.empty:
            options["default"] = declared.default
        fields[parameter.field] = (hint, pydantic.Field(**options))
    model: type[pydantic.BaseModel] = pydantic.create_model("Arguments", __base__=base, **fields)
    if annotations and annotations["__pydantic_extra__"] != dict[str, Any]:
        typed = {"__annotations__": annotations, "__module__": __name__}
        model = type("Arguments", (model,), typed)
    return pydantic.TypeAdapter(model), parameters, None


class _Arguments(pydantic.BaseModel):
    """Refuses arguments nobody asked for. As a setting, that would hold for dataclasses within the arguments too."""

    model_config = pydantic.ConfigDict(arbitrary_types_allowed=True)

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: pydantic.GetCoreSchemaHandler) -> CoreSchema:
        schema = handler(source)
        made: Any = schema
        while made["type"] != "model-fields":
            made = made["schema"]
        made.setdefault("extra_behavior", "forbid")
        return schema


class _FurtherArguments(_Arguments):
    """Takes them, for functions with **kwargs."""

    model_config = pydantic.ConfigDict(extra="allow")

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: pydantic.GetCoreSchemaHandler) -> CoreSchema:
        return handler(source)


def _is_ctx(hint: Any) -> bool:
    from core.agent.tools import RunContext

    return hint is RunContext or typing.get_origin(hint) is RunContext


def _is_agent(parameter: inspect.Parameter, hints: dict[str, Any]) -> bool:
    """Whether it is called `agent` and meant for the agent: annotated as one, or not at all."""
    from core.agent.agent import Agent

    if parameter.name != "agent" or parameter.kind is inspect.Parameter.POSITIONAL_ONLY:
        return False
    hint = hints.get("agent", Agent)
    options = typing.get_args(hint) if typing.get_origin(hint) in (typing.Union, types.UnionType) else (hint,)
    kinds = [typing.get_origin(option) or option for option in options]
    return any(isinstance(kind, type) and issubclass(kind, Agent) for kind in kinds)


def _takes_ctx(parameters: list[inspect.Parameter], hints: dict[str, Any]) -> bool:
    return bool(parameters) and _is_ctx(hints.get(parameters[0].name))


def _describes_itself(hint: Any, default: Any) -> bool:
    """Whether a description was given by `Field`, which goes over the docstring's."""
    said = [*getattr(hint, "__metadata__", ()), default]
    return any(isinstance(each, FieldInfo) and each.description for each in said)


def is_object_type(hint: Any) -> bool:
    """Whether values of `hint` are objects with named fields: a pydantic model, a dataclass, a TypedDict."""
    if not isinstance(hint, type):
        return False
    return issubclass(hint, pydantic.BaseModel) or is_dataclass(hint) or is_typeddict(hint)


def _qualname(function: Callable[..., Any]) -> str:
    return getattr(function, "__qualname__", type(function).__qualname__)


def _read_docstring(function: Callable[..., Any], style: str) -> tuple[str, dict[str, str]]:
    """The description of the function, and those of its parameters."""
    text = inspect.getdoc(function) or ""
    if "\n" not in text:
        return text, {}
    import docstring_parser

    styles = {
        "google": docstring_parser.DocstringStyle.GOOGLE,
        "numpy": docstring_parser.DocstringStyle.NUMPYDOC,
        "sphinx": docstring_parser.DocstringStyle.REST,
    }
    try:
        # under a line of our own, because a docstring that begins with its parameters is not understood
        parsed = docstring_parser.parse(f"_\n\n{text}", styles.get(style, docstring_parser.DocstringStyle.AUTO))
    except docstring_parser.ParseError:
        return text, {}
    described = {param.arg_name.lstrip("*"): param.description or "" for param in parsed.params}
    return (parsed.long_description or "").strip(), {name: said for name, said in described.items() if said}


def object_schema(adapter: pydantic.TypeAdapter[Any]) -> dict[str, Any]:
    """The JSON schema of an adapter's type, which must be an object. Raises UserError when it is not."""
    schema = adapter.json_schema()
    if "$ref" in schema:  # a type that refers to itself: its definition is the schema, and stays among the others
        found = schema["$defs"][schema["$ref"].rsplit("/", 1)[-1]]
        schema = {**found, "$defs": schema["$defs"]}
    if schema.get("type") != "object":
        raise UserError("Schema must be an object")
    return schema
