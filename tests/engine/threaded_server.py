"""The OpenAI test server in a thread, for code that blocks its own."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from core.agent._loop_thread import LoopThread
from tests.providers.openai_server import OpenAIServer

__all__ = ["eventually", "threaded_server"]


@contextmanager
def threaded_server() -> Iterator[OpenAIServer]:
    """A running server; `reply`, `queue` and `script` may be called from any thread."""
    loop = LoopThread()
    server = OpenAIServer()
    loop.run(server.__aenter__())
    try:
        yield server
    finally:
        loop.run(server.__aexit__())
        loop.close()


def eventually(condition: Callable[[], bool], within_s: float = 5.0) -> None:
    """Wait until `condition` holds."""
    deadline = time.monotonic() + within_s
    while not condition():
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.005)
