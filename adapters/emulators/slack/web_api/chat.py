"""chat.postMessage, postEphemeral, getPermalink. Source: docs.slack.dev/reference/methods/chat.*."""

from __future__ import annotations

from typing import TYPE_CHECKING

from adapters.emulators.slack import posting
from adapters.emulators.slack.errors import SlackError
from adapters.emulators.slack.limits import POST_TEXT
from adapters.emulators.slack.web_api._body import read_body
from adapters.emulators.slack.web_api._registry import Args, method
from adapters.emulators.slack.wire import message_json
from adapters.emulators.slack.workspace import Channel, Ephemeral, Json, Message

if TYPE_CHECKING:
    from adapters.emulators.slack.core import Core


@method("chat.postMessage", "t5", "chat:write")
def post_message(core: Core, args: Args) -> Json:
    """Post as the app. Text over 40,000 characters is cut off; a user id as channel means their direct message.

    A `thread_ts` whose root was deleted does not fail: the post goes to the channel, and only the missing
    `message.thread_ts` of the answer tells (slack-go/slack#1571, slackapi/python-slack-events-api#87);
    `Settings.lost_threads` chooses thread_not_found instead.
    Raises channel_not_found, is_archived, not_in_channel, no_text, and what `Args.thread` and `read_body` raise.
    """
    channel = _target(core, args)
    may_post(core, channel)
    thread_ts = args.thread(core, channel, lost=core.settings.lost_threads == "unthread")
    body = read_body(core, args)
    if body.empty:
        raise SlackError("no_text")
    message = Message(channel.id, core.workspace.new_ts(core.now()), core.bot.id, body.text[:POST_TEXT])
    message.blocks, message.made_blocks = body.blocks or [], body.made
    message.attachments, message.metadata = body.attachments or [], body.metadata
    message.thread_ts = thread_ts
    message.bot_id, message.app_id = core.bot.bot_id, core.bot.app_id
    message.unfurl_links, message.unfurl_media = args.flag("unfurl_links", False), args.flag("unfurl_media", True)
    if thread_ts and args.flag("reply_broadcast"):
        message.subtype = "thread_broadcast"
    posting.post(core, message, core.parsing(args.text("parse", "none"), args.flag("link_names")))
    return {"channel": channel.id, "ts": message.ts, "message": message_json(core, message)}


@method("chat.postEphemeral", "t4", "chat:write")
def post_ephemeral(core: Core, args: Args) -> Json:
    """Show a message to one member of a channel the app is in.

    Raises channel_not_found, is_archived, not_in_channel, user_not_in_channel, no_text.
    """
    channel = args.channel(core)
    may_post(core, channel, public=False)
    user = args.require("user")
    if user not in channel.members:
        raise SlackError("user_not_in_channel")
    thread_ts = args.thread(core, channel)
    body = read_body(core, args)
    if body.empty:
        raise SlackError("no_text")
    ts = core.workspace.new_ts(core.now())
    note = Ephemeral(channel.id, user, ts, body.text, body.blocks or [], thread_ts, core.bot.id)
    posting.whisper(core, note)
    return {"message_ts": ts}


@method("chat.getPermalink", "t5")
def get_permalink(core: Core, args: Args) -> Json:
    """Return the address of a message. Raises channel_not_found, message_not_found."""
    channel = args.channel(core)
    message = args.message(core, channel, "message_ts")
    link = f"https://{core.workspace.team.domain}.slack.com/archives/{channel.id}/p{message.ts.replace('.', '')}"
    if message.thread_ts and message.thread_ts != message.ts:
        link += f"?thread_ts={message.thread_ts}&cid={channel.id}"
    return {"channel": channel.id, "permalink": link}


def may_post(core: Core, channel: Channel, *, public: bool = True) -> None:
    """Raise is_archived or not_in_channel. public: chat:write.public lets the app post where it is no member."""
    if channel.is_archived:
        raise SlackError("is_archived")
    if core.bot.id in channel.members:
        return
    if not (public and channel.kind == "channel" and "chat:write.public" in core.settings.scopes):
        raise SlackError("not_in_channel")


def _target(core: Core, args: Args) -> Channel:
    name = args.text("channel")
    if name in core.workspace.users and name not in {core.bot.id, "USLACKBOT"}:
        return core.workspace.direct(name, core.bot.id, core.now())
    named = core.workspace.find_channel(name) if name else None
    if named is not None and not named.is_private:
        return named
    return args.channel(core)
