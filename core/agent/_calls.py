"""Runs function tools: each call guarded by itself, all calls of a response at once."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, Callable, Coroutine, Sequence
from contextlib import aclosing
from typing import Any, TypeVar

import pydantic
import pydantic_core

from core.agent.tools import RunContext, Tool
from core.messages import RetryPromptPart, ToolCallPart, ToolReturnPart
from core.models.errors import ModelRetry, RunTimeout, UnexpectedModelBehavior

__all__ = ["Retries", "call_tool", "error_details", "run_together", "within"]

T = TypeVar("T")
GRACE_S = 1.0  # seconds a cancelled tool has to clean up; a run that was stopped waits no longer


class Retries:
    """Counts retries, one counter a tool, for one run; a tool that has no limit of its own gets none."""

    def __init__(self) -> None:
        self._counts: dict[str, int] = {}

    def count(self, tool: str) -> int:
        return self._counts.get(tool, 0)

    def reset(self, tool: str) -> None:
        self._counts.pop(tool, None)

    def next(self, tool: Tool[Any], cause: Exception) -> None:
        """Count one more. Raises UnexpectedModelBehavior when the tool's budget is used up."""
        limit = tool.max_retries or 0
        self._counts[tool.name] = self.count(tool.name) + 1
        if self._counts[tool.name] > limit:
            raise UnexpectedModelBehavior(f"Tool exceeded max retries count of {limit}") from cause


async def call_tool(
    tool: Tool[Any], call: ToolCallPart, ctx: RunContext[Any], retries: Retries, timeout: float | None
) -> ToolReturnPart | RetryPromptPart:
    """Run one call: its return, or a request to try again for bad arguments, `ModelRetry` and a timeout (s)."""
    limit = asyncio.timeout(timeout)
    try:
        async with limit:
            content = await tool.call(call.args, ctx)
    except pydantic.ValidationError as exc:
        retries.next(tool, exc)
        return RetryPromptPart(error_details(exc), tool.name, call.tool_call_id)
    except ModelRetry as exc:
        retries.next(tool, exc)
        return RetryPromptPart(exc.message, tool.name, call.tool_call_id)
    except TimeoutError as exc:
        if not limit.expired():
            raise  # the tool's own, not ours
        retries.next(tool, exc)
        return RetryPromptPart(f"Timed out after {timeout:g} seconds.", tool.name, call.tool_call_id)
    retries.reset(tool.name)
    return ToolReturnPart(tool.name, _storable(content), call.tool_call_id)


def error_details(exc: pydantic.ValidationError) -> list[pydantic_core.ErrorDetails]:
    """What was wrong, in a form that can be stored: exceptions become their text."""
    errors = exc.errors(include_url=False)
    for error in errors:
        if (ctx := error.get("ctx")) is not None:
            error["ctx"] = {key: str(value) if isinstance(value, Exception) else value for key, value in ctx.items()}
    return errors


def _storable(content: Any) -> Any:
    """`content` as it is if JSON can hold it, else as near as JSON comes: histories are sent and stored as JSON."""
    try:
        pydantic_core.to_json(content, bytes_mode="base64")
    except ValueError:
        said = json.dumps(
            pydantic_core.to_jsonable_python(content, bytes_mode="base64", fallback=str), ensure_ascii=False
        )
        # file names, among others, may hold half a surrogate pair, which can be neither sent nor stored
        return json.loads(said.encode("utf-16", "surrogatepass").decode("utf-16", "replace"))
    return content


async def run_together(jobs: Sequence[Callable[[], Coroutine[Any, Any, T]]]) -> AsyncGenerator[T, None]:
    """Run all jobs at once and yield each result as it comes.

    The first exception cancels the jobs still running, never takes back what had finished, and is raised at the end.
    Closing the iterator cancels everything and waits for it, at most GRACE_S.
    """
    done: asyncio.Queue[T | None] = asyncio.Queue()  # bounded by the number of jobs

    async def one(job: Callable[[], Coroutine[Any, Any, T]]) -> None:
        done.put_nowait(await job())

    async def everything() -> None:
        try:
            async with asyncio.TaskGroup() as tasks:
                for job in jobs:
                    tasks.create_task(one(job))
        finally:
            done.put_nowait(None)

    owner = asyncio.create_task(everything(), name="tools")
    try:
        while (result := await done.get()) is not None:
            yield result
        try:
            await owner
        except BaseExceptionGroup as group:
            first = group.exceptions[0]
            raise first from first.__cause__  # the other failures came with it, and say no more
    finally:
        if not owner.done():
            owner.cancel()
            await asyncio.wait([owner], timeout=GRACE_S)
        if owner.done() and not owner.cancelled():
            owner.exception()  # it was raised above, or nobody is left to hear it


async def within(seconds: float, events: AsyncGenerator[T, None]) -> AsyncGenerator[T, None]:
    """The events of a run that may take `seconds` from the first read on. Raises RunTimeout when they have passed."""
    deadline = asyncio.get_running_loop().time() + seconds
    async with aclosing(events):
        while True:
            limit = asyncio.timeout_at(deadline)
            try:
                async with limit:  # never around a yield: whoever reads is not ours to cancel
                    event = await anext(events)
            except StopAsyncIteration:
                return
            except TimeoutError as exc:
                if not limit.expired():
                    raise
                raise RunTimeout(seconds) from exc
            yield event
