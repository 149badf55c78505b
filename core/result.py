"""What runs give back, for users; it lives in `core.agent` and `core.models.usage`."""

from __future__ import annotations

from core.agent.nodes import AgentStream
from core.agent.result import AgentRunResult, FinalResult, ResultDataT, StreamedRunResult
from core.models.usage import Usage

__all__ = [
    "AgentRunResult",
    "AgentStream",
    "FinalResult",
    "ResultDataT",
    "StreamedRunResult",
    "Usage",
]
