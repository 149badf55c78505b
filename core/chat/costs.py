"""Costs: what a Turn used, as the ledger takes it."""

from __future__ import annotations

from core.chat.message import Message
from core.chat.progress import Progress
from core.usage import Outcome, Tokens, TurnUsage, price_nano_usd


def cost_of(
    message: Message, progress: Progress, provider: str, outcome: Outcome, given: str, seconds: float
) -> TurnUsage:
    """given: all text that the model read, to estimate from when its provider did not say how many tokens they were.

    The first question of a Turn is who pays.
    """
    used = progress.usage()
    tokens = Tokens(used.request_tokens or 0, used.response_tokens or 0, (used.details or {}).get("cached_tokens", 0))
    if not used.request_tokens and progress.text:
        tokens = Tokens.estimated(given, progress.text)
    return TurnUsage(
        scope=message.scope,
        user=message.author.user_id,
        channel=message.channel,
        model=_model_label(provider, progress.model),
        outcome=outcome,
        input_tokens=tokens.input,
        output_tokens=tokens.output,
        estimated=tokens.is_estimate,
        cost_nano_usd=price_nano_usd(provider, progress.model, tokens.input, tokens.output, tokens.cached),
        seconds=seconds,
        first_text_s=None,
    )


def _model_label(provider: str, model: str) -> str:
    return f"{provider}:{model}" if provider and model and provider != model else model or provider or "unknown"
