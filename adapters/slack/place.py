"""Place: where a Slack thread is, and how it is written as core's opaque ids."""

from __future__ import annotations

from dataclasses import dataclass

from core.ids import ChannelId, ScopeId, ThreadId, UserId

_PLATFORM = "slack"


@dataclass(frozen=True, slots=True)
class Place:
    """One thread. team: the workspace that installed us.  thread_ts: the `ts` of the thread's root message."""

    team: str
    channel: str
    thread_ts: str

    @classmethod
    def of(cls, thread_id: ThreadId) -> Place:
        """Read back what `thread_id` wrote. Raises ValueError for the id of another platform."""
        platform, _, rest = thread_id.partition(":")
        team, _, rest = rest.partition(":")
        channel, _, thread_ts = rest.partition(":")
        if platform != _PLATFORM or not (team and channel and thread_ts):
            raise ValueError(f"not a Slack thread: {thread_id!r}")
        return cls(team, channel, thread_ts)

    @property
    def thread_id(self) -> ThreadId:
        return ThreadId(f"{_PLATFORM}:{self.team}:{self.channel}:{self.thread_ts}")

    @property
    def scope(self) -> ScopeId:
        return scope_id(self.team)

    @property
    def channel_id(self) -> ChannelId:
        return channel_id(self.team, self.channel)


def scope_id(team: str) -> ScopeId:
    return ScopeId(f"{_PLATFORM}:{team}")


def channel_id(team: str, channel: str) -> ChannelId:
    return ChannelId(f"{_PLATFORM}:{team}:{channel}")


def user_id(user: str) -> UserId:
    return UserId(f"{_PLATFORM}:{user}")
