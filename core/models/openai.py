"""OpenAI chat completions, and every server that speaks them.

Source: OpenAI API reference, "Create chat completion" (POST {base_url}/chat/completions).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, cast

from core.messages import ModelMessage, ModelResponse, ModelResponseStreamEvent, PartDeltaEvent, TextPartDelta
from core.models._exchange import HTTPModel, Limits, Post
from core.models._failures import error_of
from core.models._json import read_json
from core.models._mould import Moulds
from core.models._openai_wire import ChunkReader, as_chunk, body_parts, messages_out, tools_out
from core.models._profiles import key_header, server_for, spared
from core.models._providers import Provider, where_client_goes
from core.models._sse import ServerSentEvent
from core.models._streaming import SSEResponse
from core.models._transport import Reply
from core.models.base import ModelRequestParameters
from core.models.errors import (
    ModelContentFiltered,
    ModelHTTPError,
    UnexpectedModelBehavior,
    UserError,
)
from core.models.settings import ModelSettings
from core.models.usage import Usage

if TYPE_CHECKING:
    import httpx

__all__ = ["OpenAIChat", "OpenAIModel", "OpenAIModelSettings"]

_PLAIN_SETTINGS = (
    "temperature",
    "top_p",
    "parallel_tool_calls",
    "seed",
    "presence_penalty",
    "frequency_penalty",
    "logit_bias",
)


class OpenAIModelSettings(ModelSettings, total=False):
    """Settings only OpenAI knows."""

    openai_reasoning_effort: Literal["none", "minimal", "low", "medium", "high", "xhigh", "max"]
    openai_user: str
    """Tells the provider the end users apart."""


class OpenAIModel(HTTPModel):
    """A model behind a chat completions API.

    model_name (or `id`): as the server knows it.   base_url: default OPENAI_BASE_URL, else OpenAI's own.
    api_key: default OPENAI_API_KEY; a server that is not OpenAI's may need none.
    http_client: an `httpx.AsyncClient` to send requests through; it stays the caller's.
    openai_client: an `openai.AsyncOpenAI`, of which address and key are taken.
    system_prompt_role: the role of system prompts, "system" unless told otherwise.
    provider: "groq", "mistral", ... (see `core.models.infer`): its address, key and ways; by default those of the
    address. A `Provider` brings address, key and client itself.
    system: the provider's name for OpenTelemetry, by default that of the address.
    Raises UserError when the address or the key is missing.
    """

    def __init__(
        self,
        model_name: str | None = None,
        *,
        id: str | None = None,
        base_url: str | None = None,
        api_key: str | None = None,
        http_client: httpx.AsyncClient | None = None,
        openai_client: Any | None = None,
        system_prompt_role: Literal["system", "developer", "user"] | None = None,
        provider: str | Provider | None = None,
        system: str | None = None,
    ) -> None:
        base_url, api_key = where_client_goes(
            "openai_client", openai_client, base_url=base_url, api_key=api_key, http_client=http_client
        )
        if isinstance(provider, Provider):
            base_url, api_key = base_url or provider.base_url, api_key or provider.api_key
            http_client = http_client or provider.http_client
            provider = None if provider.name == "openai" else provider.name  # any server may speak as OpenAI does
        name = model_name or id
        if not name:
            raise UserError(f"{type(self).__name__} needs the name of a model, as 'gpt-4o'")
        server = server_for(name, base_url, api_key, provider, self._path)
        super().__init__(name, server.base_url, system or server.profile.system, http_client)
        self._profile = server.profile
        self._api_key = server.api_key
        self.system_prompt_role = system_prompt_role

    _path = "chat/completions"

    def _post_of(
        self, messages: list[ModelMessage], settings: ModelSettings, parameters: ModelRequestParameters, stream: bool
    ) -> Post:
        body = self._body(messages, settings, parameters)
        if stream:
            body["stream"] = True
            if self._profile.stream_usage and self._path == "chat/completions":
                body["stream_options"] = {"include_usage": True}
        url = f"{self._base_url}/{self._path}{self._profile.query}"
        return Post(url, key_header(self._profile, self._api_key), body)

    def _mended(self, post: Post, refusal: ModelHTTPError) -> Post | None:
        body = spared(post.body, refusal)
        return None if body is None else post._replace(body=body)

    def _streamed(self, reply: Reply, limits: Limits) -> SSEResponse[Any]:
        return OpenAIStreamedResponse(reply, limits, self._model_name)

    def _body(
        self, messages: list[ModelMessage], settings: ModelSettings, parameters: ModelRequestParameters
    ) -> dict[str, Any]:
        profile = self._profile
        role = self.system_prompt_role or "system"
        body: dict[str, Any] = {
            "model": self._model_name,
            "messages": messages_out(messages, role, profile.ids, profile.thoughts_as),
            **({"n": 1} if profile.n else {}),
            **tools_out(parameters, profile.required),
        }
        given = cast("dict[str, Any]", settings)
        plain = {key: given.get(key) for key in _PLAIN_SETTINGS} | {
            "stop": given.get("stop_sequences") or None,
            "user": given.get("openai_user"),
        }
        body |= profile.settings(plain)
        if "tools" not in body:
            body.pop("parallel_tool_calls", None)
        if (tokens := given.get("max_tokens")) is not None:
            body[profile.max_tokens] = tokens
        if effort := given.get("openai_reasoning_effort"):
            body |= profile.effort_out(effort)
        return body

    def _whole(self, data: bytes) -> tuple[ModelResponse, Usage]:
        try:
            body = read_json(data)
            if isinstance(body, dict) and body.get("error"):
                raise error_of(200, self._model_name, body)
            response, usage = body_parts(body, self._model_name)
        except (ValueError, TypeError, AttributeError, LookupError) as exc:
            shown = data[:2000].decode("utf-8", "replace")
            raise UnexpectedModelBehavior("The provider's answer is not a chat completion", shown) from exc
        if response.finish_reason == "content_filter":
            raise ModelContentFiltered(200, self._model_name, {"finish_reason": "content_filter"})
        return response, usage


OpenAIChat = OpenAIModel
"""The same class under Agno's name: `OpenAIChat(id="gpt-4o")`."""


