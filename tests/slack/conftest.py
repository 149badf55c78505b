"""An emulated Slack, an Intake that keeps what it is given, and the adapter between them."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field

import pytest
from aiohttp import web

from adapters.emulators.slack.emulator import SlackEmulator
from adapters.slack import SlackAdapter, SlackSettings
from core.chat import (
    CommandCall,
    Message,
    Rated,
    Retried,
    ScopeId,
    Spot,
    ThreadId,
    UserId,
    Verdict,
    Vote,
)


@dataclass
class KeepingIntake:
    """Accepts everything once. verdict: given instead; failure: raised instead; gate: awaited first."""

    messages: list[Message] = field(default_factory=list)
    calls: list[CommandCall] = field(default_factory=list)
    stops: list[str] = field(default_factory=list)
    retries: list[str] = field(default_factory=list)
    changes: list[tuple[str, str, str]] = field(default_factory=list)
    verdict: Verdict | None = None
    failure: Exception | None = None
    gate: asyncio.Event | None = None
    attempts: int = 0
    ratings: list[tuple[str, UserId, Vote]] = field(default_factory=list)
    running: set[str] = field(default_factory=set)
    answer: str = "**Usage**"
    seen: set[str] = field(default_factory=set)

    async def accept(self, message: Message) -> Verdict:
        self.attempts += 1
        if self.gate:
            await self.gate.wait()
        if self.failure:
            raise self.failure
        if self.verdict:
            return self.verdict
        if self.seen & set(message.keys):
            return "duplicate"
        self.seen |= set(message.keys)
        self.messages.append(message)
        return "accepted"

    async def stop(self, stop: str) -> bool:
        if self.failure:
            raise self.failure
        self.stops.append(stop)
        return stop in self.running

    async def retry(self, retry: str) -> Retried:
        self.retries.append(retry)
        return "accepted" if retry in self.running else "old"

    async def rated(self, rating: str, user: UserId, vote: Vote) -> Rated:
        if self.failure:
            raise self.failure
        self.ratings.append((rating, user, vote))
        return "noted" if rating in self.running else "unknown"

    async def edited(self, spot: Spot, text: str, version: str) -> None:
        await self._changed("edited", spot, text)

    async def deleted(self, spot: Spot) -> None:
        await self._changed("deleted", spot, "")

    async def reacted(self, spot: Spot, reaction: str) -> None:
        await self._changed("reacted", spot, reaction)

    async def stop_in(self, thread_id: ThreadId) -> bool:
        await self._changed("stopped", Spot(ScopeId(""), thread_id), "")
        return thread_id in self.running

    async def _changed(self, kind: str, spot: Spot, text: str) -> None:
        if self.failure:
            raise self.failure
        self.changes.append((kind, spot.key, text))

    async def command(self, call: CommandCall) -> str:
        self.attempts += 1
        if self.gate:
            await self.gate.wait()
        if self.failure:
            raise self.failure
        self.calls.append(call)
        return self.answer


@pytest.fixture
async def emulator() -> AsyncIterator[SlackEmulator]:
    slack = SlackEmulator()
    async with slack.running():
        yield slack


@pytest.fixture
def intake() -> KeepingIntake:
    return KeepingIntake()


@pytest.fixture
def settings(emulator: SlackEmulator) -> SlackSettings:
    return SlackSettings(bot_token=emulator.bot_token, app_token=emulator.app_token, api_url=emulator.api_url)


@pytest.fixture
async def adapter(
    settings: SlackSettings, emulator: SlackEmulator, intake: KeepingIntake
) -> AsyncIterator[SlackAdapter]:
    """Open, listening, and connected over Socket Mode."""
    slack = SlackAdapter(settings, ping_interval_s=0.2, check_s=0.1)
    async with listening(slack, intake):
        await until(lambda: slack.unready() is None)
        yield slack


@pytest.fixture
async def http_adapter(emulator: SlackEmulator, intake: KeepingIntake) -> AsyncIterator[SlackAdapter]:
    """Open and listening over HTTP, with its routes served on a port of their own."""
    slack = SlackAdapter(
        SlackSettings(bot_token=emulator.bot_token, signing_secret=emulator.signing_secret, api_url=emulator.api_url)
    )
    served = web.Application()
    served.add_routes(slack.routes())
    runner = web.AppRunner(served, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        async with listening(slack, intake):
            await until(lambda: slack.unready() is None)
            port = runner.addresses[0][1]
            assert await emulator.use_request_url(f"http://127.0.0.1:{port}/slack/events")
            yield slack
    finally:
        await runner.cleanup()


@pytest.fixture(name="until")
def until_fixture() -> Callable[..., Awaitable[None]]:
    return until


@pytest.fixture(name="listening")
def listening_fixture() -> Callable[..., contextlib.AbstractAsyncContextManager[None]]:
    return listening


@contextlib.asynccontextmanager
async def listening(slack: SlackAdapter, intake: KeepingIntake) -> AsyncIterator[None]:
    await slack.open()
    task = asyncio.create_task(slack.listen(intake))
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await slack.aclose()


async def until(true: Callable[[], object], within_s: float = 10.0) -> None:
    """Let the loop run until `true()`; within_s: real seconds, then TimeoutError."""
    async with asyncio.timeout(within_s):
        while not true():  # noqa: ASYNC110  # there is no event to wait on
            await asyncio.sleep(0.005)
