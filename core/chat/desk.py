"""Desk: the Intake behind every adapter. It decides whether we answer at all, and makes the Message durable."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Collection
from dataclasses import dataclass, field, replace

from core.chat import codec
from core.chat.adapter import CommandCall, Retried, Spot, Verdict
from core.chat.commands import Commands
from core.chat.message import Message
from core.chat.policies import Admission, BusyPolicies, admission, is_for_us
from core.chat.question import Record
from core.chat.turnstile import Turnstile
from core.chat.verbs import verb_in
from core.errors import StoreUnavailable
from core.ids import ScopeId, ThreadId, UserId
from core.sessions import Found, Letter, Mailboxes, Rated, Ratings, Receipt, Vote

log = logging.getLogger(__name__)

STOP_REACTIONS = frozenset({"octagonal_sign", "🛑"})
"""As Slack and as Discord say it."""

SEAL_TRIES, SEAL_PAUSE_S = 10, 0.15
"""The button is there a moment before its Turn is sealed, and a person may be quick."""

_VARIATION = "\N{VARIATION SELECTOR-16}"


@dataclass(frozen=True, slots=True)
class DeskSettings:
    """busy: what becomes of a Message that comes while its thread is busy.  stop_reactions: emoji, or their names, that
    stop an answer.  edit_reruns: an edit of the newest question has it answered once more."""

    busy: BusyPolicies = field(default_factory=BusyPolicies)
    stop_reactions: Collection[str] = STOP_REACTIONS
    edit_reruns: bool = False


class Desk:
    """Implements `core.chat.Intake` and `core.chat.Marks` over the mailboxes and what stands beside them."""

    def __init__(
        self, mailboxes: Mailboxes, ratings: Ratings, commands: Commands, settings: DeskSettings | None = None
    ) -> None:
        self._mailboxes = mailboxes
        self._ratings = ratings
        self._commands = commands
        self.settings = settings or DeskSettings()
        self._turnstile = Turnstile()

    async def accept(self, message: Message) -> Verdict:
        """Gate before claim: what we do not answer leaves no trace, so that its second delivery is judged anew.

        Messages of one thread are stored in the order they are handed in, and what is said of one (edited, deleted)
        waits until it is stored: over several connections to Redis, one could overtake the other.
        """
        if not is_for_us(message):
            return "ignored"
        async with self._turnstile.through(message.thread_id, message.keys[0]):
            return await self._accept(message)

    async def _accept(self, message: Message) -> Verdict:
        how = admission(self.settings.busy.of(message.channel), message)
        receipt = await self._mailboxes.accept(
            message.thread_id,
            message.scope,
            message.keys,
            codec.dump_message(message),
            only_known=message.reach == "thread",
            facts={"starter": message.author.user_id, "scope": message.scope, "channel": message.channel},
            room=how.room,
            interrupts=how.interrupts,
        )
        log.debug("intake", extra={"thread_id": message.thread_id, "verdict": receipt.acceptance})
        match receipt.acceptance:
            case "unknown":
                return "ignored"
            case "full":
                return "full" if how.room is None else "busy"
            case "accepted":
                await self._after_accepting(message, receipt, how)
                return "accepted"
            case "duplicate":
                return "duplicate"

    async def _after_accepting(self, message: Message, receipt: Receipt, how: Admission) -> None:
        """Niceties: the message is durable already, and refusing it now would have it delivered again for nothing."""
        thread, verb = message.thread_id, verb_in(message.text)
        try:
            if verb is None:
                await self._mailboxes.note_accepted(
                    thread, receipt.number, message.scope, message.keys[:1], message.channel, message.author.user_id
                )
            else:  # whoever says a command does not talk with us there
                await self._mailboxes.note_places(thread, receipt.number, message.scope, message.keys[:1])
            if verb == "stop":
                await self._mailboxes.request_stop(thread)
            elif how.nudges and receipt.before:
                await self._mailboxes.nudge(thread)
        except StoreUnavailable:
            log.warning("intake.store_unavailable_after_accepting", extra={"thread_id": thread})

    async def mark(self, name: str, value: str) -> None:
        await self._mailboxes.mark(name, value)

    async def marked(self, name: str) -> str | None:
        return await self._mailboxes.marked(name)

    async def stop(self, stop: str) -> bool:
        found = _turn_named(stop)
        return found is not None and await self._mailboxes.request_stop(found.thread_id, found.number)

    async def retry(self, retry: str) -> Retried:
        found = _turn_named(retry)
        if found is None:
            return "old"
        wish = codec.dump_again(codec.Again(found.number))
        scope = ScopeId((await self._mailboxes.facts(found.thread_id)).get("scope", ""))
        for _ in range(SEAL_TRIES):
            answer = await self._mailboxes.again(found, scope, f"retry:{found.number}", wish, reword=False)
            if answer != "busy":
                return "repeated" if answer == "duplicate" else answer
            await asyncio.sleep(SEAL_PAUSE_S)
        return "busy"

    async def rated(self, rating: str, user: UserId, vote: Vote) -> Rated:
        found = _turn_named(rating)
        if found is None:
            return "unknown"
        for _ in range(SEAL_TRIES):
            waiting = await self._waiting(found)  # asked first: it may be sealed between the two
            answer = await self._ratings.rate(found.thread_id, found.number, user, vote)
            if answer != "unknown" or waiting is None:
                return answer
            await asyncio.sleep(SEAL_PAUSE_S)
        return "unknown"

    async def edited(self, spot: Spot, text: str, version: str) -> None:
        """What waits is answered in its newest words; what is answered, or just being answered, only if that is set."""
        found = await self._find(spot)
        if found is None or await self._reword(found, spot.key, text) or not self.settings.edit_reruns:
            return
        if not text.strip() or verb_in(text) is not None or await self._says(found, spot.key) in (None, text):
            return
        wish = codec.dump_again(codec.Again(found.number, spot.key, text))
        await self._mailboxes.again(found, spot.scope, f"edit:{spot.key}:{version}", wish, reword=True)

    async def _reword(self, found: Found, key: str, text: str) -> bool:
        """Put the new words in the place of the Message that waits; False when it does not wait any more."""
        while (letter := await self._waiting(found)) is not None:
            message = codec.load_letter(letter.payload)
            if not isinstance(message, Message) or not text.strip():
                return True
            said = codec.dump_message(replace(message, text=text))
            match await self._mailboxes.reword(found.thread_id, letter, said):
                case "replaced":
                    return True
                case "over":
                    return False
                case "changed":
                    continue
        return False

    async def _waiting(self, found: Found) -> Letter | None:
        letters = await self._mailboxes.waiting(found.thread_id)
        return next((letter for letter in letters if letter.number == found.number), None)

    async def _says(self, found: Found, key: str) -> str | None:
        """What the Message says as far as we know it, be it answered or just being answered."""
        letter = await self._waiting(found)
        if letter is None:
            record = Record.load(await self._mailboxes.last(found.thread_id))
            return record.says(key) if record else None
        message = codec.load_letter(letter.payload)
        return message.text

    async def deleted(self, spot: Spot) -> None:
        """What waits is dropped without a word; what is being answered is stopped. An answer of ours that somebody
        deletes is the Reply's business."""
        found = await self._find(spot)
        if found is not None and await self._is_question(found, spot.key):
            await self._mailboxes.withdraw(found)

    async def _find(self, spot: Spot) -> Found | None:
        async with self._turnstile.through(spot.key):
            return await self._mailboxes.find(spot.scope, spot.key)

    async def _is_question(self, found: Found, key: str) -> bool:
        letter = await self._waiting(found)
        message = codec.load_letter(letter.payload) if letter else None
        if isinstance(message, Message):
            return key in message.keys
        record = Record.load(await self._mailboxes.last(found.thread_id)) if isinstance(message, codec.Again) else None
        return record is not None and record.says(key) is not None

    async def reacted(self, spot: Spot, reaction: str) -> None:
        if reaction.partition("::")[0].rstrip(_VARIATION) not in self.settings.stop_reactions:
            return
        found = await self._find(spot)
        if found is not None:
            await self._mailboxes.request_stop(found.thread_id, found.number)

    async def stop_in(self, thread_id: ThreadId) -> bool:
        return await self._mailboxes.request_stop(thread_id)

    async def command(self, call: CommandCall) -> str:
        return await self._commands.run(call)


def _turn_named(value: str) -> Found | None:
    """The Turn that a button's value names."""
    thread, _, number = value.rpartition("#")
    return Found(ThreadId(thread), int(number)) if thread and number.isdecimal() else None
