"""Events as Slack words them. Pure: state in, JSON out. Shapes: docs.slack.dev/reference/events."""

from __future__ import annotations

from typing import TYPE_CHECKING

from adapters.emulators.slack.wire import message_json
from adapters.emulators.slack.workspace import Channel, Json, Message

if TYPE_CHECKING:
    from adapters.emulators.slack.core import Core

SUBSCRIPTION_SCOPES = {
    "app_mention": "app_mentions:read",
    "message.channels": "channels:history",
    "message.groups": "groups:history",
    "message.im": "im:history",
    "message.mpim": "mpim:history",
    "reaction_added": "reactions:read",
    "reaction_removed": "reactions:read",
    "member_joined_channel": "channels:read",
    "member_left_channel": "channels:read",
}
_MESSAGE_SUBSCRIPTION = {
    "channel": "message.channels",
    "group": "message.groups",
    "im": "message.im",
    "mpim": "message.mpim",
}


def envelope(core: Core, event: Json, channel: Channel | None) -> Json:
    """Wrap an event as the Events API does, with a new event_id.

    Source: docs.slack.dev/apis/events-api, "callback field".
    """
    team, app = core.identity.team_id, core.identity.app_id
    authorization = {
        "enterprise_id": None,
        "team_id": team,
        "user_id": core.bot.id,
        "is_bot": True,
        "is_enterprise_install": False,
    }
    return {
        "token": core.identity.verification_token,
        "team_id": team,
        "context_team_id": team,
        "context_enterprise_id": None,
        "api_app_id": app,
        "event": event,
        "type": "event_callback",
        "event_id": core.workspace.new_id("Ev"),
        "event_time": int(core.now()),
        "authorizations": [authorization],
        "is_ext_shared_channel": channel is not None and channel.is_ext_shared,
        "event_context": f"4-{event['type']}-{team}-{app}-{channel.id if channel else 'none'}",
    }


def subscription_of(event: Json, channel: Channel | None) -> str:
    """Return the manifest's name for this event: "message.im" for a message in an im."""
    if event["type"] == "message" and channel is not None:
        return _MESSAGE_SUBSCRIPTION[channel.kind]
    return str(event["type"])


def message_posted(core: Core, message: Message, channel: Channel) -> Json:
    """Return the `message` event; in a shared channel with `user_team` and `source_team`, as there."""
    event = message_json(core, message) | {
        "channel": channel.id,
        "event_ts": message.ts,
        "channel_type": channel.kind,
    }
    if message.subtype == "thread_broadcast" and message.thread_ts:
        root = core.workspace.message(channel.id, message.thread_ts)
        event["root"] = message_json(core, root) if root else {}
    return event | _teams(core, message, channel)


def app_mention(core: Core, message: Message, channel: Channel) -> Json:
    """Return the `app_mention` event: no channel_type, no files, no subtype (docs: reference/events/app_mention)."""
    event = message_json(core, message) | {"type": "app_mention", "channel": channel.id, "event_ts": message.ts}
    for key in ("files", "subtype"):
        event.pop(key, None)
    return event | _teams(core, message, channel)


def message_changed(core: Core, message: Message, before: Json, channel: Channel) -> Json:
    """Return `message_changed` with the message now and as it was."""
    now = core.workspace.new_ts(core.now())
    body: Json = {"type": "message", "subtype": "message_changed", "hidden": True}
    body |= {"message": message_json(core, message), "previous_message": before, "channel": channel.id}
    return body | {"ts": now, "event_ts": now, "channel_type": channel.kind}


def message_deleted(core: Core, message: Message, channel: Channel) -> Json:
    now = core.workspace.new_ts(core.now())
    body: Json = {"type": "message", "subtype": "message_deleted", "hidden": True, "channel": channel.id}
    body |= {"previous_message": message_json(core, message), "deleted_ts": message.ts}
    return body | {"ts": now, "event_ts": now, "channel_type": channel.kind}


def reaction(core: Core, kind: str, user: str, name: str, message: Message) -> Json:
    """Return `reaction_added` or `reaction_removed`."""
    item = {"type": "message", "channel": message.channel, "ts": message.ts}
    body: Json = {"type": kind, "user": user, "reaction": name, "item": item, "item_user": message.user}
    return body | {"event_ts": core.workspace.new_ts(core.now())}


def member_joined(core: Core, user: str, channel: Channel, inviter: str | None) -> Json:
    body: Json = {"type": "member_joined_channel", "user": user, "channel": channel.id, "team": core.identity.team_id}
    body |= {"channel_type": "C" if channel.kind == "channel" else "G"}
    if inviter:
        body["inviter"] = inviter
    return body | {"event_ts": core.workspace.new_ts(core.now())}


def home_opened(core: Core, user: str, channel: str, tab: str) -> Json:
    body: Json = {"type": "app_home_opened", "user": user, "channel": channel, "tab": tab}
    if tab == "home" and user in core.workspace.homes:
        body["view"] = core.workspace.homes[user].view
    return body | {"event_ts": core.workspace.new_ts(core.now())}


def session_stopped(core: Core, user: str, channel: str, thread_ts: str, streaming: list[str]) -> Json:
    """Return `agent_session_stopped`, what the Stop button sends (docs: reference/events/agent_session_stopped)."""
    body: Json = {"type": "agent_session_stopped", "channel": channel, "thread_ts": thread_ts, "user": user}
    return body | {"streaming_message_ts": streaming, "event_ts": core.workspace.new_ts(core.now())}


def _teams(core: Core, message: Message, channel: Channel) -> Json:
    if not channel.is_ext_shared:
        return {}
    author = core.workspace.users.get(message.user)
    home = author.team_id if author else core.identity.team_id
    return {"user_team": home, "source_team": home}
