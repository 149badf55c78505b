"""The one place that writes and reads our ids: `discord:<guild>:<channel>` and its relatives.

A Discord id (a snowflake) is decimal text here. In direct messages `@me` stands where the guild's id would be, as
in Discord's own addresses.
"""

from __future__ import annotations

from core.ids import ChannelId, ScopeId, ThreadId, UserId

PLATFORM = "discord"
DIRECT = "@me"

_EPOCH_MS = 1_420_070_400_000
"""Discord's epoch, the first second of 2015 (API reference, "Snowflakes")."""


def thread_id(guild: str | None, channel: str) -> ThreadId:
    return ThreadId(f"{PLATFORM}:{guild or DIRECT}:{channel}")


def scope_id(guild: str | None) -> ScopeId:
    return ScopeId(f"{PLATFORM}:{guild or DIRECT}")


def channel_id(guild: str | None, channel: str) -> ChannelId:
    return ChannelId(f"{PLATFORM}:{guild or DIRECT}:{channel}")


def user_id(user: str) -> UserId:
    return UserId(f"{PLATFORM}:{user}")


def channel_of(thread: ThreadId) -> str:
    """The Discord channel that a ThreadId of ours ends in."""
    return thread.rsplit(":", 1)[-1]


def link_to(thread: ThreadId, channel: str, message: str) -> str:
    """The address of a message, which every client of Discord's opens ("Copy Message Link")."""
    guild = thread.split(":")[1]
    return f"https://discord.com/channels/{guild}/{channel}/{message}"


def sent_at(snowflake: str) -> float:
    """When Discord made this id, seconds since the epoch."""
    return ((int(snowflake) >> 22) + _EPOCH_MS) / 1000


def snowflake_at(seconds: float) -> int:
    """The smallest id Discord would make at that time."""
    return (int(seconds * 1000) - _EPOCH_MS) << 22
