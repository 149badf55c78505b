"""Workers over a real Redis and a platform in memory, with an engine that says what it is told to say."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest

from core.agent.response import RunEvent, RunResponse
from core.chat import Author, ChannelId, Message, Reach, Said, ScopeId, ThreadId, UserId, Verdict, patience
from core.chat import worker as worker_module
from core.chat.commands import Commands
from core.chat.compaction import Compactor
from core.chat.desk import Desk
from core.chat.turn import Turns, TurnSettings
from core.chat.worker import Worker
from core.messages import ModelMessage, ModelRequest, ModelResponse, TextPart, UserPromptPart
from core.models.usage import Usage
from core.replies import Attachment, Draws, Limits, LocalBudget, MessageRef, Operation, Placement, Rate, Segment
from core.replies import pacing as pacing_module
from core.replies import reply as reply_module
from core.sessions import Leases, Mailboxes, Ratings, Retention
from core.store import Store, keys
from tests.replies.scripted_surface import ScriptedSurface

THREAD = ThreadId("test:T1:C1:1")
SCOPE = ScopeId("test:T1")
ADA = UserId("test:ada")
GRACE = UserId("test:grace")

Step = str | BaseException | asyncio.Event | Callable[[], Awaitable[None]] | RunResponse
Script = Sequence[Step]


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Everything that is waited for in seconds, in a small part of them."""
    monkeypatch.setattr(worker_module, "RENEW_EVERY_S", 0.08)
    monkeypatch.setattr(worker_module, "LOOK_FOR_LAPSED_EVERY_S", 0.05)
    monkeypatch.setattr(worker_module, "BLOCK_MS", 100)
    monkeypatch.setattr(worker_module, "BEAT_EVERY_S", 0.1)
    monkeypatch.setattr(worker_module, "BEAT_COUNTS_MS", 500)
    monkeypatch.setattr(worker_module, "STORE_RETRY_S", 0.05)
    monkeypatch.setattr(reply_module, "_GOODBYE_S", 0.05)
    monkeypatch.setattr(pacing_module, "_BACKOFF_S", (0.01,))
    monkeypatch.setattr(pacing_module, "FIRST_TEXT_WAIT_S", 0.01)
    monkeypatch.setattr(patience, "STORE_PATIENCE_S", 20.0)


@dataclass
class ScriptedRun:
    """What a RunResponse asks its run for."""

    prompt: str
    said: str = ""

    @property
    def messages(self) -> list[ModelMessage]:
        return self.new_messages()

    @property
    def usage(self) -> Usage:
        return Usage(requests=1, request_tokens=10, response_tokens=20, total_tokens=30)

    def new_messages(self) -> list[ModelMessage]:
        said: list[ModelMessage] = [ModelRequest(parts=[UserPromptPart(content=self.prompt)])]
        return [*said, ModelResponse(parts=[TextPart(self.said)])] if self.said else said


@dataclass
class ScriptedAnswerer:
    """Says, for each prompt, its script: words are Deltas, an Event is waited for, an exception is raised."""

    scripts: dict[str, Script] = field(default_factory=dict)
    otherwise: Callable[[str], Script] = lambda prompt: ["re: ", prompt]
    prompts: list[str] = field(default_factory=list)
    histories: list[list[ModelMessage]] = field(default_factory=list)
    running: int = 0

    async def run(self, user_prompt: str, *, message_history: Any = None, **_: Any) -> AsyncIterator[RunResponse]:
        self.prompts.append(user_prompt)
        self.histories.append(list(message_history or []))
        run: Any = ScriptedRun(user_prompt)
        self.running += 1
        try:
            yield RunResponse(event=RunEvent.run_started.value, model="gpt-4o", _run=run)
            for step in self.scripts.get(user_prompt, None) or self.otherwise(user_prompt):
                match step:
                    case str():
                        run.said += step
                        yield RunResponse(content=step, model="gpt-4o", _run=run)
                    case RunResponse():
                        yield step
                    case asyncio.Event():
                        await step.wait()
                    case BaseException():
                        raise step
                    case _:
                        await step()
            yield RunResponse(content=run.said, event=RunEvent.run_completed.value, model="gpt-4o", _run=run)
        finally:
            self.running -= 1


