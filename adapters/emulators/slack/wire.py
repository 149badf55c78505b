"""State as JSON, in the shapes of the documentation's examples."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from adapters.emulators.slack.workspace import Channel, Json, Message, User

if TYPE_CHECKING:
    from adapters.emulators.slack.core import Core

_KEPT = re.compile(r"<(?:[@#!][^<>]+|https?://[^<>]+|mailto:[^<>]+|tel:[^<>]+)>|&(?:amp|lt|gt);")
_BARE_URL = re.compile(r"https?://[^\s<>|&]+(?:&amp;[^\s<>|&]+)*")
_STRAY = {"&": "&amp;", "<": "&lt;", ">": "&gt;"}


def wire_text(text: str) -> str:
    """Return text as Slack gives it back: stray `& < >` escaped and bare addresses in angle brackets.

    Source: docs.slack.dev/messaging/formatting-message-text ("our servers sanitize links", chat.postMessage).
    """
    parts: list[str] = []
    at = 0
    for match in _KEPT.finditer(text):
        parts += [_escape(text[at : match.start()]), match[0]]
        at = match.end()
    return "".join([*parts, _escape(text[at:])])


def _escape(text: str) -> str:
    escaped = re.sub(r"[&<>]", lambda match: _STRAY[match[0]], text)
    return _BARE_URL.sub(lambda match: f"<{match[0]}>", escaped)


def message_json(core: Core, message: Message, *, metadata: bool = True) -> Json:
    """Return a message object as history, answers and events carry it; keys without a value are left out."""
    body: Json = {"type": "message", "user": message.user, "text": wire_text(message.text), "ts": message.ts}
    body["team"] = core.identity.team_id
    optional: dict[str, Any] = {
        "subtype": message.subtype,
        "client_msg_id": message.client_msg_id,
        "bot_id": message.bot_id,
        "app_id": message.app_id,
        "bot_profile": _bot_profile(core, message) if message.bot_id else None,
        "blocks": message.blocks,
        "attachments": message.attachments,
        "files": message.files,
        "thread_ts": message.thread_ts,
        "metadata": message.metadata if metadata else None,
        "edited": {"user": message.user, "ts": message.edited} if message.edited else None,
    }
    body.update({key: value for key, value in optional.items() if value})
    if message.thread_ts and message.thread_ts != message.ts:
        parent = core.workspace.message(message.channel, message.thread_ts)
        if parent is not None:
            body["parent_user_id"] = parent.user
    if message.files:
        body["upload"] = False
        body["display_as_bot"] = False
    return body


def stored_json(core: Core, message: Message, *, metadata: bool) -> Json:
    """Return a message object with what only history has: counts of replies, and reactions."""
    body = message_json(core, message, metadata=metadata)
    if replies := core.workspace.replies(message):
        users = list(dict.fromkeys(reply.user for reply in replies))
        body |= {"thread_ts": message.ts, "reply_count": len(replies), "reply_users_count": len(users)}
        body |= {"reply_users": users, "latest_reply": replies[-1].ts, "is_locked": False, "subscribed": False}
    if message.reactions:
        body["reactions"] = reactions_json(message)
    return body


def reactions_json(message: Message) -> list[Json]:
    return [{"name": name, "users": users, "count": len(users)} for name, users in message.reactions.items()]


def _bot_profile(core: Core, message: Message) -> Json:
    author = core.workspace.users.get(message.user)
    return {
        "id": message.bot_id,
        "app_id": message.app_id,
        "user_id": message.user,
        "name": author.name if author else "",
        "icons": {size: f"{core.base_url}/icons/{size}.png" for size in ("image_36", "image_48", "image_72")},
        "deleted": False,
        "updated": 0,
        "team_id": core.identity.team_id,
    }


def user_json(user: User) -> Json:
    """Return a user object of users.info and users.list."""
    names = {"real_name": user.real_name, "display_name": user.name}
    profile: Json = {**names, "real_name_normalized": user.real_name, "display_name_normalized": user.name}
    profile |= {"status_text": "", "status_emoji": "", "team": user.team_id}
    body: Json = {"id": user.id, "team_id": user.team_id, "name": user.name, "deleted": user.deleted}
    body |= {"color": "9f69e7", "real_name": user.real_name, "tz": user.tz, "tz_label": user.tz_label}
    body |= {"tz_offset": user.tz_offset, "profile": profile, "locale": user.locale, "updated": 0}
    body |= {"is_admin": user.is_admin, "is_owner": user.is_owner, "is_primary_owner": user.is_primary_owner}
    body |= {"is_restricted": user.is_restricted, "is_ultra_restricted": user.is_ultra_restricted}
    body |= {"is_bot": user.is_bot, "is_stranger": user.is_stranger}
    body |= {"is_app_user": user.is_bot, "has_2fa": False}
    if user.bot_id:
        body["profile"] |= {"bot_id": user.bot_id, "api_app_id": user.app_id}
    return body


def channel_json(core: Core, channel: Channel) -> Json:
    """Return a conversation object of conversations.info and its like."""
    team = core.identity.team_id
    if channel.kind == "im":
        body: Json = {"id": channel.id, "created": channel.created, "is_im": True, "is_org_shared": False}
        return body | {"user": channel.user, "is_open": True, "context_team_id": team, "is_archived": False}
    about: Json = {"value": channel.topic, "creator": channel.creator, "last_set": channel.created}
    body = {"id": channel.id, "name": channel.name, "name_normalized": channel.name, "created": channel.created}
    body |= {"is_channel": channel.kind == "channel", "is_group": channel.kind == "group", "is_im": False}
    body |= {"is_mpim": channel.kind == "mpim", "is_private": channel.is_private, "is_archived": channel.is_archived}
    body |= {"is_general": channel.is_general, "unlinked": 0, "is_shared": channel.is_ext_shared, "is_frozen": False}
    body |= {"is_org_shared": False, "is_pending_ext_shared": False, "pending_shared": [], "context_team_id": team}
    body |= {"updated": channel.created * 1000, "parent_conversation": None, "creator": channel.creator}
    body |= {"is_ext_shared": channel.is_ext_shared, "shared_team_ids": [team], "pending_connected_team_ids": []}
    body |= {"is_member": core.bot.id in channel.members, "num_members": len(channel.members)}
    return body | {"topic": about, "purpose": {**about, "value": ""}, "previous_names": []}
