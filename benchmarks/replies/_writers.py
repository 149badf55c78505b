"""Who writes an answer in the simulation: our Reply under one shared budget, or a fixed timer as other bots have it."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Sequence
from typing import Protocol

from benchmarks.replies._platforms import SimulatedSurface
from core.chat import MessageRef, Placement, RateLimited, Segment, ThreadId
from core.replies import Controls, Draft, LocalBudget, Reply


class Writer(Protocol):
    """Shows one answer. `show` never waits; `run` returns once the final text is shown."""

    def show(self, text: str, *, final: bool = False) -> None: ...

    async def run(self) -> object: ...


MakeWriter = Callable[[SimulatedSurface, str, str], Writer]
"""surface, thread, name of the answer."""


class Ours:
    """`core.replies.Reply`. The budget of one process stands for the one in Redis, which decides alike."""

    def __init__(self, surface: SimulatedSurface, thread: str, name: str, budget: LocalBudget) -> None:
        placement = Placement(ThreadId(thread))
        self._reply = Reply(surface, placement, budget, key=name, controls=Controls(name, name), posted=_unnoted)
        self.run = self._reply.run

    def show(self, text: str, *, final: bool = False) -> None:
        self._reply.show(Draft(text, final=final))


def ours() -> MakeWriter:
    budget = LocalBudget()
    return lambda surface, thread, name: Ours(surface, thread, name, budget)


class Timer:
    """Edits every `every_s` seconds after the last edit has returned; on a 429 waits as told and goes on."""

    def __init__(self, surface: SimulatedSurface, thread: str, every_s: float) -> None:
        self._surface = surface
        self._placement = Placement(ThreadId(thread))
        self._every_s = every_s
        self._text, self._shown, self._final = "", "", False
        self._begun, self._ended = asyncio.Event(), asyncio.Event()

    def show(self, text: str, *, final: bool = False) -> None:
        self._text, self._final = text, final
        self._begun.set()
        if final:
            self._ended.set()

    async def run(self) -> None:
        await self._begun.wait()
        ref = await self._patiently(None)
        while not (self._final and self._shown == self._text):
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self._every_s):
                    await self._ended.wait()
            if self._shown != self._text:
                await self._patiently(ref)

    async def _patiently(self, ref: MessageRef | None) -> MessageRef:
        """Show the newest text, by a post if there is no message yet."""
        while True:
            text = self._text
            try:
                if ref is None:
                    ref = await self._surface.post(self._placement, Segment(text), "k-0")
                else:
                    await self._surface.edit(self._placement, ref, Segment(text))
            except RateLimited as exc:
                await asyncio.sleep(exc.retry_after_s)
            else:
                self._shown = text
                return ref


async def _unnoted(_: Sequence[MessageRef]) -> None:
    return None
