"""Bot: core and the platforms put together, started, and ended so that nobody is left with half an answer."""

from __future__ import annotations

import asyncio
import logging
import os
import secrets
import socket
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

from bots.assistant import make_summarise
from bots.settings import Settings, secret
from core.chat.adapter import Adapter
from core.chat.answerer import Answerer
from core.chat.commands import Commands
from core.chat.compaction import Compactor
from core.chat.desk import Desk, DeskSettings
from core.chat.policies import BusyPolicies
from core.chat.turn import Turns, TurnSettings
from core.chat.worker import LEASE_MS, Worker
from core.errors import ConfigError
from core.replies import SharedBudget
from core.sessions import Histories, Leases, Mailboxes, Ratings, Retention
from core.store import EmbeddedRedis, Store
from core.usage import read_price_table

log = logging.getLogger(__name__)

CHARS_PER_TOKEN = 4
"""A rough estimate, in the middle of what tokenizers make of prose and of JSON."""

STOP_S = 3.0
"""After a signal, running answers may finish for PARLEY_DRAIN_S, then go on in another worker or are stopped visibly
within STOP_S: by default together below the ten seconds that container platforms give before they kill."""


@asynccontextmanager
async def opened_store(settings: Settings) -> AsyncIterator[Store]:
    """The Redis that is set, else a server of our own in the data directory. Raises ConfigError."""
    async with AsyncExitStack() as stack:
        url = secret(settings.redis_url)
        if not url:
            url = (await stack.enter_async_context(EmbeddedRedis(settings.parley_data_dir))).url
        store = await Store.open(url)
        stack.push_async_callback(store.aclose)
        yield store


class Bot:
    """One process's share of the work: as its role says it listens on `adapters`, or answers, or both.

    Use: `async with Bot(...) as bot: await bot.run(until)`. The adapters are open then, and closed afterwards.
    answerer: None for a process that only listens.
    """

    def __init__(
        self,
        settings: Settings,
        store: Store,
        answerer: Answerer | None,
        adapters: Sequence[Adapter],
        provider: str = "",
    ) -> None:
        self._role = settings.parley_role
        self._drain_s = settings.parley_drain_s
        self._running = False
        self._store = store
        self._adapters = adapters
        self._answerer = answerer
        self._provider = provider
        self._retention = Retention(
            session_s=settings.parley_session_days * 24 * 3600, turns=settings.parley_history_turns
        )
        self._budget = SharedBudget(store)
        self._mailboxes = Mailboxes(store, self._retention)
        self._commands = Commands(store, self._mailboxes, settings.parley_admins)
        self._busy = BusyPolicies(
            settings.parley_busy_policy, settings.parley_busy_policies, settings.parley_merge_pause_s
        )
        self.desk = Desk(
            self._mailboxes,
            Ratings(store, self._retention),
            self._commands,
            DeskSettings(self._busy, settings.parley_stop_reaction, settings.parley_edit_reruns),
        )
        self._turn_settings = TurnSettings(
            history_chars=settings.parley_history_tokens * CHARS_PER_TOKEN,
            history_turns=settings.parley_history_turns,
            shows_reasoning=settings.parley_show_reasoning,
            has_footer=settings.parley_footer,
            attach_over=settings.parley_attach_over,
            point_after_s=settings.parley_point_after_s,
        )
        summarise = make_summarise(answerer)
        limits = self._turn_settings
        self._compactor = (
            Compactor(Histories(store), summarise, limits.history_chars, limits.history_turns, provider)
            if summarise
            else None
        )
        self._stack = AsyncExitStack()

    async def __aenter__(self) -> Bot:
        async with AsyncExitStack() as stack:
            if (close := getattr(self._answerer, "aclose", None)) is not None:
                stack.push_async_callback(close)  # connections to the model's provider
            for adapter in self._adapters:
                await adapter.open(self._budget)
                stack.push_async_callback(adapter.aclose)
            self._stack = stack.pop_all()
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self._stack.aclose()

    async def run(self, until: asyncio.Event) -> None:
        """Serve until `until` is set, then finish. Raises ConfigError if a platform turns us away for good."""
        worker = self._worker() if self._role != "ingress" else None
        working = [asyncio.create_task(self._work(worker), name="worker")] if worker else []
        listening = [
            asyncio.create_task(adapter.listen(self.desk), name=f"listen:{adapter.platform}")
            for adapter in self._adapters
            if self._role != "worker"
        ]
        ended = asyncio.create_task(until.wait(), name="until")
        self._running = True
        try:
            done, _ = await asyncio.wait({ended, *working, *listening}, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()
        finally:
            self._running = False
            log.info("bot.ending", extra={"role": self._role, "running": worker.running if worker else 0})
            await asyncio.gather(_cancelled(ended, *listening), self._drained(worker, working))

    async def _work(self, worker: Worker) -> None:
        """Take in work once its price can be told, so that no answer has to wait for the table of another's."""
        await read_price_table(self._provider)
        await worker.run()

    def unready(self) -> dict[str, str | None]:
        """By part of this process, why it does not do its share just now; None where it does."""
        found: dict[str, str | None] = {"bot": None if self._running else "not running"}
        if self._role != "worker":
            found |= {adapter.platform: adapter.unready() for adapter in self._adapters}
        return found

    async def _drained(self, worker: Worker | None, working: Sequence[asyncio.Task[None]]) -> None:
        """End the work only after it has stopped coming in."""
        await _cancelled(*working)
        if worker is not None:
            await worker.drain(self._drain_s, STOP_S)
        if self._compactor is not None:
            await self._compactor.aclose()

    def _worker(self) -> Worker:
        if self._answerer is None:
            raise ValueError("a process that answers needs somebody to answer")
        leases = Leases(self._store, self._retention, _worker_name(), LEASE_MS)
        surfaces = {adapter.platform: adapter.surface for adapter in self._adapters}
        turns = Turns(
            self._answerer,
            surfaces,
            self._commands,
            self._budget,
            self._provider,
            self._turn_settings,
            self._busy,
            self._compactor,
        )
        return Worker(self._store, leases, turns)


async def _cancelled(*tasks: asyncio.Task[Any]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


def _worker_name() -> str:
    return f"{socket.gethostname()}-{os.getpid()}-{secrets.token_hex(4)}"


def no_platform() -> ConfigError:
    return ConfigError(
        "SLACK_BOT_TOKEN",
        "is not set, and neither is DISCORD_BOT_TOKEN: there is no platform to answer on.",
        "Set one of them (README: Slack in five minutes, Discord in five minutes), or try `parley demo`.",
    )
