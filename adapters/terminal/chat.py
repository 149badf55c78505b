"""TerminalAdapter: lines from one person in, one at a time, each answered before the next prompt."""

from __future__ import annotations

import asyncio
import getpass
import itertools
import time
from collections.abc import Awaitable, Callable

from adapters.terminal.surface import MANUAL, TerminalSurface
from core.chat import (
    Author,
    ChannelId,
    CommandCall,
    CommandName,
    Intake,
    Message,
    MessageRef,
    Placement,
    ScopeId,
    Segment,
    StoreUnavailable,
    Surface,
    ThreadId,
    UserId,
)
from core.replies import RateBudget

PROMPT = "you> "
THREAD = ThreadId("terminal:local:chat")
SCOPE = ScopeId("terminal:local")
CHANNEL = ChannelId("terminal:local")

_COMMANDS: dict[str, CommandName] = {"/usage": "usage", "/reset": "reset", "/stop": "stop", "/help": "help"}


class TerminalAdapter:
    """read_line: gives the next line, None at the end of the input.  write: text for the terminal."""

    def __init__(self, read_line: Callable[[], Awaitable[str | None]], write: Callable[[str], None]) -> None:
        self._read_line = read_line
        self._write = write
        self._surface = _Watched(write)
        self._user = UserId(f"terminal:{getpass.getuser()}")
        self._numbers = itertools.count(1)
        self._begun = f"{time.time():.6f}"

    @property
    def platform(self) -> str:
        return "terminal"

    @property
    def surface(self) -> Surface:
        return self._surface

    async def open(self, budget: RateBudget | None = None) -> None:
        pass

    async def listen(self, intake: Intake) -> None:
        """Return when the input ends."""
        while True:
            self._write(PROMPT)
            line = await self._read_line()
            if line is None:
                self._write("\n")
                return
            text = line.strip()
            if text in _COMMANDS:
                self._write(await self._command(intake, _COMMANDS[text]) + "\n\n")
            elif text:
                await self._ask(intake, text)

    async def interrupt(self, intake: Intake) -> bool:
        """Stop the answer that is being written; False when there is none."""
        if not self._surface.busy:
            return False
        await intake.command(self._call("stop"))
        return True

    async def forget(self, intake: Intake) -> None:
        """Begin with no memory of earlier conversations."""
        await intake.command(self._call("reset"))

    def unready(self) -> str | None:
        return None

    async def aclose(self) -> None:
        pass

    def _call(self, name: CommandName) -> CommandCall:
        return CommandCall(name, self._user, SCOPE, CHANNEL, THREAD, is_admin=True, manual=MANUAL)

    async def _command(self, intake: Intake, name: CommandName) -> str:
        try:
            return await intake.command(self._call(name))
        except StoreUnavailable as exc:
            return f"Redis is away: {exc}"

    async def _ask(self, intake: Intake, text: str) -> None:
        message = Message(
            THREAD,
            SCOPE,
            CHANNEL,
            Author(self._user, getpass.getuser()),
            text,
            "direct",
            (f"{self._begun}-{next(self._numbers)}",),
            time.time(),
        )
        self._surface.done.clear()
        try:
            verdict = await intake.accept(message)
        except StoreUnavailable as exc:
            self._write(f"Redis is away: {exc}\n")
            return
        if verdict == "accepted":
            await self._surface.done.wait()
            self._write("\n\n")


class _Watched(TerminalSurface):
    """Knows when a Turn is over: its answer is complete, and then its status is cleared."""

    def __init__(self, write: Callable[[str], None]) -> None:
        super().__init__(write)
        self.done = asyncio.Event()
        self.busy = False
        self._complete = False

    async def post(self, placement: Placement, segment: Segment, key: str) -> MessageRef:
        self._complete = not segment.stop
        return await super().post(placement, segment, key)

    async def edit(self, placement: Placement, ref: MessageRef, segment: Segment) -> None:
        self._complete = not segment.stop
        await super().edit(placement, ref, segment)

    async def status(self, placement: Placement, doing: str) -> None:
        if doing:
            self.busy = True
        elif self._complete:
            self.busy = self._complete = False
            self.done.set()
