"""The web page: its files, and who may talk to it.

The page drives a bot, so other websites must not. A browser names the site a request comes from in `Origin`, and the
name it was told to reach in `Host`: the first stops foreign pages, the second stops names that were made to point at
this machine (DNS rebinding).
"""

from __future__ import annotations

from importlib.resources import files
from ipaddress import ip_address
from urllib.parse import urlsplit

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

from bots.demo.files import served
from bots.demo.gallery import cases
from bots.demo.live import Live

CONTENT_TYPES = {
    "html": "text/html",
    "css": "text/css",
    "js": "text/javascript",
    "svg": "image/svg+xml",
}
HEADERS = {
    "Content-Security-Policy": "default-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cache-Control": "no-cache",
}


def routes(live: Live) -> list[web.RouteDef]:
    """`/` and its files, `/live`, where the page connects, `/files` with those of messages, and `/gallery`."""

    async def attached(request: web.Request) -> web.Response:
        file = live.file(request.match_info["platform"], request.match_info["name"])
        if file is None:
            raise web.HTTPNotFound
        return served(file, to_save="save" in request.query)

    return [
        web.get("/", _index),
        web.get("/page/{name}", _file),
        web.get("/live", live.connect),
        web.get("/files/{platform}/{name}", attached),
        web.get("/gallery", _gallery),
        web.get("/gallery/cases", _cases),
    ]


def guard(host: str) -> Middleware:
    """A middleware that turns foreign websites away. host: what we listen on."""
    local = _is_loopback(host)

    @web.middleware
    async def guarded(request: web.Request, handler: Handler) -> web.StreamResponse:
        if local and not _is_loopback(urlsplit(f"//{request.host}").hostname or ""):
            raise web.HTTPForbidden(text="This address is for this machine alone.\n")
        origin = request.headers.get("Origin")
        foreign = origin is not None and urlsplit(origin).netloc != request.host
        if foreign and (request.method != "GET" or "Upgrade" in request.headers):
            raise web.HTTPForbidden(text="Another website may not use this one.\n")
        return await handler(request)

    return guarded


async def _index(_: web.Request) -> web.Response:
    return _of_the_page("index.html")


async def _gallery(_: web.Request) -> web.Response:
    return _of_the_page("gallery.html")


async def _cases(_: web.Request) -> web.Response:
    return web.json_response([case.as_json() for case in cases()], headers=HEADERS)


async def _file(request: web.Request) -> web.Response:
    return _of_the_page(request.match_info["name"])


def _of_the_page(name: str) -> web.Response:
    kind = CONTENT_TYPES.get(name.rpartition(".")[2])
    found = files("bots.demo").joinpath("page", name)
    if kind is None or "/" in name or "\\" in name or not found.is_file():
        raise web.HTTPNotFound
    return web.Response(body=found.read_bytes(), content_type=kind, charset="utf-8", headers=HEADERS)


def _is_loopback(host: str) -> bool:
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False