class OpenAIStreamedResponse(SSEResponse[ChunkReader]):
    """A chat completion while it streams."""

    def __init__(self, reply: Reply, limits: Limits, model_name: str) -> None:
        super().__init__(reply, limits, model_name, ChunkReader)
        self._moulds = Moulds("content")

    def usage(self) -> Usage:
        return self._reader.usage or self._usage

    def _take_whole(self, data: bytes) -> list[ModelResponseStreamEvent]:
        try:
            body = read_json(data)
            if error := body.get("error"):
                raise error_of(200, self._asked_for, {"error": error})
            events = self._reader.read(as_chunk(body))
        except (ValueError, TypeError, AttributeError, LookupError) as exc:
            shown = data[:2000].decode("utf-8", "replace")
            raise UnexpectedModelBehavior("The provider's answer is not a chat completion", shown) from exc
        self._done = True
        self.finish_reason = self._reader.finish_reason
        return events

    def _take(self, sse: ServerSentEvent) -> list[ModelResponseStreamEvent]:
        if not (self._done or sse.event) and (text := self._moulds.text_in(sse.data)) is not None:
            return [self._reader.more(text)]
        if (chunk := self._object_in(sse)) is None:
            return []
        if (error := chunk.get("error")) or (sse.event == "error"):
            raise error_of(200, self._asked_for, {"error": error} if error else chunk)
        try:
            events = self._reader.read(chunk)
        except (TypeError, AttributeError, LookupError) as exc:
            raise self._broken("the server sent something that is not a chat completion") from exc
        self.finish_reason = self._reader.finish_reason
        is_text = _is_more_text(events) and _is_content(chunk)
        said_more = sse.event or self.finish_reason or chunk.get("usage")
        self._moulds.read(sse.data, is_text=is_text and not said_more)
        return events

    def _check_end(self) -> None:
        if self._reader.finish_reason == "content_filter":
            raise ModelContentFiltered(200, self._asked_for, {"finish_reason": "content_filter"})
        if not self._done and self._reader.finish_reason is None:
            raise self._ended_early()


def _is_more_text(events: list[ModelResponseStreamEvent]) -> bool:
    """Whether a chunk said nothing but how the text goes on."""
    return len(events) == 1 and type(events[0]) is PartDeltaEvent and type(events[0].delta) is TextPartDelta


def _is_content(chunk: dict[str, Any]) -> bool:
    """Whether what a chunk said stands in its `content`, not in a refusal or with a piece of a call beside it."""
    delta = chunk["choices"][0].get("delta") or {}
    return isinstance(delta.get("content"), str) and not delta.get("tool_calls")
