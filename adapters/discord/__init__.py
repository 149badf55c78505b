"""Discord: what people write there becomes Messages, and Segments become messages there."""

from adapters.discord.app import API_URL, DiscordAdapter, DiscordSettings
from adapters.discord.invite import invite_url
from adapters.discord.surface import DiscordSurface

__all__ = ["API_URL", "DiscordAdapter", "DiscordSettings", "DiscordSurface", "invite_url"]
