"""What every REST call goes through: log, faults, token, rate limits, body, the route itself, the answer.

Source: Discord "Reference" (errors, authentication), "Rate Limits" (headers), docs of 2026-08-06. Answers carry
`Content-Type: application/json` without a charset, as Discord's do, and `Via`, which its edge adds.
"""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from aiohttp import BodyPartReader, hdrs, web

from ..drafts import Upload
from ..errors import ApiError, refusal, unauthorized
from ..events import Event
from ..faults import Fault, Faults
from ..ratelimits import Refused
from ._routes import Answer, Call, Route, Service

log = logging.getLogger(__name__)

PREFIX = re.compile(r"^.*?/api(/v\d+)?(?=/)")
_FILE_PART = re.compile(r"files\[(\d+)\]")
_KEPT_CALLS = 50_000
_VIA = {"Via": "1.1 google"}
AiohttpHandler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Pipeline:
    """Turns routes into aiohttp handlers and keeps the log of calls."""

    def __init__(self, service: Service, faults: Faults) -> None:
        self._service = service
        self._faults = faults
        self.calls: list[Call] = []

    def handler(self, route: Route) -> AiohttpHandler:
        """The aiohttp handler of `route`."""

        async def handle(request: web.Request) -> web.StreamResponse:
            return await self._handle(route, request)

        return handle

    async def unknown(self, request: web.Request) -> web.StreamResponse:
        """What any path without a route is answered."""
        call = self._logged(Route("*", "?", lambda service, call: Answer(404)), request)
        return self._answered(call, ApiError(404, {"message": "404: Not Found", "code": 0}), {})

    async def _handle(self, route: Route, request: web.Request) -> web.StreamResponse:
        call = self._logged(route, request)
        if self._service.rates.banned(self._now()):
            call.status = 429
            return web.Response(status=429, text="error code: 1015")
        faults = self._faults.take(call.method, call.path, self._now())
        for fault in faults:
            if fault.delay_s:
                await self._service.world.clock.sleep(fault.delay_s)
        failing = next((one for one in faults if one.status is not None or one.refused), None)
        if failing and not failing.after_effect:
            return self._failed(request, call, route, failing)
        result, headers = await self._judged(route, request, call)
        if failing:
            return self._failed(request, call, route, failing)
        return self._answered(call, result, headers)

    async def _judged(
        self, route: Route, request: web.Request, call: Call
    ) -> tuple[Answer | ApiError, Mapping[str, str]]:
        """Do what the call asks, if token and rate limits let it."""
        rates, major = self._service.rates, self._major(route, call)
        if not route.token and not self._authorized(request):
            return unauthorized(), {}
        try:
            await self._read_body(request, call)
        except ApiError as exc:
            return exc, {}
        call.impatient = rates.note_call(route.bucket, major, call.route, self._now())
        refused = rates.take(route.bucket, major, self._now(), counts_globally=not route.token)
        if refused is not None:
            return self._refused(route, call, refused)
        try:
            result: Answer | ApiError = route.handler(self._service, call)
        except ApiError as exc:
            if exc.status == 429:
                hidden = Refused(exc.body["retry_after"], "user", exc.body.get("code"), exc.body["message"])
                return self._refused(route, call, hidden)
            result = exc
        except Exception:  # the crash boundary of one call; 500 is what the caller would see of Discord as well
            log.exception("rest.failed", extra={"route": call.route})
            result = ApiError(500, {"message": "500: Internal Server Error", "code": 0})
        return result, rates.headers(route.bucket, major, self._now())

    def _refused(self, route: Route, call: Call, refused: Refused) -> tuple[ApiError, Mapping[str, str]]:
        rates, major = self._service.rates, self._major(route, call)
        rates.note_refusal(route.bucket, major, call.route, self._now(), refused)
        return refused.error(), {**rates.headers(route.bucket, major, self._now()), **refused.headers()}

    def _failed(self, request: web.Request, call: Call, route: Route, fault: Fault) -> web.StreamResponse:
        if fault.refused is not None:
            error, headers = self._refused(route, call, fault.refused)
            return self._answered(call, error, headers)
        if fault.status == 0:
            call.status = 0
            if request.transport is not None:
                request.transport.abort()
            return web.Response(status=500)
        return self._answered(call, fault.error(), {})

    def _answered(self, call: Call, result: Answer | ApiError, headers: Mapping[str, str]) -> web.Response:
        call.status, call.answer = result.status, result.body
        if result.status in (401, 403) or (result.status == 429 and headers.get("X-RateLimit-Scope") != "shared"):
            self._service.rates.note_invalid(self._now())
        payload = {"method": call.method, "path": call.path, "status": call.status}
        self._service.world.hub.publish(Event("call", payload, visible=False))
        body = b"" if result.body is None else json.dumps(result.body).encode()
        kind: dict[str, str] = {"Content-Type": "application/json"} if body else {}
        return web.Response(status=result.status, body=body, headers={**_VIA, **kind, **headers})

    def _logged(self, route: Route, request: web.Request) -> Call:
        found = PREFIX.match(request.path)
        path = request.path[found.end() :] if found else request.path
        call = Call(request.method, path, f"{route.method} {route.path}", self._now())
        call.args = {**request.match_info, "gateway_url": gateway_url(request)}
        call.query = dict(request.query)
        self.calls.append(call)
        del self.calls[:-_KEPT_CALLS]
        return call

    async def _read_body(self, request: web.Request, call: Call) -> None:
        """Raises ApiError 40005 for a request over the limit, 50109 for what is no JSON."""
        most = self._service.world.limits.request_bytes
        if request.content_length is not None and request.content_length > most:
            raise refusal(40005)
        if request.content_type == "multipart/form-data":
            text, call.files = await _multipart(request)
        else:
            text = (await request.content.read()).decode(errors="replace")
        if text:
            call.body = _parsed(text)

    def _authorized(self, request: web.Request) -> bool:
        return request.headers.get(hdrs.AUTHORIZATION) == f"Bot {self._service.world.bot_token}"

    def _major(self, route: Route, call: Call) -> str:
        return call.args.get(route.major, "")

    def _now(self) -> float:
        return self._service.world.now()


def gateway_url(request: web.Request) -> str:
    """Where the gateway is, as seen by whoever made `request`: the same host and port, above `/api`."""
    before = request.path.partition("/api/")[0] if "/api/" in request.path else request.path.rstrip("/")
    return f"ws://{request.host}{before}/"


def _parsed(text: str) -> Any:
    try:
        return json.loads(text)
    except json.JSONDecodeError as exc:
        raise refusal(50109) from exc


async def _multipart(request: web.Request) -> tuple[str, dict[int, Upload]]:
    """The `payload_json` and the `files[n]` of a multipart request."""
    text = ""
    files: dict[int, Upload] = {}
    async for part in await request.multipart():
        if not isinstance(part, BodyPartReader):
            continue
        if part.name == "payload_json":
            text = await part.text()
        elif found := _FILE_PART.fullmatch(part.name or ""):
            data = bytes(await part.read())
            files[int(found.group(1))] = Upload(part.filename or "file", data)
    return text, files
