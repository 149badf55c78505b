"""Reply: the one writer that posts and edits an answer.

It is a reconciler. It holds what should be shown (the newest Draft, laid out as Segments) and what is shown
(one `Shown` for each message, with the Segment last confirmed), and moves the second towards the first with
the fewest calls. There is one call in flight for a Reply; while it is, newer Drafts replace older ones, so the
newest text wins and nothing queues up. An unchanged Segment is never sent. Once a final Draft was given, `run`
returns only when everything of it is shown, or the platform has made that impossible.

When a call is due, `core.replies.pacing` says for the Reply, and `core.replies.budget` for all Replies together: each
call asks the budget first, once. What comes meanwhile is part of the call that is then made. How an answer is begun
where its end may find no place in the same message, is said by `core.replies.beginning`.

    Draft -> Layout -> [Segment]          should be shown
                          |  next_step    pure: which one call brings the two closer
                       [Shown]            is shown
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import math
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Literal, assert_never

from core.replies.admission import note
from core.replies.beginning import Ask, Beginning
from core.replies.budget import FIRST_TEXTS, Grant, Priority, RateBudget
from core.replies.draft import Controls, Draft, Layout
from core.replies.pacing import Pacing
from core.replies.posting import Poster
from core.replies.recovery import (
    MOST_CLOSED_S,
    BackOff,
    GiveUp,
    Leave,
    Move,
    Omit,
    Replace,
    Situation,
    Wait,
    decide,
)
from core.replies.standing import Standing
from core.replies.steps import Shown, Step, next_step
from core.replies.surface import (
    Draws,
    MessageRef,
    Perishable,
    Placement,
    RateLimited,
    Segment,
    StoppedByPerson,
    Surface,
    SurfaceError,
)

log = logging.getLogger(__name__)

Delivery = Literal["shown", "undeliverable"]

_GOODBYE_S = 5.0
_RECONSIDER_S = 1.0
"""How often a Reply that waits looks whether the gap has become smaller, because others have ended."""

_NEXT_DELTA_SHARE = 1 / 8
"""How long an edit of a growing text waits for one Delta more, as a share of the gap between two edits. It is worth
most just after one, when all that there is can be seen, and there are fewer edits than Deltas."""

_HOLD_S = 0.25

_INSTANT_S = 1e-6  # below this a pause is a rounding error, and no clock would move in it

Posted = Callable[[Standing], Awaitable[None]]
Assured = Callable[[], Awaitable[None]]


class Reply:
    """The answer to one Turn, as people see it.

    key: names the Turn; the same for every attempt at it.  controls: what its buttons hand back.
    standing: what an earlier attempt at this Turn left standing; it is gone on with.
    assured: awaited before each call; it raises when somebody else shows this Reply now.
    again: there was an earlier attempt, and it may have posted one message more than it could note.
    posted: awaited with what stands of the Reply after each change of it, before anything else is sent.
    stopped: called when somebody has stopped it by means of the platform's own.
    """

    def __init__(
        self,
        surface: Surface,
        placement: Placement,
        budget: RateBudget,
        *,
        key: str,
        controls: Controls,
        posted: Posted,
        standing: Standing | None = None,
        again: bool = False,
        assured: Assured | None = None,
        stopped: Callable[[], None] = lambda: None,
    ) -> None:
        before = standing or Standing()
        self._surface = surface
        self._perishable = surface if isinstance(surface, Perishable) else None
        self._placement = placement
        self._budget = budget
        self._poster = Poster(surface, placement, key)
        self._layout = Layout(surface.limits.segment, surface.limits.measure, controls)
        self._beginning = Beginning(self._layout)
        self._posted = posted
        self._assured = assured
        self._stopped = stopped
        self._shown = [Shown(ref, None) for ref in before.refs]
        self._leftovers = list(before.leftovers)
        self._moves = before.moves
        self._held_from: int | None = None
        self._uploads = dict(before.uploads)
        self._omitted: set[int] = set()  # files that were refused
        self._draft = self._looked_at = Draft()
        self._newest: Callable[[], Draft] | None = None
        self._has_more = False  # more messages are wanted than there are
        self._changed = asyncio.Event()
        self._hurry = asyncio.Event()  # the first text, or the final Draft: worth waking up for in a wait
        self._refused: dict[int, Segment] = {}
        if again:
            self._poster.goes_on(len(self._shown), self._moves)
        self._pacing = Pacing(surface.limits.min_gap_s, taken_over=again and bool(before.refs))
        self.given_up: GiveUp | None = None
        """Why nothing more could be shown, None unless it is so."""
        self.refusal: SurfaceError | None = None
        """The error that this followed from."""

    @property
    def first_text_at(self) -> float | None:
        """Loop time at which the first text of the answer was confirmed."""
        return self._pacing.first_text_at

    @property
    def standing(self) -> Standing:
        refs = tuple(shown.ref for shown in self._shown)
        return Standing(refs, tuple(self._leftovers), self._moves, dict(self._uploads))

    def show(self, draft: Draft) -> None:
        """Make `draft` what should be shown; it replaces every earlier one. Never waits."""
        if self._draft.final:
            return  # a late Delta after the end
        self._draft, self._newest = draft, None
        if self._pacing.drafted(draft, self._now()):
            self._hurry.set()
        self._changed.set()

    def grow(self, newest: Callable[[], Draft]) -> None:
        """The same as `show(newest())`, for a text that grows by thousands of Deltas: the Draft is asked for when there
        is time to show one, not for each of them."""
        if self._pacing.has_begun and not self._draft.final:
            self._newest = newest
            self._changed.set()
        else:
            self.show(newest())

    async def run(self) -> Delivery:
        """Show Drafts until the final one is shown. Cancelling it lets a call in flight finish, within a bound."""
        while True:
            await self._pass_while_nothing_is_due()
            if self._has_news():
                await self._another_delta()
            self._catch_up()
            self._changed.clear()
            step = self._next_step()
            if step is None and self._draft.final:
                return "shown"
            if step is None:
                await self._news()
            elif not await self._comes_due(step):
                pass  # there is something to show that is worth more
            elif (step := await self._admitted(step)) is not None:
                if self._assured is not None:
                    await self._assured()
                try:
                    await self._take(step)
                except SurfaceError as exc:
                    await self._recover(step, exc)
            if self.given_up is not None:
                return "undeliverable"

    def _upkeep(self) -> Step | None:
        """The call that a message needs although it shows what it should."""
        for number, shown in enumerate(self._shown):
            if shown.segment is not None and self._good_until(shown.ref) <= self._now():
                return Step("edit", number, shown.segment)
        return None

    def _good_until(self, ref: MessageRef) -> float:
        until = self._perishable.good_until(ref) if self._perishable is not None else None
        return math.inf if until is None else until

    async def _news(self) -> None:
        """Wait for another Draft, or until a message has to be seen to."""
        until = min((self._good_until(shown.ref) for shown in self._shown), default=math.inf)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout_at(None if until == math.inf else until):
                await self._changed.wait()

    async def _hold(self) -> None:
        """Nothing of the text can be left standing yet: look again in a moment, and not for each Delta."""
        self._hurry.clear()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_HOLD_S):
                await self._hurry.wait()

    async def _pass_while_nothing_is_due(self) -> None:
        """Let the time pass in which no call would be due: what should be shown meanwhile is not even laid out."""
        if self._shown:
            grows = None if self._has_more else len(self._shown) - 1
            gap_s = self._gap_s("edit") if grows is not None else min(self._gap_s("edit"), self._gap_s("post"))
            await self._passes(lambda: self._pacing.rests_until(grows, gap_s), most_s=_RECONSIDER_S)

    async def _comes_due(self, step: Step) -> bool:
        """Let time pass until `step` is due; the Drafts that come meanwhile cost nothing. False when one has come that
        is worth waking up for."""
        return await self._passes(lambda: self._due(step))

    async def _passes(self, until: Callable[[], float], most_s: float = math.inf) -> bool:
        """Let time pass until then, which may change meanwhile; False when something has come to hurry for."""
        if until() - self._now() <= _INSTANT_S:
            return True
        self._hurry.clear()
        end = self._now() + most_s
        while not self._hurry.is_set() and (wait := min(until(), end) - self._now()) > _INSTANT_S:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(min(wait, _RECONSIDER_S)):
                    await self._hurry.wait()
        return not self._hurry.is_set()

    async def _admitted(self, step: Step) -> Step | None:
        """Ask the budget for a place; the step to take now, brought up to date, or None when it has to wait."""
        ask = self._ask(step)
        if ask.otherwise == "wait for a sentence" and self._beginning.is_unpromised(self._now()):
            await self._hold()
            return None
        grant = await self._budget.take(
            self._draws(step.operation), self._poster.key, ask.priority, patience_s=ask.patience_s, apart=ask.apart
        )
        if not grant.go:
            await self._wait(step, ask, grant)
            return None
        self._pacing.granted(step.number, self._now())
        if not grant.promised:
            self._catch_up()
            if not self._draft.final:
                return replace(step, segment=self._beginning.without_promise(self._draft))
        if self._has_news():
            self._catch_up()
            newest = self._next_step()
            return newest if newest is not None and newest.operation == step.operation else None
        return step

    def _ask(self, step: Step) -> Ask:
        """What to ask of the budget for `step`."""
        priority = self._priority()
        if priority in FIRST_TEXTS and not self._shown:
            return self._beginning.first_ask(priority, self._draft, self._draws(step.operation), self._now())
        return (
            self._beginning.next_ask(priority, self._draft, self._shown) if step.operation == "edit" else Ask(priority)
        )

    async def _wait(self, step: Step, ask: Ask, grant: Grant) -> None:
        """There is no place for `step` now: come back when told, or do something else."""
        until = self._now() + grant.wait_s
        if grant.wait_s > ask.patience_s:
            match ask.otherwise:
                case "wait for a sentence":
                    self._beginning.unpromised(until)
                case "give way":
                    self._pacing.gave_way()
                case "end apart":
                    self._beginning.end_apart()
            return
        self._pacing.told(until, ask.priority)
        if self._draft.final and (closure := grant.closure) is not None and closure.seconds > MOST_CLOSED_S:
            told = f"{closure.bucket} is closed for {closure.seconds:.0f} s more"
            await self._recover(step, RateLimited(told, closure.seconds, closure.bucket), anew=False)

    async def _another_delta(self) -> None:
        """Let a text that grows grow by one Delta more before it is looked at."""
        if self._priority() is not Priority.INTERIM or self._draft.status:
            return
        self._changed.clear()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self._surface.limits.min_gap_s * _NEXT_DELTA_SHARE):
                await self._changed.wait()

    def _catch_up(self) -> None:
        if self._newest is not None:
            self.show(self._newest())

    def _has_news(self) -> bool:
        """Whether a Draft has come since the next step was looked for."""
        return self._newest is not None or self._draft is not self._looked_at

    def _next_step(self) -> Step | None:
        wanted, self._looked_at = self._segments(), self._draft
        self._has_more = len(wanted) > len(self._shown)
        step = next_step(wanted, self._shown, self._leftovers, final=self._draft.final, held_from=self._held_from)
        if step is not None:
            return step
        return self._next_upload() if self._draft.final else self._upkeep()

    def _next_upload(self) -> Step | None:
        if not self._poster.takes_files:
            return None
        done = self._uploads.keys() | self._omitted
        left = (number for number in range(len(self._draft.files)) if number not in done)
        return next((Step("upload", number, None) for number in left), None)

    def _segments(self) -> list[Segment]:
        segments = self._layout.segments(self._draft)
        return [self._refused.get(number, segment) for number, segment in enumerate(segments)]

    def _now(self) -> float:
        return asyncio.get_running_loop().time()

    def _due(self, step: Step) -> float:
        """The earliest loop time for `step`."""
        gap_s = self._gap_s(step.operation) if self._shown else 0.0
        return self._pacing.due(step.number, self._priority(), self._now(), gap_s)

    def _gap_s(self, operation: Literal["post", "edit", "delete", "upload"]) -> float:
        return self._budget.gap_s(self._draws(operation))

    def _priority(self) -> Priority:
        return self._pacing.priority(self._now(), anything_shown=bool(self._shown))

    def _draws(self, operation: Literal["post", "edit", "delete", "upload"]) -> Draws:
        return self._surface.draws("post" if operation == "upload" else operation, self._placement)

    async def _take(self, step: Step) -> None:
        said = self._pacing.says_something()  # the Draft may change while the call is under way
        await _to_the_end(self._call(step))
        self._pacing.confirmed(self._now(), said=said)
        self._beginning.shown(step.segment)

    async def _call(self, step: Step) -> None:
        match step:
            case Step("post", number, Segment() as segment):
                await self._post(number, segment)
            case Step("edit", number, Segment() as segment):
                ref = self._shown[number].ref
                await self._surface.edit(self._placement, ref, segment)
                self._shown[number] = Shown(ref, segment)
            case Step("delete", _, _, MessageRef() as ref):
                await self._surface.delete(self._placement, ref)
                await self._drop(ref)
            case Step("upload", number, _):
                await self._upload(number)
            case _:
                raise AssertionError(f"no such step: {step}")

    async def _post(self, number: int, segment: Segment) -> None:
        shown = await self._poster.post(number, segment, self._moves)
        self._shown[number : number + 1] = [shown]
        await self._posted(self.standing)

    async def _upload(self, number: int) -> None:
        self._uploads[number] = await self._poster.upload(number, self._draft.files[number])
        await self._posted(self.standing)

    def _omit(self, number: int) -> None:
        """Do without a file; unless it is a courtesy, a line says so."""
        self._omitted.add(number)
        file = self._draft.files[number]
        if not file.courtesy:
            lines = [self._draft.notice] if self._draft.notice else []
            self._draft = replace(self._draft, notice="\n\n".join([*lines, NOT_ATTACHED.format(name=file.name)]))

    async def _drop(self, ref: MessageRef) -> None:
        """`ref` is no message of this Reply any more."""
        self._shown = [shown for shown in self._shown if shown.ref != ref]
        self._leftovers = [left for left in self._leftovers if left != ref]
        await self._posted(self.standing)

    async def _recover(self, step: Step, exc: SurfaceError, *, anew: bool = True) -> None:
        """Do what `exc` asks for, by `core.replies.recovery`. anew: the platform has just said so."""
        now = self._now()
        if isinstance(exc, RateLimited) and anew:  # others share the budget, whatever becomes of this answer
            await note(self._budget, self._draws(step.operation), exc)
        situation = Situation(
            step.operation,
            self._draft.final,
            self._moves,
            is_notice=step.number in self._refused,
            patience=not self._pacing.out_of_patience(now),
        )
        if isinstance(exc, StoppedByPerson):  # nothing is wrong with the place; the end is shown by other means
            self._stopped()
            return
        decision = decide(exc, situation)
        log.info("reply.call_failed", extra=self._told(step, exc) | {"decision": type(decision).__name__})
        match decision:
            case Wait() if isinstance(exc, RateLimited) and exc.noted:  # the step's own budget knows nothing of it
                self._pacing.told(now + exc.retry_after_s, self._priority())
            case Wait():
                pass
            case BackOff():
                self._pacing.failed(now)
            case Move():
                await self._move(step.number, decision)
            case Replace():
                log.error("reply.rejected", extra=self._told(step, exc))
                self._refused[step.number] = Segment(REFUSED_NOTICE)
                self._pacing.failed(now)
            case Leave():
                assert step.ref is not None
                await self._drop(step.ref)
            case Omit():
                log.warning("reply.file_refused", extra=self._told(step, exc) | {"hint": getattr(exc, "hint", "")})
                self._omit(step.number)
            case GiveUp():
                self.given_up, self.refusal = decision, exc
                hint = getattr(exc, "hint", "")
                log.warning(
                    "reply.undeliverable", extra=self._told(step, exc) | {"cause": decision.cause, "hint": hint}
                )
            case _:
                assert_never(decision)

    async def _move(self, number: int, move: Move) -> None:
        """Go on in new messages from place `number` on."""
        left = [shown.ref for shown in self._shown[number:]]
        self._leftovers += left if move.old == "there" else left[1:]
        del self._shown[number:]
        self._moves += 1
        self._held_from = number if move.waits_for_the_end else self._held_from
        await self._posted(self.standing)

    def _told(self, step: Step, exc: SurfaceError) -> dict[str, object]:
        return {
            "thread_id": self._placement.thread_id,
            "operation": step.operation,
            "segment": step.number,
            "error": type(exc).__name__,
            "reason": str(exc),
        }


NOT_ATTACHED = "⚠️ _`{name}` could not be attached here._"
REFUSED_NOTICE = "⚠️ This part of the answer was refused here and cannot be shown. The log of the bot says why."


async def _to_the_end(call: Awaitable[None]) -> None:
    """Await `call`; a cancellation waits for it first, within a bound, so that what was sent is also noted."""
    task = asyncio.ensure_future(call)
    try:
        await asyncio.shield(task)
    except asyncio.CancelledError:
        try:
            await asyncio.wait([task], timeout=_GOODBYE_S)
        finally:  # also when cancelled a second time: nobody else would end the call
            task.cancel()
        if task.done() and not task.cancelled() and (failure := task.exception()) is not None:
            log.debug("reply.call_failed_while_leaving", extra={"error": type(failure).__name__})
        raise
