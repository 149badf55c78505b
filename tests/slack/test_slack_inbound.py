"""Slack payloads as Messages: recorded ones, and every case of addressing us."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.slack.inbound import (
    Deleted,
    Edited,
    Me,
    Reacted,
    Stopped,
    is_echo,
    read_change,
    read_message,
    read_press,
    read_slash,
)
from core.chat import Message, ScopeId, Spot, ThreadId

ME = Me(team="T111", user="UBOT", bot="BBOT", name="parley")
FIXTURES = Path(os.environ.get("PARLEY_FIXTURES", Path(__file__).parents[2].parent / "shared" / "fixtures")) / "slack"


def body(**event: Any) -> dict[str, Any]:
    base = {"type": "message", "channel": "C1", "channel_type": "channel", "user": "U1", "text": "hi", "ts": "17.01"}
    authorization = {"team_id": "T111", "user_id": "UBOT", "is_bot": True}
    merged = {key: value for key, value in (base | event).items() if value is not None}
    return {"type": "event_callback", "team_id": "TSENDER", "authorizations": [authorization], "event": merged}


def read(**event: Any) -> Message | None:
    return read_message(body(**event), ME)


def must_read(**event: Any) -> Message:
    message = read(**event)
    assert message is not None
    return message


def test_a_mention_is_the_same_message_by_either_event() -> None:
    """Slack delivers a mention twice with two event ids; core deduplicates by what is equal in both."""
    by_message = must_read(text="<@UBOT> hello", client_msg_id="c-1")
    by_mention = must_read(type="app_mention", channel_type=None, text="<@UBOT> hello", client_msg_id="c-1")
    assert by_message == by_mention
    assert by_message.keys == ("C1:17.01", "c-1")
    assert (by_message.reach, by_message.text, by_message.sent_at) == ("mention", "hello", 17.01)


@pytest.mark.parametrize(
    ("text", "another"),
    [
        ("<@U2> can you look?", True),
        (" <@U2|ben>, <@U3>: look", True),
        ("<!subteam^S1|@ops> look", True),
        ("<@U2> ask <@UBOT>", False),
        ("<@UBOT> ask <@U2>", False),
        ("ask <@U2>", False),
        ("<!here> look", False),
        ("<#C2|random> is it?", False),
        ("hello", False),
    ],
)
def test_what_begins_with_a_mention_of_somebody_else_alone_is_to_them(text: str, another: bool) -> None:
    """People talk to one another in a thread of ours as well."""
    assert must_read(text=text, thread_ts="16.0").to_another == another


def test_ids_are_made_of_the_installing_workspace() -> None:
    """In a shared channel `team_id` is the sender's workspace, and a session must not move with the sender."""
    message = must_read(text="<@UBOT> hi", thread_ts="16.5")
    assert (message.thread_id, message.scope) == ("slack:T111:C1:16.5", "slack:T111")
    assert (message.channel, message.author.user_id) == ("slack:T111:C1", "slack:U1")


def test_an_organisation_wide_installation_falls_back_to_the_payloads_workspace() -> None:
    """Its authorization names no workspace."""
    payload = body(text="<@UBOT> hi") | {"authorizations": [{"team_id": None}], "context_team_id": "T222"}
    message = read_message(payload, ME)
    assert message is not None and message.scope == "slack:T222"


@pytest.mark.parametrize(
    ("event", "reach"),
    [
        ({"text": "nobody is meant"}, None),
        ({"text": "<@UBOT> hi"}, "mention"),
        ({"text": "say <@UBOT|parley>, hi"}, "mention"),
        ({"text": "<@UBOTTOM> hi"}, None),
        ({"thread_ts": "16.0"}, "thread"),
        ({"thread_ts": "17.01"}, None),
        ({"thread_ts": "16.0", "subtype": "thread_broadcast"}, "thread"),
        ({"thread_ts": "16.0", "text": "<@UBOT> hi"}, "mention"),
        ({"channel": "D1", "channel_type": "im"}, "direct"),
        ({"channel": "D1", "channel_type": "im", "text": "<@UBOT> hi"}, "direct"),
        ({"channel": "D1", "channel_type": "im", "thread_ts": "16.0"}, "direct"),
        ({"channel": "G1", "channel_type": "mpim"}, None),
        ({"channel": "G1", "channel_type": "mpim", "text": "<@UBOT> hi"}, "mention"),
        ({"channel": "G1", "channel_type": "group", "thread_ts": "16.0"}, "thread"),
        ({"subtype": "me_message", "text": "<@UBOT> waves"}, "mention"),
        ({"type": "reaction_added", "text": "<@UBOT>"}, None),
    ],
)
def test_reach_says_how_we_were_addressed(event: dict[str, Any], reach: str | None) -> None:
    """Whether a thread is ours is core's to know, so a reply without a mention is handed on as such."""
    message = read(**event)
    assert (message.reach if message else None) == reach


