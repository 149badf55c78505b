"""What a Discord message means to us, as plain values."""

from __future__ import annotations

import json
from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from adapters.discord.inbound import Answered, Me, Place, Spoken, thread_name, to_message
from adapters.discord.origin import Asked, ThreadStart, decode, encode
from core.chat import Said

ME = Me(user="900", application="901", role="902")
TEXT = Place("20", "text", guild="10")
THREAD = Place("30", "thread", guild="10", parent="20")
DIRECT = Place("40", "direct")
SNOWFLAKE = "175928847299117063"


def spoken(content: str = "hello", place: Place = TEXT, **fields: object) -> Spoken:
    base = Spoken(id=SNOWFLAKE, place=place, author="1", author_name="Ada", content=content)
    return replace(base, **fields)  # type: ignore[arg-type]  # the tests name the fields


def test_a_mention_in_a_text_channel_is_answered_in_a_thread_on_that_message() -> None:
    """A thread made from a message has the message's id, so its name is known before it exists."""
    message = to_message(spoken("<@900> what is up, <@7>?", users={"900": "Parley", "7": "Bob"}), ME)
    assert message is not None
    assert message.thread_id == f"discord:10:{SNOWFLAKE}"
    assert (message.scope, message.channel) == ("discord:10", "discord:10:20")
    assert (message.reach, message.text) == ("mention", "what is up, @Bob?")
    assert message.author.user_id == "discord:1"
    assert message.keys == (f"20:{SNOWFLAKE}",)
    assert round(message.sent_at) == 1462015106
    assert decode(message.origin) == ThreadStart("20", SNOWFLAKE, "what is up, @Bob?")


def test_our_managed_role_counts_as_us_and_other_roles_do_not() -> None:
    """People pick the role of the same name from the list; @everyone and @here address nobody."""
    ours = to_message(spoken("<@&902>: hi", roles={"902": "Parley"}), ME)
    assert ours is not None
    assert ours.text == "hi"
    assert to_message(spoken("<@&77> hi", roles={"77": "mods"}), ME) is None
    assert to_message(spoken("@everyone look"), ME) is None


def test_talk_in_a_text_channel_is_not_ours_but_talk_in_a_thread_may_be() -> None:
    """Whether we take part in a thread is known to core alone; a plain channel is never a conversation."""
    assert to_message(spoken("hi"), ME) is None
    inside = to_message(spoken("hi", THREAD), ME)
    assert inside is not None
    assert (inside.reach, inside.thread_id, inside.channel) == ("thread", "discord:10:30", "discord:10:20")
    assert inside.origin == ""
    unknown = to_message(spoken("hi", Place("50", "unknown", guild="10")), ME)
    assert unknown is not None
    assert (unknown.reach, unknown.thread_id) == ("thread", "discord:10:50")


def test_a_mention_inside_a_thread_stays_in_that_thread() -> None:
    """A thread cannot hold a thread."""
    message = to_message(spoken("<@900> hi", THREAD, users={"900": "Parley"}), ME)
    assert message is not None
    assert (message.reach, message.thread_id, message.origin) == ("mention", "discord:10:30", "")


def test_what_is_said_to_somebody_else_in_a_thread_is_known_as_that() -> None:
    """By a mention that opens it, or as a reply to them; unless we are mentioned too."""

    def to_another(content: str, **fields: object) -> bool:
        message = to_message(spoken(content, THREAD, **fields), ME)
        assert message is not None
        return message.to_another

    ben, us = {"7": "Ben"}, {"900": "Parley"}
    assert to_another("<@7> can you look?", users=ben)
    assert to_another(" <@&77> look", roles={"77": "mods"})
    assert to_another("yes, do", answered=Answered("500", "7"))
    assert not to_another("<@7> ask <@900>", users=ben | us)
    assert not to_another("ask <@7>", users=ben)
    assert not to_another("and one more", answered=Answered("500", "1")), "a reply to oneself goes on"
    assert not to_another("and then?", answered=Answered("500", "900"))
    assert not to_another("<#20> is what?")


