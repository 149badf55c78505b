"""Segments as messages, against an emulated Slack that keeps Slack's rules."""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator
from html import unescape

import aiohttp
import pytest
from aiohttp.client_reqrep import ConnectionKey

from adapters.emulators.slack.emulator import SlackEmulator
from adapters.slack import LIMITS, SlackSettings, SlackSurface
from adapters.slack._errors import reason, surface_error
from adapters.slack._web import Web
from adapters.slack.markdown import block_text
from core.chat import (
    MessageFrozen,
    MessageGone,
    MessageRef,
    NotPermitted,
    Operation,
    Placement,
    PlacementGone,
    RateLimited,
    Segment,
    SegmentRejected,
    Surface,
    SurfaceError,
    SurfaceUnavailable,
    ThreadId,
)
from core.replies import LocalBudget, Priority, Splitter

HOSTILE = (
    "<!here> <!channel> <@U0EMUADA> <!subteam^S1> `<!everyone>` @channel &lt;!here&gt;\n\n```\n<!channel>\n```\n"
    "[x](<!here>) ![i](https://evil.example/leak.png?q=1) <https://evil.example/?q=2|hi> https://evil.example/3"
)


@pytest.fixture
async def surface(settings: SlackSettings) -> AsyncIterator[SlackSurface]:
    connection = Web.connect(settings)
    yield SlackSurface(connection.client)
    await connection.aclose()


@pytest.fixture
async def placement(emulator: SlackEmulator) -> Placement:
    question = await emulator.say("ada", "general", "a question")
    return Placement(ThreadId(f"slack:{emulator.team_id}:{question.channel}:{question.ts}"))


async def other_thread(emulator: SlackEmulator) -> Placement:
    question = await emulator.say("ada", "general", "another question")
    return Placement(ThreadId(f"slack:{emulator.team_id}:{question.channel}:{question.ts}"))


def test_the_slack_surface_is_a_surface(surface: SlackSurface) -> None:
    """Core sees the port and nothing else."""
    port: Surface = surface
    assert port.limits.segment == 3900


async def test_an_answer_grows_in_one_message_in_the_thread(
    surface: SlackSurface, placement: Placement, emulator: SlackEmulator
) -> None:
    """Posting and editing show one message under the question, and the Stop button goes with the last edit."""
    ref = await surface.post(placement, Segment("Hel", stop="turn-1"), "key-1")
    await surface.edit(placement, ref, Segment("Hello **world** & <all>"))
    (message,) = emulator.bot_messages()
    assert message.thread_ts == placement.thread_id.split(":")[3]
    assert message.text == "Hello *world* &amp; &lt;all&gt;"
    assert [block["type"] for block in message.blocks] == ["markdown"]
    assert message.blocks[0]["text"] == "Hello **world** & &lt;all>"
    assert "turn-1" in str(message.history[0].blocks)


async def test_nobody_is_pinged_and_nothing_fetched_whatever_a_model_writes(
    surface: SlackSurface, placement: Placement, emulator: SlackEmulator
) -> None:
    """Every prefix of a hostile answer is harmless, as a post and as an edit."""
    ref = await surface.post(placement, Segment(HOSTILE[:8], stop="s"), "k")
    for cut in (5, 12, 40, len(HOSTILE) - 30, len(HOSTILE)):
        await surface.edit(placement, ref, Segment(HOSTILE[:cut]))
    (message,) = emulator.bot_messages()
    assert not message.pings
    assert message.unfurls == ()


