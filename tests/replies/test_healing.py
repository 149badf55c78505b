"""Healing: an answer can be shown at any moment of its growth."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from core.replies import Splitter, healed
from core.replies.markdown import parse
from core.replies.nodes import Styled
from core.replies.outline import chunks


@pytest.mark.parametrize(
    ("written", "shown"),
    [
        ("**bo", "**bo**"),
        ("a **bold*", "a **bold**"),
        ("a **", "a"),
        ("a *", "a"),
        ("***x", "***x***"),
        ("*x **y", "*x **y***"),
        ("un**f", "un**f**"),
        ("~~a~", "~~a~~"),
        ("`co", "`co`"),
        ("``a`b", "``a`b``"),
        ("- **a**: b *c", "- **a**: b *c*"),
        ("# He **a", "# He **a**"),
        ("> **q", "> **q**"),
        ("[docs](https://exa", "docs"),
        ("see [docs]", "see docs"),
        ("![a cat](https://", "a cat"),
        ("[**b", "**b**"),
        ("a <https://exa", "a https://exa"),
        ("text\n-", "text\n"),
        ("text\n===", "text\n"),
        ("- it\n- ", "- it\n"),
        ("| a | b |", ""),
        ("words\n| a | b |\n|--", "words"),
        ("| a | b |\n|---|---|", "| a | b |\n|---|---|"),
        ("| a | b |\n|---|---|\n| 1 | **x", "| a | b |\n|---|---|\n| 1 | **x**"),
        ("x\n\n``", "x\n\n"),
        ("x\n\n```py\n```", "x\n\n"),
        ("```py\nx\n``\n```", "```py\nx\n```"),
        ("1. a\n   ```py\n   x\n   ```", "1. a\n   ```py\n   x\n   ```"),
    ],
)
def test_what_the_end_leaves_open_is_closed_or_held_back(written: str, shown: str) -> None:
    """Half a mark is there for one edit and gone with the next: it must not be seen."""
    assert healed(written) == shown


@pytest.mark.parametrize(
    "text",
    [
        "",
        "2 * 3 * 4",
        "so 2*3 and f(2)*x, and more",
        "snake_case_na",
        "[1] and",
        "a **bold** word",
        "a `b` *c*",
        "42",
        "costs $5",
        "array[0] is",
        "one\n\ntwo\n",
        "```py\nx **y\n```",
    ],
)
def test_what_is_whole_is_left_alone(text: str) -> None:
    assert healed(text) == text


ANSWER = (
    "# A *title*\n\nWords with **bold**, `code`, [a link](https://a.example/b_c) and ~~gone~~ ones.\n\n"
    "- one **two *three* four**\n  - `x`\n\n| a | **b** |\n|---|--:|\n| 1 | `2` |\n\n```py\nx = 1\n```\n\nEnd."
)


def test_no_prefix_of_an_answer_shows_marks() -> None:
    """Every state in which a reader may see it: no star, bracket, backtick or pipe stands there as itself."""
    for end in range(1, len(ANSWER)):
        [part] = Splitter(4000, len).split(ANSWER[:end])
        for chunk in chunks(healed(part.text)):
            for token in MarkdownIt("commonmark").enable(["table", "strikethrough"]).parse(chunk.source):
                for inner in token.children or []:
                    if inner.type == "text":
                        assert not set(inner.content) & set("*`|[]~"), (ANSWER[max(end - 30, 0) : end], inner.content)


PIECES = st.sampled_from(
    [
        "**",
        "*",
        "_",
        "~~",
        "`",
        "```",
        "\n",
        "\n\n",
        "[",
        "](",
        ")",
        "![",
        "<",
        "|",
        "|-|",
        "- ",
        "1. ",
        "# ",
        "> ",
        "\\",
        "a",
        "b c",
        " ",
        "https://a.b",
        "漢",
        "$",
        "=",
    ]
)


@given(st.lists(PIECES, max_size=30).map("".join))
def test_any_text_can_be_healed(text: str) -> None:
    """Nothing raises, and nothing is made longer than its open marks need."""
    shown = healed(text)
    assert len(shown) <= len(text) + 40
    for chunk in chunks(shown):
        parse(chunk)


def test_emphasis_is_closed_inside_the_link_that_is_held_back() -> None:
    (paragraph,) = parse(next(chunks(healed("**see [the docs](https://exa"))))
    assert paragraph.inside == (Styled("strong", paragraph.inside[0].inside),)  # type: ignore[union-attr]
