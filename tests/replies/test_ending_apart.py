"""An answer whose end finds no place in the message that was begun: it gets one of its own."""

from __future__ import annotations

import asyncio

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from core.replies import Draft, LocalBudget, MessageRef, Priority, Rate, Window
from tests.replies.scripted_surface import (
    LOST_AFTER,
    LOST_BEFORE,
    PLACEMENT,
    Fault,
    ScriptedSurface,
    in_virtual_time,
)
from tests.replies.writing import WIDE, make_reply, writing

AMPLE = Rate(50, 50)
BEGINNING = "This is the first sentence of what there is to say. "
WHOLE = BEGINNING + "And this is what came of it in the end."


def crowded(edits: int = 1, **more: object) -> tuple[ScriptedSurface, LocalBudget]:
    """A platform that takes any number of posts, and whose edits have all been made by others."""
    surface = ScriptedSurface(quota=Window(edits, 60.0), post_quota=AMPLE, limits=WIDE, **more)  # type: ignore[arg-type]  # a dataclass's own fields
    budget, draws = LocalBudget(), surface.draws("edit", PLACEMENT)
    now = asyncio.get_running_loop().time()
    for number in range(edits):
        assert budget.take_at(now, draws, f"other{number}", Priority.FINAL).go
    return surface, budget


def test_the_end_comes_below_the_sentences_that_were_shown_at_once() -> None:
    """Nobody waits a minute for either of them; what stands above has no button that nobody could take away."""

    async def story() -> None:
        surface, budget = crowded()
        reply = make_reply(surface, budget=budget)
        async with writing(reply) as task:
            for end in range(1, len(WHOLE), 4):
                reply.show(Draft(WHOLE[:end]))
                await asyncio.sleep(0.1)
            assert surface.texts == [BEGINNING] and surface.visible[0].stop == ""
            reply.show(Draft(WHOLE, final=True, retry=True, footer="_3 s_"))
            began = asyncio.get_running_loop().time()
            assert await task == "shown"
        assert asyncio.get_running_loop().time() - began < 1
        assert surface.texts == [BEGINNING, WHOLE.removeprefix(BEGINNING) + "\n\n_3 s_"]
        assert surface.edits() == []

    in_virtual_time(story)


def test_it_comes_in_the_same_message_while_there_is_a_place() -> None:
    """Two messages are the lesser good."""

    async def story() -> None:
        surface, budget = crowded(2)
        reply = make_reply(surface, budget=budget)
        async with writing(reply) as task:
            reply.show(Draft(BEGINNING))
            await asyncio.sleep(1)
            assert surface.texts == [BEGINNING]
            await asyncio.sleep(60)
            reply.show(Draft(WHOLE, final=True))
            assert await task == "shown"
        assert surface.texts == [WHOLE]

    in_virtual_time(story)


def test_it_leaves_the_last_place_to_an_answer_that_can_end_nowhere_else() -> None:
    """That one was begun with a button because there was a place for its end, and would wait a minute for the next."""

    async def story() -> None:
        surface, budget = crowded(2)
        posts, edits = surface.draws("post", PLACEMENT), surface.draws("edit", PLACEMENT)
        await asyncio.sleep(61)
        assert (await budget.take(edits, "gone", Priority.FINAL)).go
        assert (await budget.take(posts, "other", Priority.FIRST)).go
        reply = make_reply(surface, budget=budget)
        async with writing(reply) as task:
            reply.show(Draft(BEGINNING))
            await asyncio.sleep(1)
            assert surface.texts == [BEGINNING] and surface.visible[0].stop == ""
            reply.show(Draft(WHOLE, final=True))
            assert await task == "shown"
        assert surface.texts == [BEGINNING, WHOLE.removeprefix(BEGINNING)]
        assert (await budget.take(edits, "other", Priority.FINAL)).go

    in_virtual_time(story)