@pytest.mark.parametrize(
    "subtype",
    ["message_changed", "message_deleted", "message_replied", "channel_join", "channel_topic", "tombstone", "hidden"],
)
def test_what_nobody_said_is_no_message(subtype: str) -> None:
    """Edits, deletions, joins and the like are acked and left."""
    assert read(subtype=subtype, text="<@UBOT> hi") is None


def test_our_own_posts_are_nothing_and_other_bots_are_bots() -> None:
    """Answering ourselves would never end; other bots are core's to gate."""
    assert read(user="UBOT", text="<@UBOT> hi") is None
    assert read(user=None, bot_id="BBOT", text="<@UBOT> hi") is None
    other = must_read(user="U9", bot_id="B9", text="<@UBOT> hi")
    classic = must_read(user=None, bot_id="B8", subtype="bot_message", username="cron", text="<@UBOT> hi")
    assert (other.author.kind, other.author.user_id) == ("bot", "slack:U9")
    assert (classic.author.kind, classic.author.user_id, classic.author.name) == ("bot", "slack:B8", "cron")


def test_a_guest_is_one_only_if_the_payload_says_so() -> None:
    """Most events carry no profile; such people are members."""
    assert must_read(text="<@UBOT>").author.kind == "member"
    assert (
        must_read(text="<@UBOT>", user_profile={"is_restricted": True, "display_name": "Cleo"}).author.kind == "guest"
    )
    foreign = body(text="<@UBOT>", user_team="TOTHER") | {"is_ext_shared_channel": True}
    message = read_message(foreign, ME)
    assert message is not None and message.author.kind == "guest"


@pytest.mark.parametrize(
    ("typed", "text"),
    [
        ("<@UBOT> hi", "hi"),
        ("  <@UBOT>, <@UBOT|parley>: hi", "hi"),
        ("<@UBOT> :wave: hi", ":wave: hi"),
        ("ask <@UBOT> about <@U2|ben> and <@U3>", "ask @parley about @ben and @U3"),
        ("<@UBOT> 1 &lt; 2 &amp;&amp; 3 &gt; 2 &amp;lt;", "1 < 2 && 3 > 2 &lt;"),
        ("<@UBOT> see <#C2|random> <#C3|>", "see #random #C3"),
        (
            "<@UBOT> <https://a.b|the page> <https://a.b> <http://a.b|a.b>",
            "the page (https://a.b) https://a.b http://a.b",
        ),
        ("<@UBOT> <mailto:a@b.co|a@b.co>", "a@b.co"),
        ("<@UBOT> tell <!here> <!subteam^S1|@ops> <!date^1^x|noon>", "tell @here @ops noon"),
        ("<@UBOT>", ""),
        ("<@UBOT> &lt;@U2&gt;", "<@U2>"),
    ],
)
def test_text_is_what_a_person_reads(typed: str, text: str) -> None:
    """The model sees words, not Slack's wire form; only our own opening mention is taken away."""
    assert must_read(text=typed).text == text


def test_a_message_of_files_alone_names_them() -> None:
    """Somebody who sends a picture hears something about the picture."""
    message = must_read(text="<@UBOT>", subtype="file_share", files=[{"name": "cat.png"}, {}])
    assert "cat.png" in message.text


def test_files_beside_words_are_named_after_them() -> None:
    """“What is on it?” with a picture was handed to the model as if there were no picture."""
    message = must_read(text="<@UBOT> what is on it?", subtype="file_share", files=[{"name": "cat.png"}])
    assert message.text == "what is on it?\n\n(attached, not readable for you: cat.png)"


def test_a_press_of_our_button_hands_back_its_value() -> None:
    """Other buttons are not ours to read."""
    action = {"action_id": "parley_stop", "value": "turn-7", "type": "button"}
    payload = {"type": "block_actions", "user": {"id": "U1"}, "channel": {"id": "C1"}, "actions": [action]}
    payload |= {"container": {"message_ts": "17.1", "thread_ts": "16.0"}, "response_url": "http://x"}
    press = read_press(payload)
    assert press is not None
    assert (press.control, press.value, press.user, press.channel, press.thread_ts) == (
        "stop",
        "turn-7",
        "U1",
        "C1",
        "16.0",
    )
    assert read_press(payload | {"actions": [action | {"action_id": "other"}]}) is None
    assert read_press({"type": "view_submission"}) is None


