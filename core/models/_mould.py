"""Pieces of an answer that differ from the one before in nothing but their text, as most do.

The events of a stream repeat a long envelope around a few characters. Once one has been read as JSON, the next that has
the same bytes before and after its text says the same but for this text: it need not be read as JSON again, which is
most of what a piece costs.
"""

from __future__ import annotations

__all__ = ["Mould", "Moulds"]

_TRIED_IN_VAIN = 16
"""After so many pieces that did not fit their forerunner's mould, no more are made: some providers pad each piece with
something random, or count them."""

_MORE_THAN_TEXT = bytes(range(0x20)) + b'"\\'
"""What is no plain character of a JSON string (RFC 8259, section 7)."""


class Mould:
    """What stands before and after the text in one event's JSON."""

    __slots__ = ("_after", "_before", "_least")

    def __init__(self, before: bytes, after: bytes) -> None:
        self._before = before
        self._after = after
        self._least = len(before) + len(after)

    @classmethod
    def of(cls, data: bytes, key: bytes) -> Mould | None:
        """The mould of an event whose text is what `key`, a member's name in quotes, has as its value. None if it is
        not there exactly once, or its value is not a string of plain characters."""
        rest = data.partition(key)[2]  # nothing, if it is not there
        value = rest.lstrip(b" ")
        if key in rest or not value.startswith(b":"):
            return None
        value = value[1:].lstrip(b" ")
        end = value.find(b'"', 1)
        if not value.startswith(b'"') or end < 0 or _is_more_than_text(value[1:end]):
            return None
        start = len(data) - len(value) + 1
        return cls(data[:start], data[start + end - 1 :])

    def text_in(self, data: bytes) -> str | None:
        """The text of an event that has this mould; None if it has another, or if its text has to be read as JSON."""
        if len(data) <= self._least or not data.startswith(self._before) or not data.endswith(self._after):
            return None
        text = data[len(self._before) : len(data) - len(self._after)]
        if _is_more_than_text(text):
            return None
        try:
            return text.decode()
        except UnicodeDecodeError:
            return None


class Moulds:
    """The mould of the newest event that was nothing but text. key: the name of the member that holds the text."""

    def __init__(self, key: str) -> None:
        self._key = f'"{key}"'.encode()
        self._mould: Mould | None = None
        self._in_vain = 0

    def text_in(self, data: bytes) -> str | None:
        """The text of an event that differs from the newest in its text alone, None if it has to be read as JSON."""
        if self._mould is None or (text := self._mould.text_in(data)) is None:
            return None
        self._in_vain = 0
        return text

    def read(self, data: bytes, *, is_text: bool) -> None:
        """Note an event that has been read as JSON. is_text: it was a piece of text and said nothing else."""
        if not is_text or self._in_vain == _TRIED_IN_VAIN:
            self._mould = None
        else:
            self._in_vain += 1
            self._mould = Mould.of(data, self._key) or self._mould


def _is_more_than_text(data: bytes) -> bool:
    return len(data.translate(None, _MORE_THAN_TEXT)) != len(data)
