"""Bytes to a provider and back: aiohttp by default, an `httpx.AsyncClient` where one is given.

aiohttp costs about a third of httpx per delta when deltas arrive one by one, and its pool does not slow down with
hundreds of open streams. Its session is that of the running loop, see `core.models._sessions`.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import ipaddress
import ssl
import urllib.parse
import urllib.request
from collections.abc import Mapping
from typing import TYPE_CHECKING, Protocol

from core.models import _sessions
from core.models.errors import ModelConnectionError, ModelTimeout

if TYPE_CHECKING:
    import aiohttp
    import httpx

__all__ = ["AiohttpTransport", "HttpxTransport", "Reply", "Transport"]


class Reply(Protocol):
    """An answer whose head has arrived."""

    @property
    def status(self) -> int: ...

    @property
    def headers(self) -> Mapping[str, str]: ...

    async def read_some(self) -> bytes:
        """The next bytes of the body, decompressed; b"" at its end. Raises ModelConnectionError."""
        ...

    async def rest(self, seconds: float) -> None:
        """Leave the socket alone for a while, unless all has come already."""
        ...

    async def aclose(self) -> None:
        """Stop reading. What has not been read is thrown away, with the connection."""


class Transport(Protocol):
    """Posts JSON."""

    async def post(self, url: str, headers: Mapping[str, str], body: bytes, connect_s: float) -> Reply:
        """Send and wait for the head of the answer. Raises ModelConnectionError; ModelTimeout after `connect_s`."""
        ...

    async def aclose(self) -> None:
        """Close the connections of the running loop."""


@functools.cache
def tls_context() -> ssl.SSLContext:
    """The one TLS context of this process; loading the certificates takes about 40 ms."""
    return ssl.create_default_context()


def proxy_for(url: str) -> str | None:
    """The proxy the environment names for `url`; never one for this machine itself."""
    parts = urllib.parse.urlsplit(url)
    host = parts.hostname or ""
    if host == "localhost":
        return None
    with contextlib.suppress(ValueError):
        if ipaddress.ip_address(host).is_loopback:
            return None
    if urllib.request.proxy_bypass(host):
        return None
    return urllib.request.getproxies().get(parts.scheme)


class AiohttpTransport:
    """The default transport."""

    async def post(self, url: str, headers: Mapping[str, str], body: bytes, connect_s: float) -> Reply:
        import aiohttp

        session = await _sessions.session_for(self)
        timeout = aiohttp.ClientTimeout(total=None, connect=None, sock_connect=connect_s)
        tls = tls_context() if url.startswith("https") else True
        try:
            response = await session.post(
                url,
                data=body,
                headers=headers,
                timeout=timeout,
                proxy=proxy_for(url),
                ssl=tls,
                allow_redirects=False,
            )
        except aiohttp.ConnectionTimeoutError as exc:
            raise ModelTimeout("connect", connect_s) from exc
        except (aiohttp.ClientError, OSError, TimeoutError) as exc:
            raise ModelConnectionError(_unreachable(url, exc)) from exc
        return _AiohttpReply(response)

    async def aclose(self) -> None:
        await _sessions.give_back(self)


class _AiohttpReply:
    def __init__(self, response: aiohttp.ClientResponse) -> None:
        import aiohttp

        self._response = response
        self._content = response.content
        self._broken = (aiohttp.ClientError, OSError)  # to import once a piece would be felt
        self.status = response.status
        self.headers: Mapping[str, str] = response.headers

    async def read_some(self) -> bytes:
        try:
            return await self._content.readany()
        except self._broken as exc:
            raise ModelConnectionError(f"The connection to the provider broke: {_brief(exc)}") from exc

    async def rest(self, seconds: float) -> None:
        connection = self._response.connection
        if connection is None or (transport := connection.transport) is None:
            return
        transport.pause_reading()
        try:
            await asyncio.sleep(seconds)
        finally:
            transport.resume_reading()

    async def aclose(self) -> None:
        self._response.close()


class HttpxTransport:
    """Posts through a client of the caller's, with its proxies, hooks and limits; the caller closes it."""

    def __init__(self, client: httpx.AsyncClient) -> None:
        self._client = client

    async def post(self, url: str, headers: Mapping[str, str], body: bytes, connect_s: float) -> Reply:
        import httpx

        timeout = httpx.Timeout(None, connect=connect_s)
        request = self._client.build_request("POST", url, headers=dict(headers), content=body, timeout=timeout)
        try:
            response = await self._client.send(request, stream=True)
        except httpx.ConnectTimeout as exc:
            raise ModelTimeout("connect", connect_s) from exc
        except (httpx.TransportError, OSError) as exc:
            raise ModelConnectionError(_unreachable(url, exc)) from exc
        return _HttpxReply(response)

    async def aclose(self) -> None:
        return


class _HttpxReply:
    def __init__(self, response: httpx.Response) -> None:
        self._response = response
        self.status = response.status_code
        self.headers: Mapping[str, str] = response.headers
        self._chunks = response.aiter_bytes()

    async def read_some(self) -> bytes:
        import httpx

        try:
            while not (chunk := await anext(self._chunks, None)):
                if chunk is None:
                    return b""
        except (httpx.HTTPError, OSError) as exc:
            raise ModelConnectionError(f"The connection to the provider broke: {_brief(exc)}") from exc
        return chunk

    async def rest(self, seconds: float) -> None:
        await asyncio.sleep(seconds)  # httpx reads its socket when it is asked to

    async def aclose(self) -> None:
        close = getattr(self._chunks, "aclose", None)
        if close is not None:
            await close()
        await self._response.aclose()


def _unreachable(url: str, exc: BaseException) -> str:
    where = urllib.parse.urlsplit(url)
    host = f"{where.hostname}:{where.port}" if where.port else where.hostname  # never user, password or query
    return f"The provider at {host} could not be reached: {_brief(exc)}"


def _brief(exc: BaseException) -> str:
    return str(exc) or type(exc).__name__
