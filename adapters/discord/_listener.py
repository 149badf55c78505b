"""Listener: from what the connection reports to core's Intake."""

from __future__ import annotations

import logging
import time
from collections import OrderedDict
from collections.abc import Collection
from dataclasses import replace
from functools import partial
from typing import Final

import discord

from adapters.discord._body import (
    DOWN_PREFIX,
    NO_MENTIONS,
    RETRY_PREFIX,
    STOP_PREFIX,
    SUPPRESS_EMBEDS,
    UP_PREFIX,
)
from adapters.discord._catch_up import Heard, channels_to_read, missed_in
from adapters.discord._errors import ApiError
from adapters.discord._gateway import Ears
from adapters.discord._inbox import Inbox
from adapters.discord._probe import Account
from adapters.discord._reading import kind_of, our_role, read_spoken
from adapters.discord._rest import Asking, Rest
from adapters.discord.commands import BUSY, FULL, Commands
from adapters.discord.inbound import (
    Me,
    Place,
    Spoken,
    addresses_us,
    is_new_wording,
    to_message,
    to_spot,
    words,
)
from core.chat import Intake, Message, SurfaceError
from core.replies import Priority

log = logging.getLogger(__name__)

_REMEMBERED_PLACES: Final = 4096
_REFUSAL_GAP_S: Final = 30.0
_READ_MISSED: Final = Asking(Priority.STATUS, 30.0)
"""Many channels are read after one gap, beside the answers that are being written."""


