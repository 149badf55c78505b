"""The names of things that core passes around and never takes apart."""

from typing import NewType

ThreadId = NewType("ThreadId", str)
"""A place where people talk: `slack:T1:C2:1712.33`, `discord:<guild>:<channel>`. Only its adapter reads it."""

UserId = NewType("UserId", str)
"""One person on one platform: `slack:U123`, `discord:456`, as people write it in PARLEY_ADMINS."""

ScopeId = NewType("ScopeId", str)
"""Whose bill it is: one workspace or server, `slack:T1`, `discord:<guild>`, or one person's direct messages there."""

ChannelId = NewType("ChannelId", str)
"""Where a report says a turn happened: `slack:T1:C2`; for a Discord thread, the channel that holds it."""
