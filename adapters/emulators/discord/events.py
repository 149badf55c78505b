"""Events: what happened, for gateways to pass on and for onlookers to follow.

Source of names, intents and fields: Discord "Gateway Events" and "Gateway: List of Intents", docs of 2026-08-06.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from .errors import Json

GUILDS, GUILD_MEMBERS, PRESENCES = 1 << 0, 1 << 1, 1 << 8
GUILD_MESSAGES, GUILD_REACTIONS, GUILD_TYPING = 1 << 9, 1 << 10, 1 << 11
DIRECT_MESSAGES, DIRECT_REACTIONS, DIRECT_TYPING = 1 << 12, 1 << 13, 1 << 14
MESSAGE_CONTENT = 1 << 15
PRIVILEGED = GUILD_MEMBERS | PRESENCES | MESSAGE_CONTENT
#: every bit that means something: 0-16, 20, 21, 24, 25
VALID_INTENTS = (1 << 17) - 1 | 1 << 20 | 1 << 21 | 1 << 24 | 1 << 25

_MESSAGES = {"MESSAGE_CREATE", "MESSAGE_UPDATE", "MESSAGE_DELETE", "MESSAGE_DELETE_BULK"}
_CONTENT_FIELDS: dict[str, object] = {"content": "", "embeds": [], "attachments": [], "components": []}


@dataclass(frozen=True, slots=True)
class Event:
    """One thing that happened.

    name: the dispatch name, or a lower-case name of our own that no gateway passes on.   d: the payload.
    guild_id: decides the shard; None is a direct message.   intent: one of its bits must be asked for; 0 always comes.
    visible: False for what the bot must not hear of.
    """

    name: str
    d: Json
    guild_id: int | None = None
    intent: int = 0
    visible: bool = True


def intent_of(name: str, *, guild: bool) -> int:
    """The intent bits of which one is needed for dispatch `name`."""
    if name in _MESSAGES or name == "CHANNEL_PINS_UPDATE":
        return (GUILDS if name == "CHANNEL_PINS_UPDATE" else GUILD_MESSAGES) if guild else DIRECT_MESSAGES
    if name.startswith("MESSAGE_REACTION"):
        return GUILD_REACTIONS if guild else DIRECT_REACTIONS
    if name == "TYPING_START":
        return GUILD_TYPING if guild else DIRECT_TYPING
    if name.startswith("GUILD_MEMBER_"):
        return GUILD_MEMBERS
    if name == "THREAD_MEMBERS_UPDATE":
        return GUILDS | GUILD_MEMBERS
    if name.startswith(("GUILD_", "CHANNEL_", "THREAD_")):
        return GUILDS
    return 0


def without_content(message: Json, bot_id: int) -> Json:
    """`message` as an app without the MESSAGE_CONTENT intent gets it.

    Content, embeds, attachments and components are emptied, except in direct messages, in messages that mention the
    app, and in its own. The message replied to follows the same rule for itself.
    Source: Discord "Gateway: Message Content Intent".
    """
    own = str(message.get("author", {}).get("id")) == str(bot_id)
    mentioned = any(str(user["id"]) == str(bot_id) for user in message.get("mentions", ()))
    if "guild_id" not in message or own or mentioned:
        stripped = dict(message)
    else:
        stripped = {key: _CONTENT_FIELDS.get(key, value) for key, value in message.items()}
        stripped.pop("poll", None)
    if referenced := message.get("referenced_message"):
        in_guild = {**referenced, **({"guild_id": message["guild_id"]} if "guild_id" in message else {})}
        shown = without_content(in_guild, bot_id)
        stripped["referenced_message"] = {key: shown[key] for key in referenced if key in shown}
    return stripped


Listener = Callable[[Event], None]


class Hub:
    """Passes every event to every listener, at once and in order. A listener must not wait."""

    def __init__(self) -> None:
        self._listeners: dict[int, Listener] = {}
        self._next = 0

    def subscribe(self, listener: Listener) -> Callable[[], None]:
        """Call `listener` with every event from now on; the function returned ends it."""
        self._next += 1
        key = self._next
        self._listeners[key] = listener
        return lambda: self._forget(key)

    def publish(self, event: Event) -> None:
        for listener in list(self._listeners.values()):
            listener(event)

    def _forget(self, key: int) -> None:
        self._listeners.pop(key, None)
