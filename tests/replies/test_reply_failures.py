"""Whatever fails, in whatever order: what must hold of every Reply."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from hypothesis import given
from hypothesis import strategies as st

from core.replies import (
    Controls,
    Draft,
    Layout,
    Limits,
    LocalBudget,
    MessageFrozen,
    MessageGone,
    NotPermitted,
    PlacementGone,
    Priority,
    RateLimited,
    Reply,
    SegmentRejected,
    SurfaceError,
    SurfaceUnavailable,
)
from core.replies.reply import REFUSED_NOTICE, Delivery
from tests.depth import examples
from tests.replies.scripted_surface import (
    LOST_AFTER,
    LOST_BEFORE,
    PLACEMENT,
    Fault,
    ScriptedSurface,
    in_virtual_time,
)
from tests.replies.writing import AMPLE, make_reply, writing

ERRORS = [
    SurfaceUnavailable("500"),
    RateLimited("ratelimited", 0.5),
    RateLimited("ratelimited", 7.0),
    RateLimited("another call has no place", 7.0, noted=True),
    MessageGone("gone"),
    MessageFrozen("closed"),
    PlacementGone("locked"),
    NotPermitted("no"),
    SegmentRejected("blocked"),
    SurfaceError("something new"),
]


def faults(errors: Sequence[SurfaceError]) -> st.SearchStrategy[Fault | None]:
    lost = [LOST_BEFORE, LOST_AFTER, Fault(SurfaceUnavailable("500"), effect=True, seconds=3.0), Fault(seconds=2.0)]
    return st.sampled_from([None, None, None, *lost, *map(Fault, errors)])


DELTAS = st.lists(st.tuples(st.text("ab \n`", min_size=1, max_size=60), st.floats(0, 2)), min_size=1, max_size=12)


async def grown(reply: Reply, task: asyncio.Task[Delivery], deltas: list[tuple[str, float]]) -> tuple[str, Delivery]:
    """Say `deltas`, with their pauses, and the end; the whole text, and what became of it."""
    text = "-"
    for delta, pause in deltas:
        text += delta
        reply.show(Draft(text))
        await asyncio.sleep(pause)
    reply.show(Draft(text + ".", final=True))
    return text + ".", await task


@examples(150, 1500)
@given(st.lists(faults([MessageGone("gone"), *ERRORS[1:3]]), max_size=25), DELTAS, st.booleans())
def test_whatever_fails_the_final_text_is_shown_once(
    script: list[Fault | None], deltas: list[tuple[str, float]], deleted: bool
) -> None:
    """The last state is always reached, in order, by as many messages as it needs, with no second copy of any."""

    async def story() -> None:
        surface = ScriptedSurface(quota=AMPLE, limits=Limits(100, len, 1.0))
        queue = iter(script)

        def rule(operation: str, message: str, text: str) -> Fault | None:
            fault = next(queue, None)
            if fault is not None and isinstance(fault.error, MessageGone):
                if operation != "edit" or not deleted:
                    return None
                surface.messages[message].deleted = True
            return fault

        surface.rules = rule
        reply = make_reply(surface)
        async with writing(reply) as task:
            text, delivery = await grown(reply, task, deltas)
        gone = sum(1 for call in surface.calls if call.failed == "MessageGone")
        assert delivery == "shown" or gone > 1
        if delivery == "shown":
            wanted = [segment.text for segment in Layout(100, len, Controls()).segments(Draft(text, final=True))]
            assert sorted(surface.texts) == sorted(wanted)
            lost = gone and any(
                call.failed == "SurfaceUnavailable" and call.operation == "post" for call in surface.calls
            )
            assert surface.texts == wanted or lost  # a post that was lost before the move may stand above what moved
        assert all(message.stop == "" for message in surface.visible) or delivery == "undeliverable"
        assert surface.most_in_flight <= 1

    in_virtual_time(story)


@examples(60, 600)
@given(
    st.lists(faults(ERRORS), max_size=30),
    DELTAS,
    st.sampled_from([None, ERRORS[0], *ERRORS[2:]]),
    st.sampled_from(["post", "edit"]),
)
def test_every_failure_ends_in_the_whole_answer_or_in_a_clear_no(
    script: list[Fault | None], deltas: list[tuple[str, float]], always: SurfaceError | None, operation: str
) -> None:
    """Whatever calls fail in whatever order, and also if one kind of call never works: what is shown reaches the last
    Draft, with a line in the place of what was refused, or the writer says why not; in a bounded number of calls."""

    async def story() -> None:
        surface = ScriptedSurface(quota=AMPLE, limits=Limits(100, len, 1.0))
        queue = iter(script)

        def rule(called: str, message: str, text: str) -> Fault | None:
            if called == operation and always is not None and surface.calls:
                return Fault(always)
            return next(queue, None)

        surface.rules = rule
        reply = make_reply(surface)
        async with writing(reply) as task:
            text, delivery = await grown(reply, task, deltas)
        if delivery == "shown":
            wanted = [segment.text for segment in Layout(100, len, Controls()).segments(Draft(text, final=True))]
            left = [ref.message for ref in reply.standing.refs]
            shown = [surface.messages[name].text for name in left]
            assert len(shown) == len(wanted)
            assert all(one in (REFUSED_NOTICE, two) for one, two in zip(shown, wanted, strict=True))
            assert reply.given_up is None
        else:
            assert reply.given_up is not None and reply.refusal is not None
        assert len(surface.calls) < 300
        assert surface.most_in_flight <= 1

    in_virtual_time(story)


def test_a_search_that_has_to_wait_holds_up_its_own_answer_and_no_other() -> None:
    """A lost post is looked for by another call with a budget of its own: posts go on, and nobody asks in vain."""

    async def story() -> None:
        def rules(operation: str, message: str, text: str) -> Fault | None:
            if operation == "find" and asyncio.get_running_loop().time() < refused_until:
                return Fault(RateLimited("conversations.replies: ratelimited", 30.0, noted=True))
            return None

        refused_until = asyncio.get_running_loop().time() + 30.0
        surface, budget = ScriptedSurface(faults=iter([LOST_AFTER]), rules=rules), LocalBudget()
        reply = make_reply(surface, budget=budget)
        async with writing(reply) as task:
            reply.show(Draft("the answer", final=True))
            await asyncio.sleep(20)
            assert budget.refusals == {}, "nobody was refused a post"
            assert (await budget.take(surface.draws("post", PLACEMENT), "another", Priority.FIRST)).go
            assert [call.operation for call in surface.calls] == ["post", "find"]
            assert await task == "shown"
        assert surface.texts == ["the answer"]
        assert [call.operation for call in surface.calls] == ["post", "find", "find", "edit"]

    in_virtual_time(story)
