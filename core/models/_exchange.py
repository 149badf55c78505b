"""One request to a provider over HTTP: sent, timed, tried again while nothing of the answer was delivered.

What a provider says and how it answers is its own module's; waiting, retrying and giving up are the same for all.
"""

from __future__ import annotations

import asyncio
import json
import urllib.parse
from abc import abstractmethod
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, closing
from typing import TYPE_CHECKING, Any, NamedTuple

import pydantic_core

from core.messages import ModelMessage, ModelResponse
from core.models._failures import error_of, parsed, retry_after, retry_delay
from core.models._limits import Limits
from core.models._pace import pace_of
from core.models._transport import AiohttpTransport, HttpxTransport, Reply, Transport
from core.models.base import Model, ModelRequestParameters, StreamedResponse, check_allow_model_requests
from core.models.errors import (
    AgentRunError,
    ModelConnectionError,
    ModelHTTPError,
    UnexpectedModelBehavior,
)
from core.models.settings import ModelSettings
from core.models.usage import Usage

if TYPE_CHECKING:
    import httpx

    from core.models._streaming import SSEResponse

__all__ = ["MAX_BODY_BYTES", "HTTPModel", "Limits", "Post", "json_bytes", "read_all"]

MAX_BODY_BYTES = 50 * 1024 * 1024


async def read_all(reply: Reply, limits: Limits, begun: bytes = b"") -> bytes:
    """The whole body, `begun` being what was read of it already.

    Raises ModelConnectionError, and UnexpectedModelBehavior when it is longer than MAX_BODY_BYTES.
    """
    chunks = [begun] if begun else []
    length = len(begun)
    while length <= MAX_BODY_BYTES:
        phase = "idle" if chunks else "first event"
        with limits.within(phase, limits.idle_s if chunks else limits.first_event_s):
            chunk = await reply.read_some()
        if not chunk:
            return b"".join(chunks)
        limits.progressed()
        chunks.append(chunk)
        length += len(chunk)
    raise UnexpectedModelBehavior(f"The provider's answer is longer than {MAX_BODY_BYTES} bytes")


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
    def _streamed(self, reply: Reply, limits: Limits) -> SSEResponse[Any]:
        """The answer that streams in `reply`."""

    def _refusal(self, status: int, body: object, headers: Mapping[str, str]) -> ModelHTTPError:
        """The error for an answer with a bad status."""
        return error_of(status, self._model_name, body, headers)

    def _mended(self, post: Post, refusal: ModelHTTPError) -> Post | None:
        """The request without what the server does not know, if it refused for that; None: it had another reason."""
        return None

    async def request(
        self,
        messages: list[ModelMessage],
        model_settings: ModelSettings | None,
        model_request_parameters: ModelRequestParameters,
    ) -> tuple[ModelResponse, Usage]:
        check_allow_model_requests()
        settings = model_settings or {}
        post = self._post_of(messages, settings, model_request_parameters, False)
        attempt = 0
        with closing(Limits(settings)) as limits:
            while True:
                attempt += 1
                reply: Reply | None = None
                try:
                    post, reply = await self._send(post, limits, {})
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
        attempt = 0
        with closing(Limits(settings)) as limits:
            while True:
                attempt += 1
                reply: Reply | None = None
                try:
                    post, reply = await self._send(post, limits, {"accept": "text/event-stream"})
                    streamed = self._streamed(reply, limits)
                    streamed.merges_deltas = settings.get("merge_deltas", False)
                    await streamed.open()
                except BaseException as exc:
                    if reply is not None:  # before the wait: what has failed holds no connection meanwhile
                        await reply.aclose()
                    await self._wait_or_raise(exc, attempt, limits)
                    continue
                try:
                    with pace_of(asyncio.get_running_loop()).joined() as streamed.rhythm:
                        yield streamed
                finally:
                    await reply.aclose()
                return

    async def _send(self, post: Post, limits: Limits, more: Mapping[str, str]) -> tuple[Post, Reply]:
        """Send the request, mended as often as the server asks for it; the reply has a good status.

        Returns what was sent in the end, and the reply. Raises ModelHTTPError and ModelConnectionError.
        """
        while True:
            reply = await self._send_once(post, limits, more)
            if reply.status < 300:
                return post, reply
            refusal = await self._refused(reply, limits)
            mended = self._mended(post, refusal)
            if mended is None:
                raise refusal
            post = mended

    async def _send_once(self, post: Post, limits: Limits, more: Mapping[str, str]) -> Reply:
        headers = {"content-type": "application/json", **more, **post.headers}
        data = json_bytes(post.body)
        limits.sent()
        with limits.within("first event", limits.first_event_s):
            return await self._transport.post(post.url, headers, data, limits.connect_s)

    async def _refused(self, reply: Reply, limits: Limits) -> ModelHTTPError:
        """The error a reply with a bad status means; the reply is closed."""
        if reply.status < 400:  # nothing is sent on: neither the key nor what people said
            await reply.aclose()
            host = urllib.parse.urlsplit(reply.headers.get("location") or "").hostname or "another path"
            hint = f"The server sends us on to {host}; set the base URL to the address that answers."
            return ModelHTTPError(reply.status, self._model_name, hint)
        try:
            said = await read_all(reply, limits)
        except AgentRunError:
            said = b""
        finally:
            await reply.aclose()
        body = parsed(said)
        limits.asked = retry_after(reply.headers, body)
        return self._refusal(reply.status, body, reply.headers)

    async def _wait_or_raise(self, exc: BaseException, attempt: int, limits: Limits) -> None:
        """Wait before the next attempt, or raise `exc` when there is to be none."""
        if not isinstance(exc, Exception):
            raise exc
        if isinstance(exc, ModelConnectionError):
            exc.model_name = self._model_name
        delay = retry_delay(exc, attempt, limits.retries, limits.asked)
        limits.asked = None
        if delay is None or not limits.allows_wait(delay):
            raise exc
        await asyncio.sleep(delay)
