"""Gemini through Google's Generative Language API.

Source: Gemini API reference, "models.generateContent" and "models.streamGenerateContent" (POST
{base_url}/v1beta/models/{model}:generateContent, :streamGenerateContent?alt=sse; key in `x-goog-api-key`).
"""

from __future__ import annotations

import os
import urllib.parse
from typing import TYPE_CHECKING, Any, Literal, TypedDict, cast

from core.messages import ModelMessage, ModelResponse, ModelResponseStreamEvent
from core.models._exchange import HTTPModel, Limits, Post
from core.models._gemini_reader import GeminiReader, SpoiledAnswer, gemini_error
from core.models._gemini_wire import conversation_out, tools_out
from core.models._json import read_json
from core.models._parts import ResponseParts
from core.models._providers import GOOGLE_BASE_URL, Provider
from core.models._sse import ServerSentEvent
from core.models._streaming import SSEResponse
from core.models.errors import ModelHTTPError, UnexpectedModelBehavior, UserError
from core.models.settings import ModelSettings
from core.models.usage import Usage

if TYPE_CHECKING:
    from collections.abc import Mapping

    import httpx

    from core.models._transport import Reply
    from core.models.base import ModelRequestParameters

__all__ = ["GeminiModel", "GeminiModelSettings", "GeminiSafetySettings", "GeminiThinkingConfig"]

_GENERATION = {
    "max_tokens": "maxOutputTokens",
    "temperature": "temperature",
    "top_p": "topP",
    "seed": "seed",
    "presence_penalty": "presencePenalty",
    "frequency_penalty": "frequencyPenalty",
    "stop_sequences": "stopSequences",
}
_THINKING = {
    "include_thoughts": "includeThoughts",
    "thinking_budget": "thinkingBudget",
    "thinking_level": "thinkingLevel",
}
_NO_ANSWER = "The provider's answer is not a Gemini response"
_MAX_TAIL_BYTES = 2**16


class GeminiSafetySettings(TypedDict):
    """How much of one kind of harm is let through, in Google's words."""

    category: str
    """As "HARM_CATEGORY_HARASSMENT"."""
    threshold: str
    """As "BLOCK_ONLY_HIGH" or "OFF"."""


class GeminiThinkingConfig(TypedDict, total=False):
    """How the model thinks before it answers."""

    include_thoughts: bool
    """Whether summaries of its thoughts are sent, as ThinkingPart."""
    thinking_budget: int
    """Tokens it may think; 0 is none, -1 as many as it finds right. For Gemini 2.5."""
    thinking_level: Literal["minimal", "low", "medium", "high"]
    """For Gemini 3 and later, in place of a budget."""


class GeminiModelSettings(ModelSettings, total=False):
    """Settings only Gemini knows."""

    gemini_safety_settings: list[GeminiSafetySettings]
    gemini_thinking_config: GeminiThinkingConfig
    gemini_function_calling: Literal["AUTO", "ANY", "NONE", "VALIDATED"]
    """Whether tools may, must or must not be called; by default they must only where no text is allowed."""


class GeminiModel(HTTPModel):
    """A Gemini model.

    model_name (or `id`): as Google knows it, with or without "models/".   base_url: default GEMINI_BASE_URL, else
    Google's own; the version may be at its end.   api_key: default GEMINI_API_KEY; a server that is not Google's may
    need none.   http_client: an `httpx.AsyncClient` to send requests through; it stays the caller's.
    provider: a `GoogleGLAProvider`, which brings key and client itself.
    Raises UserError when Google's own address has no key.
    """

    def __init__(
        self,
        model_name: str | None = None,
        *,
        id: str | None = None,
        base_url: str | None = None,
        api_key: str | None = None,
        http_client: httpx.AsyncClient | None = None,
        provider: Literal["google-gla"] | Provider = "google-gla",
    ) -> None:
        if provider in ("google-vertex", "vertexai"):
            raise UserError("Gemini on Vertex AI is not built; with an API key the provider is 'google-gla'")
        if isinstance(provider, Provider):
            base_url, api_key = base_url or provider.base_url, api_key or provider.api_key
            http_client = http_client or provider.http_client
        name = (model_name or id or "").removeprefix("models/")
        if not name:
            raise UserError("GeminiModel needs the name of a model, as 'gemini-2.5-pro'")
        address = (base_url or os.environ.get("GEMINI_BASE_URL") or GOOGLE_BASE_URL).rstrip("/")
        super().__init__(name, address, "google-gla", http_client)
        where = urllib.parse.urlsplit(address)
        self._api_key = api_key or os.environ.get("GEMINI_API_KEY") or ""
        if not self._api_key and (where.hostname or "").endswith(".googleapis.com"):
            raise UserError("Gemini needs an API key: set GEMINI_API_KEY (or GEMINI_BASE_URL for another server)")
        version = "" if where.path.endswith(("/v1", "/v1alpha", "/v1beta")) else "/v1beta"
        resource = name if "/" in name else f"models/{name}"  # a tuned model is "tunedModels/..."
        self._path = f"{version}/{urllib.parse.quote(resource)}"

    def _post_of(
        self, messages: list[ModelMessage], settings: ModelSettings, parameters: ModelRequestParameters, stream: bool
    ) -> Post:
        given = cast("dict[str, Any]", settings)
        body = {
            **conversation_out(messages, self._model_name),
            **tools_out(parameters, given.get("gemini_function_calling")),
        }
        if generation := _generation(given):
            body["generationConfig"] = generation
        if safety := given.get("gemini_safety_settings"):
            body["safetySettings"] = safety
        method = "streamGenerateContent?alt=sse" if stream else "generateContent"
        headers = {"x-goog-api-key": self._api_key} if self._api_key else {}
        return Post(f"{self._base_url}{self._path}:{method}", headers, body)

    def _refusal(self, status: int, body: object, headers: Mapping[str, str]) -> ModelHTTPError:
        return gemini_error(status, self._model_name, body, headers)

    def _streamed(self, reply: Reply, limits: Limits) -> GeminiStreamedResponse:
        return GeminiStreamedResponse(reply, limits, self._model_name)

    async def _wait_or_raise(self, exc: BaseException, attempt: int, limits: Limits) -> None:
        """As for all providers; a spoiled answer is asked for again at once."""
        if not isinstance(exc, SpoiledAnswer) or attempt > limits.retries:
            await super()._wait_or_raise(exc, attempt, limits)

    def _whole(self, data: bytes) -> tuple[ModelResponse, Usage]:
        parts = ResponseParts()
        reader = GeminiReader(parts, self._model_name)
        _read_whole(data, reader, self._model_name)
        reader.check()
        return ModelResponse(parts.parts(), reader.model, finish_reason=reader.word), reader.usage()


