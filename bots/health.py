"""The HTTP side of a running bot: is it alive, is it ready, and what a platform posts to us."""

from __future__ import annotations

import errno
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager

from aiohttp import web

from bots.settings import Role
from core.errors import ConfigError
from core.store import Store

Unready = Callable[[], dict[str, str | None]]
"""Says of each part why it is not ready, None when it is."""

MAX_BODY = 1024 * 1024


def application(
    store: Store, unready: Unready, routes: Iterable[web.RouteDef] = (), role: Role = "all"
) -> web.Application:
    """`/healthz`: this process turns its loop. `/readyz`: Redis takes writes and this process does what its role says,
    so an ingress hears every platform and a worker need not; else 503."""

    async def healthz(_: web.Request) -> web.Response:
        return web.json_response({"status": "ok", "role": role})

    async def readyz(_: web.Request) -> web.Response:
        found = unready()
        found["redis"] = None if await store.alive() else "Redis does not answer"
        ready = not any(found.values())
        return web.json_response(
            {
                "status": "ready" if ready else "not ready",
                "role": role,
                "parts": {n: why or "ok" for n, why in found.items()},
            },
            status=200 if ready else 503,
        )

    app = web.Application(client_max_size=MAX_BODY)
    app.add_routes([web.get("/healthz", healthz), web.get("/readyz", readyz), *routes])
    return app


@asynccontextmanager
async def served(app: web.Application, host: str, port: int, setting: str = "PARLEY_HTTP_PORT") -> AsyncIterator[str]:
    """Serve `app` while inside; gives its address. port 0 takes any free one. Raises ConfigError if it is taken."""
    runner = web.AppRunner(app, access_log=None, handle_signals=False, shutdown_timeout=2.0)
    await runner.setup()
    try:
        site = web.TCPSite(runner, host, port)
        try:
            await site.start()
        except OSError as exc:
            taken = exc.errno == errno.EADDRINUSE
            raise ConfigError(
                setting if taken else "PARLEY_HTTP_HOST",
                f"port {port} on {host} is taken." if taken else f"{host}:{port} cannot be used ({exc.strerror}).",
                "Stop what uses it, or choose another port." if taken else "Name an address of this machine.",
            ) from exc
        yield f"http://{_shown_host(host)}:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


def _shown_host(host: str) -> str:
    return "127.0.0.1" if host in ("0.0.0.0", "::") else host
