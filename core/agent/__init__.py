"""The engine: agents, runs, tools, results, usage, and the events of a run. No Redis, no chat."""

from core.agent._capture import capture_run_messages
from core.agent._run import EndStrategy
from core.agent.agent import Agent
from core.agent.events import RunEvents
from core.agent.extra import MessageContext, MessageReferences, ReasoningStep, RunResponseExtraData
from core.agent.instrumentation import InstrumentationSettings
from core.agent.media import Audio, File, Image, Video
from core.agent.nodes import AgentRun, AgentStream, CallToolsNode, End, ModelRequestNode, UserPromptNode
from core.agent.printing import pprint_run_response
from core.agent.response import RunEvent, RunResponse
from core.agent.result import AgentRunResult, FinalResult, StreamedRunResult
from core.agent.sync_events import SyncRunEvents
from core.agent.tools import RunContext, Tool

__all__ = [
    "Agent",
    "AgentRun",
    "AgentRunResult",
    "AgentStream",
    "Audio",
    "CallToolsNode",
    "End",
    "EndStrategy",
    "File",
    "FinalResult",
    "Image",
    "InstrumentationSettings",
    "MessageContext",
    "MessageReferences",
    "ModelRequestNode",
    "ReasoningStep",
    "RunContext",
    "RunEvent",
    "RunEvents",
    "RunResponse",
    "RunResponseExtraData",
    "StreamedRunResult",
    "SyncRunEvents",
    "Tool",
    "UserPromptNode",
    "Video",
    "capture_run_messages",
    "pprint_run_response",
]
