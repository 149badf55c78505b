"""What goes out of a growing text, in pieces that cannot be taken back."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.emulators.slack.mentions import Parsing, pings_of
from adapters.slack.outflow import Outflow, has_link, is_open, settled, wire
from core.replies import closed

MARKDOWN = st.lists(
    st.sampled_from(
        ["```", "~~~", "`", "``", "\n", "\n\n", "- ", "1. ", "> ", "| a | b |", "<!here>", "<", "!here>", "@", "&lt;",
         "&#60;", "&#", "[", "]", "(x)", "**", "_", "word", "wörd ", " ", "\t", "字。", "🙂", "py\n", "<@U1>", "\\",
         "#", "\r", "\u2028"]
    )
    | st.text(max_size=6),
    max_size=24,
).map("".join)  # fmt: skip


def said(text: str, cuts: list[int]) -> Outflow:
    """Let `text` grow over `cuts`, each state with its open fence closed as a Segment's is, and end it."""
    outflow = Outflow()
    for cut in cuts:
        piece = outflow.more(closed(text[:cut]))
        assert piece is not None
        outflow.mark_sent(piece)
    last = outflow.more(closed(text), ended=True)
    assert last is not None
    outflow.mark_sent(last)
    return outflow


@given(MARKDOWN, st.data())
def test_the_pieces_together_are_the_whole_whatever_the_cuts(text: str, data: st.DataObject) -> None:
    """Nothing that has gone out would be written otherwise once more is known."""
    cuts = sorted(data.draw(st.lists(st.integers(0, len(text)), max_size=6)))
    assert said(text, cuts).sent == wire(closed(text))


@given(MARKDOWN)
def test_what_is_settled_stays_settled_letter_by_letter(text: str) -> None:
    """The hardest case: one letter a call."""
    states = [wire(closed(text[:cut])[: settled(closed(text[:cut]))]) for cut in range(len(text) + 1)]
    assert all(later.startswith(earlier) or earlier.startswith(later) for earlier, later in pairwise(states))
    assert said(text, list(range(len(text) + 1))).sent == wire(closed(text))


@given(MARKDOWN, st.data())
def test_nobody_is_pinged_at_any_moment(text: str, data: st.DataObject) -> None:
    """Neither by what stands there nor by one piece alone."""
    outflow = Outflow()
    for cut in sorted(data.draw(st.lists(st.integers(0, len(text)), max_size=6))):
        piece = outflow.more(closed(text[:cut])) or ""
        outflow.mark_sent(piece)
        for shown in (piece, outflow.sent):
            assert not pings_of(shown, [{"type": "markdown", "text": shown}], Parsing())
    assert not pings_of(wire(text), [{"type": "markdown", "text": wire(text)}], Parsing())


@pytest.mark.parametrize(
    ("text", "held"),
    [
        ("Hello wor", " wor"),
        ("Hello world ", " "),
        ("see `cod", " `cod"),
        ("see `code` and", " and"),
        ("see [the", " [the"),
        ("see [1] and", " and"),
        ("a\n```py\nx = 1\ny", "\ny"),
        ("a\n```py\nx = 1\ny\n```", "\ny\n```"),
        ("a\n```p", "\n```p"),
        ("a\n``", "\n``"),
        ("a\n| x | y", "\n| x | y"),
        ("字が続", "続"),
    ],
)
def test_only_what_is_whole_goes_out(text: str, held: str) -> None:
    """Words, spans, brackets, lines of code, fences, rows."""
    assert text[settled(text) :] == held


def test_a_text_that_pauses_gives_its_last_word() -> None:
    """A model that calls a tool has finished its sentence."""
    assert Outflow().more("Let me look.", pauses=True) == "Let me look."
    assert Outflow().more("Let me `loo", pauses=True) == "Let me"
    assert not is_open("Let me look.")
    assert is_open("Let me `look") and is_open("```py\nx\n")


def test_a_text_that_was_changed_is_told_apart_from_one_that_grew() -> None:
    """Then the stream is of no use any more."""
    outflow = Outflow()
    outflow.mark_sent(outflow.more("one two three ") or "")
    assert outflow.more("one two") == ""
    assert outflow.more("one two", ended=True) is None
    assert outflow.more("another text altogether ") is None


@pytest.mark.parametrize(
    "text",
    ["https://a.example", "see HTTP://A", "www.a.example", "[x](y)", "![](y)", "[x][1]", "[1]: /x", "mail@a.example",
     "<mailto:x>", "`https://a`", "javascript:x"],
)  # fmt: skip
def test_links_are_seen(text: str) -> None:
    """Also in code: nobody documents that Slack does not look there."""
    assert has_link(f"words\n{text}")


@pytest.mark.parametrize("text", ["a: b", "[1] b", "f(x)[0]", "a/b", "x = [1, 2]", "e.g. this", "12:30", "@ada"])
def test_words_are_no_links(text: str) -> None:
    """Each false one costs the native look of an answer."""
    assert not has_link(text)