class Listener(Ears):
    """Takes what the connection reports to core: translated, in order, and again while the store is away."""

    def __init__(
        self, intake: Intake, account: Account, commands: Commands, inbox: Inbox, rest: Rest, heard: Heard
    ) -> None:
        self._intake = intake
        self._account = account
        self._commands = commands
        self._inbox = inbox
        self._rest = rest
        self._heard = heard
        self._gaps: dict[int, int | None] = {}
        self._places: OrderedDict[str, Place] = OrderedDict()
        self._refused: dict[tuple[str, str], float] = {}

    def said(self, message: discord.Message) -> None:
        spoken, me = read_spoken(message), self._me(message.guild)
        self._heard.mark(message)
        self._inbox.put(spoken.place.channel, lambda: self._take(spoken, me))

    def edited(self, message: discord.Message) -> None:
        """Discord tells of previews that unfold in the same way: only an edit by its author has a time."""
        spoken, at = read_spoken(message), message.edited_at
        me = self._me(message.guild)
        if at is None or not is_new_wording(spoken, me):
            return
        spot, text = to_spot(spoken.place.guild, spoken.place.channel, spoken.id), words(spoken, me)
        self._inbox.put(spoken.place.channel, lambda: self._intake.edited(spot, text, at.isoformat()))

    def deleted(self, guild: int | None, channel: int, messages: Collection[int]) -> None:
        place = str(channel)
        for message in messages:
            spot = to_spot(_text(guild), place, str(message))
            self._inbox.put(place, partial(self._intake.deleted, spot))

    def reacted(self, reaction: discord.RawReactionActionEvent) -> None:
        if str(reaction.user_id) == self._account.user:
            return
        place, emoji = str(reaction.channel_id), reaction.emoji.name
        spot = to_spot(_text(reaction.guild_id), place, str(reaction.message_id))
        self._inbox.put(place, partial(self._intake.reacted, spot, emoji))

    def greeted(self, shard_id: int) -> None:
        self._gaps[shard_id] = self._heard.gap(shard_id)  # now, before new messages move the mark

    def session_began(self, client: discord.Client, shard_id: int) -> None:
        after = self._gaps.pop(shard_id, None)
        if after is None:
            return
        channels = channels_to_read(client, self._heard, shard_id, after)
        log.info("discord.catching_up", extra={"shard_id": shard_id, "channels": len(channels)})
        for channel in channels:
            self._heard.begin_reading(shard_id, after)
            self._inbox.put(str(getattr(channel, "id", "")), partial(self._catch_up, channel, shard_id, after))

    async def _catch_up(self, channel: discord.abc.Messageable, shard_id: int, after: int) -> None:
        where = str(getattr(channel, "id", ""))
        reads = partial(self._rest.admitted, "GET /channels/{channel}/messages", _READ_MISSED, channel=where)
        for message in await missed_in(channel, after, reads):
            self._heard.mark(message)
            await self._take(read_spoken(message), self._me(message.guild))
        self._heard.end_reading(shard_id, after)

    def _me(self, guild: discord.Guild | None) -> Me:
        return Me(self._account.user, self._account.application, our_role(guild))

    async def pressed(self, interaction: discord.Interaction, custom_id: str) -> None:
        if custom_id.startswith(STOP_PREFIX):
            await self._commands.stop(interaction, custom_id.removeprefix(STOP_PREFIX))
        elif custom_id.startswith(RETRY_PREFIX):
            await self._commands.retry(interaction, custom_id.removeprefix(RETRY_PREFIX))
        elif custom_id.startswith(UP_PREFIX):
            await self._commands.rate(interaction, custom_id.removeprefix(UP_PREFIX), "up")
        elif custom_id.startswith(DOWN_PREFIX):
            await self._commands.rate(interaction, custom_id.removeprefix(DOWN_PREFIX), "down")

    async def _take(self, spoken: Spoken, me: Me) -> None:
        """Hand one message in. Raises StoreUnavailable; to be called again then."""
        if spoken.place.kind == "unknown" and addresses_us(spoken, me):
            spoken = replace(spoken, place=await self._resolved(spoken.place))
        message = to_message(spoken, me)
        if message is None:
            return
        verdict = await self._intake.accept(message)
        log.debug("discord.message", extra={"thread_id": message.thread_id, "verdict": verdict})
        if verdict in ("full", "busy"):
            await self._say_refused(spoken, message, FULL if verdict == "full" else BUSY)

    async def _resolved(self, place: Place) -> Place:
        """Ask Discord what this channel is; without an answer it counts as a thread, where we can simply reply."""
        known = self._places.get(place.channel)
        if known is not None:
            return known
        try:
            channel = await self._rest.call("GET", "/channels/{channel}", channel=place.channel)
        except (ApiError, SurfaceError) as exc:
            log.warning("discord.channel_unknown", extra={"channel_id": place.channel, "reason": str(exc)})
            return replace(place, kind="thread")
        kind = kind_of(number) if isinstance(number := channel.get("type"), int) else "thread"
        parent = channel.get("parent_id")
        resolved = replace(place, kind=kind, parent=parent if kind == "thread" and isinstance(parent, str) else None)
        self._places[place.channel] = resolved
        if len(self._places) > _REMEMBERED_PLACES:
            self._places.popitem(last=False)
        return resolved

    async def _say_refused(self, spoken: Spoken, message: Message, why: str) -> None:
        """Tell the person that this message was not taken, at most now and then in one conversation.

        A message that only one person sees exists on Discord as the answer to an interaction alone.
        """
        now = time.monotonic()
        self._refused = {whom: at for whom, at in self._refused.items() if now - at < _REFUSAL_GAP_S}
        whom = (message.thread_id, message.author.user_id)
        if whom in self._refused:
            return
        self._refused[whom] = now
        body = {
            "content": why,
            "allowed_mentions": NO_MENTIONS,
            "flags": SUPPRESS_EMBEDS,
            "nonce": f"full-{spoken.id}"[:25],
            "enforce_nonce": True,
            "message_reference": {"message_id": spoken.id, "fail_if_not_exists": False},
        }
        try:
            await self._rest.call("POST", "/channels/{channel}/messages", body, channel=spoken.place.channel)
        except (ApiError, SurfaceError) as exc:
            log.warning("discord.full_not_said", extra={"reason": str(exc)})


def _text(guild: int | None) -> str | None:
    return str(guild) if guild else None
