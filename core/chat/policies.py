"""Policies: what becomes of a Message that comes while its thread is busy. Pure: values in, a decision out.

queue      it waits, and is answered by itself
merge      what waits, or comes shortly after one another, is one Turn with one Reply
interrupt  the running Turn is stopped; what waits is answered next
steer      it is handed to the running run; where that is not possible any more, it is answered next
reject     it is not taken, and the person is told so
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, assert_never, get_args

from core.chat.message import Message
from core.chat.verbs import verb_in
from core.ids import ChannelId

BusyPolicy = Literal["queue", "merge", "interrupt", "steer", "reject"]

BUSY_POLICIES: tuple[BusyPolicy, ...] = get_args(BusyPolicy)

MOST_PAUSES = 5
"""A thread in which people never stop talking is answered all the same, after so many pauses."""


@dataclass(frozen=True, slots=True)
class BusyPolicies:
    """Which policy holds where. merge_pause_s: how long after the newest Message another one still joins it."""

    default: BusyPolicy = "queue"
    by_channel: Mapping[ChannelId, BusyPolicy] = field(default_factory=dict)
    merge_pause_s: float = 0.0

    def of(self, channel: ChannelId) -> BusyPolicy:
        return self.by_channel.get(channel, self.default)

    @property
    def may_join(self) -> bool:
        """Does any policy put several Messages into one Turn?"""
        return any(_joins_what_waits(policy) for policy in (self.default, *self.by_channel.values()))


@dataclass(frozen=True, slots=True)
class Admission:
    """How a Message is taken in. room: how many Messages may be there already, None for the mailbox's own bound.
    interrupts: the running Turn is stopped in the same step.  nudges: the running Turn is told of it."""

    room: int | None = None
    interrupts: bool = False
    nudges: bool = False


def is_for_us(message: Message) -> bool:
    """Is it ours to answer, provided that it was said where we talk?

    Among people in a thread not what is said to one of them, and no lone picture: only an empty mention asks for help.
    What other bots say never is.
    """
    if message.author.kind == "bot":
        return False
    return message.reach != "thread" or (bool(message.text.strip()) and not message.to_another)


def admission(policy: BusyPolicy, message: Message) -> Admission:
    """A word that is a command is not the model's: it waits its turn under every policy, and stops nothing."""
    if verb_in(message.text) is not None:
        return Admission()
    match policy:
        case "queue" | "merge":
            return Admission()
        case "interrupt":
            return Admission(interrupts=True)
        case "steer":
            return Admission(nudges=may_join(message))
        case "reject":
            return Admission(room=1)
        case _:
            assert_never(policy)


def may_join(message: object) -> bool:
    """Can it be answered in the Turn of an earlier Message?

    Not a command, whose answer has a place of its own, nor the wish to have a Turn answered once more.
    """
    return isinstance(message, Message) and message.reach != "command" and verb_in(message.text) is None


def together(policy: BusyPolicy, waiting: Sequence[object]) -> int:
    """How many of the Messages that wait, oldest first, make the next Turn; at least 1 of a list that is not empty."""
    head = waiting[0]
    if not _joins_what_waits(policy) or not isinstance(head, Message) or verb_in(head.text) is not None:
        return 1
    count = 1
    while count < len(waiting) and may_join(waiting[count]):
        count += 1
    return count


def wait_before(policy: BusyPolicy, pause_s: float, since_newest_s: float, since_first_s: float) -> float:
    """Seconds to wait for more before a Turn begins; 0 or less: begin now."""
    if policy != "merge" or pause_s <= 0:
        return 0.0
    return min(pause_s - since_newest_s, MOST_PAUSES * pause_s - since_first_s)


def _joins_what_waits(policy: BusyPolicy) -> bool:
    return policy in ("merge", "interrupt", "steer")
