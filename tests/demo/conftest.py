"""A running demo in this process, and a page's connection to it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from pydantic import SecretStr

from bots.assistant import default_assistant
from bots.demo.demo import Demo, opened_demo
from bots.settings import Settings
from core.agent import Agent
from core.chat.answerer import Answerer
from core.models.demo import DemoModel

Json = dict[str, Any]
WITHIN_S = 15.0


def demo_settings(home: Path, **more: Any) -> Settings:
    return Settings(
        _env_file=None,
        parley_model="demo",
        parley_data_dir=home,
        openai_api_key=SecretStr(""),
        openai_base_url="",
        parley_agent="",
        parley_http_host="127.0.0.1",
        **more,
    )


def paced(settings: Settings, pace: float) -> Answerer:
    """The default assistant with the demo model at another pace; 0 does not wait."""
    agent = default_assistant(settings)
    assert isinstance(agent, Agent)
    agent.model = DemoModel(pace=pace)
    return agent


class Page:
    """What the page hears and does."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self.socket = socket
        self.heard: list[Json] = []
        self.number = 0

    async def next(self) -> Json:
        async with asyncio.timeout(WITHIN_S):
            change: Json = json.loads(await self.socket.receive_str())
        self.heard.append(change)
        return change

    async def until(self, wanted: Callable[[Json], object]) -> Json:
        """Read on until a change is wanted, and return it."""
        while not wanted(change := await self.next()):
            pass
        return change

    async def act(self, platform: str, **act: Any) -> Json:
        """Have something done, and return the `done` that answers it."""
        self.number += 1
        await self.socket.send_str(json.dumps({"platform": platform, "number": self.number, **act}))
        return await self.until(lambda change: change["type"] == "done" and change["number"] == self.number)

    async def message(self, platform: str, wanted: Callable[[Json], object]) -> Json:
        """Read on until a message of `platform` is wanted."""
        change = await self.until(
            lambda change: change["type"] == "message" and change["platform"] == platform and wanted(change["message"])
        )
        return dict(change["message"])


@asynccontextmanager
async def running_demo(home: Path, redis_url: str, pace: float = 0, **more: Any) -> AsyncIterator[Demo]:
    settings = demo_settings(home, redis_url=SecretStr(redis_url), **more)
    until = asyncio.Event()
    async with opened_demo(settings, 0, paced(settings, pace)) as demo:
        running = asyncio.create_task(demo.bot.run(until))
        try:
            await demo.ready()
            yield demo
        finally:
            until.set()
            await running


@pytest.fixture
async def demo(tmp_path: Path, store: object, redis_url: str) -> AsyncIterator[Demo]:
    async with running_demo(tmp_path, redis_url) as running:
        yield running


@pytest.fixture
async def web() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession(trust_env=False) as session:
        yield session


@pytest.fixture
async def page(demo: Demo, web: aiohttp.ClientSession) -> AsyncIterator[Page]:
    """Connected, with the snapshot heard already: `page.heard[0]`."""
    async with web.ws_connect(f"{demo.address}/live", max_msg_size=0) as socket:
        opened = Page(socket)
        await opened.next()
        yield opened


@pytest.fixture(name="paced_demo")
def paced_demo_fixture(tmp_path: Path, store: object, redis_url: str) -> Callable[[float], Any]:
    return lambda pace, **more: running_demo(tmp_path, redis_url, pace, **more)


@pytest.fixture(name="page_of")
def page_of_fixture() -> Callable[[aiohttp.ClientWebSocketResponse], Page]:
    return Page


@pytest.fixture(name="settings_in")
def settings_in_fixture() -> Callable[..., Settings]:
    return demo_settings
