"""A private event loop in a thread, for callers who do not write asyncio.

One loop a process, started when it is first needed, so that connections outlive a call. It works in scripts, in
notebooks, in threads, and where another loop is already running. When the process ends what still runs is cancelled,
connections are closed and the thread is joined; a forked child begins with a loop of its own.
"""

from __future__ import annotations

import asyncio
import atexit
import contextlib
import contextvars
import os
import threading
from collections.abc import AsyncIterator, Coroutine, Generator
from concurrent.futures import CancelledError, Future
from typing import Any, TypeVar

__all__ = ["LoopThread", "private_loop"]

T = TypeVar("T")
GRACE_S = 5.0  # seconds that work which was told to stop has to do so


class LoopThread:
    """Runs coroutines in the loop of a thread of its own."""

    def __init__(self) -> None:
        self.loop = asyncio.new_event_loop()
        self._closing = False
        self._iterated: dict[int, AsyncIterator[Any]] = {}  # what is being iterated over
        self._thread = threading.Thread(target=self.loop.run_forever, name="parley-engine", daemon=True)
        self._thread.start()

    @property
    def is_open(self) -> bool:
        """Whether there is still somebody to do the work."""
        return not self._closing and self._thread.is_alive()

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Run `work` in the loop and wait for it, in the caller's context.

        An interrupt (Ctrl-C) cancels the work, waits until it has cleaned up, and is raised again.
        """
        if threading.current_thread() is self._thread:
            work.close()
            raise RuntimeError("a blocking run cannot be started from within another one; await it instead")
        if not self.is_open:
            work.close()
            if threading.current_thread().daemon:  # one that outlives the process' work ends with it, and quietly
                raise SystemExit
            raise RuntimeError("the engine's loop is closed; the process is ending")
        done: Future[T] = Future()
        started: list[asyncio.Task[T]] = []
        context = contextvars.copy_context()

        def start() -> None:
            if self._closing:  # since we were asked; what winds up has counted the tasks already
                work.close()
                done.cancel()
                return
            task = self.loop.create_task(work, context=context)
            started.append(task)
            task.add_done_callback(lambda ended: _hand_over(ended, done))

        self.loop.call_soon_threadsafe(start)
        try:
            return done.result()
        except CancelledError:
            if self._closing:  # likewise
                raise SystemExit from None
            raise
        except BaseException:
            if not done.done():
                self.loop.call_soon_threadsafe(lambda: [task.cancel() for task in started])
                with contextlib.suppress(Exception):
                    done.exception(GRACE_S)
            raise

    def iterate(self, items: AsyncIterator[T]) -> Generator[T, None, None]:
        """The items of an async iterator, one by one. Leaving early closes it."""
        end = object()
        self._iterated[id(items)] = items
        try:
            while (item := self.run(_next(items, end))) is not end:
                yield item
        finally:
            try:
                self._finish(items)
            finally:
                if not self._closing:  # else it is for what winds up to close it, from the outside in
                    self._iterated.pop(id(items), None)

    def _finish(self, items: AsyncIterator[Any]) -> None:
        """Close an iterator, wherever it is dropped: also by a garbage collection in our thread, or at the very end."""
        if threading.current_thread() is self._thread:
            self.loop.create_task(_close(items))
        elif self.is_open:
            self.run(_close(items))

    def close(self) -> None:
        """Cancel what runs, close what is open in the loop, and end the thread."""
        if not self.is_open:
            return
        self._closing = True
        with contextlib.suppress(Exception):
            asyncio.run_coroutine_threadsafe(self._wind_up(), self.loop).result(GRACE_S)
        self.loop.call_soon_threadsafe(self.loop.stop)
        self._thread.join(GRACE_S)
        if not self._thread.is_alive():
            self.loop.close()

    async def _wind_up(self) -> None:
        tasks = asyncio.all_tasks() - {asyncio.current_task()}
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks, timeout=GRACE_S / 2)
        for items in [*self._iterated.values()]:  # from the outside in, which the next line does not do
            await _close(items)
        await self.loop.shutdown_asyncgens()  # also closes the connections, see core.models


async def _close(items: AsyncIterator[Any]) -> None:
    if (aclose := getattr(items, "aclose", None)) is not None:
        await aclose()


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


def _after_fork() -> None:
    """A child has no thread but the one that forked; the parent's loop is not for it."""
    global _lock
    _lock = threading.Lock()
    _private.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
