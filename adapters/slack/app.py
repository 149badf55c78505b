"""SlackAdapter: Slack behind core's Adapter port, over Socket Mode or HTTP with one path for payloads.

Bolt verifies signatures, answers url_verification and parses bodies. Everything after that happens in one middleware
and not in listeners, because bolt acks an event before its listener has run, and our ack is a receipt.
"""

from __future__ import annotations

import asyncio
import logging
import re

from aiohttp import web
from slack_bolt.adapter.aiohttp import to_aiohttp_response, to_bolt_request
from slack_bolt.async_app import AsyncApp
from slack_bolt.authorization import AuthorizeResult
from slack_bolt.request.async_request import AsyncBoltRequest
from slack_bolt.response import BoltResponse

from adapters.slack._admission import Admission
from adapters.slack._web import Web, quiet_sdk_logs
from adapters.slack.inbound import Me, is_echo
from adapters.slack.link import SocketLink
from adapters.slack.people import People
from adapters.slack.preflight import check_settings, check_socket_mode, identify
from adapters.slack.reception import Reception
from adapters.slack.settings import SlackSettings
from adapters.slack.surface import SlackSurface
from core.chat import Intake
from core.replies import LocalBudget, RateBudget

log = logging.getLogger(__name__)

EVENTS_PATH = "/slack/events"
DRAIN_S = 5.0
_TIMESTAMP = re.compile(r"[0-9]{1,12}")


class SlackAdapter:
    """One Slack app in one workspace.

    Socket Mode when `settings.app_token` is set; otherwise HTTP: mount `routes()` in an aiohttp application.
    ping_interval_s, check_s: see SocketLink.
    """

    def __init__(self, settings: SlackSettings, *, ping_interval_s: float = 5.0, check_s: float = 10.0) -> None:
        self._settings = settings
        self._ping_interval_s = ping_interval_s
        self._check_s = check_s
        self._web: Web | None = None
        self._me: Me | None = None
        self._admission: Admission | None = None
        self._surface: SlackSurface | None = None
        self._bolt: AsyncApp | None = None
        self._reception: Reception | None = None
        self._link: SocketLink | None = None

    @property
    def platform(self) -> str:
        return "slack"

    @property
    def surface(self) -> SlackSurface:
        """Works from `open` to `aclose`."""
        if self._surface is None:
            raise ValueError("the Slack adapter is not open")
        return self._surface

    @property
    def me(self) -> Me:
        """Who we are in the workspace, known from `open` on."""
        if self._me is None:
            raise ValueError("the Slack adapter is not open")
        return self._me

    async def open(self, budget: RateBudget | None = None) -> None:
        """Check settings, tokens, scopes and the address. Raises ConfigError; nothing stays open then."""
        check_settings(self._settings)
        quiet_sdk_logs()
        connection = Web.connect(self._settings)
        try:
            me = await identify(connection.client, self._settings)
            if self._settings.listens and self._settings.socket_mode:
                await check_socket_mode(connection.client, self._settings)
        except BaseException:
            await connection.aclose()
            raise
        self._web, self._me = connection, me
        self._admission = admission = Admission(budget or LocalBudget(), me.team)
        people = People(connection.client, admission)
        self._surface = SlackSurface(
            connection.client, me, people, streaming=self._settings.streaming, admission=admission
        )
        self._bolt = _bolt(self._settings, connection, me, self._take)

    async def listen(self, intake: Intake) -> None:
        """Take in events until cancelled; what is in hand then is acked and finished within a bound."""
        if self._web is None or self._me is None or self._bolt is None or self._admission is None:
            raise ValueError("the Slack adapter is not open")
        self._reception = Reception(self._me, self._web, intake, self._admission)
        try:
            if self._settings.socket_mode:
                await self._listen_by_socket(self._bolt, self._web)
            else:
                await asyncio.Event().wait()  # requests come in by `routes()`
        finally:
            reception, self._reception = self._reception, None
            await reception.drain(DRAIN_S)

    def routes(self) -> list[web.RouteDef]:
        """What to mount for HTTP mode: events, commands and interactivity on one path. None in Socket Mode."""
        return [] if self._settings.socket_mode else [web.post(EVENTS_PATH, self._on_post)]

    def unready(self) -> str | None:
        if self._reception is None:
            return "not listening to Slack"
        return self._link.unready() if self._link else None

    async def aclose(self) -> None:
        connection, self._web = self._web, None
        self._bolt = None
        if connection:
            await connection.aclose()

    async def _listen_by_socket(self, bolt: AsyncApp, connection: Web) -> None:
        self._link = link = SocketLink(
            bolt,
            self._settings.app_token,
            connection,
            lambda body: is_echo(body, self.me),
            ping_interval_s=self._ping_interval_s,
            check_s=self._check_s,
        )
        running = asyncio.create_task(link.run(), name="slack:socket")
        try:
            await asyncio.shield(running)
        finally:
            try:  # acks go over the connection, so it is closed after the last of them
                if not running.done() and self._reception:
                    self._reception.close()
                    await link.settled(DRAIN_S)
            finally:
                running.cancel()
                await asyncio.gather(running, return_exceptions=True)
                self._link = None

    async def _take(self, req: AsyncBoltRequest) -> BoltResponse:
        """The middleware that every verified payload ends in."""
        reception = self._reception
        taken = reception is not None and await reception.take(req.body, _retry(req))
        return BoltResponse(status=200 if taken else 503, body="")

    async def _on_post(self, request: web.Request) -> web.StreamResponse:
        if self._bolt is None:
            return web.Response(status=503)
        if not _TIMESTAMP.fullmatch(request.headers.get("X-Slack-Request-Timestamp", "0")):
            return web.Response(status=401)  # bolt would stumble over it
        try:
            asked = await to_bolt_request(request)
        except (ValueError, TypeError, AttributeError, LookupError):  # bolt reads the body before it is verified
            log.warning("slack.http.unreadable")
            return web.Response(status=400)
        answer = await self._bolt.async_dispatch(asked)
        if answer.status == 401:
            log.warning("slack.http.forged")
        return await to_aiohttp_response(answer)


def _retry(req: AsyncBoltRequest) -> int:
    said = (req.headers.get("x-slack-retry-num") or ["0"])[0]
    return int(said) if said.isdecimal() else 0


def _bolt(settings: SlackSettings, connection: Web, me: Me, take: object) -> AsyncApp:
    """Build the app. `authorize` answers from memory: bolt asks it for each event, and it keeps the app from OAuth.

    Bolt warns that a token and `authorize` are both there, which is meant; so its logger is made with ERROR.
    """
    logger = logging.getLogger("slack_bolt.parley")
    logger.setLevel(logging.ERROR)

    async def authorize(enterprise_id: str | None, team_id: str | None) -> AuthorizeResult:
        return AuthorizeResult(
            enterprise_id=enterprise_id,
            team_id=team_id,
            bot_user_id=me.user,
            bot_id=me.bot,
            bot_token=settings.bot_token,
        )

    app = AsyncApp(
        logger=logger,
        name="parley",
        client=connection.client,
        signing_secret=settings.signing_secret,
        authorize=authorize,
        ignoring_self_events_enabled=False,  # inbound knows who we are, and acks
    )
    app.middleware(take)
    return app
