"""Steps: which one call brings what is shown closer to what should be."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from core.replies.surface import MessageRef, Segment


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
