"""Reply: the one writer that posts and edits an answer.

It is a reconciler. It holds what should be shown (the newest Draft, laid out as Segments) and what is shown
(one `Shown` for each message, with the Segment last confirmed), and moves the second towards the first with
the fewest calls. There is one call in flight for a Reply; while it is, newer Drafts replace older ones, so the
newest text wins and nothing queues up. An unchanged Segment is never sent. Once a final Draft was given, `run`
returns only when everything of it is shown, or the platform has made that impossible.

While a platform takes posts and hardly any edits, an answer is begun with whole sentences and without a button, and
goes on in a new message when its end would wait for long in the first one.

When a call is due, `core.replies.pacing` says for the Reply, and `core.replies.budget` for all Replies together: each
call asks the budget first, once. What comes meanwhile is part of the call that is then made.

    Draft -> Layout -> [Segment]          should be shown
                          |  next_step    pure: which one call brings the two closer
                       [Shown]            is shown
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import logging
import math
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from typing import Literal, assert_never

from core.replies.admission import note
from core.replies.budget import Priority, RateBudget
from core.replies.draft import Controls, Draft, Layout, LeftOff
from core.replies.pacing import Pacing
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
from core.replies.surface import (
    Draws,
    MessageRef,
    Perishable,
    Placement,
    RateLimited,
    Segment,
    SegmentRejected,
    StoppedByPerson,
    Surface,
    SurfaceError,
    Uploader,
)

log = logging.getLogger(__name__)

Delivery = Literal["shown", "undeliverable"]

_GOODBYE_S = 5.0
_RECONSIDER_S = 1.0
"""How often a Reply that waits looks whether the gap has become smaller, because others have ended."""

_NEXT_DELTA_SHARE = 1 / 8
"""How long an edit of a growing text waits for one Delta more, as a share of the gap between two edits. It is worth
most just after one, when all that there is can be seen, and there are fewer edits than Deltas."""

APART_AFTER_S = 2.0
"""How long the end of an answer waits for its place in the message that was begun, before it gets one of its own."""

SPARED_AFTER_S = 25.0
"""When the end of one answer more would wait for so long, a place that is free is left to those that can end nowhere
else: they would wait as long for the next one. In a lesser crowd one message is worth more than their seconds."""

_HOLD_S = 0.25

_INSTANT_S = 1e-6  # below this a pause is a rounding error, and no clock would move in it

Posted = Callable[[Standing], Awaitable[None]]
Assured = Callable[[], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Shown:
    """One message of the Reply. segment: what it shows, None if that is not known (after a takeover)."""

    ref: MessageRef
    segment: Segment | None


@dataclass(frozen=True, slots=True)
class Step:
    """One platform call: `segment` at place `number` of the Reply; or the deletion of `ref`; or file `number`."""

    operation: Literal["post", "edit", "delete", "upload"]
    number: int
    segment: Segment | None
    ref: MessageRef | None = None


def next_step(
    wanted: Sequence[Segment],
    shown: Sequence[Shown],
    leftovers: Sequence[MessageRef] = (),
    *,
    final: bool,
    held_from: int | None = None,
) -> Step | None:
    """The call that brings `shown` closest to `wanted`, None when there is nothing to do.

    Earlier messages first, so that a reader finds the parts in order. Until the answer is final those messages stay
    that an earlier attempt has posted and that are not reached yet; so do `leftovers`, which show what the new
    messages do not show yet.  held_from: what is posted from this place on could not be edited, so it waits for the
    end.
    """
    for number, segment in enumerate(wanted):
        if number >= len(shown):
            waits = held_from is not None and number >= held_from and not final
            return None if waits else Step("post", number, segment)
        if shown[number].segment != segment:
            return Step("edit", number, segment)
    if not final:
        return None
    if len(shown) > len(wanted):
        return Step("delete", len(shown) - 1, None, shown[-1].ref)
    return Step("delete", len(shown), None, leftovers[-1]) if leftovers else None


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
        self._key = hashlib.blake2s(key.encode(), digest_size=8).hexdigest()
        self._layout = Layout(surface.limits.segment, surface.limits.measure, controls)
        self._posted = posted
        self._assured = assured
        self._stopped = stopped
        self._shown = [Shown(ref, None) for ref in before.refs]
        self._leftovers = list(before.leftovers)
        self._moves = before.moves
        self._held_from: int | None = None
        self._uploader = surface if isinstance(surface, Uploader) else None
        self._uploads = dict(before.uploads)
        self._omitted: set[int] = set()  # files that were refused
        self._again = again
        self._doubtful_files: set[int] = set()
        self._draft = self._looked_at = Draft()
        self._newest: Callable[[], Draft] | None = None
        self._has_more = False  # more messages are wanted than there are
        self._changed = asyncio.Event()
        self._hurry = asyncio.Event()  # the first text, or the final Draft: worth waking up for in a wait
        self._refused: dict[int, Segment] = {}
        self._doubtful: dict[int, str] = {}  # by place: the keys of posts whose answer was lost
        if again:
            self._doubtful[len(self._shown)] = self._post_key(len(self._shown))
        self._apart = False
        self._offer = self._left = LeftOff()  # what may be shown, and what is
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
            if step is None and self._pacing.has_begun and not self._shown:
                await self._hold()
            elif step is None:
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
            gap_s = min(self._gap_s("edit"), self._gap_s("post"))
            grows = None if self._has_more else len(self._shown) - 1
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
        priority, may_end_apart = self._priority(), self._may_end_apart(step)
        if may_end_apart and self._end_s() > SPARED_AFTER_S:
            self._end_apart()
            return None
        patience_s = APART_AFTER_S if may_end_apart else math.inf
        grant = await self._budget.take(self._draws(step.operation), self._key, priority, patience_s=patience_s)
        if not grant.go and grant.wait_s > patience_s:
            self._end_apart()
            return None
        if not grant.go:
            self._pacing.told(self._now() + grant.wait_s, priority)
            if self._draft.final and (closure := grant.closure) is not None and closure.seconds > MOST_CLOSED_S:
                told = f"{closure.bucket} is closed for {closure.seconds:.0f} s more"
                await self._recover(step, RateLimited(told, closure.seconds, closure.bucket), anew=False)
            return None
        self._pacing.granted(step.number, self._now())
        if self._has_news() or priority is Priority.FIRST:  # which has just heard how ends stand
            self._catch_up()
            newest = self._next_step()
            if newest is None and priority is Priority.FIRST:
                return step
            return newest if newest is not None and newest.operation == step.operation else None
        return step

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
        if self._uploader is None:
            return None
        done = self._uploads.keys() | self._omitted
        left = (number for number in range(len(self._draft.files)) if number not in done)
        return next((Step("upload", number, None) for number in left), None)

    def _segments(self) -> list[Segment]:
        segments = self._wanted()
        return [self._refused.get(number, segment) for number, segment in enumerate(segments)]

    def _wanted(self) -> list[Segment]:
        """What the Draft should look like just now. What is begun while its end may have to come in a message of its
        own is left off where it can stay as it is."""
        if self._draft.final or not self._ends_apart():
            return self._layout.segments(self._draft)
        if self._shown and [shown.segment for shown in self._shown] != self._left.segments:
            return self._layout.segments(self._draft)
        self._offer = self._layout.left_off(self._draft)
        return self._offer.segments

    def _ends_apart(self) -> bool:
        """Whether the end of an answer that is begun now would wait long for its place in the same message."""
        return self._surface.draws("post", self._placement).end is not None and self._end_s() > APART_AFTER_S

    def _end_s(self) -> float:
        """How long the end of one answer more would wait."""
        return self._budget.outlook(self._surface.draws("edit", self._placement)).end_s

    def _end_apart(self) -> None:
        """Let what follows come in a message of its own. Once: what has to be edited even so waits for its place."""
        self._apart = True
        self._layout.leave_off(self._left)

    def _may_end_apart(self, step: Step) -> bool:
        """Whether `step` shows the end below a beginning that can stay as it is."""
        if step.operation != "edit" or not self._draft.final or not self._left.segments or self._apart:
            return False
        if [shown.segment for shown in self._shown] != self._left.segments:
            return False
        rest = self._draft.shown_text.removeprefix(self._left.text)
        return len(rest) < len(self._draft.shown_text) and bool(rest.strip())

    def _now(self) -> float:
        return asyncio.get_running_loop().time()

    def _due(self, step: Step) -> float:
        """The earliest loop time for `step`."""
        gap_s = self._gap_s(step.operation) if self._shown else 0.0
        return self._pacing.due(step.number, self._priority(), self._now(), gap_s)

    def _gap_s(self, operation: Literal["post", "edit", "delete", "upload"]) -> float:
        return self._budget.outlook(self._draws(operation)).gap_s

    def _priority(self) -> Priority:
        return self._pacing.priority(self._now(), anything_shown=bool(self._shown))

    def _draws(self, operation: Literal["post", "edit", "delete", "upload"]) -> Draws:
        return self._surface.draws("post" if operation == "upload" else operation, self._placement)

    async def _take(self, step: Step) -> None:
        offer, said = self._offer, self._pacing.says_something()  # the Draft may change while the call is under way
        await _to_the_end(self._call(step))
        self._pacing.confirmed(self._now(), said=said)
        self._left = offer if step.segment in offer.segments[-1:] else LeftOff()

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
        """Post once: an attempt whose answer was lost is looked for before it is repeated."""
        key = self._doubtful.get(number) or self._post_key(number)
        found = await self._looked_for(number, key) if number in self._doubtful else None
        shown = Shown(found, None) if found else Shown(await self._post_once(number, segment, key), segment)
        self._doubtful.pop(number, None)
        self._shown[number : number + 1] = [shown]
        await self._posted(self.standing)

    async def _upload(self, number: int) -> None:
        """As `_post`, for a file."""
        assert self._uploader is not None
        file, key = self._draft.files[number], f"{self._key}-f{number}"
        doubtful = self._again or number in self._doubtful_files
        ref = await self._uploader.find_upload(self._placement, key) if doubtful else None
        if ref is None:
            self._doubtful_files.add(number)
            ref = await self._uploader.upload(self._placement, file, key)
        self._uploads[number] = ref
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

    async def _looked_for(self, number: int, key: str) -> MessageRef | None:
        """Where an earlier attempt may have posted. What is not to be seen yet will be posted once more: the one window
        that is left on a platform that does not drop the second of two posts by itself, so it is counted."""
        found = await self._surface.find(self._placement, key)
        log.info(
            "reply.post_looked_for",
            extra={"thread_id": self._placement.thread_id, "segment": number, "found": found is not None},
        )
        return found

    async def _post_once(self, number: int, segment: Segment, key: str) -> MessageRef:
        self._doubtful[number] = key
        try:
            return await self._surface.post(self._placement, segment, key)
        except (RateLimited, SegmentRejected):
            self._doubtful.pop(number, None)  # a clear no: nothing stands there
            raise

    def _post_key(self, number: int) -> str:
        return f"{self._key}-{number}" + (f"-{self._moves}" if self._moves else "")

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
