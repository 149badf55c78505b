"""Desk: the Intake behind every adapter. It decides whether we answer at all, and makes the Message durable."""

from __future__ import annotations

import logging

from core.chat import codec
from core.chat.adapter import CommandCall, Verdict
from core.chat.commands import Commands
from core.chat.message import Message
from core.chat.verbs import verb_in
from core.errors import StoreUnavailable
from core.ids import ThreadId
from core.sessions import Mailboxes

log = logging.getLogger(__name__)


class Desk:
    """Implements `core.chat.Intake` over the mailboxes."""

    def __init__(self, mailboxes: Mailboxes, commands: Commands) -> None:
        self._mailboxes = mailboxes
        self._commands = commands

    async def accept(self, message: Message) -> Verdict:
        """Gate before claim: what we do not answer leaves no trace, so that its second delivery is judged anew."""
        if message.author.kind == "bot":
            return "ignored"
        if message.reach == "thread" and not message.text.strip():
            return "ignored"  # a picture among people; only an empty mention asks for help
        answer = await self._mailboxes.accept(
            message.thread_id,
            message.scope,
            message.keys,
            codec.dump_message(message),
            only_known=message.reach == "thread",
            facts={"starter": message.author.user_id, "scope": message.scope, "channel": message.channel},
        )
        log.debug("intake", extra={"thread_id": message.thread_id, "verdict": answer})
        if answer == "unknown":
            return "ignored"
        if answer == "accepted":
            await self._after_accepting(message)
        return answer

    async def _after_accepting(self, message: Message) -> None:
        """Niceties: the message is durable already, and refusing it now would have it delivered again for nothing."""
        try:
            await self._mailboxes.note_recent(message.channel, message.author.user_id, message.thread_id)
            if verb_in(message.text) == "stop":
                await self._mailboxes.request_stop(message.thread_id)
        except StoreUnavailable:
            log.warning("intake.store_unavailable_after_accepting", extra={"thread_id": message.thread_id})

    async def stop(self, stop: str) -> bool:
        thread, _, number = stop.rpartition("#")
        if not thread or not number.isdecimal():
            return False
        return await self._mailboxes.request_stop(ThreadId(thread), int(number))

    async def command(self, call: CommandCall) -> str:
        return await self._commands.run(call)
