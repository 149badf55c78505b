"""How a message comes into the workspace, changes and goes: the one place that writes messages and tells about it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from adapters.emulators.slack import events
from adapters.emulators.slack.mentions import Parsing, pings_of, unfurls_of
from adapters.emulators.slack.wire import message_json
from adapters.emulators.slack.workspace import Ephemeral, Json, Message, Shown

if TYPE_CHECKING:
    from adapters.emulators.slack.core import Core

TOMBSTONE = "This message was deleted."


def shown(core: Core, text: str, blocks: list[Json], parsing: Parsing, *, links: bool, media: bool) -> Shown:
    """Return this text and these blocks as a state people see, with whom it notifies and what Slack fetches."""
    urls = unfurls_of(text, blocks, unfurl_links=links, unfurl_media=media)
    return Shown(core.now(), text, tuple(blocks), pings_of(text, blocks, parsing), urls)


def post(core: Core, message: Message, parsing: Parsing) -> Message:
    """Put a message up and deliver its events. A post by the app takes the status under its thread away."""
    core.workspace.add_message(message)
    _record(core, message, parsing)
    channel = core.workspace.channels[message.channel]
    if message.user == core.bot.id:
        core.statuses.pop((message.channel, message.root), None)
    core.changed("message", message.channel, message.ts)
    payloads = [events.message_posted(core, message, channel)]
    mentioned = core.bot.id in message.history[0].pings.users and message.user != core.bot.id
    if mentioned and channel.kind != "im":
        payloads.append(events.app_mention(core, message, channel))
        order = core.settings.mention_order
        if order == "app_mention" or (order == "random" and core.random.random() < 0.5):
            payloads.reverse()
    for payload in payloads:
        core.dispatcher.publish(payload, channel)
    return message


def edit(core: Core, message: Message, before: Json, parsing: Parsing) -> None:
    """Record that `message` changed from `before` (its JSON then) and deliver message_changed."""
    _record(core, message, parsing)
    core.changed("edit", message.channel, message.ts)
    channel = core.workspace.channels[message.channel]
    core.dispatcher.publish(events.message_changed(core, message, before, channel), channel)


def grow(core: Core, message: Message, parsing: Parsing) -> None:
    """Record one more state of a message that is streaming; no event is documented for it."""
    _record(core, message, parsing)
    core.changed("edit", message.channel, message.ts)


def delete(core: Core, message: Message) -> None:
    """Take a message away. Under a root with replies a tombstone stays, told as message_changed, not message_deleted.

    Source: 42wim/matterbridge#600, openclaw/openclaw#22035, both from live workspaces.
    """
    channel = core.workspace.channels[message.channel]
    if core.workspace.replies(message):
        before = message_json(core, message)
        message.subtype, message.user, message.text = "tombstone", "USLACKBOT", TOMBSTONE
        message.bot_id = message.app_id = message.client_msg_id = message.metadata = None
        message.blocks, message.files, message.attachments, message.thread_ts = [], [], [], message.ts
        payload = events.message_changed(core, message, before, channel)
        payload["message"]["hidden"] = True
    else:
        payload = events.message_deleted(core, message, channel)
    message.deleted = True
    core.changed("delete", message.channel, message.ts)
    core.dispatcher.publish(payload, channel)


def whisper(core: Core, note: Ephemeral) -> Ephemeral:
    """Show a message to one person."""
    state = shown(core, note.text, note.blocks, core.parsing("none", False), links=False, media=False)
    note.history.append(state)
    core.workspace.ephemerals.append(note)
    core.changed("ephemeral", note.channel, note.ts)
    return note


def slackbot_says(core: Core, channel: str, user: str, text: str) -> Ephemeral:
    """Show what Slack itself tells a person when an app does not answer."""
    ts = core.workspace.new_ts(core.now())
    return whisper(core, Ephemeral(channel, user, ts, text, sender="USLACKBOT"))


def before_edit(core: Core, message: Message) -> Json:
    return message_json(core, message)


def _record(core: Core, message: Message, parsing: Parsing) -> None:
    links, media = message.unfurl_links, message.unfurl_media
    state = shown(core, message.text, message.blocks, parsing, links=links, media=media)
    message.history.append(state)
