"""Application commands: what may be registered, and the register.

Source: Discord "Application Commands" (naming, options, limits), docs of 2026-08-06.
"""

from __future__ import annotations

import unicodedata
from typing import Any

from . import payloads
from .errors import ApiError, FormErrors, Json, refusal
from .state import Command, World

CHAT_INPUT, USER, MESSAGE = 1, 2, 3
SUB_COMMAND, SUB_GROUP = 1, 2
MOST = {CHAT_INPUT: 100, USER: 15, MESSAGE: 15}
_KEPT = ("name_localizations", "description_localizations", "handler", "nsfw", "default_member_permissions")
Path = tuple[str | int, ...]


def put(world: World, body: Json, guild_id: int | None) -> tuple[Command, bool]:
    """Register or overwrite one command; True if it is new.

    Raises ApiError 50035 for what Discord refuses, 30032 for one command too many.
    """
    errors = FormErrors()
    check(body, errors, ())
    errors.done()
    return _put(world, body, guild_id)


def replace_all(world: World, bodies: Any, guild_id: int | None) -> list[Command]:
    """Overwrite all commands of one scope. Commands of the same name and type keep their ids; others go."""
    errors = FormErrors()
    if errors.length((), bodies, most=sum(MOST.values())):
        seen: set[tuple[int, str]] = set()
        for index, body in enumerate(bodies):
            check(body, errors, (index,))
            key = (int(body.get("type") or 1), str(body.get("name")))
            if key in seen:
                text = "Application command names must be unique"
                errors.add((index,), "APPLICATION_COMMANDS_DUPLICATE_NAME", text)
            seen.add(key)
    errors.done()
    for kind, most in MOST.items():
        if sum(int(body.get("type") or 1) == kind for body in bodies) > most:
            raise _too_many(most)
    names = {(int(body.get("type") or 1), str(body["name"])) for body in bodies}
    for old in scope(world, guild_id):
        if (old.type, old.name) not in names:
            del world.commands[old.id]
    return [_put(world, body, guild_id)[0] for body in bodies]


def change(world: World, command: Command, body: Json) -> Command:
    """Change the fields named in `body`."""
    merged = {**command.body, **body}
    errors = FormErrors()
    check(merged, errors, ())
    errors.done()
    command.body = _normalised(merged, command.guild_id)
    command.version = world.ids.new()
    return command


def scope(world: World, guild_id: int | None) -> list[Command]:
    """The commands of one guild, or the global ones."""
    return [one for one in world.commands.values() if one.guild_id == guild_id]


def find(world: World, name: str, kind: int, guild_id: int | None) -> Command | None:
    """The command people in `guild_id` get under `name`: the guild's own before the global one."""
    scopes = (guild_id, None) if guild_id else (None,)
    for where in scopes:
        for one in scope(world, where):
            if (one.name, one.type) == (name, kind):
                return one
    return None


def listing(world: World, guild_id: int | None) -> list[Json]:
    return [payloads.command(world, one) for one in scope(world, guild_id)]


def check(body: Any, errors: FormErrors, path: Path) -> None:
    """Look through one command; everything wrong goes into `errors`."""
    kind = body.get("type") or CHAT_INPUT
    if kind not in MOST:
        errors.choices((*path, "type"), "1, 2, 3")
        return
    if kind == CHAT_INPUT:
        check_name(body.get("name"), errors, (*path, "name"))
        errors.text((*path, "description"), body.get("description"), least=1, most=100, required=True)
        _check_options(body.get("options"), errors, (*path, "options"))
        if _size(body) > 8000:
            text = "Command exceeds maximum size (8000)"
            errors.add(path, "APPLICATION_COMMAND_TOO_LARGE", text)
        return
    errors.text((*path, "name"), body.get("name"), least=1, most=32, required=True)
    if body.get("description"):
        text = "Context menu commands cannot have description"
        errors.add((*path, "description"), "APPLICATION_COMMAND_CONTEXT_MENU_DESCRIPTION", text)
    if body.get("options"):
        text = "Context menu commands cannot have options"
        errors.add((*path, "options"), "APPLICATION_COMMAND_CONTEXT_MENU_OPTIONS", text)


