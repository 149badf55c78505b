"""Speakers: in a thread of several people the model is told who speaks, by the name that the others know."""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import replace

from core.chat.adapter import Directory
from core.chat.message import Message

NAME_WAIT_S = 1.0
"""An answer does not wait longer for a name."""


async def named(message: Message, starter: str, surface: object) -> Message:
    """`message` with its author's name, if the prompt is to say it and the event did not (Slack's have ids alone).

    starter: who began the Session; what they say stands without a name.  surface: asked, if it is a Directory too.
    """
    author = message.author
    if author.name or starter in ("", author.user_id) or not isinstance(surface, Directory):
        return message
    name: str | None = None
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(NAME_WAIT_S):
            name = await surface.name_of(author.user_id)
    return replace(message, author=replace(author, name=name)) if name else message
