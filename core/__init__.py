"""What the bot is; knows no platform. The names of the engine are imported when they are first asked for."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from core._version import version

if TYPE_CHECKING:
    from core.agent._capture import capture_run_messages
    from core.agent._run import EndStrategy
    from core.agent.agent import Agent
    from core.agent.events import RunEvents
    from core.agent.nodes import CallToolsNode, ModelRequestNode, UserPromptNode
    from core.agent.printing import pprint_run_response
    from core.agent.response import RunEvent, RunResponse
    from core.agent.result import AgentRunResult, StreamedRunResult
    from core.agent.tools import RunContext, Tool
    from core.messages import AudioUrl, BinaryContent, DocumentUrl, ImageUrl
    from core.models.errors import (
        AgentRunError,
        FallbackExceptionGroup,
        ModelHTTPError,
        ModelRetry,
        RetryAgentRun,
        RunTimeout,
        StopAgentRun,
        UnexpectedModelBehavior,
        UsageLimitExceeded,
        UserError,
    )
    from core.models.usage import Usage, UsageLimits

    __version__: str

_LAZY = {
    "Agent": "agent",
    "AgentRunError": "models.errors",
    "AgentRunResult": "agent",
    "AudioUrl": "messages",
    "BinaryContent": "messages",
    "CallToolsNode": "agent",
    "DocumentUrl": "messages",
    "EndStrategy": "agent",
    "FallbackExceptionGroup": "models.errors",
    "ImageUrl": "messages",
    "ModelHTTPError": "models.errors",
    "ModelRequestNode": "agent",
    "ModelRetry": "models.errors",
    "RetryAgentRun": "models.errors",
    "RunContext": "agent",
    "RunEvent": "agent",
    "RunEvents": "agent",
    "RunResponse": "agent",
    "RunTimeout": "models.errors",
    "StopAgentRun": "models.errors",
    "StreamedRunResult": "agent",
    "Tool": "agent",
    "UnexpectedModelBehavior": "models.errors",
    "Usage": "models.usage",
    "UsageLimitExceeded": "models.errors",
    "UsageLimits": "models.usage",
    "UserError": "models.errors",
    "UserPromptNode": "agent",
    "capture_run_messages": "agent",
    "pprint_run_response": "agent",
}

__all__ = [
    "Agent",
    "AgentRunError",
    "AgentRunResult",
    "AudioUrl",
    "BinaryContent",
    "CallToolsNode",
    "DocumentUrl",
    "EndStrategy",
    "FallbackExceptionGroup",
    "ImageUrl",
    "ModelHTTPError",
    "ModelRequestNode",
    "ModelRetry",
    "RetryAgentRun",
    "RunContext",
    "RunEvent",
    "RunEvents",
    "RunResponse",
    "RunTimeout",
    "StopAgentRun",
    "StreamedRunResult",
    "Tool",
    "UnexpectedModelBehavior",
    "Usage",
    "UsageLimitExceeded",
    "UsageLimits",
    "UserError",
    "UserPromptNode",
    "__version__",
    "capture_run_messages",
    "pprint_run_response",
]


def __getattr__(name: str) -> Any:  # the names above, each with its own type for checkers
    if name == "__version__":
        return version()
    if name not in _LAZY:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_LAZY[name]}"), name)
