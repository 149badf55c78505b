"""DiscordAdapter: the connection of this process to Discord."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

import discord
from discord import app_commands

from adapters.discord import _names as names
from adapters.discord._catch_up import Heard, Memory
from adapters.discord._gateway import Gateway, GatewayClient
from adapters.discord._inbox import Inbox
from adapters.discord._listener import Listener
from adapters.discord._probe import Account, check_account
from adapters.discord._rest import Rest
from adapters.discord.commands import Commands, add_commands, register
from adapters.discord.people import People
from adapters.discord.surface import DiscordSurface
from core.chat import ConfigError, Intake, Marks
from core.replies import RateBudget

log = logging.getLogger(__name__)

API_URL: Final = "https://discord.com/api/v10"


@dataclass(frozen=True, slots=True)
class DiscordSettings:
    """bot_token: DISCORD_BOT_TOKEN.  api_url: DISCORD_API_URL, the gateway's address comes from there.
    listens: events come in this process; one that only posts never meets the gateway."""

    bot_token: str = field(repr=False)
    api_url: str = API_URL
    listens: bool = True


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

    async def open(self, budget: RateBudget | None = None) -> None:
        if not self._settings.bot_token.strip():
            raise ConfigError("DISCORD_BOT_TOKEN", "is empty.")
        await self._rest.open(budget)
        try:
            self._account = await check_account(
                self._rest, self._settings.api_url, self._settings.bot_token, listens=self._settings.listens
            )
        except BaseException:
            await self._rest.aclose()
            raise
        self._surface.own_user = self._account.user
        log.info("discord.opened", extra={"user_id": self._account.user})

    async def listen(self, intake: Intake) -> None:
        account = self.account
        commands = Commands(intake, People(self._rest), self._now)
        inbox = Inbox()
        heard = Heard(self._now)
        ears = Listener(intake, account, commands, inbox, self._rest, heard)
        memory = Memory(heard, intake, account.user) if isinstance(intake, Marks) else None
        if memory is not None:
            await memory.recall()

        def define(tree: app_commands.CommandTree[discord.Client]) -> None:
            add_commands(tree, commands)

        def build() -> GatewayClient:
            return GatewayClient(ears, define)

        self._gateway = Gateway(self._settings.bot_token, self._settings.api_url, account.gateway_url, build)
        registering = asyncio.create_task(self._register(build, account.application), name="discord.register_commands")
        beside = [registering]
        if memory is not None:
            beside.append(asyncio.create_task(memory.keep(), name="discord.keep_heard"))
        try:
            await self._gateway.run()
        finally:
            self._gateway = None
            for task in beside:
                task.cancel()
            await asyncio.gather(*beside, return_exceptions=True)
            await inbox.aclose()
            if memory is not None:
                await memory.save()

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
