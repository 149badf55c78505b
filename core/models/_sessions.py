"""One aiohttp session for each event loop, shared by everything that posts in it.

It is made when it is first needed. It is closed when the last of its users gives it back, or by the loop itself when it
shuts down its asynchronous generators, as `asyncio.run` does. A user that is simply dropped closes nothing: that may
happen while the loop stands still, or is about to end, and what would be closed then is left half closed.
"""

from __future__ import annotations

import asyncio
import weakref
from collections.abc import AsyncGenerator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import aiohttp

__all__ = ["give_back", "session_for"]


@dataclass
class _Open:
    """keeper: what holds the session open, and the loop closes at its end.   users: who may still post through it."""

    session: aiohttp.ClientSession
    keeper: AsyncGenerator[aiohttp.ClientSession, None]
    users: weakref.WeakSet[object] = field(default_factory=weakref.WeakSet)


_open: dict[asyncio.AbstractEventLoop, _Open] = {}


async def session_for(user: object) -> aiohttp.ClientSession:
    """The session of the running loop; it stays open until all of its users have given it back."""
    loop = asyncio.get_running_loop()
    found = _open.get(loop)
    if found is None or found.session.closed:
        for each in list(_open):  # a copy: other threads have loops as well
            if each.is_closed():
                _open.pop(each, None)
        keeper = _kept()
        found = _open[loop] = _Open(await anext(keeper), keeper)
    found.users.add(user)
    return found.session


async def give_back(user: object) -> None:
    """`user` posts no more in the running loop, unless it asks again."""
    loop = asyncio.get_running_loop()
    if (found := _open.get(loop)) is None:
        return
    found.users.discard(user)
    if not found.users:
        del _open[loop]
        await found.keeper.aclose()


async def _kept() -> AsyncGenerator[aiohttp.ClientSession, None]:
    import aiohttp

    connector = aiohttp.TCPConnector(limit=0)
    cookies = aiohttp.DummyCookieJar()  # what a server sets for one user is not for the others
    async with aiohttp.ClientSession(connector=connector, cookie_jar=cookies, read_bufsize=2**18) as session:
        yield session
