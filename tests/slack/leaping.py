"""A reply on an emulated Slack, and a loop and a clock that leap over minutes together."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from adapters.emulators.slack.emulator import SlackEmulator
from adapters.emulators.slack.workspace import Message
from adapters.slack import SlackSettings, SlackSurface
from adapters.slack._web import Web
from adapters.slack.inbound import Me
from adapters.slack.settings import StreamingMode
from core.chat import MessageRef, Placement, ThreadId
from core.replies import Controls, Draft, LocalBudget, Reply, Standing
from core.replies.reply import Delivery

CONTROLS = Controls(stop="turn#1", retry="turn#1")


class LeapingLoop(asyncio.SelectorEventLoop):
    """Its time passes as in life and can be pushed forward."""

    ahead = 0.0

    def time(self) -> float:
        return super().time() + self.ahead


def leaping(story: Callable[[], Coroutine[Any, Any, None]]) -> None:
    with asyncio.Runner(loop_factory=LeapingLoop) as runner:
        runner.run(story())


@dataclass
class Chat:
    """One thread, asked by Ada."""

    slack: SlackEmulator
    surface: SlackSurface
    placement: Placement
    in_flight: int = 0
    stops: list[str] = field(default_factory=list)

    @asynccontextmanager
    async def reply(
        self,
        *,
        key: str = "turn",
        shown: Sequence[MessageRef] = (),
        again: bool = False,
        surface: SlackSurface | None = None,
    ) -> AsyncIterator[tuple[Reply, asyncio.Task[Delivery]]]:
        async def posted(_: Standing) -> None:
            return None

        reply = Reply(
            surface or self.surface,
            self.placement,
            LocalBudget(),
            key=key,
            controls=CONTROLS,
            posted=posted,
            standing=Standing(tuple(shown)),
            again=again,
            stopped=lambda: self.stops.append("asked"),
        )
        task = asyncio.create_task(reply.run(), name="reply")
        try:
            yield reply, task
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    async def passes(self, seconds: float, step: float = 5.0) -> None:
        """Let time pass on the loop and in Slack, in steps; what is due in each is done before the next begins."""
        loop = asyncio.get_running_loop()
        assert isinstance(loop, LeapingLoop)
        while seconds > 0:
            loop.ahead += min(step, seconds)
            self.slack.advance(min(step, seconds))
            seconds -= step
            await self.quiet()

    async def quiet(self) -> None:
        """Return when no call to Slack is under way, nor about to be made."""
        still = 0
        async with asyncio.timeout(30 + 10 * 60):
            while still < 5:
                await asyncio.sleep(0.001 if self.in_flight else 0)
                still = 0 if self.in_flight else still + 1

    async def says(self, reply: Reply, text: str, start: str = "", size: int = 40, every_s: float = 1.0) -> str:
        """Let an answer grow by pieces of `size` characters."""
        for at in range(0, len(text), size):
            reply.show(Draft(start + text[: at + size]))
            await self.passes(every_s, every_s)
        return start + text

    async def ends(self, reply: Reply, task: asyncio.Task[Delivery], draft: Draft) -> Delivery:
        """Give the final Draft, and time to show it."""
        reply.show(draft)
        for _ in range(60):
            await self.passes(2.0)
            if task.done():
                break
        return await task

    @property
    def answers(self) -> list[Message]:
        """What stands in the thread from us."""
        place, root = self.placement.thread_id.split(":")[2:]
        return self.slack.bot_messages(place, root)

    @property
    def answer(self) -> Message:
        (message,) = self.answers
        return message

    def errors(self, method: str) -> list[str]:
        return [call.error for call in self.slack.calls(method) if call.error]

    def count(self, method: str) -> int:
        return len(self.slack.calls(method))


@asynccontextmanager
async def a_chat(streaming: StreamingMode = "on", place: str = "general") -> AsyncIterator[Chat]:
    """place: a channel, or "dm"."""
    slack = SlackEmulator()
    async with slack.running():
        settings = SlackSettings(slack.bot_token, slack.app_token, api_url=slack.api_url, streaming=streaming)
        web = Web.connect(settings)
        question = await slack.say("ada", slack.dm("ada") if place == "dm" else place, "a question")
        thread = ThreadId(f"slack:{slack.team_id}:{question.channel}:{question.ts}")
        origin = f"{question.user}@{slack.team_id}"
        chat = Chat(slack, a_surface(web, slack, streaming), Placement(thread, origin))
        call = web.client.api_call

        async def counted(*args: Any, **kwargs: Any) -> Any:
            chat.in_flight += 1
            try:
                return await call(*args, **kwargs)
            finally:
                chat.in_flight -= 1

        web.client.api_call = counted  # type: ignore[method-assign]  # to know when it is quiet
        try:
            yield chat
        finally:
            await web.aclose()


def a_surface(web: Web, slack: SlackEmulator, streaming: StreamingMode = "on") -> SlackSurface:
    """What one process shows with."""
    return SlackSurface(
        web.client,
        Me(slack.team_id, slack.bot_user_id, slack.bot_id),
        now=lambda: asyncio.get_running_loop().time(),
        streaming=streaming,
    )
