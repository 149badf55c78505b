"""What goes out of a growing answer, in pieces that cannot be taken back."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.emulators.slack.blocks import check_blocks
from adapters.emulators.slack.mentions import Parsing, pings_of
from adapters.slack.markdown import Block, blocks_of
from adapters.slack.outflow import MOST_HELD, Outflow, has_link, is_open, settled
from bots.demo.gallery import Case, cases
from core.replies import closed, healed
from tests.depth import examples
from tests.replies.answers import ANSWERS

LEAVES = ("09-heading", "21-code-in-code")
LIVE = re.compile(r"<(?:[!@#]|https?:|mailto:|tel:)", re.IGNORECASE)
HOSTILE = st.lists(
    st.sampled_from(
        ["```", "~~~", "`", "``", "\n", "\n\n", "- ", "1. ", "> ", "| a | b |", "|-|-|\n", "<!here>", "<", "!here>",
         "@", "&lt;", "&#60;", "&#", "[", "]", "(x)", "**", "_", "word", "wörd ", " ", "\t", "字。", "🙂", "py\n",
         "<@U1>", "\\", "#", "\r", "\u2028", "$", "~~", "---\n", "    "]
    )
    | st.text(max_size=6),
    max_size=24,
).map("".join)  # fmt: skip


def flows(text: str, cuts: Iterable[int]) -> Iterable[tuple[Outflow, list[Block] | None]]:
    """Let `text` grow over `cuts`, each state with its open fence closed as a Segment's is, and end it; after each
    step what has been added, None when the stream is of no use from there on."""
    outflow = Outflow()
    for cut in cuts:
        added = outflow.more(closed(text[:cut]))
        outflow.mark_sent(added or [])
        yield outflow, added
        if added is None:
            return
    last = outflow.more(closed(text), ended=True)
    outflow.mark_sent(last or [])
    yield outflow, last


def moments_of(text: str) -> st.SearchStrategy[list[int]]:
    """Some states of a growing text. (Every one of them, for some texts, is what the gallery goes through.)"""
    return st.lists(st.integers(0, len(text)), min_size=10, max_size=20, unique=len(text) > 20).map(sorted)


def words(blocks: Iterable[Block]) -> str:
    return "".join(str(block["text"]) for block in blocks if block["type"] == "markdown")


def size(blocks: Iterable[Block]) -> int:
    """What a reader has to read of them."""
    return sum(len(str(block["text"]) if block["type"] == "markdown" else json.dumps(block)) for block in blocks)


@given(HOSTILE, st.data())
def test_a_stream_that_reaches_its_end_shows_just_what_an_edit_would(text: str, data: st.DataObject) -> None:
    """Whatever a model writes and however it is cut; where the stream cannot, it says so, and an edit repairs it."""
    cuts = sorted(data.draw(st.lists(st.integers(0, len(text)), max_size=6)))
    *_, (outflow, last) = flows(text, cuts)
    if last is not None:
        assert outflow.sent == blocks_of(closed(text))


@given(HOSTILE, st.data())
def test_nobody_is_pinged_at_any_moment(text: str, data: st.DataObject) -> None:
    """Neither by what stands there nor by one piece alone."""
    for outflow, added in flows(text, sorted(data.draw(st.lists(st.integers(0, len(text)), max_size=6)))):
        for shown in (words(added or []), words(outflow.sent)):
            assert not pings_of(shown, [{"type": "markdown", "text": shown}], Parsing())
            assert not LIVE.search(shown)


@examples(60, 2000)
@given(ANSWERS, st.data())
def test_an_answer_as_models_write_them_never_leaves_its_stream(text: str, data: st.DataObject) -> None:
    """Emphasis, code, lists, quotations and tables: each costs the native look of an answer if it does not go on."""
    for outflow, added in flows(text, data.draw(moments_of(text))):
        assert added is not None, outflow.sent
    assert outflow.sent == blocks_of(closed(text))


@examples(60, 2000)
@given(ANSWERS, st.data())
def test_no_mark_is_seen_before_what_it_marks_is_whole(text: str, data: st.DataObject) -> None:
    """As little as in an edit: what has gone out reads the same as if the answer ended there. (A mark that has no end
    is known for none once its paragraph is over, and is then seen.)"""
    text = text.replace("(*args)", "(args)")
    for cut in data.draw(moments_of(text)):
        shown = words(settled(closed(text[:cut]))[-1:])
        assert healed(f"{shown} x") == f"{shown} x"


@examples(60, 2000)
@given(ANSWERS, ANSWERS)
def test_a_block_that_is_over_has_gone_out(text: str, more: str) -> None:
    """What is held back belongs to the block that is being written, a table as a whole, else some words of it."""
    over = f"{text}\n\nNext word "
    assert settled(over) == blocks_of(over)
    held = size(blocks_of(f"{over}\n\n{more}")) - size(settled(f"{over}\n\n{more}"))
    assert held <= max(size(blocks_of(block)) for block in more.split("\n\n")) + MOST_HELD


def test_a_mark_that_stays_open_holds_back_only_so_much() -> None:
    """Most likely it is none, and a paragraph may be long."""
    text = "Pass f(*args here, " + "and then more of the same. " * 40
    for cut in range(0, len(text), 10):
        held = len(text[:cut]) - len(words(settled(text[:cut])))
        assert held <= MOST_HELD + 30
    assert words(settled("Pass f(*args here, and ")) == "Pass"


def test_a_mark_that_is_closed_after_it_was_shown_ends_the_stream() -> None:
    """An edit can show it rightly, a stream cannot any more."""
    outflow = Outflow()
    text = "Pass *" + "many words " * 60
    outflow.mark_sent(outflow.more(text) or [])
    assert words(outflow.sent).startswith("Pass *many")
    assert outflow.more(text.rstrip() + "* indeed. ") is None


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("Hello wor", "Hello"),
        ("Hello world ", "Hello world"),
        ("see `cod", "see"),
        ("see `the code` ", "see `the code`"),
        ("see **the wor", "see"),
        ("see __the__ ", "see **the**"),
        ("see [the", "see"),
        ("see [1] and", "see [1]"),
        ("it is $5 or ", "it is"),
        ("it is 5 * 3 or ", "it is 5 * 3 or"),
        ("a\n```py\nx = 1\ny", "a\n```py\nx = 1"),
        ("a\n```py\nx = 1\ny\n```", "a\n```py\nx = 1"),
        ("a\n```p", "a"),
        ("a\n\n``", "a"),
        ("a\n\n| x | y", "a"),
        ("a\n\n- one\n- tw", "a\n\n- one"),
        ("字が続", "字が"),
        ("これは**太字", "これは"),
    ],
)
def test_only_what_is_whole_goes_out(text: str, shown: str) -> None:
    """Words, spans, brackets, sums, lines of code, fences, rows."""
    assert words(settled(text)) == shown


def test_a_table_goes_out_as_slacks_own_once_it_is_over() -> None:
    """And what follows goes below it, as in an edit."""
    table = "Rates:\n\n| a | b |\n|---|---|\n| 1 | 2 |\n"
    assert words(settled(table)) == "Rates:"
    shown = settled(table + "\nThat is all. ")
    assert [block["type"] for block in shown] == ["markdown", "table", "markdown"]
    assert shown == blocks_of(table + "\nThat is all.")
    check_blocks(shown)


@pytest.mark.parametrize(
    "case",
    [case for case in cases() if not has_link(case.markdown) and case.name not in LEAVES],
    ids=lambda case: case.name,
)
def test_every_case_of_the_gallery_can_be_streamed_letter_by_letter(case: Case) -> None:
    """But for those with a link, code that needs a longer fence than it began with, and a heading underlined."""
    for outflow, added in flows(case.markdown, range(len(case.markdown))):
        assert added is not None, outflow.sent
    assert outflow.sent == blocks_of(closed(case.markdown))


def test_a_text_that_pauses_gives_its_last_word() -> None:
    """A model that calls a tool has finished its sentence."""
    assert words(Outflow().more("Let me look.", pauses=True) or []) == "Let me look."
    assert words(Outflow().more("Let me `loo", pauses=True) or []) == "Let me"
    assert not is_open("Let me look.")
    assert is_open("Let me `look") and is_open("```py\nx\n") and is_open("| a |\n|---|\n| 1 |\n")


def test_a_text_that_was_changed_is_told_apart_from_one_that_grew() -> None:
    """Then the stream is of no use any more."""
    outflow = Outflow()
    outflow.mark_sent(outflow.more("one two three ") or [])
    assert outflow.more("one two") == []
    assert outflow.more("one two", ended=True) is None
    assert outflow.more("another text altogether ") is None


@pytest.mark.parametrize(
    "text",
    ["https://a.example", "see HTTP://A", "www.a.example", "[x](https://y.example)", "![](https://y.example)",
     "[1]: https://x.example", "mail@a.example", "<mailto:x@a.example>", "`https://a`", "tel:1"],
)  # fmt: skip
def test_links_are_seen(text: str) -> None:
    """Also in code: nobody documents that Slack does not look there."""
    assert has_link(f"words\n{text}")


@pytest.mark.parametrize(
    "text", ["a: b", "[1] b", "f(x)[0]", "a/b", "x = [1, 2]", "e.g. this", "12:30", "@ada", "a[i](x)", "[^1]: a note"]
)
def test_words_are_no_links(text: str) -> None:
    """Each false one costs the native look of an answer."""
    assert not has_link(text)
