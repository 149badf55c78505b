"""How long after the model's first delta is the first real text visible, on an idle bot? Milliseconds, both platforms.

Also the ratio to the floor: one bare HTTP request to the same server in the same run.
"""

from __future__ import annotations

import asyncio
import statistics
import time

import aiohttp

from adapters.emulators.discord import DiscordEmulator
from benchmarks._house import running_parley
from tests.providers.openai_server import Reply, Request

ROUNDS = 15


async def main() -> None:
    async with running_parley() as (_, slack, discord, provider):
        first: list[float] = []

        def answer(_: Request) -> Reply:
            async def pause(number: int) -> None:
                if number == 0:
                    await asyncio.sleep(0.3)  # a model thinks first; threads are opened meanwhile
                    first.append(time.monotonic())
                else:
                    await asyncio.sleep(0.02)

            return Reply([f"word{n} " for n in range(60)], pause=pause)

        provider.script(answer)
        floor = await _floor(slack.api_url, slack.bot_token)
        results: dict[str, list[float]] = {"slack": [], "discord": []}
        for _round in range(ROUNDS):
            first.clear()
            question = await slack.say("ada", "general", "@Parley go")
            await slack.wait_for(lambda q=question: slack.bot_messages("general", q.ts), 10)
            results["slack"].append(time.monotonic() - first[0])
            await slack.wait_for(lambda q=question: "word59" in slack.bot_messages("general", q.ts)[0].visible, 10)
            first.clear()
            asked = await discord.say("Ada", "general", "@Parley go")
            await discord.wait_for(lambda a=asked: _said(discord, a.id), 10)
            results["discord"].append(time.monotonic() - first[0])
            await discord.wait_for(lambda a=asked: "word59" in _said(discord, a.id), 10)
    print(f"floor (one bare HTTP call): {floor * 1000:.1f} ms")
    for platform, times in results.items():
        print(
            f"{platform:8} first text after the first delta: median {statistics.median(times) * 1000:.0f} ms, "
            f"worst of {ROUNDS} {max(times) * 1000:.0f} ms, {statistics.median(times) / floor:.0f} x the floor"
        )


def _said(discord: DiscordEmulator, thread: int) -> str:
    """What the bot has said in a thread so far."""
    found = [message for t in discord.threads() if t.id == thread for message in discord.messages(t)]
    return "".join(message.content for message in found if message.author.id == discord.bot_user_id)


async def _floor(api_url: str, token: str) -> float:
    times = []
    async with aiohttp.ClientSession(headers={"Authorization": f"Bearer {token}"}) as http:
        for _ in range(20):
            began = time.monotonic()
            await (await http.post(f"{api_url}api.test")).read()
            times.append(time.monotonic() - began)
    return statistics.median(times)


if __name__ == "__main__":
    asyncio.run(main())
