"""Gateway sessions: who gets which event, numbered and kept for a resume. Nothing here touches a socket.

Source: Discord "Gateway: Sharding", "List of Intents", "Resuming", docs of 2026-08-06.
"""

from __future__ import annotations

import secrets
from collections import deque
from collections.abc import Callable

from .errors import Json
from .events import GUILD_MEMBERS, MESSAGE_CONTENT, Event, without_content
from .state import World

DISPATCH = 0
Send = Callable[[Json], None]


class Session:
    """One identified connection's worth of events, which outlives the connection for a while."""

    def __init__(self, world: World, intents: int, shard: tuple[int, int]) -> None:
        self.id = secrets.token_hex(16)
        self.intents = intents
        self.shard = shard
        self.seq = 0
        self.send: Send | None = None  # set while a connection is attached
        self.left_at: float | None = None
        self._world = world
        self._sent: deque[Json] = deque(maxlen=world.limits.replay_events)

    def dispatch(self, name: str, payload: Json) -> None:
        """Number a dispatch, keep it, and send it if somebody listens."""
        self.seq += 1
        frame = {"op": DISPATCH, "t": name, "s": self.seq, "d": payload}
        self._sent.append(frame)
        if self.send is not None:
            self.send(frame)

    def offer(self, event: Event) -> None:
        """Dispatch `event` if it is for this session."""
        if self._wants(event):
            self.dispatch(event.name, self._seen(event))

    def missed_after(self, seq: int) -> list[Json] | None:
        """The dispatches after `seq`; None if they are no longer all kept."""
        if seq < self.seq and (not self._sent or self._sent[0]["s"] > seq + 1):
            return None
        return [frame for frame in self._sent if frame["s"] > seq]

    def serves(self, guild_id: int | None) -> bool:
        """Whether a guild belongs to this shard; direct messages belong to shard 0."""
        number, of = self.shard
        return number == 0 if guild_id is None else (guild_id >> 22) % of == number

    def expired(self, now: float) -> bool:
        return self.left_at is not None and now - self.left_at > self._world.limits.resume_window_s

    def _wants(self, event: Event) -> bool:
        if not event.visible or event.name.islower() or not self.serves(event.guild_id):
            return False
        if event.name == "THREAD_MEMBERS_UPDATE" and not self.intents & GUILD_MEMBERS:
            return bool(self.intents & event.intent) and self._about_the_bot(event.d)
        return event.intent == 0 or bool(self.intents & event.intent)

    def _about_the_bot(self, payload: Json) -> bool:
        bot = str(self._world.bot.id)
        added = [one["user_id"] for one in payload.get("added_members", ())]
        return bot in added or bot in payload.get("removed_member_ids", ())

    def _seen(self, event: Event) -> Json:
        if event.name not in ("MESSAGE_CREATE", "MESSAGE_UPDATE") or self.intents & MESSAGE_CONTENT:
            return event.d
        return without_content(event.d, self._world.bot.id)


class Sessions:
    """All sessions of one bot. Several of the same shard each get every event."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._sessions: dict[str, Session] = {}

    def open(self, intents: int, shard: tuple[int, int]) -> Session:
        session = Session(self._world, intents, shard)
        self._sessions[session.id] = session
        return session

    def find(self, session_id: str) -> Session | None:
        """The session, if it can still be resumed."""
        session = self._sessions.get(session_id)
        if session is not None and session.expired(self._world.now()):
            self.end(session)
            return None
        return session

    def end(self, session: Session) -> None:
        """Forget it: it can never be resumed."""
        session.send = None
        self._sessions.pop(session.id, None)

    def offer(self, event: Event) -> None:
        for session in self.all():
            if session.expired(self._world.now()):
                self.end(session)
            else:
                session.offer(event)

    def all(self) -> list[Session]:
        return list(self._sessions.values())
