"""Calls functions of the developer: a coroutine in the loop, a plain one in a thread."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from inspect import isawaitable
from typing import Any

__all__ = ["in_thread"]


async def in_thread(function: Callable[..., Any], /, *args: Any, **named: Any) -> Any:
    """What a plain function returns; it runs in a thread, with the context variables of the caller.

    What is awaitable of it is awaited. Raises what the function raises, and RuntimeError for StopIteration, which no
    future can hold: whoever waited for it would wait for ever.
    """
    result = await asyncio.to_thread(_guarded, function, *args, **named)
    return await result if isawaitable(result) else result


def _guarded(function: Callable[..., Any], /, *args: Any, **named: Any) -> Any:
    try:
        return function(*args, **named)
    except StopIteration as exc:
        raise RuntimeError(f"{getattr(function, '__name__', function)} raised StopIteration") from exc
