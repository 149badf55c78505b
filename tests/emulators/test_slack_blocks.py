"""Whatever a client sends as blocks, the emulator answers as Slack does and never trips over it."""

from __future__ import annotations

from typing import Any

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
