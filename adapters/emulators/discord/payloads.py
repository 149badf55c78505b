"""State as the JSON Discord sends.

Source of the fields: Discord "User", "Guild", "Channel", "Message" and "Permissions" resources, docs of 2026-08-06,
and the official OpenAPI description of API v10.
"""

from __future__ import annotations

from datetime import UTC, datetime

from . import permissions
from .errors import Json
from .events import MESSAGE_CONTENT
from .state import (
    DM,
    FORUM,
    REPLY,
    THREAD_STARTER,
    Attachment,
    Channel,
    Command,
    Guild,
    Member,
    Message,
    Role,
    User,
    World,
)


def iso(seconds: float) -> str:
    """ISO 8601 with microseconds and offset, the form of every timestamp."""
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="microseconds")


def user(one: User) -> Json:
    return {
        "id": str(one.id),
        "username": one.name,
        "discriminator": "0",
        "global_name": one.global_name,
        "avatar": None,
        "avatar_decoration_data": None,
        "collectibles": None,
        "display_name_styles": None,
        "banner": None,
        "accent_color": None,
        "primary_guild": None,
        "clan": None,
        "bot": one.bot,
        "system": False,
        "public_flags": 0,
        "flags": 0,
    }


def own_user(one: User) -> Json:
    return {**user(one), "verified": True, "mfa_enabled": True, "email": None, "locale": "en-US", "bio": ""}


def member(one: Member, *, with_user: bool = True) -> Json:
    body: Json = {
        "nick": one.nick,
        "avatar": None,
        "banner": None,
        "roles": [str(role_id) for role_id in one.role_ids],
        "joined_at": iso(one.joined_at),
        "premium_since": None,
        "deaf": False,
        "mute": False,
        "flags": 0,
        "pending": False,
        "communication_disabled_until": None,
    }
    return {"user": user(one.user), **body} if with_user else body


def role(one: Role) -> Json:
    body: Json = {
        "id": str(one.id),
        "name": one.name,
        "description": None,
        "color": 0,
        "colors": {"primary_color": 0, "secondary_color": None, "tertiary_color": None},
        "hoist": False,
        "icon": None,
        "unicode_emoji": None,
        "position": one.position,
        "permissions": str(one.permissions),
        "managed": one.managed_by is not None,
        "mentionable": one.mentionable,
        "flags": 0,
    }
    return {**body, "tags": {"bot_id": str(one.managed_by)}} if one.managed_by else body


def channel(world: World, one: Channel) -> Json:
    """A channel of any kind, as REST and the gateway describe it."""
    if one.type == DM:
        people = [user(world.users[key]) for key in one.recipients if key != world.bot.id]
        return {
            "id": str(one.id),
            "type": DM,
            "last_message_id": _maybe(one.last_message_id),
            "recipients": people,
            "flags": 0,
        }
    body: Json = {
        "id": str(one.id),
        "type": one.type,
        "guild_id": str(one.guild_id),
        "name": one.name,
        "parent_id": _maybe(one.parent_id),
        "last_message_id": _maybe(one.last_message_id),
        "rate_limit_per_user": one.slowmode_s,
        "flags": one.flags,
    }
    return {**body, **(_thread_fields(one) if one.thread else _place_fields(one))}


def _place_fields(one: Channel) -> Json:
    overwrites = [
        {"id": str(o.target_id), "type": o.kind, "allow": str(o.allow), "deny": str(o.deny)}
        for o in one.overwrites.values()
    ]
    body: Json = {
        "position": one.position,
        "permission_overwrites": overwrites,
        "topic": one.topic,
        "nsfw": False,
        "default_auto_archive_duration": one.default_archive_minutes,
    }
    if one.type == FORUM:
        body |= {
            "available_tags": one.tags,
            "default_reaction_emoji": None,
            "default_sort_order": None,
            "default_forum_layout": 0,
            "default_thread_rate_limit_per_user": 0,
        }
    return body


def _thread_fields(one: Channel) -> Json:
    state = one.thread
    assert state is not None
    body: Json = {
        "owner_id": str(state.owner_id),
        "message_count": state.message_count,
        "total_message_sent": state.total_message_sent,
        "member_count": min(len(state.members), 50),
        "thread_metadata": {
            "archived": state.archived,
            "archive_timestamp": iso(state.archived_at),
            "auto_archive_duration": state.archive_minutes,
            "locked": state.locked,
            "create_timestamp": iso(state.created_at),
            **({"invitable": state.invitable} if one.is_private_thread else {}),
        },
    }
    return {**body, "applied_tags": [str(tag) for tag in state.applied_tags]} if state.applied_tags else body


