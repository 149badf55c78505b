"""Messages: reading, posting, editing, deleting, pinning.

Source: Discord "Message" resource and "Threads", docs of 2026-08-06; error codes as in `errors`.
"""

from __future__ import annotations

from .. import messages, payloads
from ..drafts import Draft
from ..errors import Json, refusal
from ..events import MESSAGE_CONTENT, without_content
from ..permissions import Permission
from ..ratelimits import Refused
from ..snowflakes import time_of
from ..state import CATEGORY, DM, FORUM, PLAIN_TYPES, Channel, Message
from ._routes import (
    Answer,
    Call,
    Route,
    Service,
    channel_of,
    has,
    hidden_limit,
    message_of,
    need,
    no_content,
    ok,
)

_OLD_EDIT = Refused(
    0.0, code=30046, message="Maximum number of edits to messages older than 1 hour reached. Try again later"
)
_TWO_WEEKS_S = 14 * 86400


def shown(service: Service, message: Message) -> Json:
    """A message as this app may read it: without the portal's message content intent REST is emptied as well."""
    body = payloads.message(service.world, message)
    if service.world.portal_intents & MESSAGE_CONTENT:
        return body
    channel = service.world.channels[message.channel_id]
    if channel.guild_id is None:
        return body
    stripped = without_content({**body, "guild_id": str(channel.guild_id)}, service.bot.id)
    return {key: value for key, value in stripped.items() if key in body}


