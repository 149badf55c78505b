"""`parley run` as an operator meets it: a process with settings, signals, exit codes and one line for each mistake."""

from __future__ import annotations

import asyncio
import os
import re
import signal
import socket
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import pytest

from adapters.emulators.discord import DiscordEmulator
from adapters.emulators.slack import SlackEmulator
from tests.e2e.conftest import has_stop_button
from tests.providers.openai_server import OpenAIServer, Reply

PARLEY = Path(sys.executable).with_name("parley")


async def slow(_: int) -> None:
    await asyncio.sleep(0.05)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Process:
    """A running `parley`, with nothing in its environment but what is given."""

    def __init__(self, process: asyncio.subprocess.Process, port: int) -> None:
        self.process = process
        self.port = port
        self.log: list[str] = []

    async def until_logged(self, pattern: str, timeout: float = 20.0) -> None:
        assert self.process.stderr is not None
        async with asyncio.timeout(timeout):
            while line := (await self.process.stderr.readline()).decode():
                self.log.append(line)
                if re.search(pattern, line):
                    return
        raise AssertionError(f"never logged {pattern!r}:\n{''.join(self.log)}")

    async def until_ready(self, timeout: float = 20.0) -> None:
        await self.until_logged("bot.started", timeout)
        async with aiohttp.ClientSession() as http, asyncio.timeout(timeout):
            while (await http.get(f"http://127.0.0.1:{self.port}/readyz")).status != 200:  # noqa: ASYNC110
                await asyncio.sleep(0.05)

    async def ended(self, timeout: float = 12.0) -> int:
        assert self.process.stderr is not None
        async with asyncio.timeout(timeout):
            self.log += (await self.process.stderr.read()).decode().splitlines(keepends=True)
            return await self.process.wait()


@asynccontextmanager
async def parley(command: str, directory: Path, **settings: str) -> AsyncIterator[Process]:
    port = free_port()
    env = {
        "PATH": "/usr/bin:/bin",
        "HOME": str(directory),
        "PARLEY_DATA_DIR": str(directory / "data"),
        "PARLEY_HTTP_PORT": str(port),
        **settings,
    }
    process = await asyncio.create_subprocess_exec(
        str(PARLEY),
        *command.split(),
        cwd=directory,
        env=env,
        stderr=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.DEVNULL,
    )
    try:
        yield Process(process, port)
    finally:
        if process.returncode is None:
            os.kill(process.pid, signal.SIGKILL)
        await process.communicate()


@pytest.fixture
async def world() -> AsyncIterator[tuple[SlackEmulator, DiscordEmulator, OpenAIServer]]:
    slack, discord = SlackEmulator(), DiscordEmulator()
    async with slack.running(), discord.running(), OpenAIServer() as provider:
        yield slack, discord, provider


def both(slack: SlackEmulator, discord: DiscordEmulator, provider: OpenAIServer) -> dict[str, str]:
    return {
        "SLACK_BOT_TOKEN": slack.bot_token,
        "SLACK_APP_TOKEN": slack.app_token,
        "SLACK_API_URL": slack.api_url,
        "DISCORD_BOT_TOKEN": discord.bot_token,
        "DISCORD_API_URL": discord.api_url,
        "OPENAI_BASE_URL": provider.base_url,
        "OPENAI_API_KEY": "sk-test-secret-value",
    }


async def test_one_process_serves_both_platforms_and_sigterm_ends_it(
    world: tuple[SlackEmulator, DiscordEmulator, OpenAIServer], tmp_path: Path
) -> None:
    """Exit code 0 within 10 s, the running answer visibly stopped, and no secret or text in the log."""
    slack, discord, provider = world
    provider.reply(Reply(["word "] * 4000, pause=slow))
    async with parley("run", tmp_path, PARLEY_LOG_LEVEL="DEBUG", **both(*world)) as process:
        await process.until_ready()
        question = await slack.say("ada", "general", "@Parley a private question")
        asked = await discord.say("Ada", "general", "@Parley a private question")
        await slack.wait_for(lambda: slack.bot_messages("general", question.ts), 10)
        await discord.wait_for(lambda: any(discord.messages(thread) for thread in discord.threads()), 10)
        process.process.send_signal(signal.SIGTERM)
        assert await process.ended(10) == 0
        [answer] = slack.bot_messages("general", question.ts)
        assert "shutting down" in answer.visible
        assert not has_stop_button(answer)
        [thread] = [thread for thread in discord.threads() if thread.id == asked.id]
        assert "shutting down" in discord.messages(thread)[-1].content
        log = "".join(process.log)
        for secret in (slack.bot_token, slack.app_token, discord.bot_token, "sk-test-secret-value", "private question"):
            assert secret not in log


