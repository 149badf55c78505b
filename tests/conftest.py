"""What every test gets: a real Redis server, no orphaned tasks, no proxies."""

from __future__ import annotations

import asyncio
import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from core.store import Store
from core.store.embedded import find_server

# How long an example takes says something of the machine and what else it is doing, nothing of our code.
_UNTIMED = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("suite", _UNTIMED)
settings.register_profile("deep", _UNTIMED, max_examples=3000)  # see also tests/depth.py
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "suite"))


@pytest.fixture(scope="session")
def redis_url() -> Iterator[str]:
    """One real server for the whole run, on a unix socket; `store` empties it before each test."""
    home = Path(tempfile.mkdtemp(prefix="parley-redis-"))
    socket = home / "redis.sock"
    server = subprocess.Popen(
        [str(find_server()), "--port", "0", "--unixsocket", str(socket), "--save", "", "--dir", str(home)],
        stdout=subprocess.DEVNULL,
    )
    deadline = time.monotonic() + 10
    while not socket.exists():
        if server.poll() is not None or time.monotonic() > deadline:
            raise RuntimeError("the Redis server for the tests did not start")
        time.sleep(0.01)
    yield f"unix://{socket}"
    server.terminate()
    server.wait(10)
    shutil.rmtree(home, ignore_errors=True)


@pytest.fixture
async def store(redis_url: str) -> AsyncIterator[Store]:
    opened = await Store.open(redis_url)
    await opened.redis.flushall()
    yield opened
    await opened.aclose()


@pytest.fixture(autouse=True)
async def _no_orphaned_tasks() -> AsyncIterator[None]:
    """A test that leaves a task running has lost track of something."""
    yield
    left = {task for task in asyncio.all_tasks() if task is not asyncio.current_task()}
    for _ in range(20):  # tasks that are ending get a few turns of the loop to do so
        if not left:
            return
        await asyncio.sleep(0)
        left = {task for task in left if not task.done()}
    names = sorted(task.get_name() for task in left)
    for task in left:
        task.cancel()
    await asyncio.gather(*left, return_exceptions=True)
    raise AssertionError(f"tasks left behind: {names}")


@pytest.fixture(autouse=True)
def _no_proxies(monkeypatch: pytest.MonkeyPatch) -> None:
    """slack_sdk and aiohttp take proxies from the environment, also for loopback."""
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)
