"""The options of one run, as its caller gave them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

from core.agent._inputs import RunInputs, said
from core.messages import ModelMessage, UserContent
from core.models.base import Model
from core.models.settings import ModelSettings
from core.models.usage import Usage, UsageLimits

__all__ = ["Asked", "asked_with"]

Prompt: TypeAlias = str | Sequence[UserContent]


@dataclass(frozen=True)
class Asked:
    """The options of one run, as the caller gave them."""

    prompt: Prompt
    result_type: Any
    history: Sequence[ModelMessage] | None
    model: Model | str | None
    deps: Any
    settings: ModelSettings | None
    limits: UsageLimits | None
    usage: Usage | None
    run_timeout: float | None = None
    added: Sequence[ModelMessage] = ()
    retries: int | None = None
    session_id: str | None = None
    user_id: str | None = None


def asked_with(inputs: RunInputs, prompt: Prompt | None, *options: Any) -> Asked:
    """The options of one run, with what Agno's names say put where it belongs."""
    if prompt is None or inputs:
        prompt, added = said(prompt, inputs)
    else:
        added = []
    asked = Asked(prompt, *options)
    return replace(
        asked,
        history=[*(asked.history or ()), *added] if added else asked.history,
        added=added,
        retries=inputs.get("retries"),
        session_id=inputs.get("session_id"),
        user_id=inputs.get("user_id"),
    )
