"""OpenAI chat completions, and every server that speaks them.

Source: OpenAI API reference, "Create chat completion" (POST {base_url}/chat/completions).
"""

from __future__ import annotations

import asyncio
import json
import os
import urllib.parse
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, Literal, cast

import pydantic_core

from core.messages import ModelMessage, ModelResponse, ModelResponseStreamEvent
from core.models._failures import error_of, parsed, retry_after, retry_delay
from core.models._openai_wire import ChunkReader, as_chunk, body_parts, messages_out, read_json, tools_out
from core.models._sse import EventTooLong, ServerSentEvent, SSEParser
from core.models._transport import AiohttpTransport, HttpxTransport, Reply, Transport
from core.models.base import Model, ModelRequestParameters, StreamedResponse, check_allow_model_requests
from core.models.errors import (
    ModelConnectionError,
    ModelContentFiltered,
    ModelStreamBroken,
    ModelTimeout,
    UnexpectedModelBehavior,
    UserError,
)
from core.models.settings import ModelSettings
from core.models.usage import Usage

if TYPE_CHECKING:
    import httpx

__all__ = ["OpenAIChat", "OpenAIModel", "OpenAIModelSettings"]

DEFAULT_BASE_URL = "https://api.openai.com/v1"
_AFTER_FINISH_S = 5.0  # how long usage and the end mark may come after the last word
MAX_BODY_BYTES = 50 * 1024 * 1024
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

    openai_reasoning_effort: Literal["minimal", "low", "medium", "high"]
    openai_user: str
    """Tells the provider the end users apart."""


class OpenAIModel(Model):
    """A model behind a chat completions API.

    model_name (or `id`): as the server knows it.   base_url: default OPENAI_BASE_URL, else OpenAI's own.
    api_key: default OPENAI_API_KEY; a server that is not OpenAI's may need none.
    http_client: an `httpx.AsyncClient` to send requests through; it stays the caller's.
    system_prompt_role: the role of system prompts, "system" unless told otherwise.
    Raises UserError when OpenAI's own address has no key.
    """

    def __init__(
        self,
        model_name: str | None = None,
        *,
        id: str | None = None,
        base_url: str | None = None,
        api_key: str | None = None,
        http_client: httpx.AsyncClient | None = None,
        system_prompt_role: Literal["system", "developer", "user"] | None = None,
        system: str = "openai",
    ) -> None:
        name = model_name or id
        if not name:
            raise UserError("OpenAIModel needs the name of a model, as 'gpt-4o'")
        self._model_name = name
        self._base_url = (base_url or os.environ.get("OPENAI_BASE_URL") or DEFAULT_BASE_URL).rstrip("/")
        where = urllib.parse.urlsplit(self._base_url)
        self._is_openai = where.hostname == "api.openai.com"
        self._api_key = api_key or os.environ.get("OPENAI_API_KEY") or ""
        if not self._api_key and self._is_openai:
            raise UserError("OpenAI needs an API key: set OPENAI_API_KEY (or OPENAI_BASE_URL for another server)")
        if self._api_key and where.username:
            raise UserError("The base URL has a user name in it, and there is an API key as well; use one of the two")
        self._system = system
        self.system_prompt_role = system_prompt_role
        self._transport: Transport = HttpxTransport(http_client) if http_client else AiohttpTransport()

    @property
    def model_name(self) -> str:
        return self._model_name

    @property
    def system(self) -> str:
        return self._system

    @property
    def base_url(self) -> str:
        return self._base_url

    async def aclose(self) -> None:
        await self._transport.aclose()

    async def request(
        self,
        messages: list[ModelMessage],
        model_settings: ModelSettings | None,
        model_request_parameters: ModelRequestParameters,
    ) -> tuple[ModelResponse, Usage]:
        check_allow_model_requests()
        settings = model_settings or {}
        body = self._body(messages, settings, model_request_parameters)
        limits = _Limits(settings)
        attempt = 0
        while True:
            attempt += 1
            reply: Reply | None = None
            try:
                reply = await self._post(body, limits, {})
                return self._whole(await _read_all(reply, limits))
            except Exception as exc:
                await self._wait_or_raise(exc, attempt, limits, reply)
            finally:
                if reply is not None:
                    await reply.aclose()

    @asynccontextmanager
    async def request_stream(
        self,
        messages: list[ModelMessage],
        model_settings: ModelSettings | None,
        model_request_parameters: ModelRequestParameters,
    ) -> AsyncIterator[StreamedResponse]:
        """Stream a response. It is entered when the first piece of the answer is there: until then failures that may
        pass are retried, and every failure is raised here."""
        check_allow_model_requests()
        settings = model_settings or {}
        body = self._body(messages, settings, model_request_parameters)
        body |= {"stream": True, "stream_options": {"include_usage": True}}
        limits = _Limits(settings)
        attempt = 0
        while True:
            attempt += 1
            reply: Reply | None = None
            try:
                reply = await self._post(body, limits, {"accept": "text/event-stream"})
                streamed = OpenAIStreamedResponse(reply, limits, self._model_name)
                await streamed.open()
            except BaseException as exc:
                try:
                    await self._wait_or_raise(exc, attempt, limits, reply)
                finally:
                    if reply is not None:
                        await reply.aclose()
                continue
            try:
                yield streamed
            finally:
                await reply.aclose()
            return

    def _body(
        self, messages: list[ModelMessage], settings: ModelSettings, parameters: ModelRequestParameters
    ) -> dict[str, Any]:
        body: dict[str, Any] = {
            "model": self._model_name,
            "messages": messages_out(messages, self.system_prompt_role or "system"),
            "n": 1,
            **tools_out(parameters),
        }
        given = cast("dict[str, Any]", settings)
        body |= {key: given[key] for key in _PLAIN_SETTINGS if given.get(key) is not None}
        if "tools" not in body:
            body.pop("parallel_tool_calls", None)
        if (tokens := given.get("max_tokens")) is not None:
            # OpenAI's reasoning models refuse the old name, compatible servers often know no other
            body["max_completion_tokens" if self._is_openai else "max_tokens"] = tokens
        if effort := given.get("openai_reasoning_effort"):
            body["reasoning_effort"] = effort
        if user := given.get("openai_user"):
            body["user"] = user
        return body

    async def _post(self, body: dict[str, Any], limits: _Limits, more: Mapping[str, str]) -> Reply:
        """Send the request; the reply has a good status. Raises ModelHTTPError and ModelConnectionError."""
        headers = {"content-type": "application/json", **more}
        if self._api_key:
            headers["authorization"] = f"Bearer {self._api_key}"
        url = f"{self._base_url}/chat/completions"
        data = _json(body)
        limits.sent()
        async with limits.within("first event", limits.first_event_s):
            reply = await self._transport.post(url, headers, data, limits.connect_s)
        if reply.status < 400:
            return reply
        try:
            said = await _read_all(reply, limits)
        except ModelConnectionError:
            said = b""
        finally:
            await reply.aclose()
        error = error_of(reply.status, self._model_name, parsed(said), reply.headers)
        limits.asked = retry_after(reply.headers)
        raise error

    async def _wait_or_raise(self, exc: BaseException, attempt: int, limits: _Limits, reply: Reply | None) -> None:
        """Wait before the next attempt, or raise `exc` when there is to be none."""
        if not isinstance(exc, Exception):
            raise exc
        if isinstance(exc, ModelConnectionError):
            exc.model_name = self._model_name
        delay = retry_delay(exc, attempt, limits.retries, limits.asked)
        limits.asked = None
        if delay is None or delay >= limits.left():
            raise exc
        await asyncio.sleep(delay)

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


