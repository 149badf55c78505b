"""Model markdown as Discord content."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.discord.markdown import LIMIT, measure, to_content
from core.replies.splitting import Splitter


@pytest.mark.parametrize(
    ("text", "content"),
    [
        ("**bold** _it_ ||x|| @everyone <@1>", "**bold** _it_ ||x|| @everyone <@1>"),
        ("[docs](https://a.example/x_(y))", "[docs](https://a.example/x_(y))"),
        ("[docs](javascript:alert(1))", "docs (javascript:alert(1))"),
        ("[docs](/local/file)", "docs (/local/file)"),
        ("[mail](mailto:a@b.example)", "[mail](mailto:a@b.example)"),
        ("[https://a.example](https://a.example)", "https://a.example"),
        ('![chart](https://a.example/c.png "title")', "[chart](https://a.example/c.png)"),
        ("#### Deep", "### Deep"),
        ("~~~py\n[x](file:///a)\n~~~", "```py\n[x](file:///a)\n```"),
        ("```\n~~~\n#### x\n```\n#### y", "```\n~~~\n#### x\n```\n### y"),
        ("`[x](file:///a)` [x](file:///a)", "`[x](file:///a)` x (file:///a)"),
        ("a [b", "a [b"),
        ("*a* in [b](https://c.example)", "*a* in [b](https://c.example)"),
        ("* a <b>\n* c", "* a <b>\n* c"),
        (r"\[not a link\] \(really\) <b>", r"\[not a link\] \(really\) <b>"),
        (r"\(x\) and \[ a = b \]", r"`\(x\)` and `\[ a = b \]`"),
        ("__a__ and *b*", "**a** and _b_"),
    ],
)
def test_markdown_reads_on_discord_as_it_was_meant(text: str, content: str) -> None:
    """Only what Discord would show wrongly is rewritten, and nothing inside code."""
    assert to_content(text) == content


@given(st.text(alphabet='ab[]()!#~`: /\n<>"', max_size=80))
def test_measure_is_the_length_on_the_wire(text: str) -> None:
    """Core cuts by this measure; Discord counts the code points that arrive."""
    assert measure(text) == len(to_content(text))


def test_an_emoji_counts_as_its_code_points() -> None:
    """Discord counts like Python, not like JavaScript."""
    assert measure("👍" * 2000) == 2000


def test_a_table_becomes_aligned_columns() -> None:
    """Discord has no tables; a fixed-width block keeps the columns, also for wide characters."""
    table = "Prices:\n| Name | Price |\n|---|--:|\n| **茶** | 3 |\n| Coffee | `12` |\nDone."
    assert to_content(table) == ("Prices:\n```\nName    Price\n──────  ─────\n茶          3\nCoffee     12\n```\nDone.")


def test_a_wide_table_becomes_a_list() -> None:
    """Broken lines in a code block cannot be read; the heading names the parts of each entry."""
    words = "a long explanation that goes on and on for quite a while"
    table = f"| Name | What | Why |\n| --- | --- | --- |\n| One | {words} | [so](file:///a) |"
    assert to_content(table) == f"- **One**\n  - What: {words}\n  - Why: so (file:///a)"


def test_a_table_with_links_becomes_a_list() -> None:
    """A code block shows no link, and where it leads to would be lost."""
    table = "| Site | Where |\n|---|---|\n| A | **[docs](https://a.example)** |\n"
    assert to_content(table) == "- **A**\n  - Where: **[docs](https://a.example)**\n"
    bare = "| Site | Where |\n|---|---|\n| A | https://a.example |\n"
    assert "A     https://a.example" in to_content(bare)


def test_what_only_looks_like_a_table_is_left_alone() -> None:
    """Pipes are common in code and prose."""
    for text in (
        "a | b",
        "| lonely |",
        "```\n| a | b |\n|---|---|\n```",
        "||spoiler||",
        "||a||\n||b||",
        "cat x | grep y |",
    ):
        assert to_content(text) == text


@given(st.text(alphabet="|-ab: \n`*\\", max_size=60))
def test_no_table_breaks_the_writer(text: str) -> None:
    """Half-written tables come by at every edit of a growing answer."""
    assert isinstance(to_content(text), str)
    assert measure(text) == len(to_content(text))


_LINES = st.one_of(
    st.lists(st.text(alphabet="ab 茶*", min_size=1, max_size=30), min_size=2, max_size=4).map(
        lambda cells: f"| {' | '.join(cells)} |"
    ),
    st.just("|---|---|"),
    st.sampled_from(["```", "#### x", "", "[a](file:///b)", "words " * 40]),
)


@given(st.lists(_LINES, max_size=200).map("\n".join))
def test_what_core_cuts_by_our_measure_fits_into_messages(text: str) -> None:
    """Aligning columns adds text; a message that is too long would be refused."""
    parts = Splitter(LIMIT, measure).split(text)
    assert "".join(part.body for part in parts) == text
    assert all(len(to_content(part.text)) <= LIMIT for part in parts)
