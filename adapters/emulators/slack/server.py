"""The HTTP face: /api/METHOD, the Socket Mode address, response_url, file upload and download."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from aiohttp import BodyPartReader, web

from adapters.emulators.slack.errors import RateLimited, SlackError
from adapters.emulators.slack.faults import ApiCall, Fault
from adapters.emulators.slack.web_api import METHODS, Args, Method, need_scope
from adapters.emulators.slack.workspace import Json

if TYPE_CHECKING:
    from adapters.emulators.slack.core import Core

_TOKEN_ERRORS = {"revoked": "token_revoked", "expired": "token_expired", "inactive": "account_inactive"}
_UPLOAD_LIMIT = 64 * 1024 * 1024
_INERT = {"X-Content-Type-Options": "nosniff", "Content-Security-Policy": "sandbox; default-src 'none'"}
"""For a file that a browser may come upon: it runs nothing."""


def application(core: Core) -> web.Application:
    """Make the emulator's web application; it serves until its Core is closed."""
    app = web.Application(client_max_size=_UPLOAD_LIMIT)
    faces = Faces(core)
    app.router.add_route("*", "/api/{method}", faces.api)
    app.router.add_get("/link/", core.sockets.handle)
    app.router.add_post("/hooks/{team}/{key}", faces.response_url)
    app.router.add_route("*", "/upload/v1/{file}", faces.upload)
    app.router.add_get("/files-pri/{file}/{name:.*}", faces.download)
    return app


