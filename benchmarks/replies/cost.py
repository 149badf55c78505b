"""What one reply of 2,000 deltas costs the bot in CPU, from the question to the sealed answer, and where it goes.

The deltas come as fast as they are read, one reply after another: engine over HTTP, rendering, splitting, the budget,
Redis, and the calls to a local Slack that answers at once. Stages are told by where the process is every 2 ms of CPU.
"""

from __future__ import annotations

import argparse
import statistics

from adapters.emulators.slack import RateLimits, SlackEmulator
from benchmarks._sse_server import sse_server
from benchmarks.replies._process import running_bot
from benchmarks.replies.load import answered
from bots import loop

REPLIES = 20
CHARACTERS = 5  # of one delta


async def _measure(deltas: int, replies: int) -> None:
    slack = SlackEmulator(rate_limits=RateLimits(enforced=False))
    async with (
        slack.running(),
        sse_server() as provider,
        running_bot(slack, provider, str(deltas), true_budgets=False, stages=deltas == 2000) as bot,
    ):
        for _ in range(3):
            await answered(slack, ["general"])  # what is loaded once
        if deltas == 2000:
            bot.forget_stages()
        costs = []
        for _ in range(replies):
            before = bot.cpu_s()
            await answered(slack, ["general"])
            costs.append(bot.cpu_s() - before)
        cost_ms = statistics.mean(costs) * 1000
        print(f"{deltas:6} deltas, {deltas * CHARACTERS:,} characters: {cost_ms:.0f} ms CPU a reply")


async def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--replies", type=int, default=REPLIES)
    asked = parser.parse_args()
    for deltas in (20, 200, 2000, 20_000):
        await _measure(deltas, asked.replies if deltas <= 2000 else max(1, asked.replies // 5))


if __name__ == "__main__":
    loop.run(main())
