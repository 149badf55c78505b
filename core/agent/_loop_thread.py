"""A private event loop in a thread, for callers who do not write asyncio.

One loop a process, started when it is first needed, so that connections outlive a call. It works in scripts, in
notebooks, and where another loop is already running.
"""

from __future__ import annotations

import asyncio
import atexit
import contextvars
import threading
from collections.abc import AsyncIterator, Coroutine, Iterator
from concurrent.futures import Future
from typing import Any, TypeVar

__all__ = ["LoopThread", "private_loop"]

T = TypeVar("T")


class LoopThread:
    """Runs coroutines in the loop of a thread of its own."""

    def __init__(self) -> None:
        self.loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self.loop.run_forever, name="parley-engine", daemon=True)
        self._thread.start()

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Run `work` in the loop and wait for it, in the caller's context. A KeyboardInterrupt cancels it."""
        if threading.current_thread() is self._thread:
            work.close()
            raise RuntimeError("a blocking run cannot be started from within another one; await it instead")
        context = contextvars.copy_context()
        done: Future[T] = Future()
        started: list[asyncio.Task[T]] = []

        def start() -> None:
            task = self.loop.create_task(work, context=context)
            started.append(task)
            task.add_done_callback(lambda ended: _hand_over(ended, done))

        self.loop.call_soon_threadsafe(start)
        try:
            return done.result()
        except BaseException:
            if not done.done():
                self.loop.call_soon_threadsafe(lambda: [task.cancel() for task in started])
            raise

    def iterate(self, items: AsyncIterator[T]) -> Iterator[T]:
        """The items of an async iterator, one by one. Leaving early closes it."""
        end = object()
        try:
            while (item := self.run(_next(items, end))) is not end:
                yield item
        finally:
            if (aclose := getattr(items, "aclose", None)) is not None:
                self.run(aclose())

    def close(self) -> None:
        """Close what is open in the loop, and end the thread."""
        if self.loop.is_closed():
            return
        self.run(self.loop.shutdown_asyncgens())  # also closes the connections, see core.models
        self.loop.call_soon_threadsafe(self.loop.stop)
        self._thread.join(5)
        if not self._thread.is_alive():
            self.loop.close()


async def _next(items: AsyncIterator[Any], end: object) -> Any:
    return await anext(items, end)


def _hand_over(task: asyncio.Task[T], done: Future[T]) -> None:
    if task.cancelled():
        done.cancel()
    elif (exc := task.exception()) is not None:
        done.set_exception(exc)
    else:
        done.set_result(task.result())


_lock = threading.Lock()
_private: list[LoopThread] = []


def private_loop() -> LoopThread:
    """The private loop of this process."""
    with _lock:
        if not _private:
            _private.append(LoopThread())
            atexit.register(_private[0].close)
        return _private[0]
