"""Posting: each message of a Reply once, also when the answer to a post is lost or another attempt made it."""

from __future__ import annotations

import hashlib
import logging

from core.replies.steps import Shown
from core.replies.surface import (
    Attachment,
    MessageRef,
    Placement,
    RateLimited,
    Segment,
    SegmentRejected,
    Surface,
    Uploader,
)

log = logging.getLogger(__name__)


class Poster:
    """Posts the Segments and files of one Reply; an attempt whose answer was lost is looked for before it is repeated.

    key: names the Turn; the same for every attempt at it.
    """

    def __init__(self, surface: Surface, placement: Placement, key: str) -> None:
        self._surface = surface
        self._placement = placement
        self._uploader = surface if isinstance(surface, Uploader) else None
        self.key = hashlib.blake2s(key.encode(), digest_size=8).hexdigest()
        self._doubtful: dict[int, str] = {}  # by place: the keys of posts whose answer was lost
        self._doubtful_files: set[int] = set()
        self._again = False

    @property
    def takes_files(self) -> bool:
        return self._uploader is not None

    def goes_on(self, number: int, moves: int) -> None:
        """An earlier attempt may have posted at place `number`, and any of the files, without a note of it."""
        self._again = True
        self._doubtful[number] = self._post_key(number, moves)

    async def post(self, number: int, segment: Segment, moves: int) -> Shown:
        """Post at place `number`, unless it stands there already. moves: how often places have been taken by others."""
        key = self._doubtful.get(number) or self._post_key(number, moves)
        found = await self._looked_for(number, key) if number in self._doubtful else None
        shown = Shown(found, None) if found else Shown(await self._post_once(number, segment, key), segment)
        self._doubtful.pop(number, None)
        return shown

    async def upload(self, number: int, file: Attachment) -> MessageRef:
        """As `post`, for file `number`."""
        assert self._uploader is not None
        key = f"{self.key}-f{number}"
        doubtful = self._again or number in self._doubtful_files
        found = await self._uploader.find_upload(self._placement, key) if doubtful else None
        if found is not None:
            return found
        self._doubtful_files.add(number)
        return await self._uploader.upload(self._placement, file, key)

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

    def _post_key(self, number: int, moves: int) -> str:
        return f"{self.key}-{number}" + (f"-{moves}" if moves else "")
