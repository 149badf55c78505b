"""What Slack allows one app in one workspace, with the source of each number.

segment   3,900 characters: a `markdown` block takes 12,000 (docs.slack.dev, "Markdown block"), but not where blocks are
          refused: `chat.update` refuses a `text` above 4,000 with `msg_too_long` (its page), and counts it in bytes
          (measured in a workspace: openclaw/openclaw#115027). What `text` cannot hold, `markdown_text` can, which
          takes 12,000 as well; a server that knows nothing but `text` gets 3,900 bytes in a message.
update    `chat.update` is Tier 3, "50+ per minute" per workspace for all conversations together, and `chat.delete` too
          (docs.slack.dev, "Rate limits", which says that bursts are tolerated). One call and half a second are kept
          back: Slack counts when a call arrives, we when it leaves.
post      `chat.postMessage` "generally allows posting one message per second per channel", short bursts tolerated, and
          "several hundred messages per minute" in a workspace (the same page); we take that for 300.
streams   `chat.appendStream` is Tier 4, "100+ per minute", `chat.stopStream` Tier 2, "20+ per minute" (their pages).
status    a status clears itself after two minutes (docs.slack.dev, assistant.threads.setStatus). How often it may be
          set is "special", without a number there; we take what posts may.
min_gap   a short answer should be seen to grow, a second one soon after it too: at 0.8 s an answer of 20 s leaves the
          next one enough. What a longer one may use, the shared budget says.
          What is begun by a post ends by an update, whose budget is by far the narrower one.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Literal

from adapters.slack.markdown import wire_bytes, wire_size
from adapters.slack.place import Place
from core.chat import Bucket, Draws, Limits, Operation, Rate, Window

APPEND, STOP = "chat.appendStream", "chat.stopStream"
LIMITS = Limits(segment=3900, measure=wire_size, min_gap_s=0.8, status_every_s=90.0)
PLAIN_LIMITS = replace(LIMITS, measure=wire_bytes)
"""Where nothing but `text` is understood."""

STREAMS = Window(19, 61.0)
"""Tier 2: how many streams may be begun, and ended."""
_TIER_3 = Window(49, 60.5)
_TIER_4 = Window(96, 61.0)
_POSTS_IN_CHANNEL = Rate(burst=3, per_s=0.95)
_POSTS = Window(280, 61.0)
_STATUSES = Window(280, 61.0)
_UPDATES = Bucket("chat.update", _TIER_3)


def draws(operation: Operation, place: Place, stream: Literal["growing", "stopping"] | None = None) -> Draws:
    """Edits share one budget per workspace, and so do deletions; posts have one per channel and one over all.

    stream: how the stream stands that an edit is to bring further, None when there is none.
    """
    scope = f"slack:{place.team}"
    match operation:
        case "edit" if stream == "growing":
            return Draws(scope, (Bucket(APPEND, _TIER_4),))
        case "edit" if stream == "stopping":
            return Draws(scope, (Bucket(STOP, STREAMS),))
        case "post":
            channel = Bucket(f"chat.postMessage:{place.channel}", _POSTS_IN_CHANNEL)
            return Draws(scope, (channel, Bucket("chat.postMessage", _POSTS)), end=_UPDATES)
        case "edit":
            return Draws(scope, (_UPDATES,))
        case "status":
            return Draws(scope, (Bucket("assistant.threads.setStatus", _STATUSES),))
        case "delete":
            return Draws(scope, (Bucket("chat.delete", _TIER_3),))
