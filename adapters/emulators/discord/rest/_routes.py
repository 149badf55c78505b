"""The shape of a REST route: what comes in, what goes out, and what a family of routes is made of."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from .. import permissions
from ..drafts import Upload
from ..errors import Json, form_error, refusal
from ..interactions import Interactions
from ..ratelimits import RateLimits, Refused
from ..state import Channel, Guild, Message, User, World


@dataclass(slots=True)
class Call:
    """One REST call, as logged.

    path: after `/api/v10`.   route: method and path with names for the ids.   at: seconds on the clock.
    status and answer are set when it was answered; status 0 means the connection was cut.
    """

    method: str
    path: str
    route: str
    at: float
    args: Mapping[str, str] = field(default_factory=dict)
    query: Mapping[str, str] = field(default_factory=dict)
    body: Any = None  # the JSON of the request, whatever it is
    files: Mapping[int, Upload] = field(default_factory=dict)
    status: int | None = None
    answer: Any = None  # the JSON answered
    impatient: bool = False

    def id(self, name: str) -> int:
        """An id from the path. Raises ApiError 50035 if it is no snowflake."""
        text = self.args[name]
        if not text.isdigit():
            raise form_error((name,), "NUMBER_TYPE_COERCE", f'Value "{text}" is not snowflake.')
        return int(text)

    def json(self) -> Json:
        """The body as an object, {} if there is none."""
        return self.body if isinstance(self.body, dict) else {}

    def number(self, name: str, default: int, least: int, most: int) -> int:
        """A number from the query. Raises ApiError 50035 outside `least`..`most`."""
        text = self.query.get(name)
        if text is None:
            return default
        if not text.isdigit() or not least <= int(text) <= most:
            bound = f"less than or equal to {most}" if text.isdigit() and int(text) > most else f"at least {least}"
            raise form_error((name,), "NUMBER_TYPE_RANGE", f"Value should be {bound}.")
        return int(text)


@dataclass(frozen=True, slots=True)
class Answer:
    """What goes back: a status and JSON; body None means no content."""

    status: int
    body: Any = None


@dataclass(slots=True)
class Service:
    """What handlers work with."""

    world: World
    interactions: Interactions
    rates: RateLimits
    identifies_left: Callable[[], tuple[int, float]]

    @property
    def bot(self) -> User:
        return self.world.bot


Handler = Callable[[Service, Call], Answer]


@dataclass(frozen=True, slots=True)
class Route:
    """One route. `bucket` names a rate of `Limits`, `major` the path part that separates its buckets.

    `token` routes are open to whoever knows the interaction token in their path, and do not count globally.
    """

    method: str
    path: str
    handler: Handler
    bucket: str = "other"
    major: str = ""
    token: bool = False


def ok(body: Any) -> Answer:
    return Answer(200, body)


def no_content() -> Answer:
    return Answer(204)


def guild_of(service: Service, call: Call) -> Guild:
    """The guild of the path. Raises ApiError 10004 or, if the bot is not in it, 50001."""
    guild = service.world.guilds.get(call.id("guild_id"))
    if guild is None:
        raise refusal(10004)
    if service.bot.id not in guild.members:
        raise refusal(50001)
    return guild


def channel_of(service: Service, call: Call, name: str = "channel_id") -> Channel:
    """The channel of the path, if the bot sees it. Raises ApiError 10003 or 50001."""
    channel = service.world.channels.get(call.id(name))
    if channel is None:
        raise refusal(10003)
    if not permissions.sees(service.world, channel, service.bot.id):
        raise refusal(50001)
    return channel


def message_of(service: Service, call: Call) -> tuple[Channel, Message]:
    """Channel and message of the path. Raises ApiError 10003, 50001 or 10008."""
    channel = channel_of(service, call)
    message = service.world.find(channel.id, call.id("message_id"))
    if message is None:
        raise refusal(10008)
    return channel, message


def need(service: Service, channel: Channel, permission: int) -> None:
    """Raises ApiError 50013 if the bot lacks any bit of `permission` in `channel`."""
    if not permissions.can(service.world, channel, service.bot.id, permission):
        raise refusal(50013)


def has(service: Service, channel: Channel, permission: int) -> bool:
    return permissions.can(service.world, channel, service.bot.id, permission)


def hidden_limit(service: Service, name: str, major: int, refused: Refused | None = None) -> None:
    """Take from a bucket beside the route's own. Raises ApiError 429."""
    limited = service.rates.take_more(name, str(major), service.world.now(), refused or Refused(0.0))
    if limited is not None:
        raise limited.error()
