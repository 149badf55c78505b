"""Inbound: a Discord message in, a Message of ours or nothing out. Pure: no call, no wait, no policy.

Where a conversation lives decides its ThreadId:

    direct message               discord:@me:<channel>
    inside a thread, forum post  discord:<guild>:<thread>
    mention in a text channel    discord:<guild>:<message>: the thread that we open on that message has its id
                                 ("Start Thread from Message", channel resource)
    reply to us in a text channel  discord:<guild>:<anchor>, where anchor is our message, or, when our message was
                                 itself a reply (we answer so where threads are not allowed), what that replied to.
                                 Either way a chain of replies stays one conversation.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from adapters.discord import _names as names
from adapters.discord.origin import ThreadStart, encode
from core.chat import Author, Message, Reach, Said, Spot

PlaceKind = Literal["direct", "text", "thread", "unknown"]
"""`text`: a guild channel where we open threads.  `unknown`: the gateway has not told us yet what this channel is."""

NAME_LENGTH = 90
"""Characters of a thread's name that we use; Discord allows 1-100."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where it was said. guild: None in direct messages.  parent: the channel that holds a thread, if known."""

    channel: str
    kind: PlaceKind
    guild: str | None = None
    parent: str | None = None


@dataclass(frozen=True, slots=True)
class Answered:
    """The message that is replied to. answers: what that message replied to in its turn.  author_name, text: as people
    see them, "" if that is not known."""

    message: str
    author: str
    answers: str | None = None
    author_name: str = ""
    text: str = ""


@dataclass(frozen=True, slots=True)
class Spoken:
    """What we read from one MESSAGE_CREATE.

    users, roles, channels: display names of what the text mentions, by id; `users` holds the replied-to author
    too when the reply pings.  speech: someone wrote it (no join notice, pin notice or thread starter).
    files: names of what is attached.
    """

    id: str
    place: Place
    author: str
    author_name: str
    content: str
    application: str | None = None
    automated: bool = False
    guest: bool = False
    speech: bool = True
    users: Mapping[str, str] = field(default_factory=dict)
    roles: Mapping[str, str] = field(default_factory=dict)
    channels: Mapping[str, str] = field(default_factory=dict)
    answered: Answered | None = None
    files: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Me:
    """Who we are. role: our managed role in that guild (the one whose `tags.bot_id` is us), if there is one."""

    user: str
    application: str
    role: str | None = None


def to_message(spoken: Spoken, me: Me) -> Message | None:
    """Read one Discord message; None when it is ours, no speech, or said in a text channel to somebody else."""
    if not spoken.speech or spoken.author == me.user or spoken.application == me.application:
        return None
    place = spoken.place
    reach = _reach(spoken, me)
    if reach == "thread" and place.kind == "text":
        return None
    anchor = _anchor(spoken, me) if place.kind == "text" else None
    name = thread_name(readable(spoken, me), spoken.author_name)
    start = ThreadStart(place.channel, anchor, name) if anchor else None
    return Message(
        thread_id=names.thread_id(place.guild, anchor or place.channel),
        scope=names.scope_id(place.guild),
        channel=names.channel_id(place.guild, place.parent or place.channel),
        author=Author(names.user_id(spoken.author), spoken.author_name, _kind(spoken)),
        text=words(spoken, me),
        reach=reach,
        keys=(f"{place.channel}:{spoken.id}",),
        sent_at=names.sent_at(spoken.id),
        origin=encode(start) if start else "",
        to_another=_is_to_another(spoken, me),
        quoted=_quoted(spoken, me),
    )


def to_spot(guild: str | None, channel: str, message: str) -> Spot:
    """A message as core names it; the same as the first of `Message.keys`."""
    return Spot(names.scope_id(guild), f"{channel}:{message}")


def is_new_wording(spoken: Spoken, me: Me) -> bool:
    """Whether an updated message may say something else than before: a person's, not one of ours that grows."""
    return spoken.speech and not spoken.automated and spoken.author != me.user


def addresses_us(spoken: Spoken, me: Me) -> bool:
    """A mention of us or of our own role, or a reply to us. `@everyone` and other roles of ours do not count."""
    replied = spoken.answered is not None and spoken.answered.author == me.user
    return replied or me.user in spoken.users or (me.role is not None and me.role in spoken.roles)


def _reach(spoken: Spoken, me: Me) -> Reach:
    if spoken.place.kind == "direct":
        return "direct"
    return "mention" if addresses_us(spoken, me) else "thread"


