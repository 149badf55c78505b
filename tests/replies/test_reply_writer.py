"""The one writer, in virtual time, against a platform that fails in every way it can."""

from __future__ import annotations

import asyncio
import itertools
import logging

import pytest

from core.replies import (
    Draft,
    Limits,
    LocalBudget,
    MessageFrozen,
    MessageRef,
    NotPermitted,
    PlacementGone,
    RateLimited,
    SegmentRejected,
    Window,
)
from core.replies.recovery import GiveUp
from core.replies.reply import REFUSED_NOTICE
from tests.replies.scripted_surface import (
    LOST_BEFORE,
    Fault,
    Posted,
    ScriptedSurface,
    in_virtual_time,
)
from tests.replies.writing import AMPLE, WIDE, make_reply, say, writing


def test_the_first_text_is_shown_within_150_ms_of_the_first_delta() -> None:
    """People judge a bot by how soon it begins."""

    async def story() -> None:
        surface = ScriptedSurface()
        reply = make_reply(surface)
        async with writing(reply) as task:
            await asyncio.sleep(3)
            began = asyncio.get_running_loop().time()
            text = await say(reply, 40)
            reply.show(Draft(text, final=True))
            assert await task == "shown"
        assert surface.calls[0].at - began <= 0.15
        assert reply.first_text_at is not None and reply.first_text_at - began <= 0.15

    in_virtual_time(story)


def test_the_first_text_does_not_wait_for_the_gap_after_a_status_line() -> None:
    """ "Thinking" was shown just before: the answer's first words are worth more than the gap."""

    async def story() -> None:
        surface = ScriptedSurface()
        reply = make_reply(surface)
        async with writing(reply) as task:
            reply.show(Draft(status="_Thinking…_"))
            await asyncio.sleep(0.05)
            reply.show(Draft("Hello"))
            await asyncio.sleep(0.15)
            assert surface.texts == ["Hello"]
            reply.show(Draft("Hello", final=True))
            assert await task == "shown"
        assert [call.operation for call in surface.calls] == ["post", "edit", "edit"]

    in_virtual_time(story)


def test_one_call_is_in_flight_and_the_newest_text_wins() -> None:
    """A slow platform must not make calls queue up, nor show an old text after a new one."""

    async def story() -> None:
        surface = ScriptedSurface(quota=AMPLE, limits=Limits(2000, len, 0.0), latency_s=0.7)
        reply = make_reply(surface)
        async with writing(reply) as task:
            text = await say(reply, 100)
            reply.show(Draft(text, final=True))
            assert await task == "shown"
        assert surface.most_in_flight == 1
        lengths = [len(call.text) for call in surface.calls]
        assert lengths == sorted(lengths)
        assert surface.texts == [text]
        assert len(surface.calls) < 10, "one call for each answer of the platform, not for each word"

    in_virtual_time(story)


def test_a_text_that_grows_is_asked_for_when_there_is_time_to_show_it() -> None:
    """A Draft for each of thousands of Deltas would be made in vain; the first comes at once, the last one wins."""

    async def story() -> None:
        surface = ScriptedSurface(quota=AMPLE, limits=Limits(5000, len, 0.5))
        reply = make_reply(surface)
        said, asked = ["word"], 0

        def newest() -> Draft:
            nonlocal asked
            asked += 1
            return Draft(" ".join(said))

        async with writing(reply) as task:
            began = asyncio.get_running_loop().time()
            for _ in range(500):
                said.append("word")
                reply.grow(newest)
                await asyncio.sleep(0.01)
            reply.show(Draft("the end", final=True))
            reply.grow(newest)
            assert await task == "shown"
        assert surface.calls[0].at - began <= 0.15
        assert surface.texts == ["the end"]
        assert len(surface.calls) >= 5 and asked <= 3 * len(surface.calls)
        lengths = [len(call.text) for call in surface.calls[:-1]]
        assert lengths == sorted(set(lengths))

    in_virtual_time(story)


