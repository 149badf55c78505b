"""Several processes share the work: roles, and a deployment that nobody notices."""

from __future__ import annotations

import asyncio
import signal
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from itertools import pairwise
from pathlib import Path

import aiohttp

from adapters.emulators.discord import DiscordEmulator
from adapters.emulators.slack import SlackEmulator
from core.store import Store
from tests.e2e.conftest import has_stop_button
from tests.e2e.test_process import Process, both, parley, world
from tests.providers.openai_server import OpenAIServer, Reply

__all__ = ["world"]

World = tuple[SlackEmulator, DiscordEmulator, OpenAIServer]
WORDS = "".join(f"{number} " for number in range(30))


LONGEST_GAP_S = 8.0
"""Much less than the twelve seconds of a lease: nobody waits for one to lapse."""


async def slow(_: int) -> None:
    await asyncio.sleep(0.06)


def slowly() -> Reply:
    """An answer of 30 words in about two seconds."""
    return Reply([f"{number} " for number in range(30)], pause=slow)


@asynccontextmanager
async def processes(tmp_path: Path, *commands: str, **settings: str) -> AsyncIterator[list[Process]]:
    async with AsyncExitStack() as stack:
        started = []
        for number, command in enumerate(commands):
            home = tmp_path / f"{number}-{time.monotonic_ns()}"
            home.mkdir()
            started.append(await stack.enter_async_context(parley(command, home, **settings)))
        await asyncio.gather(*(process.until_ready() for process in started))
        yield started


async def about(process: Process, path: str) -> tuple[int, dict[str, object]]:
    async with aiohttp.ClientSession() as http, http.get(f"http://127.0.0.1:{process.port}{path}") as answer:
        return answer.status, await answer.json()


async def test_ingress_listens_and_workers_answer(world: World, store: Store, redis_url: str, tmp_path: Path) -> None:
    """One ingress, two workers: only the ingress is connected, both workers answer, a killed one is taken over."""
    slack, discord, provider = world
    provider.reply(slowly())
    settings = {**both(*world), "REDIS_URL": redis_url}
    async with processes(tmp_path, "run --role ingress", "run --role worker", "run --role worker", **settings) as (
        ingress,
        one,
        two,
    ):
        assert slack.connections == 1
        for process, role, parts in (
            (ingress, "ingress", {"bot", "slack", "discord", "redis"}),
            (one, "worker", {"bot", "redis"}),
        ):
            status, said = await about(process, "/readyz")
            assert (status, said["role"]) == (200, role)
            assert isinstance(said["parts"], dict) and set(said["parts"]) == parts
            assert (await about(process, "/healthz"))[1]["role"] == role
        asked = [await slack.say("ada", "general", f"@Parley question {number}") for number in range(8)]
        heard = await discord.say("Ada", "general", "@Parley hello")
        await slack.wait_for(lambda: all(slack.bot_messages("general", m.ts) for m in asked), 15)
        one.process.kill()
        await slack.wait_for(
            lambda: all(
                (found := slack.bot_messages("general", m.ts)) and found[0].visible.strip() == WORDS.strip()
                for m in asked
            ),
            40,
        )
        assert [len(slack.bot_messages("general", m.ts)) for m in asked] == [1] * 8
        [thread] = [thread for thread in discord.threads() if thread.id == heard.id]
        await discord.wait_for(
            lambda: (
                [m.content.strip() for m in discord.messages(thread) if m.author.id == discord.bot_user_id]
                == [WORDS.strip()]
            ),
            20,
        )
        last = await slack.say("ada", "general", "@Parley and you?")  # the one killed may have answered all the others
        await slack.wait_for(
            lambda: [m.visible.strip() for m in slack.bot_messages("general", last.ts)] == [WORDS.strip()], 20
        )
        ingress.process.send_signal(signal.SIGTERM)
        two.process.send_signal(signal.SIGTERM)
        assert [await ingress.ended(), await two.ended()] == [0, 0]
        logs = ["".join(process.log) for process in (ingress, two)]
        assert "turn.ended" not in logs[0]
        assert "turn.ended" in logs[1]
        assert "slack.socket.open" in logs[0] and "slack.socket.open" not in logs[1]


async def test_a_worker_needs_no_token_for_listening(world: World, redis_url: str, tmp_path: Path) -> None:
    """It opens neither Slack's socket nor Discord's gateway, so it gets by with what posting takes."""
    slack, _, provider = world
    settings = {"SLACK_BOT_TOKEN": slack.bot_token, "SLACK_API_URL": slack.api_url, "REDIS_URL": redis_url}
    settings |= {"OPENAI_BASE_URL": provider.base_url, "PARLEY_ROLE": "worker"}
    async with processes(tmp_path, "run", **settings) as [process]:
        assert (await about(process, "/readyz"))[1]["role"] == "worker"
        async with aiohttp.ClientSession() as http:
            posted = await http.post(f"http://127.0.0.1:{process.port}/slack/events", json={})
            assert posted.status == 404


async def test_a_role_that_is_none_is_refused(tmp_path: Path) -> None:
    """One line with the setting, as for every other mistake."""
    async with parley("run --role boss", tmp_path, PARLEY_LOG_LEVEL="ERROR") as process:
        assert await process.ended(20) == 2
        [line] = process.log
        assert line.startswith("parley: PARLEY_ROLE: ")


async def test_a_rolling_restart_under_load_shows_no_gap(
    world: World, store: Store, redis_url: str, tmp_path: Path
) -> None:
    """Two processes are replaced one after the other while people write: every answer is one message, whole, without
    a word of a restart, and an answer under way goes on in another process within a moment."""
    slack, _, provider = world
    provider.reply(slowly())
    settings = {**both(*world), "REDIS_URL": redis_url, "PARLEY_DRAIN_S": "0.2"}
    asked = []

    async def ask_on(until: asyncio.Event) -> None:
        while not until.is_set():
            asked.append(await slack.say("ada", "general", f"@Parley question {len(asked)}"))
            await asyncio.sleep(1.0)  # with the edits of their ends about what one workspace may get

    done = asyncio.Event()
    async with processes(tmp_path, "run", "run", **settings) as old:
        asking = asyncio.create_task(ask_on(done))
        await slack.wait_for(lambda: len(slack.bot_messages("general")) >= 3, 15)
        handed = 0
        async with AsyncExitStack() as stack:
            for process in old:
                [new] = await stack.enter_async_context(processes(tmp_path, "run", **settings))
                began = time.monotonic()
                process.process.send_signal(signal.SIGTERM)
                assert await process.ended() == 0
                took = time.monotonic() - began
                assert took < 8, f"ended after {took:.1f} s"
                handed += "".join(process.log).count("worker.drained left=") and 1
                assert new.process.returncode is None
            done.set()
            await asking
            await slack.wait_for(
                lambda: all(
                    (found := slack.bot_messages("general", m.ts))
                    and found[0].visible.strip() == WORDS.strip()
                    and not has_stop_button(found[0])
                    for m in asked
                ),
                40,
            )
    assert handed == 2
    assert [len(slack.bot_messages("general", m.ts)) for m in asked] == [1] * len(asked)
    for message in asked:
        [answer] = slack.bot_messages("general", message.ts)
        assert not [shown for shown in answer.history if "shutting down" in shown.text], "nobody reads of a restart"
        seen = [float(message.ts), *(shown.at for shown in answer.history)]
        longest = max(later - before for before, later in pairwise(seen))
        assert longest < LONGEST_GAP_S, f"nothing came for {longest:.1f} s"
