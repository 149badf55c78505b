"""Server-sent events out of bytes, however they are cut."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.models._sse import EventTooLong, SSEParser

BODY = (
    '\ufeff: a comment\r\ndata: {"text": "Grüße 👋"}\r\n\r\n'
    "event: error\ndata: first\ndata:second\nid: 7\nretry: 10\n\n"
    "data\n\n:\n\ndata: a\rdata: b\r\rdata: [DONE]"
).encode()
EVENTS = [
    ("", '{"text": "Grüße 👋"}'.encode()),
    ("error", b"first\nsecond"),
    ("", b""),
    ("", b"a\nb"),
    ("", b"[DONE]"),
]


def read(*chunks: bytes) -> list[tuple[str, bytes]]:
    parser = SSEParser()
    events = [event for chunk in chunks for event in parser.feed(chunk)]
    return [tuple(event) for event in events + parser.finish()]


def test_every_form_of_line_and_field_is_read() -> None:
    """BOM, comments, CR, LF and CRLF, several data lines, unknown fields, no empty line at the end."""
    assert read(BODY) == EVENTS


def test_cutting_in_two_anywhere_changes_nothing() -> None:
    """Also in the middle of a character, between CR and LF, and inside the BOM."""
    for at in range(len(BODY) + 1):
        assert read(BODY[:at], BODY[at:]) == EVENTS, at


def test_byte_by_byte_changes_nothing() -> None:
    """The worst a network can do."""
    assert read(*(BODY[at : at + 1] for at in range(len(BODY)))) == EVENTS


@given(st.lists(st.integers(0, len(BODY)), max_size=12))
def test_any_cuts_change_nothing(cuts: list[int]) -> None:
    """Empty chunks included."""
    edges = [0, *sorted(cuts), len(BODY)]
    assert read(*(BODY[a:b] for a, b in itertools.pairwise(edges))) == EVENTS


@given(
    st.lists(st.lists(st.text().filter(lambda t: not set(t) & {"\r", "\n"}), min_size=1), max_size=5),
    st.sampled_from(["\n", "\r\n", "\r"]),
)
def test_what_is_written_is_read(events: list[list[str]], end: str) -> None:
    """Any text without line ends survives, with every kind of line end."""
    body = "".join("".join(f"data: {line}{end}" for line in lines) + end for lines in events)
    assert read(body.encode()) == [("", "\n".join(lines).encode()) for lines in events]


@pytest.mark.parametrize("size", [1000, 7])
def test_a_line_that_never_ends_is_refused(size: int) -> None:
    """A server gone mad must not fill our memory."""
    parser = SSEParser(limit=100)
    with pytest.raises(EventTooLong, match="100"):
        for _ in range(200):
            parser.feed(b"data: "[:size] + b"x" * size)


def test_an_event_of_endless_lines_is_refused() -> None:
    """Short lines add up as well."""
    parser = SSEParser(limit=100)
    with pytest.raises(EventTooLong):
        for _ in range(30):
            parser.feed(b"data: abcdef\n")