class Faces:
    """aiohttp handlers over one Core."""

    def __init__(self, core: Core) -> None:
        self._core = core

    async def api(self, request: web.Request) -> web.StreamResponse:
        """Answer one Web API call and log it."""
        core, name = self._core, request.match_info["method"]
        values, token = await _arguments(request)
        call = ApiCall(name, values, self._token_kind(token), core.now())
        core.calls.append(call)
        if wait := core.faults.delays.get(name):
            await core.clock.sleep(wait)
        try:
            return await self._answer(call, token, request)
        finally:
            call.answered_at = core.now()
            core.changed("call")

    async def _answer(self, call: ApiCall, token: str, request: web.Request) -> web.StreamResponse:
        core = self._core
        fault = None
        try:
            method = self._allowed(call, token, request)
            fault = core.faults.next(call.method)
            if fault is not None and not fault.after_effect:
                return self._failed(call, fault, request)
            body = {"ok": True, **method.run(core, Args(call.args))}
            call.took_effect = True
        except SlackError as refused:
            return self._refused(call, refused)
        if fault is not None:
            return self._failed(call, fault, request)
        call.status = 200
        return web.json_response(body, headers=self._headers(method))

    def _allowed(self, call: ApiCall, token: str, request: web.Request) -> Method:
        core = self._core
        method = METHODS.get(call.method)
        if method is None:
            raise SlackError("unknown_method", req_method=call.method)
        if method.token == "app" and request.method != "POST":
            raise SlackError("insecure_request")
        self._check_token(method, token)
        need_scope(core, *method.scopes)
        channel = str(call.args.get("channel", "")) if call.method == "chat.postMessage" else ""
        if wait := core.limiter.take(call.method, method.tier, channel, core.now()):
            raise RateLimited(wait)
        return method

    def _check_token(self, method: Method, token: str) -> None:
        """Raise what Slack says of this token: the common errors on every method's page."""
        if method.token == "none":
            return
        if not token:
            raise SlackError("not_authed")
        state = self._core.tokens.get(token)
        if state is None:
            raise SlackError("invalid_auth")
        if state != "active":
            raise SlackError(_TOKEN_ERRORS[state])
        if (method.token == "app") != token.startswith("xapp-"):
            raise SlackError("not_allowed_token_type")

    def _token_kind(self, token: str) -> str:
        if not token:
            return "none"
        if token not in self._core.tokens:
            return "other"
        return "app" if token.startswith("xapp-") else "bot"

    def _refused(self, call: ApiCall, refused: SlackError) -> web.Response:
        call.error, call.status = refused.error, 200
        if isinstance(refused, RateLimited):
            call.status = 429
            return web.json_response(
                refused.answer(), status=429, headers={"Retry-After": str(refused.retry_after), **self._headers(None)}
            )
        return web.json_response(refused.answer(), headers=self._headers(METHODS.get(call.method)))

    def _failed(self, call: ApiCall, fault: Fault, request: web.Request) -> web.StreamResponse:
        call.error = fault.error
        if fault.error is None and fault.status is None:
            if request.transport is not None:
                request.transport.abort()
            return web.Response(status=500)
        status = fault.status or (429 if fault.error in {"ratelimited", "rate_limited"} and fault.retry_after else 200)
        call.status = status
        headers = self._headers(None)
        if status == 429:
            call.error = fault.error or "ratelimited"
            seconds = fault.retry_after or 1
            headers["Retry-After"] = str(seconds)
            self._core.limiter.mark_told(call.method, seconds, self._core.now())
        if status >= 500:
            return web.Response(status=status, text="<html><body>Server Error</body></html>", content_type="text/html")
        return web.json_response({"ok": False, "error": call.error or "internal_error"}, status=status, headers=headers)

    def _headers(self, method: Method | None) -> dict[str, str]:
        headers = {"x-slack-req-id": self._core.workspace.new_id("req"), "Cache-Control": "private, no-cache"}
        if method is None or method.token != "bot":
            return headers
        headers["x-oauth-scopes"] = ",".join(sorted(self._core.settings.scopes))
        if method.scopes:
            headers["x-accepted-oauth-scopes"] = ",".join(method.scopes)
        return headers

    async def response_url(self, request: web.Request) -> web.Response:
        """Take a post to a response_url; refusals are HTTP errors here."""
        try:
            body = json.loads(await request.text())
        except ValueError:
            return web.Response(status=400, text="invalid_payload")
        try:
            self._core.response_urls.post(request.match_info["key"], body if isinstance(body, dict) else {})
        except SlackError as refused:
            status = 404 if refused.error in {"used_url", "expired_url"} else 400
            return web.json_response(refused.answer(), status=status)
        return web.json_response({"ok": True})

    async def upload(self, request: web.Request) -> web.Response:
        """Take the bytes of an announced file, raw or as the first part of a form."""
        file = self._core.workspace.files.get(request.match_info["file"])
        if file is None:
            return web.Response(status=404, text="not found")
        if request.content_type.startswith("multipart/"):
            part = await (await request.multipart()).next()
            content = bytes(await part.read()) if isinstance(part, BodyPartReader) else b""
        else:
            content = await request.read()
        if len(content) != file.length:
            return web.Response(status=400, text="size mismatch")
        self._core.workspace.put_file(file, content=content)
        return web.Response(text=f"OK - {len(content)}")

    async def download(self, request: web.Request) -> web.Response:
        """Give a file to whoever shows the bot token; anybody else gets a login page, as from files.slack.com."""
        file = self._core.workspace.files.get(request.match_info["file"].rsplit("-", 1)[-1])
        allowed = request.headers.get("Authorization") == f"Bearer {self._core.identity.bot_token}"
        if not allowed or "files:read" not in self._core.settings.scopes:
            return web.Response(text="<!DOCTYPE html><html><title>Slack</title></html>", content_type="text/html")
        if file is None:
            return web.Response(status=404)
        return web.Response(body=file.content, content_type=file.mimetype, headers=_INERT)


async def _arguments(request: web.Request) -> tuple[Json, str]:
    """Return the arguments and the token of a call: query, then form or JSON; the header's token goes first."""
    values: Json = dict(request.query)
    if request.content_type == "application/json":
        try:
            body = json.loads(await request.text() or "{}")
        except ValueError:
            body = {}
        values |= body if isinstance(body, dict) else {}
    elif request.can_read_body:
        values |= {key: value for key, value in (await request.post()).items() if isinstance(value, str)}
    token = str(values.pop("token", "") or "")
    header = request.headers.get("Authorization", "")
    return values, header.removeprefix("Bearer ").strip() or token
