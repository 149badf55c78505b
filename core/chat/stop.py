"""Stop: the wish that one Turn ends early, and what is said at the end of an answer that was stopped."""

from __future__ import annotations

import asyncio
from typing import Literal, assert_never

from core.chat import texts
from core.sessions import INTERRUPTED, REWORDED, WITHDRAWN

StopReason = Literal["asked", "shutdown", "deadline", "unseen", "interrupted", "withdrawn", "reworded"]
"""unseen: nothing can be shown where the answer belongs."""


class Stop:
    """Asks one Turn to end early; the first reason counts."""

    def __init__(self) -> None:
        self._asked = asyncio.Event()
        self.reason: StopReason | None = None

    def ask(self, reason: StopReason) -> None:
        if self.reason is None:
            self.reason = reason
            self._asked.set()

    async def wait(self) -> None:
        await self._asked.wait()


def reason_noted(stop_why: str, number: int) -> StopReason:
    """Why Turn `number` is to stop, read from the fact `stop_why`; a person asked for it if that says nothing else."""
    turn, _, why = stop_why.partition(" ")
    if turn != str(number):
        return "asked"
    match why:
        case "interrupted" | "withdrawn" | "reworded":
            return why
        case _:
            return "asked"


assert (INTERRUPTED, WITHDRAWN, REWORDED) == ("interrupted", "withdrawn", "reworded")


def notice_of(reason: StopReason | None, deadline_s: float) -> str:
    """The line under the text that was there when it stopped."""
    match reason:
        case "shutdown":
            return texts.STOPPED_BY_RESTART
        case "deadline":
            return texts.TOO_LONG.format(minutes=round(deadline_s / 60))
        case "interrupted":
            return texts.INTERRUPTED
        case "withdrawn":
            return texts.WITHDRAWN
        case "asked" | "reworded" | "unseen" | None:
            return texts.STOPPED
        case _:
            assert_never(reason)
