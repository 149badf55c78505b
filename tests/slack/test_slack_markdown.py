"""The rendering of a Segment: nobody is pinged, nothing is fetched, no word is lost."""

from __future__ import annotations

import re
import time
from html import unescape

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from adapters.slack.markdown import beginning, block_text, message, mrkdwn, quoted, wire_bytes, wire_size
from core.chat import Segment
from tests.replies.answers import ANSWERS

LIVE = re.compile(r"<(?:[!@#]|https?:|mailto:|tel:)", re.IGNORECASE)
NOT_A_LINK = re.compile(r"<(?!(?:https?|mailto|tel):[^\s<>|]+(?:\|[^<>\n]+)?>)", re.IGNORECASE)
LINK = re.compile(r"\]\(([^)\s]*)")

# fmt: off
PIECES = st.sampled_from([
    "<!here>", "<!channel|x>", "<@U1>", "<#C1>", "<!subteam^S1>", "<https://e.x|y>", "<http", "&lt;!here&gt;", "&#60;",
    "`", "``", "```", "~~~\n", "\n", "\n\n", "    ", "> ", "- ", "[", "](", ")", "![", "]:", "\\", "<", ">", "!", "@",
    "|", "&", "\r", "\x0b", "\u2028", "javascript:x", "https://e.x/a", "a", " ", "\t", "1. ", "0", "\ufdd0",
])
# fmt: on
HOSTILE = st.lists(PIECES | st.text(max_size=5), max_size=40).map("".join)


def words_of(blocks: list[dict[str, object]]) -> str:
    return "".join(str(block["text"]) for block in blocks if block["type"] == "markdown")


@given(HOSTILE)
def test_no_rendering_holds_a_live_reference(text: str) -> None:
    """Whatever a model writes, in code or prose, pings nobody and links nowhere by Slack's own syntax."""
    assert not LIVE.search(block_text(text))
    assert not NOT_A_LINK.search(mrkdwn(text))


@given(HOSTILE)
def test_no_link_leads_anywhere_but_to_the_web_mail_and_phone(text: str) -> None:
    """Also in a reader that is less strict than ours about what makes a link: only code may hold `](` as it is."""
    parser = MarkdownIt("commonmark").enable(["table", "strikethrough"])
    for token in parser.parse(block_text(text)):
        for inner in token.children or []:
            if inner.type == "link_open":
                assert re.match(r"(?:https?|mailto|tel):", str(inner.attrs["href"]), re.IGNORECASE)
            assert inner.type != "image"


@given(HOSTILE, st.data())
def test_no_prefix_of_a_stream_holds_a_live_reference(text: str, data: st.DataObject) -> None:
    """A growing answer is shown at any cut, also in the middle of a token."""
    prefix = text[: data.draw(st.integers(0, len(text)))]
    shown, blocks = message(Segment(prefix, stop="s"))
    assert not NOT_A_LINK.search(shown)
    assert not LIVE.search(words_of(blocks))


@given(HOSTILE)
def test_no_rendering_is_larger_than_its_measure(text: str) -> None:
    """Core cuts by `measure`, so what goes over the wire must fit in it."""
    shown, blocks = message(Segment(text or "…"))
    assert max(len(shown), len(shown.encode()) / 3) <= max(wire_size(text), 1)
    assert max(len(words_of(blocks)), len(words_of(blocks).encode()) / 3) <= max(wire_size(text), 1)
    assert len(shown.encode()) <= max(wire_bytes(text), 3)


@given(HOSTILE, st.sampled_from(["字", "🙂", "é"]))
def test_the_beginning_of_a_text_is_harmless_and_fits_into_an_edit(text: str, letter: str) -> None:
    """Slack counts the bytes of `text`, 4,000 of them."""
    segment = Segment(text + f"{letter * 7} " * 500 + text)
    shown = beginning(segment)
    assert len(shown.encode()) <= 4_000
    assert not NOT_A_LINK.search(shown)
    assert shown == message(segment)[0] or shown.endswith("…")


@given(ANSWERS)
def test_what_is_written_reads_as_the_answer_did(text: str) -> None:
    """All of it is written anew, so nothing may get another meaning: written once more, it is what it was."""
    written = block_text(text)
    assert block_text(unescape(written)) == written


