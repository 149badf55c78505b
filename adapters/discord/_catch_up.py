"""Catching up: what was said between a session that Discord gave up and the one that followed it.

A resumed session replays what it missed, a new one does not ("Gateway", Resuming). But its greeting lists each
channel with the id of its last message, and ids grow with time: channels whose last message is newer than the
newest we heard have something to read. Core drops what it knows already.
"""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

import discord

from adapters.discord._names import snowflake_at

OLDEST_S: Final = 1800.0
"""An answer to something said longer ago than this would surprise more than help."""
CHANNELS: Final = 50
MESSAGES: Final = 50
"""How much is read after one gap: channels, those with the newest message first, and messages in each."""


@dataclass(slots=True)
class Heard:
    """The newest message id heard on each shard, and which direct messages we are in.

    now: seconds since the epoch.
    """

    now: Callable[[], float] = time.time
    _newest: dict[int, int] = field(default_factory=dict)
    _direct: OrderedDict[int, int] = field(default_factory=OrderedDict)

    def mark(self, message: discord.Message) -> None:
        """Remember that this message has reached us."""
        shard = message.guild.shard_id if message.guild else 0
        self._newest[shard] = max(message.id, self._newest.get(shard, 0))
        if message.guild is None:
            self._direct[message.channel.id] = message.id
            self._direct.move_to_end(message.channel.id)
            if len(self._direct) > CHANNELS:
                self._direct.popitem(last=False)

    def gap(self, shard: int) -> int | None:
        """The message id after which `shard` has heard nothing; None at its first session, which has no gap."""
        start = snowflake_at(self.now())
        newest = self._newest.setdefault(shard, start)
        return max(newest, snowflake_at(self.now() - OLDEST_S)) if newest != start else None

    def direct_channels(self) -> list[int]:
        return list(self._direct)


def channels_to_read(client: discord.Client, heard: Heard, shard: int, after: int) -> list[discord.abc.Messageable]:
    """Channels, threads and direct messages of `shard` in which something may have been said after `after`."""
    places: list[tuple[int, discord.abc.Messageable]] = []
    for guild in client.guilds:
        if guild.shard_id == shard:
            places += [(one.last_message_id or 0, one) for one in guild.text_channels]
            places += [(one.last_message_id or 0, one) for one in guild.voice_channels]
            places += [(one.last_message_id or 0, one) for one in guild.threads]
    newer = sorted(((last, one) for last, one in places if last > after), key=lambda pair: -pair[0])
    direct = [client.get_partial_messageable(one) for one in heard.direct_channels()] if shard == 0 else []
    return [one for _, one in newer[:CHANNELS]] + [*direct]


async def missed_in(channel: discord.abc.Messageable, after: int) -> list[discord.Message]:
    """What was said in `channel` after message `after`, oldest first; [] where we may not read."""
    try:
        history = channel.history(limit=MESSAGES, after=discord.Object(after), oldest_first=True)
        return [message async for message in history]
    except (discord.Forbidden, discord.NotFound):
        return []