def test_identical_text_is_never_sent() -> None:
    """An edit that changes nothing costs a call of the budget."""

    async def story() -> None:
        surface = ScriptedSurface(quota=AMPLE, limits=WIDE)
        reply = make_reply(surface)
        async with writing(reply) as task:
            for _ in range(20):
                reply.show(Draft("same"))
                await asyncio.sleep(2)
            assert len(surface.calls) == 1
            reply.show(Draft("same", final=True))  # the button goes: that is a change
            assert await task == "shown"
        assert len(surface.calls) == 2
        assert surface.visible[0].stop == ""

    in_virtual_time(story)


def test_interim_edits_are_never_closer_than_the_gap() -> None:
    """The gap is what leaves room for other answers."""

    async def story() -> None:
        surface = ScriptedSurface(quota=AMPLE, limits=Limits(5000, len, 1.3))
        reply = make_reply(surface)
        async with writing(reply) as task:
            text = await say(reply, 300)
            reply.show(Draft(text, final=True))
            assert await task == "shown"
        times = [call.at for call in surface.calls]
        assert all(later - earlier >= 1.3 - 1e-6 for earlier, later in itertools.pairwise(times[:-1]))

    in_virtual_time(story)


def test_the_stop_button_is_on_the_last_message_only_and_goes_at_the_end() -> None:
    """Several Stop buttons for one answer would puzzle; one on a finished answer does nothing."""

    async def story() -> None:
        surface = ScriptedSurface(quota=AMPLE, limits=WIDE)
        reply = make_reply(surface)
        async with writing(reply) as task:
            text = await say(reply, 90, 0.2)
            await asyncio.sleep(5)
            assert len(surface.visible) > 2
            assert [message.stop for message in surface.visible] == [""] * (len(surface.visible) - 1) + ["STOP"]
            reply.show(Draft(text, final=True))
            assert await task == "shown"
        assert [message.stop for message in surface.visible] == [""] * len(surface.visible)
        assert "".join(surface.texts) == text

    in_virtual_time(story)


@pytest.mark.parametrize(("wait_s", "for_s"), [(5.0, 20), (30.0, 120)])
def test_nothing_is_sent_while_the_platform_says_wait_and_the_end_still_arrives(wait_s: float, for_s: int) -> None:
    """Scenario 9, Retry-After 30 on every edit for two minutes: a call in the wait would make the wait longer. Whoever
    writes the answer is not slowed down."""

    async def story() -> None:
        surface = ScriptedSurface(quota=AMPLE, limits=WIDE)
        loop = asyncio.get_running_loop()
        surface.rules = lambda operation, _, __: (
            Fault(RateLimited("ratelimited", wait_s)) if operation == "edit" and loop.time() < for_s else None
        )
        reply = make_reply(surface)
        async with writing(reply) as task:
            text = await say(reply, 30)
            assert loop.time() == pytest.approx(30 * 0.05)
            reply.show(Draft(text, final=True))
            assert await task == "shown"
        refused = [call.at for call in surface.edits() if call.failed]
        assert refused and all(b - a >= wait_s - 1e-6 for a, b in itertools.pairwise([c.at for c in surface.edits()]))
        assert "".join(surface.texts) == text
        assert loop.time() < for_s + wait_s + 2

    in_virtual_time(story)


@pytest.mark.parametrize("told_while_it_grows", [True, False])
def test_an_answer_does_not_wait_an_hour_for_its_end(
    told_while_it_grows: bool, caplog: pytest.LogCaptureFixture
) -> None:
    """What is shown stays, the log says what is closed and for how long, and nobody calls in the wait."""
    caplog.set_level(logging.INFO)

    async def story() -> None:
        surface = ScriptedSurface(quota=AMPLE, limits=WIDE)
        loop = asyncio.get_running_loop()
        surface.rules = lambda operation, _, __: (
            Fault(RateLimited("ratelimited", 3600.0)) if operation == "edit" else None
        )
        budget = LocalBudget()
        reply = make_reply(surface, budget=budget)
        async with writing(reply) as task:
            text = await say(reply, 100 if told_while_it_grows else 4)
            reply.show(Draft(text, final=True))
            assert await task == "undeliverable"
        assert loop.time() < 10 and surface.texts[0].startswith("word0")
        assert reply.given_up == GiveUp("closed") and reply.given_up.worth_telling
        [line] = [record for record in caplog.records if record.message == "reply.undeliverable"]
        assert told_while_it_grows == ("is closed for 35" in line.__dict__["reason"])
        next_one = make_reply(surface, budget=budget)
        async with writing(next_one) as task:
            next_one.show(Draft("the next answer", final=True))
            assert await task == "shown"
        assert len(surface.edits()) == 1

    in_virtual_time(story)