def _is_to_another(spoken: Spoken, me: Me) -> bool:
    """A reply to one's own message goes on with it, and is to nobody else."""
    if addresses_us(spoken, me):
        return False
    replies = spoken.answered is not None and spoken.answered.author != spoken.author
    return replies or re.match(r"\s*<@[!&]?\d+>", spoken.content) is not None


def _quoted(spoken: Spoken, me: Me) -> Said | None:
    """What we wrote ourselves is in the history already."""
    answered = spoken.answered
    if answered is None or answered.author == me.user or not answered.text.strip():
        return None
    return Said(answered.author_name or answered.author, answered.text)


def _kind(spoken: Spoken) -> Literal["member", "guest", "bot"]:
    if spoken.automated:
        return "bot"
    return "guest" if spoken.guest else "member"


def _anchor(spoken: Spoken, me: Me) -> str:
    answered = spoken.answered
    if answered is None or answered.author != me.user:
        return spoken.id
    return answered.answers or answered.message


def words(spoken: Spoken, me: Me) -> str:
    """What was said, with what else belongs to it: that files hang on it, or that it only points at a message."""
    text = readable(spoken, me)
    if not text and not spoken.files and addresses_us(spoken, me) and _quoted(spoken, me):
        return "(nothing but your name, in answer to the message above)"
    files = f"(attached, not readable for you: {', '.join(spoken.files)})" if spoken.files else ""
    return "\n\n".join(part for part in (text, files) if part)


def readable(spoken: Spoken, me: Me) -> str:
    """The text without the mention of us that opens it; other mentions as people see them, `@name` and `#name`."""
    forms = rf"<@!?{me.user}>" + (rf"|<@&{me.role}>" if me.role else "")
    text = re.sub(rf"\A\s*(?:(?:{forms})(?:[,:](?=\s|\Z))?\s*)+", "", spoken.content)

    def shown(match: re.Match[str]) -> str:
        table, sign = {"&": (spoken.roles, "@"), "#": (spoken.channels, "#")}.get(
            match["kind"].lstrip("@"), (spoken.users, "@")
        )
        name = table.get(match["id"])
        return f"{sign}{name}" if name else match[0]

    return re.sub(r"<(?P<kind>@&|@!?|#)(?P<id>\d+)>", shown, text).strip()


def said_in(message: object, own_user: str) -> Said | None:
    """Read a message object of the REST API as something that was said; None for notices of Discord's own."""
    if not isinstance(message, Mapping):
        return None
    if message.get("type") == _STARTER:
        return said_in(message.get("referenced_message"), own_user)
    author = message.get("author")
    if message.get("type") not in _SPOKEN or not isinstance(author, Mapping):
        return None
    mentioned = message.get("mentions")
    users = {str(one.get("id")): _shown_name(one) for one in mentioned} if isinstance(mentioned, list) else {}
    text = re.sub(r"<@!?(\d+)>", lambda found: f"@{users.get(found[1], found[1])}", str(message.get("content") or ""))
    return Said(_shown_name(author), text, str(author.get("id")) == own_user)


def is_persons(message: object) -> bool:
    """Whether a person has said a message object of the REST API: no bot, no webhook, and not Discord itself."""
    if not isinstance(message, Mapping) or message.get("type") not in _SPOKEN or message.get("webhook_id"):
        return False
    author = message.get("author")
    return isinstance(author, Mapping) and not author.get("bot")


_SPOKEN = frozenset({0, 19, 20, 23})
_STARTER = 21
"""Message types: default, reply, the answers to commands; and the first message of a thread that was opened on another
message, which it refers to ("Message Types")."""


def _shown_name(user: Mapping[str, object]) -> str:
    return str(user.get("global_name") or user.get("username") or user.get("id") or "someone")


def thread_name(text: str, author_name: str) -> str:
    """A thread's name: the first words of the question, one line, nothing that looks like a mention, never empty."""
    words = re.sub(r"<[^<>\s]*\d+>|[`*_~|>#]|@(?=everyone|here)", " ", text).split()
    name = ""
    for word in words:
        if len(name) + 1 + len(word) > NAME_LENGTH:
            name = f"{name or word[: NAME_LENGTH - 1]}…"
            break
        name = f"{name} {word}".strip()
    return name or f"Question from {author_name or 'someone'}"[:NAME_LENGTH]
