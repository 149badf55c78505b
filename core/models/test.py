"""A model for tests: calls every tool once with the smallest data its schema allows, then answers."""

from __future__ import annotations

import re
import string
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
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
from core.models.function import estimate_usage
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
        *,
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
        response, usage = await self.request(messages, model_settings, model_request_parameters)
        yield TestStreamedResponse(response, usage)

    def _answer(self, messages: list[ModelMessage], parameters: ModelRequestParameters) -> list[ModelResponsePart]:
        wanted = [
            tool for tool in parameters.function_tools if self.call_tools == "all" or tool.name in self.call_tools
        ]
        last = messages[-1]
        retried = {
            part.tool_name
            for part in (last.parts if isinstance(last, ModelRequest) else [])
            if isinstance(part, RetryPromptPart)
        }
        if wanted and not any(isinstance(message, ModelResponse) for message in messages):
            return [self._call(tool) for tool in wanted]
        if again := [tool for tool in wanted if tool.name in retried]:
            return [self._call(tool) for tool in again]
        return [self._result(messages, parameters)]

    def _call(self, tool: ToolDefinition) -> ToolCallPart:
        args = SchemaData(tool.parameters_json_schema, self.seed).generate()
        return ToolCallPart(tool.name, args, f"call_{tool.name}")

    def _result(self, messages: list[ModelMessage], parameters: ModelRequestParameters) -> ModelResponsePart:
        if parameters.result_tools and (self.custom_result_args is not None or not self._may_write(parameters)):
            tool = parameters.result_tools[self.seed % len(parameters.result_tools)]
            if self.custom_result_args is None:
                return self._call(tool)
            args = self.custom_result_args
            args = {tool.outer_typed_dict_key: args} if tool.outer_typed_dict_key else args
            return ToolCallPart(tool.name, pydantic_core.to_jsonable_python(args), f"call_{tool.name}")
        if self.custom_result_text is not None:
            return TextPart(self.custom_result_text)
        returns = {
            part.tool_name: part.content
            for message in messages
            if isinstance(message, ModelRequest)
            for part in message.parts
            if isinstance(part, ToolReturnPart)
        }
        return TextPart(pydantic_core.to_json(returns).decode() if returns else "success (no tool calls)")

    def _may_write(self, parameters: ModelRequestParameters) -> bool:
        return parameters.allow_text_result and (self.custom_result_text is not None or not parameters.result_tools)


class TestStreamedResponse(StreamedResponse):
    """A finished response, word by word."""

    __test__ = False

    def __init__(self, response: ModelResponse, usage: Usage) -> None:
        super().__init__()
        self._response = response
        self._usage = usage

    @property
    def model_name(self) -> str:
        return "test"

    async def _iterate(self) -> AsyncIterator[ModelResponseStreamEvent]:
        for key, part in enumerate(self._response.parts):
            if isinstance(part, TextPart):
                for word in re.findall(r"\S*\s*", part.content):
                    if word:
                        yield self.parts.text(word)
            elif isinstance(part, ToolCallPart):
                event = self.parts.call(key, name=part.tool_name, args=part.args, call_id=part.tool_call_id)
                assert event is not None
                yield event


class SchemaData:
    """Makes up the smallest value a JSON schema allows. `seed` picks among what is equally small."""

    def __init__(self, schema: dict[str, Any], seed: int = 0) -> None:
        self._schema = schema
        self._definitions: dict[str, Any] = schema.get("$defs", {})
        self._seed = seed

    def generate(self) -> Any:
        return self._any(self._schema)

    def _any(self, schema: dict[str, Any]) -> Any:
        if (constant := schema.get("const")) is not None:
            return constant
        if options := schema.get("enum"):
            return options[self._seed % len(options)]
        if examples := schema.get("examples"):
            return examples[self._seed % len(examples)]
        if reference := schema.get("$ref"):
            return self._any(self._definitions[reference.rsplit("/", 1)[-1]])
        if options := schema.get("anyOf") or schema.get("oneOf"):
            return self._any(options[self._seed % len(options)])
        match schema.get("type"):
            case "object":
                required = schema.get("required", ())
                return {key: self._any(value) for key, value in schema.get("properties", {}).items() if key in required}
            case "string":
                return self._string(schema)
            case "integer":
                return self._number(schema)
            case "number":
                return float(self._number(schema))
            case "boolean":
                return self._seed % 2 == 1
            case "array":
                items = schema.get("items") or {"type": "string"}
                fixed = [self._any(item) for item in schema.get("prefixItems", ())]
                return fixed or [self._any(items) for _ in range(schema.get("minItems", 0))]
            case "null":
                return None
            case _:
                return self._letter()

    def _string(self, schema: dict[str, Any]) -> str:
        formats = {"date": "2024-01-01", "date-time": "2024-01-01T00:00:00Z"}
        if (known := formats.get(schema.get("format", ""))) is not None:
            return known
        least: int = schema.get("minLength", 0)
        return (self._letter() * least if least else self._letter())[: schema.get("maxLength")]

    def _letter(self) -> str:
        return string.ascii_lowercase[self._seed % 26]

    def _number(self, schema: dict[str, Any]) -> int:
        low = schema.get("minimum", schema.get("exclusiveMinimum", -1) + 1)
        if (high := schema.get("maximum")) is not None and low > high:
            low = high
        elif (high := schema.get("exclusiveMaximum")) is not None and low >= high:
            low = high - 1
        return int(low) + self._seed if "maximum" not in schema else int(low)
