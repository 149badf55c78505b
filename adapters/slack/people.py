"""Who administers the workspace."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping
from typing import Any

from slack_sdk.web.async_client import AsyncWebClient

from adapters.slack._errors import SDK_ERRORS, surface_error

log = logging.getLogger(__name__)

KEPT_S = 300.0
_KEPT = 1000
_ADMIN = ("is_admin", "is_owner", "is_primary_owner")
_NEVER = ("deleted", "is_bot", "is_restricted", "is_stranger", "is_ultra_restricted")


class People:
    """Asks `users.info` (Tier 4, scope users:read) and remembers the answer for five minutes."""

    def __init__(self, client: AsyncWebClient, now: Callable[[], float] = time.monotonic) -> None:
        self._client = client
        self._now = now
        self._known: dict[str, tuple[float, bool]] = {}

    async def is_admin(self, user: str) -> bool:
        """True only when Slack says so just now or did lately: no answer means no."""
        known = self._known.get(user)
        if known and known[0] > self._now():
            return known[1]
        try:
            answer = await self._client.users_info(user=user)
        except SDK_ERRORS as exc:
            log.warning("slack.admin.unknown", extra={"reason": str(surface_error("users.info", exc))})
            return False
        verdict = administers(answer.get("user") or {})
        if len(self._known) >= _KEPT:
            self._known.clear()
        self._known[user] = (self._now() + KEPT_S, verdict)
        return verdict


def administers(profile: Mapping[str, Any]) -> bool:
    """Read a user object of Slack's: an admin or owner who is a member, not a bot, guest, stranger or gone."""
    return any(profile.get(mark) is True for mark in _ADMIN) and not any(profile.get(mark) for mark in _NEVER)
