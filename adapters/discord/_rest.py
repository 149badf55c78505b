"""REST: one call to Discord's HTTP API, answered or refused at once. It never waits for a rate limit by itself.

Why not the HTTP client inside discord.py: that one sleeps within the call, through a 429 and also after a success
that used a bucket up, and then sends the text it was given before the wait. Core paces all replicas together and
holds the newest text, so it must hear of a limit immediately (`RateLimited`) and try again with what is newest.

What this class does keep is the promise to Discord: after a 429, or once `X-RateLimit-Remaining` is 0, nothing is
sent on that bucket (after a global 429 or a block: nothing at all) before the time Discord named ("Rate Limits").
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from typing import Any, Final, TypeGuard

import aiohttp
import discord

from adapters.discord._errors import ApiError
from adapters.discord.limits import GLOBAL, InvalidRequests, Learned
from core.chat import Operation, RateLimited, SurfaceUnavailable

Json = Mapping[str, object]
"""One JSON object as Discord sent it."""

TIMEOUT_S: Final = 30.0
BLOCKED_S: Final = 600.0
"""How long we stay silent when a 429 names no time: it comes from the wall before the API, whose blocks of an address
last for minutes, and each further request makes them longer ("Invalid Request Limit")."""

_EVERYTHING: Final = "*"
_OPERATIONS: Final[Mapping[str, Operation]] = {
    "POST /channels/{channel}/messages": "post",
    "PATCH /channels/{channel}/messages/{message}": "edit",
}
_USER_AGENT: Final = f"DiscordBot (https://discordpy.readthedocs.io, {discord.__version__}) Parley"


class Rest:
    """Discord's HTTP API at `api_url`, as the bot that `token` belongs to. Open it before use, close it after."""

    def __init__(self, api_url: str, token: str, now: Callable[[], float] = time.monotonic) -> None:
        self._url = api_url.rstrip("/")
        self._authorization = f"Bot {token}"
        self._now = now
        self._closed_until: dict[str, float] = {}
        self._invalid = InvalidRequests()
        self.learned = Learned()
        """What the answers said of the budgets of `limits.draws`."""
        self._session: aiohttp.ClientSession | None = None

    async def open(self) -> None:
        if self._session is None:
            self._session = aiohttp.ClientSession(
                timeout=aiohttp.ClientTimeout(total=TIMEOUT_S),
                headers={"User-Agent": _USER_AGENT},
                cookie_jar=aiohttp.DummyCookieJar(),
            )

    async def aclose(self) -> None:
        session, self._session = self._session, None
        if session is not None:
            await session.close()

    async def call(
        self,
        method: str,
        path: str,
        body: object | None = None,
        *,
        bot: bool = True,
        file: tuple[str, str, bytes] | None = None,
        **ids: str,
    ) -> Json:
        """Make one call and return the JSON object it answered with, {} for none; a list comes under "items".

        path: as in the documentation, `/channels/{channel}/messages/{message}`, filled from `ids`.
        file: name, media type and bytes of one to be uploaded with `body` ("Uploading Files").
        bot: send the bot's token; calls that carry an interaction token in their path go without.
        Raises ApiError for a refusal, RateLimited, and SurfaceUnavailable when there was no answer or a 5xx.
        """
        bucket = _bucket(method, path, ids)
        self._check_open(bucket, f"{method} {path}")
        if self._session is None:
            raise SurfaceUnavailable(f"{method} {path}: the connection is closed")
        headers = {"Authorization": self._authorization} if bot else {}
        try:
            async with self._session.request(
                method, self._url + path.format_map(ids), headers=headers, **_content(body, file)
            ) as response:
                answer = _parse(response, await response.read())
                self._heed(bucket, f"{method} {path}", response.headers)
                status = response.status
                retry_header = response.headers.get("Retry-After")
        except (aiohttp.ClientError, OSError, TimeoutError) as exc:
            raise SurfaceUnavailable(f"{method} {path}: {type(exc).__name__}") from exc
        if 200 <= status < 300:
            return {"items": answer} if isinstance(answer, list) else answer if is_object(answer) else {}
        if status in (401, 403) or (status == 429 and response.headers.get("X-RateLimit-Scope") != "shared"):
            self._invalid.note(self._now())
        raise self._refusal(f"{method} {path}", bucket, status, answer, retry_header)

    def _check_open(self, bucket: str, route: str) -> None:
        now = self._now()
        everything = max(self._closed_until.get(_EVERYTHING, 0.0), now + self._invalid.wait(now))
        if everything > now:
            raise RateLimited(f"{route}: waiting as Discord asked", everything - now, GLOBAL)
        if (wait := self._closed_until.get(bucket, 0.0) - now) > 0:
            raise RateLimited(f"{route}: waiting as Discord asked", wait)

    def _close(self, bucket: str, seconds: float) -> None:
        now = self._now()
        if len(self._closed_until) > 1000:
            self._closed_until = {key: at for key, at in self._closed_until.items() if at > now}
        self._closed_until[bucket] = max(self._closed_until.get(bucket, 0.0), now + seconds)

    def _heed(self, bucket: str, route: str, headers: Mapping[str, str]) -> None:
        if (operation := _OPERATIONS.get(route)) is not None:
            self.learned.heed(operation, headers)
        if headers.get("X-RateLimit-Remaining") == "0":
            self._close(bucket, _seconds(headers.get("X-RateLimit-Reset-After")) or 0.0)

    def _refusal(self, route: str, bucket: str, status: int, answer: object, retry_header: str | None) -> Exception:
        """The exception for an answer outside 2xx."""
        if status >= 500:
            return SurfaceUnavailable(f"{route}: HTTP {status}")
        fields = answer if is_object(answer) else {}
        code, reason = fields.get("code"), fields.get("message")
        retry, closed = None, ""
        if status == 429:
            from_api = "retry_after" in fields or "code" in fields
            retry = _seconds(fields.get("retry_after")) or _seconds(retry_header) or 1.0
            if not from_api and _seconds(retry_header) is None:
                retry = BLOCKED_S
            closed = GLOBAL if fields.get("global") or not from_api else ""
            self._close(_EVERYTHING if closed else bucket, retry)
        code, reason = code if isinstance(code, int) else 0, reason if isinstance(reason, str) else ""
        return ApiError(route, status, code, reason, retry, closed)


