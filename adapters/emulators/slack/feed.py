"""What happened in the emulator, told to whoever follows it: tests wait on it, a page draws from it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from typing import TypeVar

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Change:
    """One thing that happened. kind: "message", "edit", "delete", "ephemeral", "reaction", "status", "view",
    "call", "delivery", "connection", "session" or "clock"; at: emulator time; channel and ts where there are any."""

    kind: str
    at: float
    channel: str | None = None
    ts: str | None = None


class ChangeFeed:
    """Hands every Change to its subscribers, in order, before the caller goes on."""

    def __init__(self) -> None:
        self._listeners: list[Callable[[Change], None]] = []

    def publish(self, change: Change) -> None:
        for listener in list(self._listeners):
            listener(change)

    def subscribe(self, listener: Callable[[Change], None]) -> Callable[[], None]:
        """Call `listener` for each Change from now on; the returned function ends that."""
        self._listeners.append(listener)

        def unsubscribe() -> None:
            if listener in self._listeners:
                self._listeners.remove(listener)

        return unsubscribe

    async def changes(self) -> AsyncIterator[Change]:
        """Yield each Change from the first `anext` on. Close the iterator to stop following."""
        queue: asyncio.Queue[Change] = asyncio.Queue()
        unsubscribe = self.subscribe(queue.put_nowait)
        try:
            while True:
                yield await queue.get()
        finally:
            unsubscribe()

    async def wait_for(self, predicate: Callable[[], T], timeout: float = 5.0) -> T:
        """Return `predicate()` as soon as it is true, asked again after each Change.

        timeout: real seconds. Raises TimeoutError when they are over first.
        """
        happened = asyncio.Event()
        unsubscribe = self.subscribe(lambda change: happened.set())
        try:
            async with asyncio.timeout(timeout):
                while not (value := predicate()):
                    happened.clear()
                    await happened.wait()
            return value
        finally:
            unsubscribe()
