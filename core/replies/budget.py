"""RateBudget: whether a call to a platform may go now, and if not, when to come back.

Theory. A platform keeps budgets: so many calls of one kind for one workspace, channel or bot, whoever makes them and
in whichever process. Whoever goes over one is refused for a while, and all who share it with him. So every call asks
first, and the answer is `Grant(go=True)` or the moment to ask again.

*Who goes first.* Interim edits are worth little, the first and the last text much. Each call has a Priority, and a
share of the budget that it must leave untouched: a final text may use all of it, an interim edit leaves a place for
each answer that is being written just now, because each of them will need one for its end. So finals land at once as
long as they alone do not exhaust the budget. (Of a leaky bucket no more than half is left: it is soon full again.)

*How often one answer is edited.* With n answers alive, and places for one interim call every s seconds, each answer may
go every n * s seconds: that is `Grant.gap_s`. While little of the budget is used the gap is much smaller (a short
answer after a quiet time may use up what nobody else wanted), and it grows towards n * s as the use x of the budget
grows to 1: gap = n * s * x ** 8. What was spent quickly is missing until its window has passed: so that a long answer
does not stand still then, the gap also grows when the places that are left have to last for long. Answers are
counted by their calls; one that makes none for a while, or whose process has died, is forgotten.

*Who waits, waits in line.* A call that finds no place is told when there will be one: what has been told to others
before, of its own and of every higher priority, counts as calls that have been made at those times. When it comes back
at that time it need not stand in line again. So no answer starves, the one that was shown longest ago goes first, and
nobody polls. (A first text whose place was taken by an end stands in line anew.)

*What a living answer will still cost.* Its end needs one call: a post, if nothing of it is shown yet; an edit, if it
was begun, on a budget that may be much narrower (`Draws.end`); one or the other, if it was left off where it can stay
as it is (`apart`). An answer that begins is promised an edit as long as one is left beside those promised before
(`Grant.promised`); without a promise only that is shown which can stay. And none begins unless the ends of all that are
alive have a place then. Places that come back soon count as well: ends never come all at once, and what is kept for
them for long nobody has anything of. An end that may come apart takes no place that was promised.

*Who is fresh goes first.* Of c calls a minute, with a answers, no more than c - a can begin before they end. If they
waited in turn, all would begin when they are nearly complete. So the first text of an answer waits for half a second;
after that it is worth less than those of fresh answers (LATE), and gets what they leave. Nobody starves: the end goes
before all others, and with it the whole answer.

*What the platform says* counts more than all this: Retry-After closes a bucket for everybody until then, and
afterwards its places come back one by one, not all at once.

No waiting happens here: times go in, times come out. `core.replies.account` is what is known of one budget,
`core.replies.local_budget` decides for one process, and `core.replies.shared_budget` does the same in Redis for all of
them, with a local one to fall back to.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import IntEnum
from typing import Protocol

from core.replies.surface import Bucket, Draws

STEEPNESS = 8
"""How suddenly the gap grows as the budget is used up; see above. Measured in `benchmarks/replies`."""

ALIVE_S = 60.0
"""How long an answer counts as alive after a call, beyond twice its gap."""

CALL_S = 2.0
"""How long a call takes at most, as a rule: the next gap begins when it has been answered."""

LATE_S = 2.0
"""How long a place in line is kept for who does not come at the time he was told."""

HOPE_S = 15.0
"""How soon a place has to come back to count as one for an end that is still to come: they never come all at once."""

ROUNDING = 1e-6


class Priority(IntEnum):
    """What a call is worth, best first. NOTICE: the end of an answer that was stopped or failed.  LATE: the first text
    of one that has given way to fresh ones."""

    FINAL = 0
    FIRST = 1
    NOTICE = 2
    STATUS = 3
    LATE = 4
    INTERIM = 5


ENDS = (Priority.FINAL, Priority.NOTICE)
"""What a call is worth that shows the end of an answer."""

FIRST_TEXTS = (Priority.FIRST, Priority.LATE)
"""What a call is worth that shows the first text of one."""


@dataclass(frozen=True, slots=True)
class Closure:
    """The platform lets nothing through on `bucket` for `seconds`."""

    bucket: str
    seconds: float


@dataclass(frozen=True, slots=True)
class Heard:
    """What was heard of a budget, and when. Nothing of it lasts: a quiet hour later the budget is full again."""

    at: float
    gap_s: float

    def gap_at(self, now: float) -> float:
        return self.gap_s if now - self.at <= self.gap_s + CALL_S else 0.0


@dataclass(frozen=True, slots=True)
class Grant:
    """go: the call may be made now, and is accounted for.  wait_s: if not, when to ask again.
    gap_s: the time between two interim calls of one answer, as things stand.
    promised: whether the answer that this call begins has a place for its end in the same message.
    closure: what the platform itself has closed for the longest time, None when nothing is closed."""

    go: bool
    wait_s: float
    gap_s: float
    promised: bool = True
    closure: Closure | None = None


class RateBudget(Protocol):
    """Shared by all Replies of a process. Nothing here raises: an answer is never lost for want of a budget."""

    async def take(
        self, draws: Draws, stream: str, priority: Priority, *, patience_s: float = math.inf, apart: bool = False
    ) -> Grant:
        """Ask for one call now; who is told to come back keeps the place in line if he does so at that time.

        stream: names the Reply, "" for a call that belongs to none.  patience_s: who would have to wait for longer does
        something else, and does not stand in line.  apart: the end of this answer may come in a message of its own.
        """
        ...

    def gap_s(self, draws: Draws) -> float:
        """The time between two interim calls of one answer as it was last heard, without asking."""
        ...

    def spare(self, draws: Draws) -> Grant:
        """Take one call that is worth nothing later, a status, out of what this process may use by itself, without
        asking."""
        ...

    async def refused(self, draws: Draws, bucket: str, retry_after_s: float) -> None:
        """The platform refused a call: nothing goes on `bucket`, or the first of `draws`, for that time."""
        ...

    async def used_up(self, draws: Draws, bucket: str, full_in_s: float) -> None:
        """The platform took a call, and says that nothing goes on `bucket` until it is full again in that time."""
        ...


def named(draws: Draws, bucket: str) -> Bucket:
    """The bucket of that name among those that a call draws on, the first for any other name."""
    return next((one for one in draws.buckets if one.name == bucket), draws.buckets[0])
