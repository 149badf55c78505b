"""Slack payload in, core noun (or nothing) out. No await, no policy.

A mention in a channel is delivered twice, as `message` and as `app_mention`, with different event ids and in either
order; both are read by the same function and give equal Messages, so that core's deduplication sees one.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from adapters.slack.controls import Control, read_control
from adapters.slack.entities import mentions, opens_with_mention, readable, without_leading_mention
from adapters.slack.place import Place, scope_id, user_id
from core.chat import Author, Message, Reach, Said, Spot, ThreadId

Payload = Mapping[str, Any]
"""JSON from Slack: any shape until one of the functions here has read it."""

Verb = Literal["ask", "usage", "reset", "stop", "help"]

_SPOKEN = frozenset({"", "file_share", "thread_broadcast", "me_message", "bot_message"})
"""Message subtypes in which somebody says something; edits, deletions, joins, topics and the like are not in it."""


@dataclass(frozen=True, slots=True)
class Me:
    """Who we are in the workspace, from `auth.test`."""

    team: str
    user: str
    bot: str = ""
    name: str = "Parley"


@dataclass(frozen=True, slots=True)
class Press:
    """Somebody pressed a button of ours. value: what the Segment gave it.  channel, thread_ts: where, "" if the payload
    does not say."""

    control: Control
    value: str
    user: str
    channel: str
    thread_ts: str
    response_url: str


@dataclass(frozen=True, slots=True)
class Edited:
    """Somebody edited a message of theirs. text: as `Message.text`.  version: one for each edit."""

    spot: Spot
    text: str
    version: str


@dataclass(frozen=True, slots=True)
class Deleted:
    """A message is gone."""

    spot: Spot


@dataclass(frozen=True, slots=True)
class Reacted:
    """Somebody put a reaction on a message. reaction: the emoji's name, without colons."""

    spot: Spot
    reaction: str


@dataclass(frozen=True, slots=True)
class Stopped:
    """Somebody pressed Slack's own Stop button in a thread."""

    thread_id: ThreadId


Change = Edited | Deleted | Reacted | Stopped


@dataclass(frozen=True, slots=True)
class Slash:
    """A slash command. command: as typed, `/parley`.  text: what follows it, decoded.  trigger: one per gesture."""

    command: str
    text: str
    team: str
    channel: str
    user: str
    trigger: str
    response_url: str

    @property
    def parts(self) -> tuple[Verb, str]:
        """The verb and what is left: the first word decides, anything that is no verb is a question.

        So is "help me with this": only "help" alone asks for help.
        """
        first, rest = (*self.text.split(None, 1), "", "")[:2]
        match first.lower().rstrip("!."):
            case "ask" if rest:
                return "ask", rest
            case "" | "ask" | "help" if not rest:
                return "help", ""
            case "usage" | "reset" | "stop" as verb:
                return verb, rest
            case _:
                return "ask", self.text


def event_type(body: Payload) -> str:
    """The type of the event in an `event_callback`, "" when it says none."""
    return _text(_table(body.get("event")).get("type"))


def is_echo(body: Payload, me: Me) -> bool:
    """Whether an `event_callback` only tells what we have said ourselves: Slack sends one for each edit of a growing
    answer. Nothing is read in it by the functions below."""
    event = _table(body.get("event"))
    if event.get("type") != "message":
        return False
    if event.get("subtype") != "message_changed":
        return is_spoken(event) and _is_ours(event, me)
    now = _table(event.get("message"))
    return now.get("subtype") != "tombstone" and _is_ours(now, me)


def read_message(body: Payload, me: Me) -> Message | None:
    """Read an `event_callback` with a `message` or `app_mention`; None when it is nothing said to us.

    `reach` is "thread" for a reply that does not mention us: whether we take part there is core's to know.
    """
    event = _table(body.get("event"))
    channel, ts, text = _text(event.get("channel")), _text(event.get("ts")), _text(event.get("text"))
    if not (channel and ts) or not _is_spoken(event) or _is_ours(event, me):
        return None
    author = _author(event, body, me)
    reach = _reach(event, mentions(text, me.user))
    if author is None or reach is None:
        return None
    place = Place(installing_team(body, me), channel, _text(event.get("thread_ts")) or ts)
    client_id = _text(event.get("client_msg_id"))
    return Message(
        thread_id=place.thread_id,
        scope=place.scope,
        channel=place.channel_id,
        author=author,
        text=_words(event, text, me),
        reach=reach,
        keys=(f"{channel}:{ts}", client_id) if client_id else (f"{channel}:{ts}",),
        sent_at=_seconds(ts),
        origin=recipient(_text(event.get("user")), _home(event) or place.team),
        to_another=opens_with_mention(text) and not mentions(text, me.user),
    )


