"""Demo: both emulators, the adapters, the bot and the page, put together.

Nothing of Parley is special here: its adapters talk to the emulators as they would to Slack and Discord, over HTTP
and WebSocket, and the page shows what has gone over the wire.
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import logging
import os
import sys
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path

from aiohttp import web
from pydantic import SecretStr

from adapters.discord import DiscordAdapter, DiscordSettings
from adapters.emulators.discord import DiscordEmulator
from adapters.emulators.slack import SlackEmulator
from adapters.slack import SlackAdapter, SlackSettings
from bots import health
from bots.assistant import make_answerer, model_name, provider_name
from bots.bot import Bot, opened_store
from bots.demo import page
from bots.demo.discord_pane import DiscordPane, people_discord
from bots.demo.live import Live
from bots.demo.pane import Json
from bots.demo.policies import Chosen, Policies
from bots.demo.slack_pane import SlackPane, peopled_slack
from bots.serve import signalled
from bots.settings import Settings, secret
from core.chat.adapter import Adapter
from core.chat.answerer import Answerer
from core.errors import ConfigError

log = logging.getLogger(__name__)

FIRST_PORT = 8080
"""Tried when no port was asked for; if it is taken, any free one will do."""
CONNECT_S = 30.0
_LOOK_EVERY_S = 0.02


@dataclass(frozen=True, slots=True)
class Demo:
    """A running demo. address: of the page, without a slash at the end."""

    address: str
    slack: SlackEmulator
    discord: DiscordEmulator
    adapters: tuple[Adapter, ...]
    bot: Bot

    async def ready(self) -> None:
        """Return when both platforms deliver, and Discord knows the commands. Raises TimeoutError."""
        async with asyncio.timeout(CONNECT_S):
            while not self._connected():  # noqa: ASYNC110  # adapters say whether they are ready, not when
                await asyncio.sleep(_LOOK_EVERY_S)

    def _connected(self) -> bool:
        return bool(self.discord.world.commands) and not any(adapter.unready() for adapter in self.adapters)


async def serve_demo(settings: Settings, port: int | None) -> None:
    """Run until SIGTERM or SIGINT; prints the address when all is ready. port: of the page, None if any will do.

    Raises ConfigError for what somebody must put right, a port that is taken among it.
    """
    until = signalled()
    # A Redis that is set serves the real bot; the demo's worker would take that one's turns.
    settings = settings.model_copy(update={"redis_url": SecretStr("")})
    logging.getLogger("discord").setLevel(logging.ERROR)  # it warns of voice, and of heartbeats that loopback outruns
    async with opened_demo(settings, port) as demo, asyncio.TaskGroup() as tasks:
        running = tasks.create_task(demo.bot.run(until), name="bot")
        waiting = tasks.create_task(demo.ready(), name="ready")
        await asyncio.wait({running, waiting}, return_when=asyncio.FIRST_COMPLETED)
        if waiting.done() and waiting.exception() is None:
            _say(f"Parley demo is ready: {demo.address}/", str(about_model(settings)["line"]))
            log.info("demo.started", extra={"http": demo.address, "model": answering(settings)})
        await asyncio.wait({running})
        waiting.cancel()
    log.info("demo.ended")


@asynccontextmanager
async def opened_demo(settings: Settings, port: int | None, answerer: Answerer | None = None) -> AsyncIterator[Demo]:
    """Everything but the bot's own run, served and open while inside. answerer: instead of what is set."""
    async with AsyncExitStack() as stack:
        answerer = answerer or make_answerer(settings)
        settings = stack.enter_context(_own_data_dir(settings))
        chosen: Chosen = dict(settings.parley_busy_policies)
        settings = settings.model_copy(update={"parley_busy_policies": chosen})
        slack = await stack.enter_async_context(peopled_slack().running())
        discord = await stack.enter_async_context(DiscordEmulator().running())
        await people_discord(discord)
        otherwise = settings.parley_busy_policy
        live = Live(
            [
                SlackPane(slack, Policies("slack", f"slack:{slack.team_id}", chosen, otherwise)),
                DiscordPane(discord, Policies("discord", f"discord:{discord.guild_id}", chosen, otherwise)),
            ],
            about_model(settings),
        )
        store = await stack.enter_async_context(opened_store(settings))
        adapters: tuple[Adapter, ...] = (
            SlackAdapter(
                SlackSettings(
                    slack.bot_token,
                    slack.app_token,
                    api_url=slack.api_url,
                    streaming=settings.parley_slack_streaming,
                )
            ),
            DiscordAdapter(DiscordSettings(discord.bot_token, discord.api_url)),
        )
        bot = await stack.enter_async_context(Bot(settings, store, answerer, adapters, provider_name(settings)))
        app = health.application(store, bot.unready, page.routes(live))
        app.middlewares.append(page.guard(settings.parley_http_host))
        address = await stack.enter_async_context(_served(app, settings.parley_http_host, port))
        stack.push_async_callback(live.aclose)
        yield Demo(address, slack, discord, adapters, bot)


def answering(settings: Settings) -> str:
    return settings.parley_agent or model_name(settings)


def about_model(settings: Settings) -> Json:
    """Who answers, for the page and the terminal: `name`, whether it is the built-in `demo`, and a `line` of text."""
    name = answering(settings)
    built_in = name == "demo"
    line = (
        "The built-in demo model answers by rules; for a real one set OPENAI_API_KEY, ANTHROPIC_API_KEY or "
        "GEMINI_API_KEY, or PARLEY_MODEL=ollama:llama3.2."
        if built_in
        else f"{name} answers; PARLEY_MODEL chooses another model."
    )
    return {"name": name, "demo": built_in, "line": line}


@asynccontextmanager
async def _served(app: web.Application, host: str, port: int | None) -> AsyncIterator[str]:
    async with AsyncExitStack() as stack:
        try:
            address = await stack.enter_async_context(health.served(app, host, FIRST_PORT if port is None else port))
        except ConfigError as exc:
            if port is not None or exc.setting != "PARLEY_HTTP_PORT":
                raise
            address = await stack.enter_async_context(health.served(app, host, 0))
        yield address


@contextmanager
def _own_data_dir(settings: Settings) -> Iterator[Settings]:
    """A data directory for this demo alone: `demo` in the one that is set, or, while another demo has it, a new one.

    Two demos in one Redis would take each other's messages to the wrong platforms.
    """
    if secret(settings.redis_url):
        yield settings
        return
    home = settings.parley_data_dir / "demo"
    with contextlib.ExitStack() as stack:
        if not _locked(home, stack):
            home = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="parley-demo-")))
        yield settings.model_copy(update={"parley_data_dir": home})


def _locked(home: Path, stack: contextlib.ExitStack) -> bool:
    try:
        home.mkdir(parents=True, exist_ok=True, mode=0o700)
        lock = os.open(home / "demo.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as exc:
        raise ConfigError(
            "PARLEY_DATA_DIR", f"{home.parent} cannot be written ({exc.strerror}).", "Name a directory of yours."
        ) from exc
    stack.callback(os.close, lock)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _say(*lines: str) -> None:
    sys.stdout.write("".join(f"{line}\n" for line in lines))
    sys.stdout.flush()
