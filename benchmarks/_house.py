"""A `parley run` process between an emulated Slack, an emulated Discord and a scripted model provider."""

from __future__ import annotations

import asyncio
import os
import re
import signal
import sys
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from adapters.emulators.discord import DiscordEmulator
from adapters.emulators.slack import RateLimits, SlackEmulator
from tests.providers.openai_server import OpenAIServer

PARLEY = Path(sys.executable).with_name("parley")


@asynccontextmanager
async def running_parley() -> AsyncIterator[
    tuple[asyncio.subprocess.Process, SlackEmulator, DiscordEmulator, OpenAIServer]
]:
    """Everything over real sockets; the bot is a process of its own, with its built-in Redis."""
    slack, discord = SlackEmulator(rate_limits=RateLimits(enforced=False)), DiscordEmulator()
    async with slack.running(), discord.running(), OpenAIServer() as provider:
        with tempfile.TemporaryDirectory() as home:
            env = {
                "PATH": os.environ["PATH"],
                "HOME": home,
                "PARLEY_DATA_DIR": f"{home}/data",
                "PARLEY_HTTP_PORT": "18473",
                "SLACK_BOT_TOKEN": slack.bot_token,
                "SLACK_APP_TOKEN": slack.app_token,
                "SLACK_API_URL": slack.api_url,
                "DISCORD_BOT_TOKEN": discord.bot_token,
                "DISCORD_API_URL": discord.api_url,
                "OPENAI_BASE_URL": provider.base_url,
            }
            process = await asyncio.create_subprocess_exec(
                str(PARLEY), "run", env=env, cwd=home, stderr=asyncio.subprocess.PIPE
            )
            assert process.stderr is not None
            try:
                while line := (await process.stderr.readline()).decode():
                    if re.search("bot.started", line):
                        break
                await slack.wait_for(lambda: slack.connections, 15)
                drain = asyncio.create_task(process.stderr.read())
                yield process, slack, discord, provider
            finally:
                process.send_signal(signal.SIGTERM)
                await process.wait()
                await drain
