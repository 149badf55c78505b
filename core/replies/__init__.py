"""Markdown in, Segments out: splitting, pacing, the shared budget, and the one writer that posts and edits."""

from core.replies.budget import Grant, LocalBudget, Priority, RateBudget
from core.replies.draft import Controls, Draft, Layout
from core.replies.healing import healed
from core.replies.reply import Reply
from core.replies.shared_budget import SharedBudget
from core.replies.splitting import Splitter, closed
from core.replies.surface import (
    Bucket,
    Draws,
    Limits,
    MessageGone,
    MessageRef,
    NotPermitted,
    Operation,
    Perishable,
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
    Window,
)

__all__ = [
    "Bucket",
    "Controls",
    "Draft",
    "Draws",
    "Grant",
    "Layout",
    "Limits",
    "LocalBudget",
    "MessageGone",
    "MessageRef",
    "NotPermitted",
    "Operation",
    "Perishable",
    "Placement",
    "PlacementGone",
    "Priority",
    "Rate",
    "RateBudget",
    "RateLimited",
    "Reply",
    "Segment",
    "SegmentRejected",
    "SharedBudget",
    "Splitter",
    "StoppedByPerson",
    "Surface",
    "SurfaceError",
    "SurfaceUnavailable",
    "ToolCall",
    "Window",
    "closed",
    "healed",
]
