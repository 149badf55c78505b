"""Anthropic's Messages API, and every server that speaks it.

Source: Anthropic API reference, "Create a Message" (POST {base_url}/v1/messages), "Streaming Messages" and "Errors".
"""

from __future__ import annotations

import os
import urllib.parse
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Literal, TypedDict, cast

from core.messages import ModelMessage, ModelResponse, ModelResponseStreamEvent
from core.models._anthropic_events import MessageReader
from core.models._anthropic_wire import conversation_out, mark_for_cache, thinking_may_go_on, tools_out
from core.models._exchange import HTTPModel, Limits, Post
from core.models._failures import error_of
from core.models._json import read_json, read_object
from core.models._parts import ResponseParts
from core.models._providers import where_client_goes
from core.models._sse import ServerSentEvent
from core.models._streaming import SSEResponse
from core.models._transport import Reply
from core.models.base import ModelRequestParameters
from core.models.errors import ModelConnectionError, UnexpectedModelBehavior, UserError
from core.models.settings import ModelSettings
from core.models.usage import Usage

if TYPE_CHECKING:
    import httpx

__all__ = ["AnthropicModel", "AnthropicModelSettings"]

DEFAULT_BASE_URL = "https://api.anthropic.com"
API_VERSION = "2023-06-01"
"""The one that every server of this API knows; 2026-10-21 takes no `temperature` and no `top_p`."""
DEFAULT_MAX_TOKENS = 1024
"""The API has no default of its own."""

_MISSHAPEN = (ValueError, TypeError, AttributeError, LookupError)


class _Metadata(TypedDict, total=False):
    user_id: str


class AnthropicModelSettings(ModelSettings, total=False):
    """Settings only Anthropic knows."""

    anthropic_metadata: _Metadata
    """`user_id` tells the provider the end users apart; an opaque id, never a name or an address."""
    anthropic_thinking: Mapping[str, Any]
    """How the model may think aloud, as the API has it: `{"type": "enabled", "budget_tokens": 2048}`,
    `{"type": "adaptive"}`, `{"type": "disabled"}`. While it thinks, `temperature` and `top_p` are left out and no tool
    is demanded, which the API would refuse; `max_tokens` defaults to 1,024 beyond the budget."""
    anthropic_cache: Literal["off", "prompt", "conversation"]
    """What the provider may keep and read again at a tenth of the price (writing costs a quarter more): "prompt" (the
    default) tools and system prompts, where they have some 1,024 tokens; "conversation" also all turns so far, which
    pays when the next question comes within the cache's life; "off" nothing."""
    anthropic_cache_ttl: Literal["5m", "1h"]
    """How long it is kept after it was last read. Default: 5 minutes; an hour costs double to write."""


class AnthropicModel(HTTPModel):
    """A Claude model behind the Messages API.

    model_name (or `id`): as the server knows it.   base_url: without `/v1`; default ANTHROPIC_BASE_URL, else
    Anthropic's own.   api_key: default ANTHROPIC_API_KEY; a server that is not Anthropic's may need none.
    http_client: an `httpx.AsyncClient` to send requests through; it stays the caller's.
    anthropic_client: an `anthropic.AsyncAnthropic`, of which address and key are taken.
    Raises UserError when Anthropic's own address has no key.
    """

    def __init__(
        self,
        model_name: str | None = None,
        *,
        id: str | None = None,
        base_url: str | None = None,
        api_key: str | None = None,
        http_client: httpx.AsyncClient | None = None,
        anthropic_client: Any | None = None,
    ) -> None:
        base_url, api_key = where_client_goes(
            "anthropic_client", anthropic_client, base_url=base_url, api_key=api_key, http_client=http_client
        )
        name = model_name or id
        if not name:
            raise UserError("AnthropicModel needs the name of a model, as 'claude-sonnet-4-5'")
        address = (base_url or os.environ.get("ANTHROPIC_BASE_URL") or DEFAULT_BASE_URL).rstrip("/")
        super().__init__(name, address.removesuffix("/v1"), "anthropic", http_client)
        where = urllib.parse.urlsplit(self._base_url)
        self._api_key = api_key or os.environ.get("ANTHROPIC_API_KEY") or ""
        if not self._api_key and where.hostname == "api.anthropic.com":
            raise UserError(
                "Anthropic needs an API key: set ANTHROPIC_API_KEY (or ANTHROPIC_BASE_URL for another server)"
            )

    def _post_of(
        self, messages: list[ModelMessage], settings: ModelSettings, parameters: ModelRequestParameters, stream: bool
    ) -> Post:
        body = self._body(messages, cast("dict[str, Any]", settings), parameters)
        if stream:
            body["stream"] = True
        headers = {"anthropic-version": API_VERSION}
        if self._api_key:
            headers["x-api-key"] = self._api_key
        return Post(f"{self._base_url}/v1/messages", headers, body)

    def _body(
        self, messages: list[ModelMessage], given: dict[str, Any], parameters: ModelRequestParameters
    ) -> dict[str, Any]:
        system, conversation = conversation_out(messages, self._model_name)
        thinking = _thinking(given, conversation)
        thinks = thinking is not None and thinking.get("type") != "disabled"
        body: dict[str, Any] = {
            "model": self._model_name,
            "max_tokens": _max_tokens(given, thinking),
            "messages": conversation,
            **tools_out(parameters, conversation, given.get("parallel_tool_calls"), may_force=not thinks),
        }
        if system:
            body["system"] = system
        if thinking is not None:
            body["thinking"] = thinking
        if not thinks:
            body |= {key: given[key] for key in ("temperature", "top_p") if given.get(key) is not None}
        if stops := given.get("stop_sequences"):
            body["stop_sequences"] = list(stops)
        if metadata := given.get("anthropic_metadata"):
            body["metadata"] = dict(metadata)
        mark_for_cache(body, given.get("anthropic_cache") or "prompt", given.get("anthropic_cache_ttl"))
        return body

    def _streamed(self, reply: Reply, limits: Limits) -> AnthropicStreamedResponse:
        return AnthropicStreamedResponse(reply, limits, self._model_name)

    def _whole(self, data: bytes) -> tuple[ModelResponse, Usage]:
        parts = ResponseParts()
        reader = MessageReader(parts, self._model_name)
        _read_message(data, reader)
        reader.check()
        response = ModelResponse(parts.parts(), reader.model, finish_reason=reader.finish_reason)
        return response, reader.usage


