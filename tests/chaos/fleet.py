"""A fleet of `parley run` processes with somebody who starts again what has ended."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import aiohttp

from tests.e2e.test_process import free_port

LOOK_EVERY_S = 0.1


@dataclass
class Member:
    """One place in the fleet. started: how often it was."""

    name: str
    words: tuple[str, ...]
    pid: int = 0
    port: int = 0
    started: int = 0
    log: Path = field(default=Path())

    @property
    def is_running(self) -> bool:
        try:
            os.kill(self.pid, 0)
        except ProcessLookupError:
            return False
        return True

    def send(self, number: signal.Signals) -> None:
        with suppress(ProcessLookupError):
            os.kill(self.pid, number)


class Fleet:
    """home: where logs go.  settings: the environment of each process."""

    def __init__(self, home: Path, settings: Mapping[str, str], zygote: asyncio.subprocess.Process) -> None:
        self._home = home
        self._settings = settings
        self._zygote = zygote
        self._asking = asyncio.Lock()
        self.members: list[Member] = []
        self.kills = 0

    async def add(self, name: str, *words: str) -> Member:
        member = Member(name, words)
        await self.start(member)
        self.members.append(member)
        return member

    async def start(self, member: Member) -> None:
        member.started += 1
        member.port = free_port()
        member.log = self._home / f"{member.name}.log"
        order = {
            "words": member.words,
            "env": {
                "PATH": "/usr/bin:/bin",
                "HOME": str(self._home),
                "PARLEY_DATA_DIR": str(self._home / "data"),
                "PARLEY_HTTP_PORT": str(member.port),
                **self._settings,
            },
            "home": str(self._home),
            "log": str(member.log),
        }
        assert self._zygote.stdin is not None and self._zygote.stdout is not None
        async with self._asking:
            self._zygote.stdin.write(json.dumps(order).encode() + b"\n")
            await self._zygote.stdin.drain()
            member.pid = int(await self._zygote.stdout.readline())

    async def until_ready(self, within_s: float = 60.0) -> None:
        """Return once every process says that it does its share."""
        async with aiohttp.ClientSession() as http, asyncio.timeout(within_s):
            for member in self.members:
                while not await _is_ready(http, member.port):  # noqa: ASYNC110 - another process
                    await asyncio.sleep(0.05)

    async def keep_running(self) -> None:
        """Start again whatever has ended, until cancelled."""
        while True:
            for member in self.members:
                if not member.is_running:
                    await self.start(member)
            await asyncio.sleep(LOOK_EVERY_S)

    def kill(self, share: float) -> Member:
        """SIGKILL one that runs, chosen by a number from 0 to 1."""
        running = [member for member in self.members if member.is_running] or self.members
        member = running[int(share * len(running))]
        member.send(signal.SIGKILL)
        self.kills += 1
        return member

    def logged(self) -> str:
        return "".join(path.read_text(errors="replace") for path in sorted(self._home.glob("*.log")))

    def end(self) -> None:
        for member in self.members:
            member.send(signal.SIGKILL)


async def _is_ready(http: aiohttp.ClientSession, port: int) -> bool:
    try:
        async with http.get(f"http://127.0.0.1:{port}/readyz") as answer:
            return answer.status == 200
    except aiohttp.ClientError:
        return False


@asynccontextmanager
async def a_fleet(
    home: Path, settings: Mapping[str, str], waits: Mapping[str, float] | None = None
) -> AsyncIterator[Fleet]:
    """waits: constants of Parley by their full names, see `zygote`."""
    zygote = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "tests.chaos.zygote",
        *(f"{name}={value}" for name, value in (waits or {}).items()),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    assert zygote.stdout is not None
    assert await zygote.stdout.readline() == b"ready\n"
    fleet = Fleet(home, settings, zygote)
    try:
        yield fleet
    finally:
        fleet.end()
        zygote.kill()
        await zygote.communicate()
