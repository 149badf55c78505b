"""What Discord allows, as far as the reply writer must know.

Creating and editing messages: 5 at once, refilled at one a second, each counted per channel; a thread is a channel
of its own (`X-RateLimit-*` headers of both routes; discord/discord-api-docs issues 5646, 6109, 7680, 8073). Only
the headers are binding, so we stay below: three at once and 0.9 a second never brings `Remaining` to 0. Over all
routes a bot has 50 requests a second ("Rate Limits", global); calls that carry an interaction token do not count.
"""

from __future__ import annotations

from adapters.discord.markdown import LIMIT, measure
from core.chat import Limits, Rate

LIMITS = Limits(
    segment=LIMIT,
    measure=measure,
    post=Rate(burst=3, per_s=0.9),
    edit=Rate(burst=3, per_s=0.9),
    min_gap_s=0.7,
)
