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
streams   `chat.appendStream` is Tier 4, "100+ per minute", `chat.startStream` and `chat.stopStream` are Tier 2, "20+
          per minute" (their pages). A Reply asks for the place of what it believes to be next, an addition; the others
          ask by themselves (`_admission`), and so does an edit that takes the place of one.
others    what no Reply calls has its tier from its page, see `_METHODS`. Without a budget go `auth.test` and
          `apps.connections.open`, which a process calls when it starts or loses its connection, and what is answered at
          a `response_url`, which is no method and takes five answers a time.
status    a status clears itself after two minutes (docs.slack.dev, assistant.threads.setStatus). How often it may be
          set is "special", without a number there; we take what posts may. Each process takes up to half of that
          without asking: a status is not worth a round trip.
min_gap   a short answer should be seen to grow, a second one soon after it too: at 0.8 s an answer of 20 s leaves the
          next one enough. What a longer one may use, the shared budget says.
          What is begun by a post ends by an update, whose budget is by far the narrower one.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Literal

from adapters.slack.markdown import wire_bytes, wire_size
from adapters.slack.place import Place
from core.chat import Bucket, Draws, Limits, Operation, Rate, Window

START, APPEND, STOP = "chat.startStream", "chat.appendStream", "chat.stopStream"
SESSION = "agents.sessions.setStatus"
LIMITS = Limits(segment=3900, measure=wire_size, min_gap_s=0.8, status_every_s=90.0)
PLAIN_LIMITS = replace(LIMITS, measure=wire_bytes)
"""Where nothing but `text` is understood."""

_TIER_2 = Window(19, 61.0)
_TIER_3 = Window(49, 60.5)
_TIER_4 = Window(96, 61.0)
_POSTS_IN_CHANNEL = Rate(burst=3, per_s=0.95)
_POSTS = Window(280, 61.0)
_STATUSES = Window(280, 61.0)
_UPDATES = Bucket("chat.update", _TIER_3)
_SPECIAL = Window(280, 61.0)
_METHODS: Mapping[str, Window] = {
    SESSION: _TIER_3,
    "chat.delete": _TIER_3,
    "chat.getPermalink": _SPECIAL,
    "chat.postEphemeral": _TIER_4,
    START: _TIER_2,
    STOP: _TIER_2,
    "conversations.info": _TIER_3,
    "conversations.replies": _TIER_3,
    "files.completeUploadExternal": _TIER_4,
    "files.delete": _TIER_3,
    "files.getUploadURLExternal": _TIER_4,
    "users.info": _TIER_4,
}
"""How often each of them may be called in a workspace, by all replicas."""


def draws_of(method: str, team: str) -> Draws:
    """What a call of `method` draws on, one of `_METHODS`."""
    return Draws(f"slack:{team}", (Bucket(method, _METHODS[method]),))


def draws(operation: Operation, place: Place, stream: Literal["growing", "stopping"] | None = None) -> Draws:
    """Edits share one budget per workspace, and so do deletions; posts have one per channel and one over all.

    What was begun by a post counts as an answer that will need an edit, until it has ended, by whatever call.
    stream: how the stream stands that an edit is to bring further, None when there is none.
    """
    scope = f"slack:{place.team}"
    match operation:
        case "edit" if stream == "growing":
            return Draws(scope, (Bucket(APPEND, _TIER_4),))
        case "edit" if stream == "stopping":
            return Draws(scope, (Bucket(STOP, _TIER_2),), end=_UPDATES)
        case "post":
            channel = Bucket(f"chat.postMessage:{place.channel}", _POSTS_IN_CHANNEL)
            return Draws(scope, (channel, Bucket("chat.postMessage", _POSTS)), end=_UPDATES)
        case "edit":
            return Draws(scope, (_UPDATES,))
        case "status":
            return Draws(scope, (Bucket("assistant.threads.setStatus", _STATUSES),))
        case "delete":
            return Draws(scope, (Bucket("chat.delete", _TIER_3),))
