"""chat.startStream, appendStream, stopStream. Source: docs.slack.dev/reference/methods/chat.startStream and others.

A stream lives five minutes whatever happens and takes a bounded number of bytes; both are undocumented and measured
(see `limits`). A stream that is over is an ordinary message again: append and stop answer
message_not_in_streaming_state, chat.update works.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from adapters.emulators.slack import posting
from adapters.emulators.slack.blocks import BLOCKS_PER_MESSAGE, check_blocks, read_blocks
from adapters.emulators.slack.errors import SlackError, invalid_arguments
from adapters.emulators.slack.limits import MARKDOWN_TEXT
from adapters.emulators.slack.web_api._body import read_metadata
from adapters.emulators.slack.web_api._registry import Args, method
from adapters.emulators.slack.web_api.chat import may_post
from adapters.emulators.slack.wire import message_json
from adapters.emulators.slack.workspace import Json, Message, Stream

if TYPE_CHECKING:
    from adapters.emulators.slack.core import Core

_TASK_STATUS = frozenset({"pending", "in_progress", "complete", "error"})


@method("chat.startStream", "t2", "chat:write")
def start_stream(core: Core, args: Args) -> Json:
    """Begin a message that grows, in a thread only; outside direct messages for a named recipient.

    Raises channel_not_found, is_archived, not_in_channel, missing_recipient_team_id, missing_recipient_user_id,
    user_not_found, and what `Args.thread` raises.
    """
    channel = args.channel(core)
    may_post(core, channel)
    args.require("thread_ts")
    thread_ts = args.thread(core, channel)
    if channel.kind != "im":
        _check_recipient(core, args)
    text, chunks = _growth(args)
    message = Message(channel.id, core.workspace.new_ts(core.now()), core.bot.id, "", thread_ts=thread_ts)
    message.bot_id, message.app_id = core.bot.bot_id, core.bot.app_id
    message.unfurl_links = message.unfurl_media = core.settings.streams_unfurl
    message.stream = Stream(core.now())
    _grow(core, message, message.stream, text, chunks)
    posting.post(core, message, core.parsing("none", False))
    return {"channel": channel.id, "ts": message.ts}


@method("chat.appendStream", "t4", "chat:write")
def append_stream(core: Core, args: Args) -> Json:
    """Add to a stream. Raises message_not_in_streaming_state, stopped_by_user, no_text, msg_too_long and others."""
    message, stream = _live(core, args)
    if stream.stopped_by_user:
        raise SlackError("stopped_by_user")
    text, chunks = _growth(args)
    if not text and not chunks:
        raise SlackError("no_text")
    _grow(core, message, stream, text, chunks)
    posting.grow(core, message, core.parsing("none", False))
    return {"channel": message.channel, "ts": message.ts}


@method("chat.stopStream", "t2", "chat:write")
def stop_stream(core: Core, args: Args) -> Json:
    """End a stream, perhaps with a last piece and with blocks below it. Raises as append_stream does."""
    message, stream = _live(core, args)
    text, chunks = _growth(args)
    blocks = read_blocks(args.values["blocks"]) if "blocks" in args else []
    check_blocks(blocks)
    metadata = read_metadata(args)
    before = posting.before_edit(core, message)
    _grow(core, message, stream, text, chunks)
    stream.ended = True
    message.blocks = [*message.blocks, *blocks]
    message.metadata = metadata or message.metadata
    posting.edit(core, message, before, core.parsing("none", False))
    if status := args.text("session_status"):
        core.sessions[message.channel, message.root] = status
        core.changed("session", message.channel, message.root)
    return {"channel": message.channel, "ts": message.ts, "message": message_json(core, message)}


def is_live(core: Core, stream: Stream) -> bool:
    """Say whether a stream still takes text: not ended and younger than five minutes."""
    return not stream.ended and core.now() - stream.started < core.settings.stream_lifetime_s


def _check_recipient(core: Core, args: Args) -> None:
    for name in ("recipient_team_id", "recipient_user_id"):
        if not args.text(name):
            raise SlackError(f"missing_{name}")
    if args.text("recipient_user_id") not in core.workspace.users:
        raise SlackError("user_not_found")


def _live(core: Core, args: Args) -> tuple[Message, Stream]:
    message = args.message(core, args.channel(core))
    if message.user != core.bot.id:
        raise SlackError("message_not_owned_by_app")
    if message.stream is None or not is_live(core, message.stream):
        raise SlackError("message_not_in_streaming_state")
    return message, message.stream


def _growth(args: Args) -> tuple[str, list[Json]]:
    text = args.text("markdown_text")
    if len(text) > MARKDOWN_TEXT:
        raise SlackError("msg_too_long")
    chunks = args.json("chunks", "invalid_chunks") or []
    if not isinstance(chunks, list):
        raise SlackError("invalid_chunks")
    if text and chunks:
        raise invalid_arguments("markdown_text and chunks exclude each other")
    for chunk in chunks:
        _check_chunk(chunk)
    return text, chunks


def _check_chunk(chunk: object) -> None:
    match chunk:
        case {"type": "markdown_text", "text": str()}:
            return
        case {"type": "plan_update", "title": str()}:
            return
        case {"type": "task_update", "id": str(), "title": str(), "status": str(status)} if status in _TASK_STATUS:
            return
        case {"type": "blocks", "blocks": list(blocks)}:
            check_blocks(blocks)
            return
    raise SlackError("invalid_chunks")


def _grow(core: Core, message: Message, stream: Stream, text: str, chunks: list[Json]) -> None:
    added = text + "".join(chunk["text"] for chunk in chunks if chunk["type"] == "markdown_text")
    others = [chunk for chunk in chunks if chunk["type"] != "markdown_text"]
    size = stream.size + len(added.encode()) + sum(len(json.dumps(chunk).encode()) for chunk in others)
    if size > core.settings.stream_bytes:
        raise SlackError("msg_too_long")
    chunks = [*stream.chunks, *others]
    blocks = [block for chunk in chunks if chunk["type"] == "blocks" for block in chunk["blocks"]]
    if len(blocks) > BLOCKS_PER_MESSAGE:
        raise SlackError("msg_blocks_too_many")
    stream.size, stream.chunks = size, chunks
    message.text += added
    content: list[Json] = [{"type": "markdown", "text": message.text}] if message.text else []
    message.blocks, message.made_blocks = [*content, *blocks], True
