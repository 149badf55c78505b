"""A chaos run: people talk, processes are killed, Redis is restarted, answers are lost; then all is looked at."""

from __future__ import annotations

import asyncio
import re
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from core.store import Store
from core.store.embedded import find_server
from core.usage import Totals, read, scopes, today
from tests.chaos.fleet import Fleet, a_fleet
from tests.chaos.plan import Plan
from tests.chaos.town import INPUT_TOKENS, PACE, Town, a_town
from tests.chaos.witness import Finding, Testimony, bear_witness

SETTLED_WITHIN_S = 120.0
QUIET_S = 2.0
"""How long after the last answer it is watched whether one more comes."""


@dataclass
class Report:
    """figures: by name, in the order in which they are printed."""

    testimony: Testimony
    findings: list[Finding]
    figures: dict[str, object] = field(default_factory=dict)

    def lines(self) -> list[str]:
        shown = [f"{name:<34}{value}" for name, value in self.figures.items()]
        return [*shown, *(f"BROKEN {one.kind} in {one.where}: {one.what}" for one in self.findings)]


class RedisServer:
    """A real one that writes every command to disk before it answers."""

    def __init__(self, home: Path) -> None:
        self._socket = home / "redis.sock"
        self._command = [str(find_server()), "--port", "0", "--unixsocket", str(self._socket), "--dir", str(home)]
        self._command += ["--save", "", "--appendonly", "yes", "--appendfsync", "always"]
        self._process: subprocess.Popen[bytes] | None = None
        self.url = f"unix://{self._socket}"

    async def start(self) -> None:
        self._socket.unlink(missing_ok=True)
        self._process = subprocess.Popen(self._command, stdout=subprocess.DEVNULL)  # noqa: ASYNC220 - takes a moment
        async with asyncio.timeout(10):
            while not self._socket.exists():  # noqa: ASYNC110 - another process makes it
                await asyncio.sleep(0.01)

    def end(self, how: signal.Signals = signal.SIGKILL) -> None:
        if self._process is not None:
            self._process.send_signal(how)
            self._process.wait(10)


async def run(
    plan: Plan, home: Path, settled_within_s: float = SETTLED_WITHIN_S, waits: Mapping[str, float] | None = None
) -> Report:
    """waits: see `fleet.a_fleet`."""
    redis = RedisServer(home)
    await redis.start()
    try:
        async with a_town(plan) as town:
            logs = home / "logs"
            logs.mkdir()
            async with a_fleet(logs, town.settings | {"REDIS_URL": redis.url}, PACE | dict(waits or {})) as fleet:
                return await _survived(plan, town, fleet, redis, settled_within_s)
    finally:
        redis.end()


async def _survived(plan: Plan, town: Town, fleet: Fleet, redis: RedisServer, settled_within_s: float) -> Report:
    for number in range(plan.shape.ingresses):
        await fleet.add(f"ingress{number}", "run", "--role", "ingress")
    for number in range(plan.shape.workers):
        await fleet.add(f"worker{number}", "run", "--role", "worker")
    keeping = asyncio.create_task(fleet.keep_running())
    try:
        await fleet.until_ready()
        began = time.monotonic()
        breaking = [asyncio.create_task(_kill(plan, fleet)), asyncio.create_task(_restart(plan, redis))]
        living = asyncio.create_task(town.live())
        await asyncio.wait(breaking, timeout=2 * plan.shape.said_s)
        broken_s = time.monotonic() - began
        await _settled(town, living, settled_within_s)
        for task in [*breaking, living]:
            task.cancel()
        await asyncio.gather(*breaking, living, return_exceptions=True)
        took_s = time.monotonic() - began
        await asyncio.sleep(QUIET_S)  # the very thing that is tested: nothing more is said
        testimony = bear_witness(town.places(), town.provider.log)
        return await _report(plan, town, fleet, redis, testimony, broken_s, took_s)
    finally:
        keeping.cancel()
        await asyncio.gather(keeping, return_exceptions=True)


async def _kill(plan: Plan, fleet: Fleet) -> None:
    began = time.monotonic()
    for at, share in plan.kills:
        await asyncio.sleep(max(0.0, began + at - time.monotonic()))
        fleet.kill(share)