async def test_platforms_that_do_not_answer_at_once_do_not_end_the_start(
    world: tuple[SlackEmulator, DiscordEmulator, OpenAIServer], tmp_path: Path
) -> None:
    """Exit code 2 tells an operator that a setting is wrong; a lost answer does not."""
    slack, discord, _ = world
    slack.fail_next("auth.test", after_effect=True)
    discord.fail_next("GET /users/@me", status=503)
    async with parley("run", tmp_path, **both(*world)) as process:
        await process.until_ready()
        assert len([line for line in process.log if "start.call_failed" in line]) == 2
        process.process.send_signal(signal.SIGTERM)
        assert await process.ended(10) == 0


async def test_a_process_that_waits_for_its_platforms_ends_when_it_is_told_to(
    world: tuple[SlackEmulator, DiscordEmulator, OpenAIServer], tmp_path: Path
) -> None:
    """Or a deploy would have to kill it."""
    slack, _, _ = world
    slack.fail_next("auth.test", status=429, retry_after=50)
    async with parley("run", tmp_path, **both(*world)) as process:
        await process.until_logged("start.call_failed")
        process.process.send_signal(signal.SIGTERM)
        assert await process.ended(5) == 0


async def test_killed_and_started_again_the_thread_is_still_a_conversation(
    world: tuple[SlackEmulator, DiscordEmulator, OpenAIServer], tmp_path: Path
) -> None:
    """SIGKILL, also in the middle of an answer: the same message goes on, and the history is there."""
    slack, _, provider = world
    provider.reply("Hello Ada.")
    async with parley("run", tmp_path, **both(*world)) as process:
        await process.until_ready()
        question = await slack.say("ada", "general", "@Parley I am Ada")
        await slack.wait_for(lambda: slack.bot_messages("general", question.ts), 10)
        provider.reply(Reply(["word "] * 4000, pause=slow))
        await slack.say("ada", "general", "go on", thread_ts=question.ts)
        await slack.wait_for(lambda: len(slack.bot_messages("general", question.ts)) == 2, 10)
        process.process.kill()
        await process.process.wait()
    provider.reply("Your name is Ada.")
    async with parley("run", tmp_path, **both(*world)) as process:
        await process.until_ready()
        await slack.wait_for(lambda: "Your name" in slack.bot_messages("general", question.ts)[-1].visible, 30)
        assert len(slack.bot_messages("general", question.ts)) == 2
        sent = [m["content"] for m in provider.requests[-1].messages if m["role"] != "system"]
        assert sent == ["I am Ada", "Hello Ada.", "go on"]


async def test_http_mode_takes_signed_events_on_the_same_port(
    world: tuple[SlackEmulator, DiscordEmulator, OpenAIServer], tmp_path: Path
) -> None:
    slack, _, provider = world
    settings = {
        "SLACK_BOT_TOKEN": slack.bot_token,
        "SLACK_SIGNING_SECRET": slack.signing_secret,
        "SLACK_API_URL": slack.api_url,
        "OPENAI_BASE_URL": provider.base_url,
    }
    async with parley("run", tmp_path, **settings) as process:
        await process.until_ready()
        assert await slack.use_request_url(f"http://127.0.0.1:{process.port}/slack/events")
        question = await slack.say("ada", "general", "@Parley hello")
        [answer] = await slack.wait_for(lambda: slack.bot_messages("general", question.ts), 10)
        assert answer.visible.strip() == "Hello"
        used = await slack.slash("ada", "general", "/parley", "usage")
        await slack.wait_for(lambda: used.shown, 10)
        assert "Usage of this workspace" in used.shown[0].visible
        async with aiohttp.ClientSession() as http:
            forged = await http.post(f"http://127.0.0.1:{process.port}/slack/events", json={"type": "event_callback"})
            assert forged.status == 401