def read_change(body: Payload, me: Me) -> Change | None:
    """Read an `event_callback` in which a message was edited, deleted or reacted to, or our work stopped, by somebody;
    None for all else.

    A root with replies leaves a tombstone when it is deleted, told as `message_changed`; an edit by Slack itself (a
    link that unfolds) has no other words than before.
    Source: docs.slack.dev, events message_changed, message_deleted, reaction_added, agent_session_stopped; tombstone:
    42wim/matterbridge#600.
    """
    event = _table(body.get("event"))
    if event.get("type") == "agent_session_stopped":
        return _stopped(event, body, me)
    if event.get("type") == "reaction_added":
        return _reaction(event, body, me)
    if event.get("type") != "message":
        return None
    channel, before = _text(event.get("channel")), _table(event.get("previous_message"))
    if event.get("subtype") == "message_deleted":
        ts = _text(event.get("deleted_ts")) or _text(before.get("ts"))
        return Deleted(_spot(body, me, channel, ts)) if channel and ts else None
    now = _table(event.get("message"))
    ts = _text(now.get("ts"))
    if event.get("subtype") != "message_changed" or not (channel and ts):
        return None
    if now.get("subtype") == "tombstone":
        return Deleted(_spot(body, me, channel, ts))
    text = _text(now.get("text"))
    if _is_ours(now, me) or text == before.get("text"):
        return None
    version = _text(_table(now.get("edited")).get("ts")) or _text(event.get("event_ts"))
    return Edited(_spot(body, me, channel, ts), _words(now, text, me), version)


def _stopped(event: Payload, body: Payload, me: Me) -> Stopped | None:
    channel, thread_ts = _text(event.get("channel")), _text(event.get("thread_ts"))
    if not (channel and thread_ts):
        return None
    return Stopped(Place(installing_team(body, me), channel, thread_ts).thread_id)


def _reaction(event: Payload, body: Payload, me: Me) -> Reacted | None:
    item = _table(event.get("item"))
    channel, ts = _text(item.get("channel")), _text(item.get("ts"))
    if item.get("type") != "message" or not (channel and ts) or event.get("user") == me.user:
        return None
    return Reacted(_spot(body, me, channel, ts), _text(event.get("reaction")))


def _spot(body: Payload, me: Me, channel: str, ts: str) -> Spot:
    return Spot(scope_id(installing_team(body, me)), f"{channel}:{ts}")


def is_spoken(message: Payload) -> bool:
    """Whether a message, as conversations.replies gives it, is something that somebody said."""
    return _text(message.get("subtype")) in _SPOKEN and not message.get("hidden")


def is_persons(message: Payload, me: Me) -> bool:
    """Whether a person has said such a message: not we, no other app, and not Slack itself."""
    user = _text(message.get("user"))
    return is_spoken(message) and bool(user) and not _is_ours(message, me) and not _is_automated(message)


def said_in(message: Payload, me: Me, names: Mapping[str, str]) -> Said:
    """Read such a message. names: of people, by id; also those that are mentioned."""
    user = _text(message.get("user"))
    profile = _table(message.get("user_profile"))
    name = names.get(user) or _text(profile.get("display_name")) or _text(message.get("username")) or user
    words = readable(_text(message.get("text")), {me.user: me.name, **names}).strip()
    return Said(name or "an app", _with_files(words, message), _is_ours(message, me))


def read_press(body: Payload) -> Press | None:
    """Read a `block_actions` payload; None unless a button of ours was pressed."""
    if body.get("type") != "block_actions":
        return None
    for action in _rows(body.get("actions")):
        if read := read_control(_text(action.get("action_id")), _text(action.get("value"))):
            control, value = read
            shown, container = _table(body.get("message")), _table(body.get("container"))
            return Press(
                control=control,
                value=value,
                user=_text(_table(body.get("user")).get("id")),
                channel=_text(_table(body.get("channel")).get("id")) or _text(container.get("channel_id")),
                thread_ts=_text(shown.get("thread_ts")) or _text(container.get("thread_ts")),
                response_url=_text(body.get("response_url")),
            )
    return None


