"""Functions of the developer that a run calls: system prompts, instructions, result validators."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from core.agent._threads import in_thread
from core.agent.tools import RunContext

__all__ = ["Instructions", "SystemPrompt", "Validator"]


async def _call(function: Callable[..., Any], *args: Any) -> Any:
    """Call `function`, a plain one in a thread."""
    if inspect.iscoroutinefunction(function):
        return await function(*args)
    return await in_thread(function, *args)


def _takes(function: Callable[..., Any], count: int) -> bool:
    """Whether `function` has at least `count` parameters."""
    return len(inspect.signature(function).parameters) >= count


@dataclass(frozen=True)
class SystemPrompt:
    """A fixed text, or a function of nothing or of the `RunContext` that writes one."""

    source: str | Callable[..., Any]
    dynamic: bool = False

    @property
    def ref(self) -> str:
        """What a stored prompt is known by, so that it can be written anew."""
        return getattr(self.source, "__qualname__", "")

    async def text(self, ctx: RunContext[Any]) -> str:
        if isinstance(self.source, str):
            return self.source
        said = await _call(self.source, *([ctx] if _takes(self.source, 1) else []))
        return said or ""


Instructions = SystemPrompt


@dataclass(frozen=True)
class Validator:
    """A function of the data, or of the `RunContext` and the data; returns the data, or raises `ModelRetry`."""

    function: Callable[..., Any]

    async def validate(self, data: Any, ctx: RunContext[Any]) -> Any:
        return await _call(self.function, *([ctx, data] if _takes(self.function, 2) else [data]))
