"""Permission bits and how they add up in a channel.

Source: Discord "Permissions: Bitwise Permission Flags", "Permission Hierarchy" and "Permission Overwrites", docs of
2026-08-06.
"""

from __future__ import annotations

from collections.abc import Iterable
from enum import IntFlag

from .state import Channel, Guild, Member, World


class Permission(IntFlag):
    """The bits that decide something in this emulator, by Discord's names."""

    KICK_MEMBERS = 1 << 1
    BAN_MEMBERS = 1 << 2
    ADMINISTRATOR = 1 << 3
    MANAGE_CHANNELS = 1 << 4
    MANAGE_GUILD = 1 << 5
    ADD_REACTIONS = 1 << 6
    VIEW_CHANNEL = 1 << 10
    SEND_MESSAGES = 1 << 11
    MANAGE_MESSAGES = 1 << 13
    EMBED_LINKS = 1 << 14
    ATTACH_FILES = 1 << 15
    READ_MESSAGE_HISTORY = 1 << 16
    MENTION_EVERYONE = 1 << 17
    USE_EXTERNAL_EMOJIS = 1 << 18
    CHANGE_NICKNAME = 1 << 26
    MANAGE_ROLES = 1 << 28
    MANAGE_WEBHOOKS = 1 << 29
    USE_APPLICATION_COMMANDS = 1 << 31
    MANAGE_THREADS = 1 << 34
    CREATE_PUBLIC_THREADS = 1 << 35
    CREATE_PRIVATE_THREADS = 1 << 36
    SEND_MESSAGES_IN_THREADS = 1 << 38
    PIN_MESSAGES = 1 << 51


ALL = (1 << 53) - 1
#: What a bot is usually invited with: view, send (also in threads), create threads, embeds, files, history, reactions.
INVITED_BOT = 377957239872 | Permission.EMBED_LINKS | Permission.ATTACH_FILES
#: A new server's @everyone may talk everywhere, open threads and mention everyone.
EVERYONE = int(
    Permission.ADD_REACTIONS
    | Permission.VIEW_CHANNEL
    | Permission.SEND_MESSAGES
    | Permission.EMBED_LINKS
    | Permission.ATTACH_FILES
    | Permission.READ_MESSAGE_HISTORY
    | Permission.MENTION_EVERYONE
    | Permission.USE_EXTERNAL_EMOJIS
    | Permission.CHANGE_NICKNAME
    | Permission.USE_APPLICATION_COMMANDS
    | Permission.CREATE_PUBLIC_THREADS
    | Permission.CREATE_PRIVATE_THREADS
    | Permission.SEND_MESSAGES_IN_THREADS
)
#: In a direct message nobody can take anything away, but there is nothing to manage either.
DIRECT = int(
    Permission.ADD_REACTIONS
    | Permission.VIEW_CHANNEL
    | Permission.SEND_MESSAGES
    | Permission.EMBED_LINKS
    | Permission.ATTACH_FILES
    | Permission.READ_MESSAGE_HISTORY
    | Permission.USE_APPLICATION_COMMANDS
)


def in_guild(guild: Guild, member: Member) -> int:
    """What `member` may do before any channel has a say."""
    if guild.owner_id == member.user.id:
        return ALL
    bits = guild.roles[guild.id].permissions
    for role_id in member.role_ids:
        bits |= guild.roles[role_id].permissions
    return ALL if bits & Permission.ADMINISTRATOR else bits


def in_channel(world: World, channel: Channel, user_id: int) -> int:
    """What a user may do in `channel`; a thread inherits its parent's overwrites. 0 for people who are not there."""
    if channel.guild_id is None:
        return DIRECT if user_id in channel.recipients else 0
    guild = world.guilds[channel.guild_id]
    member = guild.members.get(user_id)
    if member is None:
        return 0
    bits = in_guild(guild, member)
    if bits == ALL:
        return ALL
    place = world.channels[channel.parent_id] if channel.thread and channel.parent_id else channel
    return _with_implicit_denials(_overwritten(bits, place, guild, member), channel)


def can(world: World, channel: Channel, user_id: int, needed: int) -> bool:
    """Whether all bits of `needed` are there."""
    return in_channel(world, channel, user_id) & needed == needed


def sees(world: World, channel: Channel, user_id: int) -> bool:
    """Whether a user sees `channel`. A private thread is seen by its members and by who manages threads."""
    bits = in_channel(world, channel, user_id)
    if not bits & Permission.VIEW_CHANNEL:
        return False
    if channel.thread is not None and channel.is_private_thread:
        return user_id in channel.thread.members or bool(bits & Permission.MANAGE_THREADS)
    return True


def _overwritten(bits: int, channel: Channel, guild: Guild, member: Member) -> int:
    bits = _applied(bits, channel, [guild.id])
    bits = _applied(bits, channel, member.role_ids)
    return _applied(bits, channel, [member.user.id])


def _applied(bits: int, channel: Channel, targets: Iterable[int]) -> int:
    allow = deny = 0
    for target in targets:
        if overwrite := channel.overwrites.get(target):
            allow |= overwrite.allow
            deny |= overwrite.deny
    return bits & ~deny | allow


def _with_implicit_denials(bits: int, channel: Channel) -> int:
    if not bits & Permission.VIEW_CHANNEL:
        return 0
    speak = Permission.SEND_MESSAGES_IN_THREADS if channel.thread else Permission.SEND_MESSAGES
    if not bits & speak:
        bits &= ~(Permission.MENTION_EVERYONE | Permission.ATTACH_FILES | Permission.EMBED_LINKS)
    return bits
