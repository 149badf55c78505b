"""Markdown in, Segments out: splitting, pacing, the shared budget, and the one writer that posts and edits."""

from core.replies.budget import RateBudget
from core.replies.draft import Controls, Draft, Layout
from core.replies.reply import Reply
from core.replies.splitting import Splitter, closed
from core.replies.surface import (
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
)

__all__ = [
    "Controls",
    "Draft",
    "Layout",
    "Limits",
    "MessageGone",
    "MessageRef",
    "NotPermitted",
    "Operation",
    "Perishable",
    "Placement",
    "PlacementGone",
    "Rate",
    "RateBudget",
    "RateLimited",
    "Reply",
    "Segment",
    "SegmentRejected",
    "Splitter",
    "StoppedByPerson",
    "Surface",
    "SurfaceError",
    "SurfaceUnavailable",
    "ToolCall",
    "closed",
]
