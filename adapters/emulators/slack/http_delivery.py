"""Deliveries as signed HTTP requests to the app's request URL.

Signature: "v0=" and the hex HMAC-SHA256, with the signing secret, of "v0:{timestamp}:{body}"
(docs.slack.dev/authentication/verifying-requests-from-slack). Commands and interactions are form-encoded, the
latter with one field `payload`.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
from typing import TYPE_CHECKING
from urllib.parse import urlencode

import aiohttp

from adapters.emulators.slack.deliveries import Answer, Attempt, Delivery, first
from adapters.emulators.slack.workspace import Json

if TYPE_CHECKING:
    from adapters.emulators.slack.core import Core

FORM = "application/x-www-form-urlencoded"


class HttpDelivery:
    """Sends to one request URL. It owns its HTTP session; close it."""

    def __init__(self, core: Core, url: str) -> None:
        self.url = url
        self._core = core
        self._session = aiohttp.ClientSession(trust_env=False)

    async def verify(self) -> bool:
        """Do the url_verification handshake and say whether the app gave the challenge back."""
        challenge = self._core.workspace.new_id("challenge")
        token = self._core.identity.verification_token
        body = json.dumps({"type": "url_verification", "token": token, "challenge": challenge})
        try:
            async with self._request(body.encode(), "application/json", {}) as response:
                text = await response.text()
        except (aiohttp.ClientError, TimeoutError):
            return False
        return response.status == 200 and challenge in text

    async def send(self, delivery: Delivery, attempt: Attempt) -> Answer:
        """Make one request; 2xx within three seconds acknowledges."""
        attempt.where = self.url
        body, kind = _encoded(delivery)
        headers = {}
        if attempt.number:
            headers = {"X-Slack-Retry-Num": str(attempt.number), "X-Slack-Retry-Reason": attempt.reason}
        deadline = self._core.now() + self._core.settings.ack_timeout_s
        work = asyncio.ensure_future(self._ask(body, kind, headers))
        return work.result() if await first(self._core.clock, work, deadline) else Answer("http_timeout")

    async def _ask(self, body: bytes, kind: str, headers: dict[str, str]) -> Answer:
        try:
            async with self._request(body, kind, headers) as response:
                text = await response.text()
        except aiohttp.ClientError:
            return Answer("connection_failed")
        if 200 <= response.status < 300:
            return Answer(payload=_payload(text, response.content_type))
        return Answer("http_error", no_retry=response.headers.get("X-Slack-No-Retry") == "1")

    def _request(
        self, body: bytes, kind: str, headers: dict[str, str]
    ) -> aiohttp.client._BaseRequestContextManager[aiohttp.ClientResponse]:
        timestamp = str(int(self._core.now()))
        secret = self._core.identity.signing_secret
        signed = {
            "Content-Type": kind,
            "User-Agent": "Slackbot 1.0 (+https://api.slack.com/robots)",
            "X-Slack-Request-Timestamp": timestamp,
            "X-Slack-Signature": sign(secret, timestamp, body),
        }
        return self._session.post(self.url, data=body, headers=signed | headers)

    async def aclose(self) -> None:
        await self._session.close()


def sign(secret: str, timestamp: str, body: bytes) -> str:
    """Return the X-Slack-Signature of a request. timestamp: the seconds of X-Slack-Request-Timestamp, as text."""
    base = b"v0:" + timestamp.encode() + b":" + body
    return "v0=" + hmac.new(secret.encode(), base, hashlib.sha256).hexdigest()


def _encoded(delivery: Delivery) -> tuple[bytes, str]:
    match delivery.kind:
        case "slash_commands":
            return urlencode({key: str(value) for key, value in delivery.payload.items()}).encode(), FORM
        case "interactive":
            return urlencode({"payload": json.dumps(delivery.payload)}).encode(), FORM
        case _:
            return json.dumps(delivery.payload).encode(), "application/json"


def _payload(text: str, content_type: str) -> Json | None:
    if not text:
        return None
    if content_type == "application/json":
        body = json.loads(text)
        return body if isinstance(body, dict) else None
    return {"text": text}
