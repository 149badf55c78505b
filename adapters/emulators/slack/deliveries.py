"""Getting a payload to the app and its acknowledgement back.

An event is tried up to four times: at once, and after the three waits of `Settings.retry_delays_s`; a slash command
or an interaction once. Each try goes to one connection (or one request) and has three seconds. What is not
acknowledged in time is tried again with `retry_attempt` and `retry_reason` (Socket Mode) or `X-Slack-Retry-Num` and
`-Reason` (HTTP); a socket that closes under a try ends that try at once. A person whose command or click was not
acknowledged sees an error from Slackbot. Sources: docs.slack.dev/apis/events-api (retries),
docs.slack.dev/apis/events-api/using-socket-mode, docs.slack.dev/interactivity/handling-user-interaction.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, Protocol, TypeVar

from adapters.emulators.clock import Clock
from adapters.emulators.slack import events
from adapters.emulators.slack.workspace import Channel, Json

if TYPE_CHECKING:
    from adapters.emulators.slack.core import Core

T = TypeVar("T")
Kind = Literal["events_api", "slash_commands", "interactive"]


@dataclass(frozen=True, slots=True)
class Answer:
    """How one try ended. reason: why it failed, in Slack's words, "" when acknowledged; payload: what came with it."""

    reason: str = ""
    payload: Json | None = None
    no_retry: bool = False

    @property
    def acknowledged(self) -> bool:
        return not self.reason


@dataclass(slots=True)
class Attempt:
    """One try. number 0 is the first; where: the connection's number, or the URL; at, ended_at: emulator time."""

    number: int
    at: float
    reason: str = ""
    where: str = ""
    answer: Answer | None = None
    ended_at: float | None = None


@dataclass(slots=True)
class Delivery:
    """A payload on its way. `ended` is set once it is acknowledged or given up.

    on_ack: called once with the acknowledgement's payload, the moment it comes in.
    """

    kind: Kind
    payload: Json
    accepts_response: bool = False
    attempts: list[Attempt] = field(default_factory=list)
    ended: asyncio.Event = field(default_factory=asyncio.Event)
    on_ack: Callable[[Json | None], None] | None = None

    def accept(self, payload: Json | None) -> None:
        """Hand the acknowledgement on, the first time."""
        on_ack, self.on_ack = self.on_ack, None
        if on_ack is not None:
            on_ack(payload)

    @property
    def answer(self) -> Answer | None:
        return self.attempts[-1].answer if self.attempts else None

    @property
    def acknowledged(self) -> bool:
        return any(attempt.answer is not None and attempt.answer.acknowledged for attempt in self.attempts)

    @property
    def event_type(self) -> str:
        event = self.payload.get("event")
        return str(event["type"]) if isinstance(event, dict) else self.kind


class Transport(Protocol):
    """A way to the app: Socket Mode or HTTP."""

    async def send(self, delivery: Delivery, attempt: Attempt) -> Answer:
        """Make one try and return how it ended; never raises."""
        ...


async def first(clock: Clock, work: asyncio.Future[T], deadline: float) -> bool:
    """Wait for `work` until `deadline` on the clock; say whether it is done, and cancel it where it is not."""

    async def limit() -> None:
        await clock.sleep(deadline - clock.time())

    waiting = asyncio.ensure_future(limit())
    both: set[asyncio.Future[Any]] = {work, waiting}  # Any: their results differ
    try:
        await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED)
        return work.done()
    finally:
        for future in both:
            future.cancel()
        await asyncio.gather(waiting, return_exceptions=True)


class Dispatcher:
    """Decides which events the app gets and carries each through its tries. late_s: how long an event is on its way."""

    def __init__(self, core: Core, transport: Transport) -> None:
        self.transport = transport
        self.deliveries: list[Delivery] = []
        self.late_s: Callable[[Delivery], float] = lambda _: 0.0
        self._core = core

    def publish(self, event: Json, channel: Channel | None) -> Delivery | None:
        """Deliver an event in the background; None when the app is not subscribed, lacks the scope or is not there."""
        settings = self._core.settings
        name = events.subscription_of(event, channel)
        scope = events.SUBSCRIPTION_SCOPES.get(name)
        if name not in settings.subscriptions or (scope is not None and scope not in settings.scopes):
            return None
        if channel is not None and self._core.bot.id not in channel.members:
            return None
        return self.start("events_api", events.envelope(self._core, event, channel))

    def start(self, kind: Kind, payload: Json, *, accepts_response: bool = False, first: int = 0) -> Delivery:
        """Deliver in the background. first: the number of the first try, above 0 for a repeat."""
        delivery = Delivery(kind, payload, accepts_response)
        self.deliveries.append(delivery)
        self._core.tasks.start(self._carry(delivery, first), f"delivery:{kind}:{delivery.event_type}")
        return delivery

    async def _carry(self, delivery: Delivery, first: int) -> None:
        core = self._core
        waits = core.settings.retry_delays_s if delivery.kind == "events_api" else ()
        reason = "timeout" if first else ""
        number = first
        if delivery.kind == "events_api" and (late := self.late_s(delivery)) > 0:
            await core.clock.sleep(late)
        while True:
            attempt = Attempt(number, core.now(), reason)
            delivery.attempts.append(attempt)
            answer = await self.transport.send(delivery, attempt)
            attempt.answer, attempt.ended_at = answer, core.now()
            if answer.acknowledged:
                delivery.accept(answer.payload)
            core.changed("delivery")
            if answer.acknowledged or answer.no_retry or number >= len(waits):
                break
            await core.clock.sleep(waits[number])
            reason, number = answer.reason, number + 1
        delivery.ended.set()
        core.changed("delivery")
