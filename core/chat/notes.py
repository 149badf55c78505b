"""Notes: the journal of one Turn, written into Redis under its lease as the Turn goes on."""

from __future__ import annotations

import asyncio
import json
import logging
import time
from collections.abc import Sequence
from functools import partial

from core.chat.journal import Conclusion, Journal
from core.chat.patience import patiently
from core.chat.progress import Progress
from core.chat.question import Question, place_keys
from core.replies import MessageRef, Standing
from core.sessions import Begun, Lease, places_to

log = logging.getLogger(__name__)

NOTE_RUN_EVERY_S = 3.0


class Notes:
    """journal: what is to be noted; Redis may be one change behind it.  progress: of the run under way, None before it.
    Every method that waits may raise LeaseLost and StoreUnavailable."""

    def __init__(self, lease: Lease, begun: Begun, question: Question) -> None:
        self._lease = lease
        self._number = begun.number
        self._question = question
        self._noting = asyncio.Lock()  # what is noted last is the newest
        self.progress: Progress | None = None
        self.journal = _read(lease, begun, question)

    async def begin(self) -> None:
        """The messages of a Turn that is answered once more belong to this one from now on."""
        if self._question.instead_of is not None:
            asked = [message.keys[0] for message in self._question.messages]
            await self._note([*asked, *place_keys(self._question.refs)])

    def new_in(self, standing: Standing) -> list[MessageRef]:
        """The messages that the journal does not know yet."""
        return [ref for ref in standing.refs if ref not in self.journal.refs]

    async def stands(self, standing: Standing) -> None:
        new = self.new_in(standing)
        self.journal = self.journal.with_standing(standing, time.time())
        await self._note(place_keys(new))

    async def pointed(self, pointer: MessageRef) -> None:
        self.journal = self.journal.with_pointer(pointer)
        await self._note()

    async def concluded(self, conclusion: Conclusion) -> None:
        self.journal = self.journal.with_conclusion(conclusion)
        await self._note()

    async def follow_run(self) -> None:
        """Note now and then how far the run is, so that what it cost is known even if it ends with this process."""
        while True:
            await asyncio.sleep(NOTE_RUN_EVERY_S)
            if self.progress is not None and len(self.progress.text) > self.journal.written:
                await self._note()

    async def _note(self, places: Sequence[str] = ()) -> None:
        """places: messages of the platform that belong to this Turn, for reactions and edits: a nicety."""
        note_places = partial(
            places_to,
            thread_id=self._lease.thread_id,
            number=self._number,
            scope=self._question.first.scope,
            identities=places,
        )
        async with self._noting:
            if self.progress is not None and self.journal.conclusion is None:
                self.journal = self.journal.with_run(self.progress.model, len(self.progress.text))
            await patiently(lambda: self._lease.note(self.journal.dump(), note_places))


def _read(lease: Lease, begun: Begun, question: Question) -> Journal:
    """What an earlier attempt noted; a Turn that is answered once more goes on in the messages it had."""
    try:
        journal = Journal.read(json.loads(begun.journal or "{}"))
    except ValueError as exc:  # written by another version: begin anew, but look for what was posted
        log.warning("turn.unreadable_journal", extra={"thread_id": lease.thread_id, "reason": type(exc).__name__})
        return Journal(grows_since=time.time())
    if begun.journal:
        return journal.taken_over(time.time())
    return Journal(Standing(question.refs, leftovers=question.leftovers), grows_since=time.time())
