"""Redis goes away and comes back while people write: nothing is lost, nothing is said twice, it mends itself."""

from __future__ import annotations

import asyncio
import subprocess
from pathlib import Path

import aiohttp

from adapters.emulators.discord import DiscordEmulator
from adapters.emulators.slack import SlackEmulator
from core.store.embedded import find_server
from tests.e2e.conftest import has_stop_button
from tests.e2e.test_process import Process, both, parley, world
from tests.providers.openai_server import OpenAIServer, Reply

__all__ = ["world"]

AWAY_S = 10.0
READY_AGAIN_S = 6.0
"""Two questions that each wait three seconds; by itself it takes a tenth of one."""
WORDS = "".join(f"{number} " for number in range(60))


async def slow(_: int) -> None:
    await asyncio.sleep(0.05)


async def started(home: Path) -> subprocess.Popen[bytes]:
    socket = home / "s"
    socket.unlink(missing_ok=True)
    options = ["--port", "0", "--unixsocket", str(socket), "--dir", str(home), "--save", ""]
    options += ["--appendonly", "yes", "--appendfsync", "always"]
    server = subprocess.Popen([str(find_server()), *options], stdout=subprocess.DEVNULL)  # noqa: ASYNC220 - takes a moment
    async with asyncio.timeout(10):
        while not socket.exists():  # noqa: ASYNC110 - another process makes it
            await asyncio.sleep(0.01)
    return server


async def readiness(process: Process) -> tuple[int, str]:
    async with aiohttp.ClientSession() as http, http.get(f"http://127.0.0.1:{process.port}/readyz") as answer:
        return answer.status, (await answer.json())["parts"]["redis"]


async def test_redis_away_for_some_seconds_is_noticed_and_survived(
    world: tuple[SlackEmulator, DiscordEmulator, OpenAIServer], tmp_path: Path
) -> None:
    """Scenario 27: intake pauses without an ack, readiness says so, and takes it back soon after Redis is there again;
    answers under way end once, and all goes on by itself."""
    slack, discord, provider = world
    slack.settings.retry_delays_s = (0.5, 1.0, 2.0)
    provider.reply(Reply([f"{number} " for number in range(60)], pause=slow))
    server = await started(tmp_path)
    try:
        async with parley("run", tmp_path, REDIS_URL=f"unix://{tmp_path}/s", **both(*world)) as process:
            await process.until_ready()
            before = [await slack.say("ada", "general", f"@Parley before {number}") for number in range(5)]
            await slack.wait_for(lambda: all(slack.bot_messages("general", m.ts) for m in before), 15)
            server.kill()
            server.wait()
            began = asyncio.get_running_loop().time()
            during = [await slack.say("ben", "general", f"@Parley during {number}") for number in range(5)]
            asked = await discord.say("Ada", "general", "@Parley during")
            assert await readiness(process) == (503, "Redis does not answer")
            assert not any(slack.bot_messages("general", m.ts) for m in during)
            await asyncio.sleep(AWAY_S - (asyncio.get_running_loop().time() - began))  # the very thing that is tested
            unacked = slack.deliveries("app_mention")[len(before) :]
            assert len(unacked) == len(during) and not any(one.acknowledged for one in unacked)
            server = await started(tmp_path)
            async with asyncio.timeout(READY_AGAIN_S):
                while await readiness(process) != (200, "ok"):  # noqa: ASYNC110 - another process
                    await asyncio.sleep(0.1)
            await slack.wait_for(
                lambda: all(
                    (found := slack.bot_messages("general", m.ts))
                    and found[0].visible.strip() == WORDS.strip()
                    and not has_stop_button(found[0])
                    for m in [*before, *during]
                ),
                45,
            )
            assert [len(slack.bot_messages("general", m.ts)) for m in [*before, *during]] == [1] * 10
            thread = await discord.wait_for(lambda: next((t for t in discord.threads() if t.id == asked.id), None), 20)
            await discord.wait_for(
                lambda: (
                    [m.content.strip() for m in discord.messages(thread) if m.author.id == discord.bot_user_id]
                    == [WORDS.strip()]
                ),
                20,
            )
            assert process.process.returncode is None
    finally:
        server.kill()
        server.wait()
