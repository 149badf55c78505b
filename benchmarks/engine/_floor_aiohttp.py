"""The floor: aiohttp reads the bytes, and nobody looks at them."""

from __future__ import annotations

import functools

import aiohttp

IMPORTS = "import aiohttp"


@functools.cache
def session() -> aiohttp.ClientSession:
    return aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0), read_bufsize=2**18)


async def stream(base_url: str, what: str) -> None:
    async with session().post(f"{base_url}/chat/completions", json={"model": what, "stream": True}) as response:
        async for _ in response.content.iter_any():
            pass