def _json(body: dict[str, Any]) -> bytes:
    """`body` as JSON; half a surrogate pair, which chat platforms let through, becomes a question mark."""
    try:
        return pydantic_core.to_json(body)
    except ValueError:
        return json.dumps(body, ensure_ascii=False).encode("utf-8", "replace")


class _Limits:
    """The time limits of one request, in seconds; the clock of the whole request starts now."""

    def __init__(self, settings: ModelSettings) -> None:
        timeout: Any = settings.get("timeout")
        # an httpx.Timeout means its read limit
        self.whole_s: float | None = getattr(timeout, "read", timeout)
        self.connect_s = settings.get("connect_timeout", 10.0)
        self.first_event_s = settings.get("first_event_timeout", 60.0)
        self.idle_s = settings.get("idle_timeout", 60.0)
        self.retries = settings.get("max_retries", 2)
        self.asked: float | None = None
        self._sent = 0.0
        self._end = None if self.whole_s is None else asyncio.get_running_loop().time() + self.whole_s

    def left(self) -> float:
        """Seconds left of the whole request."""
        return float("inf") if self._end is None else self._end - asyncio.get_running_loop().time()

    def sent(self) -> None:
        """The request goes out now."""
        self._sent = asyncio.get_running_loop().time()

    @asynccontextmanager
    async def within(self, phase: str, seconds: float) -> AsyncIterator[None]:
        """Raise ModelTimeout when the block takes longer than `seconds`, or than is left of the request.

        The first event is timed from when the request went out.
        """
        left = self.left()
        wait = seconds
        if phase == "first event":
            wait -= asyncio.get_running_loop().time() - self._sent
        try:
            async with asyncio.timeout(min(wait, left)) as limit:
                yield
        except TimeoutError as exc:
            if not limit.expired():
                raise
            if left < wait and self.whole_s is not None:
                raise ModelTimeout("whole request", self.whole_s) from exc
            raise ModelTimeout(phase, seconds) from exc


