"""The Slack emulator as tests and the demo page use it."""

from __future__ import annotations

import contextlib
import copy
import random
from collections.abc import AsyncIterator, Callable
from typing import TypeVar

from aiohttp import web

from adapters.emulators.clock import Clock
from adapters.emulators.slack import events
from adapters.emulators.slack.core import Core, Settings, Status, TokenState
from adapters.emulators.slack.deliveries import Delivery, Dispatcher
from adapters.emulators.slack.faults import ApiCall, Fault
from adapters.emulators.slack.feed import Change
from adapters.emulators.slack.http_delivery import HttpDelivery
from adapters.emulators.slack.limits import STATUS_LIFETIME_S, RateLimits
from adapters.emulators.slack.persons import Invocation, Persons
from adapters.emulators.slack.posting import delete
from adapters.emulators.slack.response_urls import ResponseUrls
from adapters.emulators.slack.server import application
from adapters.emulators.slack.socket_mode import Reason, SocketMode
from adapters.emulators.slack.web_api.reactions import react, unreact
from adapters.emulators.slack.workspace import Channel, ChannelKind, Ephemeral, Json, Message, User, View, Workspace

T = TypeVar("T")


class SlackEmulator:
    """A local Slack with one workspace and one installed app, on one TCP port.

    `async with emulator.running():` serves it; the client is pointed at `api_url`. In another aiohttp application
    mount `make_app()` with `add_subapp(prefix, ...)` and call `mounted_at("http://host:port/prefix")`; then only
    `aclose()` is needed. Names of users and channels may be given as id, "ada", "@ada", "general" or "#general".
    """

    def __init__(
        self, clock: Clock | None = None, *, settings: Settings | None = None, rate_limits: RateLimits | None = None
    ) -> None:
        self.core = Core(clock, settings, rate_limits)
        self.core.sockets = SocketMode(self.core)
        self.core.response_urls = ResponseUrls(self.core)
        self.core.dispatcher = Dispatcher(self.core, self.core.sockets)
        self._persons = Persons(self.core)
        self._runner: web.AppRunner | None = None
        self._http: HttpDelivery | None = None
        identity = self.core.identity
        self.bot_token, self.app_token = identity.bot_token, identity.app_token
        self.signing_secret, self.bot_user_id = identity.signing_secret, identity.bot_user_id
        self.team_id, self.app_id, self.bot_id = identity.team_id, identity.app_id, identity.bot_id

    # -- serving

    def make_app(self) -> web.Application:
        """Return a new web application over this emulator's state."""
        return application(self.core)

    def mounted_at(self, base_url: str) -> None:
        """Say where the application is reached, "http://host:port[/prefix]", without a slash at the end."""
        self.core.base_url = base_url.rstrip("/")

    async def start(self, host: str = "127.0.0.1", port: int = 0) -> None:
        """Serve; port 0 takes a free one."""
        self._runner = web.AppRunner(self.make_app(), access_log=None, shutdown_timeout=1.0)
        await self._runner.setup()
        await web.TCPSite(self._runner, host, port).start()
        self.mounted_at(f"http://{host}:{self._runner.addresses[0][1]}")

    async def aclose(self) -> None:
        """End deliveries, close every socket, stop serving. May be called more than once."""
        await self.core.tasks.aclose()
        await self.core.sockets.aclose()
        if self._http is not None:
            await self._http.aclose()
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None
        await self.core.tasks.aclose()

    @contextlib.asynccontextmanager
    async def running(self, host: str = "127.0.0.1", port: int = 0) -> AsyncIterator[SlackEmulator]:
        await self.start(host, port)
        try:
            yield self
        finally:
            await self.aclose()

    @property
    def api_url(self) -> str:
        return f"{self.core.base_url}/api/"

    async def use_request_url(self, url: str) -> bool:
        """Deliver over HTTP to `url` from now on, after the url_verification handshake; say whether that passed."""
        candidate = HttpDelivery(self.core, url)
        if not await candidate.verify():
            await candidate.aclose()
            return False
        if self._http is not None:
            await self._http.aclose()
        self._http = candidate
        self.core.dispatcher.transport = candidate
        return True

    # -- state

    @property
    def clock(self) -> Clock:
        return self.core.clock

    @property
    def settings(self) -> Settings:
        return self.core.settings

    @property
    def workspace(self) -> Workspace:
        return self.core.workspace

    def add_user(self, name: str, **fields: bool | str | int) -> User:
        """Add a person; fields: those of User. With `is_bot=True` it is another app's bot."""
        user = User(self.workspace.new_id("U"), name, name.capitalize(), self.team_id)
        for key, value in fields.items():
            setattr(user, key, value)
        if user.is_bot:
            user.bot_id, user.app_id = self.workspace.new_id("B"), self.workspace.new_id("A")
        return self.workspace.add_user(user)

    def add_channel(self, name: str, members: list[str], *, kind: ChannelKind = "channel") -> Channel:
        """Add a channel with these people in it; `invite` brings the bot."""
        ids = {self._persons.user(member).id for member in members}
        prefix = "C" if kind == "channel" else "G"
        creator = next(iter(ids), "")
        channel = Channel(self.workspace.new_id(prefix), name, kind, ids, creator, int(self.core.now()))
        return self.workspace.add_channel(channel)

    def invite(self, user: str, channel: str, *, by: str = "ada") -> None:
        """Bring somebody, the bot with "parley", into a channel; delivers member_joined_channel."""
        place, joining = self._persons.channel(channel), self._persons.user(user)
        place.members.add(joining.id)
        event = events.member_joined(self.core, joining.id, place, self._persons.user(by).id)
        self.core.dispatcher.publish(event, place)

    def dm(self, user: str) -> str:
        """Return the id of somebody's direct message with the bot."""
        return self.workspace.direct(self._persons.user(user).id, self.bot_user_id, self.core.now()).id

    def messages(self, channel: str, thread_ts: str | None = None) -> list[Message]:
        """Return the messages of a channel, or of one thread in it, oldest first, without the deleted."""
        place = self._persons.channel(channel)
        if thread_ts is not None:
            return self.workspace.thread(place.id, thread_ts)
        return self.workspace.messages(place.id)

    def thread(self, channel: str, ts: str) -> list[Message]:
        """Return a thread, its root first."""
        return self.messages(channel, ts)

    def bot_messages(self, channel: str | None = None, thread_ts: str | None = None) -> list[Message]:
        """Return what the bot has posted and not deleted, everywhere or in one channel or thread."""
        if channel is not None:
            return [one for one in self.messages(channel, thread_ts) if one.user == self.bot_user_id]
        everything = self.workspace.all_messages()
        return [one for one in everything if one.user == self.bot_user_id and not one.deleted]

    def ephemerals(self, user: str | None = None) -> list[Ephemeral]:
        """Return what only one person saw, Slackbot's notes included."""
        wanted = self._persons.user(user).id if user else None
        return [note for note in self.workspace.ephemerals if not note.deleted and wanted in {None, note.user}]

    def home(self, user: str) -> View | None:
        return self.workspace.homes.get(self._persons.user(user).id)

    def status(self, channel: str, thread_ts: str) -> Status | None:
        """Return the status shown under a thread now; it goes away by itself after two minutes."""
        status = self.core.statuses.get((self._persons.channel(channel).id, thread_ts))
        return status if status and self.core.now() - status.at < STATUS_LIFETIME_S else None

    # -- people

    async def say(
        self,
        user: str,
        channel: str,
        text: str,
        thread_ts: str | None = None,
        files: dict[str, bytes] | None = None,
        *,
        broadcast: bool = False,
    ) -> Message:
        """Write as a person; "@Parley" becomes the mention. files: name to content. Returns the message at once,
        its events are on their way. Raises LookupError for unknown names and for channels the person is not in."""
        return self._persons.say(user, channel, text, thread_ts, files, broadcast)

    async def edit_message(self, message: Message, text: str) -> None:
        """Change a person's own message."""
        self._persons.edit(message, text)

    async def delete_message(self, message: Message) -> None:
        """Delete a message, a person's or, as a moderator would, the bot's."""
        delete(self.core, message)

    async def react(self, user: str, message: Message, name: str) -> None:
        """React with the emoji `name`. Raises SlackError already_reacted and others."""
        react(self.core, message, self._persons.user(user).id, name)

    async def unreact(self, user: str, message: Message, name: str) -> None:
        unreact(self.core, message, self._persons.user(user).id, name)

    async def slash(self, user: str, channel: str, command: str, text: str = "") -> Invocation:
        """Send a slash command and wait until it is acknowledged or has failed."""
        invocation = self._persons.slash(user, channel, command, text)
        await self._persons.settle(invocation)
        return invocation

    async def press(
        self, user: str, message: Message | Ephemeral | str, action_id: str, *, channel: str = "", value: str = ""
    ) -> Invocation:
        """Click an element, named by its action_id, of a message (or of the ts in `channel`), and wait as slash does.

        value: which of the feedback buttons or options. Raises LookupError when there is no such message or element.
        """
        invocation = self._persons.press(user, self._message(message, channel), action_id, value or None)
        await self._persons.settle(invocation)
        return invocation

    async def press_home(self, user: str, action_id: str) -> Invocation:
        """Click an element of somebody's Home tab. Raises LookupError when there is none."""
        invocation = self._persons.press_home(user, action_id)
        await self._persons.settle(invocation)
        return invocation

    async def submit_modal(self, user: str, values: Json) -> Invocation:
        """Submit the modal opened last. values: block_id to action_id to state, {"b": {"a": {"value": "x"}}}."""
        invocation = self._persons.submit(user, values)
        await self._persons.settle(invocation)
        return invocation

    async def shortcut(self, user: str, callback_id: str, message: Message) -> Invocation:
        invocation = self._persons.shortcut(user, callback_id, message)
        await self._persons.settle(invocation)
        return invocation

    async def press_stop(self, user: str, channel: str, thread_ts: str) -> None:
        """Press Slack's Stop button: agent_session_stopped, and running streams refuse more with stopped_by_user."""
        self._persons.stop(user, self._persons.channel(channel), thread_ts)

    async def open_home(self, user: str, tab: str = "home") -> None:
        """Open the app's home, or with tab "messages" its direct message."""
        event = events.home_opened(self.core, self._persons.user(user).id, self.dm(user), tab)
        self.core.dispatcher.publish(event, None)

    def _message(self, message: Message | Ephemeral | str, channel: str) -> Message | Ephemeral:
        if not isinstance(message, str):
            return message
        place = self._persons.channel(channel).id
        found = self.workspace.message(place, message)
        notes = (note for note in self.workspace.ephemerals if (note.channel, note.ts) == (place, message))
        if found is None and (found_note := next(notes, None)):
            return found_note
        if found is None:
            raise LookupError(f"no message {message} in {channel}")
        return found

    # -- deliveries

    def deliveries(self, event_type: str | None = None) -> list[Delivery]:
        """Return all payloads sent so far, or those of one event type or kind, in order."""
        return [one for one in self.core.dispatcher.deliveries if event_type in {None, one.event_type, one.kind}]

    async def redeliver(self, delivery: Delivery | None = None) -> Delivery:
        """Send an event, the last one by default, again as Slack's first repeat: same event_id, reason "timeout"."""
        return self.core.dispatcher.start("events_api", self._event(delivery).payload, first=1)

    async def redeliver_as_new_event_id(self, delivery: Delivery | None = None) -> Delivery:
        """Send the same inner event once more under another event_id."""
        payload = copy.deepcopy(self._event(delivery).payload)
        payload["event_id"] = self.workspace.new_id("Ev")
        return self.core.dispatcher.start("events_api", payload)

    def _event(self, delivery: Delivery | None) -> Delivery:
        return delivery or [one for one in self.core.dispatcher.deliveries if one.kind == "events_api"][-1]

    @property
    def connections(self) -> int:
        return len(self.core.sockets.connections)

    async def drop_connections(self, reason: Reason | None = None) -> None:
        """Cut all sockets without a word, or send the disconnect frame with `reason`."""
        await self.core.sockets.drop(reason)

    def refuse_connections(self, refuse: bool = True) -> None:
        """Turn Socket Mode handshakes away with HTTP 503; apps.connections.open goes on handing out addresses."""
        self.core.sockets.refusing = refuse

    # -- faults and time

    def fail_next(
        self,
        method: str,
        error: str | None = None,
        status: int | None = None,
        times: int = 1,
        retry_after: int | None = None,
        *,
        after_effect: bool = False,
    ) -> None:
        """Let the next `times` calls of `method` fail with this error or HTTP status.

        With neither the connection is cut without an answer. after_effect: the call is carried out first, so only
        its answer is lost. retry_after: whole seconds, with status 429 or error "ratelimited".
        """
        self.core.faults.order(method, Fault(error, status, times, retry_after, after_effect))

    def lose_answers(self, share: float, seed: int = 0) -> None:
        """Cut the connection of this share of all calls, chosen by chance, after they took effect; 0 ends that."""
        self.core.faults.lost_share, self.core.faults.chance = share, random.Random(seed)

    def delay_events(self, seconds: Callable[[Delivery], float]) -> None:
        """Let each event set out that much later, so that one may overtake another."""
        self.core.dispatcher.late_s = seconds

    def delay(self, method: str, seconds: float) -> None:
        """Let every call of `method` take this long on the clock before anything happens; 0 ends that."""
        self.core.faults.delays[method] = seconds

    def rate_limit(self, method: str, retry_after: int, for_seconds: float) -> None:
        """Answer every call of `method` with 429 and this Retry-After until the window has passed."""
        self.core.limiter.force(method, retry_after, self.core.now() + for_seconds)

    def set_token_state(self, state: TokenState, token: str | None = None) -> None:
        """Make the bot token, or another, "active", "revoked", "expired" or "inactive"."""
        self.core.tokens[token or self.bot_token] = state

    def advance(self, seconds: float) -> None:
        """Let time pass at once."""
        self.core.clock.advance(seconds)
        self.core.changed("clock")

    def calls(self, method: str | None = None) -> list[ApiCall]:
        """Return the log of API calls, all or of one method, in the order they came in."""
        return [call for call in self.core.calls if method in {None, call.method}]

    @property
    def rate_limited(self) -> dict[str, int]:
        """How many 429 answers each method has given."""
        return dict(self.core.limiter.limited)

    @property
    def calls_during_wait(self) -> dict[str, int]:
        """How many calls of each method came while a Retry-After they had been told was running."""
        return dict(self.core.limiter.during_wait)

    # -- following

    def changes(self) -> AsyncIterator[Change]:
        return self.core.feed.changes()

    def subscribe(self, listener: Callable[[Change], None]) -> Callable[[], None]:
        return self.core.feed.subscribe(listener)

    async def wait_for(self, predicate: Callable[[], T], timeout: float = 5.0) -> T:
        """Return `predicate()` once it is true; asked after every change. timeout: real seconds, then TimeoutError."""
        return await self.core.feed.wait_for(predicate, timeout)
