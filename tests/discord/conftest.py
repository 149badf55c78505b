"""A local Discord, and an adapter that is connected to it."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from adapters.emulators.discord import DiscordEmulator, Limits
from tests.discord.room import Room, connected


@pytest.fixture
async def emulator() -> AsyncIterator[DiscordEmulator]:
    async with DiscordEmulator(limits=Limits().faster(20)).running() as emulator:
        yield emulator


@pytest.fixture
async def room(emulator: DiscordEmulator) -> AsyncIterator[Room]:
    async with connected(emulator) as room:
        yield room
