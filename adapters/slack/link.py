"""SocketLink: the Socket Mode connection, kept alive.

The SDK reconnects by itself, but four things it does not mend (slack_sdk 3.47, read and tried):

- while a new connection is refused, it tries the same one-use address for ever: the address is taken away after two
  failed checks, so that the next try asks Slack for a new one;
- a handshake that never ends holds its loop: after five failed checks the client is built anew;
- when Slack sends every new connection away at once (`too_many_websockets`: others use this app token too), it asks
  for the next one without a pause, some thirty times a second: see SentAway;
- when Slack says that the token is no good any more or Socket Mode is switched off, it goes on asking: here that is
  a ConfigError, because no retry can mend it.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import time
from collections import deque
from collections.abc import Callable

from aiohttp import ClientWebSocketResponse, WSMessage
from slack_bolt.adapter.socket_mode.async_internals import run_async_bolt_app, send_async_response
from slack_bolt.async_app import AsyncApp
from slack_bolt.response import BoltResponse
from slack_sdk.errors import SlackApiError
from slack_sdk.socket_mode.aiohttp import SocketModeClient
from slack_sdk.socket_mode.async_client import AsyncBaseSocketModeClient
from slack_sdk.socket_mode.request import SocketModeRequest

from adapters.slack._errors import code_of
from adapters.slack._web import Web
from adapters.slack.inbound import Payload
from adapters.slack.preflight import app_token_error, is_token_refusal
from core.chat import ConfigError

log = logging.getLogger(__name__)

_NEW_ADDRESS_AFTER = 2
_NEW_CLIENT_AFTER = 5
_GIVE_UP_AFTER = 3
_CLOSE_S = 3.0
_SENT_AWAY_MOST = 4
_SENT_AWAY_WITHIN_S = 10.0
_ENVELOPE, _HEAD = '"envelope_id"', 64
"""What a frame that is no business of the connection's has near its beginning."""


class SentAway:
    """Slows down who is sent away again and again: after the fourth time within ten seconds, until those are over.

    A renewal every few hours, or two close to each other, waits for nothing. Times are in seconds.
    """

    def __init__(self) -> None:
        self._at: deque[float] = deque(maxlen=_SENT_AWAY_MOST)

    def note(self, now: float) -> None:
        self._at.append(now)

    def pause_s(self, now: float) -> float:
        """How long to wait before the next connection is asked for."""
        if len(self._at) < _SENT_AWAY_MOST:
            return 0.0
        return max(self._at[0] + _SENT_AWAY_WITHIN_S - now, 0.0)


