"""OpenAI's Responses API.

Source: OpenAI API reference, "Create a model response" (POST {base_url}/responses).
"""

from __future__ import annotations

import re
from typing import Any, Literal, cast

from core.messages import ModelMessage, ModelResponse, ModelResponseStreamEvent
from core.models._call_ids import CallIds, IdShape
from core.models._exchange import Limits
from core.models._failures import error_of
from core.models._json import read_json
from core.models._parts import ResponseParts
from core.models._responses_wire import ItemReader, input_out, response_tools_out
from core.models._sse import ServerSentEvent
from core.models._streaming import SSEResponse
from core.models._transport import Reply
from core.models.base import ModelRequestParameters
from core.models.errors import ModelContentFiltered, UnexpectedModelBehavior
from core.models.openai import OpenAIModel, OpenAIModelSettings
from core.models.settings import ModelSettings
from core.models.usage import Usage

__all__ = ["OpenAIResponsesModel", "OpenAIResponsesModelSettings"]

_IDS = IdShape(r".{1,64}")
_NEVER_REASON = re.compile(r"gpt-(3|4)|chatgpt-|text-|davinci")
_NO_ANSWER = "The provider's answer is not a response"
_NOT_ONE = (ValueError, TypeError, AttributeError, LookupError)


class OpenAIResponsesModelSettings(OpenAIModelSettings, total=False):
    """Settings only the Responses API knows; what is left out is left to it."""

    openai_reasoning_summary: Literal["auto", "concise", "detailed"]
    """Makes the model's thoughts readable, as a summary."""
    openai_text: dict[str, Any]
    """The field `text`: the format of the answer and how long-winded it is."""
    openai_truncation: Literal["auto", "disabled"]
    openai_service_tier: str
    openai_prompt_cache_key: str
    openai_store: bool
    """Whether OpenAI keeps the response for 30 days. Default False: the conversation is ours."""


class OpenAIResponsesModel(OpenAIModel):
    """A model behind the Responses API; parameters as for `OpenAIModel`.

    Nothing is stored at the provider: each request says the whole conversation, with the model's thoughts encrypted in
    it, so that a reasoning model goes on where it was after a tool call. System prompts go into `instructions`, unless
    a `system_prompt_role` is given.
    """

    _path = "responses"

    def _streamed(self, reply: Reply, limits: Limits) -> SSEResponse[Any]:
        return ResponsesStreamedResponse(reply, limits, self._model_name)

    def _body(
        self, messages: list[ModelMessage], settings: ModelSettings, parameters: ModelRequestParameters
    ) -> dict[str, Any]:
        given = cast("dict[str, Any]", settings)
        instructions, items = input_out(messages, CallIds(_IDS), self.system_prompt_role)
        reasoning = {
            "effort": given.get("openai_reasoning_effort"),
            "summary": given.get("openai_reasoning_summary"),
        }
        body: dict[str, Any] = {
            "model": self._model_name,
            "input": items,
            "instructions": instructions or None,
            "store": given.get("openai_store", False),
            **response_tools_out(parameters),
            "max_output_tokens": given.get("max_tokens"),
            "temperature": given.get("temperature"),
            "top_p": given.get("top_p"),
            "parallel_tool_calls": given.get("parallel_tool_calls"),
            "reasoning": {key: value for key, value in reasoning.items() if value} or None,
            "text": given.get("openai_text"),
            "truncation": given.get("openai_truncation"),
            "service_tier": given.get("openai_service_tier"),
            "prompt_cache_key": given.get("openai_prompt_cache_key"),
            "user": given.get("openai_user"),
        }
        if not body["store"] and not _NEVER_REASON.match(self._model_name):
            body["include"] = ["reasoning.encrypted_content"]  # models that never reason refuse it
        if "tools" not in body:
            body["parallel_tool_calls"] = None
        return {key: value for key, value in body.items() if value is not None}

    def _whole(self, data: bytes) -> tuple[ModelResponse, Usage]:
        parts = ResponseParts()
        reader = ItemReader(parts, self._model_name)
        _read_whole(reader, data, self._model_name)
        response = ModelResponse(parts.parts(), reader.model, finish_reason=reader.finish_reason)
        return response, reader.usage or Usage()


class ResponsesStreamedResponse(SSEResponse[ItemReader]):
    """A response while it streams."""

    def __init__(self, reply: Reply, limits: Limits, model_name: str) -> None:
        super().__init__(reply, limits, model_name, ItemReader)

    def usage(self) -> Usage:
        return self._reader.usage or self._usage

    def _take(self, sse: ServerSentEvent) -> list[ModelResponseStreamEvent]:
        if (event := self._object_in(sse)) is None:
            return []
        if event.get("type") == "error" or sse.event == "error" or ("type" not in event and event.get("error")):
            raise error_of(200, self._asked_for, event)
        try:
            events = list(self._reader.read(event))
            self._check_status(event)
        except _NOT_ONE as exc:
            raise self._broken("the server sent something that is not an event of a response") from exc
        return events

    def _take_whole(self, data: bytes) -> list[ModelResponseStreamEvent]:
        events = _read_whole(self._reader, data, self._asked_for)
        self._done = True
        self.finish_reason = self._reader.finish_reason
        return events

    def _check_status(self, event: dict[str, Any]) -> None:
        """Note where the response stands; raises what it failed with."""
        self._is_thinking = self._reader.thinking
        if self._reader.status == "failed":
            raise _failure(event.get("response") or {}, self._asked_for)
        self.finish_reason = self._reader.finish_reason
        if self.finish_reason is not None:  # nothing comes after the last event, not even an end mark
            self._done = True

    def _check_end(self) -> None:
        _check_filter(self._reader, self._asked_for)
        if self.finish_reason is None and not (self._done and self._reader.delivered):
            raise self._ended_early()


def _read_whole(reader: ItemReader, data: bytes, model_name: str) -> list[ModelResponseStreamEvent]:
    """Read a response that was not streamed. Raises AgentRunError."""
    shown = data[:2000].decode("utf-8", "replace")
    try:
        body = read_json(data)
        if body.get("error"):
            raise _failure(body, model_name)
        if not isinstance(body.get("output"), list):
            raise ValueError("no output")
        events = list(reader.read_response(body, "completed"))
    except _NOT_ONE as exc:
        raise UnexpectedModelBehavior(_NO_ANSWER, shown) from exc
    if reader.finish_reason is None:
        raise UnexpectedModelBehavior(f"The response ended as {reader.status!r}", shown)
    _check_filter(reader, model_name)
    return events


def _failure(response: dict[str, Any], model_name: str) -> Exception:
    """The error of a response that failed; it says `code` and `message`."""
    return error_of(200, model_name, {"error": response.get("error") or {"message": "the response failed"}})


def _check_filter(reader: ItemReader, model_name: str) -> None:
    if reader.finish_reason == "content_filter":
        raise ModelContentFiltered(200, model_name, {"incomplete_details": {"reason": "content_filter"}})
