"""A model for tests: calls every tool once with the smallest data its schema allows, then answers."""

from __future__ import annotations

import string
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import date, timedelta
from typing import Any

import pydantic_core

from core.messages import (
    ModelMessage,
    ModelRequest,
    ModelResponse,
    ModelResponsePart,
    ModelResponseStreamEvent,
    RetryPromptPart,
    TextPart,
    ToolCallPart,
    ToolReturnPart,
)
from core.models.base import Model, ModelRequestParameters, StreamedResponse, ToolDefinition
from core.models.function import add_words, estimate_usage
from core.models.settings import ModelSettings
from core.models.usage import Usage

__all__ = ["TestModel"]


class TestModel(Model):
    """Calls tools, then answers 'success (no tool calls)' or JSON of what the tools returned.

    call_tools: names of the tools to call, or 'all'.   custom_result_text: the text to answer with.
    custom_result_args: the arguments for the result tool.   seed: varies the data it makes up.
    `last_model_request_parameters` holds what the last request allowed.
    """

    __test__ = False  # pytest takes classes called Test... for its own

    def __init__(
        self,
        call_tools: list[str] | str = "all",
        custom_result_text: str | None = None,
        custom_result_args: Any | None = None,
        seed: int = 0,
    ) -> None:
        self.call_tools = call_tools
        self.custom_result_text = custom_result_text
        self.custom_result_args = custom_result_args
        self.seed = seed
        self.last_model_request_parameters: ModelRequestParameters | None = None

    @property
    def model_name(self) -> str:
        return "test"

    @property
    def system(self) -> str:
        return "test"

    async def request(
        self,
        messages: list[ModelMessage],
        model_settings: ModelSettings | None,
        model_request_parameters: ModelRequestParameters,
    ) -> tuple[ModelResponse, Usage]:
        self.last_model_request_parameters = model_request_parameters
        response = ModelResponse(self._answer(messages, model_request_parameters), "test")
        return response, estimate_usage([*messages, response])

    @asynccontextmanager
    async def request_stream(
        self,
        messages: list[ModelMessage],
        model_settings: ModelSettings | None,
        model_request_parameters: ModelRequestParameters,
    ) -> AsyncIterator[StreamedResponse]:
        response, _ = await self.request(messages, model_settings, model_request_parameters)
        yield TestStreamedResponse(response, estimate_usage(messages))

    def gen_tool_args(self, tool_def: ToolDefinition) -> Any:
        """Arguments for a tool; override it to make up better ones."""
        return SchemaData(tool_def.parameters_json_schema, self.seed).generate()

    def _answer(self, messages: list[ModelMessage], parameters: ModelRequestParameters) -> list[ModelResponsePart]:
        wanted = self._wanted(parameters)
        if wanted and not any(isinstance(message, ModelResponse) for message in messages):
            return [self._call(tool) for tool in wanted]
        last = messages[-1] if messages else None
        parts = last.parts if isinstance(last, ModelRequest) else []
        retried = {part.tool_name for part in parts if isinstance(part, RetryPromptPart)}
        if retried:
            again: list[ModelResponsePart] = [self._call(tool) for tool in wanted if tool.name in retried]
            again += [self._result_call(tool) for tool in parameters.result_tools if tool.name in retried]
            if again:
                return again
        return [self._result(messages, parameters)]

    def _wanted(self, parameters: ModelRequestParameters) -> list[ToolDefinition]:
        if self.call_tools == "all":
            return parameters.function_tools
        known = {tool.name: tool for tool in parameters.function_tools}
        return [known[name] for name in self.call_tools]

    def _call(self, tool: ToolDefinition) -> ToolCallPart:
        return ToolCallPart(tool.name, self.gen_tool_args(tool))

    def _result_call(self, tool: ToolDefinition) -> ToolCallPart:
        if self.custom_result_args is None:
            return self._call(tool)
        args = self.custom_result_args
        if tool.outer_typed_dict_key:
            args = {tool.outer_typed_dict_key: args}
        return ToolCallPart(tool.name, args if isinstance(args, dict) else pydantic_core.to_jsonable_python(args))

    def _result(self, messages: list[ModelMessage], parameters: ModelRequestParameters) -> ModelResponsePart:
        if self.custom_result_text is not None:
            assert parameters.allow_text_result, "Plain response not allowed, but `custom_result_text` is set."
            assert self.custom_result_args is None, "Cannot set both `custom_result_text` and `custom_result_args`."
            return TextPart(self.custom_result_text)
        if self.custom_result_args is not None:
            assert parameters.result_tools, "No result tools provided, but `custom_result_args` is set."
        elif parameters.allow_text_result or not parameters.result_tools:
            return TextPart(_told(messages))
        return self._result_call(parameters.result_tools[self.seed % len(parameters.result_tools)])


def _told(messages: list[ModelMessage]) -> str:
    """What the tools of a conversation returned, as JSON."""
    returns = {
        part.tool_name: part.content
        for message in messages
        if isinstance(message, ModelRequest)
        for part in message.parts
        if isinstance(part, ToolReturnPart)
    }
    return pydantic_core.to_json(returns).decode() if returns else "success (no tool calls)"