def thread_for(world: World, one: Channel, user_id: int) -> Json:
    """A thread with the `member` field of `user_id`, if they joined it."""
    body = channel(world, one)
    if one.thread and user_id in one.thread.members:
        body["member"] = thread_member(one, user_id)
    return body


def thread_member(one: Channel, user_id: int) -> Json:
    assert one.thread is not None
    joined = iso(one.thread.members[user_id])
    return {"id": str(one.id), "user_id": str(user_id), "join_timestamp": joined, "flags": 1}


def guild(one: Guild) -> Json:
    """A guild as `GET /guilds/{id}` answers it."""
    return {
        "id": str(one.id),
        "name": one.name,
        "icon": None,
        "description": None,
        "splash": None,
        "discovery_splash": None,
        "banner": None,
        "owner_id": str(one.owner_id),
        "application_id": None,
        "region": "deprecated",
        "afk_channel_id": None,
        "afk_timeout": 300,
        "system_channel_id": None,
        "system_channel_flags": 0,
        "widget_enabled": False,
        "widget_channel_id": None,
        "verification_level": 1,
        "default_message_notifications": 1,
        "mfa_level": 0,
        "explicit_content_filter": 2,
        "max_presences": None,
        "max_members": 500000,
        "max_video_channel_users": 25,
        "max_stage_video_channel_users": 50,
        "vanity_url_code": None,
        "premium_tier": 0,
        "premium_subscription_count": 0,
        "premium_progress_bar_enabled": False,
        "preferred_locale": one.locale,
        "rules_channel_id": None,
        "safety_alerts_channel_id": None,
        "public_updates_channel_id": None,
        "hub_type": None,
        "nsfw": False,
        "nsfw_level": 0,
        "incidents_data": None,
        "features": [],
        "emojis": [],
        "stickers": [],
        "roles": [role(each) for each in one.roles.values()],
    }


def gateway_guild(world: World, one: Guild) -> Json:
    """A guild as GUILD_CREATE carries it: what the bot sees, and of the members itself."""
    seen = [c for c in world.channels.values() if c.guild_id == one.id and permissions.sees(world, c, world.bot.id)]
    active = [c for c in seen if c.thread and not c.thread.archived]
    return {
        **guild(one),
        "joined_at": iso(one.joined_at),
        "large": False,
        "unavailable": False,
        "member_count": len(one.members),
        "voice_states": [],
        "members": [member(one.members[world.bot.id])] if world.bot.id in one.members else [],
        "channels": [channel(world, c) for c in seen if c.thread is None],
        "threads": [thread_for(world, c, world.bot.id) for c in active],
        "presences": [],
        "stage_instances": [],
        "guild_scheduled_events": [],
        "soundboard_sounds": [],
    }


def attachment(world: World, one: Attachment, channel_id: int) -> Json:
    url = f"{world.cdn_url}/attachments/{channel_id}/{one.id}/{one.filename}"
    body: Json = {
        "id": str(one.id),
        "filename": one.filename,
        "size": len(one.data),
        "url": url,
        "proxy_url": url,
        "content_type": one.content_type,
    }
    return {**body, "description": one.description} if one.description else body


def emoji(text: str) -> Json:
    """An emoji as the URL names it (`👀` or `name:id`), as the object events carry."""
    name, _, emoji_id = text.partition(":")
    return {"id": emoji_id or None, "name": name} if emoji_id.isdigit() else {"id": None, "name": text}


