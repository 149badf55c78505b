"""What a run has used, and what it may use."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from typing import TypeAlias

from core.models.errors import UsageLimitExceeded, UserError

__all__ = ["Price", "Usage", "UsageLimits"]

Price: TypeAlias = "Callable[[str, Usage], float | Decimal | None]"
"""USD for the usage of the model of that name, None if it is not known."""


def _sum(a: int | None, b: int | None) -> int | None:
    return None if a is None and b is None else (a or 0) + (b or 0)


@dataclass
class Usage:
    """Requests made and tokens used. None means that the provider has not said, which is not the same as zero."""

    requests: int = 0
    request_tokens: int | None = None
    response_tokens: int | None = None
    total_tokens: int | None = None
    details: dict[str, int] | None = None
    """Counts of the provider's own, such as `cached_tokens` or `reasoning_tokens`."""

    def __post_init__(self) -> None:
        self.cost = 0.0
        """USD, as far as a `cost_limit` made it worth counting. Not part of what usages are compared by."""

    def incr(self, incr_usage: Usage, *, requests: int = 0) -> None:
        """Add `incr_usage` to this one, in place, and `requests` on top of its own."""
        self.requests += requests + incr_usage.requests
        self.request_tokens = _sum(self.request_tokens, incr_usage.request_tokens)
        self.response_tokens = _sum(self.response_tokens, incr_usage.response_tokens)
        self.total_tokens = _sum(self.total_tokens, incr_usage.total_tokens)
        if incr_usage.details:
            merged = dict(self.details or {})
            for key, value in incr_usage.details.items():
                merged[key] = merged.get(key, 0) + value
            self.details = merged
        self.cost += incr_usage.cost

    def __add__(self, other: Usage) -> Usage:
        """The sum as a new object; neither of the two is changed or shared."""
        total = Usage()
        total.incr(self)
        total.incr(other)
        return total

    def opentelemetry_attributes(self) -> dict[str, int]:
        """The counts under their GenAI attribute names; zeros and unknowns are left out."""
        named = {
            "gen_ai.usage.input_tokens": self.request_tokens,
            "gen_ai.usage.output_tokens": self.response_tokens,
        }
        named |= {f"gen_ai.usage.details.{key}": value for key, value in (self.details or {}).items()}
        return {key: value for key, value in named.items() if value}


@dataclass
class UsageLimits:
    """What a run may use; None means no limit. Checked before each request and while a response streams.

    tool_calls_limit: function tool calls of a run.
    cost_limit: USD, over all runs that share a `Usage`.   price: says what it costs; needed with `cost_limit`.
    A model whose price is not known counts as free, and is logged as "run.price_unknown".
    Raises UserError for a `cost_limit` without `price`.
    """

    request_limit: int | None = 50
    request_tokens_limit: int | None = None
    response_tokens_limit: int | None = None
    total_tokens_limit: int | None = None
    tool_calls_limit: int | None = None
    cost_limit: float | None = None
    price: Price | None = None

    def __post_init__(self) -> None:
        if self.cost_limit is not None and self.price is None:
            raise UserError("`cost_limit` needs `price`, a function of (model name, usage) that gives USD")

    def cost(self, model_name: str, usage: Usage) -> float | None:
        """USD for `usage` of a model, None if nobody knows."""
        cost = None if self.price is None else self.price(model_name, usage)
        return None if cost is None else float(cost)

    def has_token_limits(self) -> bool:
        limits = (self.request_tokens_limit, self.response_tokens_limit, self.total_tokens_limit)
        return any(limit is not None for limit in limits)

    def check_before_request(self, usage: Usage) -> None:
        """Raise UsageLimitExceeded if one more request would be too many."""
        if self.request_limit is not None and usage.requests >= self.request_limit:
            raise UsageLimitExceeded(f"The next request would exceed the request_limit of {self.request_limit}")
        if self.cost_limit is not None and usage.cost >= self.cost_limit:
            raise UsageLimitExceeded(f"The next request would exceed the cost_limit of {self.cost_limit:g} USD")

    def check_tokens(self, usage: Usage) -> None:
        """Raise UsageLimitExceeded if more tokens, or money, were used than allowed."""
        for name, used, limit in (
            ("request_tokens", usage.request_tokens or 0, self.request_tokens_limit),
            ("response_tokens", usage.response_tokens or 0, self.response_tokens_limit),
            ("total_tokens", usage.total_tokens or 0, self.total_tokens_limit),
        ):
            if limit is not None and used > limit:
                raise UsageLimitExceeded(f"Exceeded the {name}_limit of {limit} ({name}={used})")
        if self.cost_limit is not None and usage.cost > self.cost_limit:
            raise UsageLimitExceeded(f"Exceeded the cost_limit of {self.cost_limit:g} USD (cost={usage.cost:.6g})")

    def check_before_tool_calls(self, done: int, wanted: int) -> None:
        """Raise UsageLimitExceeded if `wanted` more tool calls would be too many."""
        if self.tool_calls_limit is not None and done + wanted > self.tool_calls_limit:
            raise UsageLimitExceeded(
                f"The next tool call(s) would exceed the tool_calls_limit of {self.tool_calls_limit}"
                f" (tool_calls={done + wanted})"
            )
