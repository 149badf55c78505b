"""The address under which somebody adds Parley to a server."""

from __future__ import annotations

from urllib.parse import urlencode

PERMISSIONS = 377957239872
"""View channels, send messages (also in threads), create public and private threads, embed links, attach files,
read message history, add reactions ("Permissions", bitwise flags)."""


def invite_url(application_id: str) -> str:
    query = urlencode(
        {
            "client_id": application_id,
            "permissions": PERMISSIONS,
            "scope": "bot applications.commands",
        }
    )
    return f"https://discord.com/oauth2/authorize?{query}"
