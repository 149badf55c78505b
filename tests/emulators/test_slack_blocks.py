"""Whatever a client sends as blocks, the emulator answers as Slack does and never trips over it."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.emulators.slack import SlackError
from adapters.emulators.slack.blocks import check_blocks, read_blocks, text_size
from adapters.emulators.slack.mentions import Parsing, pings_of, unfurls_of, visible_text

KEYS = "type text elements rows fields accessory block_id action_id value url style options title alt_text image_url"
TYPES = "section header actions context context_actions rich_text table markdown image button feedback_buttons mrkdwn"
WORDS = st.sampled_from([*TYPES.split(), "plain_text", "", "x", "<!here>"])
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | WORDS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(KEYS.split()), inner, max_size=5),
    max_leaves=25,
)
BLOCKS = st.lists(st.dictionaries(st.sampled_from(KEYS.split()), JSON | WORDS, max_size=6), max_size=4)


@given(JSON | BLOCKS)
def test_any_json_is_taken_or_refused_by_name(value: Any) -> None:
    """A malformed block is the client's mistake and has an answer; the emulator's own failure would hide it."""
    try:
        blocks = read_blocks(value)
        check_blocks(blocks)
    except SlackError as refused:
        assert refused.error in {"invalid_blocks_format", "invalid_blocks", "msg_blocks_too_long"}
        return
    assert text_size(blocks) <= 13_200
    assert isinstance(visible_text("", blocks), str)
    pings_of("", blocks, Parsing())
    unfurls_of("", blocks, unfurl_links=True, unfurl_media=True)


def table(rows: int = 2, columns: int = 2, **more: Any) -> dict[str, Any]:
    return {"type": "table", "rows": [[{"type": "raw_text", "text": "x"}] * columns for _ in range(rows)], **more}


EMPTY = {"type": "raw_text", "text": ""}
LINK = {"type": "rich_text_section", "elements": [{"type": "link", "url": "https://a.example"}]}


@pytest.mark.parametrize(
    ("blocks", "named"),
    [
        ([table(), {"type": "markdown", "text": "a"}], ""),
        ([table(100, 20)], ""),
        ([{"type": "table", "rows": [[{"type": "rich_text", "elements": [LINK]}]]}], ""),
        ([table(101)], "no more than 100"),
        ([table(columns=21)], "no more than 20"),
        ([table(), table()], "only_one_table_allowed"),
        ([{"type": "table", "rows": [[EMPTY]]}], "more than 0 characters"),
        ([{"type": "table", "rows": [[{"type": "mrkdwn", "text": "x"}]]}], "failed to match"),
        ([{"type": "table", "rows": [[{"type": "rich_text", "elements": []}]]}], "elements"),
        ([{"type": "table", "rows": [[{"type": "raw_text", "text": "x" * 10_001}]]}], "less than 10001"),
        ([table(column_settings=[{"align": "middle"}])], "allowed values"),
    ],
)
def test_a_table_is_taken_within_slacks_limits(blocks: list[dict[str, Any]], named: str) -> None:
    """100 rows of 20 cells, 10,000 characters, no empty cell, one table a message."""
    if not named:
        check_blocks(blocks)
        return
    with pytest.raises(SlackError) as refused:
        check_blocks(blocks)
    assert named in str(refused.value.messages)
