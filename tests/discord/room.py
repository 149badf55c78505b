"""A connected adapter, the local Discord it is connected to, and an Intake that remembers."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from adapters.discord import DiscordAdapter, DiscordSettings
from adapters.emulators.discord import DiscordEmulator
from core.chat import (
    Adapter,
    CommandCall,
    Message,
    Placement,
    Rated,
    RateLimited,
    Retried,
    Spot,
    StoreUnavailable,
    ThreadId,
    UserId,
    Verdict,
    Vote,
)


@dataclass
class Desk:
    """An Intake that remembers what it was handed. away: how many calls still find the store away."""

    messages: list[Message] = field(default_factory=list)
    stops: list[str] = field(default_factory=list)
    retries: list[str] = field(default_factory=list)
    ratings: list[tuple[str, UserId, Vote]] = field(default_factory=list)
    changes: list[tuple[str, str, str]] = field(default_factory=list)
    calls: list[CommandCall] = field(default_factory=list)
    verdict: Verdict = "accepted"
    away: int = 0
    running: bool = True
    text: str = "All is well."

    def _reach_store(self) -> None:
        if self.away:
            self.away -= 1
            raise StoreUnavailable("away")

    async def accept(self, message: Message) -> Verdict:
        self._reach_store()
        self.messages.append(message)
        return self.verdict

    async def stop(self, stop: str) -> bool:
        self._reach_store()
        self.stops.append(stop)
        return self.running

    async def retry(self, retry: str) -> Retried:
        self._reach_store()
        self.retries.append(retry)
        return "accepted" if self.running else "old"

    async def rated(self, rating: str, user: UserId, vote: Vote) -> Rated:
        self._reach_store()
        self.ratings.append((rating, user, vote))
        return "noted" if self.running else "unknown"

    async def edited(self, spot: Spot, text: str, version: str) -> None:
        self._reach_store()
        self.changes.append(("edited", spot.key, text))

    async def deleted(self, spot: Spot) -> None:
        self._reach_store()
        self.changes.append(("deleted", spot.key, ""))

    async def reacted(self, spot: Spot, reaction: str) -> None:
        self._reach_store()
        self.changes.append(("reacted", spot.key, reaction))

    async def stop_in(self, thread_id: ThreadId) -> bool:
        self._reach_store()
        return False

    async def command(self, call: CommandCall) -> str:
        self._reach_store()
        self.calls.append(call)
        return self.text


@dataclass
class Room:
    """A connected adapter and the Discord it is connected to."""

    emulator: DiscordEmulator
    adapter: DiscordAdapter
    desk: Desk
    listening: asyncio.Task[None]

    async def until(self, true: Callable[[], object], timeout: float = 10.0) -> None:
        await self.emulator.wait_for(true, timeout)

    async def heard(self, count: int = 1, timeout: float = 10.0) -> Message:
        await self.until(lambda: len(self.desk.messages) >= count, timeout)
        assert len(self.desk.messages) == count
        return self.desk.messages[-1]


def place(message: Message) -> Placement:
    return Placement(message.thread_id, message.origin)


async def once_allowed(call: Callable[[], Awaitable[None]]) -> None:
    """Make a call as the writer does: come back when the platform says so."""
    for _ in range(10):
        try:
            return await call()
        except RateLimited as exc:
            await asyncio.sleep(exc.retry_after_s)
    raise AssertionError("the limit never ended")


@asynccontextmanager
async def connected(emulator: DiscordEmulator) -> AsyncIterator[Room]:
    adapter = DiscordAdapter(DiscordSettings(emulator.bot_token, emulator.api_url))
    port: Adapter = adapter
    await port.open()
    desk = Desk()
    listening = asyncio.create_task(port.listen(desk))
    room = Room(emulator, adapter, desk, listening)
    try:
        await room.until(lambda: port.unready() is None or listening.done())
        await room.until(lambda: emulator.calls("PUT /applications/*/commands"))
        yield room
    finally:
        listening.cancel()
        await asyncio.gather(listening, return_exceptions=True)
        await port.aclose()
        assert not emulator.impatient_calls