def test_a_reply_to_somebody_else_that_mentions_us_brings_their_words() -> None:
    """Whoever writes "is that true?" means what they reply to. Our own words are in the history already."""
    asks = spoken("<@900> true?", users={"900": "P"}, answered=Answered("500", "3", None, "Cleo", "The moon is far."))
    message = to_message(asks, ME)
    assert message is not None
    assert (message.quoted, message.to_another, message.text) == (Said("Cleo", "The moon is far."), False, "true?")
    for answered in (Answered("500", "3"), Answered("500", "900", None, "P", "The moon.")):
        plain = to_message(replace(asks, answered=answered), ME)
        assert plain is not None and plain.quoted is None


def test_direct_messages_need_no_mention() -> None:
    """A direct message can be meant for nobody else."""
    message = to_message(spoken("hi", DIRECT), ME)
    assert message is not None
    assert (message.reach, message.thread_id, message.scope) == ("direct", "discord:@me:40", "discord:@me")


def test_a_reply_to_us_goes_on_under_our_message() -> None:
    """So an answer to /ask can be followed up by replying to it, without a mention."""
    message = to_message(spoken("and then?", answered=Answered("500", "900")), ME)
    assert message is not None
    assert (message.reach, message.thread_id) == ("mention", "discord:10:500")
    origin = decode(message.origin)
    assert isinstance(origin, ThreadStart)
    assert origin.anchor == "500"


def test_a_chain_of_replies_is_one_conversation() -> None:
    """Where threads are not allowed we answer by replying, so what our message replied to names the thread."""
    message = to_message(spoken("and then?", answered=Answered("501", "900", answers="400")), ME)
    assert message is not None
    assert message.thread_id == "discord:10:400"


def test_a_reply_to_somebody_else_with_a_mention_starts_its_own_thread() -> None:
    """The mention is what addresses us; the other person's message is not ours to hang a thread on."""
    message = to_message(spoken("<@900> true?", users={"900": "P"}, answered=Answered("500", "3")), ME)
    assert message is not None
    assert message.thread_id == f"discord:10:{SNOWFLAKE}"


def test_our_own_words_and_notices_are_nothing_and_other_bots_are_marked() -> None:
    """Answering ourselves would never end; whether bots may talk to us is core's policy."""
    assert to_message(spoken(place=DIRECT, author="900"), ME) is None
    assert to_message(spoken(place=DIRECT, application="901"), ME) is None
    assert to_message(spoken(place=DIRECT, speech=False), ME) is None
    robot = to_message(spoken(place=DIRECT, automated=True), ME)
    assert robot is not None
    assert robot.author.kind == "bot"


def test_only_the_mention_that_opens_the_text_is_taken_away() -> None:
    """In the middle our name is part of what is said; unknown mentions stay as they are typed."""
    users = {"900": "Parley"}
    message = to_message(spoken("  <@!900>, ask <@900> about <#20> and <@5>", users=users), ME)
    assert message is not None
    assert message.text == "ask @Parley about <#20> and <@5>"
    bare = to_message(spoken("<@900>", users=users), ME)
    assert bare is not None
    assert bare.text == ""


@given(st.text(max_size=400), st.text(max_size=100))
def test_a_thread_name_fits_whatever_was_asked(text: str, author: str) -> None:
    """Discord refuses names that are empty or longer than 100 characters."""
    name = thread_name(text, author)
    assert 1 <= len(name) <= 100
    assert name.strip()
    assert "@everyone" not in name


def test_an_origin_is_read_back_and_stays_short() -> None:
    """It travels through Redis with each question."""
    asked = Asked("901", "t" * 220, 1_700_000_000.0, "1234567890123456789", "1234567890123456788", True)
    for origin in (asked, ThreadStart("1", "2", "naïve “name”")):
        assert decode(encode(origin)) == origin
    assert len(encode(asked)) < 400
    assert json.loads(encode(asked))
    assert decode("") is None
    assert "t" * 20 not in repr(asked)
