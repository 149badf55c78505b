"""A response that arrives as server-sent events, read as it is asked for."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any, Generic, Protocol, TypeVar

from core.messages import ModelResponseStreamEvent
from core.models._exchange import Limits, read_all
from core.models._json import read_object
from core.models._pace import Rhythm
from core.models._parts import ResponseParts
from core.models._sse import EventTooLong, ServerSentEvent, SSEParser
from core.models._transport import Reply
from core.models.base import StreamedResponse
from core.models.errors import AgentRunError, ModelConnectionError, ModelStreamBroken, ModelTimeout

__all__ = ["SSEResponse"]

_AFTER_FINISH_S = 5.0  # how long usage and the end mark may come after the last word


class _Reader(Protocol):
    """Reads what a provider says into parts."""

    @property
    def model(self) -> str:
        """The model that answers, as the provider names it."""
        ...

    @property
    def delivered(self) -> bool:
        """Whether anything of the answer has come."""
        ...


ReaderT = TypeVar("ReaderT", bound=_Reader)


class SSEResponse(StreamedResponse, Generic[ReaderT]):
    """A response while it streams; also the whole answer of a server that does not stream.

    A provider reads one event (`_take`) and a whole answer (`_take_whole`), both with the reader that `reads` makes,
    and knows whether the end of the bytes is the end of the answer (`_check_end`). Which of the two it is, the first
    byte says: content types are often wrong.
    It sets `finish_reason` when the provider has said why it stopped, after which a missing end mark is no failure,
    and `_done` when nothing more is to be read.

    merges_deltas: the pieces of text that are read at once are one event.  rhythm: when it is read, None for always.
    """

    merges_deltas = False
    rhythm: Rhythm | None = None

    def __init__(
        self, reply: Reply, limits: Limits, model_name: str, reads: Callable[[ResponseParts, str], ReaderT]
    ) -> None:
        self._reader = reads(self.parts, model_name)
        self._reply = reply
        self._limits = limits
        self._asked_for = model_name
        self._done = False
        self._begun = False
        self._is_thinking = False  # the provider has said that it thinks, which may take a while
        self._ended = False  # the bytes are at their end
        self._head = b""  # what came while it was not clear what it is
        self._parser = SSEParser()
        self._sent: Iterator[ServerSentEvent] = iter(())  # what the server has sent and nobody has taken yet
        self._first: list[ModelResponseStreamEvent] = []
        self._failure: AgentRunError | None = None  # raised once the pieces before it have been taken

    @property
    def model_name(self) -> str:
        return self._reader.model

    @abstractmethod
    def _take(self, sse: ServerSentEvent) -> list[ModelResponseStreamEvent]:
        """The events of one event of the server. Raises what it says when it is an error."""

    @abstractmethod
    def _take_whole(self, data: bytes) -> list[ModelResponseStreamEvent]:
        """The events of an answer that was not streamed."""

    @abstractmethod
    def _check_end(self) -> None:
        """Raise AgentRunError if the bytes ended before the answer, or the answer is one to refuse."""

    async def open(self) -> None:
        """Read to the first piece of the answer."""
        self._first = await self._next()

    async def _iterate(self) -> AsyncIterator[ModelResponseStreamEvent]:
        events = self._first
        while events:
            for event in events:
                yield event
            try:
                events = await self._next()
            except ModelTimeout:
                raise
            except ModelConnectionError as exc:
                raise self._broken(str(exc)) from exc

    async def _next(self) -> list[ModelResponseStreamEvent]:
        """The next events of the answer, nothing being read before it is asked for; [] at its end."""
        while True:
            if events := self._taken_together() if self.merges_deltas else self._taken():
                self._limits.progressed()
                return events
            if self._ended or self._done:
                self._check_end()
                return []
            if self.rhythm is not None and (rest_s := self.rhythm.rest_s()) > 0:
                await self._reply.rest(rest_s)
            data = await self._read_some()
            self._ended = not data
            if self.rhythm is not None:
                self.rhythm.has_read()
            if not self._begun:
                self._head += data
                if (start := _first_byte(self._head)) in b"{[<" and start:
                    self._ended = True
                    return self._take_whole(await read_all(self._reply, self._limits, self._head)) or await self._next()
                self._begun = bool(start)
            try:
                self._sent = iter(self._parser.feed(data) if data else self._parser.finish())
            except EventTooLong as exc:
                raise self._broken(str(exc)) from exc

    def _taken(self) -> list[ModelResponseStreamEvent]:
        """The events of the next event of the server that has any; [] when all that was sent is taken."""
        for sse in self._sent:
            if events := self._take(sse):
                return events
        return []

    def _taken_together(self) -> list[ModelResponseStreamEvent]:
        """The events of all that was sent, pieces of text that follow one another as one."""
        if self._failure is not None:
            raise self._failure
        events: list[ModelResponseStreamEvent] = []
        last: ModelResponseStreamEvent | None = None
        self.parts.merges = True
        try:
            for sse in self._sent:
                for event in self._take(sse):
                    if event is not last:
                        events.append(event)
                        last = event
        except AgentRunError as exc:
            if not events:
                raise
            self._failure = exc
        finally:
            self.parts.settle()
        return events

    async def _read_some(self) -> bytes:
        """The next bytes; b"" at the end. Raises ModelConnectionError."""
        limits = self._limits
        phase, seconds = ("idle", limits.idle_s) if self._begun else ("first event", limits.first_event_s)
        if self.finish_reason is not None:
            seconds = min(seconds, _AFTER_FINISH_S)
        elif self._is_thinking:
            seconds = max(seconds, limits.progress_s)
        try:
            with limits.within(phase, seconds):
                return await self._reply.read_some()
        except ModelConnectionError:
            if self.finish_reason is None:
                raise
            return b""  # the answer was whole; only its last formalities are missing

    def _object_in(self, sse: ServerSentEvent) -> dict[str, Any] | None:
        """The JSON object an event holds; None where there is none to read: an empty event, or `[DONE]`, which ends
        the answer. Raises ModelStreamBroken."""
        data = sse.data.strip()
        if self._done or not data:
            return None
        if data == b"[DONE]":
            self._done = True
            return None
        try:
            return read_object(data)
        except ValueError as exc:
            raise self._broken("the server sent something that is not JSON") from exc

    def _ended_early(self) -> ModelConnectionError | ModelStreamBroken:
        """The error for bytes that ended before the answer did."""
        if not self._reader.delivered:
            return ModelConnectionError("The provider ended the connection without an answer")
        return self._broken("the connection ended before the answer did")

    def _broken(self, why: str) -> ModelStreamBroken:
        return ModelStreamBroken(f"The provider's answer broke off: {why}", self._asked_for)


def _first_byte(head: bytes) -> bytes:
    """The first byte of `head` that is neither white space nor of a BOM; b"" while there is none."""
    start = head.lstrip()
    if b"\xef\xbb\xbf".startswith(start[:3]):
        start = start[3:].lstrip()
    return start[:1]
