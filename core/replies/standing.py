"""Standing: what there is of a Reply on the platform, as it is noted for whoever goes on with it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from core.replies.surface import MessageRef


@dataclass(frozen=True, slots=True)
class Standing:
    """refs: the messages of the Reply, in order.  leftovers: messages whose place others have taken, to be taken away
    at the end.  moves: how often that has happened.  uploads: its files, by number."""

    refs: tuple[MessageRef, ...] = ()
    leftovers: tuple[MessageRef, ...] = ()
    moves: int = 0
    uploads: Mapping[int, MessageRef] = field(default_factory=dict)
