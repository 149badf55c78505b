"""The names of people and channels, asked of Discord when a report needs them; implements Directory."""

from __future__ import annotations

from adapters.discord._errors import ApiError
from adapters.discord._rest import Rest
from core.chat import SurfaceError

_KEPT = 1000


class People:
    """Asks `GET /users/{id}` and `GET /channels/{id}`; what was found is remembered while the process lives."""

    def __init__(self, rest: Rest) -> None:
        self._rest = rest
        self._known: dict[str, str] = {}

    async def name_of(self, one: str) -> str | None:
        """The name of `discord:<user>`, or of `discord:<guild>:<channel>` as `#name`."""
        if one not in self._known:
            try:
                name = await self._ask(one.split(":"))
            except (ApiError, SurfaceError):
                return None
            if len(self._known) >= _KEPT:
                self._known.clear()
            self._known[one] = name
        return self._known[one] or None

    async def _ask(self, parts: list[str]) -> str:
        if len(parts) == 2:
            user = await self._rest.call("GET", "/users/{user}", user=parts[1])
            return str(user.get("global_name") or user.get("username") or "")
        if parts[1] == "@me":
            return "direct message"
        channel = await self._rest.call("GET", "/channels/{channel}", channel=parts[-1])
        return f"#{channel['name']}" if channel.get("name") else ""