def check_name(name: Any, errors: FormErrors, path: Path) -> None:
    """1-32 letters, numbers, - ' _, and lower case wherever there is one."""
    errors.text(path, name, least=1, most=32, required=True)
    if not isinstance(name, str) or not 1 <= len(name) <= 32:
        return
    if name != name.lower() or not all(_fits_name(char) for char in name):
        errors.add(path, "APPLICATION_COMMAND_INVALID_NAME", "Command name is invalid")


def _fits_name(char: str) -> bool:
    # Thai and Devanagari signs are marks (M), which no other script may use
    return (
        char in "-_'"
        or unicodedata.category(char)[0] in "LN"
        or "\u0900" <= char <= "\u097f"
        or "\u0e00" <= char <= "\u0e7f"
    )


def _check_options(options: Any, errors: FormErrors, path: Path) -> None:
    if options is None or not errors.length(path, options, most=25):
        return
    optional_seen = False
    names: set[str] = set()
    for index, option in enumerate(options):
        at = (*path, index)
        _check_option(option, errors, at)
        if option.get("name") in names:
            errors.add(at, "APPLICATION_COMMAND_OPTIONS_NAME_INVALID", "Option names must be unique")
        names.add(str(option.get("name")))
        if option.get("required") and optional_seen:
            text = "Required options must be placed before non-required options"
            errors.add(at, "APPLICATION_COMMAND_OPTIONS_REQUIRED_INVALID", text)
        optional_seen |= option.get("type") not in (SUB_COMMAND, SUB_GROUP) and not option.get("required")


def _check_option(option: Json, errors: FormErrors, at: Path) -> None:
    if option.get("type") not in range(1, 12):
        errors.choices((*at, "type"), "1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11")
    check_name(option.get("name"), errors, (*at, "name"))
    errors.text((*at, "description"), option.get("description"), least=1, most=100, required=True)
    if option.get("type") in (SUB_COMMAND, SUB_GROUP):
        _check_options(option.get("options"), errors, (*at, "options"))
        return
    choices = option.get("choices") or []
    if choices and option.get("autocomplete"):
        text = "Choices and autocomplete are mutually exclusive"
        errors.add((*at, "choices"), "APPLICATION_COMMAND_OPTIONS_CHOICES_AUTOCOMPLETE", text)
    if errors.length((*at, "choices"), choices, most=25):
        for index, choice in enumerate(choices):
            where = (*at, "choices", index)
            errors.text((*where, "name"), choice.get("name"), least=1, most=100, required=True)
            if isinstance(choice.get("value"), str):
                errors.text((*where, "value"), choice["value"], least=1, most=100)


def _size(body: Json) -> int:
    """Characters of name, description and values over the command, its options and their choices."""
    size = sum(len(str(body.get(key) or "")) for key in ("name", "description", "value"))
    children = [*(body.get("options") or []), *(body.get("choices") or [])]
    return size + sum(_size(child) for child in children)


def _put(world: World, body: Json, guild_id: int | None) -> tuple[Command, bool]:
    kind = int(body.get("type") or CHAT_INPUT)
    mine = [one for one in scope(world, guild_id) if one.type == kind]
    normalised = _normalised(body, guild_id)
    for old in mine:
        if old.name == body["name"]:
            if old.body != normalised:
                old.body, old.version = normalised, world.ids.new()
            return old, False
    if len(mine) >= MOST[kind]:
        raise _too_many(MOST[kind])
    command = Command(world.ids.new(), world.ids.new(), guild_id, normalised)
    world.commands[command.id] = command
    return command, True


def _too_many(most: int) -> ApiError:
    error = refusal(30032)
    return ApiError(
        error.status, {**error.body, "message": f"Maximum number of application commands reached ({most})."}
    )


def _normalised(body: Json, guild_id: int | None) -> Json:
    kind = int(body.get("type") or CHAT_INPUT)
    made: Json = {"type": kind, "name": body["name"], "description": body.get("description") or ""}
    made |= {key: body.get(key) for key in _KEPT}
    made["nsfw"] = bool(body.get("nsfw"))
    made["default_member_permissions"] = _maybe_text(body.get("default_member_permissions"))
    made["contexts"] = body.get("contexts")
    made["integration_types"] = body.get("integration_types") or [0]
    if guild_id is None:
        made["dm_permission"] = body.get("dm_permission", True) is not False
    if body.get("options"):
        made["options"] = body["options"]
    return {key: value for key, value in made.items() if key != "handler" or value is not None}


def _maybe_text(value: object) -> str | None:
    return None if value is None else str(value)
