"""What this Discord knows: guilds, people, channels, threads, messages. Plain state, no rules.

Ids are ints inside and strings on the wire. Times are seconds since the epoch, on the emulator's clock.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from adapters.emulators.clock import Clock

from .errors import Json
from .events import Hub
from .limits import Limits
from .snowflakes import Snowflakes

TEXT, DM, VOICE, CATEGORY, NEWS, FORUM = 0, 1, 2, 4, 5, 15
NEWS_THREAD, PUBLIC_THREAD, PRIVATE_THREAD = 10, 11, 12
THREADS = (NEWS_THREAD, PUBLIC_THREAD, PRIVATE_THREAD)

SUPPRESS_EMBEDS, EPHEMERAL, LOADING = 1 << 2, 1 << 6, 1 << 7
HAS_THREAD, SILENT, COMPONENTS_V2 = 1 << 5, 1 << 12, 1 << 15

DEFAULT, THREAD_CREATED, REPLY, CHAT_COMMAND, THREAD_STARTER, CONTEXT_COMMAND = 0, 18, 19, 20, 21, 23
PINNED_NOTICE = 6
PLAIN_TYPES = (DEFAULT, REPLY, CHAT_COMMAND, CONTEXT_COMMAND)


@dataclass(slots=True)
class User:
    id: int
    name: str
    global_name: str | None = None
    bot: bool = False
    accepts_direct: bool = True


@dataclass(slots=True)
class Role:
    id: int
    name: str
    permissions: int
    position: int = 0
    managed_by: int | None = None  # the bot whose own role this is
    mentionable: bool = False


@dataclass(slots=True)
class Member:
    user: User
    joined_at: float
    role_ids: list[int] = field(default_factory=list)
    nick: str | None = None


@dataclass(slots=True)
class Overwrite:
    target_id: int
    kind: int  # 0 role, 1 member
    allow: int = 0
    deny: int = 0


@dataclass(slots=True)
class Guild:
    id: int
    name: str
    owner_id: int
    joined_at: float
    roles: dict[int, Role] = field(default_factory=dict)  # the role with the guild's own id is @everyone
    members: dict[int, Member] = field(default_factory=dict)
    locale: str = "en-US"


@dataclass(slots=True)
class ThreadState:
    """What a thread has beyond a channel."""

    owner_id: int
    created_at: float
    archive_minutes: int = 1440
    archived: bool = False
    archived_at: float = 0.0  # the last time `archived` changed, or creation
    locked: bool = False
    invitable: bool = True
    applied_tags: list[int] = field(default_factory=list)
    members: dict[int, float] = field(default_factory=dict)  # user id -> joined at
    message_count: int = 0
    total_message_sent: int = 0
    active_at: float = 0.0


@dataclass(slots=True)
class Channel:
    id: int
    type: int
    name: str = ""
    guild_id: int | None = None
    parent_id: int | None = None
    position: int = 0
    topic: str | None = None
    recipients: list[int] = field(default_factory=list)  # of a DM: the bot and the person
    overwrites: dict[int, Overwrite] = field(default_factory=dict)
    thread: ThreadState | None = None
    last_message_id: int | None = None
    slowmode_s: int = 0
    default_archive_minutes: int = 1440
    tags: list[Json] = field(default_factory=list)
    flags: int = 0

    @property
    def is_private_thread(self) -> bool:
        return self.type == PRIVATE_THREAD


@dataclass(frozen=True, slots=True)
class Attachment:
    id: int
    filename: str
    content_type: str | None
    data: bytes
    description: str | None = None


@dataclass(frozen=True, slots=True)
class Shown:
    """One state of a message as people saw it.

    `pings` names whom this state may notify: "everyone", "here", "user:<id>", "role:<id>".
    `unfurls` are the links a preview would be fetched for.
    """

    at: float
    content: str
    embeds: list[Json]
    components: list[Json]
    flags: int
    pings: list[str]
    unfurls: list[str]
    attachments: list[Attachment]


@dataclass(slots=True)
class Message:
    id: int
    channel_id: int
    author: User
    created_at: float
    content: str = ""
    embeds: list[Json] = field(default_factory=list)
    components: list[Json] = field(default_factory=list)
    attachments: list[Attachment] = field(default_factory=list)
    flags: int = 0
    type: int = DEFAULT
    nonce: str | int | None = None
    reference: Json | None = None
    edited_at: float | None = None
    tts: bool = False
    pinned_at: float | None = None
    mention_user_ids: list[int] = field(default_factory=list)
    mention_role_ids: list[int] = field(default_factory=list)
    mention_everyone: bool = False
    reactions: dict[str, list[int]] = field(default_factory=dict)  # emoji as in the URL -> who
    interaction: Json | None = None  # interaction_metadata
    webhook_id: int | None = None
    thread_id: int | None = None
    snapshots: list[Json] = field(default_factory=list)  # what a forwarding message shows
    ephemeral_for: int | None = None
    deleted: bool = False
    history: list[Shown] = field(default_factory=list)

    @property
    def pings(self) -> list[str]:
        """Everyone any state of this message may have notified, in order, each once."""
        return list(dict.fromkeys(ping for shown in self.history for ping in shown.pings))

    @property
    def unfurls(self) -> list[str]:
        """Every link any state of this message fetched a preview for, each once."""
        return list(dict.fromkeys(url for shown in self.history for url in shown.unfurls))

    @property
    def ephemeral(self) -> bool:
        return self.ephemeral_for is not None

    @property
    def loading(self) -> bool:
        """Whether people see "Parley is thinking..."."""
        return bool(self.flags & LOADING)


@dataclass(slots=True)
class Command:
    """An application command, as registered. `body` has the documented fields, normalised."""

    id: int
    version: int
    guild_id: int | None
    body: Json

    @property
    def name(self) -> str:
        return str(self.body["name"])

    @property
    def type(self) -> int:
        return int(self.body.get("type") or 1)


@dataclass
class World:
    """All state of one emulator, and the hub its changes are announced on."""

    clock: Clock
    limits: Limits
    hub: Hub
    bot: User
    application_id: int
    bot_token: str
    ids: Snowflakes
    trim_content: bool = True
    thread_create_after_first_message: bool = True
    portal_intents: int = 0
    users: dict[int, User] = field(default_factory=dict)
    guilds: dict[int, Guild] = field(default_factory=dict)
    channels: dict[int, Channel] = field(default_factory=dict)
    messages: dict[int, dict[int, Message]] = field(default_factory=dict)
    nonces: dict[str, Message] = field(default_factory=dict)
    """The bot's newest message with each nonce, wherever it is."""
    commands: dict[int, Command] = field(default_factory=dict)
    attachments: dict[int, Attachment] = field(default_factory=dict)
    cdn_url: str = "http://127.0.0.1"

    def now(self) -> float:
        return self.clock.time()

    def in_channel(self, channel_id: int) -> list[Message]:
        """The messages of a channel that still exist, oldest first, ephemeral ones too."""
        kept = self.messages.get(channel_id, {})
        return [kept[key] for key in sorted(kept) if not kept[key].deleted]

    def find(self, channel_id: int, message_id: int) -> Message | None:
        """The message if it exists, is not deleted and not ephemeral."""
        message = self.messages.get(channel_id, {}).get(message_id)
        return None if message is None or message.deleted or message.ephemeral else message

    def threads(self, parent_id: int | None = None, guild_id: int | None = None) -> Iterator[Channel]:
        """Threads of a channel or of a guild, archived ones too, oldest first."""
        for channel in sorted(self.channels.values(), key=lambda one: one.id):
            if channel.thread is None:
                continue
            if parent_id in (None, channel.parent_id) and guild_id in (None, channel.guild_id):
                yield channel

    def direct_channel(self, user: User) -> Channel:
        """The DM between the bot and `user`, opened if there is none."""
        for channel in self.channels.values():
            if channel.type == DM and user.id in channel.recipients:
                return channel
        channel = Channel(self.ids.new(), DM, recipients=[self.bot.id, user.id])
        self.channels[channel.id] = channel
        return channel
