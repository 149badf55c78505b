"""A platform in memory that keeps the port's promises and fails on demand, and a loop whose time is virtual."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Iterator
from dataclasses import dataclass, field
from typing import Any, Literal, TypeVar

import looptime

from core.ids import ThreadId, UserId
from core.replies import (
    Attachment,
    Bucket,
    Draws,
    Limits,
    MessageGone,
    MessageRef,
    Operation,
    Placement,
    Rate,
    Segment,
    SegmentRejected,
    SurfaceError,
    SurfaceUnavailable,
    Window,
)

T = TypeVar("T")

PLACEMENT = Placement(ThreadId("test:T1:C1:1"))


def in_virtual_time(coroutine: Callable[[], Coroutine[Any, Any, T]]) -> T:
    """Run it on a loop of its own that jumps over every pause, and check that it leaves no task behind."""

    async def checked() -> T:
        try:
            return await coroutine()
        finally:
            left = asyncio.all_tasks() - {asyncio.current_task()}
            for task in left:
                task.cancel()
            assert not left, f"tasks left behind: {sorted(task.get_name() for task in left)}"

    with asyncio.Runner(loop_factory=looptime.new_event_loop) as runner:
        return runner.run(checked())


@dataclass(frozen=True)
class Fault:
    """What happens to one call. effect: whether the platform does what was asked before it fails.
    seconds: how long the answer takes."""

    error: SurfaceError | None = None
    effect: bool = False
    seconds: float = 0.0


@dataclass
class Posted:
    """One message as people see it."""

    key: str
    text: str
    stop: str = ""
    deleted: bool = False
    thread_id: str = ""
    retry: str = ""
    rating: str = ""
    pings: str = ""


@dataclass(frozen=True)
class Call:
    """One call as the platform saw it. at: loop time at which it came in."""

    at: float
    operation: Literal["post", "edit", "delete", "find", "upload", "read"]
    message: str
    text: str
    thread_id: str
    failed: str = ""


@dataclass
class ScriptedSurface:
    """`faults` gives the Fault of each call in turn (None: all is well); `rules` judges one call by what it asks."""

    limits: Limits = field(default_factory=lambda: Limits(200, len, min_gap_s=1.0))
    quota: Rate | Window = field(default_factory=lambda: Rate(burst=5, per_s=1.0))
    post_quota: Rate | Window | None = None
    faults: Iterator[Fault | None] = field(default_factory=lambda: iter(()))
    rules: Callable[[str, str, str], Fault | None] = lambda operation, message, text: None
    latency_s: float = 0.0

    def __post_init__(self) -> None:
        self.messages: dict[str, Posted] = {}
        self.calls: list[Call] = []
        self.doing: dict[str, str] = {}  # by thread, what is shown now
        self.statuses: list[str] = []
        self.most_in_flight = 0
        self.changed = asyncio.Condition()
        self._people: list[tuple[str, int]] = []
        self._in_flight: dict[str, int] = {}

    @property
    def visible(self) -> list[Posted]:
        return [message for message in self.messages.values() if not message.deleted]

    @property
    def texts(self) -> list[str]:
        """What people see, from the top to the bottom."""
        return [message.text for message in self.visible]

    def texts_in(self, thread_id: str) -> list[str]:
        return [message.text for message in self.visible if message.thread_id == thread_id]

    def edits(self, message: str = "") -> list[Call]:
        return [call for call in self.calls if call.operation == "edit" and message in ("", call.message)]

    async def until(self, seen: Callable[[ScriptedSurface], bool], within_s: float = 20.0) -> None:
        """Return once `seen`, judged after each call."""
        async with asyncio.timeout(within_s), self.changed:
            await self.changed.wait_for(lambda: seen(self))

    def draws(self, operation: Operation, placement: Placement) -> Draws:
        if operation == "post" and self.post_quota:
            return Draws("test", (Bucket("post", self.post_quota),), end=Bucket("edit", self.quota))
        return Draws("test", (Bucket(operation, self.quota),))

    async def open(self, placement: Placement) -> None:
        """Nothing to prepare."""

    async def status(self, placement: Placement, doing: str) -> None:
        self.statuses.append(doing)
        self.doing[placement.thread_id] = doing

    async def post(self, placement: Placement, segment: Segment, key: str) -> MessageRef:
        def effect() -> str:
            name = f"m{len(self.messages)}"
            self.messages[name] = Posted(
                key, segment.shown, segment.stop, False, placement.thread_id, segment.retry, segment.rating
            )
            return name

        assert 0 < len(key) <= 25
        return MessageRef("C1", await self._called("post", "", segment, effect, placement))

    async def find(self, placement: Placement, key: str) -> MessageRef | None:
        def effect() -> str:
            made = [name for name, message in self.messages.items() if message.key == key and not message.deleted]
            return made[-1] if made else ""

        found = await self._called("find", "", Segment(""), effect, placement)
        return MessageRef("C1", found) if found else None

    async def edit(self, placement: Placement, ref: MessageRef, segment: Segment) -> None:
        def effect() -> str:
            message = self.messages[ref.message]
            if message.deleted:
                raise MessageGone("message_not_found")
            message.text, message.stop = segment.shown, segment.stop
            message.retry, message.rating = segment.retry, segment.rating
            return ref.message

        await self._called("edit", ref.message, segment, effect, placement)

    async def delete(self, placement: Placement, ref: MessageRef) -> None:
        def effect() -> str:
            self.messages[ref.message].deleted = True
            return ref.message

        await self._called("delete", ref.message, Segment(""), effect, placement)

    largest_file = 1_000_000

    async def upload(self, placement: Placement, file: Attachment, key: str) -> MessageRef:
        def effect() -> str:
            name = f"m{len(self.messages)}"
            self.messages[name] = Posted(key, f"📎 {file.name}", thread_id=placement.thread_id)
            return name

        return MessageRef("C1", await self._called("upload", "", Segment(file.name), effect, placement))

    async def find_upload(self, placement: Placement, key: str) -> MessageRef | None:
        return await self.find(placement, key)

    def somebody_writes(self, thread_id: str) -> None:
        """A person writes something below all that stands in the thread."""
        self._people.append((thread_id, len(self.messages)))

    async def is_buried(self, placement: Placement, ref: MessageRef) -> bool:
        def effect() -> str:
            number = list(self.messages).index(ref.message)
            return "m" if any(t == placement.thread_id and at > number for t, at in self._people) else ""

        return bool(await self._called("read", ref.message, Segment(""), effect, placement))

    async def link_to(self, placement: Placement, ref: MessageRef) -> str:
        return f"https://chat.test/{ref.message}"

    async def point(self, placement: Placement, ref: MessageRef, text: str, asker: UserId, key: str) -> MessageRef:
        posted = await self.post(placement, Segment(text), key)
        self.messages[posted.message].pings = asker
        return posted

    async def find_pointer(self, placement: Placement, key: str) -> MessageRef | None:
        return await self.find(placement, key)

    async def _called(
        self,
        operation: Literal["post", "edit", "delete", "find", "upload", "read"],
        message: str,
        segment: Segment,
        effect: Callable[[], str],
        placement: Placement,
    ) -> str:
        at, thread = asyncio.get_running_loop().time(), placement.thread_id
        fault = self.rules(operation, message, segment.shown) or next(self.faults, None) or Fault()
        if operation in ("post", "edit") and not segment.shown.strip():
            fault = Fault(SegmentRejected("no_text"))
        if self.limits.measure(segment.shown) > self.limits.segment:
            fault = Fault(SegmentRejected("msg_too_long"))
        self._in_flight[thread] = self._in_flight.get(thread, 0) + 1
        self.most_in_flight = max(self.most_in_flight, self._in_flight[thread])
        failed, result = "", ""
        try:
            if seconds := fault.seconds or self.latency_s:
                await asyncio.sleep(seconds)
            if fault.error is None or fault.effect:
                result = effect()
            if fault.error is not None:
                raise fault.error
        except SurfaceError as exc:
            failed = type(exc).__name__
            raise
        finally:
            self._in_flight[thread] -= 1
            self.calls.append(Call(at, operation, message or result, segment.shown, thread, failed))
            async with self.changed:
                self.changed.notify_all()
        return result


LOST_BEFORE = Fault(SurfaceUnavailable("connection refused"))
LOST_AFTER = Fault(SurfaceUnavailable("read timeout"), effect=True)
