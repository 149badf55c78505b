"""Running: the engine at work for one Turn, from its first event to its end, however that comes."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import aclosing
from typing import Literal, cast

from core.agent.response import RunResponse
from core.chat.answerer import Answerer, Asker, Steerable
from core.chat.progress import Progress
from core.chat.stop import Stop
from core.messages import ModelMessage, ModelRequest, UserPromptPart

Ending = Literal["done", "stopped"] | BaseException


class Running:
    """One run. progress: what it has said so far.  changed: called after each event that people should see."""

    def __init__(self, answerer: Answerer, asker: Asker, changed: Callable[[], None], progress: Progress) -> None:
        self._answerer = answerer
        self._asker = asker
        self._changed = changed
        self._events: object = None
        self.progress = progress

    async def finish(
        self, prompt: str, history: list[ModelMessage], stop: Stop, deadline_s: float, name: str
    ) -> Ending:
        """Run to the end, until `stop` asks, or for `deadline_s` seconds; an error of the run is given back.

        With a stop that was asked for before, nothing is run at all.
        """
        if stop.reason is not None:
            return "stopped"
        consuming = asyncio.create_task(self._consume(prompt, history), name=f"run:{name}")
        stopping = asyncio.create_task(stop.wait(), name=f"stop:{name}")
        try:
            await asyncio.wait({consuming, stopping}, timeout=deadline_s, return_when=asyncio.FIRST_COMPLETED)
            if not consuming.done():
                stop.ask("deadline")  # unless somebody has asked before
        finally:
            self._events = None  # what is steered from here on nobody would hear
            consuming.cancel()
            stopping.cancel()
            await asyncio.gather(consuming, stopping, return_exceptions=True)
        if consuming.cancelled():
            return "stopped"
        return consuming.exception() or "done"

    def steer(self, text: str) -> bool:
        """Hand `text` to the model with its next request; False when the run is over or its engine cannot do that."""
        return isinstance(self._events, Steerable) and self._events.steer(text)

    def has_heard(self, texts: Sequence[str]) -> int:
        """How many of `texts`, which were steered in this order, the model was told."""
        told = [
            part.content
            for message in self.progress.new_messages()
            if isinstance(message, ModelRequest)
            for part in message.parts
            if isinstance(part, UserPromptPart)
        ][1:]
        heard = 0
        for text in texts:
            if text not in told:
                break
            del told[: told.index(text) + 1]
            heard += 1
        return heard

    async def _consume(self, prompt: str, history: list[ModelMessage]) -> None:
        events = self._answerer.run(
            prompt,
            message_history=history or None,
            deps=self._asker,
            stream=True,
            stream_intermediate_steps=True,
        )
        self._events = events
        clock = asyncio.get_running_loop().time
        async with aclosing(cast("AsyncGenerator[RunResponse, None]", events)) as open_events:
            async for event in open_events:
                if self.progress.apply(event, clock()):
                    self._changed()
