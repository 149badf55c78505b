"""views.publish and views.open. Source: docs.slack.dev/reference/methods/views.publish, views.open."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from adapters.emulators.slack.blocks import BLOCKS_PER_VIEW, check_blocks, read_blocks
from adapters.emulators.slack.errors import SlackError, invalid_arguments
from adapters.emulators.slack.limits import TRIGGER_LIFETIME_S, VIEW_BYTES
from adapters.emulators.slack.web_api._registry import Args, method
from adapters.emulators.slack.workspace import Json, View

if TYPE_CHECKING:
    from adapters.emulators.slack.core import Core


@method("views.publish", "t4")
def publish(core: Core, args: Args) -> Json:
    """Show a Home tab to one person. Raises hash_conflict, view_too_large, invalid_arguments."""
    user = args.require("user_id")
    if user not in core.workspace.users:
        raise invalid_arguments("invalid `user_id`")
    body = _checked(args, "home")
    shown = core.workspace.homes.get(user)
    if args.text("hash") and shown is not None and shown.hash != args.text("hash"):
        raise SlackError("hash_conflict")
    view = _stored(core, user, body, shown.id if shown else core.workspace.new_id("V"))
    core.workspace.homes[user] = view
    core.changed("view")
    return {"view": view.view}


@method("views.open", "t4")
def open_view(core: Core, args: Args) -> Json:
    """Open a modal for whoever acted. Raises invalid_trigger_id, expired_trigger_id, exchanged_trigger_id."""
    trigger = args.require("trigger_id")
    if trigger not in core.triggers:
        raise SlackError("invalid_trigger_id")
    issued, user = core.triggers[trigger]
    if not user:
        raise SlackError("exchanged_trigger_id")
    if core.now() - issued > TRIGGER_LIFETIME_S:
        raise SlackError("expired_trigger_id")
    body = _checked(args, "modal")
    core.triggers[trigger] = (issued, "")
    view = _stored(core, user, body, core.workspace.new_id("V"))
    core.workspace.modals.append(view)
    core.changed("view")
    return {"view": view.view}


def _checked(args: Args, kind: str) -> Json:
    body = args.json("view")
    if not isinstance(body, dict) or body.get("type") != kind:
        raise invalid_arguments("must be a valid view [json-pointer:/view]")
    if len(json.dumps(body).encode()) > VIEW_BYTES:
        raise SlackError("view_too_large")
    try:
        check_blocks(read_blocks(body.get("blocks")), limit=BLOCKS_PER_VIEW, root="/view/blocks")
    except SlackError as refused:
        raise SlackError("invalid_arguments", messages=refused.messages) from None
    if kind == "modal" and not isinstance(body.get("title"), dict):
        raise invalid_arguments("missing required field: title [json-pointer:/view]")
    return body


def _stored(core: Core, user: str, body: Json, view_id: str) -> View:
    digest = f"{int(core.now())}.{core.workspace.new_id('')}"
    identity = core.identity
    whole: Json = {"id": view_id, "team_id": identity.team_id, "app_id": identity.app_id, "bot_id": identity.bot_id}
    whole |= {"private_metadata": "", "callback_id": "", "external_id": "", "state": {"values": {}}, "hash": digest}
    whole |= {"clear_on_close": False, "notify_on_close": False, "close": None, "submit": None}
    whole |= {"root_view_id": view_id, "previous_view_id": None, "app_installed_team_id": identity.team_id}
    return View(view_id, user, whole | body, digest)
