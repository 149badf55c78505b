"""Listener: from what the connection reports to core's Intake."""

from __future__ import annotations

import logging
import time
from collections import OrderedDict
from dataclasses import replace
from functools import partial
from typing import Final

import discord

from adapters.discord._catch_up import Heard, channels_to_read, missed_in
from adapters.discord._errors import ApiError
from adapters.discord._gateway import Ears
from adapters.discord._inbox import Inbox
from adapters.discord._probe import Account
from adapters.discord._reading import kind_of, our_role, read_spoken
from adapters.discord._rest import Rest
from adapters.discord.commands import FULL, Commands
from adapters.discord.inbound import Me, Place, Spoken, addresses_us, to_message
from adapters.discord.surface import NO_MENTIONS, STOP_PREFIX, SUPPRESS_EMBEDS
from core.chat import Intake, Message, SurfaceError

log = logging.getLogger(__name__)

_REMEMBERED_PLACES: Final = 4096
_FULL_NOTICE_GAP_S: Final = 30.0


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
        self._last_full_notice: dict[str, float] = {}

    def said(self, message: discord.Message) -> None:
        spoken, me = read_spoken(message), self._me(message.guild)
        self._heard.mark(message)
        self._inbox.put(spoken.place.channel, lambda: self._take(spoken, me))

    def greeted(self, shard_id: int) -> None:
        self._gaps[shard_id] = self._heard.gap(shard_id)  # now, before new messages move the mark

    def session_began(self, client: discord.Client, shard_id: int) -> None:
        after = self._gaps.pop(shard_id, None)
        if after is None:
            return
        channels = channels_to_read(client, self._heard, shard_id, after)
        log.info("discord.catching_up", extra={"shard_id": shard_id, "channels": len(channels)})
        for channel in channels:
            self._inbox.put(str(getattr(channel, "id", "")), partial(self._catch_up, channel, after))

    async def _catch_up(self, channel: discord.abc.Messageable, after: int) -> None:
        for message in await missed_in(channel, after):
            self._heard.mark(message)
            await self._take(read_spoken(message), self._me(message.guild))

    def _me(self, guild: discord.Guild | None) -> Me:
        return Me(self._account.user, self._account.application, our_role(guild))

    async def pressed(self, interaction: discord.Interaction, custom_id: str) -> None:
        if custom_id.startswith(STOP_PREFIX):
            await self._commands.stop(interaction, custom_id.removeprefix(STOP_PREFIX))

    async def _take(self, spoken: Spoken, me: Me) -> None:
        """Hand one message in. Raises StoreUnavailable; to be called again then."""
        if spoken.place.kind == "unknown" and addresses_us(spoken, me):
            spoken = replace(spoken, place=await self._resolved(spoken.place))
        message = to_message(spoken, me)
        if message is None:
            return
        verdict = await self._intake.accept(message)
        log.debug("discord.message", extra={"thread_id": message.thread_id, "verdict": verdict})
        if verdict == "full":
            await self._say_full(spoken, message)

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

    async def _say_full(self, spoken: Spoken, message: Message) -> None:
        """Tell the person that this message was not taken, at most now and then in one conversation."""
        now = time.monotonic()
        self._last_full_notice = {
            thread: at for thread, at in self._last_full_notice.items() if now - at < _FULL_NOTICE_GAP_S
        }
        if message.thread_id in self._last_full_notice:
            return
        self._last_full_notice[message.thread_id] = now
        body = {
            "content": FULL,
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
