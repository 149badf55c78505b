"""What has been heard, as the next process learns of it."""

from __future__ import annotations

import json
from types import SimpleNamespace
from typing import Any, cast

import discord

from adapters.discord._catch_up import OLDEST_S, Heard
from adapters.discord._names import snowflake_at

NOW = 1_800_000_000.0


def heard_at(message_id: int) -> discord.Message:
    return cast(discord.Message, SimpleNamespace(id=message_id, guild=SimpleNamespace(shard_id=0)))


def newest(heard: Heard) -> int:
    dumped: dict[str, Any] = json.loads(heard.dump())
    return int(dumped["newest"]["0"])


def test_a_gap_that_was_not_read_is_left_to_the_next_process() -> None:
    """New messages move the mark past it, and a process may end before Discord has let it read."""
    heard = Heard(lambda: NOW)
    before, live = snowflake_at(NOW - OLDEST_S / 2), snowflake_at(NOW)
    heard.mark(heard_at(before))
    heard.begin_reading(0, before)
    heard.begin_reading(0, before)
    heard.mark(heard_at(live))
    heard.end_reading(0, before)
    assert newest(heard) == before
    heard.end_reading(0, before)
    assert newest(heard) == live
