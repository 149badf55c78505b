"""What tests and the demo do to Discord itself: disturb it, look into it, follow it."""

from __future__ import annotations

import asyncio
import contextlib
from collections import Counter
from collections.abc import AsyncIterator, Callable
from typing import Any

from . import messages, payloads, seed, threads
from .errors import Json
from .events import Event
from .faults import Fault, Faults, by_chance, pattern_of
from .gateway import INVALID, RECONNECT, Gateway
from .handles import InteractionHandle
from .people import ChannelLike, People, UserLike
from .permissions import INVITED_BOT
from .ratelimits import RateLimits, Refused, Scope
from .rest import Call, Pipeline
from .snowflakes import time_of
from .state import TEXT, THREADS, Channel, Guild, Member, Message, Overwrite, User

_LOOK_AGAIN_S = 0.02


class Control(People):
    """The controls. `DiscordEmulator` is one of these."""

    gateway: Gateway
    faults: Faults
    rates: RateLimits
    pipeline: Pipeline
    _recent: list[Event]
    _typed: list[tuple[float, int]]

    # --- the gateway -------------------------------------------------------------------------------------------

    async def redeliver(self, event: Event | None = None) -> None:
        """Dispatch `event`, else the last one the bot heard, once more under a new sequence number."""
        if event is None and not self._recent:
            raise LookupError("nothing was dispatched yet")
        self.gateway.sessions.offer(event or self._recent[-1])
        await asyncio.sleep(0)

    async def drop(self, code: int = 4000) -> None:
        """Close every gateway connection; the sessions can be resumed unless `code` says otherwise."""
        await self.gateway.close_all(code)

    async def reconnect_request(self) -> None:
        """Ask every connection to reconnect and resume (op 7)."""
        self.gateway.send_all({"op": RECONNECT, "s": None, "t": None, "d": None})
        await asyncio.sleep(0)

    async def invalidate(self, resumable: bool = False) -> None:
        """Tell every connection that its session is invalid (op 9). Not resumable: the sessions are gone."""
        self.gateway.send_all({"op": INVALID, "s": None, "t": None, "d": resumable})
        if not resumable:
            for session in self.gateway.sessions.all():
                self.gateway.sessions.end(session)
        await asyncio.sleep(0)

    def stop_heartbeat_acks(self, stopped: bool = True) -> None:
        """Leave heartbeats without an answer: to the client the connection becomes a zombie."""
        self.gateway.acks = not stopped

    def refuse_connections(self, refusing: bool = True) -> None:
        """Turn new gateway connections away with 503."""
        self.gateway.refusing = refusing

    def hold_connections(self, held: bool = True) -> None:
        """Let new gateway connections wait at the door, so that a lost connection stays lost for a while."""
        if held:
            self.gateway.admitting.clear()
        else:
            self.gateway.admitting.set()

    def allow_intents(self, intents: int) -> None:
        """Set the privileged intents switched on in the portal; identifying with others is closed with 4014."""
        self.world.portal_intents = intents

    # --- REST --------------------------------------------------------------------------------------------------

    def fail_next(
        self,
        route: str,
        status: int | None = None,
        code: int = 0,
        times: int | None = 1,
        retry_after: float | None = None,
        after_effect: bool = False,
        message: str | None = None,
    ) -> None:
        """Fail the next `times` calls (None: all) matching `route`, like "PATCH /channels/*/messages/*".

        status: HTTP status, by default that of `code`, else 500; 0 cuts the connection without an answer.
        retry_after: answer 429 with it.   after_effect: do first what was asked, so that only the answer is lost.
        """
        if retry_after is not None:
            refused = Refused(retry_after, code=code or None)
            self.faults.add(Fault(pattern_of(route), times=times, after_effect=after_effect, refused=refused))
            return
        known_status = status if status is not None else (Fault(pattern_of("*"), code=code).error().status)
        self.faults.add(Fault(pattern_of(route), known_status, code, message, times, after_effect=after_effect))

    def lose_answers(self, share: float, route: str = "*", seed: int = 0) -> None:
        """Cut the connection of this share of all matching calls, chosen by chance, after they took effect."""
        happens = by_chance(share, seed)
        self.faults.add(Fault(pattern_of(route), 0, times=None, after_effect=True, happens=happens))

    def delay(self, route: str, seconds: float, times: int | None = 1) -> None:
        """Let matching calls wait before anything else happens to them."""
        self.faults.add(Fault(pattern_of(route), times=times, delay_s=seconds))

    def rate_limit(
        self, route: str, retry_after: float, for_seconds: float | None = None, scope: Scope = "user"
    ) -> None:
        """Answer 429 to every matching call for `for_seconds` (by default `retry_after`)."""
        until = self.world.now() + (retry_after if for_seconds is None else for_seconds)
        self.faults.add(Fault(pattern_of(route), times=None, until=until, refused=Refused(retry_after, scope)))

    def clear_faults(self) -> None:
        self.faults.clear()

    def calls(self, pattern: str | None = None) -> list[Call]:
        """The log of REST calls, oldest first, those matching `pattern` if given."""
        wanted = pattern_of(pattern or "*")
        return [one for one in self.pipeline.calls if wanted.fullmatch(f"{one.method} {one.path}")]

    @property
    def rate_limited(self) -> Counter[str]:
        """429s answered, by route."""
        return self.rates.refused

    @property
    def impatient_calls(self) -> Counter[str]:
        """Calls made while a `retry_after` ran, by route."""
        return +self.rates.impatient

    # --- places and people -------------------------------------------------------------------------------------

    async def set_permissions(
        self, channel: ChannelLike, allow: int = 0, deny: int = 0, target: UserLike | None = None
    ) -> None:
        """Set what a channel allows and denies `target`, by default the bot."""
        place = self.channel(channel)
        person = self.world.bot if target is None else self.user(target)
        place.overwrites[person.id] = Overwrite(person.id, 1, allow, deny)
        messages.announce(self.world, "CHANNEL_UPDATE", place, payloads.channel(self.world, place))
        await asyncio.sleep(0)

    async def archive(self, thread: ChannelLike, archived: bool = True) -> None:
        threads.archive(self.world, self.channel(thread), archived=archived)
        await asyncio.sleep(0)

    async def lock(self, thread: ChannelLike, locked: bool = True) -> None:
        threads.lock(self.world, self.channel(thread), locked=locked)
        await asyncio.sleep(0)

    async def delete_channel(self, channel: ChannelLike) -> None:
        """Delete a channel or thread."""
        threads.delete(self.world, self.channel(channel))
        await asyncio.sleep(0)

    async def add_channel(self, name: str, kind: int = TEXT, guild: Guild | None = None) -> Channel:
        """Make a channel: 0 text, 5 announcements, 15 forum."""
        place = guild or self.guild
        channel = seed.add_channel(self.world, place, name, kind, position=len(self.world.channels))
        messages.announce(self.world, "CHANNEL_CREATE", channel, payloads.channel(self.world, channel))
        await asyncio.sleep(0)
        return channel

    async def add_guild(self, name: str, bot_permissions: int = INVITED_BOT) -> Guild:
        """Let the bot be invited to another server, which has a #general and nobody but Olga."""
        guild = seed.add_guild(self.world, name, self.user("olga"), bot_permissions)
        seed.add_channel(self.world, guild, "general")
        payload = payloads.gateway_guild(self.world, guild)
        self.world.hub.publish(Event("GUILD_CREATE", payload, guild.id, intent=1))
        await asyncio.sleep(0)
        return guild

    async def remove_guild(self, guild: Guild) -> None:
        """Let the bot be thrown out."""
        guild.members.pop(self.world.bot.id, None)
        self.world.hub.publish(Event("GUILD_DELETE", {"id": str(guild.id)}, guild.id, intent=1))
        await asyncio.sleep(0)

    async def add_person(self, name: str, guild: Guild | None = None, *, bot: bool = False) -> User:
        """Let somebody join."""
        place = guild or self.guild
        user = User(self.world.ids.new(), name.lower(), global_name=name, bot=bot)
        self.world.users[user.id] = user
        member = Member(user, self.world.now())
        place.members[user.id] = member
        payload = {**payloads.member(member), "guild_id": str(place.id)}
        self.world.hub.publish(Event("GUILD_MEMBER_ADD", payload, place.id, intent=2))
        await asyncio.sleep(0)
        return user

    @property
    def bot_role_id(self) -> int:
        """The bot's own role in the first server: people sometimes mention it, `<@&id>`, instead of the bot."""
        return next(one.id for one in self.guild.roles.values() if one.managed_by == self.world.bot.id)

    @property
    def guild(self) -> Guild:
        """The server that was there from the start."""
        return next(iter(self.world.guilds.values()))

    # --- looking -----------------------------------------------------------------------------------------------

    def messages(self, channel: ChannelLike, *, ephemeral: bool = False) -> list[Message]:
        """What people see in a channel, oldest first; `ephemeral` adds what only one of them sees."""
        every = self.world.in_channel(self.channel(channel).id)
        return [one for one in every if ephemeral or not one.ephemeral]

    def threads(self, channel: ChannelLike | None = None) -> list[Channel]:
        """The threads of a channel, or all, archived ones too."""
        parent = None if channel is None else self.channel(channel).id
        return [one for one in self.world.threads(parent_id=parent) if one.type in THREADS]

    def typing_times(self, channel: ChannelLike) -> list[float]:
        """When the bot said it was typing in a channel."""
        key = self.channel(channel).id
        return [at for at, place in self._typed if place == key]

    def is_typing(self, channel: ChannelLike) -> bool:
        """Whether people see the bot typing: ten seconds from its call, or until it posts."""
        times = self.typing_times(channel)
        if not times or self.world.now() - times[-1] > self.world.limits.typing_s:
            return False
        own = [one for one in self.messages(channel) if one.author.id == self.world.bot.id]
        return not own or time_of(own[-1].id) < times[-1]

    def handle(self, interaction_id: int) -> InteractionHandle:
        """The handle of an interaction seen in an event. Raises LookupError."""
        for one in self.interactions.all():
            if one.id == interaction_id:
                return InteractionHandle(self.world, one, self.wait_for)
        raise LookupError(f"no interaction {interaction_id}")

    # --- time and change ---------------------------------------------------------------------------------------

    async def advance(self, seconds: float) -> None:
        """Let time pass: deadlines run out, buckets fill, idle threads are archived."""
        self.world.clock.advance(seconds)
        await asyncio.sleep(0)

    def subscribe(self, listener: Callable[[Event], None]) -> Callable[[], None]:
        """Call `listener` at once with every change; the function returned ends it."""
        return self.world.hub.subscribe(listener)

    def changes(self) -> Changes:
        """Every change from now on, as an async iterator."""
        return Changes(self.world.hub.subscribe)

    async def wait_for(self, predicate: Callable[[], Any], timeout: float = 5.0) -> Any:
        """Wait until `predicate()` is true, looking after every change, and return what it gave.

        It also looks every 20 ms, for predicates about the client rather than this Discord.
        timeout: real seconds. Raises TimeoutError.
        """
        changed = asyncio.Event()
        stop = self.world.hub.subscribe(lambda event: changed.set())
        try:
            async with asyncio.timeout(timeout):
                while not (result := predicate()):
                    with contextlib.suppress(TimeoutError):
                        async with asyncio.timeout(_LOOK_AGAIN_S):
                            await changed.wait()
                    changed.clear()
                return result
        finally:
            stop()


class Changes(AsyncIterator[Event]):
    """An endless iterator of events; `close` ends the subscription."""

    def __init__(self, subscribe: Callable[[Callable[[Event], None]], Callable[[], None]]) -> None:
        self._events: asyncio.Queue[Event] = asyncio.Queue()
        self._stop = subscribe(self._events.put_nowait)

    async def __anext__(self) -> Event:
        return await self._events.get()

    def __enter__(self) -> Changes:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def close(self) -> None:
        self._stop()


def event_json(event: Event) -> Json:
    """An event for a page that follows along."""
    return {"name": event.name, "data": event.d, "guild_id": event.guild_id, "visible": event.visible}
