"""What Slack allows one app in one workspace, with the source of each number.

segment   3,900 bytes: `chat.update` refuses a `text` above 4,000 with `msg_too_long` (docs.slack.dev, chat.update);
          peers have measured that bytes count (an answer of 4,000 bytes of emoji is refused).
edit      `chat.update` is Tier 3, "50+ per minute" per workspace for all conversations together (docs.slack.dev,
          "Rate limits"). A burst of 5 and 0.75 a second make at most 50 calls in any minute.
post      `chat.postMessage` "generally allows posting one message per second per channel", short bursts tolerated.
min_gap   a short answer should be seen to grow; after the burst the edit rate sets the pace of a longer one.
"""

from __future__ import annotations

from adapters.slack.markdown import wire_size
from core.chat import Limits, Rate

LIMITS = Limits(
    segment=3900,
    measure=wire_size,
    post=Rate(burst=3, per_s=1.0),
    edit=Rate(burst=5, per_s=0.75),
    min_gap_s=0.6,
)
