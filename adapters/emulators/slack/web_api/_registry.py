"""The methods that exist, what each needs, and how its arguments are read."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from adapters.emulators.slack.errors import SlackError, invalid_arguments
from adapters.emulators.slack.workspace import Channel, Json, Message

if TYPE_CHECKING:
    from adapters.emulators.slack.core import Core

_TS = re.compile(r"\d{10}\.\d{6}")
_TRUE = frozenset({"true", "1", "True", "t", "yes"})


class Args:
    """Arguments of one call, whichever way they were sent. Values of a form are text; JSON ones what they are."""

    def __init__(self, values: Json) -> None:
        self.values = values

    def __contains__(self, name: str) -> bool:
        return self.values.get(name) is not None

    def text(self, name: str, default: str = "") -> str:
        value = self.values.get(name)
        return default if value is None else str(value)

    def require(self, name: str) -> str:
        """Return a text that must be there. Raises invalid_arguments."""
        value = self.text(name)
        if not value:
            raise invalid_arguments(f"missing required field: {name}")
        return value

    def flag(self, name: str, default: bool = False) -> bool:
        value = self.values.get(name)
        if value is None or value == "":
            return default
        return value if isinstance(value, bool) else str(value) in _TRUE

    def number(self, name: str, default: int) -> int:
        try:
            return int(self.values.get(name) or default)
        except (TypeError, ValueError):
            raise invalid_arguments(f"must be a valid integer [json-pointer:/{name}]") from None

    def json(self, name: str, error: str = "invalid_arguments") -> Any:
        """Return a JSON value, decoded where it came as text (Any: the caller checks it). Raises `error`."""
        value = self.values.get(name)
        if not isinstance(value, str):
            return value
        try:
            return json.loads(value) if value else None
        except ValueError:
            raise SlackError(error) from None

    def words(self, name: str) -> list[str]:
        """Return a list sent as JSON or with commas."""
        value = self.values.get(name)
        if isinstance(value, list):
            return [str(item) for item in value]
        return [word.strip() for word in str(value or "").split(",") if word.strip()]

    def channel(self, core: Core, name: str = "channel", *, error: str = "channel_not_found") -> Channel:
        """Return the channel a call names by id; a private one the app is not in does not exist for it."""
        found = core.workspace.channels.get(self.text(name))
        if found is None or (found.is_private and core.bot.id not in found.members):
            raise SlackError(error)
        return found

    def message(self, core: Core, channel: Channel, name: str = "ts", *, error: str = "message_not_found") -> Message:
        found = core.workspace.message(channel.id, self.text(name))
        if found is None:
            raise SlackError(error)
        return found

    def thread(self, core: Core, channel: Channel, name: str = "thread_ts", *, lost: bool = False) -> str | None:
        """Return the thread a call wants to write to. A deleted root that has replies still is one.

        lost: take a thread that is not there for none, as chat.postMessage does.
        Raises invalid_thread_ts for what is no timestamp, thread_not_found for no message, cannot_reply_to_message
        for a reply: the documentation only says not to pass a reply's ts; the emulator insists.
        """
        ts = self.text(name)
        if not ts:
            return None
        if not is_ts(ts):
            raise SlackError("invalid_thread_ts")
        parent = core.workspace.message(channel.id, ts) or core.workspace.tombstone(channel.id, ts)
        if parent is None and lost:
            return None
        if parent is None:
            raise SlackError("thread_not_found")
        if parent.thread_ts not in {None, ts}:
            raise SlackError("cannot_reply_to_message")
        return ts


def is_ts(value: str) -> bool:
    return _TS.fullmatch(value) is not None


Handler = Callable[["Core", Args], Json]


@dataclass(frozen=True, slots=True)
class Method:
    """One Web API method. tier: "t1" to "t5", where "t5" is the special tier; scopes: any one of them is enough.

    token: what may call it, a bot token, an app-level token, or anybody ("none").
    """

    name: str
    tier: str
    scopes: tuple[str, ...]
    token: Literal["bot", "app", "none"]
    run: Handler


METHODS: dict[str, Method] = {}


def method(
    name: str, tier: str, *scopes: str, token: Literal["bot", "app", "none"] = "bot"
) -> Callable[[Handler], Handler]:
    """Register a handler under its Web API name."""

    def register(handler: Handler) -> Handler:
        METHODS[name] = Method(name, tier, scopes, token, handler)
        return handler

    return register


def need_scope(core: Core, *scopes: str) -> None:
    """Refuse with missing_scope when the bot token was granted none of `scopes`."""
    granted = core.settings.scopes
    if scopes and not granted.intersection(scopes):
        raise SlackError("missing_scope", needed=",".join(scopes), provided=",".join(sorted(granted)))
