"""Server-sent events out of bytes, however the bytes are cut.

Source: WHATWG HTML, "Server-sent events", section "Parsing an event stream": lines end with CR, LF or CRLF, a BOM may
come first, a line that starts with a colon is a comment, several `data` lines of an event are joined with LF.
"""

from __future__ import annotations

from typing import NamedTuple

__all__ = ["MAX_EVENT_BYTES", "EventTooLong", "SSEParser", "ServerSentEvent"]

MAX_EVENT_BYTES = 10 * 1024 * 1024
_BOM = b"\xef\xbb\xbf"


class EventTooLong(ValueError):
    """A line or an event is longer than allowed."""


class ServerSentEvent(NamedTuple):
    """One event: its type ("" if not given) and its data, undecoded."""

    event: str
    data: bytes


class SSEParser:
    """Takes bytes in as they come and gives the events that are complete.

    limit: bytes one line, and the data of one event, may have. Cost is linear in the bytes, also for a long line that
    comes in small pieces.
    """

    def __init__(self, limit: int = MAX_EVENT_BYTES) -> None:
        self._limit = limit
        self._line: list[bytes] = []  # the pieces of a line that has not ended
        self._line_length = 0
        self._data: list[bytes] = []
        self._data_length = 0
        self._event = ""
        self._after_cr = False
        self._start = b""  # what may still turn out to be a BOM
        self._started = False

    def feed(self, chunk: bytes) -> list[ServerSentEvent]:
        """The events `chunk` completes. Raises EventTooLong."""
        if (whole := self._whole_events(chunk)) is not None:
            return whole
        if not self._started:
            chunk = self._without_bom(chunk)
        if self._after_cr and chunk:
            self._after_cr = False
            if chunk[:1] == b"\n":
                chunk = chunk[1:]
        if b"\r" in chunk:
            self._after_cr = chunk.endswith(b"\r")
            chunk = chunk.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
        lines = chunk.split(b"\n")
        events: list[ServerSentEvent] = []
        rest = lines.pop()
        for line in lines:
            if self._line:
                line = self._whole(line)
            elif len(line) > self._limit:
                raise self._too_long()
            self._take(line, events)
        if rest:
            self._line.append(rest)
            self._line_length += len(rest)
            if self._line_length > self._limit:
                raise self._too_long()
        return events

    def _whole_events(self, chunk: bytes) -> list[ServerSentEvent] | None:
        """The events of a `chunk` that is nothing but whole ones of one line of data each, as most are; else None."""
        if not (
            chunk.startswith(b"data: ")
            and chunk.endswith(b"\n\n")
            and self._started
            and not (self._line or self._data or self._event or self._after_cr)
            and len(chunk) <= self._limit
            and b"\r" not in chunk
        ):
            return None
        data = chunk[6:-2].split(b"\n\ndata: ")
        if chunk.count(b"\n") != 2 * len(data):  # there is another line somewhere
            return None
        return [ServerSentEvent("", one) for one in data]

    def finish(self) -> list[ServerSentEvent]:
        """The event that was not ended by an empty line, if there is one; some servers leave it out at the end."""
        events: list[ServerSentEvent] = []
        if self._start:
            self._line.append(self._start)
            self._start = b""
        if self._line:
            self._take(self._whole(b""), events)
        self._take(b"", events)
        return events

    def _without_bom(self, chunk: bytes) -> bytes:
        begun = self._start + chunk
        if len(begun) < len(_BOM) and _BOM.startswith(begun):
            self._start = begun
            return b""
        self._started, self._start = True, b""
        return begun.removeprefix(_BOM)

    def _whole(self, end: bytes) -> bytes:
        self._line.append(end)
        line = b"".join(self._line)
        self._line.clear()
        self._line_length = 0
        if len(line) > self._limit:
            raise self._too_long()
        return line

    def _take(self, line: bytes, events: list[ServerSentEvent]) -> None:
        """One line: a field, a comment, or the empty one that ends an event."""
        if not line:
            if self._data:
                data = self._data[0] if len(self._data) == 1 else b"\n".join(self._data)
                events.append(ServerSentEvent(self._event, data))
                self._data = []
                self._data_length = 0
            self._event = ""
            return
        name, _, value = line.partition(b":")
        if value[:1] == b" ":
            value = value[1:]
        if name == b"data":
            self._data.append(value)
            self._data_length += len(value) + 1
            if self._data_length > self._limit + 1:
                raise self._too_long()
        elif name == b"event":
            self._event = value.decode("utf-8", "replace")

    def _too_long(self) -> EventTooLong:
        return EventTooLong(f"the server sent an event longer than {self._limit} bytes")