class SocketLink:
    """Hands every envelope to `app` and acks it when `app` answers 200.

    is_idle_talk: tells of an event's payload that it is nothing to anybody; it is acked at once.
    ping_interval_s: a dead connection is noticed after four of them.  check_s: between two looks at the connection.
    """

    def __init__(
        self,
        app: AsyncApp,
        app_token: str,
        web: Web,
        is_idle_talk: Callable[[Payload], bool],
        *,
        ping_interval_s: float = 5.0,
        check_s: float = 10.0,
    ) -> None:
        self._app = app
        self._app_token = app_token
        self._web = web
        self._is_idle_talk = is_idle_talk
        self._ping_interval_s = ping_interval_s
        self._check_s = check_s
        self._client: _Client | None = None
        self._connecting: asyncio.Task[None] | None = None
        self._greeted: ClientWebSocketResponse | None = None
        self._hopeless: ConfigError | None = None
        self._woken = asyncio.Event()
        self._sent_away = SentAway()
        self._refusals = 0
        self._switched_off = 0
        self._busy = 0
        self._idle = asyncio.Event()
        self._idle.set()

    async def run(self) -> None:
        """Stay connected until cancelled. Raises ConfigError for what no retry can mend."""
        try:
            self._start()
            misses = 0
            while True:
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(self._check_s):
                        await self._woken.wait()
                if self._hopeless:
                    raise self._hopeless
                misses = 0 if self.unready() is None else misses + 1
                await self._mend(misses)
        finally:
            await self._close()

    def unready(self) -> str | None:
        """Why no envelope would come just now."""
        client = self._client
        session = client.current_session if client else None
        if client is None or session is None or session.closed or client.closed or client.stale:
            return "the Socket Mode connection to Slack is down"
        return None if self._greeted is session else "Slack has not greeted the new Socket Mode connection yet"

    async def settled(self, within_s: float) -> None:
        """Wait until the envelopes in hand are acked, at most `within_s`."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(within_s):
                await self._idle.wait()

    def _start(self) -> None:
        self._client = self._build()
        self._connecting = asyncio.create_task(_connect(self._client), name="slack:connect")

    def _build(self) -> _Client:
        quiet = logging.getLogger("slack_sdk.socket_mode.parley")
        quiet.setLevel(logging.CRITICAL)  # its errors show the one-use address; we log what matters
        client = _Client(
            app_token=self._app_token,
            logger=quiet,
            web_client=self._web.client,
            proxy=self._web.proxy,
            ping_interval=self._ping_interval_s,
        )
        client.proxy = self._web.proxy  # not what the environment says about loopback addresses
        client.on_answer = self._on_answer
        client.pause_s = lambda: self._sent_away.pause_s(time.monotonic())
        client.on_message_listeners.append(self._on_frame)
        client.socket_mode_request_listeners.append(self._on_envelope)
        return client

    async def _mend(self, misses: int) -> None:
        if misses == 0:
            return
        log.warning("slack.socket.down", extra={"checks": misses})
        if misses % _NEW_CLIENT_AFTER == 0:
            await self._close()
            self._start()
        elif misses % _NEW_CLIENT_AFTER >= _NEW_ADDRESS_AFTER and self._client:
            self._client.wss_uri = None

    async def _on_frame(self, frame: WSMessage) -> None:
        """Watch the frames that are about the connection itself."""
        if _ENVELOPE in frame.data[:_HEAD]:  # as Slack sends them; of others this is told by what they hold
            self._switched_off = 0
            return
        try:
            said = json.loads(frame.data)
        except ValueError:
            return
        if said.get("type") == "hello":
            self._greeted = self._client.current_session if self._client else None
            log.info("slack.socket.open", extra={"connections": said.get("num_connections")})
        elif said.get("type") == "disconnect":
            log.info("slack.socket.renewed", extra={"reason": said.get("reason")})
            self._sent_away.note(time.monotonic())
            if said.get("reason") == "link_disabled":
                self._on_switched_off()
        elif "envelope_id" in said:
            self._switched_off = 0

    def _on_switched_off(self) -> None:
        self._switched_off += 1
        if self._switched_off >= _GIVE_UP_AFTER:
            self._give_up(
                ConfigError(
                    "SLACK_APP_TOKEN",
                    "Socket Mode is switched off for this app.",
                    "Switch it on on the app's page, Socket Mode, or set SLACK_SIGNING_SECRET instead to use HTTP.",
                )
            )

    def _on_answer(self, code: str) -> None:
        """Take note of what apps.connections.open answered; "" is an address."""
        self._refusals = self._refusals + 1 if is_token_refusal(code) else 0
        if code:
            log.warning("slack.socket.refused", extra={"code": code})
        if self._refusals >= _GIVE_UP_AFTER:
            self._give_up(app_token_error(code))

    def _give_up(self, error: ConfigError) -> None:
        self._hopeless = error
        self._woken.set()

    async def _on_envelope(self, client: AsyncBaseSocketModeClient, envelope: SocketModeRequest) -> None:
        self._busy += 1
        self._idle.clear()
        try:
            if envelope.type == "events_api" and self._is_idle_talk(envelope.payload):
                answer = BoltResponse(status=200)
            else:
                answer = await run_async_bolt_app(self._app, envelope)
            await send_async_response(client, envelope, answer, time.time())
        except Exception as exc:  # the connection went away: Slack delivers again
            log.warning("slack.ack.lost", extra={"reason": type(exc).__name__})
        finally:
            self._busy -= 1
            if not self._busy:
                self._idle.set()

    async def _close(self) -> None:
        client, connecting = self._client, self._connecting
        self._client = self._connecting = self._greeted = None
        if client is None:
            return
        with contextlib.suppress(Exception):  # whatever is left of it is taken away below
            async with asyncio.timeout(_CLOSE_S):
                await client.close()  # type: ignore[no-untyped-call]  # the SDK's, without annotations
        tasks = [connecting, client.message_processor, client.current_session_monitor, client.message_receiver]
        left = [task for task in tasks if task is not None]
        for task in left:
            task.cancel()
        await asyncio.gather(*left, return_exceptions=True)
        await client.aiohttp_client_session.close()


class _Client(SocketModeClient):
    """The SDK's client: before it asks for an address it waits `pause_s`, and `on_answer` hears what it was told."""

    on_answer: Callable[[str], None] | None = None
    pause_s: Callable[[], float] | None = None

    async def issue_new_wss_url(self) -> str:
        if self.pause_s and (pause_s := self.pause_s()):
            await asyncio.sleep(pause_s)
        try:
            url = await super().issue_new_wss_url()
        except SlackApiError as exc:
            if self.on_answer:
                self.on_answer(code_of(exc) or "no_answer")
            raise
        if self.on_answer:
            self.on_answer("")
        return url


async def _connect(client: SocketModeClient) -> None:
    await client.connect()  # type: ignore[no-untyped-call]  # the SDK's own method has no annotations