def _content(body: object | None, file: tuple[str, str, bytes] | None) -> dict[str, Any]:  # Any: aiohttp's arguments
    if file is None:
        return {"json": body}
    name, media_type, content = file
    form = aiohttp.FormData()
    form.add_field("payload_json", json.dumps(body), content_type="application/json")
    form.add_field("files[0]", content, content_type=media_type, filename=name)
    return {"data": form}


def is_object(value: object) -> TypeGuard[Json]:
    return isinstance(value, dict)


def text_of(answer: Json, key: str) -> str:
    """A string field that Discord always sends. Raises SurfaceUnavailable when it is missing."""
    value = answer.get(key)
    if not isinstance(value, str):
        raise SurfaceUnavailable(f"the answer has no text field {key}")
    return value


def _bucket(method: str, path: str, ids: Mapping[str, str]) -> str:
    """Limits are kept per route and top-level resource: channel, guild, webhook and its token ("Rate Limits")."""
    major = ":".join(ids.get(key, "") for key in ("channel", "guild", "application", "token"))
    return f"{method} {path} {major}"


def _parse(response: aiohttp.ClientResponse, raw: bytes) -> object:
    if "json" not in response.content_type or not raw:
        return None
    try:
        return json.loads(raw)
    except ValueError:
        return None


def _seconds(value: object) -> float | None:
    if not isinstance(value, (str, int, float)):
        return None
    try:
        return max(0.0, float(value))
    except ValueError:
        return None
