"""Registering application commands, globally and per guild.

Source: Discord "Application Commands: Endpoints", docs of 2026-08-06.
"""

from __future__ import annotations

from .. import commands, payloads
from ..errors import refusal
from ..state import Command
from ._routes import Answer, Call, Route, Service, no_content, ok


def listing(service: Service, call: Call) -> Answer:
    return ok(commands.listing(service.world, _scope(service, call)))


def replace_all(service: Service, call: Call) -> Answer:
    made = commands.replace_all(service.world, call.body, _scope(service, call))
    return ok([payloads.command(service.world, one) for one in made])


def put(service: Service, call: Call) -> Answer:
    """201 for a new command, 200 for one overwritten by its name."""
    command, new = commands.put(service.world, call.json(), _scope(service, call))
    return Answer(201 if new else 200, payloads.command(service.world, command))


def get(service: Service, call: Call) -> Answer:
    return ok(payloads.command(service.world, _command(service, call)))


def change(service: Service, call: Call) -> Answer:
    return ok(payloads.command(service.world, commands.change(service.world, _command(service, call), call.json())))


def delete(service: Service, call: Call) -> Answer:
    del service.world.commands[_command(service, call).id]
    return no_content()


def permissions_of_all(service: Service, call: Call) -> Answer:
    """Nobody has set permissions of single commands here."""
    _scope(service, call)
    return ok([])


def _scope(service: Service, call: Call) -> int | None:
    """The guild of the path, None for global. Raises ApiError 10002 (another application), 50001."""
    if call.id("application_id") != service.world.application_id:
        raise refusal(10002)
    if "guild_id" not in call.args:
        return None
    guild_id = call.id("guild_id")
    if guild_id not in service.world.guilds:
        raise refusal(50001)
    return guild_id


def _command(service: Service, call: Call) -> Command:
    scope = _scope(service, call)
    found = service.world.commands.get(call.id("command_id"))
    if found is None or found.guild_id != scope:
        raise refusal(10063)
    return found


def _routes(prefix: str, major: str) -> list[Route]:
    return [
        Route("GET", prefix, listing, "commands:list", major),
        Route("PUT", prefix, replace_all, "commands:put", major),
        Route("POST", prefix, put, "commands:post", major),
        Route("GET", prefix + "/{command_id}", get, "commands:get", major),
        Route("PATCH", prefix + "/{command_id}", change, "commands:patch", major),
        Route("DELETE", prefix + "/{command_id}", delete, "commands:delete", major),
    ]


_GLOBAL = "/applications/{application_id}/commands"
_GUILD = "/applications/{application_id}/guilds/{guild_id}/commands"
ROUTES = [
    Route("GET", _GUILD + "/permissions", permissions_of_all, "commands:permissions", "guild_id"),
    *_routes(_GLOBAL, "application_id"),
    *_routes(_GUILD, "guild_id"),
]