MISTAKES: dict[str, tuple[dict[str, str], str]] = {
    "wrong bot token": ({"SLACK_BOT_TOKEN": "xoxb-wrong"}, "SLACK_BOT_TOKEN"),
    "wrong app token": ({"SLACK_APP_TOKEN": "xapp-wrong"}, "SLACK_APP_TOKEN"),
    "neither app token nor secret": ({"SLACK_APP_TOKEN": ""}, "SLACK_APP_TOKEN|SLACK_SIGNING_SECRET"),
    "wrong discord token": ({"DISCORD_BOT_TOKEN": "wrong"}, "DISCORD_BOT_TOKEN"),
    "slack not reachable": ({"SLACK_API_URL": "http://127.0.0.1:1/api/"}, "SLACK_API_URL"),
    "discord not reachable": ({"DISCORD_API_URL": "http://127.0.0.1:1/api/v10"}, "DISCORD_API_URL"),
    "redis not reachable": ({"REDIS_URL": "redis://127.0.0.1:1/0"}, "REDIS_URL"),
    "model not known": ({"PARLEY_MODEL": "nobody:nothing"}, "PARLEY_MODEL"),
    "port is no number": ({"PARLEY_HTTP_PORT": "many"}, "PARLEY_HTTP_PORT"),
    "agent not there": ({"PARLEY_AGENT": "no_such_module:agent"}, "PARLEY_AGENT"),
}


@pytest.mark.parametrize("mistake", MISTAKES)
async def test_a_mistake_is_one_line_that_names_the_setting(
    world: tuple[SlackEmulator, DiscordEmulator, OpenAIServer], tmp_path: Path, mistake: str
) -> None:
    settings, named = MISTAKES[mistake]
    async with parley("run", tmp_path, PARLEY_LOG_LEVEL="ERROR", **(both(*world) | settings)) as process:
        assert await process.ended(20) not in (0, None)
        [line] = process.log
        assert re.match(f"parley: ({named}): ", line)
        for value in settings.values():
            assert not value.startswith("xoxb") or value not in line


async def test_a_missing_scope_or_intent_is_named(
    world: tuple[SlackEmulator, DiscordEmulator, OpenAIServer], tmp_path: Path
) -> None:
    slack, discord, _ = world
    slack.settings.scopes.discard("chat:write")
    async with parley("run", tmp_path, PARLEY_LOG_LEVEL="ERROR", **both(*world)) as process:
        assert await process.ended(20) not in (0, None)
        assert "chat:write" in process.log[0]
    slack.settings.scopes.add("chat:write")
    discord.allow_intents(0)
    async with parley("run", tmp_path, PARLEY_LOG_LEVEL="ERROR", **both(*world)) as process:
        assert await process.ended(20) not in (0, None)
        assert "Message Content" in process.log[0]
        assert len(process.log) == 1


async def test_a_taken_port_is_named(
    world: tuple[SlackEmulator, DiscordEmulator, OpenAIServer], tmp_path: Path
) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        settings = both(*world) | {"PARLEY_HTTP_PORT": str(taken.getsockname()[1])}
        async with parley("run", tmp_path, PARLEY_LOG_LEVEL="ERROR", **settings) as process:
            assert await process.ended(20) not in (0, None)
            assert re.fullmatch(r"parley: PARLEY_HTTP_PORT: port \d+ .* taken.*\n", process.log[0])


async def test_a_redis_killed_for_good_measure_is_started_again_and_nothing_is_lost(
    world: tuple[SlackEmulator, DiscordEmulator, OpenAIServer], tmp_path: Path
) -> None:
    """The built-in server dies; the bot starts it anew and goes on."""
    slack, _, _ = world
    async with parley("run", tmp_path, **both(*world)) as process:
        await process.until_ready()
        question = await slack.say("ada", "general", "@Parley hello")
        await slack.wait_for(lambda: slack.bot_messages("general", question.ts), 10)
        os.kill(redis_pid(tmp_path / "data" / "redis"), signal.SIGKILL)
        await slack.say("ada", "general", "still there?", thread_ts=question.ts)
        await slack.wait_for(lambda: len(slack.bot_messages("general", question.ts)) == 2, 20)


def redis_pid(directory: Path) -> int:
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            words = (entry / "cmdline").read_bytes().split(b"\0")
            cwd = (entry / "cwd").resolve()
        except OSError:
            continue
        if b"redis-server" in words[0] and cwd == directory:
            return int(entry.name)
    raise AssertionError("no Redis server of ours")
