"""The people, channels and messages of one Slack workspace; plain state, no waiting."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from functools import reduce
from operator import or_
from typing import Any, Literal

from adapters.emulators.slack.mentions import Pings, visible_text

ChannelKind = Literal["channel", "group", "im", "mpim"]
Json = dict[str, Any]
"""A JSON object as Slack and its clients write it; Block Kit has no narrower type worth having here."""


@dataclass(frozen=True, slots=True)
class Team:
    id: str
    name: str
    domain: str


@dataclass(slots=True)
class User:
    """A person, or the user of a bot (`is_bot`, with its `bot_id` and `app_id`)."""

    id: str
    name: str
    real_name: str
    team_id: str
    is_admin: bool = False
    is_owner: bool = False
    is_primary_owner: bool = False
    is_bot: bool = False
    is_restricted: bool = False
    is_ultra_restricted: bool = False
    is_stranger: bool = False
    deleted: bool = False
    tz: str = "Europe/Amsterdam"
    tz_label: str = "Central European Time"
    tz_offset: int = 3600
    locale: str = "en-US"
    bot_id: str | None = None
    app_id: str | None = None


@dataclass(slots=True)
class Channel:
    """A conversation. kind is the `channel_type` of events; user: the other side of an im."""

    id: str
    name: str
    kind: ChannelKind = "channel"
    members: set[str] = field(default_factory=set)
    creator: str = ""
    created: int = 0
    user: str | None = None
    is_archived: bool = False
    is_ext_shared: bool = False
    is_general: bool = False
    topic: str = ""

    @property
    def is_private(self) -> bool:
        return self.kind != "channel"


@dataclass(frozen=True, slots=True)
class Shown:
    """One state of a message that people could see. at: seconds since the epoch."""

    at: float
    text: str
    blocks: tuple[Json, ...]
    pings: Pings
    unfurls: tuple[str, ...]

    @property
    def visible(self) -> str:
        """What a person reads: the words of the blocks, or the text where there are none."""
        return visible_text(self.text, list(self.blocks))


@dataclass(slots=True)
class Stream:
    """A message that grows by chat.appendStream.

    started, added: when it began and was added to last, seconds since the epoch.  size: UTF-8 bytes so far.
    display: how tasks are shown, "timeline" or "plan".  recipient: who is written to, "" in a direct message.
    mode: "text" or "chunks", as the first piece came.  blocks: how many came in chunks.
    content: what it shows, as blocks: markdown, task_card, plan and others, in order.
    """

    started: float
    added: float
    size: int = 0
    display: str = "timeline"
    recipient: str = ""
    mode: str = ""
    blocks: int = 0
    ended: bool = False
    stopped_by_user: bool = False
    content: list[Json] = field(default_factory=list)


@dataclass(slots=True)
class Message:
    """One message. `history` has every state people saw, the first one included; `edited` is the ts of the last edit.

    pings, unfurls: over all states together, so that a ping that was edited away still shows.
    """

    channel: str
    ts: str
    user: str
    text: str
    blocks: list[Json] = field(default_factory=list)
    thread_ts: str | None = None
    subtype: str | None = None
    bot_id: str | None = None
    app_id: str | None = None
    client_msg_id: str | None = None
    metadata: Json | None = None
    attachments: list[Json] = field(default_factory=list)
    files: list[Json] = field(default_factory=list)
    reactions: dict[str, list[str]] = field(default_factory=dict)
    edited: str | None = None
    deleted: bool = False
    made_blocks: bool = False
    unfurl_links: bool = False
    unfurl_media: bool = True
    stream: Stream | None = None
    history: list[Shown] = field(default_factory=list)

    @property
    def pings(self) -> Pings:
        return reduce(or_, (shown.pings for shown in self.history), Pings())

    @property
    def unfurls(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(url for shown in self.history for url in shown.unfurls))

    @property
    def visible(self) -> str:
        """What a person reads now."""
        return visible_text(self.text, self.blocks)

    @property
    def root(self) -> str:
        """The ts of the thread this message stands in, its own where it stands in none."""
        return self.thread_ts or self.ts


@dataclass(slots=True)
class Ephemeral:
    """A message only `user` sees. sender: the bot's user id, or "USLACKBOT"."""

    channel: str
    user: str
    ts: str
    text: str
    blocks: list[Json] = field(default_factory=list)
    thread_ts: str | None = None
    sender: str = ""
    deleted: bool = False
    history: list[Shown] = field(default_factory=list)

    @property
    def pings(self) -> Pings:
        """Whom it would notify, had it been seen by more than one; a test wants none here too."""
        return reduce(or_, (shown.pings for shown in self.history), Pings())

    @property
    def visible(self) -> str:
        return visible_text(self.text, self.blocks)