def test_an_answer_whose_end_has_a_place_begins_at_once_and_goes_on_in_its_message() -> None:
    """In the middle of a sentence: no reader waits for its end, and the Stop button is there. Whoever comes next finds
    no promise, and begins when his first sentence has ended; the end that was promised an edit gets it."""

    async def story() -> None:
        surface = ScriptedSurface(quota=Window(2, 60.0), post_quota=AMPLE, limits=WIDE)
        budget = LocalBudget()
        assert (await budget.take(surface.draws("edit", PLACEMENT), "other", Priority.FINAL)).go
        first, second = make_reply(surface, budget=budget), make_reply(surface, budget=budget, key="next")
        async with writing(first) as one, writing(second) as two:
            first.show(Draft("This is"))
            await surface.until(lambda s: s.texts == ["This is"])
            assert surface.visible[0].stop and asyncio.get_running_loop().time() < 0.2
            second.show(Draft("This is"))
            await asyncio.sleep(3)
            assert len(surface.texts) == 1, "half a sentence would stand there for ever"
            second.show(Draft(BEGINNING + "And"))
            await surface.until(lambda s: len(s.texts) == 2)
            assert surface.texts[1] == BEGINNING and not surface.visible[1].stop
            second.show(Draft(WHOLE, final=True))
            assert await two == "shown"
            first.show(Draft(WHOLE, final=True))
            assert await one == "shown"
        assert surface.texts == [WHOLE, BEGINNING, WHOLE.removeprefix(BEGINNING)]
        assert asyncio.get_running_loop().time() < 10

    in_virtual_time(story)


def test_a_fresh_answer_is_begun_before_one_that_has_waited() -> None:
    """Its reader has just asked. When they waited in turn, in a crowd all texts came just before they were complete."""

    async def story() -> None:
        surface = ScriptedSurface(quota=Window(50, 60.0), post_quota=Window(12, 60.0), limits=WIDE)
        budget, posts = LocalBudget(), surface.draws("post", PLACEMENT)
        for number in range(11):
            assert (await budget.take(posts, f"other{number}", Priority.FINAL)).go
            await asyncio.sleep(0 if number else 10)
        waiting, fresh = make_reply(surface, budget=budget, key="waiting"), make_reply(surface, budget=budget)
        async with writing(waiting), writing(fresh):
            waiting.show(Draft(BEGINNING + "For long."))
            await asyncio.sleep(50.5)
            assert surface.texts == []
            fresh.show(Draft(BEGINNING + "At once."))
            await asyncio.sleep(1)
            assert surface.texts == [BEGINNING + "At once."]
            await asyncio.sleep(10)
            assert surface.texts == [BEGINNING + "At once.", BEGINNING + "For long."]

    in_virtual_time(story)


def test_an_answer_that_was_promised_its_end_keeps_the_place_when_another_worker_takes_it_over() -> None:
    """The budget knows the answer by its Turn, not by who writes it."""

    async def story() -> None:
        surface = ScriptedSurface(quota=Window(2, 60.0), post_quota=AMPLE, limits=WIDE)
        budget = LocalBudget()
        assert (await budget.take(surface.draws("edit", PLACEMENT), "other", Priority.FINAL)).go
        first = make_reply(surface, budget=budget)
        async with writing(first):
            first.show(Draft("This is"))
            await surface.until(lambda s: s.texts == ["This is"])
        below = make_reply(surface, budget=budget, key="below")
        async with writing(below) as task:
            below.show(Draft(BEGINNING))
            await surface.until(lambda s: len(s.texts) == 2)
            below.show(Draft(WHOLE, final=True))
            assert await task == "shown"
        again = make_reply(surface, shown=[MessageRef("C1", "m0")], budget=budget, again=True)
        async with writing(again) as task:
            again.show(Draft(WHOLE, final=True))
            assert await task == "shown"
        assert surface.texts == [WHOLE, BEGINNING, WHOLE.removeprefix(BEGINNING)]
        assert asyncio.get_running_loop().time() < 10

    in_virtual_time(story)


