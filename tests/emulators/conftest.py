"""Local Discords and a client of their REST side; other files here have an `emulator` of their own."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable

import aiohttp
import pytest

from adapters.emulators.clock import Clock
from adapters.emulators.discord import DiscordEmulator, Limits, Rate
from tests.emulators.rest import NOON, Rest


@pytest.fixture
async def emulator() -> AsyncIterator[DiscordEmulator]:
    quick = Rate(100, 1)
    roomy = Limits(create=quick, edit=quick, other=quick, reaction=quick, commands=quick, global_=Rate(1000, 1))
    async with DiscordEmulator(Clock(NOON, frozen=True), limits=roomy).running() as running:
        yield running


@pytest.fixture
async def strict() -> AsyncIterator[DiscordEmulator]:
    """With Discord's own numbers, and a clock that only moves when told to."""
    async with DiscordEmulator(Clock(NOON, frozen=True)).running() as running:
        yield running


@pytest.fixture
async def sessions() -> AsyncIterator[Callable[[DiscordEmulator], Rest]]:
    async with aiohttp.ClientSession(trust_env=False) as session:
        yield lambda emulator: Rest(emulator, session)


@pytest.fixture
def rest(emulator: DiscordEmulator, sessions: Callable[[DiscordEmulator], Rest]) -> Rest:
    return sessions(emulator)