def _thinking(given: Mapping[str, Any], conversation: list[dict[str, Any]]) -> dict[str, Any] | None:
    """The field `thinking`; None where it is not asked for, or would be refused at this point of the conversation."""
    asked = given.get("anthropic_thinking")
    if not asked:
        return None
    return None if asked.get("type") == "enabled" and not thinking_may_go_on(conversation) else dict(asked)


def _max_tokens(given: Mapping[str, Any], thinking: Mapping[str, Any] | None) -> int:
    """The field `max_tokens`, which counts thoughts too. Raises UserError where they leave nothing for the answer."""
    budget = int((thinking or {}).get("budget_tokens") or 0)
    if (asked := given.get("max_tokens")) is None:
        return DEFAULT_MAX_TOKENS + budget
    if budget and asked <= budget:
        raise UserError(f"max_tokens ({asked}) must be more than budget_tokens of anthropic_thinking ({budget})")
    return int(asked)


def _read_message(data: bytes, reader: MessageReader) -> list[ModelResponseStreamEvent]:
    """Read a message that was not streamed. Raises ModelHTTPError and UnexpectedModelBehavior."""
    try:
        body = read_json(data)
        if body.get("error"):
            raise error_of(200, reader.model, body)
        return list(reader.read_whole(body))
    except _MISSHAPEN as exc:
        shown = data[:2000].decode("utf-8", "replace")
        raise UnexpectedModelBehavior("The provider's answer is not a message", shown) from exc


class AnthropicStreamedResponse(SSEResponse[MessageReader]):
    """A message while it streams."""

    def __init__(self, reply: Reply, limits: Limits, model_name: str) -> None:
        super().__init__(reply, limits, model_name, MessageReader)

    def usage(self) -> Usage:
        return self._reader.usage

    def _take_whole(self, data: bytes) -> list[ModelResponseStreamEvent]:
        events = _read_message(data, self._reader)
        self._note()
        return events

    def _take(self, sse: ServerSentEvent) -> list[ModelResponseStreamEvent]:
        data = sse.data.strip()
        if self._done or not data:
            return []
        try:
            event = read_object(data)
        except ValueError as exc:
            if self.finish_reason is not None:  # the answer was whole; only its last formalities are cut off
                self._done = True
                return []
            if not self._reader.delivered:
                raise ModelConnectionError("The provider's answer broke off before it began") from exc
            raise self._broken("the server sent something that is not JSON") from exc
        kind = event.setdefault("type", sse.event)
        if kind == "error" or event.get("error"):
            raise error_of(200, self._asked_for, event)
        try:
            events = list(self._reader.read(event))
        except _MISSHAPEN as exc:
            raise self._broken("the server sent something that is not part of a message") from exc
        self._note()
        return events

    def _note(self) -> None:
        self._done = self._reader.done
        self.finish_reason = self._reader.finish_reason

    def _check_end(self) -> None:
        self._reader.check()
        if not self._done and self.finish_reason is None:
            raise self._ended_early()
