"""Catching up: what was said between a session that ended and the one that followed it, also in another process.

A resumed session replays what it missed, a new one does not ("Gateway", Resuming). But its greeting lists each
channel with the id of its last message, and ids grow with time: channels whose last message is newer than the
newest we heard have something to read. Core drops what it knows already.
"""

from __future__ import annotations

import asyncio
import json
import logging
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Final

import aiohttp
import discord

from adapters.discord._names import snowflake_at
from core.chat import Marks, RateLimited, StoreUnavailable, SurfaceUnavailable

log = logging.getLogger(__name__)

OLDEST_S: Final = 1800.0
"""An answer to something said longer ago than this would surprise more than help."""
CHANNELS: Final = 50
MESSAGES: Final = 500
"""How much is read after one gap: channels, those with the newest message first, and messages in each."""
_PAGE: Final = 100
"""How much of it one call gives ("Get Channel Messages")."""
KEEP_EVERY_S: Final = 1.0
_OVERLAP: Final = 5_000 << 22
"""Five seconds of snowflakes ("Snowflakes": milliseconds above the lowest 22 bits)."""


@dataclass(slots=True)
class Heard:
    """The newest message id heard on each shard, and which direct messages we are in.

    now: seconds since the epoch.
    """

    now: Callable[[], float] = time.time
    _newest: dict[int, int] = field(default_factory=dict)
    _direct: OrderedDict[int, int] = field(default_factory=OrderedDict)
    _unread: list[tuple[int, int]] = field(default_factory=list)

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

    def begin_reading(self, shard: int, after: int) -> None:
        """A channel of `shard` is to be read from message `after` on; until it is, also by whoever follows us."""
        self._unread.append((shard, after))

    def end_reading(self, shard: int, after: int) -> None:
        self._unread.remove((shard, after))

    def dump(self) -> str:
        newest = dict(self._newest)
        for shard, after in self._unread:
            newest[shard] = min(newest.get(shard, after), after)
        return json.dumps({"newest": newest, "direct": self._direct})

    def load(self, dumped: str) -> None:
        """Go on from what an earlier process had heard, and a little before: what it had just heard it may not have
        handed in. Raises ValueError for what was never dumped."""
        read = json.loads(dumped)
        try:
            self._newest = {int(shard): int(newest) - _OVERLAP for shard, newest in read["newest"].items()}
            self._direct = OrderedDict((int(channel), int(newest)) for channel, newest in read["direct"].items())
        except (AttributeError, KeyError, TypeError) as exc:
            raise ValueError("not a dump") from exc

    def direct_channels(self) -> list[int]:
        return list(self._direct)


class Memory:
    """Keeps a `Heard` where the next process finds it. user: the bot's own id."""

    def __init__(self, heard: Heard, marks: Marks, user: str) -> None:
        self._heard = heard
        self._marks = marks
        self._name = f"discord:{user}:heard"
        self._kept = ""

    async def recall(self) -> None:
        """Begin where an earlier process ended; without its mark, or without Redis, this one hears from now on."""
        try:
            if dumped := await self._marks.marked(self._name):
                self._heard.load(dumped)
        except (StoreUnavailable, ValueError) as exc:
            log.warning("discord.mark_not_read", extra={"reason": str(exc)})

    async def keep(self) -> None:
        """Write it down whenever it has changed, until cancelled."""
        while True:
            await asyncio.sleep(KEEP_EVERY_S)
            await self.save()

    async def save(self) -> None:
        dumped = self._heard.dump()
        if dumped == self._kept:
            return
        try:
            await self._marks.mark(self._name, dumped)
        except StoreUnavailable:
            return  # the next attempt keeps what is newest then
        self._kept = dumped


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


async def missed_in(
    channel: discord.abc.Messageable, after: int, admitted: Callable[[], Awaitable[None]]
) -> list[discord.Message]:
    """What was said in `channel` after message `after`, oldest first; [] where we may not read.

    admitted: awaited before each call, raises RateLimited.
    Raises SurfaceUnavailable when Discord gave no answer; nothing else will tell us of those messages.
    """
    missed: list[discord.Message] = []
    try:
        while len(missed) < MESSAGES:
            await admitted()
            newest = missed[-1].id if missed else after
            history = channel.history(limit=_PAGE, after=discord.Object(newest), oldest_first=True)
            page = [message async for message in history]
            missed += page
            if len(page) < _PAGE:
                break
    except (discord.Forbidden, discord.NotFound):
        return []
    except (
        RateLimited,
        discord.HTTPException,
        discord.RateLimited,
        aiohttp.ClientError,
        OSError,
        TimeoutError,
    ) as exc:
        raise SurfaceUnavailable(f"what was said meanwhile cannot be read: {type(exc).__name__}") from exc
    return missed
