"""The gateway: the protocol of one WebSocket connection, and all connections together.

Op codes: 0 dispatch, 1 heartbeat, 2 identify, 3 presence, 4 voice, 6 resume, 7 reconnect, 8 request members,
9 invalid session, 10 hello, 11 heartbeat ack.
Close codes: 4000 unknown error, 4001 unknown op, 4002 decode error, 4003 not authenticated, 4004 authentication failed,
4005 already authenticated, 4007 invalid seq, 4008 rate limited, 4009 session timed out, 4010 invalid shard,
4011 sharding required, 4012 invalid version, 4013 invalid intents, 4014 disallowed intents.
Source: Discord "Gateway" and "Opcodes and Status Codes", docs of 2026-08-06. Heartbeats and the send limit run on real
time, so that moving the emulator's clock does not cut connections.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import zlib
from typing import Any

from aiohttp import WSMsgType, web

from . import payloads
from .errors import Json
from .events import GUILDS, PRIVILEGED, VALID_INTENTS, Event
from .sessions import Session, Sessions
from .state import World

HEARTBEAT, IDENTIFY, PRESENCE, VOICE, RESUME, RECONNECT, MEMBERS, INVALID, HELLO, ACK = 1, 2, 3, 4, 6, 7, 8, 9, 10, 11
_ENDS_SESSION = {4004, 4007, 4009, 4010, 4011, 4012, 4013, 4014}
_DAY_S = 86400.0


class _Closed(Exception):
    """The connection must be closed with `code`."""

    def __init__(self, code: int, reason: str) -> None:
        super().__init__(reason)
        self.code = code
        self.reason = reason


class Gateway:
    """All connections and sessions of the bot, and the switches that disturb them.

    acks: whether heartbeats are acknowledged.   refusing: whether new connections are turned away with 503.
    admitting: while cleared, new connections wait at the door.
    """

    def __init__(self, world: World) -> None:
        self.world = world
        self.sessions = Sessions(world)
        self.connections: list[Connection] = []
        self.acks = True
        self.refusing = False
        self.admitting = asyncio.Event()
        self.admitting.set()
        self.presences: list[Json] = []
        self._identified: list[float] = []
        world.hub.subscribe(self.sessions.offer)

    async def connect(self, request: web.Request, own_url: str) -> web.StreamResponse:
        """Serve one connection until it ends. Without an upgrade, say what this is."""
        socket = web.WebSocketResponse(max_msg_size=64 * 1024, autoping=True)
        await self.admitting.wait()
        if self.refusing:
            return web.Response(status=503, text="no gateway here at the moment")
        if not socket.can_prepare(request):
            return web.Response(status=426, text="This is the gateway: connect with a WebSocket.")
        await socket.prepare(request)
        connection = Connection(self, socket, dict(request.query), own_url)
        self.connections.append(connection)
        try:
            await connection.run()
        finally:
            self.connections.remove(connection)
        return socket

    async def close_all(self, code: int, reason: str = "") -> None:
        """Close every connection; which sessions survive, the code says."""
        for connection in list(self.connections):
            await connection.close(code, reason)

    def send_all(self, frame: Json) -> None:
        for connection in list(self.connections):
            if connection.session is not None:
                connection.send(frame)

    def identifies_too_soon(self) -> bool:
        """Whether the last identify was less than `identify_every_s` ago (max_concurrency is 1)."""
        every = self.world.limits.identify_every_s
        return bool(self._identified) and self.world.now() - self._identified[-1] < every

    def note_identify(self) -> None:
        """Raises _Closed once the day's identifies are used up."""
        left, _ = self.identifies_left()
        if left <= 0:
            raise _Closed(4004, "Authentication failed.")
        self._identified.append(self.world.now())

    def identifies_left(self) -> tuple[int, float]:
        """How many identifies are left today, and seconds until the count starts anew."""
        now = self.world.now()
        self._identified = [at for at in self._identified if at > now - _DAY_S]
        reset = self._identified[0] + _DAY_S - now if self._identified else 0.0
        return self.world.limits.identifies_a_day - len(self._identified), reset