def read_slash(body: Payload, me: Me) -> Slash | None:
    """Read a slash command; None when the payload is something else."""
    command = _text(body.get("command"))
    if not command.startswith("/"):
        return None
    return Slash(
        command=command,
        text=readable(_text(body.get("text")), {me.user: me.name}).strip(),
        team=_text(body.get("team_id")) or me.team,
        channel=_text(body.get("channel_id")),
        user=_text(body.get("user_id")),
        trigger=_text(body.get("trigger_id")),
        response_url=_text(body.get("response_url")),
    )


def installing_team(body: Payload, me: Me) -> str:
    """The workspace that installed us; in a shared channel `team_id` and `event.team` may be the sender's.

    Source: docs.slack.dev, "Events API", fields `authorizations` and `context_team_id`.
    """
    for authorization in _rows(body.get("authorizations")):
        if team := _text(authorization.get("team_id")):
            return team
    return _text(body.get("context_team_id")) or _text(body.get("team_id")) or me.team


def _is_spoken(event: Payload) -> bool:
    if event.get("type") not in ("message", "app_mention") or event.get("hidden"):
        return False
    return _text(event.get("subtype")) in _SPOKEN


def _is_ours(event: Payload, me: Me) -> bool:
    bot = _text(event.get("bot_id"))
    return _text(event.get("user")) == me.user or (bool(bot) and bot == me.bot)


def _is_automated(message: Payload) -> bool:
    user, bot = _text(message.get("user")), _text(message.get("bot_id"))
    return bool(bot) or message.get("subtype") == "bot_message" or user == "USLACKBOT"


def _author(event: Payload, body: Payload, me: Me) -> Author | None:
    user, bot = _text(event.get("user")), _text(event.get("bot_id"))
    profile = _table(event.get("user_profile"))
    name = _text(profile.get("display_name")) or _text(profile.get("real_name"))
    if _is_automated(event):
        speaker = user or bot
        return Author(user_id(speaker), name or _text(event.get("username")), "bot") if speaker else None
    if not user:
        return None
    return Author(user_id(user), name, "guest" if _is_guest(event, profile, body, me) else "member")


def _is_guest(event: Payload, profile: Payload, body: Payload, me: Me) -> bool:
    """A guest account, or somebody from another company in a channel that is shared with it (Slack Connect)."""
    if any(profile.get(mark) for mark in ("is_restricted", "is_ultra_restricted", "is_stranger")):
        return True
    home = _home(event)
    return bool(body.get("is_ext_shared_channel")) and bool(home) and home != installing_team(body, me)


def _home(event: Payload) -> str:
    """The workspace of whoever speaks, "" when the event does not say."""
    return _text(event.get("user_team")) or _text(event.get("team")) or _text(event.get("source_team"))


def recipient(user: str, team: str) -> str:
    """Whom an answer is written to, as `Message.origin` says it; see `streams`."""
    return f"{user}@{team}" if user and team else ""


def _reach(event: Payload, mentioned: bool) -> Reach | None:
    if event.get("type") == "app_mention" or mentioned:
        in_person = event.get("channel_type") == "im"
        return "direct" if in_person else "mention"
    if event.get("channel_type") == "im" or _text(event.get("channel")).startswith("D"):
        return "direct"
    thread_ts = _text(event.get("thread_ts"))
    return "thread" if thread_ts and thread_ts != event.get("ts") else None


def _words(event: Payload, text: str, me: Me) -> str:
    words = readable(without_leading_mention(text, me.user), {me.user: me.name}).strip()
    return _with_files(words, event)


def _with_files(words: str, message: Payload) -> str:
    return "\n\n".join(part for part in (words, _file_names(message)) if part)


def _file_names(event: Payload) -> str:
    """What to say of the files of a message: their names, so that an answer can speak of them."""
    names = [_text(file.get("name")) or _text(file.get("title")) or "a file" for file in _rows(event.get("files"))]
    return f"(attached, not readable for you: {', '.join(names)})" if names else ""


def _seconds(ts: str) -> float:
    try:
        return float(ts)
    except ValueError:
        return 0.0


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""


def _table(value: object) -> Payload:
    return value if isinstance(value, Mapping) else {}


def _rows(value: object) -> list[Payload]:
    return [_table(row) for row in value] if isinstance(value, list) else []
