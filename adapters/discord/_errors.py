"""Discord's refusals, translated once into core's tree.

The JSON `code` decides where there is one, else the HTTP status (API reference, "Opcodes and Status Codes").
"""

from __future__ import annotations

from typing import Final

from core.chat import (
    MessageFrozen,
    MessageGone,
    NotPermitted,
    PlacementGone,
    RateLimited,
    SegmentRejected,
    SurfaceError,
    SurfaceUnavailable,
)

UNKNOWN_CHANNEL: Final = 10003
UNKNOWN_MESSAGE: Final = 10008
UNKNOWN_WEBHOOK: Final = 10015
UNKNOWN_INTERACTION: Final = 10062
TOO_MANY_OLD_EDITS: Final = 30046
ALREADY_ACKNOWLEDGED: Final = 40060
MISSING_ACCESS: Final = 50001
EMPTY_MESSAGE: Final = 50006
MISSING_PERMISSIONS: Final = 50013
INVALID_WEBHOOK_TOKEN: Final = 50027
INVALID_FORM: Final = 50035
THREAD_ARCHIVED: Final = 50083
THREAD_EXISTS: Final = 160004
THREAD_LOCKED: Final = 160005
BLOCKED_BY_AUTOMOD: Final = frozenset({200000, 200001})

TOKEN_DEAD: Final = frozenset({UNKNOWN_WEBHOOK, UNKNOWN_INTERACTION, INVALID_WEBHOOK_TOKEN})
"""An interaction token that no longer works: expired, or its interaction is gone."""

_HINT: Final = (
    "in this channel the bot needs View Channel, Send Messages, Send Messages in Threads, "
    "Create Public Threads and Read Message History"
)


class ApiError(Exception):
    """Discord answered with an error status other than 5xx. `str()` holds no token and no message text.

    bucket, noted: what a 429 closes, and whether the budget knows, as in `core.chat.RateLimited`.
    """

    def __init__(
        self, route: str, status: int, code: int, reason: str, retry_after_s: float | None = None, bucket: str = ""
    ) -> None:
        super().__init__(f"{route}: HTTP {status}, code {code}: {reason}")
        self.status = status
        self.code = code
        self.retry_after_s = retry_after_s
        self.bucket = bucket
        self.noted = False


def to_surface_error(error: ApiError) -> SurfaceError:
    """The SurfaceError that says what to do about `error`."""
    text = str(error)
    match error.code:
        case 10008:
            return MessageGone(text)
        case 30046:  # comes with status 429: this message is too old to be edited often, a new one is not
            return MessageFrozen(text)
        case 10003 | 50083 | 160005:
            return PlacementGone(text)
        case 50001 | 50013:
            return NotPermitted(text, _HINT)
        case 50006 | 50035 | 200000 | 200001:
            return SegmentRejected(text)
    if error.status == 429:
        return RateLimited(text, error.retry_after_s or 1.0, error.bucket, noted=error.noted)
    if error.status == 401:
        return NotPermitted(text, "DISCORD_BOT_TOKEN is not accepted any more")
    if error.status == 403:
        return NotPermitted(text, _HINT)
    if error.status >= 500:
        return SurfaceUnavailable(text)
    if error.status == 404:
        return PlacementGone(text)
    return SegmentRejected(text)
