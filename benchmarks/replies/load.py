"""Two hundred answers of 20 s (2,000 deltas each) at once in one bot: how long a reply takes, and what it costs.

Everything is on: the engine over HTTP, rendering, splitting, the budget and all else in Redis. The local Slack answers
after 60 ms; it, the provider, Redis and the bot are processes of their own, CPU and memory are the bot's alone. Once
with Slack's budgets taken away, and with `--true-budgets` as they are (then the ends alone take minutes).
"""

from __future__ import annotations

import argparse
import asyncio
from itertools import pairwise

from adapters.emulators.slack import RateLimits, SlackEmulator
from benchmarks._sse_server import sse_server
from benchmarks.replies._process import running_bot
from bots import loop

LATENCY_S = 0.06
DELAYED = ("chat.postMessage", "chat.update", "chat.delete", "assistant.threads.setStatus")


async def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--answers", type=int, default=200)
    parser.add_argument("--deltas", default="2000@100", help="how many, and how many of them a second")
    parser.add_argument("--true-budgets", action="store_true")
    parser.add_argument("--stages", action="store_true", help="say where the CPU goes; to look costs a little itself")
    asked = parser.parse_args()
    slack = SlackEmulator(rate_limits=RateLimits(enforced=asked.true_budgets))
    async with slack.running(), sse_server() as provider:
        for method in DELAYED:
            slack.delay(method, LATENCY_S)
        for number in range(asked.answers):
            slack.add_channel(f"c{number}", ["ada", "parley"])
        async with running_bot(
            slack, provider, asked.deltas, true_budgets=asked.true_budgets, stages=asked.stages
        ) as bot:
            await answered(slack, ["general"])  # what is loaded once
            if asked.stages:
                bot.forget_stages()
            cpu = bot.cpu_s()
            took, first = await answered(slack, [f"c{number}" for number in range(asked.answers)])
            cpu, memory = bot.cpu_s() - cpu, bot.most_mb()
            _print(slack, took, first)
            cost_ms = cpu / asked.answers * 1000
            print(f"  {cost_ms:.0f} ms CPU a reply, {memory:.0f} MB at most, refused {slack.rate_limited}")


async def answered(slack: SlackEmulator, channels: list[str]) -> tuple[list[float], list[float]]:
    """Ask in each channel at once; seconds until the whole answer and until the first message.

    Looked at four times a second, so that this process has time for being Slack; the times are those of the calls.
    """
    questions = [await slack.say("ada", channel, "@Parley go") for channel in channels]
    waiting = list(zip(channels, questions, strict=True))
    async with asyncio.timeout(900):
        while waiting := [one for one in waiting if not _ended(slack, one[0], one[1].ts)]:  # noqa: ASYNC110
            await asyncio.sleep(0.25)
    at: dict[str, list[float]] = {}
    for method in ("chat.postMessage", "chat.update"):
        for call in slack.calls(method):
            at.setdefault(call.args["channel"], []).append(call.at + LATENCY_S)
    began = [(float(question.ts), sorted(at[question.channel])) for question in questions]
    return [times[-1] - asked for asked, times in began], [times[0] - asked for asked, times in began]


def _ended(slack: SlackEmulator, channel: str, ts: str) -> bool:
    """Whether a message of the answer has the buttons of one that is finished; a file may come after it."""
    return any("parley_retry" in str(message.blocks) for message in slack.bot_messages(channel, ts))


def _print(slack: SlackEmulator, took: list[float], first: list[float]) -> None:
    shown: dict[str, list[float]] = {}
    for call in slack.calls("chat.update"):
        shown.setdefault(call.args["ts"], []).append(call.at)
    gaps = sorted(later - earlier for times in shown.values() for earlier, later in pairwise(sorted(times)))
    edits = len(slack.calls("chat.update"))
    print(f"{len(took)} answers at once: reply p50 {_at(took, 0.5):.1f} s, p95 {_at(took, 0.95):.1f} s, ", end="")
    print(f"first message p50 {_at(first, 0.5):.2f} s, p95 {_at(first, 0.95):.2f} s")
    print(f"  {edits / len(took):.1f} edits a reply", end="")
    if gaps:
        print(f", gap between them p50 {_at(gaps, 0.5):.2f} s, p99 {_at(gaps, 0.99):.2f} s, ", end="")
        print(f"longest {gaps[-1]:.2f} s", end="")
    print()


def _at(values: list[float], share: float) -> float:
    return sorted(values)[min(len(values) - 1, int(share * len(values)))]


if __name__ == "__main__":
    loop.run(main())