async def _read_all(reply: Reply, limits: _Limits) -> bytes:
    """The whole body, at most MAX_BODY_BYTES of it."""
    chunks: list[bytes] = []
    length = 0
    while length < MAX_BODY_BYTES:
        phase = "idle" if chunks else "first event"
        async with limits.within(phase, limits.idle_s if chunks else limits.first_event_s):
            chunk = await reply.read_some()
        if not chunk:
            break
        chunks.append(chunk)
        length += len(chunk)
    return b"".join(chunks)


class OpenAIStreamedResponse(StreamedResponse):
    """A chat completion while it streams."""

    def __init__(self, reply: Reply, limits: _Limits, model_name: str) -> None:
        super().__init__()
        self._reply = reply
        self._limits = limits
        self._reader = ChunkReader(self.parts, model_name)
        self._asked_for = model_name
        self._done = False
        self._begun = False
        self._first: list[ModelResponseStreamEvent] = []
        self._rest: AsyncGenerator[ModelResponseStreamEvent, None] = self._read()

    @property
    def model_name(self) -> str:
        return self._reader.model

    def usage(self) -> Usage:
        return self._reader.usage or self._usage

    async def open(self) -> None:
        """Read to the first piece of the answer."""
        async for event in self._rest:
            self._first.append(event)
            return

    async def aclose(self) -> None:
        await super().aclose()
        await self._rest.aclose()

    async def _iterate(self) -> AsyncIterator[ModelResponseStreamEvent]:
        for event in self._first:
            yield event
        try:
            async for event in self._rest:
                yield event
        except ModelTimeout:
            raise
        except ModelConnectionError as exc:
            raise self._broken(str(exc)) from exc

    async def _read(self) -> AsyncGenerator[ModelResponseStreamEvent, None]:
        """The events of the response, none read before it is asked for."""
        if self._reply.headers.get("content-type", "").startswith("application/json"):
            for event in await self._read_whole():
                yield event
            return
        parser = SSEParser()
        while not self._done:
            data = await self._read_some()
            try:
                sent = parser.feed(data) if data else parser.finish()
            except EventTooLong as exc:
                raise self._broken(str(exc)) from exc
            for sse in sent:
                for event in self._take(sse):
                    yield event
            self.finish_reason = self._reader.finish_reason
            if not data:
                break
        self._check_end()

    async def _read_some(self) -> bytes:
        """The next bytes; b"" at the end. Raises ModelConnectionError."""
        reader, limits = self._reader, self._limits
        phase, seconds = ("idle", limits.idle_s) if self._begun else ("first event", limits.first_event_s)
        if reader.finish_reason is not None:
            seconds = min(seconds, _AFTER_FINISH_S)
        try:
            async with limits.within(phase, seconds):
                data = await self._reply.read_some()
        except ModelConnectionError:
            if reader.finish_reason is None:
                raise
            data = b""  # the answer was whole; only its last formalities are missing
        self._begun = True
        return data

    async def _read_whole(self) -> list[ModelResponseStreamEvent]:
        """The answer of a server that does not stream."""
        data = await _read_all(self._reply, self._limits)
        try:
            body = read_json(data)
            if error := body.get("error"):
                raise error_of(200, self._asked_for, {"error": error})
            events = list(self._reader.read(as_chunk(body)))
        except (ValueError, TypeError, AttributeError, LookupError) as exc:
            shown = data[:2000].decode("utf-8", "replace")
            raise UnexpectedModelBehavior("The provider's answer is not a chat completion", shown) from exc
        self._done = True
        self.finish_reason = self._reader.finish_reason
        self._check_end()
        return events

    def _take(self, sse: ServerSentEvent) -> list[ModelResponseStreamEvent]:
        """The events of one event of the server. Raises what it says when it is an error."""
        data = sse.data.strip()
        if self._done or not data:
            return []
        if data == b"[DONE]":
            self._done = True
            return []
        try:
            chunk = read_json(data)
            if not isinstance(chunk, dict):
                raise ValueError("not an object")
        except ValueError as exc:
            raise self._broken("the server sent something that is not JSON") from exc
        if (error := chunk.get("error")) or (sse.event == "error"):
            raise error_of(200, self._asked_for, {"error": error} if error else chunk)
        try:
            return list(self._reader.read(chunk))
        except (TypeError, AttributeError, LookupError) as exc:
            raise self._broken("the server sent something that is not a chat completion") from exc

    def _check_end(self) -> None:
        """The end of the bytes is the end of the answer only if the server said so."""
        if self._reader.finish_reason == "content_filter":
            raise ModelContentFiltered(200, self._asked_for, {"finish_reason": "content_filter"})
        if not self._done and self._reader.finish_reason is None:
            if not self._reader.delivered:
                raise ModelConnectionError("The provider ended the connection without an answer")
            raise self._broken("the connection ended before the answer did")

    def _broken(self, why: str) -> ModelStreamBroken:
        return ModelStreamBroken(f"The provider's answer broke off: {why}", self._asked_for)
