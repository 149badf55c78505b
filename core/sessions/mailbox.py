"""Mailbox: a Session's queue of Messages, filled by whoever hears the platform, emptied by its worker."""

from __future__ import annotations

import contextlib
import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from core.errors import StoreUnavailable
from core.ids import ChannelId, ScopeId, ThreadId, UserId
from core.store import Store, keys, translated

Acceptance = Literal["accepted", "duplicate", "unknown", "full"]
Again = Literal["accepted", "duplicate", "old", "busy"]

SEEN_TTL_S = 24 * 3600
"""Platforms redeliver minutes later (seen: 368 s), Slack's opt-in delayed events for 24 hours."""

PLACES_TTL_S = 24 * 3600
"""How long editing, deleting or reacting to a message of the platform is understood."""

_RECENT_KEPT = 20

INTERRUPTED, WITHDRAWN, REWORDED = "interrupted", "withdrawn", "reworded"
"""Why a Turn stops other than by the wish of a person to stop it; the second word of the fact `stop_why`."""

NUDGE = "nudge"
"""Published in the place of a Turn's number when there is news for the running Turn that is no stop."""


@dataclass(frozen=True, slots=True)
class Retention:
    """How long a Session is remembered after its last message, and how much of it.

    session_s: seconds.  turns: finished Turns that the model is given.  waiting: Messages that may wait in a mailbox.
    """

    session_s: int = 30 * 24 * 3600
    turns: int = 50
    waiting: int = 20

    @property
    def kept(self) -> int:
        """The most finished Turns in Redis: more than the model is given, so that they are there to be summarised."""
        return 2 * self.turns


@dataclass(frozen=True, slots=True)
class Letter:
    """One entry of a mailbox. number: counts a Session's Messages from 1. payload: what `accept` was given."""

    number: int
    payload: str

    @staticmethod
    def read(entry: str) -> Letter:
        number, _, payload = entry.partition(" ")
        return Letter(int(number), payload)

    @property
    def entry(self) -> str:
        """As it stands in the mailbox."""
        return f"{self.number} {self.payload}"


@dataclass(frozen=True, slots=True)
class Receipt:
    """What became of a Message. number: its own in its Session, 0 if it was not taken in.  before: how many Messages
    wait or are being answered before it.  stops: the Turn that was asked to stop for it, 0 for none."""

    acceptance: Acceptance
    number: int = 0
    before: int = 0
    stops: int = 0


@dataclass(frozen=True, slots=True)
class Found:
    """What a message on a platform is to us: Message `number` of the Session in `thread_id`, or the answer to it."""

    thread_id: ThreadId
    number: int


