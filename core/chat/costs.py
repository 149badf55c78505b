"""Costs: what a Turn used, as the ledger takes it."""

from __future__ import annotations

from core.chat.message import Message
from core.chat.progress import Progress
from core.usage import CutRuns, Outcome, Tokens, TurnUsage, price_nano_usd


def cost_of(
    message: Message,
    progress: Progress,
    provider: str,
    outcome: Outcome,
    given: str,
    seconds: float,
    cut: tuple[int, int] = (0, 0),
) -> TurnUsage:
    """given: all text that the model read, to estimate from when its provider did not say how many tokens they were.
    cut: earlier runs of this Turn that ended with their process, and how many characters they had written.

    The first question of a Turn is who pays.
    """
    used = progress.usage()
    tokens = Tokens(used.request_tokens or 0, used.response_tokens or 0, (used.details or {}).get("cached_tokens", 0))
    if not used.request_tokens and progress.text:
        tokens = Tokens.estimated(len(given), len(progress.text))
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
        cut=_cut_runs(*cut, given=len(given), provider=provider, model=progress.model),
    )


def _cut_runs(runs: int, written: int, *, given: int, provider: str, model: str) -> CutRuns:
    if not runs:
        return CutRuns()
    tokens = Tokens.estimated(given, written)
    price = price_nano_usd(provider, model, runs * tokens.input, tokens.output, 0)
    return CutRuns(runs, runs * tokens.input, tokens.output, price or 0)


def _model_label(provider: str, model: str) -> str:
    return f"{provider}:{model}" if provider and model and provider != model else model or provider or "unknown"
