"""Reading discord.py's objects into the plain values of `inbound`. The only module that knows their shapes.

A channel's class is a hint, not a verdict: messages of a new thread reach us before its THREAD_CREATE, and
`message.channel` is then a PartialMessageable. Such a place is "unknown" until somebody asks Discord.
"""

from __future__ import annotations

from collections.abc import Mapping

import discord

from adapters.discord.inbound import Answered, Place, PlaceKind, Spoken

_THREAD_TYPES = frozenset({10, 11, 12})
"""Announcement, public and private threads (channel resource, "Channel Types")."""
_DIRECT_TYPES = frozenset({1, 3})
_SPEECH = frozenset({discord.MessageType.default, discord.MessageType.reply})


def kind_of(channel_type: int) -> PlaceKind:
    """What we make of a channel type number."""
    if channel_type in _THREAD_TYPES:
        return "thread"
    return "direct" if channel_type in _DIRECT_TYPES else "text"


def read_place(channel: object, guild: int | None) -> Place:
    """Where `channel` is; kind "unknown" when discord.py has only its id."""
    identity = str(getattr(channel, "id", ""))
    kind: PlaceKind = "unknown"
    channel_type = getattr(channel, "type", None)
    if guild is None:
        kind = "direct"
    elif isinstance(channel_type, discord.ChannelType) and not isinstance(channel, discord.PartialMessageable):
        kind = kind_of(channel_type.value)
    parent = getattr(channel, "parent_id", None) if kind == "thread" else None
    return Place(identity, kind, str(guild) if guild else None, str(parent) if parent else None)


def read_spoken(message: discord.Message) -> Spoken:
    guild = message.guild
    guild_id = guild.id if guild else getattr(message.channel, "guild_id", None)
    author = message.author
    flags = getattr(author, "flags", None)
    return Spoken(
        id=str(message.id),
        place=read_place(message.channel, guild_id),
        author=str(author.id),
        author_name=author.display_name,
        content=message.content,
        application=str(message.application_id) if message.application_id else None,
        automated=author.bot or message.webhook_id is not None,
        guest=bool(getattr(flags, "guest", False)),
        speech=message.type in _SPEECH,
        users={str(user.id): user.display_name for user in message.mentions},
        roles={str(role): _role_name(guild, role) for role in message.raw_role_mentions},
        channels=_channel_names(guild, message.raw_channel_mentions),
        answered=_read_answered(message),
        files=tuple(file.filename for file in message.attachments),
    )


def our_role(guild: discord.Guild | None) -> str | None:
    role = guild.self_role if guild else None
    return str(role.id) if role else None


def _role_name(guild: discord.Guild | None, role_id: int) -> str:
    role = guild.get_role(role_id) if guild else None
    return role.name if role else "role"


def _channel_names(guild: discord.Guild | None, ids: list[int]) -> Mapping[str, str]:
    found = {str(i): guild.get_channel_or_thread(i) for i in ids} if guild else {}
    return {i: channel.name for i, channel in found.items() if channel is not None}


def _read_answered(message: discord.Message) -> Answered | None:
    """The replied-to message; a forward also carries a reference, but it answers nobody."""
    reference = message.reference
    if message.type is not discord.MessageType.reply or reference is None:
        return None
    original = reference.resolved
    if not isinstance(original, discord.Message):
        return None
    earlier = original.reference if original.type is discord.MessageType.reply else None
    answers = earlier.message_id if earlier else None
    return Answered(
        str(original.id),
        str(original.author.id),
        str(answers) if answers else None,
        author_name=original.author.display_name,
        text=original.clean_content,
    )
