"""Who people are: their names, and whether they administer the workspace."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from slack_sdk.web.async_client import AsyncWebClient

from adapters.slack._admission import COURTESY_S, WAIT_S, Admission
from adapters.slack._errors import SDK_ERRORS, surface_error
from core.chat import RateLimited
from core.replies import Priority

log = logging.getLogger(__name__)

KEPT_S = 300.0
_KEPT = 1000
_ADMIN = ("is_admin", "is_owner", "is_primary_owner")
_NEVER = ("deleted", "is_bot", "is_restricted", "is_stranger", "is_ultra_restricted")


@dataclass(frozen=True, slots=True)
class _Known:
    until: float
    name: str
    is_admin: bool = False


class People:
    """Asks `users.info` (Tier 4, users:read) and `conversations.info` (Tier 3, channels:read); implements Directory.

    An answer is remembered for five minutes.
    """

    def __init__(self, client: AsyncWebClient, admission: Admission, now: Callable[[], float] = time.monotonic) -> None:
        self._client = client
        self._admission = admission
        self._now = now
        self._known: dict[str, _Known] = {}

    async def is_admin(self, user: str) -> bool:
        """True only when Slack says so just now or did lately: no answer means no."""
        person = await self._user(user, WAIT_S)
        return person is not None and person.is_admin

    async def name_of(self, one: str) -> str | None:
        """The name of `slack:<user>`, or of `slack:<team>:<channel>` as `#name`."""
        parts = one.split(":")
        known = await (self._user(parts[-1]) if len(parts) == 2 else self._channel(parts[-1]))
        return known.name if known and known.name else None

    async def _user(self, user: str, wait_s: float = COURTESY_S) -> _Known | None:
        if (known := self._remembered(user)) is not None:
            return known
        try:
            async with self._admission.to("users.info", worth=Priority.STATUS, wait_s=wait_s):
                answer = await self._client.users_info(user=user)
        except (RateLimited, *SDK_ERRORS) as exc:
            log.warning("slack.user.unknown", extra={"reason": str(surface_error("users.info", exc))})
            return None
        profile = answer.get("user") or {}
        return self._remember(user, _Known(self._now() + KEPT_S, _name(profile), administers(profile)))

    async def _channel(self, channel: str) -> _Known | None:
        if (known := self._remembered(channel)) is not None:
            return known
        try:
            async with self._admission.to_courtesy("conversations.info"):
                answer = await self._client.conversations_info(channel=channel)
        except RateLimited:
            return None
        except SDK_ERRORS as exc:
            log.debug("slack.channel.unknown", extra={"reason": str(surface_error("conversations.info", exc))})
            return self._remember(channel, _Known(self._now() + KEPT_S, ""))
        found = answer.get("channel") or {}
        name = "direct message" if found.get("is_im") else f"#{found['name']}" if found.get("name") else ""
        return self._remember(channel, _Known(self._now() + KEPT_S, name))

    def _remembered(self, key: str) -> _Known | None:
        known = self._known.get(key)
        return known if known and known.until > self._now() else None

    def _remember(self, key: str, known: _Known) -> _Known:
        if len(self._known) >= _KEPT:
            self._known.clear()
        self._known[key] = known
        return known


def _name(profile: Mapping[str, Any]) -> str:
    """What Slack shows for a person: the display name they chose, else the full name, else the handle."""
    inner = profile.get("profile") or {}
    return str(
        inner.get("display_name") or inner.get("real_name") or profile.get("real_name") or profile.get("name") or ""
    )


def administers(profile: Mapping[str, Any]) -> bool:
    """Read a user object of Slack's: an admin or owner who is a member, not a bot, guest, stranger or gone."""
    return any(profile.get(mark) is True for mark in _ADMIN) and not any(profile.get(mark) for mark in _NEVER)
