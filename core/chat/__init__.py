"""The domain: what people say, how a Turn answers it, and the ports that platforms plug into."""

from core.chat.adapter import Adapter, CommandCall, CommandName, Directory, Intake, Marks, Retried, Spot, Verdict
from core.chat.earlier import Said, ThreadReader
from core.chat.message import Author, Message, Reach
from core.errors import ConfigError, StoreUnavailable
from core.ids import ChannelId, ScopeId, ThreadId, UserId
from core.replies.surface import (
    Limits,
    MessageGone,
    MessageRef,
    NotPermitted,
    Operation,
    Placement,
    PlacementGone,
    Rate,
    RateLimited,
    Segment,
    SegmentRejected,
    StoppedByPerson,
    Surface,
    SurfaceError,
    SurfaceUnavailable,
    ToolCall,
)
from core.sessions import Rated, Vote

__all__ = [
    "Adapter",
    "Author",
    "ChannelId",
    "CommandCall",
    "CommandName",
    "ConfigError",
    "Directory",
    "Intake",
    "Limits",
    "Marks",
    "Message",
    "MessageGone",
    "MessageRef",
    "NotPermitted",
    "Operation",
    "Placement",
    "PlacementGone",
    "Rate",
    "RateLimited",
    "Rated",
    "Reach",
    "Retried",
    "Said",
    "ScopeId",
    "Segment",
    "SegmentRejected",
    "Spot",
    "StoppedByPerson",
    "StoreUnavailable",
    "Surface",
    "SurfaceError",
    "SurfaceUnavailable",
    "ThreadId",
    "ThreadReader",
    "ToolCall",
    "UserId",
    "Verdict",
    "Vote",
]