@dataclass(slots=True)
class StoredFile:
    """An uploaded file. complete: files.completeUploadExternal has been called for it."""

    id: str
    name: str
    length: int
    content: bytes = b""
    title: str = ""
    user: str = ""
    complete: bool = False
    mimetype: str = "text/plain"


@dataclass(frozen=True, slots=True)
class View:
    """A Home tab or modal as last published or opened for `user`."""

    id: str
    user: str
    view: Json
    hash: str


class Workspace:
    """All state of one team. Look-ups return None where Slack would say not found."""

    def __init__(self, team: Team) -> None:
        self.team = team
        self.users: dict[str, User] = {}
        self.channels: dict[str, Channel] = {}
        self.ephemerals: list[Ephemeral] = []
        self.files: dict[str, StoredFile] = {}
        self.homes: dict[str, View] = {}
        self.modals: list[View] = []
        self._messages: dict[str, dict[str, Message]] = {}
        self._last_ts = 0
        self._ids = 0

    def new_ts(self, now: float) -> str:
        """Return a timestamp id, unique and increasing in the workspace: "1712345678.000100"."""
        micros = max(int(now * 1_000_000) // 100 * 100, self._last_ts + 100)
        self._last_ts = micros
        return f"{micros // 1_000_000}.{micros % 1_000_000:06d}"

    def new_id(self, prefix: str) -> str:
        """Return an id of Slack's looks: a letter for the kind, then capitals and digits."""
        self._ids += 1
        return f"{prefix}0EMU{self._ids:06d}"

    def add_user(self, user: User) -> User:
        self.users[user.id] = user
        return user

    def add_channel(self, channel: Channel) -> Channel:
        self.channels[channel.id] = channel
        self._messages[channel.id] = {}
        return channel

    def add_message(self, message: Message) -> Message:
        self._messages[message.channel][message.ts] = message
        return message

    def find_user(self, name: str) -> User | None:
        """Find by id, "@name" or name, capitals or not."""
        wanted = name.removeprefix("@").lower()
        if name in self.users:
            return self.users[name]
        return next((user for user in self.users.values() if user.name.lower() == wanted), None)

    def find_channel(self, name: str) -> Channel | None:
        """Find by id, "#name" or name."""
        if name in self.channels:
            return self.channels[name]
        wanted = name.removeprefix("#")
        named = (channel for channel in self.channels.values() if channel.kind in {"channel", "group"})
        return next((channel for channel in named if channel.name == wanted), None)

    def direct(self, one: str, other: str, now: float) -> Channel:
        """Return the im between two users, opening it the first time."""
        for channel in self.channels.values():
            if channel.kind == "im" and channel.members == {one, other}:
                return channel
        person = one if not self.users[one].is_bot else other
        channel = Channel(self.new_id("D"), "directmessage", "im", {one, other}, one, int(now), person)
        return self.add_channel(channel)

    def message(self, channel: str, ts: str) -> Message | None:
        """Find a message that has not been deleted."""
        found = self._messages.get(channel, {}).get(ts)
        return None if found is None or found.deleted else found

    def tombstone(self, channel: str, ts: str) -> Message | None:
        """Find what is left of a deleted root that has replies."""
        found = self._messages.get(channel, {}).get(ts)
        return found if found is not None and found.subtype == "tombstone" and self.thread(channel, ts) else None

    def messages(self, channel: str, *, deleted: bool = False) -> list[Message]:
        """Return the messages of a channel, oldest first, thread replies included."""
        return [message for message in self._messages.get(channel, {}).values() if deleted or not message.deleted]

    def all_messages(self) -> Iterator[Message]:
        for messages in self._messages.values():
            yield from messages.values()

    def thread(self, channel: str, ts: str) -> list[Message]:
        """Return a thread's root and replies, oldest first."""
        return [message for message in self.messages(channel) if message.root == ts]

    def replies(self, message: Message) -> list[Message]:
        return [other for other in self.thread(message.channel, message.ts) if other.ts != message.ts]

    def put_file(self, file: StoredFile, **changes: Any) -> StoredFile:
        """Store `file` with `changes` made to it (Any: the fields of StoredFile)."""
        self.files[file.id] = replace(file, **changes)
        return self.files[file.id]
