"""Model markdown as Discord content."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.discord.markdown import measure, to_content


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
