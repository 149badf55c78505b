"""`parley chat`: a conversation in this terminal, through the same core as every platform."""

from __future__ import annotations

import asyncio
import signal
import sys
import threading

from adapters.terminal import TerminalAdapter
from bots.assistant import make_answerer, model_label, provider_name
from bots.bot import Bot, opened_store
from bots.settings import Settings


async def chat_in_terminal(settings: Settings, *, new: bool) -> None:
    """Until the input ends (Ctrl-D). Ctrl-C stops an answer; with none running it ends the chat."""
    until = asyncio.Event()
    lines = _Lines()
    adapter = TerminalAdapter(lines.next, _write)
    name = model_label(settings)
    provider = provider_name(settings)
    async with (
        opened_store(settings) as store,
        Bot(settings, store, make_answerer(settings), [adapter], provider) as bot,
    ):
        if new:
            await adapter.forget(bot.desk)
        _write(f"Parley ({name}). /usage /reset /help; Ctrl-C stops an answer, Ctrl-D ends.\n\n")
        presses: set[asyncio.Task[None]] = set()

        async def on_interrupt() -> None:
            if not await adapter.interrupt(bot.desk):
                until.set()

        def interrupted() -> None:
            presses.add(task := asyncio.create_task(on_interrupt(), name="interrupt"))
            task.add_done_callback(presses.discard)

        asyncio.get_running_loop().add_signal_handler(signal.SIGINT, interrupted)
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, until.set)
        lines.start()
        await bot.run(until)


class _Lines:
    """Standard input by lines, read in a daemon thread, because a read from a terminal cannot be cancelled."""

    def __init__(self) -> None:
        self._queue: asyncio.Queue[str | None] = asyncio.Queue()
        self._loop = asyncio.get_running_loop()

    def start(self) -> None:
        threading.Thread(target=self._read, name="stdin", daemon=True).start()

    async def next(self) -> str | None:
        return await self._queue.get()

    def _read(self) -> None:
        for line in sys.stdin:
            self._loop.call_soon_threadsafe(self._queue.put_nowait, line)
        self._loop.call_soon_threadsafe(self._queue.put_nowait, None)


def _write(text: str) -> None:
    sys.stdout.write(text)
    sys.stdout.flush()
