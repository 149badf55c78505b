"""What a model's tokens cost, from the price table of genai-prices; a model that is not in it has no price."""

from __future__ import annotations

import asyncio
from decimal import Decimal

_FREE_PROVIDERS = frozenset({"demo", "ollama", "test"})
"""What runs on one's own machine costs nothing here."""

NANO = Decimal(1_000_000_000)


async def read_price_table(provider: str) -> None:
    """Have the table ready that the prices of `provider` are looked up in. It is read in a thread: that takes a tenth
    of a second and more on a busy machine, in which nobody else's answer should stand still."""
    if provider not in _FREE_PROVIDERS:
        known = ("openai", "gpt-4o")  # parts of the table's package are read with the first price that it tells
        await asyncio.to_thread(price_nano_usd, *known, 1, 1)


def price_nano_usd(
    provider: str, model: str, input_tokens: int, output_tokens: int, cached_tokens: int = 0
) -> int | None:
    """The price of one Turn's tokens in billionths of a US dollar, None if the table does not know the model.

    input_tokens: all of them; cached_tokens: those of them that the provider read from its cache.
    Source: the table that comes with the installed genai-prices; nothing is fetched.
    """
    if provider in _FREE_PROVIDERS or not (input_tokens or output_tokens):
        return 0
    from genai_prices import Usage, calc_price  # here, because not every command needs its 10 MB: `read_price_table`

    try:
        price = calc_price(
            Usage(
                input_tokens=input_tokens,
                output_tokens=output_tokens,
                cache_read_tokens=min(cached_tokens, input_tokens),
            ),
            model_ref=model,
            provider_id=provider,
        )
    except (LookupError, ValueError):  # no such model, or figures that the table cannot make sense of
        return None
    return int(price.total_price * NANO)
