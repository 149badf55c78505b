"""chat.startStream, appendStream, stopStream. Source: docs.slack.dev/reference/methods/chat.startStream and others.

A stream lives five minutes whatever happens and takes a bounded number of bytes; both are undocumented and measured
(see `limits`). A stream that is over is an ordinary message again: append and stop answer
message_not_in_streaming_state, chat.update works.

What grows is a sequence. Text goes on where text stood last; a task that is new, and every block, comes after it, and
further text below them ("timeline", the documentation's "tasks with text in sequential order"). With "plan" all tasks
stand together. A task_update with a known id changes that card where it is (omniaura/omniclaw#851).
"""

from __future__ import annotations

import copy
import json
from typing import TYPE_CHECKING

from adapters.emulators.slack import posting
from adapters.emulators.slack.blocks import BLOCKS_PER_MESSAGE, check_blocks, read_blocks
from adapters.emulators.slack.errors import SlackError, invalid_arguments
from adapters.emulators.slack.limits import MARKDOWN_TEXT
from adapters.emulators.slack.web_api._body import read_metadata
from adapters.emulators.slack.web_api._registry import Args, method
from adapters.emulators.slack.web_api.agents import SESSION_STATES
from adapters.emulators.slack.web_api.chat import may_post
from adapters.emulators.slack.wire import message_json
from adapters.emulators.slack.workspace import Json, Message, Stream

if TYPE_CHECKING:
    from adapters.emulators.slack.core import Core

_TASK_STATUS = frozenset({"pending", "in_progress", "complete", "error"})


@method("chat.startStream", "t2", "chat:write")
def start_stream(core: Core, args: Args) -> Json:
    """Begin a message that grows, in a thread only; outside direct messages for a named recipient. An app that has the
    agent surface is seen to be at work from then on (docs.slack.dev/ai/agent-sessions).

    Raises channel_not_found, is_archived, not_in_channel, missing_recipient_team_id, missing_recipient_user_id,
    user_not_found, and what `Args.thread` raises.
    """
    channel = args.channel(core)
    may_post(core, channel)
    args.require("thread_ts")
    thread_ts = args.thread(core, channel)
    if channel.kind != "im":
        _check_recipient(core, args)
    display = args.text("task_display_mode", "timeline")
    if display not in {"timeline", "plan"}:
        raise invalid_arguments("must be one of: timeline, plan [json-pointer:/task_display_mode]")
    text, chunks = _growth(args)
    message = Message(channel.id, core.workspace.new_ts(core.now()), core.bot.id, "", thread_ts=thread_ts)
    message.bot_id, message.app_id = core.bot.bot_id, core.bot.app_id
    message.unfurl_links = message.unfurl_media = core.settings.streams_unfurl
    message.stream = Stream(core.now(), core.now(), display=display, recipient=args.text("recipient_user_id"))
    _grow(core, message, message.stream, text, chunks)
    posting.post(core, message, core.parsing("none", False))
    if core.settings.agent_view:
        _set_session(core, message, "processing")
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
    """End a stream, perhaps with a last piece and with blocks below it, and say where the session stands then.

    A stream that a person has stopped can still be ended: the documentation of agent_session_stopped asks for it.
    Raises as append_stream does, but for stopped_by_user.
    """
    message, stream = _live(core, args)
    text, chunks = _growth(args)
    blocks = read_blocks(args.values["blocks"]) if "blocks" in args else []
    check_blocks(blocks)
    metadata = read_metadata(args)
    status = args.text("session_status", "active")
    if status not in SESSION_STATES:
        raise invalid_arguments("must be a valid enum value [json-pointer:/session_status]")
    before = posting.before_edit(core, message)
    _grow(core, message, stream, text, chunks)
    stream.ended = True
    message.blocks = [*message.blocks, *blocks]
    message.metadata = metadata or message.metadata
    posting.edit(core, message, before, core.parsing("none", False))
    if core.settings.agent_view:
        _set_session(core, message, status)
    return {"channel": message.channel, "ts": message.ts, "message": message_json(core, message)}


