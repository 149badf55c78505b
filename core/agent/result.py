"""What a finished or streaming run gives its caller."""

from __future__ import annotations

import asyncio
import copy
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Generic, cast

import pydantic
from typing_extensions import TypeVar

from core.agent._run import FinalResult, LoopEvent, ResponseEnded, Run
from core.agent.response import RunResponse
from core.agent.tools import AgentDepsT
from core.messages import (
    ModelMessage,
    ModelMessagesTypeAdapter,
    ModelRequest,
    ModelResponse,
    PartDeltaEvent,
    PartStartEvent,
    TextPart,
    TextPartDelta,
    ToolCallPart,
    ToolReturnPart,
    UserContent,
)
from core.models.errors import ModelRetry, UnexpectedModelBehavior, UserError
from core.models.usage import Usage

__all__ = ["AgentRunResult", "FinalResult", "StreamedRunResult"]

ResultDataT = TypeVar("ResultDataT", default=str, covariant=True)


@dataclass
class AgentRunResult(RunResponse, Generic[ResultDataT]):
    """A finished run: `.data` is its result, and every attribute of `RunResponse` is there as well."""

    _result_tool_name: str | None = field(default=None, repr=False, compare=False)

    @property
    def data(self) -> ResultDataT:
        """The result of the run."""
        return cast(ResultDataT, self.content)

    @property
    def output(self) -> ResultDataT:
        """The same as `data`."""
        return self.data

    @property
    def _new_message_index(self) -> int:
        """Where the messages of this run begin in the history."""
        return len(super().all_messages()) - len(super().new_messages())

    def all_messages(self, *, result_tool_return_content: str | None = None) -> list[ModelMessage]:
        """The history with this run. `result_tool_return_content`: what the result tool shall have returned in it.

        Raises ValueError for it when the result is text, LookupError when the history has no such call.
        """
        return self._with_return(super().all_messages(), result_tool_return_content)

    def new_messages(self, *, result_tool_return_content: str | None = None) -> list[ModelMessage]:
        """The part of the history this run added; see `all_messages`."""
        return self._with_return(super().new_messages(), result_tool_return_content)

    def all_messages_json(self, *, result_tool_return_content: str | None = None) -> bytes:
        messages = self.all_messages(result_tool_return_content=result_tool_return_content)
        return ModelMessagesTypeAdapter.dump_json(messages)

    def new_messages_json(self, *, result_tool_return_content: str | None = None) -> bytes:
        messages = self.new_messages(result_tool_return_content=result_tool_return_content)
        return ModelMessagesTypeAdapter.dump_json(messages)

    def _with_return(self, messages: list[ModelMessage], content: str | None) -> list[ModelMessage]:
        if content is None:
            return messages
        if (name := self._result_tool_name) is None:
            raise ValueError("Cannot set result tool return content when the return type is `str`.")
        messages = copy.deepcopy(messages)
        for message in reversed(messages):
            for part in message.parts if isinstance(message, ModelRequest) else ():
                if isinstance(part, ToolReturnPart) and part.tool_name == name:
                    part.content = content
                    return messages
        raise LookupError(f"No tool call found with tool name {name!r}.")


