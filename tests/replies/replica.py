"""One process of several that answer in one Slack workspace: real Replies, a real Redis, real HTTP.

python -m tests.replies.replica REDIS_URL SLACK_API_URL SLACK_TOKEN SECONDS ANSWER_S THREAD_ID...
Answers in each thread again and again, ANSWER_S seconds long, and begins no answer after SECONDS. Prints how many
answers were shown to their end, and the longest wait of a final text (s).
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Sequence

from adapters.slack._web import Web
from adapters.slack.settings import SlackSettings
from adapters.slack.surface import SlackSurface
from core.chat import MessageRef, Placement, ThreadId
from core.replies import Controls, Draft, Reply, SharedBudget
from core.store import Store

DELTAS_A_SECOND = 25


async def _noted(_: Sequence[MessageRef]) -> None:
    return None


async def answer(surface: SlackSurface, budget: SharedBudget, thread: ThreadId, name: str, seconds: float) -> float:
    """Answer once; how long the final text took to be shown."""
    reply = Reply(surface, Placement(thread), budget, key=name, controls=Controls(name, name), posted=_noted)
    running = asyncio.create_task(reply.run())
    text = ""
    for number in range(int(seconds * DELTAS_A_SECOND)):
        text += f"word{number} "
        reply.show(Draft(text))
        await asyncio.sleep(1 / DELTAS_A_SECOND)
    reply.show(Draft(text + "end", final=True))
    ended = asyncio.get_running_loop().time()
    assert await running == "shown"
    return asyncio.get_running_loop().time() - ended


async def main(redis_url: str, api_url: str, token: str, seconds: float, each_s: float, threads: list[str]) -> None:
    store = await Store.open(redis_url)
    web = Web.connect(SlackSettings(bot_token=token, api_url=api_url, listens=False))
    surface, budget = SlackSurface(web.client), SharedBudget(store)
    until = asyncio.get_running_loop().time() + seconds
    waits: list[float] = []

    async def again_and_again(thread: ThreadId) -> None:
        while asyncio.get_running_loop().time() < until:
            waits.append(await answer(surface, budget, thread, f"{thread}#{len(waits)}", each_s))

    try:
        async with asyncio.TaskGroup() as answering:
            for thread in threads:
                answering.create_task(again_and_again(ThreadId(thread)))
    finally:
        await web.aclose()
        await store.aclose()
    print(len(waits), max(waits))


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:4], float(sys.argv[4]), float(sys.argv[5]), sys.argv[6:]))
