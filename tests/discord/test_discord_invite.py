"""The address that adds the bot to a server."""

from __future__ import annotations

from adapters.discord import invite_url


def test_the_invitation_asks_for_what_we_use() -> None:
    """Too few rights and the bot is silent, too many and nobody installs it."""
    assert invite_url("42") == (
        "https://discord.com/oauth2/authorize?client_id=42&permissions=377957239872&scope=bot+applications.commands"
    )