def _generation(given: Mapping[str, Any]) -> dict[str, Any]:
    """The field `generationConfig`."""
    config = {name: given[key] for key, name in _GENERATION.items() if given.get(key) is not None}
    if thinking := given.get("gemini_thinking_config"):
        config["thinkingConfig"] = {_THINKING.get(key, key): value for key, value in thinking.items()}
    return config


def _read_whole(data: bytes, reader: GeminiReader, model_name: str) -> list[ModelResponseStreamEvent]:
    """The events of a body of JSON: one response, or the list of them that a stream is without `alt=sse`.

    Raises UnexpectedModelBehavior when it is neither, and what it says when it is an error.
    """
    try:
        body = read_json(data)
        events: list[ModelResponseStreamEvent] = []
        for response in body if isinstance(body, list) else [body]:
            if response.get("error"):
                raise gemini_error(200, model_name, response)
            events += reader.read(response)
        if not reader.delivered and reader.finish_reason is None and reader.blocked is None:
            raise ValueError("there is no candidate in it")
    except (ValueError, TypeError, AttributeError, LookupError) as exc:
        raise UnexpectedModelBehavior(_NO_ANSWER, data[:2000].decode("utf-8", "replace")) from exc
    return events


class GeminiStreamedResponse(SSEResponse[GeminiReader]):
    """A Gemini answer while it streams."""

    def __init__(self, reply: Reply, limits: Limits, model_name: str) -> None:
        super().__init__(reply, limits, model_name, GeminiReader)
        self._tail = b""  # what came from the beginning of the last event on

    def usage(self) -> Usage:
        return self._reader.usage()

    async def _read_some(self) -> bytes:
        """The next bytes, the last of which are kept: an error in the middle of a stream comes as bare JSON, over
        several lines and in no event."""
        data = await super()._read_some()
        tail = self._tail + data
        self._tail = tail[max(tail.rfind(b"data:"), 0) :] if len(tail) < _MAX_TAIL_BYTES else b""
        return data

    def _take(self, sse: ServerSentEvent) -> list[ModelResponseStreamEvent]:
        if (response := self._object_in(sse)) is None:
            return []
        if error := response.get("error"):
            raise gemini_error(200, self._asked_for, {"error": error})
        try:
            events = list(self._reader.read(response))
        except (TypeError, AttributeError, LookupError, ValueError) as exc:
            raise self._broken("the server sent something that is not a Gemini response") from exc
        self.finish_reason = self._reader.word
        return events

    def _take_whole(self, data: bytes) -> list[ModelResponseStreamEvent]:
        events = _read_whole(data, self._reader, self._asked_for)
        self._done = True
        self.finish_reason = self._reader.word
        return events

    def _check_end(self) -> None:
        reader = self._reader
        reader.check()
        if self._done or reader.finish_reason is not None:
            return
        if (error := _bare_error(self._tail)) is not None:
            raise gemini_error(200, self._asked_for, error)
        raise self._ended_early()


def _bare_error(tail: bytes) -> object | None:
    """The error that follows the last event, None if there is none."""
    if tail.startswith(b"data:"):
        tail = b"\n".join(tail.splitlines()[1:])
    try:
        body = read_json(tail)
    except ValueError:
        return None
    inner = body[0] if isinstance(body, list) and body else body
    return body if isinstance(inner, dict) and inner.get("error") else None