class Connection:
    """One WebSocket. Frames go out through one writer, in order."""

    def __init__(self, gateway: Gateway, socket: web.WebSocketResponse, query: dict[str, str], own_url: str) -> None:
        self.session: Session | None = None
        self.query = query
        self._gateway = gateway
        self._world = gateway.world
        self._socket = socket
        self._own_url = own_url
        self._stream = zlib.compressobj() if query.get("compress") == "zlib-stream" else None
        self._compress_each = False
        self._outgoing: asyncio.Queue[Json] = asyncio.Queue()
        self._received: list[float] = []
        self._closed_by_us = False

    def send(self, frame: Json) -> None:
        """Queue a frame for the writer."""
        self._outgoing.put_nowait(frame)

    async def run(self) -> None:
        """Serve until either side closes; then leave or end the session."""
        writer = asyncio.create_task(self._write(), name="discord-gateway-writer")
        try:
            self._check_query()
            interval = int(self._world.limits.heartbeat_s * 1000)
            self.send({"op": HELLO, "s": None, "t": None, "d": {"heartbeat_interval": interval, "_trace": []}})
            await self._read()
        except _Closed as exc:
            await self.close(exc.code, exc.reason)
        finally:
            writer.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await writer
            self._detach()

    async def close(self, code: int, reason: str = "") -> None:
        """Send what is queued, then close with `code`."""
        self._closed_by_us = True
        if code in _ENDS_SESSION and self.session is not None:
            self._gateway.sessions.end(self.session)
        self._detach()
        await self._flush()
        with contextlib.suppress(ConnectionError):
            await self._socket.close(code=code, message=reason.encode())

    def _detach(self) -> None:
        session, self.session = self.session, None
        if session is None:
            return
        if session.send is None or session.send == self.send:
            session.send, session.left_at = None, self._world.now()
        # The client's 1000 and 1001 end the session. When we close, its echo of the code means nothing.
        if not self._closed_by_us and self._socket.close_code in (1000, 1001):
            self._gateway.sessions.end(session)

    async def _read(self) -> None:
        patience = self._world.limits.heartbeat_s * 1.5
        loop = asyncio.get_running_loop()
        beat_at = loop.time()
        while True:
            try:
                async with asyncio.timeout_at(beat_at + patience):
                    raw = await self._socket.receive()
            except TimeoutError as exc:
                raise _Closed(4009, "Session timed out.") from exc
            if raw.type not in (WSMsgType.TEXT, WSMsgType.BINARY):
                return
            self._count(loop.time())
            frame = _decoded(raw.data)
            if frame["op"] == HEARTBEAT:
                beat_at = loop.time()
            self._receive(frame)

    def _count(self, now: float) -> None:
        rate = self._world.limits.gateway_sends
        self._received = [at for at in self._received if at > now - rate.per_s]
        self._received.append(now)
        if len(self._received) > rate.tokens:
            raise _Closed(4008, "You are being rate limited.")

    def _receive(self, frame: Json) -> None:
        op: int = frame["op"]
        d: Any = frame.get("d")
        if op == HEARTBEAT:
            if self._gateway.acks:
                self.send({"op": ACK, "s": None, "t": None, "d": None})
        elif op == IDENTIFY:
            self._identify(d)
        elif op == RESUME:
            self._resume(d)
        elif op not in (PRESENCE, VOICE, MEMBERS, 31, 43):
            raise _Closed(4001, "Unknown opcode.")
        elif self.session is None:
            raise _Closed(4003, "Not authenticated.")
        elif op == PRESENCE:
            self._gateway.presences.append(d)
        elif op == MEMBERS:
            self._send_members(self.session, d)

    def _identify(self, d: Any) -> None:
        if self.session is not None:
            raise _Closed(4005, "Already authenticated.")
        if not isinstance(d, dict) or "token" not in d or "properties" not in d or "intents" not in d:
            raise _Closed(4002, "Error while decoding payload.")
        if d["token"].removeprefix("Bot ") != self._world.bot_token:
            raise _Closed(4004, "Authentication failed.")
        intents, shard = d["intents"], self._shard(d.get("shard"))
        if not isinstance(intents, int) or intents & ~VALID_INTENTS or intents < 0:
            raise _Closed(4013, "Invalid intent(s).")
        if intents & PRIVILEGED & ~self._world.portal_intents:
            raise _Closed(4014, "Disallowed intent(s).")
        if self._gateway.identifies_too_soon():
            self.send({"op": INVALID, "s": None, "t": None, "d": False})
            return
        self._gateway.note_identify()
        self._compress_each = bool(d.get("compress")) and self._stream is None
        self.session = self._gateway.sessions.open(intents, shard)
        self.session.send = self.send
        self._greet(self.session, with_shard="shard" in d)

    def _shard(self, asked: Any) -> tuple[int, int]:
        guilds = len(self._world.guilds)
        most = self._world.limits.guilds_a_shard
        number, of = (0, 1) if asked is None else (asked if len(asked) == 2 else (1, 0))
        if not 0 <= number < of:
            raise _Closed(4010, "Invalid shard.")
        if guilds > most * of:
            raise _Closed(4011, "Sharding required.")
        return number, of

    def _greet(self, session: Session, *, with_shard: bool) -> None:
        """READY, then a GUILD_CREATE for each guild of the shard."""
        guilds = [one for one in self._world.guilds.values() if session.serves(one.id)]
        ready: Json = {
            "v": 10,
            "user": payloads.own_user(self._world.bot),
            "user_settings": {},
            "session_type": "normal",
            "session_id": session.id,
            "resume_gateway_url": self._own_url,
            "relationships": [],
            "private_channels": [],
            "presences": [],
            "guilds": [{"id": str(one.id), "unavailable": True} for one in guilds],
            "guild_join_requests": [],
            "geo_ordered_rtc_regions": [],
            "game_relationships": [],
            "auth": {},
            "application": {
                "id": str(self._world.application_id),
                "flags": payloads.application_flags(self._world),
            },
            "_trace": [],
        }
        session.dispatch("READY", ready | ({"shard": list(session.shard)} if with_shard else {}))
        if session.intents & GUILDS:
            for one in guilds:
                session.dispatch("GUILD_CREATE", payloads.gateway_guild(self._world, one))
        payload = {"session_id": session.id, "shard": list(session.shard)}
        self._world.hub.publish(Event("gateway_ready", payload, visible=False))

    def _resume(self, d: Any) -> None:
        if self.session is not None:
            raise _Closed(4005, "Already authenticated.")
        if not isinstance(d, dict) or not {"token", "session_id", "seq"} <= set(d):
            raise _Closed(4002, "Error while decoding payload.")
        if d["token"].removeprefix("Bot ") != self._world.bot_token:
            raise _Closed(4004, "Authentication failed.")
        session = self._gateway.sessions.find(d["session_id"])
        seq = d["seq"] or 0
        if session is not None and seq > session.seq:
            self._gateway.sessions.end(session)
            raise _Closed(4007, "Invalid seq.")
        missed = session.missed_after(seq) if session is not None else None
        if session is None or missed is None:
            self.send({"op": INVALID, "s": None, "t": None, "d": False})
            return
        self.session = session
        session.left_at = None
        for frame in missed:
            self.send(frame)
        session.send = self.send
        session.dispatch("RESUMED", {"_trace": []})
        self._world.hub.publish(Event("gateway_resumed", {"session_id": session.id}, visible=False))

    def _send_members(self, session: Session, d: Any) -> None:
        """GUILD_MEMBERS_CHUNK; the whole list only with the GUILD_MEMBERS intent."""
        guild = self._world.guilds.get(int(d.get("guild_id") or 0))
        if guild is None:
            return
        asked = d.get("user_ids") or []
        ids = {int(one) for one in (asked if isinstance(asked, list) else [asked])}
        query, limit = str(d.get("query") or ""), int(d.get("limit") or 0)
        if ids:
            found = [member for key, member in guild.members.items() if key in ids]
        elif query or session.intents & 2:
            found = [one for one in guild.members.values() if one.user.name.startswith(query)]
            found = found[:limit] if limit else found
        else:
            found = [guild.members[self._world.bot.id]]
        chunk: Json = {
            "guild_id": str(guild.id),
            "members": [payloads.member(one) for one in found],
            "chunk_index": 0,
            "chunk_count": 1,
            "not_found": [str(one) for one in ids - set(guild.members)],
        }
        session.dispatch("GUILD_MEMBERS_CHUNK", chunk | ({"nonce": d["nonce"]} if d.get("nonce") else {}))

    def _check_query(self) -> None:
        if self.query.get("v", "10") not in ("9", "10"):
            raise _Closed(4012, "Invalid API version.")
        if self.query.get("encoding", "json") != "json":
            raise _Closed(4002, "Error while decoding payload.")

    async def _write(self) -> None:
        while True:
            frame = await self._outgoing.get()
            with contextlib.suppress(ConnectionError):  # the reader notices that the other side is gone
                await self._transmit(frame)

    async def _flush(self) -> None:
        while not self._outgoing.empty():
            frame = self._outgoing.get_nowait()
            with contextlib.suppress(ConnectionError):
                await self._transmit(frame)

    async def _transmit(self, frame: Json) -> None:
        text = json.dumps(frame, ensure_ascii=False)
        if self._stream is not None:
            packed = self._stream.compress(text.encode()) + self._stream.flush(zlib.Z_SYNC_FLUSH)
            await self._socket.send_bytes(packed)
        elif self._compress_each and frame.get("t") is not None:
            await self._socket.send_bytes(zlib.compress(text.encode()))
        else:
            await self._socket.send_str(text)


def _decoded(raw: str | bytes) -> Json:
    """A frame from the client. Raises _Closed 4002 for anything else, or over 4096 bytes."""
    if len(raw if isinstance(raw, bytes) else raw.encode()) > 4096:
        raise _Closed(4002, "Error while decoding payload.")
    try:
        frame = json.loads(raw)
    except ValueError as exc:
        raise _Closed(4002, "Error while decoding payload.") from exc
    if not isinstance(frame, dict) or not isinstance(frame.get("op"), int):
        raise _Closed(4002, "Error while decoding payload.")
    return frame
