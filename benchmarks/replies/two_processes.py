"""Two processes answer in one Slack workspace for a minute, over one real Redis, under the emulator's real limits.

Prints the refusals (after the first ten seconds there must be none), and what the budget let through.
"""

from __future__ import annotations

import asyncio
import tempfile
from pathlib import Path

from adapters.emulators.slack.emulator import SlackEmulator
from core.store import EmbeddedRedis
from tests.replies.test_two_processes import replicas

SECONDS, ANSWER_S, EACH = 60.0, 20.0, 4


async def main() -> None:
    with tempfile.TemporaryDirectory() as home:
        async with EmbeddedRedis(Path(home)) as redis, SlackEmulator().running() as slack:
            began = asyncio.get_running_loop().time()
            async with replicas(redis.url, slack, EACH, SECONDS, ANSWER_S) as processes:
                printed = [(await process.communicate())[0].decode().split() for process in processes]
            took = asyncio.get_running_loop().time() - began
            edits, posts = len(slack.calls("chat.update")), len(slack.calls("chat.postMessage"))
            refused = sum(slack.rate_limited.values())
    print(f"two processes, {EACH} threads each, answers of {ANSWER_S:.0f} s, {took:.0f} s: refused {refused}")
    print(f"  {edits} edits ({edits / took * 60:.0f} a minute), {posts} posts")
    for answers, wait in printed:
        print(f"  {answers} answers shown to their end, the longest wait of a final text {float(wait) * 1000:.0f} ms")


if __name__ == "__main__":
    asyncio.run(main())
