"""Guilds, people, the application, and where the gateway is.

Source: Discord "Guild", "User", "Application" resources and "Gateway: Get Gateway Bot", docs of 2026-08-06.
"""

from __future__ import annotations

from .. import payloads, permissions
from ..errors import refusal
from ._routes import Answer, Call, Route, Service, guild_of, ok


def gateway(service: Service, call: Call) -> Answer:
    return ok({"url": call.args["gateway_url"]})


def gateway_bot(service: Service, call: Call) -> Answer:
    left, reset_after_s = service.identifies_left()
    limits = service.world.limits
    start = {
        "total": limits.identifies_a_day,
        "remaining": left,
        "reset_after": int(reset_after_s * 1000),
        "max_concurrency": 1,
    }
    shards = max(1, -(-len(service.world.guilds) // limits.guilds_a_shard))
    return ok({"url": call.args["gateway_url"], "shards": shards, "session_start_limit": start})


def me(service: Service, call: Call) -> Answer:
    return ok(payloads.own_user(service.bot))


def my_guilds(service: Service, call: Call) -> Answer:
    return ok(
        [
            {
                "id": str(guild.id),
                "name": guild.name,
                "icon": None,
                "banner": None,
                "owner": guild.owner_id == service.bot.id,
                "permissions": str(permissions.in_guild(guild, guild.members[service.bot.id])),
                "features": [],
            }
            for guild in service.world.guilds.values()
            if service.bot.id in guild.members
        ]
    )


def user(service: Service, call: Call) -> Answer:
    found = service.world.users.get(call.id("user_id"))
    if found is None:
        raise refusal(10013)
    return ok(payloads.user(found))


def application(service: Service, call: Call) -> Answer:
    return ok(payloads.application(service.world))


def get(service: Service, call: Call) -> Answer:
    guild = guild_of(service, call)
    body = payloads.guild(guild)
    if call.query.get("with_counts") in ("true", "1"):
        body |= {"approximate_member_count": len(guild.members), "approximate_presence_count": len(guild.members)}
    return ok(body)


def channels(service: Service, call: Call) -> Answer:
    """All channels without threads; hidden ones are listed too."""
    guild = guild_of(service, call)
    every = [one for one in service.world.channels.values() if one.guild_id == guild.id and one.thread is None]
    return ok([payloads.channel(service.world, one) for one in every])


def roles(service: Service, call: Call) -> Answer:
    return ok([payloads.role(one) for one in guild_of(service, call).roles.values()])


def members(service: Service, call: Call) -> Answer:
    """Needs the GUILD_MEMBERS intent in the portal."""
    guild = guild_of(service, call)
    if not service.world.portal_intents & 1 << 1:
        raise refusal(50001)
    after, limit = int(call.query.get("after") or 0), call.number("limit", 1, 1, 1000)
    found = [one for key, one in sorted(guild.members.items()) if key > after]
    return ok([payloads.member(one) for one in found[:limit]])


def member(service: Service, call: Call) -> Answer:
    guild = guild_of(service, call)
    key = call.id("user_id")
    if key not in service.world.users:
        raise refusal(10013)
    if key not in guild.members:
        raise refusal(10007)
    return ok(payloads.member(guild.members[key]))


ROUTES = [
    Route("GET", "/gateway", gateway),
    Route("GET", "/gateway/bot", gateway_bot),
    Route("GET", "/users/@me", me),
    Route("GET", "/users/@me/guilds", my_guilds),
    Route("GET", "/users/{user_id}", user, "other:user"),
    Route("GET", "/applications/@me", application),
    Route("GET", "/oauth2/applications/@me", application),
    Route("GET", "/guilds/{guild_id}", get, "other:guild", "guild_id"),
    Route("GET", "/guilds/{guild_id}/channels", channels, "other:channels", "guild_id"),
    Route("GET", "/guilds/{guild_id}/roles", roles, "other:roles", "guild_id"),
    Route("GET", "/guilds/{guild_id}/members", members, "other:members", "guild_id"),
    Route("GET", "/guilds/{guild_id}/members/{user_id}", member, "other:member", "guild_id"),
]
