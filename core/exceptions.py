"""The exceptions of the engine, for users; they live in `core.models.errors`."""

from __future__ import annotations

from core.models.errors import (
    AgentRunError,
    FallbackExceptionGroup,
    ModelHTTPError,
    ModelRetry,
    RunTimeout,
    UnexpectedModelBehavior,
    UsageLimitExceeded,
    UserError,
)

__all__ = [
    "AgentRunError",
    "FallbackExceptionGroup",
    "ModelHTTPError",
    "ModelRetry",
    "RunTimeout",
    "UnexpectedModelBehavior",
    "UsageLimitExceeded",
    "UserError",
]
