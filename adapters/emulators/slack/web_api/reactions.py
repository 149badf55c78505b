"""reactions.add, remove, get. Source: docs.slack.dev/reference/methods/reactions.add and others."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from adapters.emulators.slack import events
from adapters.emulators.slack.errors import SlackError
from adapters.emulators.slack.web_api._registry import Args, is_ts, method
from adapters.emulators.slack.wire import reactions_json, stored_json
from adapters.emulators.slack.workspace import Json, Message

if TYPE_CHECKING:
    from adapters.emulators.slack.core import Core

_NAME = re.compile(r"[a-z0-9_+'\-]+(?:::skin-tone-[2-6])?")
_DISTINCT = 23
"""Different emoji a message takes. Slack's help says 23 for one person and 50 in all; the stricter one holds here."""


@method("reactions.add", "t3", "reactions:write")
def add(core: Core, args: Args) -> Json:
    """React as the app. Raises already_reacted, bad_timestamp, invalid_name, is_archived, message_not_found."""
    react(core, _message(core, args), core.bot.id, args.text("name").strip(":"))
    return {}


@method("reactions.remove", "t2", "reactions:write")
def remove(core: Core, args: Args) -> Json:
    """Take the app's reaction back. Raises no_reaction and what add raises."""
    message, name = _message(core, args), args.text("name").strip(":")
    unreact(core, message, core.bot.id, name)
    return {}


@method("reactions.get", "t3", "reactions:read")
def get(core: Core, args: Args) -> Json:
    message = _message(core, args)
    body = stored_json(core, message, metadata=False) | {"reactions": reactions_json(message)}
    return {"type": "message", "channel": message.channel, "message": body}


def react(core: Core, message: Message, user: str, name: str) -> None:
    """Add a person's or the app's reaction and deliver reaction_added."""
    if not _NAME.fullmatch(name):
        raise SlackError("invalid_name")
    users = message.reactions.get(name, [])
    if user in users:
        raise SlackError("already_reacted")
    if not users and len(message.reactions) >= _DISTINCT:
        raise SlackError("too_many_emoji")
    message.reactions.setdefault(name, []).append(user)
    _tell(core, "reaction_added", user, name, message)


def unreact(core: Core, message: Message, user: str, name: str) -> None:
    users = message.reactions.get(name, [])
    if user not in users:
        raise SlackError("no_reaction")
    users.remove(user)
    if not users:
        del message.reactions[name]
    _tell(core, "reaction_removed", user, name, message)


def _tell(core: Core, kind: str, user: str, name: str, message: Message) -> None:
    core.changed("reaction", message.channel, message.ts)
    channel = core.workspace.channels[message.channel]
    core.dispatcher.publish(events.reaction(core, kind, user, name, message), channel)


def _message(core: Core, args: Args) -> Message:
    if not args.text("channel") or not args.text("timestamp"):
        raise SlackError("no_item_specified")
    channel = args.channel(core)
    if not is_ts(args.text("timestamp")):
        raise SlackError("bad_timestamp")
    if channel.is_archived:
        raise SlackError("is_archived")
    message = args.message(core, channel, "timestamp")
    if core.bot.id not in channel.members and channel.kind != "channel":
        raise SlackError("channel_not_found")
    return message
