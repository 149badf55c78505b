"""What one attempt could not note, another finds: posts whose answer was lost, and messages of an earlier writer."""

from __future__ import annotations

import asyncio

from core.replies import (
    Draft,
    LocalBudget,
    MessageRef,
    Priority,
    RateLimited,
    Segment,
    Window,
)
from tests.replies.scripted_surface import (
    LOST_AFTER,
    LOST_BEFORE,
    PLACEMENT,
    Fault,
    ScriptedSurface,
    in_virtual_time,
)
from tests.replies.writing import AMPLE, WIDE, make_reply, say, writing


def test_a_post_whose_answer_was_lost_is_looked_for_and_not_doubled() -> None:
    """A timeout says nothing about whether the message stands there."""

    async def story() -> None:
        noted: list[list[str]] = []
        surface = ScriptedSurface(quota=AMPLE, limits=WIDE, faults=iter([LOST_AFTER, LOST_BEFORE]))
        reply = make_reply(surface, noted)
        async with writing(reply) as task:
            reply.show(Draft("hello", final=True))
            assert await task == "shown"
        assert surface.texts == ["hello"]
        assert [call.operation for call in surface.calls][:3] == ["post", "find", "find"]
        assert noted == [["m0"]]

    in_virtual_time(story)


def test_a_post_that_did_not_arrive_is_repeated() -> None:
    """Looked for, not found: then it is safe to post again."""

    async def story() -> None:
        surface = ScriptedSurface(quota=AMPLE, limits=WIDE, faults=iter([LOST_BEFORE, None, LOST_BEFORE, None]))
        reply = make_reply(surface)
        async with writing(reply) as task:
            reply.show(Draft("hello", final=True))
            assert await task == "shown"
        assert surface.texts == ["hello"]
        assert [call.operation for call in surface.calls] == ["post", "find", "post", "find", "post"]

    in_virtual_time(story)


def test_a_lost_post_is_found_also_when_another_message_was_deleted_meanwhile() -> None:
    """The name under which a post is looked for must not depend on what happens to other messages."""

    async def story() -> None:
        surface = ScriptedSurface(quota=AMPLE, limits=WIDE)
        reply = make_reply(surface)
        async with writing(reply) as task:
            first = "a" * 190 + "\n"
            reply.show(Draft(first))
            await surface.until(lambda s: len(s.messages) == 1)
            lost = iter([LOST_AFTER])
            surface.rules = lambda operation, _, __: next(lost, None) if operation == "post" else None
            reply.show(Draft(first + "b" * 50))
            await surface.until(lambda s: len(s.messages) == 2)
            surface.messages["m0"].deleted = True
            reply.show(Draft("z" + first[1:] + "b" * 50, final=True))  # the first message has to change, too
            assert await task == "shown"
        assert sorted(surface.texts) == ["b" * 50, "z" + "a" * 189 + "\n"]

    in_virtual_time(story)


def test_another_attempt_goes_on_in_the_messages_of_the_first() -> None:
    """A worker died after it had posted two messages: the answer ends up in these, without a third."""

    async def story() -> None:
        surface = ScriptedSurface(quota=AMPLE, limits=WIDE)
        text = "x" * 150 + "\n" + "y" * 150
        first = make_reply(surface)
        async with writing(first):
            first.show(Draft(text))
            await surface.until(lambda s: len(s.messages) == 2)
        second = make_reply(surface, shown=[MessageRef("C1", "m0"), MessageRef("C1", "m1")])
        async with writing(second) as task:
            second.show(Draft(text + " z", final=True))
            assert await task == "shown"
        assert "".join(surface.texts) == text + " z"
        assert len(surface.messages) == 2

    in_virtual_time(story)


def test_another_attempt_finds_the_message_that_the_first_could_not_note() -> None:
    """The worker was killed between the platform's effect and the note of it: no second copy may appear."""

    async def story() -> None:
        surface = ScriptedSurface(quota=AMPLE, limits=WIDE, faults=iter([LOST_AFTER]))
        first = make_reply(surface)
        async with writing(first):
            first.show(Draft("hello"))
            await surface.until(lambda s: len(s.messages) == 1)
        second = make_reply(surface, again=True)
        async with writing(second) as task:
            second.show(Draft("hello again", final=True))
            assert await task == "shown"
        assert surface.texts == ["hello again"]

    in_virtual_time(story)


def test_a_post_that_was_clearly_refused_is_not_looked_for() -> None:
    """Looking costs a call of a budget that is short already."""

    async def story() -> None:
        surface = ScriptedSurface(quota=AMPLE, limits=WIDE, faults=iter([Fault(RateLimited("ratelimited", 1.0))]))
        reply = make_reply(surface)
        async with writing(reply) as task:
            reply.show(Draft("hello", final=True))
            assert await task == "shown"
        assert [call.operation for call in surface.calls] == ["post", "post"]

    in_virtual_time(story)


def test_messages_that_a_shorter_answer_does_not_need_are_taken_away() -> None:
    """A second attempt may be shorter: the tail of the first one must not stand there."""

    async def story() -> None:
        surface = ScriptedSurface(quota=AMPLE, limits=WIDE)
        noted: list[list[str]] = []
        first = make_reply(surface)
        async with writing(first) as task:
            first.show(Draft("x" * 150 + "\n" + "y" * 150, final=True))
            await task
        second = make_reply(surface, noted, shown=first.standing.refs)
        async with writing(second) as task:
            second.show(Draft("short", final=True))
            assert await task == "shown"
        assert surface.texts == ["short"]
        assert noted[-1] == ["m0"]

    in_virtual_time(story)


def test_whoever_takes_over_leaves_the_places_of_the_ends_in_a_crowd() -> None:
    """What stands there says more than the first words of the run that has begun anew."""

    async def story() -> None:
        surface = ScriptedSurface(quota=Window(3, 60.0), post_quota=AMPLE, limits=WIDE)
        ref = await surface.post(PLACEMENT, Segment("most of the answer"), "turn")
        budget, edits = LocalBudget(), surface.draws("edit", PLACEMENT)
        assert (await budget.take(edits, "gone", Priority.FINAL)).go
        assert (await budget.take(surface.draws("post", PLACEMENT), "other", Priority.FIRST)).go
        reply = make_reply(surface, shown=[ref], budget=budget, again=True)
        async with writing(reply) as task:
            await say(reply, 50)
            assert surface.texts == ["most of the answer"]
            reply.show(Draft("all of the answer", final=True))
            assert await task == "shown"
        assert surface.texts == ["all of the answer"] and asyncio.get_running_loop().time() < 5
        assert (await budget.take(edits, "other", Priority.FINAL)).go

    in_virtual_time(story)