def message(world: World, one: Message, *, nested: bool = False) -> Json:
    """A message as REST answers it. `nested` leaves out the message it replies to."""
    body: Json = {
        "id": str(one.id),
        "channel_id": str(one.channel_id),
        "type": one.type,
        "author": user(one.author),
        "content": one.content,
        "timestamp": iso(one.created_at),
        "edited_timestamp": None if one.edited_at is None else iso(one.edited_at),
        "tts": one.tts,
        "pinned": one.pinned_at is not None,
        "mention_everyone": one.mention_everyone,
        "mentions": [user(world.users[key]) for key in one.mention_user_ids],
        "mention_roles": [str(key) for key in one.mention_role_ids],
        "attachments": [attachment(world, each, one.channel_id) for each in one.attachments],
        "embeds": one.embeds,
        "components": one.components,
        "flags": one.flags,
    }
    if one.reactions:
        body["reactions"] = [_reaction(world, text, people) for text, people in one.reactions.items()]
    if one.reference:
        body["message_reference"] = one.reference
    if one.webhook_id:
        body |= {"webhook_id": str(one.webhook_id), "application_id": str(world.application_id)}
    if one.snapshots:
        body["message_snapshots"] = one.snapshots
    if one.interaction:
        body["interaction_metadata"] = one.interaction
    if not nested and one.type in (REPLY, THREAD_STARTER):
        body["referenced_message"] = _referenced(world, one)
    if one.thread_id in world.channels:
        body["thread"] = thread_for(world, world.channels[one.thread_id], world.bot.id)
    return body


def created_message(world: World, one: Message) -> Json:
    """A message as the answer to its creation: only here and in MESSAGE_CREATE does Discord repeat the nonce.

    A message read later has none (discord.py issue 2451), so that a lost answer cannot be looked up by it.
    """
    body = message(world, one)
    return body if one.nonce is None else {**body, "nonce": one.nonce}


def snapshot(world: World, one: Message) -> Json:
    """A forwarded message as its copy carries it: without author. Source: "Message Snapshot Object"."""
    body = message(world, one, nested=True)
    kept = ("type", "content", "embeds", "attachments", "timestamp", "edited_timestamp", "flags", "mentions")
    return {"message": {key: body[key] for key in (*kept, "mention_roles", "components")}}


def message_event(world: World, one: Message) -> Json:
    """A message as MESSAGE_CREATE and MESSAGE_UPDATE carry it: with guild and member."""
    place = world.channels[one.channel_id]
    body = {**message(world, one), "channel_type": place.type}
    if place.guild_id is None:
        return body
    guild_ = world.guilds[place.guild_id]
    body["guild_id"] = str(guild_.id)
    if one.webhook_id is None and (author := guild_.members.get(one.author.id)):
        body["member"] = member(author, with_user=False)
    for mentioned in body["mentions"]:
        if there := guild_.members.get(int(mentioned["id"])):
            mentioned["member"] = member(there, with_user=False)
    return body


def _reaction(world: World, text: str, people: list[int]) -> Json:
    count = len(people)
    return {
        "emoji": emoji(text),
        "count": count,
        "count_details": {"burst": 0, "normal": count},
        "burst_colors": [],
        "me": world.bot.id in people,
        "me_burst": False,
        "burst_me": False,
        "burst_count": 0,
    }


def _referenced(world: World, one: Message) -> Json | None:
    reference = one.reference or {}
    found = world.find(int(reference.get("channel_id", 0)), int(reference.get("message_id", 0)))
    return message(world, found, nested=True) if found else None


def command(world: World, one: Command) -> Json:
    body: Json = {
        "id": str(one.id),
        "application_id": str(world.application_id),
        "version": str(one.version),
        **one.body,
    }
    return {**body, "guild_id": str(one.guild_id)} if one.guild_id else body


def application(world: World) -> Json:
    """The application as `GET /applications/@me` answers it; flags tell which privileged intents the portal allows."""
    owner = next((u for u in world.users.values() if not u.bot), world.bot)
    return {
        "id": str(world.application_id),
        "name": world.bot.name,
        "icon": None,
        "description": "",
        "summary": "",
        "type": None,
        "bot": user(world.bot),
        "is_monetized": False,
        "is_verified": False,
        "bot_public": True,
        "bot_require_code_grant": False,
        "integration_types_config": {"0": {}},
        "verify_key": "0" * 64,
        "flags": application_flags(world),
        "hook": True,
        "rpc_origins": [],
        "redirect_uris": [],
        "interactions_endpoint_url": None,
        "role_connections_verification_url": None,
        "approximate_guild_count": len(world.guilds),
        "approximate_user_install_count": 0,
        "owner": user(owner),
        "team": None,
    }


def application_flags(world: World) -> int:
    """Application flags: the "limited" forms of presence 1<<13, members 1<<15, message content 1<<19."""
    flags = 0
    for intent, flag in ((1 << 8, 1 << 13), (1 << 1, 1 << 15), (MESSAGE_CONTENT, 1 << 19)):
        flags |= flag if world.portal_intents & intent else 0
    return flags


def _maybe(value: int | None) -> str | None:
    return None if value is None else str(value)
