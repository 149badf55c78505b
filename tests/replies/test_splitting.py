"""Splitting: nothing is lost, every part fits, no part leaves code open, full parts stay."""

from __future__ import annotations

import json

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from core.replies import Splitter, closed
from core.replies.splitting import leaving_off
from tests.depth import examples

_MARKDOWN = MarkdownIt("commonmark")
_SENTINEL = "sentinelparagraph"


def escaped_bytes(text: str) -> int:
    """A wire that counts bytes, and writes three characters as entities: never less than `len`."""
    return len(text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;").encode())


def leaves_code_open(text: str) -> bool:
    """Would what comes after `text` be swallowed by its code? Judged by a parser that is not ours."""
    tokens = _MARKDOWN.parse(f"{text}\n\n{_SENTINEL}\n")
    return any(token.type == "fence" and _SENTINEL in token.content for token in tokens)


LINES = st.sampled_from(
    [
        "```",
        "```python",
        "````",
        "````md",
        "~~~",
        "~~~~ sh",
        "`code`",
        "text `` more",
        "",
        "",
        "    ",
        "a line of words",
        "Two sentences. Here is the other one!",
        "- item",
        "# head",
        "x" * 70,
        "漢字" * 20,
        "👨‍👩‍👧‍👦" * 9,
        "🇩🇪🇫🇷🇯🇵" * 6,
        "e\u0301" * 40,
        "<@U1> & <!here>" * 3,
    ]
)
TEXTS = st.one_of(
    st.lists(LINES, max_size=40).map("\n".join),
    st.text(max_size=400),
    st.text("`~ \n>a-", max_size=400),
)
LIMITS = st.integers(64, 200)


@examples(400, 6000)
@given(TEXTS, LIMITS, st.sampled_from([len, escaped_bytes]))
@example("```" + "x" * 50 + "\n" + "code\n" * 40, 64, len)
@example("`" * 31 + "\n" + "code\n" * 40, 64, len)
@example(" " * 30 + "```\n" + "code\n" * 40, 64, len)
@example("`" * 200 + "\n" + "code\n" * 40, 100, len)
@example("\n" * 500, 64, len)
@example("w" * 10_000, 100, len)
@example("<" * 500, 64, escaped_bytes)
@example("```" + "漢" * 16 + "\n" + "code\n" * 40, 64, escaped_bytes)
def test_the_parts_say_the_whole_text_and_each_of_them_fits(text: str, limit: int, measure: object) -> None:
    """The tail is never lost, and the platform never refuses a part for its size."""
    measured = len if measure is len else escaped_bytes
    parts = Splitter(limit, measured).split(text)
    assert "".join(part.body for part in parts) == text
    assert all(part.body for part in parts)
    assert [measured(part.text) for part in parts if measured(part.text) > limit] == []


FENCED = st.lists(
    st.sampled_from(
        ["```", "```python", "````", "~~~", "~~~~ sh", "code here", "x" * 30, "", "words and words", "`a`", "   ```"]
    ),
    max_size=40,
).map("\n".join)


@examples(300, 4500)
@given(FENCED, LIMITS)
def test_no_part_leaves_code_open(text: str, limit: int) -> None:
    """Each message is shown by itself: open code would swallow what is written after it."""
    for part in Splitter(limit, len).split(text):
        assert not leaves_code_open(part.text), part


@pytest.mark.parametrize(
    "text",
    [
        "- item\n\n  ```python\n" + "  code()\n" * 30 + "  ```\n\nafter " * 3,
        "1. one\n   ```sh\n" + "   ls\n" * 40 + "   ```\n2. two\n" + "words " * 60,
        "- ```py\n" + "  code()\n" * 40 + "  ```\n" + "words " * 60,
        "> ```py\n" + "> code()\n" * 40 + "> ```\n\n" + "words " * 60,
        "- ```\n```\ncode\n```\n" + "words " * 60,
        "> ```py\n> code\n\nplain " + "words " * 60,
    ],
    ids=["an item", "a numbered item", "an item's first line", "a quote", "an item that ends", "a quote that ends"],
)
def test_code_in_lists_and_quotes_is_closed_too(text: str) -> None:
    """Models put code into lists and quotes all the time."""
    parts = Splitter(120, len).split(text)
    assert "".join(part.body for part in parts) == text
    for part in parts:
        assert not leaves_code_open(part.text), part.text
        assert "````" not in part.text
    after = [part for part in parts if "words words" in part.body]
    assert all(not part.opening and not part.closing for part in after[1:]), "what follows the code is no code"


@examples(150, 2250)
@given(TEXTS, LIMITS)
def test_full_parts_never_change_while_the_text_grows(text: str, limit: int) -> None:
    """A full part was posted and is not edited again: that is what makes long answers cheap."""
    splitter = Splitter(limit, len)
    before: list[str] = []
    for end in range(len(text) + 1):
        now = [part.text for part in splitter.split(text[:end])]
        assert now[: len(before) - 1] == before[:-1]
        before = now


@examples(300, 4500)
@given(TEXTS.map(lambda text: text.replace("`", "").replace("~", "")), LIMITS)
def test_a_growing_text_is_cut_as_the_whole_text_is(text: str, limit: int) -> None:
    """Whoever takes a Turn over splits the whole text at once; its messages should need no edit.

    Only without code: while a closing fence is written, a part is longer than it will be once it is there.
    """
    growing = Splitter(limit, len)
    for end in range(0, len(text), 7):
        growing.split(text[:end])
    assert growing.split(text) == Splitter(limit, len).split(text)


@examples(200, 3000)
@given(FENCED)
def test_closed_leaves_no_code_open(text: str) -> None:
    """A notice is put after it."""
    assert not leaves_code_open(closed(text))
    assert closed(text).startswith(text)


@pytest.mark.parametrize("cluster", ["👨‍👩‍👧‍👦", "🇩🇪", "e\u0301", "👍🏽", "❤️"], ids=json.dumps)
def test_letters_and_emoji_are_not_taken_apart(cluster: str) -> None:
    """Half a family or half a flag is another picture."""
    text = cluster * 100
    for part in Splitter(64, len).split(text):
        assert part.body == cluster * (len(part.body) // len(cluster))


def test_cuts_prefer_paragraphs_then_lines_then_sentences_then_words() -> None:
    """A reader meets the cut where he would pause anyway."""
    for text, first in [
        ("a" * 60 + "\n\n" + "b" * 20 + "\n" + "c" * 60, "a" * 60 + "\n\n"),
        ("a" * 60 + "\n" + "b c " * 30, "a" * 60 + "\n"),
        ("a" * 60 + ". " + "b c " * 30, "a" * 60 + ". "),
        ("abcdefghi " * 20, "abcdefghi " * 10),
    ]:
        assert Splitter(100, len).split(text)[0].body == first


def test_a_long_info_string_does_not_make_a_flood_of_messages() -> None:
    """A fence line that fills a message, opened again in each, would leave no room for the code."""
    text = "```" + "x" * 1900 + "\n" + "print('hello world')\n" * 500 + "```\n"
    parts = Splitter(2000, len).split(text)
    assert "".join(part.body for part in parts) == text
    assert len(parts) < 12


def test_a_limit_too_small_for_a_fence_is_refused() -> None:
    """Below that a part could hold nothing but its fence lines."""
    with pytest.raises(ValueError, match="at least 64"):
        Splitter(63, len)


def test_a_table_begins_again_with_its_heading() -> None:
    """Rows without their heading say nothing."""
    head = "| name | size |\n|---|--:|\n"
    text = f"Sizes:\n\n{head}" + "".join(f"| row {n} | {n} |\n" for n in range(40)) + "\nDone."
    parts = Splitter(200, len).split(text)
    assert "".join(part.body for part in parts) == text
    rows = [part for part in parts if "| row" in part.text]
    assert len(rows) > 3
    for part in rows:
        [table] = [
            token for token in MarkdownIt("commonmark").enable("table").parse(part.text) if token.type == "table_open"
        ]
        assert table.map is not None
        assert head in part.text
    assert all(part.body.endswith("|\n") for part in rows[:-1]), "a row is not cut in two"


def test_a_numbered_list_goes_on_with_its_numbers() -> None:
    """Also when its writer numbered every item with 1, as markdown allows."""
    text = "".join(f"1. item {n} of some length\n" for n in range(1, 31))
    parts = Splitter(200, len).split(text)
    assert "".join(part.body for part in parts) == text
    for part in parts[1:]:
        number, item = part.text.split(" of", 1)[0].split(". item ")
        assert number == item


def test_what_is_inside_an_item_comes_to_the_margin() -> None:
    """Four columns make code of anything, where no item is around it."""
    text = "- one\n" + "    - inner words of it\n" * 12 + "\n    Words below.\n- two\n"
    for part in Splitter(120, len).split(text)[1:]:
        assert not part.text.startswith(" ")
    text = "1. one\n\n   ```py\n" + "   if x:\n       y()\n" * 20 + "   ```\n2. two"
    parts = Splitter(120, len).split(text)
    assert parts[1].text.startswith("```py\n")
    assert "\nif x:\n    y()\n" in parts[1].text
    assert parts[-1].text.endswith("2. two")


def test_quoted_code_and_words_are_quoted_again() -> None:
    text = "> ```py\n" + "> code()\n" * 30 + "> ```\n\n> " + "words " * 60
    parts = Splitter(100, len).split(text)
    assert "".join(part.body for part in parts) == text
    assert all(part.text.startswith(">") for part in parts)


def test_a_heading_is_not_left_alone_below_a_full_message() -> None:
    """It belongs to what comes after it."""
    text = "words " * 12 + "\n\n## Heading\n\n" + "more " * 30
    assert Splitter(100, len).split(text)[1].text.startswith("## Heading")


TABLES = st.lists(
    st.sampled_from(
        [
            "| a | b |",
            "|---|---|",
            "| 1 | 2 |",
            "| long cell of words | x |",
            "1. one",
            "1. two words",
            "- a",
            "  - b",
            "   more",
            "    - deep",
            "  ```py",
            "  code()",
            "  ```",
            "> q",
            "> ```",
            "",
            "",
            "words and words",
            "## h",
        ]
    ),
    max_size=60,
).map("\n".join)


@given(TABLES, LIMITS)
def test_whatever_is_begun_again_nothing_is_lost(text: str, limit: int) -> None:
    """Lists, tables, quotations and code within each other."""
    parts = Splitter(limit, len).split(text)
    assert "".join(part.body for part in parts) == text
    assert [part.text for part in parts if len(part.text) > limit] == []


@given(TABLES, LIMITS)
def test_full_parts_of_any_structure_stay_while_the_text_grows(text: str, limit: int) -> None:
    splitter = Splitter(limit, len)
    before: list[str] = []
    for end in range(0, len(text) + 1, 3):
        now = [part.text for part in splitter.split(text[:end])]
        assert now[: len(before) - 1] == before[:-1]
        before = now


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("One is here. Two is he", "One is here. "),
        ("One is here.\n\nTwo", "One is here.\n\n"),
        ("One. Two is **bold. And more", "One. "),
        ("One. See `a. b", "One. "),
        ("One.\n\n```py\nx = 1.\ny = 2", "One.\n\n"),
        ("One.\n\n| a | b |\n|---|---|\n| 1. | 2. |\n", "One.\n\n"),
        ("One.\n\n# What. \n", "One.\n\n"),
        ("no end here", ""),
    ],
)
def test_a_reader_is_left_where_a_sentence_has_ended_and_nothing_is_open(text: str, left: str) -> None:
    """What stands there may stay, and what follows comes in a message of its own."""
    assert text[: leaving_off(text, 1)] == left
    assert leaving_off(text, len(text) + 1) == 0


@given(TEXTS, st.integers(1, 60))
def test_parts_left_off_early_still_say_the_whole(text: str, least: int) -> None:
    """The part that was left off stays as it was, whatever follows."""
    splitter = Splitter(200, len)
    end = leaving_off(text, least)
    before = splitter.split(text[:end])
    splitter.leave_off(splitter.split(text[:end]))
    parts = splitter.split(text)
    assert "".join(part.body for part in parts) == text
    assert parts[: len(before)] == before
    assert all(len(part.text) <= 200 for part in parts)
