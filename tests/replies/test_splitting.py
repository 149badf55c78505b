"""Splitting: nothing is lost, every part fits, no part leaves code open, full parts stay."""

from __future__ import annotations

import json

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from core.replies import Splitter, closed

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


@settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.too_slow])
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


@settings(max_examples=300, deadline=None)
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


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(TEXTS, LIMITS)
def test_full_parts_never_change_while_the_text_grows(text: str, limit: int) -> None:
    """A full part was posted and is not edited again: that is what makes long answers cheap."""
    splitter = Splitter(limit, len)
    before: list[str] = []
    for end in range(len(text) + 1):
        now = [part.text for part in splitter.split(text[:end])]
        assert now[: len(before) - 1] == before[:-1]
        before = now


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(TEXTS.map(lambda text: text.replace("`", "").replace("~", "")), LIMITS)
def test_a_growing_text_is_cut_as_the_whole_text_is(text: str, limit: int) -> None:
    """Whoever takes a Turn over splits the whole text at once; its messages should need no edit.

    Only without code: while a closing fence is written, a part is longer than it will be once it is there.
    """
    growing = Splitter(limit, len)
    for end in range(0, len(text), 7):
        growing.split(text[:end])
    assert growing.split(text) == Splitter(limit, len).split(text)


@settings(max_examples=200, deadline=None)
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
