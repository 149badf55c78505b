"""The floor of who reads the answer: aiohttp, lines cut, the text of each taken out with `json.loads`."""

from __future__ import annotations

import json

from benchmarks.engine._floor_aiohttp import session

IMPORTS = "import aiohttp, json"


async def stream(base_url: str, what: str) -> None:
    rest = b""
    async with session().post(f"{base_url}/chat/completions", json={"model": what, "stream": True}) as response:
        async for data in response.content.iter_any():
            *lines, rest = (rest + data).split(b"\n")
            for line in lines:
                if line.startswith(b"data: {"):
                    json.loads(line[6:])["choices"][0]["delta"].get("content")