async def test_a_full_segment_of_any_script_can_be_edited(
    surface: SlackSurface, placement: Placement, emulator: SlackEmulator
) -> None:
    """Although Slack counts the bytes of an edit's `text`: beside blocks that say all of it, a beginning is enough."""
    ref = await surface.post(placement, Segment("…"), "k")
    for letter in ("a", "<", "&", "🙂", "字", "`"):
        text = letter * (surface.limits.segment // surface.limits.measure(letter))
        assert surface.limits.measure(text) <= surface.limits.segment
        await surface.edit(placement, ref, Segment(text, stop="s"))
        (message,) = emulator.bot_messages()
        shown = next(str(block["text"]) for block in message.blocks if block["type"] == "markdown")
        notified = unescape(message.text).removesuffix("…")
        if letter != "`":  # which is an empty block of code
            assert unescape(shown) == text
            assert text.startswith(notified) and len(notified) > 700
    assert all(call.error is None for call in emulator.calls("chat.update"))


def test_a_japanese_answer_takes_as_many_messages_as_a_latin_one_of_its_length() -> None:
    """A letter of three bytes is one letter: 12,000 of them fit where blocks are taken."""
    latin, japanese = "Some words. " * 500, "これは言葉です。それも。" * 500
    assert len(latin) == len(japanese)
    parts = [Splitter(LIMITS.segment, LIMITS.measure).split(text) for text in (latin, japanese)]
    assert len(parts[0]) == len(parts[1]) == 2


@pytest.mark.parametrize("text", ["字" * 3_000, "**太字**です。" * 300, "```\n" + "字" * 2_000 + "\n```"])
async def test_wide_letters_are_all_shown_where_blocks_are_refused(
    surface: SlackSurface, placement: Placement, emulator: SlackEmulator, text: str
) -> None:
    """As `markdown_text`, which an edit takes more of than of `text`."""
    ref = await surface.post(placement, Segment("…"), "k")
    emulator.fail_next("chat.update", "invalid_blocks")
    await surface.edit(placement, ref, Segment(text))
    (message,) = emulator.bot_messages()
    assert [block["text"] for block in message.blocks] == [block_text(text)]
    assert not message.pings and [call.error for call in emulator.calls("chat.update")] == ["invalid_blocks", None]


async def test_a_server_that_takes_no_blocks_gets_answers_it_can_edit(
    surface: SlackSurface, placement: Placement, emulator: SlackEmulator
) -> None:
    """From the next answer on, each message is small enough for `text`."""
    for number in range(3):
        emulator.fail_next("chat.postMessage", "invalid_blocks")
        await surface.post(await other_thread(emulator), Segment("字"), f"k{number}")
        emulator.advance(2)
    text = "字" * (surface.limits.segment // surface.limits.measure("字"))
    ref = await surface.post(placement, Segment("…"), "k")
    await surface.edit(placement, ref, Segment(text))
    assert emulator.bot_messages()[-1].text == text and emulator.bot_messages()[-1].blocks == []


async def test_a_deleted_message_is_gone_and_deleting_it_again_is_no_error(
    surface: SlackSurface, placement: Placement, emulator: SlackEmulator
) -> None:
    """A moderator may be faster than we are."""
    ref = await surface.post(placement, Segment("x"), "k")
    await surface.delete(placement, ref)
    await surface.delete(placement, ref)
    assert emulator.bot_messages() == []
    with pytest.raises(MessageGone):
        await surface.edit(placement, ref, Segment("y"))


@pytest.mark.parametrize(
    ("code", "error"),
    [
        ("message_not_found", MessageGone),
        ("edit_window_closed", MessageFrozen),
        ("cant_update_message", MessageFrozen),
        ("channel_not_found", PlacementGone),
        ("is_archived", PlacementGone),
        ("not_in_channel", PlacementGone),
        ("restricted_action_thread_locked", PlacementGone),
        ("restricted_action_read_only_channel", NotPermitted),
        ("missing_scope", NotPermitted),
        ("account_inactive", NotPermitted),
        ("rate_limited", RateLimited),
        ("message_limit_exceeded", RateLimited),
        ("internal_error", SurfaceUnavailable),
        ("something_new", SurfaceError),
        ("metadata_too_large", SegmentRejected),
    ],
)
async def test_each_refusal_becomes_the_error_that_says_what_to_do(
    surface: SlackSurface, placement: Placement, emulator: SlackEmulator, code: str, error: type[SurfaceError]
) -> None:
    """Told apart by Slack's code, with neither tokens nor text in what is logged."""
    emulator.fail_next("chat.update", code)
    with pytest.raises(error) as caught:
        await surface.edit(placement, MessageRef("C0EMUGENERAL", "1.1"), Segment("secret words"))
    assert type(caught.value) is error
    assert str(caught.value) == f"chat.update: {code}"


async def test_a_rate_limit_says_when_to_come_back(
    surface: SlackSurface, placement: Placement, emulator: SlackEmulator
) -> None:
    """Retry-After feeds the shared budget; nothing sleeps inside the call."""
    emulator.rate_limit("chat.postMessage", 17, 60)
    with pytest.raises(RateLimited) as caught:
        await surface.post(placement, Segment("x"), "k")
    assert caught.value.retry_after_s == 17
    assert len(emulator.calls("chat.postMessage")) == 1


async def test_nothing_is_read_while_slack_asks_to_wait(
    surface: SlackSurface, placement: Placement, emulator: SlackEmulator
) -> None:
    """All threads of a workspace are read by one method; each refused call would make the wait longer."""
    ref = await surface.post(placement, Segment("an answer"), "k-0")
    emulator.rate_limit("conversations.replies", 17, 60)
    for place in (placement, await other_thread(emulator)):
        with pytest.raises(RateLimited) as refused:
            await surface.is_buried(place, ref)
        assert refused.value.retry_after_s > 16
    assert len(emulator.calls("conversations.replies")) == 1


@pytest.mark.parametrize("status", [500, 502, 503, None])
async def test_no_answer_is_unavailable_and_not_repeated(
    surface: SlackSurface, placement: Placement, emulator: SlackEmulator, status: int | None
) -> None:
    """A repeated post is a second message, so whether to try again is core's to decide."""
    emulator.fail_next("chat.postMessage", status=status, times=5)
    with pytest.raises(SurfaceUnavailable):
        await surface.post(placement, Segment("x"), "k")
    assert len(emulator.calls("chat.postMessage")) == 1


async def test_a_post_whose_answer_was_lost_is_found_again(
    surface: SlackSurface, placement: Placement, emulator: SlackEmulator, settings: SlackSettings
) -> None:
    """The marker in the metadata keeps the second attempt from becoming a second message."""
    emulator.fail_next("chat.postMessage", after_effect=True)
    with pytest.raises(SurfaceUnavailable):
        await surface.post(placement, Segment("x"), "key-1")
    ref = await surface.post(placement, Segment("x"), "key-1")
    (message,) = emulator.bot_messages()
    assert ref == MessageRef(message.channel, message.ts)
    await surface.edit(placement, ref, Segment("xy"))
    connection = Web.connect(settings)
    other_process = SlackSurface(connection.client)
    assert await other_process.find(placement, "key-1") == ref
    assert await other_process.find(placement, "key-2") is None
    await connection.aclose()


async def test_without_the_right_to_read_a_lost_post_is_posted_again(
    surface: SlackSurface, placement: Placement, emulator: SlackEmulator
) -> None:
    """Two messages are a lesser evil than none; a passing failure of the search is waited out instead."""
    emulator.fail_next("chat.postMessage", status=502)
    with pytest.raises(SurfaceUnavailable):
        await surface.post(placement, Segment("x"), "key-1")
    emulator.fail_next("conversations.replies", status=502)
    with pytest.raises(SurfaceUnavailable):
        await surface.post(placement, Segment("x"), "key-1")
    emulator.fail_next("conversations.replies", "unknown_method")
    await surface.post(placement, Segment("x"), "key-1")
    assert len(emulator.bot_messages()) == 1


@pytest.mark.parametrize("refusal", ["missing_scope", "not_in_channel", "thread_not_found", "unknown_method"])
async def test_where_we_may_not_read_nothing_is_found(
    surface: SlackSurface, placement: Placement, emulator: SlackEmulator, refusal: str
) -> None:
    """Whoever goes on with an answer after a crash asks first; a refusal to say must not cost the answer."""
    emulator.fail_next("conversations.replies", refusal)
    assert await surface.find(placement, "key-1") is None


async def test_refused_blocks_are_sent_once_more_as_text(
    surface: SlackSurface, placement: Placement, emulator: SlackEmulator
) -> None:
    """A table that Slack does not like must not cost the answer."""
    emulator.fail_next("chat.postMessage", "invalid_blocks")
    ref = await surface.post(placement, Segment("a | b", stop="s"), "k")
    assert emulator.bot_messages()[0].text == "a | b"
    emulator.fail_next("chat.update", "msg_blocks_too_long")
    await surface.edit(placement, ref, Segment("a | c"))
    assert emulator.bot_messages()[0].visible == "a | c"
    emulator.fail_next("chat.update", "invalid_blocks", times=2)
    with pytest.raises(SegmentRejected):
        await surface.edit(placement, ref, Segment("a | d"))


async def test_one_answer_that_slack_dislikes_costs_no_other_one_its_layout(
    surface: SlackSurface, placement: Placement, emulator: SlackEmulator
) -> None:
    """While a table grows it may be refused again and again: that says nothing about the next answer, or its end."""
    emulator.fail_next("chat.postMessage", "invalid_blocks")
    ref = await surface.post(placement, Segment("| a", stop="s"), "k")
    for number in range(5):
        await surface.edit(placement, ref, Segment(f"| a | {number}", stop="s"))
    assert len(emulator.calls("chat.update")) == 5, "what is refused once is not tried at each edit"
    await surface.edit(placement, ref, Segment("| a | b |"))
    assert [block["type"] for block in emulator.bot_messages()[0].blocks] == ["markdown"]
    other = await other_thread(emulator)
    await surface.post(other, Segment("text", stop="t"), "k2")
    assert [block["type"] for block in emulator.bot_messages()[1].blocks] == ["markdown", "actions"]


async def test_a_server_without_blocks_is_soon_not_asked_twice(
    settings: SlackSettings, emulator: SlackEmulator
) -> None:
    """Two calls for each edit would halve the budget; after a while it is asked again, for it may have learned."""
    clock = [1000.0]
    connection = Web.connect(settings)
    surface = SlackSurface(connection.client, now=lambda: clock[0])
    ref = await surface.post(await other_thread(emulator), Segment("0"), "k")
    for number in range(1, 4):
        emulator.fail_next("chat.update", "invalid_blocks")
        await surface.edit(await other_thread(emulator), ref, Segment(str(number)))
    before = len(emulator.calls("chat.update"))
    await surface.edit(await other_thread(emulator), ref, Segment("4"))
    assert len(emulator.calls("chat.update")) == before + 1
    assert emulator.bot_messages()[0].blocks == []
    clock[0] += 601
    await surface.edit(await other_thread(emulator), ref, Segment("5"))
    assert emulator.bot_messages()[0].blocks != []
    await connection.aclose()


async def test_a_status_comes_and_goes_and_is_given_up_when_forbidden(
    surface: SlackSurface, placement: Placement, emulator: SlackEmulator
) -> None:
    """A courtesy: after a refusal that will not change it is not asked for again."""
    _, _, channel, ts = placement.thread_id.split(":")
    await surface.open(placement)
    await surface.status(placement, "is thinking…")
    shown = emulator.status(channel, ts)
    assert shown is not None and shown.text == "is thinking…"
    await surface.status(placement, "")
    cleared = emulator.status(channel, ts)
    assert cleared is None or not cleared.text
    emulator.fail_next("assistant.threads.setStatus", status=503)
    with pytest.raises(SurfaceUnavailable):
        await surface.status(placement, "is thinking…")
    emulator.fail_next("assistant.threads.setStatus", "missing_scope")
    with pytest.raises(SurfaceError):
        await surface.status(placement, "is thinking…")
    asked = len(emulator.calls("assistant.threads.setStatus"))
    await surface.status(placement, "is thinking…")
    assert len(emulator.calls("assistant.threads.setStatus")) == asked


def test_edits_share_a_bucket_and_posts_have_one_per_channel_and_one_over_all(surface: SlackSurface) -> None:
    """Slack counts chat.update for the whole workspace, chat.postMessage for each channel and in all."""

    def names(operation: Operation, thread: str) -> list[str]:
        return [bucket.name for bucket in surface.draws(operation, Placement(ThreadId(thread))).buckets]

    here, there = "slack:T1:C1:1.1", "slack:T1:C2:2.2"
    assert names("edit", here) == names("edit", there) == ["chat.update"]
    assert names("post", here) == ["chat.postMessage:C1", "chat.postMessage"]
    assert names("post", there) == ["chat.postMessage:C2", "chat.postMessage"]
    assert names("delete", here) == ["chat.delete"]
    assert surface.draws("edit", Placement(ThreadId(here))).scope == "slack:T1"
    with pytest.raises(ValueError):
        surface.draws("edit", Placement(ThreadId("discord:1:2:3")))


class Budgeted:
    """Asks the budget before each call, on the emulator's clock."""

    def __init__(self, surface: SlackSurface, placement: Placement, emulator: SlackEmulator) -> None:
        self._surface, self._placement, self._emulator = surface, placement, emulator
        self._budget, self._now = LocalBudget(), 0.0

    def wait(self, operation: Operation, priority: Priority) -> None:
        draws = self._surface.draws(operation, self._placement)
        while not (grant := self._budget.take_at(self._now, draws, "s", priority)).go:
            self._now += grant.wait_s
            self._emulator.advance(grant.wait_s)


async def test_edits_within_the_budget_are_never_refused(
    surface: SlackSurface, placement: Placement, emulator: SlackEmulator
) -> None:
    """As many as fit at once, and then as Tier 3 allows, minute after minute; interim edits and final ones."""
    ref = await surface.post(placement, Segment("0"), "k")
    budgeted = Budgeted(surface, placement, emulator)
    for number in range(150):
        budgeted.wait("edit", Priority.FINAL if number % 3 else Priority.INTERIM)
        await surface.edit(placement, ref, Segment(str(number)))
    assert emulator.rate_limited.get("chat.update", 0) == 0


async def test_posts_within_the_budget_are_never_refused(
    surface: SlackSurface, placement: Placement, emulator: SlackEmulator
) -> None:
    """A long answer is several messages in one channel."""
    budgeted = Budgeted(surface, placement, emulator)
    for number in range(40):
        budgeted.wait("post", Priority.FIRST if number else Priority.FINAL)
        await surface.post(placement, Segment(str(number)), f"k{number}")
    assert emulator.rate_limited.get("chat.postMessage", 0) == 0
    assert len(emulator.bot_messages()) == 40


def test_a_certificate_nobody_trusts_has_words_of_its_own() -> None:
    """It is what an operator behind an inspecting proxy meets first."""
    key = ConnectionKey("slack.example", 443, True, True, None, None, None)
    distrusted = aiohttp.ClientConnectorCertificateError(key, ssl.SSLCertVerificationError("self-signed"))
    assert reason(distrusted) == "the server's certificate is not trusted"
    assert isinstance(surface_error("auth.test", distrusted), SurfaceUnavailable)
    assert reason(TimeoutError()) == "no answer in time"
