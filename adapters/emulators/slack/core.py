"""What every part of the emulator shares: who the app is, how it is configured, its state and its clock."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Coroutine
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from adapters.emulators.clock import Clock
from adapters.emulators.slack.faults import ApiCall, Faults
from adapters.emulators.slack.feed import Change, ChangeFeed
from adapters.emulators.slack.limits import STREAM_BYTES, STREAM_IDLE_S, STREAM_LIFETIME_S, RateLimiter, RateLimits
from adapters.emulators.slack.mentions import Parsing
from adapters.emulators.slack.workspace import Channel, Team, User, Workspace

if TYPE_CHECKING:
    from adapters.emulators.slack.deliveries import Dispatcher
    from adapters.emulators.slack.response_urls import ResponseUrls
    from adapters.emulators.slack.socket_mode import SocketMode

DEFAULT_SCOPES = frozenset(
    [
        "app_mentions:read",
        "assistant:write",
        "channels:history",
        "groups:history",
        "im:history",
        "mpim:history",
        "channels:read",
        "groups:read",
        "im:read",
        "mpim:read",
        "chat:write",
        "commands",
        "files:read",
        "files:write",
        "reactions:read",
        "reactions:write",
        "users:read",
    ]
)
DEFAULT_SUBSCRIPTIONS = frozenset(
    [
        "app_home_opened",
        "app_context_changed",
        "app_mention",
        "message.channels",
        "message.groups",
        "message.im",
        "message.mpim",
        "agent_session_stopped",
        "agent_session_title_changed",
        "member_joined_channel",
        "reaction_added",
        "app_uninstalled",
        "tokens_revoked",
    ]
)
TokenState = Literal["active", "revoked", "expired", "inactive"]


@dataclass(frozen=True, slots=True)
class Identity:
    """Ids and secrets of the one app this workspace has installed. None of them is a real one."""

    team_id: str = "T0EMULATOR"
    app_id: str = "A0EMUPARLEY"
    bot_id: str = "B0EMUPARLEY"
    bot_user_id: str = "U0EMUPARLEY"
    bot_name: str = "parley"
    bot_token: str = "xoxb-emulator-bot-token"
    app_token: str = "xapp-1-A0EMUPARLEY-emulator-app-token"
    signing_secret: str = "emulator-signing-secret"
    verification_token: str = "emulator-verification-token"


@dataclass(slots=True)
class Settings:
    """What a test or a page may set, before or while the emulator runs.

    scopes: granted to the bot token; subscriptions: event names as in a manifest ("message.im").
    ack_timeout_s: seconds an app has to acknowledge; retry_delays_s: waits before the three repeats of an event
    (docs.slack.dev/apis/events-api: at once, one minute, five minutes).
    mention_order: which of the two events of a mention goes first, "random" by `seed`.
    edits_allowed: False answers chat.update with edit_window_closed. agent_view: the app has the agent surface.
    text_object_auto_parse: see `mentions`. update_bytes: count chat.update's 4,000 in UTF-8 bytes, as
    was measured (openclaw/openclaw#115027), and not in characters, as its page says.
    lost_threads: what chat.postMessage does where the root is gone, see there.
    streams_unfurl: previews are fetched for streamed links; undocumented, so the worse is assumed.
    """

    scopes: set[str] = field(default_factory=lambda: set(DEFAULT_SCOPES))
    subscriptions: set[str] = field(default_factory=lambda: set(DEFAULT_SUBSCRIPTIONS))
    ack_timeout_s: float = 3.0
    retry_delays_s: tuple[float, ...] = (0.0, 60.0, 300.0)
    mention_order: Literal["message", "app_mention", "random"] = "random"
    seed: int = 0
    edits_allowed: bool = True
    agent_view: bool = True
    text_object_auto_parse: bool = True
    update_bytes: bool = True
    lost_threads: Literal["unthread", "refuse"] = "unthread"
    streams_unfurl: bool = True
    stream_lifetime_s: float = STREAM_LIFETIME_S
    stream_idle_s: float = STREAM_IDLE_S
    stream_bytes: int = STREAM_BYTES
    socket_lifetime_s: int = 18_060


class Tasks:
    """Owns what runs in the background; `aclose` ends all of it and waits."""

    def __init__(self) -> None:
        self._tasks: set[asyncio.Task[Any]] = set()  # Any: nobody looks at their results

    def start(self, work: Coroutine[Any, Any, object], name: str) -> asyncio.Task[Any]:
        task = asyncio.get_running_loop().create_task(work, name=name)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def aclose(self) -> None:
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


class Core:
    """The emulator without its faces. base_url: "http://127.0.0.1:PORT", set once the port is known."""

    dispatcher: Dispatcher
    sockets: SocketMode
    response_urls: ResponseUrls

    def __init__(
        self, clock: Clock | None = None, settings: Settings | None = None, rate_limits: RateLimits | None = None
    ) -> None:
        self.clock = clock or Clock()
        self.settings = settings or Settings()
        self.identity = Identity()
        self.limiter = RateLimiter(rate_limits or RateLimits())
        self.faults = Faults()
        self.calls: list[ApiCall] = []
        self.feed = ChangeFeed()
        self.tasks = Tasks()
        self.random = random.Random(self.settings.seed)
        self.base_url = ""
        self.tokens: dict[str, TokenState] = {self.identity.bot_token: "active", self.identity.app_token: "active"}
        self.workspace = seeded_workspace(self.identity, self.clock.time())
        self.statuses: dict[tuple[str, str], Status] = {}
        self.titles: dict[tuple[str, str], str] = {}
        self.prompts: dict[tuple[str, str], list[dict[str, Any]]] = {}
        self.sessions: dict[tuple[str, str], str] = {}
        self.triggers: dict[str, tuple[float, str]] = {}

    @property
    def bot(self) -> User:
        return self.workspace.users[self.identity.bot_user_id]

    def now(self) -> float:
        return self.clock.time()

    def changed(self, kind: str, channel: str | None = None, ts: str | None = None) -> None:
        self.feed.publish(Change(kind, self.now(), channel, ts))

    def parsing(self, parse: str, link_names: bool) -> Parsing:
        names = {user.name.lower(): user.id for user in self.workspace.users.values()}
        return Parsing(parse, link_names, names, self.settings.text_object_auto_parse)

    def new_trigger(self, user: str) -> str:
        """Issue a trigger_id, good for three seconds."""
        number = self.workspace.new_id("")
        trigger = f"{int(self.now())}.{number}.emulator"
        self.triggers[trigger] = (self.now(), user)
        return trigger


@dataclass(frozen=True, slots=True)
class Status:
    """What assistant.threads.setStatus shows under a thread. at: seconds since the epoch."""

    text: str
    at: float
    loading_messages: tuple[str, ...] = ()


def seeded_workspace(identity: Identity, now: float) -> Workspace:
    """Make the workspace every emulator starts with: Ada (owner), Ben, Cleo (guest), the bot, two channels."""
    workspace = Workspace(Team(identity.team_id, "Emulated", "emulated"))
    team = identity.team_id
    ada = User("U0EMUADA", "ada", "Ada Lovelace", team, is_admin=True, is_owner=True, is_primary_owner=True)
    people = [
        ada,
        User("U0EMUBEN", "ben", "Ben Okafor", team, tz="America/New_York", tz_label="Eastern", tz_offset=-18000),
        User("U0EMUCLEO", "cleo", "Cleo Guest", team, is_restricted=True),
        User("USLACKBOT", "slackbot", "Slackbot", team),
    ]
    bot = User(identity.bot_user_id, identity.bot_name, identity.bot_name.capitalize(), team, is_bot=True)
    bot.bot_id, bot.app_id = identity.bot_id, identity.app_id
    for user in [*people, bot]:
        workspace.add_user(user)
    everyone = {user.id for user in people[:3]}
    general = Channel("C0EMUGENERAL", "general", members=everyone | {bot.id}, creator=ada.id, created=int(now))
    general.is_general = True
    workspace.add_channel(general)
    workspace.add_channel(
        Channel("C0EMURANDOM", "random", members=everyone - {"U0EMUCLEO"}, creator=ada.id, created=int(now))
    )
    return workspace
