"""Socket Mode: tickets, connections, envelopes and their acknowledgements over WebSocket.

Source: docs.slack.dev/apis/events-api/using-socket-mode. A ticket is good for one connection within 30 seconds; at
most ten connections; each payload goes to one of them, here in turn.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import uuid
from collections.abc import Awaitable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from aiohttp import WSMsgType, web

from adapters.emulators.slack.deliveries import Answer, Attempt, Delivery, first
from adapters.emulators.slack.limits import SOCKETS_PER_APP, TICKET_LIFETIME_S
from adapters.emulators.slack.workspace import Json

if TYPE_CHECKING:
    from adapters.emulators.slack.core import Core

Reason = Literal["warning", "refresh_requested", "link_disabled", "too_many_websockets"]
_CLOSE_AFTER_S = 10.0
_TIMEOUT = Answer("timeout")


@dataclass(eq=False, slots=True)
class Connection:
    """One open socket. waiting, sent: by envelope id, the future of its acknowledgement and what it is."""

    number: int
    socket: web.WebSocketResponse
    request: web.Request
    waiting: dict[str, asyncio.Future[Answer]] = field(default_factory=dict)
    sent: dict[str, Delivery] = field(default_factory=dict)
    leaving: bool = False

    async def send(self, frame: Json) -> bool:
        try:
            await self.socket.send_str(json.dumps(frame))
        except (ConnectionError, RuntimeError):
            return False
        return True

    def fail_waiting(self) -> None:
        for future in self.waiting.values():
            if not future.done():
                future.set_result(_TIMEOUT)


class SocketMode:
    """The server's side of all sockets of the app. refusing: turn every handshake away with 503."""

    def __init__(self, core: Core) -> None:
        self._core = core
        self._tickets: dict[str, float] = {}
        self._turn = 0
        self._numbers = 0
        self._connected = asyncio.Event()
        self.connections: list[Connection] = []
        self.refusing = False

    def open_url(self) -> str:
        """Issue a ticket and return the ws:// address with it."""
        ticket = uuid.uuid4().hex
        self._tickets[ticket] = self._core.now() + TICKET_LIFETIME_S
        base = self._core.base_url.replace("http", "ws", 1)
        return f"{base}/link/?ticket={ticket}&app_id={self._core.identity.app_id}"

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """Serve one socket from handshake to close."""
        expires = self._tickets.pop(request.query.get("ticket", ""), None)
        if self.refusing:
            return web.Response(status=503)
        if expires is None or expires < self._core.now():
            return web.Response(status=403)
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        self._numbers += 1
        connection = Connection(self._numbers, socket, request)
        if len(self.connections) >= SOCKETS_PER_APP:
            await connection.send(self._disconnect("too_many_websockets"))
            await socket.close()
            return socket
        self.connections.append(connection)
        try:
            await connection.send(self._hello())
            self._connected.set()
            self._core.changed("connection")
            await self._listen(connection)
        finally:
            self._forget(connection)
        return socket

    async def _listen(self, connection: Connection) -> None:
        async for frame in connection.socket:
            if frame.type is not WSMsgType.TEXT:
                continue
            with contextlib.suppress(ValueError):
                self._acknowledge(connection, json.loads(frame.data))

    def _acknowledge(self, connection: Connection, frame: object) -> None:
        if not isinstance(frame, dict):
            return
        future = connection.waiting.get(str(frame.get("envelope_id")))
        if future is not None and not future.done():
            payload = frame.get("payload")
            answer = Answer(payload=payload if isinstance(payload, dict) else None)
            connection.sent[str(frame["envelope_id"])].accept(answer.payload)
            future.set_result(answer)

    def _forget(self, connection: Connection) -> None:
        if connection in self.connections:
            self.connections.remove(connection)
        if not self._open():
            self._connected.clear()
        connection.fail_waiting()
        self._core.changed("connection")

    async def send(self, delivery: Delivery, attempt: Attempt) -> Answer:
        """Send to the next connection in turn and wait for its acknowledgement, at most three seconds.

        A first try without any connection fails at once; a repeat waits for one as long as a try lasts.
        """
        deadline = self._core.now() + self._core.settings.ack_timeout_s
        if not self._open() and (attempt.number == 0 or not await self._wait(self._connected.wait(), deadline)):
            return _TIMEOUT
        connection = self._next()
        if connection is None:
            return _TIMEOUT
        attempt.where = str(connection.number)
        envelope_id = str(uuid.uuid4())
        future: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        connection.waiting[envelope_id], connection.sent[envelope_id] = future, delivery
        try:
            if not await connection.send(self._envelope(envelope_id, delivery, attempt)):
                return _TIMEOUT
            await self._wait(asyncio.shield(future), deadline)
            return future.result() if future.done() else _TIMEOUT
        finally:
            del connection.waiting[envelope_id], connection.sent[envelope_id]
            future.cancel()

    async def _wait(self, what: Awaitable[object], deadline: float) -> bool:
        """Wait for `what` until `deadline` on the emulator's clock; say whether it came."""
        return await first(self._core.clock, asyncio.ensure_future(what), deadline)

    def _open(self) -> list[Connection]:
        return [connection for connection in self.connections if not connection.leaving]

    def _next(self) -> Connection | None:
        able = self._open()
        if not able:
            return None
        self._turn += 1
        return able[self._turn % len(able)]

    async def drop(self, reason: Reason | None) -> None:
        """Cut every connection, or with a reason tell the app first and close ten seconds later, as Slack does.

        "warning" is only told: the connection goes on until it is dropped.
        """
        for connection in list(self.connections):
            if reason is None:
                if connection.request.transport is not None:
                    connection.request.transport.abort()
                connection.leaving = True
                connection.fail_waiting()
                continue
            await connection.send(self._disconnect(reason))
            if reason != "warning":
                connection.leaving = True
                self._core.tasks.start(self._close_later(connection), "socket:close")
        if not self._open():
            self._connected.clear()

    async def _close_later(self, connection: Connection) -> None:
        await self._core.clock.sleep(_CLOSE_AFTER_S)
        await connection.socket.close()

    async def aclose(self) -> None:
        for connection in list(self.connections):
            connection.fail_waiting()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(1):
                    await connection.socket.close()

    def _hello(self) -> Json:
        lifetime = self._core.settings.socket_lifetime_s
        debug = {"host": "applink-1", "build_number": 10, "approximate_connection_time": lifetime}
        about = {"app_id": self._core.identity.app_id}
        return {
            "type": "hello",
            "num_connections": len(self.connections),
            "debug_info": debug,
            "connection_info": about,
        }

    def _disconnect(self, reason: Reason) -> Json:
        return {"type": "disconnect", "reason": reason, "debug_info": {"host": "applink-1"}}

    def _envelope(self, envelope_id: str, delivery: Delivery, attempt: Attempt) -> Json:
        frame: Json = {"envelope_id": envelope_id, "payload": delivery.payload, "type": delivery.kind}
        frame["accepts_response_payload"] = delivery.accepts_response
        if delivery.kind == "events_api":
            frame |= {"retry_attempt": attempt.number, "retry_reason": attempt.reason}
        return frame