@pytest.mark.parametrize(
    ("typed", "parts"),
    [
        ("", ("help", "")),
        ("ask", ("help", "")),
        ("ask why is 1 &lt; 2?", ("ask", "why is 1 < 2?")),
        ("Usage  month", ("usage", "month")),
        ("reset", ("reset", "")),
        ("what is <#C2|random>", ("ask", "what is #random")),
        ("usages are many", ("ask", "usages are many")),
        ("ask\nwhy?\nand how?", ("ask", "why?\nand how?")),
        ("help", ("help", "")),
        ("help me with this", ("ask", "help me with this")),
        ("stop!", ("stop", "")),
    ],
)
def test_the_first_word_of_a_slash_command_decides(typed: str, parts: tuple[str, str]) -> None:
    """A question needs no verb."""
    payload = {"command": "/p", "text": typed, "team_id": "T111", "channel_id": "C1", "user_id": "U1"}
    slash = read_slash(payload, ME)
    assert slash is not None and slash.parts == parts


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8) | st.sampled_from(["message", "C1", "1.1", "U1"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
)
# fmt: off
FIELDS = (
    "type", "event", "channel", "ts", "thread_ts", "text", "user", "bot_id", "files", "user_profile", "authorizations",
    "actions", "command", "is_ext_shared_channel", "subtype", "client_msg_id",
)
# fmt: on


@given(st.fixed_dictionaries({}, optional=dict.fromkeys(FIELDS, JSON)), st.data())
def test_no_payload_makes_reading_raise(payload: dict[str, Any], data: st.DataObject) -> None:
    """A shape that nobody thought of is acked and left, not delivered again and again."""
    event = data.draw(st.fixed_dictionaries({}, optional=dict.fromkeys(FIELDS, JSON)))
    read_message(payload | {"event": event | {"type": "message", "channel": "D1", "ts": "1.1"}}, ME)
    read_message(payload, ME)
    read_press(payload | {"type": "block_actions"})
    read_slash(payload, ME)


def _recorded() -> list[Path]:
    return sorted((FIXTURES / "bolt-python").glob("test_*.json")) + sorted((FIXTURES / "java-sdk" / "events").glob("*"))


@pytest.mark.skipif(not FIXTURES.exists(), reason="recorded payloads are not here; set PARLEY_FIXTURES")
def test_recorded_payloads_are_read_without_error() -> None:
    """Whatever Slack sends, reading it never raises; only what was said to somebody becomes a Message."""
    silent = ("changed", "deleted", "join", "left", "reaction", "uninstalled", "revoked", "Deleted", "Changed")
    for path in _recorded():
        payload = json.loads(path.read_text())
        whole = payload if "event" in payload else {"type": "event_callback", "event": payload}
        message = read_message(whole, ME)
        read_press(payload)
        read_slash(payload, ME)
        if any(word in path.name for word in silent):
            assert message is None, path.name


@pytest.mark.skipif(not FIXTURES.exists(), reason="recorded payloads are not here; set PARLEY_FIXTURES")
@pytest.mark.parametrize(
    ("name", "me", "expected"),
    [
        (
            "test_events__app_mention_body",
            "W111",
            ("slack:T111:C111:1595926230.009600", "mention", "Hi there!", "member"),
        ),
        (
            "test_message_thread_broadcast__event_payload",
            "W9",
            ("slack:T111:C111:1633663824.000500", "thread", "Hi there!", "member"),
        ),
        (
            "test_events_org_apps__event_payload_4",
            "W222",
            ("slack:T111:C111:1606810819.000800", "mention", "", "member"),
        ),
        ("test_events__message_file_share_body", "U222", None),
        ("test_message_bot__bot_message_event_payload", "U5", None),
        ("test_message__message_body", "U5", None),
    ],
)
def test_recorded_payloads_say_what_they_said(name: str, me: str, expected: tuple[str, ...] | None) -> None:
    """Real shapes, real fields: a normaliser that only knows our own payloads knows nothing."""
    payload = json.loads((FIXTURES / "bolt-python" / f"{name}.json").read_text())
    message = read_message(payload, Me("T111", me, "BBOT"))
    read_as = message and (message.thread_id, message.reach, message.text, message.author.kind)
    assert read_as == expected


SPOT = Spot(ScopeId("slack:T111"), "C1:17.01")


def changed(now: dict[str, Any], before: dict[str, Any]) -> dict[str, Any]:
    return body(subtype="message_changed", message={"ts": "17.01"} | now, previous_message=before, text=None, ts="18.0")


def test_an_edit_is_read_as_the_message_was() -> None:
    """Core compares the words with those it has: our mention must be gone from both."""
    now = {"user": "U1", "text": "<@UBOT> better", "edited": {"ts": "18.5"}}
    assert read_change(changed(now, {"text": "<@UBOT> good"}), ME) == Edited(SPOT, "better", "18.5")


def test_what_changes_without_new_words_is_no_edit() -> None:
    """Slack tells of links that unfold, and of our own growing answers, by the same event."""
    assert read_change(changed({"user": "U1", "text": "a"}, {"text": "a"}), ME) is None
    assert read_change(changed({"user": "UBOT", "text": "ab"}, {"text": "a"}), ME) is None
    assert read_change(changed({"user": "U2", "bot_id": "BBOT", "text": "ab"}, {"text": "a"}), ME) is None
    assert read_change(body(text="<@UBOT> hi"), ME) is None


@given(
    st.sampled_from([None, "", "message_changed", "message_deleted", "bot_message", "channel_join", "tombstone"]),
    st.sampled_from(["U1", "UBOT", None]),
    st.sampled_from(["BBOT", "B2", None]),
    st.fixed_dictionaries(
        {
            "user": st.sampled_from(["U1", "UBOT"]),
            "bot_id": st.sampled_from(["BBOT", None]),
            "subtype": st.sampled_from([None, "tombstone"]),
            "text": st.sampled_from(["a", "<@UBOT> b"]),
        }
    ),
)
def test_in_an_echo_there_is_nothing_to_read(subtype: Any, user: Any, bot: Any, now: dict[str, Any]) -> None:
    """It is acked before anybody looks at it; nothing that means something to us may be taken for one."""
    message = {"ts": "17.01"} | now
    told = body(subtype=subtype, user=user, bot_id=bot, text="<@UBOT> hi", message=message, previous_message={})
    if is_echo(told, ME):
        assert read_message(told, ME) is None and read_change(told, ME) is None


def test_what_we_say_comes_back_as_an_echo() -> None:
    """Slack sends our posts and every edit of them."""
    assert is_echo(body(user="UBOT"), ME) and is_echo(body(user=None, bot_id="BBOT", subtype="bot_message"), ME)
    assert is_echo(changed({"user": "UBOT", "text": "ab"}, {"text": "a"}), ME)
    assert not is_echo(body(), ME) and not is_echo(body(type="app_mention", user="UBOT"), ME)
    assert not is_echo(changed({"user": "U1", "text": "ab"}, {"text": "a"}), ME)


def test_a_deletion_is_read_in_both_of_its_forms() -> None:
    """A root that has replies leaves a tombstone, told as a change."""
    gone = body(subtype="message_deleted", deleted_ts="17.01", previous_message={"ts": "17.01"}, ts="18.0")
    assert read_change(gone, ME) == Deleted(SPOT)
    tombstone = {"subtype": "tombstone", "user": "USLACKBOT", "text": "This message was deleted."}
    assert read_change(changed(tombstone, {"text": "hi"}), ME) == Deleted(SPOT)


def test_a_reaction_names_its_message() -> None:
    """And one of our own says nothing to us."""
    event = {"type": "reaction_added", "reaction": "octagonal_sign", "item": {"type": "message", "channel": "C1"}}
    event["item"]["ts"] = "17.01"  # type: ignore[index]
    assert read_change(body(**event), ME) == Reacted(SPOT, "octagonal_sign")
    assert read_change(body(**event | {"user": "UBOT"}), ME) is None
    assert read_change(body(**event | {"item": {"type": "file"}}), ME) is None


def test_slacks_own_stop_button_names_a_thread() -> None:
    """Not a message: there may be none yet."""
    event = {"type": "agent_session_stopped", "channel": "C1", "thread_ts": "17.01", "user": "U1"}
    assert read_change(body(**event), ME) == Stopped(ThreadId("slack:T111:C1:17.01"))
    assert read_change(body(**event | {"thread_ts": None}), ME) is None


@given(
    st.recursive(st.none() | st.text() | st.integers(), lambda inner: st.dictionaries(st.text(), inner), max_leaves=8)
)
def test_no_payload_is_too_odd_to_be_read(odd: Any) -> None:
    """Whatever Slack adds one day must not end the connection."""
    for kind in ("message_changed", "message_deleted"):
        is_echo(body(subtype=kind, message=odd), ME)
        read_change(body(subtype=kind, message=odd, previous_message=odd, deleted_ts=odd), ME)
    read_change(body(type="reaction_added", item=odd, reaction=odd), ME)
    read_change(body(type="agent_session_stopped", channel=odd, thread_ts=odd), ME)
