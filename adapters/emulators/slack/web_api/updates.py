"""chat.update and chat.delete: only the app's own messages. Source: docs.slack.dev/reference/methods/chat.update."""

from __future__ import annotations

from typing import TYPE_CHECKING

from adapters.emulators.slack import posting
from adapters.emulators.slack.errors import SlackError
from adapters.emulators.slack.limits import UPDATE_TEXT
from adapters.emulators.slack.web_api._body import Body, read_body
from adapters.emulators.slack.web_api._registry import Args, method
from adapters.emulators.slack.web_api.streams import is_live
from adapters.emulators.slack.wire import message_json, wire_text
from adapters.emulators.slack.workspace import Json, Message

if TYPE_CHECKING:
    from adapters.emulators.slack.core import Core


@method("chat.update", "t3", "chat:write")
def update(core: Core, args: Args) -> Json:
    """Change a message of the app; `parse` defaults to "client" here, unlike in chat.postMessage.

    Blocks and attachments that the call does not speak of are kept, `[]` takes them away; blocks that Slack made
    from markdown_text are content, so a new text replaces them. Links that come by an edit are not fetched for
    a preview (NousResearch/hermes-agent#97957, on a live workspace). Raises channel_not_found, message_not_found,
    cant_update_message (another's), is_inactive (archived), edit_window_closed, streaming_state_conflict,
    msg_too_long (text over 4,000), no_text.
    """
    channel = args.channel(core)
    message = args.message(core, channel)
    if message.user != core.bot.id:
        raise SlackError("cant_update_message")
    if channel.is_archived:
        raise SlackError("is_inactive")
    if not core.settings.edits_allowed:
        raise SlackError("edit_window_closed")
    if message.stream is not None and is_live(core, message.stream):
        raise SlackError("streaming_state_conflict")
    body = read_body(core, args)
    _check_length(core, body)
    if body.empty and body.metadata is None:
        raise SlackError("no_text")
    before = posting.before_edit(core, message)
    changed = _apply(message, body)
    message.unfurl_links = message.unfurl_media = False
    if changed:
        message.edited = core.workspace.new_ts(core.now())
    posting.edit(core, message, before, core.parsing(args.text("parse", "client"), args.flag("link_names")))
    answer = {"channel": channel.id, "ts": message.ts, "text": wire_text(message.text)}
    return answer | {"message": message_json(core, message)}


def _check_length(core: Core, body: Body) -> None:
    if body.made:
        return
    size = len(body.text.encode()) if core.settings.update_bytes else len(body.text)
    if size > UPDATE_TEXT:
        raise SlackError("msg_too_long")


def _apply(message: Message, body: Body) -> bool:
    before = (message.text, message.blocks, message.attachments)
    if body.text:
        message.text = body.text
    if body.blocks is not None:
        message.blocks, message.made_blocks = body.blocks, body.made
    elif body.text and message.made_blocks:
        message.blocks, message.made_blocks = [], False
    if body.attachments is not None:
        message.attachments = body.attachments
    if body.metadata is not None:
        message.metadata = body.metadata
    return before != (message.text, message.blocks, message.attachments)


@method("chat.delete", "t3", "chat:write")
def delete(core: Core, args: Args) -> Json:
    """Delete a message of the app. Raises channel_not_found, message_not_found, cant_delete_message."""
    channel = args.channel(core)
    message = args.message(core, channel)
    if message.user != core.bot.id:
        raise SlackError("cant_delete_message")
    posting.delete(core, message)
    return {"channel": channel.id, "ts": message.ts}
