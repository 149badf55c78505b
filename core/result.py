"""What runs give back, for users; it lives in `core.agent.result`."""

from __future__ import annotations

from core.agent.result import AgentRunResult, FinalResult, ResultDataT, StreamedRunResult

__all__ = [
    "AgentRunResult",
    "FinalResult",
    "ResultDataT",
    "StreamedRunResult",
]
