"""Reactions. Source: Discord "Message: Create Reaction" and its neighbours, docs of 2026-08-06."""

from __future__ import annotations

import re

from .. import messages, payloads
from ..errors import refusal
from ..permissions import Permission
from ..state import Channel, Message
from ._routes import Answer, Call, Route, Service, message_of, need, no_content, ok

_CUSTOM = re.compile(r"\w{2,32}:\d{1,20}")


def add(service: Service, call: Call) -> Answer:
    """Adding an emoji that is not there yet needs ADD_REACTIONS; joining one needs only the history."""
    channel, message, emoji = _reaction(service, call)
    need(service, channel, Permission.READ_MESSAGE_HISTORY)
    if emoji not in message.reactions:
        need(service, channel, Permission.ADD_REACTIONS)
    messages.react(service.world, message, service.bot, emoji)
    return no_content()


def remove_own(service: Service, call: Call) -> Answer:
    _, message, emoji = _reaction(service, call)
    messages.unreact(service.world, message, service.bot, emoji)
    return no_content()


def remove_other(service: Service, call: Call) -> Answer:
    channel, message, emoji = _reaction(service, call)
    need(service, channel, Permission.MANAGE_MESSAGES)
    user = service.world.users.get(call.id("user_id"))
    if user is None:
        raise refusal(10013)
    messages.unreact(service.world, message, user, emoji)
    return no_content()


def remove_emoji(service: Service, call: Call) -> Answer:
    channel, message, emoji = _reaction(service, call)
    need(service, channel, Permission.MANAGE_MESSAGES)
    for key in list(message.reactions.get(emoji, [])):
        messages.unreact(service.world, message, service.world.users[key], emoji)
    return no_content()


def remove_all(service: Service, call: Call) -> Answer:
    channel, message = message_of(service, call)
    need(service, channel, Permission.MANAGE_MESSAGES)
    for emoji, people in list(message.reactions.items()):
        for key in list(people):
            messages.unreact(service.world, message, service.world.users[key], emoji)
    return no_content()


def people(service: Service, call: Call) -> Answer:
    _, message, emoji = _reaction(service, call)
    limit = call.number("limit", 25, 1, 100)
    return ok([payloads.user(service.world.users[key]) for key in message.reactions.get(emoji, [])[:limit]])


def _reaction(service: Service, call: Call) -> tuple[Channel, Message, str]:
    """Raises ApiError 10014 for what is no emoji, 50083 in an archived thread."""
    channel, message = message_of(service, call)
    emoji = call.args["emoji"]
    if not _CUSTOM.fullmatch(emoji) and (emoji.isascii() and not re.fullmatch(r"[0-9#*]\ufe0f?\u20e3", emoji)):
        raise refusal(10014)
    if call.method != "GET" and channel.thread and channel.thread.archived:
        raise refusal(50083)
    return channel, message, emoji


_REACTIONS = "/channels/{channel_id}/messages/{message_id}/reactions"
ROUTES = [
    Route("PUT", _REACTIONS + "/{emoji}/@me", add, "reaction", "channel_id"),
    Route("DELETE", _REACTIONS + "/{emoji}/@me", remove_own, "reaction", "channel_id"),
    Route("DELETE", _REACTIONS + "/{emoji}/{user_id}", remove_other, "reaction", "channel_id"),
    Route("DELETE", _REACTIONS + "/{emoji}", remove_emoji, "reaction", "channel_id"),
    Route("DELETE", _REACTIONS, remove_all, "reaction", "channel_id"),
    Route("GET", _REACTIONS + "/{emoji}", people, "other:reactions", "channel_id"),
]
