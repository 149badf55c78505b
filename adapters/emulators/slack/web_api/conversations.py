"""conversations.* and users.conversations. Source: docs.slack.dev/reference/methods/conversations.*."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING, TypeVar

from adapters.emulators.slack import events
from adapters.emulators.slack.errors import SlackError, invalid_arguments
from adapters.emulators.slack.web_api._registry import Args, is_ts, method, need_scope
from adapters.emulators.slack.wire import channel_json, stored_json
from adapters.emulators.slack.workspace import Channel, Json, Message

if TYPE_CHECKING:
    from adapters.emulators.slack.core import Core

T = TypeVar("T")
_READ = ("channels:read", "groups:read", "im:read", "mpim:read")
_HISTORY = ("channels:history", "groups:history", "im:history", "mpim:history")
_FAMILY = {"channel": "channels", "group": "groups", "im": "im", "mpim": "mpim"}
_TYPES = {"public_channel": "channel", "private_channel": "group", "im": "im", "mpim": "mpim"}


@method("conversations.info", "t3", *_READ)
def info(core: Core, args: Args) -> Json:
    channel = args.channel(core)
    need_scope(core, f"{_FAMILY[channel.kind]}:read")
    body = channel_json(core, channel)
    if args.flag("include_num_members"):
        body["num_members"] = len(channel.members)
    return {"channel": body}


@method("conversations.list", "t2", *_READ)
def list_conversations(core: Core, args: Args) -> Json:
    """List conversations of the asked `types` (public channels by default), private ones only with the app in them."""
    return _listing(core, args, [channel for channel in core.workspace.channels.values() if _visible(core, channel)])


@method("users.conversations", "t3", *_READ)
def my_conversations(core: Core, args: Args) -> Json:
    """List conversations a user, the app itself by default, is a member of."""
    user = args.text("user", core.bot.id)
    if user not in core.workspace.users:
        raise SlackError("user_not_found")
    channels = [channel for channel in core.workspace.channels.values() if user in channel.members]
    return _listing(core, args, [channel for channel in channels if _visible(core, channel)])


@method("conversations.members", "t4", *_READ)
def members(core: Core, args: Args) -> Json:
    channel = args.channel(core)
    page, cursor = paged(sorted(channel.members), args, 100)
    return {"members": page, "response_metadata": {"next_cursor": cursor}}


@method("conversations.open", "t3", "im:write", "mpim:write", "channels:manage", "groups:write")
def open_conversation(core: Core, args: Args) -> Json:
    """Open the direct message with one person. Raises user_not_found, users_list_not_supplied, channel_not_found."""
    if "channel" in args:
        return {"channel": {"id": args.channel(core).id}}
    users = args.words("users")
    if not users:
        raise SlackError("users_list_not_supplied")
    if any(user not in core.workspace.users for user in users):
        raise SlackError("user_not_found")
    if len(users) > 1:
        raise SlackError("method_not_supported_for_channel_type")
    channel = core.workspace.direct(users[0], core.bot.id, core.now())
    return {"channel": channel_json(core, channel) if args.flag("return_im") else {"id": channel.id}}


@method("conversations.join", "t3", "channels:join")
def join(core: Core, args: Args) -> Json:
    channel = args.channel(core)
    if channel.kind != "channel":
        raise SlackError("method_not_supported_for_channel_type")
    if channel.is_archived:
        raise SlackError("is_archived")
    if core.bot.id not in channel.members:
        channel.members.add(core.bot.id)
        core.dispatcher.publish(events.member_joined(core, core.bot.id, channel, None), channel)
    return {"channel": channel_json(core, channel)}


@method("conversations.history", "t3", *_HISTORY)
def history(core: Core, args: Args) -> Json:
    """Return messages newest first, replies left out unless broadcast. Raises channel_not_found, not_in_channel."""
    channel = _readable(core, args)
    messages = core.workspace.messages(channel.id)
    top = [one for one in messages if one.thread_ts in {None, one.ts} or one.subtype == "thread_broadcast"]
    return _page_of(core, args, list(reversed(_between(args, top))), 100)


@method("conversations.replies", "t3", *_HISTORY)
def thread_replies(core: Core, args: Args) -> Json:
    """Return a thread oldest first, its root included. Raises channel_not_found, thread_not_found, not_in_channel."""
    channel = _readable(core, args)
    ts = args.text("ts")
    root = core.workspace.message(channel.id, ts) or core.workspace.tombstone(channel.id, ts)
    if root is None:
        raise SlackError("thread_not_found")
    replies = [one for one in core.workspace.thread(channel.id, ts) if one.ts != ts]
    thread = [root, *replies] if root.root == ts else [root]
    within = _between(args, thread)
    if root not in within and args.text("oldest"):
        within = [root, *within]
    return _page_of(core, args, within, 1000)


def _readable(core: Core, args: Args) -> Channel:
    channel = args.channel(core)
    need_scope(core, f"{_FAMILY[channel.kind]}:history")
    if core.bot.id not in channel.members:
        raise SlackError("not_in_channel")
    return channel


def _between(args: Args, messages: list[Message]) -> list[Message]:
    oldest, latest, inclusive = args.text("oldest", "0"), args.text("latest"), args.flag("inclusive")
    for name, value in (("oldest", oldest), ("latest", latest)):
        if value not in {"", "0"} and not is_ts(value) and not value.replace(".", "", 1).isdigit():
            raise SlackError(f"invalid_ts_{name}")
    low, high = float(oldest or 0), float(latest) if latest else float("inf")
    within = (message for message in messages if low <= float(message.ts) <= high)
    return [message for message in within if inclusive or float(message.ts) not in {low, high}]


def _page_of(core: Core, args: Args, messages: list[Message], default: int) -> Json:
    page, cursor = paged(messages, args, default)
    with_metadata = args.flag("include_all_metadata")
    answer: Json = {"messages": [stored_json(core, message, metadata=with_metadata) for message in page]}
    answer["has_more"] = bool(cursor)
    return answer | ({"response_metadata": {"next_cursor": cursor}} if cursor else {})


def _visible(core: Core, channel: Channel) -> bool:
    return not channel.is_private or core.bot.id in channel.members


def _listing(core: Core, args: Args, channels: list[Channel]) -> Json:
    types = args.words("types") or ["public_channel"]
    if any(name not in _TYPES for name in types):
        raise SlackError("invalid_types")
    kinds = {_TYPES[name] for name in types}
    for kind in kinds:
        need_scope(core, f"{_FAMILY[kind]}:read")
    wanted = [channel for channel in channels if channel.kind in kinds]
    if args.flag("exclude_archived"):
        wanted = [channel for channel in wanted if not channel.is_archived]
    page, cursor = paged(wanted, args, 100)
    return {
        "channels": [channel_json(core, channel) for channel in page],
        "response_metadata": {"next_cursor": cursor},
    }


def paged(items: list[T], args: Args, default: int) -> tuple[list[T], str]:
    """Cut one page out of `items` by `limit` and `cursor`; return it and the cursor of the next, "" at the end."""
    limit = args.number("limit", default)
    if not 1 <= limit <= 1000:
        raise invalid_arguments("must be between 1 and 1000 [json-pointer:/limit]")
    start = 0
    if cursor := args.text("cursor"):
        try:
            start = int(base64.b64decode(cursor).decode().removeprefix("next:"))
        except ValueError:
            raise SlackError("invalid_cursor") from None
    end = start + limit
    following = base64.b64encode(f"next:{end}".encode()).decode() if end < len(items) else ""
    return items[start:end], following