def test_answers_that_end_soon_come_whole_once_the_places_for_their_ends_are_used_up() -> None:
    """Slack's fifty edits a minute for a workspace are used up by as many short answers, each with an edit for its end.
    Those that come after them need none."""

    async def story() -> None:
        surface = ScriptedSurface(quota=Window(20, 60.0), post_quota=AMPLE, limits=WIDE)
        budget, loop = LocalBudget(), asyncio.get_running_loop()
        for _ in range(60):
            reply = make_reply(surface, budget=budget)
            async with writing(reply) as task:
                text = await say(reply, 2, 0.2)
                reply.show(Draft(text, final=True))
                assert await task == "shown"
        assert loop.time() == pytest.approx(60 * 0.4, abs=1), "none has waited"
        assert len(surface.visible) == 60 and len(surface.edits()) <= 20

    in_virtual_time(story)


def test_a_late_draft_after_the_final_one_is_dropped() -> None:
    """Scenario 14: a Delta that comes late must not undo the end, and is no message of its own."""

    async def story() -> None:
        surface = ScriptedSurface(quota=AMPLE, limits=WIDE)
        reply = make_reply(surface)
        async with writing(reply) as task:
            reply.show(Draft("the end", final=True))
            reply.show(Draft("the end, but not quite"))
            reply.show(Draft("another end", final=True))
            assert await task == "shown"
        assert surface.texts == ["the end"]

    in_virtual_time(story)


def test_an_answer_deleted_in_the_middle_goes_on_in_a_new_message_once() -> None:
    """Scenario 15: whoever asked gets the rest, and who deletes that as well wins."""

    async def story() -> None:
        surface = ScriptedSurface(quota=AMPLE, limits=WIDE)
        reply = make_reply(surface)
        async with writing(reply) as task:
            text = await say(reply, 5)
            surface.messages["m0"].deleted = True
            text = await say(reply, 10, 0.5, text)
            await surface.until(lambda surface: surface.texts == [text])
            reply.show(Draft(text + "!", final=True))
            assert await task == "shown"
        assert surface.texts == [text + "!"]
        again = make_reply(surface, shown=[MessageRef("C1", "m1")])
        async with writing(again) as task:
            again.show(Draft(status="_Thinking…_"))
            await asyncio.sleep(2)
            for message in surface.messages.values():
                message.deleted = True
            again.show(Draft("Hello"))
            await asyncio.sleep(3)
            surface.messages["m2"].deleted = True
            again.show(Draft("Hello there"))
            assert await task == "undeliverable"
        assert again.given_up == GiveUp("deleted") and not again.given_up.worth_telling
        assert surface.texts == []

    in_virtual_time(story)


def test_a_part_deleted_above_others_takes_them_along_so_that_the_order_stays() -> None:
    """A reader must find the parts in their order, each once."""

    async def story() -> None:
        surface = ScriptedSurface(quota=AMPLE, limits=WIDE)
        reply = make_reply(surface, shown=[MessageRef("C1", f"m{number}") for number in range(3)])
        for number in range(3):
            surface.messages[f"m{number}"] = Posted("", "old", deleted=number == 1)
        parts = [letter * 180 + "\n\n" for letter in "abc"]
        async with writing(reply) as task:
            reply.show(Draft("".join(parts), final=True))
            assert await task == "shown"
        assert [text.strip() for text in surface.texts] == [part.strip() for part in parts]

    in_virtual_time(story)