class TestStreamedResponse(StreamedResponse):
    """A finished response, word by word; each word is counted when it is read."""

    __test__ = False

    def __init__(self, response: ModelResponse, usage: Usage) -> None:
        self._response = response
        self._usage = usage

    @property
    def model_name(self) -> str:
        return "test"

    async def _iterate(self) -> AsyncIterator[ModelResponseStreamEvent]:
        for key, part in enumerate(self._response.parts):
            if isinstance(part, TextPart):
                yield self.parts.text("")
                for word in _pieces(part.content):
                    add_words(self._usage, word)
                    yield self.parts.text(word)
            elif isinstance(part, ToolCallPart):
                yield self.parts.whole_call(key, part.tool_name, part.args, part.tool_call_id)


def _pieces(text: str) -> list[str]:
    """The words of `text` with the space after each; a single word in two halves, so that it streams too."""
    *words, last = text.split(" ")
    if not words and len(last) > 2:
        return [last[: len(last) // 2], last[len(last) // 2 :]]
    return [*(f"{word} " for word in words), last]


_chars = string.ascii_letters + string.digits + string.punctuation


class SchemaData:
    """Makes up a small value that a JSON schema allows. `seed` picks among those there are.

    Strings are single letters, numbers are near zero or the nearest bound, lists have one item where they may, objects
    have what is required. `TestModel` runs are repeatable because of it.
    """

    def __init__(self, schema: dict[str, Any], seed: int = 0) -> None:
        self._schema = schema
        self._definitions: dict[str, Any] = schema.get("$defs", {})
        self.seed = seed

    def generate(self) -> Any:
        return self._any(self._schema)

    def _any(self, schema: dict[str, Any]) -> Any:
        if "const" in schema:
            return schema["const"]
        for choice in ("enum", "examples"):
            if options := schema.get(choice):
                return options[self.seed % len(options)]
        if reference := schema.get("$ref"):
            return self._any(self._definitions[reference.rsplit("/", 1)[-1]])
        if options := schema.get("anyOf") or schema.get("oneOf"):
            return self._any(options[self.seed % len(options)])
        if whole := schema.get("allOf"):
            return self._any({key: value for part in whole for key, value in part.items()})
        kind = schema.get("type")
        if isinstance(kind, list):
            kind = kind[self.seed % len(kind)]
        match kind:
            case "object":
                return self._object(schema)
            case "string":
                return self._string(schema)
            case "integer":
                return self._number(schema)
            case "number":
                return float(self._number(schema))
            case "boolean":
                return self.seed % 2 == 1
            case "array":
                return self._array(schema)
            case "null":
                return None
            case _:
                return self._letters()

    def _object(self, schema: dict[str, Any]) -> dict[str, Any]:
        required = schema.get("required", ())
        made = {key: self._any(value) for key, value in schema.get("properties", {}).items() if key in required}
        if further := schema.get("additionalProperties"):
            name = "additionalProperty"
            while name in made:
                name += "_"
            made[name] = self._letters() if further is True else self._any(further)
        return made

    def _array(self, schema: dict[str, Any]) -> list[Any]:
        unique = schema.get("uniqueItems", False)
        made: list[Any] = []

        def add(item: dict[str, Any]) -> None:
            made.append(self._any(item))
            if unique:
                self.seed += 1

        for item in schema.get("prefixItems", ()):
            add(item)
        items, least, most = schema.get("items"), schema.get("minItems", 0), schema.get("maxItems")
        if least > len(made):
            for _ in range(least - len(made)):
                add(items or {})
        elif items and (most is None or most > len(made)):
            add(items)
        return made

    def _string(self, schema: dict[str, Any]) -> str:
        if (least := schema.get("minLength")) is not None:
            return self._letters() * int(least)
        if schema.get("maxLength") == 0:
            return ""
        day = date(2024, 1, 1) + timedelta(days=self.seed)
        match schema.get("format"):
            case "date":
                return day.isoformat()
            case "date-time":
                return f"{day.isoformat()}T00:00:00Z"
            case "time":
                return "00:00:00Z"
            case _:
                return self._letters()[: schema.get("maxLength")]

    def _letters(self) -> str:
        """The seed as a number whose digits are letters."""
        said, rest = "", self.seed // len(_chars)
        while rest > 0:
            said += _chars[(rest - 1) % len(_chars)]
            rest //= len(_chars)
        return said + _chars[self.seed % len(_chars)]

    def _number(self, schema: dict[str, Any]) -> int:
        low, high = schema.get("minimum"), schema.get("maximum")
        if low is None and (above := schema.get("exclusiveMinimum")) is not None:
            low = above + 1
        if high is None and (below := schema.get("exclusiveMaximum")) is not None:
            high = below - 1
        if low is not None and high is not None:
            return int(low + self.seed % (high - low)) if high > low else int(low)
        if low is not None:
            return int(low + self.seed)
        return int(high - self.seed) if high is not None else self.seed


_JsonSchemaTestData = SchemaData  # existing test suites know it by this name