class Mailboxes:
    """Every Session's mailbox, as seen by whoever puts Messages in."""

    def __init__(self, store: Store, retention: Retention) -> None:
        self._store = store
        self._retention = retention

    async def accept(
        self,
        thread_id: ThreadId,
        scope: ScopeId,
        identities: Sequence[str],
        payload: str,
        *,
        only_known: bool,
        facts: Mapping[str, str],
        room: int | None = None,
        interrupts: bool = False,
    ) -> Receipt:
        """Deduplicate by `identities` and store `payload`, in one atomic step, or say why not.

        On a Cluster further identities are looked at in a step of their own, as other threads live on other slots;
        whoever is first keeps one, also when it is delivered again.

        identities: the first is the message's own; the others may be met in another thread as well (a message that
        a client sends again begins a thread of its own).
        only_known: take it only where a Session exists.  facts: written down when the Session begins.
        room: how many Messages may be there already, the retention's bound if None.  interrupts: stop the running Turn.
        Raises StoreUnavailable when it may not be durable.
        """
        own = keys.digest(identities[0])
        aliases = [] if only_known else [keys.alias(scope, identity) for identity in identities[1:]]
        if self._store.clustered:
            for alias in aliases:
                if await self._store.script("alias", [alias], [own, SEEN_TTL_S]):
                    return Receipt("duplicate")
            aliases = []
        receipt = _receipt(
            await self._store.script(
                "accept",
                [
                    keys.session(thread_id, "mail"),
                    keys.session(thread_id, "meta"),
                    keys.ready_stream(keys.partition_of(thread_id)),
                    *(keys.seen(thread_id, scope, identity) for identity in identities),
                    *aliases,
                ],
                [
                    payload,
                    thread_id,
                    "1" if only_known else "0",
                    SEEN_TTL_S,
                    self._retention.session_s,
                    self._retention.waiting if room is None else room,
                    json.dumps(dict(facts)),
                    INTERRUPTED if interrupts else "",
                    len(aliases),
                    own,
                ],
            )
        )
        if receipt.stops:
            await self._announce_stop(receipt.stops, thread_id)
        return receipt

    async def note_accepted(
        self,
        thread_id: ThreadId,
        number: int,
        scope: ScopeId,
        identities: Sequence[str],
        channel: ChannelId,
        user: UserId,
    ) -> None:
        """Remember which messages of the platform are Message `number`, see `find`, and that `user` talks in that
        thread, for commands that come without one."""
        recent = keys.recent_threads(channel, user)

        def note(pipe: Any) -> None:
            places_to(pipe, thread_id, number, scope, identities)
            pipe.zadd(recent, {thread_id: time.time()})
            pipe.zremrangebyrank(recent, 0, -_RECENT_KEPT - 1)
            pipe.expire(recent, self._retention.session_s)

        await self._store.send(note)

    async def note_places(self, thread_id: ThreadId, number: int, scope: ScopeId, identities: Sequence[str]) -> None:
        """Remember which messages of the platform are Message `number`, or show the answer to it; see `find`."""
        await self._store.send(lambda pipe: places_to(pipe, thread_id, number, scope, identities))

    async def find(self, scope: ScopeId, identity: str) -> Found | None:
        """What `note_places` noted, None for a message that has nothing to do with us."""
        with translated(self._store.where):
            found = await self._store.redis.get(keys.place(scope, identity))
        if not found:
            return None
        number, _, thread = found.partition(" ")
        return Found(ThreadId(thread), int(number))

    async def waiting(self, thread_id: ThreadId) -> list[Letter]:
        """Every Message in the mailbox, those of the running Turn included."""
        with translated(self._store.where):
            return list(map(Letter.read, await self._store.redis.lrange(keys.session(thread_id, "mail"), 0, -1)))

    async def last(self, thread_id: ThreadId) -> str:
        """The record of the newest Turn that can be answered once more, "" if there is none."""
        with translated(self._store.where):
            return await self._store.redis.get(keys.session(thread_id, "last")) or ""

    async def withdraw(self, found: Found) -> Literal["dropped", "stopping", "over"]:
        """Take back a Message: one that waits goes, the Turn that answers it, and nothing else, is stopped."""
        answer: str = await self._store.script(
            "withdraw",
            [keys.session(found.thread_id, part) for part in ("mail", "meta")],
            [found.number, WITHDRAWN],
        )
        verdict, _, turn = answer.partition(" ")
        if turn:
            await self._announce_stop(int(turn), found.thread_id)
        match verdict:
            case "dropped" | "stopping" | "over":
                return verdict
            case _:
                raise AssertionError(f"withdraw.lua answered {answer!r}")

    async def reword(self, thread_id: ThreadId, letter: Letter, payload: str) -> Literal["replaced", "changed", "over"]:
        """Put `payload` in the place of a Message that waits. "changed": it is not `letter` any more, read it anew."""
        answer: str = await self._store.script(
            "reword",
            [keys.session(thread_id, part) for part in ("mail", "meta")],
            [letter.number, letter.entry, Letter(letter.number, payload).entry],
        )
        match answer:
            case "replaced" | "changed" | "over":
                return answer
            case _:
                raise AssertionError(f"reword.lua answered {answer!r}")

    async def again(self, found: Found, scope: ScopeId, wish: str, payload: str, *, reword: bool) -> Again:
        """Have the newest Turn answered once more.

        wish: names this wish, so that it counts once.  payload: stored in the mailbox like a Message.
        reword: also while that Turn is running, which is stopped then.
        """
        thread = found.thread_id
        answer: str = await self._store.script(
            "again",
            [
                *(keys.session(thread, part) for part in ("mail", "meta", "last")),
                keys.ready_stream(keys.partition_of(thread)),
                keys.seen(thread, scope, wish),
            ],
            [found.number, payload, thread, SEEN_TTL_S, self._retention.session_s, REWORDED if reword else ""],
        )
        verdict, _, stops = answer.partition(" ")
        if stops and stops != "0":
            await self._announce_stop(int(stops), thread)
        match verdict:
            case "accepted" | "duplicate" | "old" | "busy":
                return verdict
            case _:
                raise AssertionError(f"again.lua answered {answer!r}")

    async def nudge(self, thread_id: ThreadId) -> None:
        """Tell whoever answers in `thread_id` that a Message has come which it may take in at once."""
        with translated(self._store.where):
            await self._store.redis.publish(keys.STOP_CHANNEL, f"{NUDGE} {thread_id}")

    async def mark(self, name: str, value: str) -> None:
        with translated(self._store.where):
            await self._store.redis.set(keys.mark(name), value, ex=self._retention.session_s)

    async def marked(self, name: str) -> str | None:
        with translated(self._store.where):
            found: str | None = await self._store.redis.get(keys.mark(name))
        return found

    async def recent(self, channel: ChannelId, user: UserId) -> list[ThreadId]:
        """The threads in which `user` talked to us in `channel`, the latest first."""
        with translated(self._store.where):
            found = await self._store.redis.zrange(keys.recent_threads(channel, user), 0, -1, desc=True)
        return [ThreadId(thread) for thread in found]

    async def facts(self, thread_id: ThreadId) -> dict[str, str]:
        """What was written down when the Session began, with its counters; {} where there is none."""
        with translated(self._store.where):
            return dict(await self._store.redis.hgetall(keys.session(thread_id, "meta")))

    async def forget_history(self, thread_id: ThreadId) -> None:
        """Drop what was said; the Session goes on, and answers in its thread without a new mention."""
        with translated(self._store.where):
            await self._store.redis.delete(keys.session(thread_id, "history"), keys.session(thread_id, "last"))

    async def request_stop(self, thread_id: ThreadId, number: int | None = None) -> bool:
        """Ask whoever runs Turn `number`, or the one with that Message in it (None: the running one), to stop.

        False when it is not running.

        Heard within milliseconds by pub/sub; should that be lost, at the next renewal of the lease.
        """
        stopped = int(
            await self._store.script(
                "stop",
                [keys.session(thread_id, part) for part in ("mail", "meta", "lease")],
                ["" if number is None else number],
            )
        )
        if stopped:
            await self._announce_stop(stopped, thread_id)
        return stopped > 0

    async def _announce_stop(self, number: int, thread_id: ThreadId) -> None:
        """The mark is in the Session already: should this be lost, the next renewal of the lease finds it."""
        with contextlib.suppress(StoreUnavailable), translated(self._store.where):
            await self._store.redis.publish(keys.STOP_CHANNEL, f"{number} {thread_id}")


def places_to(pipe: Any, thread_id: ThreadId, number: int, scope: ScopeId, identities: Sequence[str]) -> None:
    """Add to a pipeline what `Mailboxes.note_places` sends."""
    places = [keys.place(scope, one) for one in identities]
    for place in places:
        pipe.set(place, f"{number} {thread_id}", ex=PLACES_TTL_S)
    if places:
        pipe.sadd(keys.session(thread_id, "places"), *places)
        pipe.expire(keys.session(thread_id, "places"), PLACES_TTL_S)


def _receipt(answer: str) -> Receipt:
    verdict, *numbers = answer.split()
    match verdict:
        case "accepted":
            return Receipt(verdict, *map(int, numbers))
        case "duplicate" | "unknown" | "full":
            return Receipt(verdict)
        case _:
            raise AssertionError(f"accept.lua answered {answer!r}")
