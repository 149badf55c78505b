"""auth.test, api.test, team.info, bots.info, users.* and apps.connections.open."""

from __future__ import annotations

from typing import TYPE_CHECKING

from adapters.emulators.slack.errors import SlackError
from adapters.emulators.slack.web_api._registry import Args, method
from adapters.emulators.slack.web_api.conversations import paged
from adapters.emulators.slack.wire import user_json
from adapters.emulators.slack.workspace import Json

if TYPE_CHECKING:
    from adapters.emulators.slack.core import Core


@method("auth.test", "t5")
def auth_test(core: Core, args: Args) -> Json:
    """Say who the token is."""
    team = core.workspace.team
    body: Json = {"url": f"https://{team.domain}.slack.com/", "team": team.name, "team_id": team.id}
    body |= {"user": core.bot.name, "user_id": core.bot.id, "bot_id": core.bot.bot_id}
    return body | {"is_enterprise_install": False}


@method("api.test", "t4", token="none")
def api_test(core: Core, args: Args) -> Json:
    """Give the arguments back; `error` fails with that error."""
    if "error" in args:
        raise SlackError(args.text("error"), args=args.values)
    return {"args": args.values}


@method("apps.connections.open", "t3", token="app")
def open_connection(core: Core, args: Args) -> Json:
    """Issue the address of one Socket Mode connection."""
    return {"url": core.sockets.open_url()}


@method("team.info", "t3", "team:read")
def team_info(core: Core, args: Args) -> Json:
    team = core.workspace.team
    if args.text("team", team.id) != team.id:
        raise SlackError("team_not_found")
    body: Json = {"id": team.id, "name": team.name, "domain": team.domain, "email_domain": ""}
    return {"team": body | {"icon": {"image_default": True}}}


@method("bots.info", "t3", "users:read")
def bots_info(core: Core, args: Args) -> Json:
    wanted = args.text("bot", core.identity.bot_id)
    for user in core.workspace.users.values():
        if user.bot_id == wanted:
            body: Json = {"id": user.bot_id, "deleted": user.deleted, "name": user.name, "updated": 0}
            return {"bot": body | {"app_id": user.app_id, "user_id": user.id, "icons": {}}}
    raise SlackError("bot_not_found")


@method("users.info", "t4", "users:read")
def users_info(core: Core, args: Args) -> Json:
    user = core.workspace.users.get(args.text("user"))
    if user is None:
        raise SlackError("user_not_found")
    return {"user": user_json(user)}


@method("users.list", "t2", "users:read")
def users_list(core: Core, args: Args) -> Json:
    page, cursor = paged(list(core.workspace.users.values()), args, 1000)
    members = [user_json(user) for user in page]
    return {"members": members, "cache_ts": int(core.now()), "response_metadata": {"next_cursor": cursor}}
