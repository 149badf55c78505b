"""Round trips and commands of Redis for a Turn of one Message, counted in the client and by Redis."""

from __future__ import annotations

import asyncio
import contextlib
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from redis.asyncio.connection import AbstractConnection

from benchmarks.turns._at_once import AtOnce, answerer, question, settings
from bots.bot import Bot
from core.store import Store, keys

_BACKGROUND = frozenset(
    {"XAUTOCLAIM", "beat", "renew", "tidy", "announce", "EVAL", "SCAN", "SET"}
    | {"HELLO", "CLIENT", "PING", "SELECT", "SUBSCRIBE", "EXISTS"}
)
"""What comes by the clock, whether there is work or not, and what only this benchmark asks."""


async def round_trips(store: Store, home: Path, turns: int, identities: int) -> tuple[Counter[str], float]:
    """For each kind of request how often it was sent, for `turns` Turns one after another; and commands for each Turn
    as Redis counts them, those in scripts among them. identities: of each Message."""
    names = {script.sha: name for name, script in store._scripts.items()}
    until = asyncio.Event()
    async with Bot(settings(home), store, answerer(), [_Silent()]) as bot:
        running = asyncio.create_task(bot.run(until))
        await bot.desk.accept(question(0, 1, identities))
        await _sealed(store, 0)  # connections are open, scripts are known
        await store.redis.config_resetstat()
        with _counted(names) as sent:
            for number in range(1, turns + 1):
                await bot.desk.accept(question(number, 1, identities))
                await _sealed(store, number)
        stats = await store.redis.info("commandstats")
        until.set()
        await running
    commands = sum(stat["calls"] for name, stat in stats.items() if name != "cmdstat_exists")
    asked = Counter({name: count for name, count in sent.items() if name not in _BACKGROUND})
    asked["XREADGROUP"] = min(asked["XREADGROUP"], turns)  # the others came back with nothing
    return asked, commands / turns


class _Silent(AtOnce):
    async def listen(self, intake: object) -> None:
        await asyncio.Event().wait()


async def _sealed(store: Store, session: int) -> None:
    thread = question(session, 1).thread_id
    while await store.redis.exists(keys.session(thread, "mail"), keys.session(thread, "lease")):  # noqa: ASYNC110 - Redis tells nobody
        await asyncio.sleep(0.002)


@contextlib.contextmanager
def _counted(names: dict[str, str]) -> Iterator[Counter[str]]:
    """Count what is sent: a pipeline is one request, called by all that is in it."""
    sent: Counter[str] = Counter()
    send, pack_many = AbstractConnection.send_command, AbstractConnection.pack_commands

    def name_of(args: tuple[Any, ...]) -> str:
        return names.get(str(args[1]), str(args[0])) if args[0] == "EVALSHA" else str(args[0]).split(" ")[0]

    async def counted(self: AbstractConnection, *args: Any, **options: Any) -> None:
        sent[name_of(args)] += 1
        await send(self, *args, **options)

    def counted_many(self: AbstractConnection, commands: Any) -> Any:
        commands = list(commands)
        sent["+".join(name_of(tuple(args)) for args in commands)] += 1
        return pack_many(self, commands)

    AbstractConnection.send_command, AbstractConnection.pack_commands = counted, counted_many  # type: ignore[method-assign]
    try:
        yield sent
    finally:
        AbstractConnection.send_command, AbstractConnection.pack_commands = send, pack_many  # type: ignore[method-assign]
