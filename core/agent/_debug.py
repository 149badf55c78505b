"""What an agent with `debug_mode` tells of its runs, for whoever develops it: texts, arguments and all.

It goes to the logger `core.agent.debug`. Where logging is not set up it stands on standard error, as in a script.
"""

from __future__ import annotations

import logging
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from typing import TYPE_CHECKING, Any, assert_never

from core.agent._plan import LoopEvent, ResponseEnded
from core.agent.response import args_of, call_line
from core.messages import (
    FunctionToolCallEvent,
    FunctionToolResultEvent,
    ModelMessage,
    ModelRequestPart,
    ModelResponsePart,
    RetryPromptPart,
    SystemPromptPart,
    TextPart,
    ThinkingPart,
    ToolCallPart,
    ToolReturnPart,
    UserPromptPart,
)

if TYPE_CHECKING:
    from core.agent._run import Run

__all__ = ["listen", "tell_request", "told"]

log = logging.getLogger("core.agent.debug")


class _OnStandardError(logging.StreamHandler[Any]):
    """Shows records as long as nobody has said where they should go."""

    def filter(self, record: logging.LogRecord) -> bool:
        return not logging.getLogger().handlers


def listen() -> None:
    """Have what is told shown. Safe to call more than once."""
    log.setLevel(logging.DEBUG)
    if not log.handlers:
        log.addHandler(_OnStandardError())


def tell_request(run: Run[Any], sent: Sequence[ModelMessage]) -> None:
    """Tell of a request that is about to go out; of the messages in it, those that were not told of before."""
    _tell(run, f"request {run.step} to {run.plan.model.model_name}, {len(sent)} messages")
    for message in sent if run.step == 1 else sent[-1:]:
        for part in message.parts:
            _tell(run, f"  {_shown(part)}")


async def told(run: Run[Any], events: AsyncGenerator[LoopEvent, None]) -> AsyncGenerator[LoopEvent, None]:
    """The events, which are told of as they pass."""
    try:
        async with aclosing(events):
            async for event in events:
                _tell_event(run, event)
                yield event
        if run.result is not None:
            _tell(run, f"result: {run.result.data!r}")
    except Exception as exc:
        _tell(run, f"failed with {type(exc).__name__}: {exc}")
        raise


def _tell_event(run: Run[Any], event: LoopEvent) -> None:
    match event:
        case ResponseEnded(response=response, usage=usage):
            tokens = f"{usage.request_tokens or 0} tokens read, {usage.response_tokens or 0} written"
            _tell(run, f"response after {event.seconds:.2f} s, {tokens}, finish reason: {response.finish_reason}")
            for part in response.parts:
                _tell(run, f"  {_shown(part)}")
        case FunctionToolCallEvent(part=call):
            _tell(run, f"runs {_called(call)}")
        case FunctionToolResultEvent(result=result):
            _tell(run, f"  {_shown(result)}")
        case _:
            pass


def _shown(part: ModelRequestPart | ModelResponsePart) -> str:
    match part:
        case SystemPromptPart() | UserPromptPart() | TextPart() | ThinkingPart():
            return f"{part.part_kind}: {part.content}"
        case ToolReturnPart():
            return f"{part.tool_name} returned: {part.model_response_str()}"
        case RetryPromptPart():
            return f"retry {part.tool_name or ''}: {part.model_response()}"
        case ToolCallPart():
            return f"calls {_called(part)}"
        case _:
            assert_never(part)


def _called(call: ToolCallPart) -> str:
    return call_line(call.tool_name, args_of(call))


def _tell(run: Run[Any], what: str) -> None:
    log.debug("%s %s: %s", run.agent_name or "agent", run.run_id[:8], what)
