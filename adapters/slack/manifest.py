"""The app manifest: what an operator pastes into "Create New App, From a manifest" on api.slack.com/apps.

Source: docs.slack.dev, "App manifest reference" (2026-11). Scopes and events are those that Parley uses and no others.
"""

from __future__ import annotations

from typing import Any

SCOPES = (
    "app_mentions:read",
    "assistant:write",
    "channels:history",
    "channels:read",
    "chat:write",
    "commands",
    "groups:history",
    "groups:read",
    "files:write",
    "im:history",
    "mpim:history",
    "reactions:read",
    "users:read",
)
EVENTS = (
    "agent_session_stopped",
    "app_mention",
    "app_uninstalled",
    "message.channels",
    "message.groups",
    "message.im",
    "message.mpim",
    "reaction_added",
    "tokens_revoked",
)

_PROMPTS = (
    ("What can you do?", "What can you help me with?"),
    ("Explain something", "Explain to me in plain words: "),
)


def manifest(http_url: str | None = None, name: str = "Parley", command: str = "/parley") -> dict[str, Any]:
    """Return the manifest as JSON-able data.

    http_url: the public address of this process, `https://bot.example.org`; None makes a Socket Mode app.
    name: up to 35 characters.  command: the slash command, with its `/`.
    Raises ValueError for a name, command or address that Slack would refuse.
    """
    if not 1 <= len(name) <= 35:
        raise ValueError("the name of a Slack app has 1 to 35 characters")
    if not command.startswith("/") or len(command) > 32 or " " in command:
        raise ValueError("a slash command starts with /, has no space and at most 32 characters")
    endpoint = {"request_url": _events_url(http_url)} if http_url else {}
    slash: dict[str, Any] = {
        "command": command,
        "description": "Ask, or see what it costs",
        "usage_hint": "ask <question> | usage | reset | stop | help",
        "should_escape": True,
    }
    if http_url:
        slash["url"] = _events_url(http_url)
    return {
        "display_information": {
            "name": name,
            "description": "An LLM agent that answers in the thread while you watch.",
        },
        "features": {
            "agent_view": {
                "agent_description": "Mention it, use its slash command or write it a direct message.",
                "suggested_prompts": [{"title": title, "message": text} for title, text in _PROMPTS],
            },
            "app_home": {
                "home_tab_enabled": False,
                "messages_tab_enabled": True,
                "messages_tab_read_only_enabled": False,
            },
            "bot_user": {"display_name": name, "always_online": True},
            "slash_commands": [slash],
        },
        "oauth_config": {"scopes": {"bot": list(SCOPES)}},
        "settings": {
            "event_subscriptions": {**endpoint, "bot_events": list(EVENTS)},
            "interactivity": {"is_enabled": True, **endpoint},
            "org_deploy_enabled": False,
            "socket_mode_enabled": http_url is None,
            "token_rotation_enabled": False,
        },
    }


def _events_url(http_url: str) -> str:
    if not http_url.startswith("https://"):
        raise ValueError("Slack sends events to https addresses only")
    return http_url.removesuffix("/").removesuffix("/slack/events") + "/slack/events"
