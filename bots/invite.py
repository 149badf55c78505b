"""`parley discord invite`: the link that brings the bot into a server."""

from __future__ import annotations

import typer

from adapters.discord import DiscordAdapter, DiscordSettings, invite_url
from bots.settings import Settings, secret
from core.errors import ConfigError


async def print_invite(settings: Settings) -> None:
    """Ask Discord for our application's id. Raises ConfigError."""
    token = secret(settings.discord_bot_token)
    if not token:
        raise ConfigError(
            "DISCORD_BOT_TOKEN",
            "is not set.",
            "It is under Bot, Reset Token, of your application at https://discord.com/developers/applications.",
        )
    adapter = DiscordAdapter(DiscordSettings(token, settings.discord_api_url))
    await adapter.open()
    try:
        typer.echo(invite_url(adapter.account.application))
    finally:
        await adapter.aclose()
