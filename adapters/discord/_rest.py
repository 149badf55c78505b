"""REST: one call to Discord's HTTP API, answered or refused at once. It never waits for a rate limit by itself.

Why not the HTTP client inside discord.py: that one sleeps within the call, through a 429 and also after a success
that used a bucket up, and then sends the text it was given before the wait. Core paces all replicas together and
holds the newest text, so it must hear of a limit immediately (`RateLimited`) and try again with what is newest.

What this class does keep is the promise to Discord: after a 429, or once `X-RateLimit-Remaining` is 0, nothing is
sent on that bucket (after a global 429 or a block: nothing at all) before the time Discord named ("Rate Limits"). The
budget that all replicas share hears of it, so that none of them sends anything then. A Reply has asked that budget
before it makes a call (`GIVEN`); every other call asks here, and waits for a bounded time.
"""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, TypeGuard

import aiohttp
import discord

from adapters.discord._errors import ApiError
from adapters.discord.limits import EVERYTHING, GLOBAL, INVALID, Learned, draws_of
from core.chat import Draws, RateLimited, SurfaceUnavailable
from core.replies import LocalBudget, Priority, RateBudget
from core.replies.admission import admitted

log = logging.getLogger(__name__)

Json = Mapping[str, object]
"""One JSON object as Discord sent it."""

TIMEOUT_S: Final = 30.0
BLOCKED_S: Final = 600.0
"""How long we stay silent when a 429 names no time: it comes from the wall before the API, whose blocks of an address
last for minutes, and each further request makes them longer ("Invalid Request Limit")."""

_EVERYTHING: Final = "*"
_USER_AGENT: Final = f"DiscordBot (https://discordpy.readthedocs.io, {discord.__version__}) Parley"


@dataclass(frozen=True, slots=True)
class Asking:
    """How a call asks for its place in the budget: what it is worth, and how long it waits."""

    worth: Priority
    wait_s: float


MATTERS: Final = Asking(Priority.NOTICE, 5.0)
COURTESY: Final = Asking(Priority.STATUS, 0.5)
"""Nobody misses it."""
GIVEN: Final = None
"""Whoever calls has a place already."""


class Rest:
    """Discord's HTTP API at `api_url`, as the bot that `token` belongs to. Open it before use, close it after."""

    def __init__(self, api_url: str, token: str, now: Callable[[], float] = time.monotonic) -> None:
        self._url = api_url.rstrip("/")
        self._authorization = f"Bot {token}"
        self._now = now
        self._closed_until: dict[str, float] = {}
        self._budget: RateBudget = LocalBudget()
        self.learned = Learned()
        """What the answers said of the budgets of `limits.draws`."""
        self._session: aiohttp.ClientSession | None = None

    async def open(self, budget: RateBudget | None = None) -> None:
        """budget: what calls ask that have no place yet, None for who is alone."""
        self._budget = budget or self._budget
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
        asking: Asking | None = MATTERS,
        **ids: str,
    ) -> Json:
        """Make one call and return the JSON object it answered with, {} for none; a list comes under "items".

        path: as in the documentation, `/channels/{channel}/messages/{message}`, filled from `ids`.
        file: name, media type and bytes of one to be uploaded with `body` ("Uploading Files").
        bot: send the bot's token; calls that carry an interaction token in their path go without.
        asking: for its place in the budget; calls that go without the bot's token ask for none.
        Raises ApiError for a refusal, RateLimited, and SurfaceUnavailable when there was no answer or a 5xx.
        """
        route, bucket = f"{method} {path}", _bucket(method, path, ids)
        draws, asks = draws_of(route, _major(ids), self.learned), bot and asking is not None
        if bot and asking is not None:
            await self.admitted(route, asking, **ids)
        self._check_open(bucket, route, noted=bot)
        if self._session is None:
            raise SurfaceUnavailable(f"{route}: the connection is closed")
        headers = {"Authorization": self._authorization} if bot else {}
        try:
            async with self._session.request(
                method, self._url + path.format_map(ids), headers=headers, **_content(body, file)
            ) as response:
                answer = _parse(response, await response.read())
                status, headers_told = response.status, response.headers
        except (aiohttp.ClientError, OSError, TimeoutError) as exc:
            raise SurfaceUnavailable(f"{route}: {type(exc).__name__}") from exc
        self.learned.heed(route, headers_told)
        if status in (401, 403) or (status == 429 and headers_told.get("X-RateLimit-Scope") != "shared"):
            await self._note_invalid()
        if status != 429:
            await self._heed(bucket, draws if bot else None, headers_told)
        if 200 <= status < 300:
            return {"items": answer} if isinstance(answer, list) else answer if is_object(answer) else {}
        refusal = self._refusal(route, bucket, status, answer, headers_told.get("Retry-After"))
        if asks and isinstance(refusal, ApiError) and refusal.retry_after_s is not None:
            await self._budget.refused(draws, refusal.bucket, refusal.retry_after_s)
            refusal.noted = True
        raise refusal

    async def admitted(self, route: str, asking: Asking = MATTERS, **ids: str) -> None:
        """Wait for the place of a call that is not made here, but by discord.py. Raises RateLimited when none comes."""
        draws = draws_of(route, _major(ids), self.learned)
        await admitted(self._budget, draws, asking.worth, asking.wait_s)

    def _check_open(self, bucket: str, route: str, *, noted: bool) -> None:
        now = self._now()
        if (wait := self._closed_until.get(_EVERYTHING, 0.0) - now) > 0:
            raise RateLimited(f"{route}: waiting as Discord asked", wait, GLOBAL, noted=noted)
        if (wait := self._closed_until.get(bucket, 0.0) - now) > 0:
            raise RateLimited(f"{route}: waiting as Discord asked", wait, noted=noted)

    async def _note_invalid(self) -> None:
        """Count a request that Discord holds against our address, and fall silent when there are too many."""
        counted = await self._budget.take(INVALID, "", Priority.FINAL, patience_s=0.0)
        if not counted.go:
            log.error("discord.invalid_requests.too_many", extra={"seconds": round(counted.wait_s)})
            self._close(_EVERYTHING, counted.wait_s)
            await self._budget.used_up(EVERYTHING, GLOBAL, counted.wait_s)

    def _close(self, bucket: str, seconds: float) -> None:
        now = self._now()
        if len(self._closed_until) > 1000:
            self._closed_until = {key: at for key, at in self._closed_until.items() if at > now}
        self._closed_until[bucket] = max(self._closed_until.get(bucket, 0.0), now + seconds)

    async def _heed(self, bucket: str, draws: Draws | None, headers: Mapping[str, str]) -> None:
        """Keep away from a bucket that has nothing left. draws: where the other replicas will look for it."""
        seconds = _seconds(headers.get("X-RateLimit-Reset-After")) or 0.0
        if headers.get("X-RateLimit-Remaining") != "0" or not seconds:
            return
        self._close(bucket, seconds)
        if draws is not None:
            await self._budget.used_up(draws, draws.buckets[0].name, seconds)

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
    return f"{method} {path.partition('?')[0]} {major}"


def _major(ids: Mapping[str, str]) -> str:
    """The resource that a call of the bot's is counted for, "" where it is counted for all."""
    return ids.get("channel") or ids.get("guild") or ids.get("application", "")


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
