"""Joining: a Turn begins with one waiting Message or with several, as `policies` has it, after a pause for more."""

from __future__ import annotations

import asyncio

from core.chat import codec, policies
from core.chat.message import Message
from core.chat.policies import BusyPolicies
from core.sessions import Begun, Lease


async def begin_joined(lease: Lease, busy: BusyPolicies) -> Begun | None:
    """Begin the next Turn of a Session, with every Message that is answered in it; None when nothing waits."""
    clock = asyncio.get_running_loop().time
    first_at = newest_at = clock()
    seen = 0
    while waiting := await lease.waiting():
        if len(waiting) != seen:
            seen, newest_at = len(waiting), clock()
        letters = [_letter_or_none(letter.payload) for letter in waiting]
        head = letters[0]
        policy = busy.of(head.channel) if isinstance(head, Message) else "queue"
        wait = policies.wait_before(policy, busy.merge_pause_s, clock() - newest_at, clock() - first_at)
        if wait <= 0:
            return await lease.begin(waiting[policies.together(policy, letters) - 1].number)
        await asyncio.sleep(wait)
    return None


def _letter_or_none(payload: str) -> Message | codec.Again | None:
    try:
        return codec.load_letter(payload)
    except ValueError:
        return None
