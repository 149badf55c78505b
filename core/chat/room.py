"""Room: how many Sessions one worker may serve at once. A place is taken before Redis is asked for a Session."""

from __future__ import annotations

import asyncio


class Room:
    """`places` places. Who waits for one gets it in the order of asking, so that no partition is left out."""

    def __init__(self, places: int) -> None:
        self._free = asyncio.Semaphore(places)

    async def take_free(self, most: int) -> int:
        """Take up to `most` of the places that nobody has or waits for, at least one, which is waited for."""
        await self._free.acquire()
        taken = 1
        while taken < most and not self._free.locked():
            await self._free.acquire()
            taken += 1
        return taken

    def give_back(self, places: int) -> None:
        for _ in range(places):
            self._free.release()

    @property
    def is_full(self) -> bool:
        """Whether all places are taken or waited for."""
        return self._free.locked()
