"""Whom a message notifies, and which links it shows a preview of.

Mentions are looked for everywhere in the content, in code as well: a test that asserts nobody was pinged should not
rest on how a code block is parsed. Source: Discord "Message: Allowed Mentions Object" and "Reference: Message
Formatting", docs of 2026-08-06. An edit without `allowed_mentions` is parsed with the defaults (discord-api-docs 3378).
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from . import permissions
from .errors import FormErrors, Json
from .permissions import Permission
from .state import SUPPRESS_EMBEDS, Channel, Message, World

_USER = re.compile(r"<@!?(\d{1,20})>")
_ROLE = re.compile(r"<@&(\d{1,20})>")
_EVERYONE = re.compile(r"@(everyone|here)")
_CODE = re.compile(r"(`{3}.*?`{3}|``.+?``|`[^`\n]+?`)", re.DOTALL)
_LINK = re.compile(r"(?<!<)https?://[^\s<>]+", re.IGNORECASE)
_HIDDEN_LINK = re.compile(r"<https?://[^\s<>]+>", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class AllowedMentions:
    """Which mentions may notify. The defaults are Discord's when a request says nothing."""

    everyone: bool = True
    all_users: bool = True
    all_roles: bool = True
    users: frozenset[int] = frozenset()
    roles: frozenset[int] = frozenset()
    replied_user: bool = True

    @classmethod
    def parse(cls, body: Json | None, errors: FormErrors) -> AllowedMentions:
        """Read the `allowed_mentions` of a request; None is the default. What is wrong goes into `errors`."""
        if body is None:
            return cls()
        path = ("allowed_mentions",)
        parse = body.get("parse") or []
        for index, kind in enumerate(parse):
            if kind not in ("users", "roles", "everyone"):
                errors.choices((*path, "parse", index), "'users', 'roles', 'everyone'")
        lists: dict[str, frozenset[int]] = {}
        for kind in ("users", "roles"):
            values = body.get(kind) or []
            errors.length((*path, kind), values, most=100)
            lists[kind] = frozenset(int(value) for value in values)
            if values and kind in parse:
                text = f'parse:["{kind}"] and {kind}: [ids...] are mutually exclusive.'
                errors.add(path, "MESSAGE_ALLOWED_MENTIONS_PARSE_EXCLUSIVE", text)
        return cls(
            everyone="everyone" in parse,
            all_users="users" in parse,
            all_roles="roles" in parse,
            users=lists["users"],
            roles=lists["roles"],
            replied_user=bool(body.get("replied_user", False)),
        )


@dataclass(frozen=True, slots=True)
class Mentions:
    """What one text mentions with effect. `pings` in the words of `Shown.pings`."""

    user_ids: list[int] = field(default_factory=list)
    role_ids: list[int] = field(default_factory=list)
    everyone: bool = False
    pings: list[str] = field(default_factory=list)


def mentions_of(
    world: World, channel: Channel, author_id: int, text: str, allowed: AllowedMentions, replied_to: Message | None
) -> Mentions:
    """Whom `text`, written by `author_id` in `channel`, mentions. Nobody notifies themselves."""
    users = [key for key in _ids(_USER, text) if _present(world, channel, key)]
    users = [key for key in users if allowed.all_users or key in allowed.users]
    if replied_to and allowed.replied_user and replied_to.author.id != author_id:
        users = list(dict.fromkeys([*users, replied_to.author.id]))
    roles = _roles(world, channel, author_id, text, allowed)
    broad: list[str] = []
    if allowed.everyone and channel.guild_id and _may_mention_all(world, channel, author_id):
        broad = list(dict.fromkeys(match.group(1) for match in _EVERYONE.finditer(text)))
    pings = broad + [f"role:{key}" for key in roles] + [f"user:{key}" for key in users if key != author_id]
    return Mentions(users, roles, bool(broad), pings)


def _roles(world: World, channel: Channel, author_id: int, text: str, allowed: AllowedMentions) -> list[int]:
    if channel.guild_id is None:
        return []
    known = world.guilds[channel.guild_id].roles
    anyone = _may_mention_all(world, channel, author_id)
    return [
        key
        for key in _ids(_ROLE, text)
        if key in known
        and key != channel.guild_id
        and (allowed.all_roles or key in allowed.roles)
        and (anyone or known[key].mentionable)
    ]


def unfurls_of(text: str, flags: int, *, may_embed: bool) -> list[str]:
    """The links Discord would fetch for `text`.

    None with the SUPPRESS_EMBEDS flag or without EMBED_LINKS; never a link in angle brackets or in code.
    """
    if flags & SUPPRESS_EMBEDS or not may_embed:
        return []
    plain = _HIDDEN_LINK.sub(" ", _CODE.sub(" ", text))
    return [match.group(0).rstrip(".,:;!?)*_~|") for match in _LINK.finditer(plain)]


def _ids(pattern: re.Pattern[str], text: str) -> list[int]:
    return list(dict.fromkeys(int(match.group(1)) for match in pattern.finditer(text)))


def _present(world: World, channel: Channel, user_id: int) -> bool:
    if channel.guild_id is None:
        return user_id in channel.recipients
    return user_id in world.guilds[channel.guild_id].members


def _may_mention_all(world: World, channel: Channel, user_id: int) -> bool:
    return permissions.can(world, channel, user_id, Permission.MENTION_EVERYONE)
