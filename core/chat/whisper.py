"""Whisper: what the person who asked is told alone, because it cannot be said in the thread."""

from __future__ import annotations

import asyncio
import logging

from core.chat.message import Message
from core.errors import StoreUnavailable
from core.replies import Placement, Surface, SurfaceError, Whisperer
from core.sessions import Lease

log = logging.getLogger(__name__)

WHISPER_WAIT_S, WHISPER_GAP_S = 10.0, 600
"""How long a person is tried to be told that an answer cannot be shown, and how rarely in one channel."""


async def whisper(surface: Surface, placement: Placement, lease: Lease, message: Message, text: str) -> None:
    """Tell the author of `message` the markdown `text`; at most now and then in one channel. A failure is logged."""
    if not isinstance(surface, Whisperer):
        return
    what = f"whisper {message.channel} {message.author.user_id}"
    try:
        async with asyncio.timeout(WHISPER_WAIT_S):
            if await lease.once(what, WHISPER_GAP_S):
                await surface.whisper(placement, message.author.user_id, text)
    except (SurfaceError, StoreUnavailable, TimeoutError) as exc:
        log.warning("turn.not_told", extra={"thread_id": lease.thread_id, "reason": str(exc) or type(exc).__name__})