def said_in(history: Sequence[ModelMessage]) -> list[str]:
    """The texts of a history, in order."""
    return [
        part.content
        for message in history
        for part in message.parts
        if isinstance(part, UserPromptPart | TextPart) and isinstance(part.content, str)
    ]


class Mortal:
    """One worker's hands on the world. Once killed, nothing it does has an effect or an end, as after SIGKILL.

    die_at: the number of the operation (Redis scripts and platform calls, counted from 1) at which it dies;
    after_effect: whether that one still takes effect.
    """

    def __init__(self, world: ScriptedSurface, store: Store, die_at: int = 0, after_effect: bool = True) -> None:
        self.world = world
        self.dead = asyncio.Event()
        self.operations = 0
        self._die_at = die_at
        self._after_effect = after_effect
        self._script = store.script
        self._script_with = store.script_with
        store.script = self._mortal_script  # type: ignore[method-assign]
        store.script_with = self._mortal_script_with  # type: ignore[method-assign]
        self._store = store

    def kill(self) -> None:
        self.dead.set()
        self._store.redis = _Void()

    def die_next(self, *, after_effect: bool) -> None:
        """Die at the next operation."""
        self._die_at, self._after_effect = self.operations + 1, after_effect

    async def _mortal_script(self, name: str, keys: Sequence[str], args: Sequence[str | int]) -> Any:
        if name == "renew":  # comes by the clock: it would make the count of the others vary
            return await self._alive(self._script(name, keys, args))
        return await self._counted(lambda: self._script(name, keys, args))

    async def _mortal_script_with(self, *args: Any) -> Any:
        return await self._counted(lambda: self._script_with(*args))

    async def _counted(self, act: Callable[[], Awaitable[Any]]) -> Any:
        self.operations += 1
        dies = self.operations == self._die_at
        if dies and not self._after_effect:
            self.kill()
        if self.dead.is_set():
            await asyncio.Event().wait()
        result = await act()
        if dies:
            self.kill()
            await asyncio.Event().wait()
        return result

    async def _alive(self, act: Awaitable[Any]) -> Any:
        if self.dead.is_set():
            asyncio.ensure_future(act).cancel()
            await asyncio.Event().wait()
        return await act

    @property
    def limits(self) -> Limits:
        return self.world.limits

    def draws(self, operation: Operation, placement: Placement) -> Draws:
        return self.world.draws(operation, placement)

    async def open(self, placement: Placement) -> None:
        return None

    async def status(self, placement: Placement, doing: str) -> None:
        if not self.dead.is_set():
            await self.world.status(placement, doing)

    async def post(self, placement: Placement, segment: Segment, key: str) -> MessageRef:
        ref: MessageRef = await self._counted(lambda: self.world.post(placement, segment, key))
        return ref

    async def find(self, placement: Placement, key: str) -> MessageRef | None:
        ref: MessageRef | None = await self._counted(lambda: self.world.find(placement, key))
        return ref

    async def edit(self, placement: Placement, ref: MessageRef, segment: Segment) -> None:
        await self._counted(lambda: self.world.edit(placement, ref, segment))

    largest_file = 1_000_000

    async def upload(self, placement: Placement, file: Attachment, key: str) -> MessageRef:
        ref: MessageRef = await self._counted(lambda: self.world.upload(placement, file, key))
        return ref

    async def find_upload(self, placement: Placement, key: str) -> MessageRef | None:
        return await self.find(placement, key)

    async def is_buried(self, placement: Placement, ref: MessageRef) -> bool:
        buried: bool = await self._counted(lambda: self.world.is_buried(placement, ref))
        return buried

    async def link_to(self, placement: Placement, ref: MessageRef) -> str:
        return await self.world.link_to(placement, ref)

    async def point(self, placement: Placement, ref: MessageRef, text: str, asker: UserId, key: str) -> MessageRef:
        posted: MessageRef = await self._counted(lambda: self.world.point(placement, ref, text, asker, key))
        return posted

    async def find_pointer(self, placement: Placement, key: str) -> MessageRef | None:
        return await self.find(placement, key)

    async def delete(self, placement: Placement, ref: MessageRef) -> None:
        await self._counted(lambda: self.world.delete(placement, ref))


