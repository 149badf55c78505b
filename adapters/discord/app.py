"""DiscordAdapter: the connection of this process to Discord."""

from __future__ import annotations

import asyncio
import logging
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Final

import discord
from discord import app_commands

from adapters.discord import _names as names
from adapters.discord._errors import ApiError
from adapters.discord._gateway import Ears, Gateway, GatewayClient
from adapters.discord._inbox import Inbox
from adapters.discord._probe import Account, check_account
from adapters.discord._reading import kind_of, our_role, read_spoken
from adapters.discord._rest import Rest
from adapters.discord.commands import FULL, Commands, add_commands, register
from adapters.discord.inbound import Me, Place, Spoken, addresses_us, to_message
from adapters.discord.surface import NO_MENTIONS, STOP_PREFIX, SUPPRESS_EMBEDS, DiscordSurface
from core.chat import ConfigError, Intake, Message, SurfaceError

log = logging.getLogger(__name__)

API_URL: Final = "https://discord.com/api/v10"
_REMEMBERED_PLACES: Final = 4096
_FULL_NOTICE_GAP_S: Final = 30.0


@dataclass(frozen=True, slots=True)
class DiscordSettings:
    """bot_token: DISCORD_BOT_TOKEN.  api_url: DISCORD_API_URL, the gateway's address comes from there."""

    bot_token: str = field(repr=False)
    api_url: str = API_URL


class DiscordAdapter:
    """Implements `core.chat.Adapter`. `now`: seconds since the epoch."""

    def __init__(self, settings: DiscordSettings, now: Callable[[], float] = time.time) -> None:
        self._settings = settings
        self._now = now
        self._rest = Rest(settings.api_url, settings.bot_token)
        self._surface = DiscordSurface(self._rest, now)
        self._account: Account | None = None
        self._gateway: Gateway | None = None

    @property
    def platform(self) -> str:
        return names.PLATFORM

    @property
    def surface(self) -> DiscordSurface:
        return self._surface

    @property
    def account(self) -> Account:
        """Who we are on Discord, once `open` has returned."""
        if self._account is None:
            raise AssertionError("open() comes first")
        return self._account

    async def open(self) -> None:
        if not self._settings.bot_token.strip():
            raise ConfigError("DISCORD_BOT_TOKEN", "is empty.")
        await self._rest.open()
        try:
            self._account = await check_account(self._rest, self._settings.api_url, self._settings.bot_token)
        except BaseException:
            await self._rest.aclose()
            raise
        log.info("discord.opened", extra={"user_id": self._account.user})

    async def listen(self, intake: Intake) -> None:
        account = self.account
        commands = Commands(intake, self._now)
        inbox = Inbox()
        ears = _Listener(intake, account, commands, inbox, self._rest)

        def define(tree: app_commands.CommandTree[discord.Client]) -> None:
            add_commands(tree, commands)

        def build() -> GatewayClient:
            return GatewayClient(ears, define)

        self._gateway = Gateway(self._settings.bot_token, self._settings.api_url, account.gateway_url, build)
        registering = asyncio.create_task(self._register(build, account.application), name="discord.register_commands")
        try:
            await self._gateway.run()
        finally:
            self._gateway = None
            registering.cancel()
            await asyncio.gather(registering, return_exceptions=True)
            await inbox.aclose()

    def unready(self) -> str | None:
        return self._gateway.unready() if self._gateway is not None else "not listening to Discord"

    async def aclose(self) -> None:
        await self._surface.aclose()
        await self._rest.aclose()

    async def _register(self, build: Callable[[], GatewayClient], application: str) -> None:
        """Register the commands once per start, beside the connection and not before it."""
        tree = build().tree
        try:
            await register(self._rest, application, [c.to_dict(tree) for c in tree.get_commands()])
        except Exception:
            log.exception("discord.commands_not_registered")


class _Listener(Ears):
    """Takes what the connection reports to core: translated, in order, and again while the store is away."""

    def __init__(self, intake: Intake, account: Account, commands: Commands, inbox: Inbox, rest: Rest) -> None:
        self._intake = intake
        self._account = account
        self._commands = commands
        self._inbox = inbox
        self._rest = rest
        self._places: OrderedDict[str, Place] = OrderedDict()
        self._last_full_notice: dict[str, float] = {}

    def said(self, message: discord.Message) -> None:
        spoken = read_spoken(message)
        me = Me(self._account.user, self._account.application, our_role(message.guild))
        self._inbox.put(spoken.place.channel, lambda: self._take(spoken, me))

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
