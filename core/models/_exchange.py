"""One request to a provider over HTTP: sent, timed, tried again while nothing of the answer was delivered.

What a provider says and how it answers is its own module's; waiting, retrying and giving up are the same for all.
"""

from __future__ import annotations

import asyncio
import json
from abc import abstractmethod
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, NamedTuple

import pydantic_core

from core.messages import ModelMessage, ModelResponse
from core.models._failures import error_of, parsed, retry_after, retry_delay
from core.models._transport import AiohttpTransport, HttpxTransport, Reply, Transport
from core.models.base import Model, ModelRequestParameters, StreamedResponse, check_allow_model_requests
from core.models.errors import ModelConnectionError, ModelHTTPError, ModelTimeout
from core.models.settings import ModelSettings
from core.models.usage import Usage

if TYPE_CHECKING:
    import httpx

    from core.models._streaming import SSEResponse

__all__ = ["MAX_BODY_BYTES", "HTTPModel", "Limits", "Post", "json_bytes", "read_all"]

MAX_BODY_BYTES = 50 * 1024 * 1024


class Limits:
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


async def read_all(reply: Reply, limits: Limits) -> bytes:
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


def json_bytes(body: dict[str, Any]) -> bytes:
    """`body` as JSON; half a surrogate pair, which chat platforms let through, becomes a question mark."""
    try:
        return pydantic_core.to_json(body)
    except ValueError:
        return json.dumps(body, ensure_ascii=False).encode("utf-8", "replace")


class Post(NamedTuple):
    """What is sent for one request: to `url`, as JSON, with the headers beside content type and `accept`."""

    url: str
    headers: Mapping[str, str]
    body: dict[str, Any]


class HTTPModel(Model):
    """A model behind an HTTP API that takes JSON and answers with JSON or server-sent events.

    A provider says what is sent (`_post_of`) and how a whole answer (`_whole`) and a streamed one (`_streamed`) are
    read; `_refusal` only where its errors need more than `error_of`.
    """

    def __init__(self, model_name: str, base_url: str, system: str, http_client: httpx.AsyncClient | None) -> None:
        self._model_name = model_name
        self._base_url = base_url
        self._system = system
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

    @abstractmethod
    def _post_of(
        self, messages: list[ModelMessage], settings: ModelSettings, parameters: ModelRequestParameters, stream: bool
    ) -> Post:
        """The request. Raises UserError for what the provider cannot be sent."""

    @abstractmethod
    def _whole(self, data: bytes) -> tuple[ModelResponse, Usage]:
        """Read an answer that was not streamed. Raises AgentRunError."""

    @abstractmethod
    def _streamed(self, reply: Reply, limits: Limits) -> SSEResponse:
        """The answer that streams in `reply`."""

    def _refusal(self, status: int, body: object, headers: Mapping[str, str]) -> ModelHTTPError:
        """The error for an answer with a bad status."""
        return error_of(status, self._model_name, body, headers)

    async def request(
        self,
        messages: list[ModelMessage],
        model_settings: ModelSettings | None,
        model_request_parameters: ModelRequestParameters,
    ) -> tuple[ModelResponse, Usage]:
        check_allow_model_requests()
        settings = model_settings or {}
        post = self._post_of(messages, settings, model_request_parameters, False)
        limits = Limits(settings)
        attempt = 0
        while True:
            attempt += 1
            reply: Reply | None = None
            try:
                reply = await self._send(post, limits, {})
                return self._whole(await read_all(reply, limits))
            except Exception as exc:
                await self._wait_or_raise(exc, attempt, limits)
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
        post = self._post_of(messages, settings, model_request_parameters, True)
        limits = Limits(settings)
        attempt = 0
        while True:
            attempt += 1
            reply: Reply | None = None
            try:
                reply = await self._send(post, limits, {"accept": "text/event-stream"})
                streamed = self._streamed(reply, limits)
                await streamed.open()
            except BaseException as exc:
                try:
                    await self._wait_or_raise(exc, attempt, limits)
                finally:
                    if reply is not None:
                        await reply.aclose()
                continue
            try:
                yield streamed
            finally:
                await reply.aclose()
            return

    async def _send(self, post: Post, limits: Limits, more: Mapping[str, str]) -> Reply:
        """Send the request; the reply has a good status. Raises ModelHTTPError and ModelConnectionError."""
        headers = {"content-type": "application/json", **more, **post.headers}
        data = json_bytes(post.body)
        limits.sent()
        async with limits.within("first event", limits.first_event_s):
            reply = await self._transport.post(post.url, headers, data, limits.connect_s)
        if reply.status < 400:
            return reply
        try:
            said = await read_all(reply, limits)
        except ModelConnectionError:
            said = b""
        finally:
            await reply.aclose()
        body = parsed(said)
        limits.asked = retry_after(reply.headers, body)
        raise self._refusal(reply.status, body, reply.headers)

    async def _wait_or_raise(self, exc: BaseException, attempt: int, limits: Limits) -> None:
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
