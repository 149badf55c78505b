"""What must hold for every text on both platforms: it fits, pings nobody, links nowhere else, and never fails."""

from __future__ import annotations

import re

from hypothesis import given
from hypothesis import strategies as st

from adapters.discord.markdown import measure, to_content
from adapters.emulators.slack.blocks import check_blocks
from adapters.emulators.slack.mentions import Parsing, pings_of
from adapters.slack.markdown import message, wire_bytes, wire_size
from core.chat import Segment
from core.replies import Splitter, healed
from core.replies.splitting import ceiling

PIECES = st.sampled_from(
    [
        *(
            "<!here>",
            "<!channel|x>",
            "<@U1>",
            "<#C1>",
            "<!subteam^S1>",
            "<https://e.x|y>",
            "&lt;!here&gt;",
            "&#60;",
            "<",
        ),
        *(
            "[a](javascript:x)",
            "[b](https://e.x/(y)",
            "![c](data:x)",
            "[d][e]",
            "[e]: https://e.x",
            "[f]: vbscript:x",
            "](",
            "[",
        ),
        *(
            "**",
            "*",
            "_",
            "__",
            "~~",
            "`",
            "``",
            "```",
            "```py\n",
            "~~~\n",
            "$",
            "$$",
            "\\(",
            "\\)",
            "\\[",
            "\\]",
            "\\",
            "&",
        ),
        *(
            "\n",
            "\n",
            "\n\n",
            "    ",
            "> ",
            ">>> ",
            "- ",
            "1. ",
            "7) ",
            "- [ ] ",
            "# ",
            "###### ",
            "---\n",
            "===\n",
            "+ ",
        ),
        *("| a | b |\n|---|--:|\n| 1 | 2 |\n", "|", "| 漢字 | `x` |\n", "[^1]", "[^1]: note", "||", "-# ", "@everyone"),
        *(
            "a",
            "word ",
            "漢字",
            "「語」",
            "👨‍👩‍👧",
            "e\u0301",
            "https://e.x/_a_",
            "\r",
            "\r\n",
            "\x0b",
            "\u2028",
            "\t",
            "\ufdd0",
            "\x00",
        ),
    ]
)
TEXTS = st.lists(PIECES | st.text(max_size=6), max_size=60).map("".join)
LIVE = re.compile(r"<(?:[!@#]|https?:|mailto:|tel:)", re.IGNORECASE)
NOT_A_LINK = re.compile(r"<(?!(?:https?|mailto|tel):[^\s<>|]+(?:\|[^<>\n]+)?>)", re.IGNORECASE)


def assert_harmless_on_slack(segment: Segment) -> None:
    """Judged by the emulator's own reading of Slack's rules as well as by ours."""
    text, blocks = message(segment)
    check_blocks(blocks)
    assert not pings_of(text, blocks, Parsing(parse="none", auto_parse=False))
    assert not NOT_A_LINK.search(text)
    for block in blocks:
        assert not LIVE.search(str(block.get("text", "")))


@given(TEXTS, st.data())
def test_every_cut_of_a_stream_is_harmless_and_well_formed(text: str, data: st.DataObject) -> None:
    """Also in the middle of a token, as a Draft that grows and as the last one."""
    prefix = text[: data.draw(st.integers(0, len(text)))]
    for growing in (True, False):
        assert_harmless_on_slack(Segment(prefix, growing=growing))
    to_content(healed(prefix))


@given(TEXTS, st.integers(200, 600))
def test_every_part_fits_as_the_platform_counts(text: str, limit: int) -> None:
    """Slack counts characters of blocks and bytes of `text`, Discord code points; all after escapes and tables."""
    for part in Splitter(limit, wire_size).split(text):
        _, blocks = message(Segment(part.text))
        assert sum(len(str(block["text"])) for block in blocks if block["type"] == "markdown") <= limit
        assert_harmless_on_slack(Segment(part.text))
    for part in Splitter(limit, wire_bytes).split(text):
        assert len(message(Segment(part.text))[0].encode()) <= limit
    parts = Splitter(limit, measure).split(text)
    assert all(len(to_content(part.text)) <= limit for part in parts)
    assert "".join(part.body for part in parts) == text


@given(TEXTS)
def test_no_rendering_is_longer_than_the_ceiling(text: str) -> None:
    """The splitter leaves out measuring what cannot be too long."""
    most = ceiling(text)
    if most is not None:
        assert wire_size(text) <= wire_bytes(text) <= most
        assert measure(text) <= most


def test_an_address_that_is_written_as_words_and_address_is_below_the_ceiling() -> None:
    """However long it is."""
    text = f"https://a.example/{'x' * 500}_"
    most = ceiling(text)
    assert most is not None and wire_bytes(text) <= most


@given(TEXTS)
def test_full_parts_stay_as_they_were_sent(text: str) -> None:
    """By the platforms' own measures, which are not as even as a count of characters."""
    for limit, measured in ((400, wire_size), (300, measure)):
        splitter = Splitter(limit, measured)
        before: list[str] = []
        for end in range(0, len(text) + 1, 5):
            now = [part.text for part in splitter.split(text[:end])]
            assert now[: len(before) - 1] == before[:-1]
            before = now
