"""Markdown in, Segments out: splitting, pacing, the shared budget, and the one writer that posts and edits."""

from core.replies.budget import Grant, Priority, RateBudget
from core.replies.draft import Controls, Draft, Layout
from core.replies.healing import healed
from core.replies.local_budget import LocalBudget
from core.replies.recovery import GiveUp
from core.replies.reply import Reply
from core.replies.shared_budget import SharedBudget
from core.replies.splitting import Splitter, closed
from core.replies.standing import Standing
from core.replies.surface import (
    Attachment,
    Bucket,
    Draws,
    Limits,
    MessageFrozen,
    MessageGone,
    MessageRef,
    NotPermitted,
    Operation,
    Perishable,
    Placement,
    PlacementGone,
    Pointer,
    Rate,
    RateLimited,
    Segment,
    SegmentRejected,
    StoppedByPerson,
    Surface,
    SurfaceError,
    SurfaceUnavailable,
    ToolCall,
    Uploader,
    Whisperer,
    Window,
)

__all__ = [
    "Attachment",
    "Bucket",
    "Controls",
    "Draft",
    "Draws",
    "GiveUp",
    "Grant",
    "Layout",
    "Limits",
    "LocalBudget",
    "MessageFrozen",
    "MessageGone",
    "MessageRef",
    "NotPermitted",
    "Operation",
    "Perishable",
    "Placement",
    "PlacementGone",
    "Pointer",
    "Priority",
    "Rate",
    "RateBudget",
    "RateLimited",
    "Reply",
    "Segment",
    "SegmentRejected",
    "SharedBudget",
    "Splitter",
    "Standing",
    "StoppedByPerson",
    "Surface",
    "SurfaceError",
    "SurfaceUnavailable",
    "ToolCall",
    "Uploader",
    "Whisperer",
    "Window",
    "closed",
    "healed",
]