class StreamedRunResult(Generic[AgentDepsT, ResultDataT]):
    """A run that streams. It is given out when the first thing that can be shown arrives, or the run is over.

    Text streams at once. It is the result only when its response ends without a tool call; otherwise it was said on the
    way, and streaming goes on with the next response, after an empty line.
    """

    def __init__(self, run: Run[ResultDataT], events: AsyncIterator[LoopEvent]) -> None:
        self._run = run
        self._events = events
        self._held: list[LoopEvent] = []
        self._pulling: asyncio.Task[LoopEvent | None] | None = None
        self._text: list[str] = []  # of the response that streams
        self._before = ""  # what earlier responses of the run have said
        self._gap = ""  # what stands between it and the next text

    @property
    def is_complete(self) -> bool:
        """Whether the run has come to its result."""
        return self._run.result is not None

    async def get_data(self) -> ResultDataT:
        """The result, when it is there. Raises whatever the run ends in."""
        async for _ in self._rest():
            pass
        if self._run.result is None:
            raise UserError("The stream was closed before its result")
        return self._run.result.data

    async def stream_text(self, *, delta: bool = False, debounce_by: float | None = 0.1) -> AsyncIterator[str]:
        """The text so far each time it grows, or with `delta` what was added.

        debounce_by: seconds over which pieces are put together; None gives each piece by itself. Result validators run
        on the text so far, unless with `delta`; what they refuse of an unfinished text is not given out.
        Raises UserError when the result cannot be text.
        """
        if not self._run.plan.result.allow_text_result:
            raise UserError("stream_text() can only be used with text responses")
        async with aclosing(self.grouped(debounce_by)) as groups:
            async for group in groups:
                added = "".join(self._text_of(event) for event in group)
                if added and delta:
                    yield added
                elif added and (text := await self._validated_so_far()) is not None:
                    yield self._so_far(text)

    async def _validated_so_far(self) -> str | None:
        """The text of the response that streams, as the validators would have it; None if they refuse it."""
        self._text = ["".join(self._text)]
        try:
            return str(await self._run.validated(self._text[0], None))
        except ModelRetry:
            return None

    async def stream(self, *, debounce_by: float | None = 0.1) -> AsyncIterator[ResultDataT]:
        """The result as far as it is there, validated loosely; at last the whole of it, validated fully."""
        if self._run.plan.result.allow_text_result and not self._run.plan.result.tools:
            async for text in self.stream_text(debounce_by=debounce_by):
                yield cast(ResultDataT, text)
            if self._run.result is not None:
                yield self._run.result.data
            return
        async for response, last in self.stream_structured(debounce_by=debounce_by):
            if last and self._run.result is not None:
                yield self._run.result.data
                return
            try:
                partial = await self.validate_structured_result(response, allow_partial=True)
            except (pydantic.ValidationError, ModelRetry, UnexpectedModelBehavior):
                continue  # too little of it is there
            yield partial

    async def stream_structured(self, *, debounce_by: float | None = 0.1) -> AsyncIterator[tuple[ModelResponse, bool]]:
        """The response so far each time it grows, and whether it is the last one and whole."""
        last: ModelResponse | None = None
        async with aclosing(self.grouped(debounce_by)) as groups:
            async for group in groups:
                ended = [event.response for event in group if isinstance(event, ResponseEnded)]
                if ended:
                    last = ended[-1]
                if not any(isinstance(event, PartStartEvent | PartDeltaEvent) for event in group):
                    continue
                so_far = self._run.streamed.get() if self._run.streamed is not None else last
                if so_far is not None and any(part.has_content() for part in so_far.parts):
                    yield so_far, False
        if last is not None:
            yield last, True

    async def validate_structured_result(self, message: ModelResponse, *, allow_partial: bool = False) -> ResultDataT:
        """The result in `message`, through the result validators.

        Raises pydantic.ValidationError, ModelRetry, or UnexpectedModelBehavior when `message` holds none.
        """
        result = self._run.plan.result
        for part in message.parts:
            if isinstance(part, ToolCallPart) and (tool := result.tools.get(part.tool_name)):
                data = tool.validate(part, partial=allow_partial)
                return cast(ResultDataT, await self._run.validated(data, part))
        if not result.allow_text_result:
            raise UnexpectedModelBehavior(f"Invalid response, unable to find tool: {list(result.tools)}")
        texts = [part.content for part in message.parts if isinstance(part, TextPart)]
        return cast(ResultDataT, await self._run.validated("\n\n".join(texts), None))

    def usage(self) -> Usage:
        """What the run has used so far, the response that is streaming included."""
        streamed = self._run.streamed
        return self._run.usage + streamed.usage() if streamed is not None else self._run.usage

    def timestamp(self) -> datetime:
        """When the response that streams, or the last one, began."""
        if self._run.streamed is not None:
            return self._run.streamed.timestamp
        for message in reversed(self._run.messages):
            if isinstance(message, ModelResponse):
                return message.timestamp
        return datetime.now(tz=UTC)

    def all_messages(self, *, result_tool_return_content: str | None = None) -> list[ModelMessage]:
        """The history as it is now."""
        _refuse(result_tool_return_content)
        return self._run.messages

    def new_messages(self, *, result_tool_return_content: str | None = None) -> list[ModelMessage]:
        """The part of the history this run has added so far."""
        _refuse(result_tool_return_content)
        return self._run.new_messages()

    def all_messages_json(self, *, result_tool_return_content: str | None = None) -> bytes:
        messages = self.all_messages(result_tool_return_content=result_tool_return_content)
        return ModelMessagesTypeAdapter.dump_json(messages)

    def new_messages_json(self, *, result_tool_return_content: str | None = None) -> bytes:
        messages = self.new_messages(result_tool_return_content=result_tool_return_content)
        return ModelMessagesTypeAdapter.dump_json(messages)

    def steer(self, content: str | Sequence[UserContent]) -> bool:
        """Say something to the model in its next request, as if the person had spoken again.

        Would the run end, it goes on instead. False when it is over already: then it is for the next run to say.
        """
        return self._run.steer(content)

    async def open(self) -> None:
        """Go on to the first text or result, so that a run that fails before raises here."""
        async for event in self._rest():
            self._held.append(event)
            if isinstance(event, PartStartEvent):
                part = event.part
                if isinstance(part, TextPart) and self._run.plan.result.allow_text_result:
                    return
                if isinstance(part, ToolCallPart) and part.tool_name in self._run.plan.result.tools:
                    return

    async def aclose(self) -> None:
        """Stop reading, and end the run."""
        if self._pulling is not None:
            self._pulling.cancel()
            await asyncio.wait([self._pulling])
        if isinstance(self._events, AsyncGenerator):
            await self._events.aclose()

    def _text_of(self, event: LoopEvent) -> str:
        """What `event` adds to the text; responses, and parts of one, are apart by an empty line."""
        match event:
            case PartStartEvent(part=TextPart(content=text)):
                self._gap = "\n\n" if self._before or self._text else ""
            case PartDeltaEvent(delta=TextPartDelta(content_delta=text)):
                pass
            case ResponseEnded():
                self._before = self._so_far("".join(self._text))
                self._text = []
                return ""
            case _:
                return ""
        if not text:
            return ""
        gap, self._gap = self._gap, ""
        self._text.append(gap + text if self._text else text)
        return gap + text

    def _so_far(self, text: str) -> str:
        """`text` of the response that streams, after what was said before it."""
        return f"{self._before}\n\n{text}" if self._before and text else self._before or text

    async def _rest(self) -> AsyncGenerator[LoopEvent, None]:
        """The events nobody has read yet, one by one."""
        while self._held:
            yield self._held.pop(0)
        while (event := await self._next()) is not None:
            yield event

    async def _next(self) -> LoopEvent | None:
        if self._pulling is not None:
            task, self._pulling = self._pulling, None
            return await task
        return await anext(self._events, None)

    async def grouped(self, seconds: float | None) -> AsyncGenerator[list[LoopEvent], None]:
        """The events nobody has read yet, together with what comes within `seconds` of the first of a group.

        None gives each event by itself, but for those of before the first that can be shown: they are in its group.
        Waiting goes on in a task that outlives this generator, so that an early end loses nothing.
        """
        group, self._held = self._held, []
        if seconds is None:
            if group:
                yield group
            async for event in self._rest():
                yield [event]
            return
        loop = asyncio.get_running_loop()
        deadline = loop.time() + seconds if group else None
        while True:
            if self._pulling is None:
                self._pulling = loop.create_task(_pull(self._events))
            wait = None if deadline is None else max(0.0, deadline - loop.time())
            await asyncio.wait([self._pulling], timeout=wait)
            whole = not self._pulling.done()
            if not whole:
                ended = self._pulling.cancelled() or self._pulling.exception() is not None
                next_event = None if ended else self._pulling.result()
                if next_event is not None:
                    self._pulling = None
                    group.append(next_event)
                    deadline = deadline or loop.time() + seconds
                    continue
            if group:
                yield group
                group, deadline = [], None
            if not whole:
                await self._next()  # the end, or the exception
                return


async def _pull(events: AsyncIterator[LoopEvent]) -> LoopEvent | None:
    """One event, for a task; the end cannot leave a task as StopAsyncIteration, so it is None."""
    return await anext(events, None)


def _refuse(result_tool_return_content: str | None) -> None:
    if result_tool_return_content is not None:
        raise NotImplementedError("Setting result tool return content is not supported for this result type.")
