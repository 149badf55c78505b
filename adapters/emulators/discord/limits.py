"""The numbers Discord sets, in one value that tests may shrink.

Sources: Discord "Rate Limits", "Gateway", "Threads", "Create Message" and "Application Commands", docs of 2026-08-06.
Discord publishes few per-route numbers and asks clients to read the headers. `create` and `edit` are a leaky bucket of
5 with one token back a second (discord-api-docs issues 5646, 6109, 7680); the same bucket hash is answered for both
while each has its own counter (8073). `old_edit` is issue 4413, `rename` the two per ten minutes that bots meet.
The other buckets are of the size people report and only have to exist, not to be exact.
"""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import Any


@dataclass(frozen=True, slots=True)
class Rate:
    """`tokens` calls may come at once; an empty bucket is full again after `per_s` seconds."""

    tokens: int
    per_s: float

    @property
    def refill(self) -> float:
        """Tokens that come back each second."""
        return self.tokens / self.per_s


@dataclass(frozen=True, slots=True)
class Limits:
    """Rates, deadlines (seconds) and sizes. `Limits().faster(10)` has the same shape with time ten times quicker."""

    create: Rate = Rate(5, 5.0)
    edit: Rate = Rate(5, 5.0)
    delete: Rate = Rate(5, 1.0)
    bulk_delete: Rate = Rate(1, 3.0)
    old_edit: Rate = Rate(3, 6.0)
    typing: Rate = Rate(5, 5.0)
    reaction: Rate = Rate(1, 0.25)
    thread: Rate = Rate(50, 300.0)
    channel: Rate = Rate(5, 5.0)
    rename: Rate = Rate(2, 600.0)
    webhook: Rate = Rate(5, 2.0)
    commands: Rate = Rate(5, 20.0)
    other: Rate = Rate(10, 1.0)
    global_: Rate = Rate(50, 1.0)
    invalid_requests: Rate = Rate(10_000, 600.0)
    invalid_ban_s: float = 600.0

    interaction_ack_s: float = 3.0
    interaction_token_s: float = 900.0
    nonce_s: float = 180.0
    typing_s: float = 10.0
    old_message_s: float = 3600.0

    gateway_sends: Rate = Rate(120, 60.0)
    heartbeat_s: float = 41.25
    resume_window_s: float = 180.0
    replay_events: int = 5000
    identifies_a_day: int = 1000
    identify_every_s: float = 0.0  # Discord's is 5; off, because every start after the first would wait for it
    guilds_a_shard: int = 2500

    content: int = 2000
    active_threads: int = 1000
    attachments: int = 10
    request_bytes: int = 25 * 1024 * 1024
    file_bytes: int = 10 * 1024 * 1024
    thread_name: int = 100

    def faster(self, factor: float) -> Limits:
        """The same buckets refilling `factor` times quicker. Deadlines of people and interactions stay."""
        quick: dict[str, Any] = {
            field.name: Rate(value.tokens, value.per_s / factor)
            for field in fields(self)
            if isinstance(value := getattr(self, field.name), Rate)
            and field.name not in ("gateway_sends", "invalid_requests")
        }
        return replace(self, **quick)
