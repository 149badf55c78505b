"""Tools and what they learn of a run, for users; they live in `core.agent.tools`."""

from __future__ import annotations

from core.agent.tools import (
    AgentDepsT,
    DocstringFormat,
    RunContext,
    Tool,
    ToolFuncContext,
    ToolFuncEither,
    ToolFuncPlain,
    ToolParams,
    ToolPrepareFunc,
)
from core.models.base import ToolDefinition

__all__ = [
    "AgentDepsT",
    "DocstringFormat",
    "RunContext",
    "Tool",
    "ToolDefinition",
    "ToolFuncContext",
    "ToolFuncEither",
    "ToolFuncPlain",
    "ToolParams",
    "ToolPrepareFunc",
]