class _Void:
    """A Redis that never answers. Its answers are futures: whoever is ended before awaiting one leaves nothing."""

    def __getattr__(self, name: str) -> Any:
        return lambda *_, **__: asyncio.get_running_loop().create_future()


@dataclass
class Running:
    """A worker at work."""

    worker: Worker
    store: Store
    hands: Mortal
    task: asyncio.Task[None]

    async def end(self) -> None:
        """Stop taking work in, as a process does that is asked to end."""
        self.task.cancel()
        await asyncio.gather(self.task, return_exceptions=True)

    async def bury(self) -> None:
        """Clear its tasks away; they have no effect on anything any more."""
        self.hands.kill()
        self.worker._draining = True  # a Session that ends now is not begun anew
        await self.end()
        for task in list(self.worker._tasks.values()):
            task.cancel()
        await asyncio.gather(*self.worker._tasks.values(), return_exceptions=True)


class Rig:
    """One platform, one engine, one Redis, and as many workers as are started."""

    def __init__(self, store: Store, url: str) -> None:
        self.store = store
        self.url = url
        self.world = ScriptedSurface(limits=Limits(500, len, min_gap_s=0.01), quota=Rate(500, 500))
        self.answerer = ScriptedAnswerer()
        self.retention = Retention()
        self.settings = TurnSettings()
        self.compactor: Compactor | None = None
        self.budget: LocalBudget | None = None
        self.lease_ms = 400
        self.mailboxes = Mailboxes(store, self.retention)
        self.commands = Commands(store, self.mailboxes, admins=[])
        self.desk = Desk(self.mailboxes, Ratings(store, self.retention), self.commands)
        self._numbers = itertools.count(1)

    async def say(
        self,
        text: str,
        *,
        thread: ThreadId = THREAD,
        user: UserId = ADA,
        key: str = "",
        reach: Reach = "mention",
        name: str = "",
        to_another: bool = False,
        quoted: Said | None = None,
    ) -> Verdict:
        key = key or f"k{next(self._numbers)}"
        author, channel = Author(user, name), ChannelId("test:T1:C1")
        return await self.desk.accept(
            Message(thread, SCOPE, channel, author, text, reach, (key,), 0.0, to_another=to_another, quoted=quoted)
        )

    @asynccontextmanager
    async def worker(
        self, *, die_at: int = 0, after_effect: bool = True, answerer: Any = None, concurrency: int = 250
    ) -> AsyncIterator[Running]:
        store = await Store.open(self.url)
        redis = store.redis
        hands = Mortal(self.world, store, die_at, after_effect)
        name = f"w{next(self._numbers)}"
        turns = Turns(
            answerer or self.answerer,
            {"test": hands},
            Commands(store, Mailboxes(store, self.retention), admins=[]),
            self.budget or LocalBudget(),
            provider="openai",
            settings=self.settings,
            busy=self.desk.settings.busy,
            compactor=self.compactor,
        )
        worker = Worker(store, Leases(store, self.retention, name, self.lease_ms), turns, concurrency)
        running = Running(worker, store, hands, asyncio.create_task(worker.run(), name=name))
        try:
            yield running
        finally:
            await running.bury()
            await redis.aclose()

    async def until(self, seen: Callable[[], Awaitable[bool]], within_s: float = 15.0) -> None:
        async with asyncio.timeout(within_s):
            while not await seen():  # noqa: ASYNC110 - Redis sends no event for what is waited for here
                await asyncio.sleep(0.01)

    async def settled(self, *threads: ThreadId, within_s: float = 15.0) -> None:
        """Return once nothing waits in the threads and nobody serves them."""

        async def seen() -> bool:
            for thread in threads or (THREAD,):
                names = [keys.session(thread, part) for part in ("mail", "lease", "turn")]
                if await self.store.redis.exists(*names):
                    return False
            return True

        await self.until(seen, within_s)

    async def ask(self, text: str, **how: Any) -> None:
        """Say it and wait until it is answered and sealed."""
        assert await self.say(text, **how) == "accepted"
        await self.settled(how.get("thread", THREAD))