def is_live(core: Core, stream: Stream) -> bool:
    """Say whether a stream still takes text: not ended, younger than five minutes, added to in the last five."""
    settings, now = core.settings, core.now()
    if stream.ended:
        return False
    return now - stream.started < settings.stream_lifetime_s and now - stream.added < settings.stream_idle_s


def _set_session(core: Core, message: Message, status: str) -> None:
    core.sessions[message.channel, message.root] = status
    core.changed("session", message.channel, message.root)


def _check_recipient(core: Core, args: Args) -> None:
    for name in ("recipient_team_id", "recipient_user_id"):
        if not args.text(name):
            raise SlackError(f"missing_{name}")
    if args.text("recipient_user_id") not in core.workspace.users:
        raise SlackError("user_not_found")


def _live(core: Core, args: Args) -> tuple[Message, Stream]:
    channel = args.channel(core)
    may_post(core, channel)
    message = args.message(core, channel)
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
    if text and chunks:  # seen on a live workspace (NousResearch/hermes-agent#104173), as is streaming_mode_mismatch
        raise SlackError("cannot_provide_both_markdown_text_and_chunks")
    for chunk in chunks:
        _check_chunk(chunk)
    return text, chunks


def _check_chunk(chunk: object) -> None:
    match chunk:
        case {"type": "markdown_text", "text": str(text)}:
            if len(text) > MARKDOWN_TEXT:
                raise SlackError("msg_too_long")
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
    """Add to the message, all of it or nothing. Raises msg_too_long, msg_blocks_too_many, streaming_mode_mismatch."""
    mode = "text" if text else "chunks" if chunks else stream.mode
    if stream.mode and mode != stream.mode:
        raise SlackError("streaming_mode_mismatch")
    pieces = chunks or ([{"type": "markdown_text", "text": text}] if text else [])
    added = "".join(piece["text"] for piece in pieces if piece["type"] == "markdown_text")
    others = [piece for piece in pieces if piece["type"] != "markdown_text"]
    size = stream.size + len(added.encode()) + sum(len(json.dumps(piece).encode()) for piece in others)
    if size > core.settings.stream_bytes:
        raise SlackError("msg_too_long")
    blocks = stream.blocks + sum(len(piece["blocks"]) for piece in others if piece["type"] == "blocks")
    if blocks > BLOCKS_PER_MESSAGE:
        raise SlackError("msg_blocks_too_many")
    content = copy.deepcopy(stream.content)
    for piece in pieces:
        _place(content, piece, together=stream.display == "plan")
    stream.mode, stream.size, stream.blocks, stream.content, stream.added = mode, size, blocks, content, core.now()
    message.text += added
    message.blocks, message.made_blocks = copy.deepcopy(content), True


def _place(content: list[Json], piece: Json, *, together: bool) -> None:
    match piece["type"]:
        case "markdown_text" if content and content[-1]["type"] == "markdown":
            content[-1]["text"] += piece["text"]
        case "markdown_text":
            content.append({"type": "markdown", "text": piece["text"]})
        case "blocks":
            content.extend(piece["blocks"])
        case "plan_update" if together:
            _plan(content)["title"] = piece["title"]
        case "task_update":
            _place_task(_plan(content)["tasks"] if together else content, piece)


def _plan(content: list[Json]) -> Json:
    for block in content:
        if block["type"] == "plan":
            return block
    content.append({"type": "plan", "title": "", "tasks": []})
    return content[-1]


def _place_task(cards: list[Json], update: Json) -> None:
    kept = ("title", "status", "details", "output", "sources")
    card = {"type": "task_card", "task_id": update["id"]} | {key: update[key] for key in kept if update.get(key)}
    for number, known in enumerate(cards):
        if known["type"] == "task_card" and known["task_id"] == update["id"]:
            cards[number] = known | card
            return
    cards.append(card)