def listing(service: Service, call: Call) -> Answer:
    """Newest first, at most 100. Without READ_MESSAGE_HISTORY nothing."""
    channel = _readable(service, call)
    limit = call.number("limit", 50, 1, 100)
    if not has(service, channel, Permission.READ_MESSAGE_HISTORY):
        return ok([])
    every = [one for one in service.world.in_channel(channel.id) if not one.ephemeral]
    if anchor := call.query.get("before"):
        every = [one for one in every if one.id < int(anchor)][-limit:]
    elif anchor := call.query.get("after"):
        every = [one for one in every if one.id > int(anchor)][:limit]
    elif anchor := call.query.get("around"):
        older = [one for one in every if one.id < int(anchor)][-(limit // 2) :]
        every = older + [one for one in every if one.id >= int(anchor)][: limit - len(older)]
    else:
        every = every[-limit:]
    return ok([shown(service, one) for one in reversed(every)])


def get(service: Service, call: Call) -> Answer:
    channel, message = message_of(service, call)
    need(service, channel, Permission.READ_MESSAGE_HISTORY)
    return ok(shown(service, message))


def create(service: Service, call: Call) -> Answer:
    """With `enforce_nonce` and a nonce of the last few minutes, the earlier message is answered again, wherever it is:
    "created by the same author with the same nonce" ("Create Message")."""
    channel = channel_of(service, call)
    body = call.json()
    may_send(service, channel, body)
    draft = Draft.parse(service.world, body, call.files)
    if draft.attachments:
        need(service, channel, Permission.ATTACH_FILES)
    if draft.reference and not has(service, channel, Permission.READ_MESSAGE_HISTORY):
        raise refusal(160002)
    if draft.enforce_nonce and (earlier := _with_nonce(service, draft.nonce)):
        return ok(payloads.created_message(service.world, earlier))
    message = messages.create_message(service.world, channel, service.bot, draft)
    if draft.nonce not in (None, ""):
        service.world.nonces[str(draft.nonce)] = message
    return ok(payloads.created_message(service.world, message))


def may_send(service: Service, channel: Channel, body: Json) -> None:
    """Raises the ApiError that keeps the bot from posting in `channel`."""
    if channel.type == FORUM:
        raise refusal(40058)
    if channel.type == CATEGORY:
        raise refusal(50008)
    if channel.type == DM and not all(service.world.users[key].accepts_direct for key in channel.recipients):
        raise refusal(50007)
    need(service, channel, Permission.SEND_MESSAGES_IN_THREADS if channel.thread else Permission.SEND_MESSAGES)
    if channel.thread and channel.thread.locked and not has(service, channel, Permission.MANAGE_THREADS):
        raise refusal(160005)
    if body.get("embeds"):
        need(service, channel, Permission.EMBED_LINKS)


def edit(service: Service, call: Call) -> Answer:
    """Of others' messages only the flags may be changed, with MANAGE_MESSAGES."""
    channel, message = message_of(service, call)
    body = call.json()
    _refuse_archived(channel)
    if message.author.id != service.bot.id:
        if set(body) - {"flags"}:
            raise refusal(50005)
        need(service, channel, Permission.MANAGE_MESSAGES)
    if message.type not in PLAIN_TYPES:
        raise refusal(50021)
    draft = Draft.parse(service.world, body, call.files, old=message)
    if service.world.now() - time_of(message.id) > service.world.limits.old_message_s:
        hidden_limit(service, "old_edit", channel.id, _OLD_EDIT)
    stamp = message.author.id == service.bot.id and bool(set(body) - {"flags", "allowed_mentions"})
    messages.edit_message(service.world, message, draft, stamp=stamp)
    return ok(payloads.message(service.world, message))


def delete(service: Service, call: Call) -> Answer:
    channel, message = message_of(service, call)
    _refuse_archived(channel)
    if message.author.id != service.bot.id:
        if channel.guild_id is None:
            raise refusal(50003)
        need(service, channel, Permission.MANAGE_MESSAGES)
    messages.delete_message(service.world, message)
    return no_content()


def bulk_delete(service: Service, call: Call) -> Answer:
    """2 to 100 messages, none older than two weeks; unknown ones are passed over."""
    channel = channel_of(service, call)
    if channel.guild_id is None:
        raise refusal(50003)
    need(service, channel, Permission.MANAGE_MESSAGES)
    ids = call.json().get("messages") or []
    if not 2 <= len(ids) <= 100:
        raise refusal(50016)
    if any(service.world.now() - time_of(int(key)) > _TWO_WEEKS_S for key in ids):
        raise refusal(50034)
    found = [message for key in ids if (message := service.world.find(channel.id, int(key)))]
    messages.delete_messages(service.world, channel, found)
    return no_content()


def pins(service: Service, call: Call) -> Answer:
    """The older listing: an array, newest pin first."""
    return ok([shown(service, one) for one in _pinned(service, call)])


def pins_page(service: Service, call: Call) -> Answer:
    """The newer listing, with the time of each pin."""
    items = [
        {"pinned_at": payloads.iso(one.pinned_at or 0.0), "message": shown(service, one)}
        for one in _pinned(service, call)
    ]
    return ok({"items": items, "has_more": False})


def pin(service: Service, call: Call) -> Answer:
    return _set_pin(service, call, pinned=True)


def unpin(service: Service, call: Call) -> Answer:
    return _set_pin(service, call, pinned=False)


def _set_pin(service: Service, call: Call, *, pinned: bool) -> Answer:
    channel, message = message_of(service, call)
    if channel.guild_id is not None and not has(service, channel, Permission.MANAGE_MESSAGES):
        need(service, channel, Permission.PIN_MESSAGES)
    if message.type not in PLAIN_TYPES:
        raise refusal(50021)
    _refuse_archived(channel)
    if (message.pinned_at is not None) != pinned:
        messages.pin(service.world, message, service.bot, pinned=pinned)
    return no_content()


def _pinned(service: Service, call: Call) -> list[Message]:
    channel = _readable(service, call)
    held = [one for one in service.world.in_channel(channel.id) if one.pinned_at is not None]
    return sorted(held, key=lambda one: -(one.pinned_at or 0.0))


def _readable(service: Service, call: Call) -> Channel:
    channel = channel_of(service, call)
    if channel.type in (CATEGORY, FORUM):
        raise refusal(50008)
    return channel


def _with_nonce(service: Service, nonce: str | int | None) -> Message | None:
    message = service.world.nonces.get(str(nonce))
    if message is None or message.deleted or message.created_at < service.world.now() - service.world.limits.nonce_s:
        return None
    return message


def _refuse_archived(channel: Channel) -> None:
    if channel.thread and channel.thread.archived:
        raise refusal(50083)


_MESSAGES = "/channels/{channel_id}/messages"
_MESSAGE = _MESSAGES + "/{message_id}"
ROUTES = [
    Route("GET", _MESSAGES, listing, "other:list", "channel_id"),
    Route("POST", _MESSAGES, create, "create", "channel_id"),
    Route("POST", _MESSAGES + "/bulk-delete", bulk_delete, "bulk_delete", "channel_id"),
    Route("GET", _MESSAGES + "/pins", pins_page, "other:pins", "channel_id"),
    Route("PUT", _MESSAGES + "/pins/{message_id}", pin, "other:pin", "channel_id"),
    Route("DELETE", _MESSAGES + "/pins/{message_id}", unpin, "other:pin", "channel_id"),
    Route("GET", "/channels/{channel_id}/pins", pins, "other:pins", "channel_id"),
    Route("PUT", "/channels/{channel_id}/pins/{message_id}", pin, "other:pin", "channel_id"),
    Route("DELETE", "/channels/{channel_id}/pins/{message_id}", unpin, "other:pin", "channel_id"),
    Route("GET", _MESSAGE, get, "other:message", "channel_id"),
    Route("PATCH", _MESSAGE, edit, "edit", "channel_id"),
    Route("DELETE", _MESSAGE, delete, "delete", "channel_id"),
]
