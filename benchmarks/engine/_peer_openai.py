"""OpenAI's client by itself, which both peers read answers with."""

from __future__ import annotations

import functools

from openai import AsyncOpenAI

IMPORTS = "from openai import AsyncOpenAI"


@functools.cache
def _client(base_url: str) -> AsyncOpenAI:
    return AsyncOpenAI(base_url=base_url, api_key="k")


async def stream(base_url: str, what: str) -> None:
    answer = await _client(base_url).chat.completions.create(
        model=what, messages=[{"role": "user", "content": "hi"}], stream=True
    )
    async for _ in answer:
        pass
