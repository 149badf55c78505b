"""Platforms in virtual time: the emulators' own rate limits, a latency, and a note of what people see and when."""

from __future__ import annotations

import asyncio
from collections import Counter
from dataclasses import dataclass, field
from typing import ClassVar, Protocol

from adapters.discord.limits import Learned
from adapters.discord.limits import draws as discord_draws
from adapters.emulators.discord.limits import Limits as DiscordLimits
from adapters.emulators.discord.ratelimits import RateLimits as DiscordRates
from adapters.emulators.slack.limits import RateLimiter, RateLimits
from adapters.slack.limits import draws as slack_draws
from adapters.slack.place import Place
from core.chat import Draws, Limits, MessageRef, Operation, Placement, RateLimited, Segment

LATENCY_S = 0.06
DELTA = 6
"""Characters of each delta."""


@dataclass
class Shown:
    """One answer as people saw it: (when, how many deltas).  messages: how many characters each of them holds."""

    states: list[tuple[float, int]] = field(default_factory=list)
    messages: dict[str, int] = field(default_factory=dict)


class Rules(Protocol):
    """One platform's limits."""

    def refusal(self, operation: Operation, thread: str, now: float) -> tuple[float, str] | None:
        """None for a call that goes through, else the seconds to wait and the bucket."""
        ...

    def draws(self, operation: Operation, thread: str) -> Draws: ...


class SlackRules:
    """Threads are called "<workspace>/<channel>"."""

    _METHODS: ClassVar = {
        "post": ("chat.postMessage", "t5"),
        "edit": ("chat.update", "t3"),
        "delete": ("chat.delete", "t3"),
    }

    def __init__(self) -> None:
        self._teams: dict[str, RateLimiter] = {}

    def refusal(self, operation: Operation, thread: str, now: float) -> tuple[float, str] | None:
        team, _, channel = thread.partition("/")
        limiter = self._teams.setdefault(team, RateLimiter(RateLimits()))
        method, tier = self._METHODS[operation]
        wait = limiter.take(method, tier, channel if operation == "post" else "", now)
        return None if wait is None else (float(wait), "")

    def draws(self, operation: Operation, thread: str) -> Draws:
        team, _, channel = thread.partition("/")
        return slack_draws(operation, Place(team, channel, "1.0"))


class DiscordRules:
    """Threads are called by their channel. Too many refusals, and the address is shut out for ten minutes."""

    _ROUTES: ClassVar = {"post": "create", "edit": "edit", "delete": "delete"}

    def __init__(self) -> None:
        self._rates = DiscordRates(DiscordLimits())
        self._learned = Learned()

    def refusal(self, operation: Operation, thread: str, now: float) -> tuple[float, str] | None:
        if self._rates.banned(now):
            return 600.0, "global"
        refused = self._rates.take(self._ROUTES[operation], thread, now, counts_globally=True)
        if refused is not None:
            self._rates.note_invalid(now)
        return None if refused is None else (refused.retry_after, "global" if refused.is_global else "")

    def draws(self, operation: Operation, thread: str) -> Draws:
        return discord_draws(operation, thread, self._learned)


class SimulatedSurface:
    """A `core.replies.Surface` whose answers take LATENCY_S. seen: by thread, every answer in order."""

    def __init__(self, rules: Rules, limits: Limits) -> None:
        self._rules = rules
        self._limits = limits
        self.seen: dict[str, Shown] = {}
        self.calls: Counter[str] = Counter()
        self.refused: list[float] = []

    @property
    def limits(self) -> Limits:
        return self._limits

    def draws(self, operation: Operation, placement: Placement) -> Draws:
        return self._rules.draws(operation, placement.thread_id)

    async def open(self, placement: Placement) -> None:
        return None

    async def status(self, placement: Placement, busy: bool) -> None:
        return None

    async def find(self, placement: Placement, key: str) -> MessageRef | None:
        return None

    async def post(self, placement: Placement, segment: Segment, key: str) -> MessageRef:
        if key.endswith("-0"):
            self.seen[placement.thread_id] = Shown()
        await self._called("post", placement, key, segment)
        return MessageRef(placement.thread_id, key)

    async def edit(self, placement: Placement, ref: MessageRef, segment: Segment) -> None:
        await self._called("edit", placement, ref.message, segment)

    async def delete(self, placement: Placement, ref: MessageRef) -> None:
        raise AssertionError("an answer of one message is never taken away")

    async def _called(self, operation: Operation, placement: Placement, message: str, segment: Segment) -> None:
        thread = placement.thread_id
        await asyncio.sleep(LATENCY_S / 2)
        now = asyncio.get_running_loop().time()
        self.calls[operation] += 1
        refusal = self._rules.refusal(operation, thread, now)
        if refusal is None:
            shown = self.seen[thread]
            shown.messages[message] = len(segment.text)
            shown.states.append((now + LATENCY_S / 2, sum(shown.messages.values()) // DELTA))
        else:
            self.refused.append(now)
        await asyncio.sleep(LATENCY_S / 2)
        if refusal is not None:
            raise RateLimited("429", refusal[0], refusal[1])
