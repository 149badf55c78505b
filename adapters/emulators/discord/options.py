"""The options of a command as a client fills them in, and the things they point at.

Source: Discord "Application Command: Option Types" and "Interaction: Resolved Data", docs of 2026-08-06.
"""

from __future__ import annotations

from typing import Any

from . import payloads, permissions
from .commands import SUB_COMMAND, SUB_GROUP
from .errors import Json
from .state import Channel, Role, User, World

_STRING, _INTEGER, _BOOLEAN, _USER, _CHANNEL, _ROLE, _MENTIONABLE, _NUMBER = 3, 4, 5, 6, 7, 8, 9, 10
_TYPES: dict[int, type | tuple[type, ...]] = {_STRING: str, _INTEGER: int, _BOOLEAN: bool, _NUMBER: (int, float)}


def supplied(known: list[Json], path: list[str], given: dict[str, Any], *, focused: str | None = None) -> list[Json]:
    """The `options` of an interaction.

    `path` names subcommand group and subcommand. Raises ValueError for what a client would not send: an unknown or
    missing option, a wrong type, a value that is none of the choices or out of bounds.
    """
    if path:
        child = next((one for one in known if one["name"] == path[0]), None)
        if child is None or child["type"] not in (SUB_COMMAND, SUB_GROUP):
            raise ValueError(f"no subcommand {path[0]!r}")
        inner = supplied(child.get("options") or [], path[1:], given, focused=focused)
        return [{"name": child["name"], "type": child["type"], "options": inner}]
    if any(one["type"] in (SUB_COMMAND, SUB_GROUP) for one in known):
        raise ValueError("this command needs a subcommand")
    unknown = set(given) - {one["name"] for one in known}
    missing = {one["name"] for one in known if one.get("required")} - set(given)
    if unknown or (missing and focused is None):
        raise ValueError(f"unknown options {sorted(unknown)}, missing options {sorted(missing)}")
    return [_filled(one, given[one["name"]], focused) for one in known if one["name"] in given]


def _filled(option: Json, value: Any, focused: str | None) -> Json:
    if option["name"] == focused:
        return {"name": focused, "type": option["type"], "value": value, "focused": True}
    if isinstance(value, User | Channel | Role):
        value = str(value.id)
    expected = _TYPES.get(option["type"])
    if expected and (not isinstance(value, expected) or (option["type"] != _BOOLEAN and isinstance(value, bool))):
        raise ValueError(f"option {option['name']!r} does not take {value!r}")
    choices = [one["value"] for one in option.get("choices") or []]
    if choices and value not in choices:
        raise ValueError(f"option {option['name']!r} offers {choices}, not {value!r}")
    size = len(value) if isinstance(value, str) else value
    low = option.get("min_length") if isinstance(value, str) else option.get("min_value")
    high = option.get("max_length", 6000) if isinstance(value, str) else option.get("max_value")
    if option["type"] in (_STRING, _INTEGER, _NUMBER) and (
        (low is not None and size < low) or (high is not None and size > high)
    ):
        raise ValueError(f"option {option['name']!r} must lie within {low}..{high}")
    return {"name": option["name"], "type": option["type"], "value": value}


def resolved_for(world: World, place: Channel, options: list[Json]) -> Json:
    """The users, members, roles and channels that `options` name by id."""
    found: dict[str, Json] = {}
    guild = world.guilds.get(place.guild_id or 0)
    for one in _flat(options):
        key = str(one.get("value"))
        number = int(key) if key.isdigit() else 0
        if one["type"] in (_USER, _MENTIONABLE) and number in world.users:
            found.setdefault("users", {})[key] = payloads.user(world.users[number])
            if guild and number in guild.members:
                bits = permissions.in_channel(world, place, number)
                there = payloads.member(guild.members[number], with_user=False)
                found.setdefault("members", {})[key] = {**there, "permissions": str(bits)}
        elif one["type"] in (_ROLE, _MENTIONABLE) and guild and number in guild.roles:
            found.setdefault("roles", {})[key] = payloads.role(guild.roles[number])
        elif one["type"] == _CHANNEL and number in world.channels:
            body = payloads.channel(world, world.channels[number])
            found.setdefault("channels", {})[key] = {**body, "permissions": "0"}
    return found


def _flat(options: list[Json]) -> list[Json]:
    every: list[Json] = []
    for one in options:
        every += [one, *_flat(one.get("options") or [])]
    return every