@pytest.mark.parametrize(
    ("written", "shown"),
    [
        ("a < b & c > d", "a &lt; b & c > d"),
        ("> a quote <b>", "> a quote &lt;b>"),
        ("see <https://a.b/c?d=1&e=2>", "see https://a.b/c?d=1&e=2"),
        ("write <a@b.co>", "write [a@b.co](mailto:a@b.co)"),
        ("`<!here>` and `a<b`", "`<\u200b!here>` and `a<b`"),
        ("```c\n#include <stdio.h>\nx<y;\n```", "```c\n#include <stdio.h>\nx<y;\n```"),
        ("```\n<@U1>", "```\n<\u200b@U1>\n```"),
        ("    <!channel>\n", "```\n<\u200b!channel>\n```\n"),
        ("[ok](https://a.b) [no](javascript:alert(1))", "[ok](https://a.b) no (javascript:alert(1))"),
        ("[`x`](slack://open)", "`x` (slack://open)"),
        ("![cat](https://a.b/c.png) ![](https://a.b)", "[cat](https://a.b/c.png) [image](https://a.b)"),
        ("[click](<!channel>) [ok](<https://a.b>)", "[click] (!channel) [ok](https://a.b)"),
        ("a[i](x) [](https://a.b)", "a[i] (x) https://a.b"),
        ("[1]: data:text/html,x", "1: data:text/html,x"),
        ("&lt;!here&gt; &#x3C;!here>", "&lt;!here&gt; &lt;!here>"),
        ("see <https://a.b/_c_>", "see [https://a.b/_c_](https://a.b/_c_)"),
        ("[t](https://a.b 'title')", "[t](https://a.b)"),
    ],
)
def test_the_markdown_block_is_escaped_by_its_rules(written: str, shown: str) -> None:
    """Prose, code, links and images each have their own rule."""
    assert block_text(written) == shown


@pytest.mark.parametrize("piece", ["[\\", "`a", "- ", "[a]((", "<a@a.a", "&#0", "![", "](<", "[a]: <"])
def test_no_text_takes_long_to_render(piece: str) -> None:
    """A model that goes round in circles must not hold up the other answers."""
    began = time.perf_counter()
    block_text(piece * 4_000 + "<](")
    assert time.perf_counter() - began < 2


def test_the_measure_counts_what_is_sent_with_escapes() -> None:
    """A `<` takes four characters, and a limit may be meant in bytes: a third of them is counted where that is more."""
    assert wire_size("字" * 10) == 10
    assert wire_size("🙂" * 9) == 12
    assert wire_size("<" * 10) == 40
    assert wire_bytes("🙂" * 10) == 40
    assert wire_size("[a](https://a.b)") == len("[a](https://a.b)")


def test_a_stop_button_carries_the_stop_value_and_goes_away() -> None:
    """The button is there while the answer runs and not a moment longer."""
    _, running = message(Segment("hi", stop="turn-7"))
    _, done = message(Segment("hi"))
    assert running[1]["elements"][0]["value"] == "turn-7"  # type: ignore[index]
    assert [block["type"] for block in done] == ["markdown"]


def test_a_retry_button_carries_its_own_value() -> None:
    """It stands where the Stop button was."""
    _, blocks = message(Segment("hi", retry="turn-7"))
    (button,) = blocks[1]["elements"]  # type: ignore[misc]
    assert (button["action_id"], button["value"]) == ("parley_retry", "turn-7")  # type: ignore[index]


def test_an_empty_segment_still_shows_something() -> None:
    """Slack refuses a message without text."""
    assert message(Segment(" \n"))[0] == "…"


def test_a_quoted_question_is_escaped_and_bounded() -> None:
    """The question of a slash command is shown to everybody."""
    assert quoted("a <!here>\nb") == "> a &lt;!here&gt;\n> b"
    assert len(quoted("x" * 9000)) < 3100


def test_a_line_below_the_text_stands_in_a_quiet_block_and_pings_nobody() -> None:
    text, blocks = message(Segment("It is 7.", aside="gpt <!here> · 1 s"))
    assert text == "It is 7.\n\ngpt &lt;!here&gt; · 1 s"
    assert blocks[1] == {
        "type": "context",
        "elements": [{"type": "mrkdwn", "text": "gpt &lt;!here&gt; · 1 s", "verbatim": True}],
    }


def test_a_line_without_a_text_is_the_message() -> None:
    assert message(Segment("", aside="_Thinking…_"))[1] == [{"type": "markdown", "text": "_Thinking…_"}]


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("about ~5 USD", "about ~5 USD"),
        ("call f(*args)", "call f(*args)"),
        ("~5 to ~6", "∼5 to ∼6"),
        ("f(*args) is **new**", "f(∗args) is *new*"),
        ("\\*a and ∗b", "∗a and ∗b"),
    ],
)
def test_a_mark_that_can_pair_with_nothing_is_written_as_itself(text: str, shown: str) -> None:
    """People copy what they read; a look-alike stands only where the mark itself would begin something."""
    assert mrkdwn(text) == shown
