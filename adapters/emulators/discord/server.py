"""The local Discord: one aiohttp application with the REST API, the gateway and the attachments on one port."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from aiohttp import web

from adapters.emulators.clock import Clock

from . import threads
from .control import Control
from .events import PRIVILEGED, Event
from .faults import Faults
from .gateway import Gateway
from .interactions import Interactions
from .limits import Limits
from .permissions import INVITED_BOT
from .ratelimits import RateLimits
from .rest import ROUTES, Pipeline, Service
from .seed import new_world

_RECENT = 1000
_INERT = {"X-Content-Type-Options": "nosniff", "Content-Security-Policy": "sandbox; default-src 'none'"}
"""For a file that a browser may come upon: it runs nothing."""


class DiscordEmulator(Control):
    """A Discord of one's own, with one server in it, for tests and demonstrations.

    clock: the time it lives in.   limits: its numbers.   portal_intents: privileged intents switched on in the portal.
    bot_permissions: what the bot's own role allows.   trim_content: cut white space around message contents, as Discord
    is known to do though it is not documented.   thread_create_after_first_message: announce a thread after its first
    message, as in recorded traffic, else before.

        async with DiscordEmulator().running() as emulator:
            emulator.api_url, emulator.bot_token
    """

    def __init__(
        self,
        clock: Clock | None = None,
        *,
        limits: Limits | None = None,
        bot_token: str = "emulator-bot-token",
        portal_intents: int = PRIVILEGED,
        bot_permissions: int = INVITED_BOT,
        trim_content: bool = True,
        thread_create_after_first_message: bool = True,
    ) -> None:
        limits = limits or Limits()
        self.clock = clock or Clock()
        self.world = new_world(self.clock, limits, bot_token, bot_permissions)
        self.world.portal_intents = portal_intents
        self.world.trim_content = trim_content
        self.world.thread_create_after_first_message = thread_create_after_first_message
        self.interactions = Interactions(self.world)
        self.rates = RateLimits(limits)
        self.faults = Faults()
        self.gateway = Gateway(self.world)
        service = Service(self.world, self.interactions, self.rates, self.gateway.identifies_left)
        self.pipeline = Pipeline(service, self.faults)
        self._recent = []
        self._typed = []
        self.base_url = ""
        self.world.hub.subscribe(self._note)
        self.clock.on_advance(self._time_passed)

    @property
    def api_url(self) -> str:
        """The value for `DISCORD_API_URL`."""
        return f"{self.base_url}/api/v10"

    @property
    def gateway_url(self) -> str:
        """The address `GET /gateway/bot` gives."""
        return self.base_url.replace("http", "ws", 1) + "/"

    @property
    def bot_token(self) -> str:
        return self.world.bot_token

    @property
    def application_id(self) -> int:
        return self.world.application_id

    @property
    def bot_user_id(self) -> int:
        return self.world.bot.id

    @property
    def guild_id(self) -> int:
        return self.guild.id

    @asynccontextmanager
    async def running(self, host: str = "127.0.0.1", port: int = 0) -> AsyncIterator[DiscordEmulator]:
        """Serve on `host`; port 0 takes a free one. Leaving closes every connection."""
        runner = web.AppRunner(self.application(), access_log=None, shutdown_timeout=1.0)
        await runner.setup()
        try:
            await web.TCPSite(runner, host, port).start()
            self.mounted_at(f"http://{host}:{runner.addresses[0][1]}")
            yield self
        finally:
            await runner.cleanup()

    def application(self) -> web.Application:
        """A new aiohttp application, also to be mounted into another: `app.add_subapp("/discord", ...)`.

        Whoever mounts it calls `mounted_at` with the address it has there.
        """
        app = web.Application()
        for route in ROUTES:
            app.router.add_route(route.method, r"/api/v{version:\d+}" + route.path, self.pipeline.handler(route))
        app.router.add_route("*", "/api/{rest:.*}", self.pipeline.unknown)
        app.router.add_get("/attachments/{channel_id}/{attachment_id}/{filename}", self._attachment)
        app.router.add_get("/", self._connect)
        app.on_shutdown.append(self._shut_down)
        return app

    def mounted_at(self, base_url: str) -> None:
        """Say under which address the application is reached, e.g. "http://127.0.0.1:8080/discord"."""
        self.base_url = base_url.rstrip("/")
        self.world.cdn_url = self.base_url

    async def _connect(self, request: web.Request) -> web.StreamResponse:
        return await self.gateway.connect(request, f"ws://{request.host}{request.path}")

    async def _attachment(self, request: web.Request) -> web.StreamResponse:
        found = self.world.attachments.get(int(request.match_info["attachment_id"]))
        if found is None:
            raise web.HTTPNotFound
        kind = found.content_type or "application/octet-stream"
        return web.Response(body=found.data, headers={"Content-Type": kind} | _INERT)

    async def _shut_down(self, app: web.Application) -> None:
        self.gateway.admitting.set()
        await self.gateway.close_all(1001, "Going away")

    def _time_passed(self) -> None:
        threads.archive_idle(self.world)
        self.world.hub.publish(Event("clock", {"time": self.world.now()}, visible=False))

    def _note(self, event: Event) -> None:
        """Keep what can be redelivered, and when the bot typed."""
        if event.name == "TYPING_START" and event.d["user_id"] == str(self.world.bot.id):
            self._typed.append((self.world.now(), int(event.d["channel_id"])))
        if event.visible and event.name.isupper():
            self._recent.append(event)
            del self._recent[:-_RECENT]