async def _restart(plan: Plan, redis: RedisServer) -> None:
    began = time.monotonic()
    for number, (at, away_s) in enumerate(plan.restarts):
        await asyncio.sleep(max(0.0, began + at - time.monotonic()))
        redis.end(signal.SIGKILL if number % 2 else signal.SIGTERM)
        await asyncio.sleep(away_s)
        await redis.start()


async def _settled(town: Town, living: asyncio.Task[None], within_s: float) -> None:
    """Return when all is said, delivered and answered, or after `within_s`: then the witness names what is not."""
    deadline = time.monotonic() + within_s
    while time.monotonic() < deadline:
        if living.done() and not town.undelivered and not town.open_questions:
            living.result()
            return
        await asyncio.sleep(0.25)


async def _report(
    plan: Plan, town: Town, fleet: Fleet, redis: RedisServer, seen: Testimony, broken_s: float, took_s: float
) -> Report:
    logged = fleet.logged()
    totals = await _ledger(redis.url, seen.answered)
    findings = [*seen.findings, *_ledger_findings(town, totals, seen)]
    taken_over = len(re.findall(r"turn\.ended .*attempts=(?!1 )\d+", logged))
    looked_for = re.findall(r"reply\.post_looked_for thread_id=(\w+):.*found=(\w+)", logged)
    figures: dict[str, object] = {
        "seed": plan.seed,
        "seconds, of them broken": f"{took_s:.0f}, {broken_s:.0f}",
        "processes killed, started": f"{fleet.kills}, {sum(member.started for member in fleet.members)}",
        "Redis restarted": len(plan.restarts),
        "messages said": len(town.said),
        "messages accepted": seen.accepted,
        "answered": seen.answered,
        "lost": seen.count("lost"),
        "twice or unasked or taken away": seen.count("twice", "unasked", "deleted"),
        "incomplete": seen.count("incomplete"),
        "out of order, overlapping": seen.count("disorder", "overlap"),
        "false history": seen.count("history"),
        "lines that lead back to an answer": seen.lines,
        "runs, of them cut off": f"{seen.requests}, {seen.requests - seen.answered}",
        "turns taken over": taken_over,
        "answers of a platform lost": _lost_answers(town),
        "posts looked for, of them found": f"{len(looked_for)}, {sum(found == 'True' for _, found in looked_for)}",
        "residual window entered (Slack)": looked_for.count(("slack", "False")),
        "ledger: turns": totals.turns,
        "ledger: tokens reported": f"{_reported(totals)}",
        "ledger: estimates": totals.estimated,
    }
    return Report(seen, findings, figures)


def _lost_answers(town: Town) -> int:
    in_slack = sum(call.took_effect and call.status is None for call in town.slack.calls())
    return in_slack + sum(call.status == 0 for call in town.discord.calls())


async def _ledger(url: str, turns: int) -> Totals:
    """What the ledger says, once it has every turn: one is sealed a moment after its answer is there."""
    store = await Store.open(url)
    try:
        deadline = time.monotonic() + 30
        while True:
            totals = Totals()
            for scope in await scopes(store):
                for row in await read(store, scope, 2, today()):
                    totals.add(row.totals)
            if totals.turns >= turns or time.monotonic() > deadline:
                return totals
            await asyncio.sleep(0.25)
    finally:
        await store.aclose()


def _reported(totals: Totals) -> tuple[int, int]:
    """What is in the ledger because the provider said so."""
    return (
        totals.input_tokens - totals.estimated_input_tokens,
        totals.output_tokens - totals.estimated_output_tokens,
    )


def _ledger_findings(town: Town, totals: Totals, seen: Testimony) -> Sequence[Finding]:
    answered = {name for place in town.places() for post in place.posts for name in post.names}
    answers = [question.answer for question in town.plan.questions if question.name in answered]
    wanted = (INPUT_TOKENS * len(answers), sum(len(answer.split(" ")) for answer in answers))
    found = []
    if totals.turns != seen.answered:
        found.append(Finding("ledger", "the ledger", f"{totals.turns} turns, {seen.answered} answers"))
    if _reported(totals) != wanted:
        found.append(Finding("ledger", "the ledger", f"tokens {_reported(totals)}, the provider said {wanted}"))
    cut = seen.requests - seen.answered
    if totals.estimated < cut:
        found.append(Finding("ledger", "the ledger", f"{totals.estimated} estimates, {cut} runs were cut off"))
    return found