def test_where_messages_cannot_be_edited_the_whole_answer_comes_at_the_end() -> None:
    """The message that was frozen half-way is taken away once the whole one stands."""

    async def story() -> None:
        surface = ScriptedSurface(quota=AMPLE, limits=WIDE)
        surface.rules = lambda operation, _, __: Fault(MessageFrozen("closed")) if operation == "edit" else None
        reply = make_reply(surface)
        async with writing(reply) as task:
            text = await say(reply, 20, 0.5)
            assert [call.operation for call in surface.calls] == ["post", "edit"]
            reply.show(Draft(text, final=True, retry=True))
            assert await task == "shown"
        assert surface.texts == [text]
        assert [call.operation for call in surface.calls] == ["post", "edit", "post", "delete"]

    in_virtual_time(story)


def test_what_cannot_be_deleted_is_left_standing() -> None:
    """It is untidy, but nothing of the answer is missing."""

    async def story() -> None:
        surface = ScriptedSurface(quota=AMPLE, limits=WIDE)
        surface.rules = lambda operation, _, __: Fault(NotPermitted("cant_delete")) if operation == "delete" else None
        surface.messages = {"m0": Posted("", "old"), "m1": Posted("", "older")}
        reply = make_reply(surface, shown=[MessageRef("C1", "m0"), MessageRef("C1", "m1")])
        async with writing(reply) as task:
            reply.show(Draft("short", final=True))
            assert await task == "shown"
        assert surface.texts == ["short", "older"]

    in_virtual_time(story)


@pytest.mark.parametrize("error", [NotPermitted("missing_scope", "chat:write"), PlacementGone("channel_not_found")])
def test_what_cannot_be_delivered_ends_the_writer(error: NotPermitted | PlacementGone) -> None:
    """There is nobody to tell: say so to the Turn, and end."""

    async def story() -> None:
        surface = ScriptedSurface(quota=AMPLE, limits=WIDE, rules=lambda *_: Fault(error))
        reply = make_reply(surface)
        async with writing(reply) as task:
            reply.show(Draft("hello"))
            assert await task == "undeliverable"
        assert len(surface.calls) == 1

    in_virtual_time(story)


def test_a_refused_part_is_replaced_by_a_line_that_says_so_and_the_rest_is_shown() -> None:
    """One part that moderation refuses must not take the others with it."""

    async def story() -> None:
        surface = ScriptedSurface(quota=AMPLE, limits=WIDE)
        surface.rules = lambda _, __, text: Fault(SegmentRejected("blocked")) if "bad" in text else None
        reply = make_reply(surface)
        text = "good " * 30 + "\n\n" + "bad " * 30 + "\n\n" + "fine " * 30
        async with writing(reply) as task:
            reply.show(Draft(text, final=True))
            assert await task == "shown"
        assert surface.texts[1] == REFUSED_NOTICE
        assert surface.texts[0].startswith("good") and surface.texts[2].startswith("fine")

    in_virtual_time(story)


def test_a_platform_that_is_away_for_a_minute_gets_the_final_text_when_it_is_back() -> None:
    """No answer is given up for a short outage, and the outage is not filled with calls."""

    async def story() -> None:
        surface = ScriptedSurface(quota=AMPLE, limits=WIDE)
        loop = asyncio.get_running_loop()
        surface.rules = lambda *_: LOST_BEFORE if loop.time() < 60 else None
        reply = make_reply(surface)
        async with writing(reply) as task:
            reply.show(Draft("hello", final=True))
            assert await task == "shown"
        assert surface.texts == ["hello"]
        assert loop.time() < 60 + 20
        assert len(surface.calls) < 15

    in_virtual_time(story)


def test_a_platform_that_never_answers_does_not_hold_the_session_for_ever() -> None:
    """After ten minutes the Turn ends, so that the thread can go on."""

    async def story() -> None:
        surface = ScriptedSurface(quota=AMPLE, limits=WIDE, rules=lambda *_: LOST_BEFORE)
        reply = make_reply(surface)
        async with writing(reply) as task:
            reply.show(Draft("hello", final=True))
            assert await task == "undeliverable"
        assert 590 < asyncio.get_running_loop().time() < 640

    in_virtual_time(story)