def test_what_cannot_be_left_standing_waits_and_comes_whole() -> None:
    """Half a sentence, or code that is open, would read as if something had gone wrong."""

    async def story() -> None:
        surface, budget = crowded()
        reply = make_reply(surface, budget=budget)
        text = "```py\n" + "print(1)\n" * 10
        async with writing(reply) as task:
            reply.show(Draft("some words. " + "x" * 10))
            await asyncio.sleep(1)
            reply.show(Draft(text))
            await asyncio.sleep(10)
            assert surface.calls == []
            reply.show(Draft(text + "```", final=True))
            assert await task == "shown"
        assert surface.texts == [text + "```"] and len(surface.calls) == 1

    in_virtual_time(story)


def test_an_end_that_changes_what_was_shown_waits_for_its_place() -> None:
    """What stands there would say something else."""

    async def story() -> None:
        surface, budget = crowded()
        reply = make_reply(surface, budget=budget)
        async with writing(reply) as task:
            reply.show(Draft(BEGINNING))
            await asyncio.sleep(1)
            assert surface.texts == [BEGINNING]
            reply.show(Draft("It was all wrong.", final=True))
            assert await task == "shown"
        assert surface.texts == ["It was all wrong."] and asyncio.get_running_loop().time() > 59

    in_virtual_time(story)


def test_whoever_takes_the_turn_over_puts_it_together_again() -> None:
    """The attempt before had shown both parts, and died before it could say so."""

    async def story() -> None:
        surface, budget = crowded()
        first = make_reply(surface, budget=budget)
        async with writing(first) as task:
            first.show(Draft(BEGINNING))
            await asyncio.sleep(1)
            first.show(Draft(WHOLE, final=True))
            assert await task == "shown"
        assert len(surface.texts) == 2
        refs = [MessageRef("C1", name) for name in surface.messages]
        again = make_reply(surface, shown=refs, budget=budget)
        async with writing(again) as task:
            again.show(Draft(WHOLE, final=True))
            assert await task == "shown"
        assert surface.texts == [WHOLE]

    in_virtual_time(story)


def test_it_comes_below_a_beginning_that_would_be_cut_elsewhere_now() -> None:
    """A beginning that just fits in a message is cut before its last sentence once it is known to go on."""

    async def story() -> None:
        beginning = "A line of words that has an end.\n" * 4 + "\n" + "And a sentence that fits in just so. " + "End. "
        surface, budget = crowded()
        reply = make_reply(surface, budget=budget)
        async with writing(reply) as task:
            reply.show(Draft(beginning))
            await asyncio.sleep(1)
            assert surface.texts == [beginning]
            reply.show(Draft(beginning + "more words " * 4))
            await asyncio.sleep(1)
            reply.show(Draft(beginning + "more words " * 4 + "and the end", final=True))
            assert await task == "shown"
        assert surface.texts == [beginning, "more words " * 4 + "and the end"]
        assert asyncio.get_running_loop().time() < 5

    in_virtual_time(story)


PIECES = st.lists(
    st.sampled_from(["A sentence that has an end. ", "words and ", "A line.\n", "\n\n", "- item\n", "**bold. ** "]),
    min_size=1,
    max_size=25,
)
FAULTS = st.lists(st.sampled_from([None, None, LOST_BEFORE, LOST_AFTER, Fault(seconds=3.0)]), max_size=10)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(pieces=PIECES, edits=st.integers(1, 3), faults=FAULTS)
def test_however_it_comes_all_of_it_is_said_in_order_and_once(
    pieces: list[str], edits: int, faults: list[Fault | None]
) -> None:
    """Whatever is left off where, and whichever calls fail."""

    async def story() -> None:
        surface, budget = crowded(edits, faults=iter(faults))
        reply = make_reply(surface, budget=budget)
        text = ""
        async with writing(reply) as task:
            for piece in pieces:
                text += piece
                reply.show(Draft(text))
                await asyncio.sleep(0.3)
            reply.show(Draft(text + "The end.", final=True))
            assert await task == "shown"
        assert "".join("".join(surface.texts).split()) == "".join((text + "The end.").split())

    in_virtual_time(story)
