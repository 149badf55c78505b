"""Whom the emulator says a message notifies, and which addresses it says Slack would fetch."""

from __future__ import annotations

from typing import Any

import pytest

from adapters.emulators.slack import Pings
from adapters.emulators.slack.mentions import Parsing, pings_of, unfurls_of, visible_text

NAMES = Parsing(names={"ada": "U1"})


def mrkdwn(text: str, **more: Any) -> list[dict[str, Any]]:
    return [{"type": "section", "text": {"type": "mrkdwn", "text": text, **more}}]


def rich(*elements: dict[str, Any]) -> list[dict[str, Any]]:
    section = {"type": "rich_text_section", "elements": list(elements)}
    return [{"type": "rich_text", "elements": [{"type": "rich_text_list", "elements": [section]}]}]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("<!channel> hi", Pings(broadcasts=frozenset({"channel"}))),
        ("<!here|here> <!everyone>", Pings(broadcasts=frozenset({"here", "everyone"}))),
        ("<@U1> and <@W2|bob>", Pings(users=frozenset({"U1", "W2"}))),
        ("<!subteam^S1|@team>", Pings(usergroups=frozenset({"S1"}))),
        ("`<!channel>`", Pings(broadcasts=frozenset({"channel"}))),
    ],
)
def test_tokens_notify_in_text_mrkdwn_and_markdown(text: str, expected: Pings) -> None:
    """A model that writes a token pings people wherever the token stands, also inside code."""
    assert pings_of(text, [], Parsing()) == expected
    assert pings_of("", mrkdwn(text), Parsing()) == expected
    assert pings_of("", [{"type": "markdown", "text": text}], Parsing()) == expected


@pytest.mark.parametrize(
    "text",
    [
        "&lt;!channel&gt;",
        "&lt;@U1&gt;",
        "<\u200b!channel>",
        "@ada",
        "@channel",
        "a@here.com",
        "<!date^1^x|y>",
        "< !here>",
    ],
)
def test_escaped_and_plain_names_notify_nobody(text: str) -> None:
    """Escaping is what makes model text safe, so the emulator must agree that it does."""
    assert not pings_of(text, [{"type": "markdown", "text": text}], NAMES)
    assert not pings_of("", mrkdwn(text, verbatim=True), NAMES)
    assert not pings_of("", rich({"type": "text", "text": "<!channel> " + text}), NAMES)


def test_plain_names_come_alive_with_link_names_and_parse_full() -> None:
    """Two switches of chat.postMessage that must stay off for model text."""
    assert pings_of("@channel", [], Parsing(link_names=True)).broadcasts == {"channel"}
    assert not pings_of("@ada", [], Parsing(link_names=True, names={"ada": "U1"}))
    full = Parsing("full", names={"ada": "U1"})
    assert pings_of("@Ada @here", [], full) == Pings(frozenset({"U1"}), broadcasts=frozenset({"here"}))


def test_a_text_object_reads_plain_broadcasts_unless_verbatim() -> None:
    """Documented: with verbatim false, the default, certain mentions are parsed automatically."""
    assert pings_of("", mrkdwn("@everyone"), Parsing()).broadcasts == {"everyone"}
    assert not pings_of("", mrkdwn("@everyone"), Parsing(auto_parse=False))
    plain = [{"type": "header", "text": {"type": "plain_text", "text": "<!channel> @here"}}]
    assert not pings_of("", plain, Parsing())


def test_rich_text_notifies_by_elements() -> None:
    """User, usergroup and broadcast elements, however deep."""
    elements = [
        {"type": "user", "user_id": "U1"},
        {"type": "usergroup", "usergroup_id": "S1"},
        {"type": "broadcast", "range": "here"},
        {"type": "channel", "channel_id": "C1"},
    ]
    found = pings_of("", rich(*elements), Parsing())
    assert found == Pings(frozenset({"U1"}), frozenset({"S1"}), frozenset({"here"}), frozenset({"C1"}))


def test_a_channel_link_notifies_nobody() -> None:
    """A link to a channel is no ping."""
    found = pings_of("<#C1|general>", [], Parsing())
    assert not found
    assert found.channels == {"C1"}


def test_links_are_fetched_unless_both_switches_are_off() -> None:
    """An address a model wrote leaks what is in it as soon as somebody fetches it."""
    text = "see <https://a.example/x|x>, https://b.example/y."
    blocks = [{"type": "markdown", "text": "[c](https://c.example/z)"}]
    everything = ("https://a.example/x", "https://b.example/y", "https://c.example/z")
    assert unfurls_of(text, blocks, unfurl_links=False, unfurl_media=True) == everything
    assert unfurls_of(text, blocks, unfurl_links=False, unfurl_media=False) == ()


def test_an_image_block_is_fetched_in_any_case() -> None:
    """Unfurl switches do not speak of images in blocks."""
    image = [{"type": "image", "image_url": "https://i.example/?secret=1", "alt_text": "x"}]
    assert unfurls_of("", image, unfurl_links=False, unfurl_media=False) == ("https://i.example/?secret=1",)


def test_what_a_person_reads_is_the_blocks_or_else_the_text() -> None:
    """Tests assert what is seen, not what was sent."""
    assert visible_text("fallback", []) == "fallback"
    buttons = {"type": "actions", "elements": [{"type": "button", "text": {"type": "plain_text", "text": "Go"}}]}
    assert visible_text("fallback", [*mrkdwn("shown"), buttons]) == "shown"
    assert (
        visible_text("fallback", rich({"type": "text", "text": "a "}, {"type": "user", "user_id": "U1"})) == "a <@U1>"
    )
