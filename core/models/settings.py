"""What can be asked of a model beside the messages."""

from __future__ import annotations

from typing import TypedDict

__all__ = ["ModelSettings", "merge_model_settings"]


class ModelSettings(TypedDict, total=False):
    """Settings of one request. Providers leave out what they do not know; times are in seconds."""

    max_tokens: int
    temperature: float
    top_p: float
    timeout: float
    """The whole request, from the first byte out to the last byte in. Default: no limit."""
    connect_timeout: float
    """Until the connection stands. Default 10."""
    first_event_timeout: float
    """From the request until the provider says anything. Default 60."""
    idle_timeout: float
    """Between two signs of life within an answer; any byte is one. Default 60."""
    progress_timeout: float
    """Between two pieces of the answer, however often the provider says that it is there. Default 300."""
    max_retries: int
    """Further attempts after a failure that may pass, while nothing was delivered. Default 2.

    None begins later than `first_event_timeout` after the first, so that nobody waits for several of them.
    """
    merge_deltas: bool
    """Give text that is read at once as one delta, which is cheaper. Default: one for each that the provider sent."""
    parallel_tool_calls: bool
    seed: int
    presence_penalty: float
    frequency_penalty: float
    logit_bias: dict[str, int]
    stop_sequences: list[str]
    """Texts that end the answer where the model writes them; they are not part of it."""


def merge_model_settings(base: ModelSettings | None, overrides: ModelSettings | None) -> ModelSettings | None:
    """`base` with `overrides` over it, key by key."""
    if base and overrides:
        return base | overrides
    return base or overrides
