"""The floor: httpx reads the bytes, and nobody looks at them."""

from __future__ import annotations

import functools

import httpx

IMPORTS = "import httpx"


@functools.cache
def _client() -> httpx.AsyncClient:
    limits = httpx.Limits(max_connections=None, max_keepalive_connections=0)
    return httpx.AsyncClient(trust_env=False, verify=False, timeout=60, limits=limits)


async def stream(base_url: str, what: str) -> None:
    body = {"model": what, "stream": True}
    async with _client().stream("POST", f"{base_url}/chat/completions", json=body) as response:
        async for _ in response.aiter_raw():
            pass
