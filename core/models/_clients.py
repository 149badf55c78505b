"""A client of httpx for several models, for code that wants one without owning it."""

from __future__ import annotations

import asyncio
import weakref

import httpx

__all__ = ["cached_async_http_client"]

_Key = tuple[int, int]  # the times, in seconds
_of_loops: weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, dict[_Key, httpx.AsyncClient]]
_of_loops = weakref.WeakKeyDictionary()
_of_no_loop: dict[_Key, httpx.AsyncClient] = {}


def cached_async_http_client(timeout: int = 600, connect: int = 5) -> httpx.AsyncClient:
    """The client of the running loop with these times (s), the same each time until somebody closes it.

    Where no loop runs it is that of the process, whose connections belong to the loop that uses it first.
    """
    try:
        clients = _of_loops.setdefault(asyncio.get_running_loop(), {})
    except RuntimeError:
        clients = _of_no_loop
    client = clients.get((timeout, connect))
    if client is None or client.is_closed:
        client = clients[timeout, connect] = httpx.AsyncClient(timeout=httpx.Timeout(timeout, connect=connect))
    return client
