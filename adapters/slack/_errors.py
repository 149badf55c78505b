"""SDK exceptions in, core's SurfaceError tree out. Errors are told apart by Slack's code, never by text.

Source of the codes: the error tables of chat.postMessage, chat.update, chat.delete and assistant.threads.setStatus on
docs.slack.dev (2026-11).
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

import aiohttp
from slack_sdk.errors import SlackApiError
from slack_sdk.web.async_slack_response import AsyncSlackResponse

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


class StillStreams(SurfaceUnavailable):
    """The message is a stream that has not ended, so it cannot be edited yet."""


SDK_ERRORS = (SlackApiError, aiohttp.ClientError, OSError, asyncio.TimeoutError, AttributeError)
"""What a call of the SDK may raise. AttributeError: it stumbles over a plain-text body with status 200."""

RATE_LIMITED = frozenset({"ratelimited", "rate_limited", "message_limit_exceeded"})
CONTENT_REFUSED = frozenset(
    {
        "block_mismatch",
        "invalid_attachments",
        "invalid_blocks",
        "invalid_blocks_format",
        "markdown_text_conflict",
        "msg_blocks_too_long",
        "msg_too_long",
        "no_text",
        "too_many_attachments",
    }
)
_MESSAGE_FROZEN = frozenset({"cant_update_message", "edit_window_closed"})
_MESSAGE_GONE = frozenset({"message_not_found"})
_PLACEMENT_GONE = frozenset(
    {
        "cannot_reply_to_message",
        "channel_is_archived",
        "channel_not_found",
        "external_channel_migrating",
        "invalid_thread_ts",
        "is_archived",
        "is_inactive",
        "not_in_channel",
        "restricted_action_thread_locked",
        "thread_not_found",
    }
)
_NOT_PERMITTED = {
    "access_denied": "the app may not use this method here",
    "account_inactive": "the app was removed or its token revoked: install it again",
    "app_access_restricted": "a workspace admin restricted the app",
    "ekm_access_denied": "the workspace's key management forbids it",
    "invalid_auth": "SLACK_BOT_TOKEN is wrong",
    "messages_tab_disabled": "switch on the Messages tab in the app's settings",
    "missing_scope": "add the scope and install the app again",
    "no_permission": "the app may not do this here",
    "not_allowed_token_type": "SLACK_BOT_TOKEN must be a bot token (xoxb-)",
    "not_authed": "SLACK_BOT_TOKEN is missing",
    "org_login_required": "the workspace is moving to an organisation",
    "posting_to_channel_denied": "a workspace policy keeps apps from posting in this channel",
    "restricted_action": "a workspace preference keeps the app from posting",
    "restricted_action_non_threadable_channel": "the channel does not allow threads",
    "restricted_action_read_only_channel": "the channel is read-only",
    "restricted_action_thread_only_channel": "the channel allows replies in threads only",
    "team_access_not_granted": "the organisation has not granted the app this workspace",
    "team_not_found": "the token does not belong to this workspace",
    "token_expired": "SLACK_BOT_TOKEN has expired",
    "token_revoked": "the app was removed or its token revoked: install it again",
}
_PASSING = frozenset(
    {"fatal_error", "internal_error", "request_timeout", "service_unavailable", "team_added_to_org", "update_failed"}
)
_RETRY_AFTER_S = 5.0


def code_of(error: BaseException) -> str:
    """Slack's error code, "" when the answer held none (no answer, an HTML page, an empty body)."""
    code = _body(error).get("error")
    return code if isinstance(code, str) else ""


def status_of(error: BaseException) -> int:
    """The HTTP status, 0 when there was no answer."""
    response = getattr(error, "response", None)
    if isinstance(response, AsyncSlackResponse):
        return response.status_code
    return int(getattr(response, "status", 0) or 0)


def surface_error(method: str, error: BaseException) -> SurfaceError:
    """Return what core is to be told about `error` of the call `method`; what is fit to be told already is kept."""
    if isinstance(error, SurfaceError):
        return error
    code, status = code_of(error), status_of(error)
    said = f"{method}: {code or reason(error)}"
    if status == 429 or code in RATE_LIMITED:
        return RateLimited(said, _retry_after_s(error))
    if code in CONTENT_REFUSED or code.startswith(("slack_connect_", "invalid_metadata", "metadata_")):
        return SegmentRejected(said)
    if code in _MESSAGE_FROZEN:
        return MessageFrozen(said)
    if code in _MESSAGE_GONE:
        return MessageGone(said)
    if code in _PLACEMENT_GONE:
        return PlacementGone(said)
    if code in _NOT_PERMITTED or code.startswith("restricted_action"):
        return NotPermitted(said, _hint(code, _body(error)))
    if code == "streaming_state_conflict":
        return StillStreams(said)
    if not code or code in _PASSING or status >= 500:
        return SurfaceUnavailable(said)
    return SurfaceError(said)


def reason(error: BaseException) -> str:
    """Why there was no answer of Slack's, in a few words without addresses or tokens."""
    if isinstance(error, SlackApiError):
        return f"HTTP {status_of(error)} without an answer of Slack's" if status_of(error) else "an unreadable answer"
    if isinstance(error, asyncio.TimeoutError):
        return "no answer in time"
    if isinstance(error, aiohttp.ClientConnectorCertificateError):
        return "the server's certificate is not trusted"
    if isinstance(error, aiohttp.ClientConnectorError):
        return f"no connection ({error.os_error.strerror or type(error.os_error).__name__})"
    return f"no answer ({type(error).__name__})"


def _body(error: BaseException) -> Mapping[str, object]:
    data = getattr(getattr(error, "response", None), "data", None)
    return data if isinstance(data, Mapping) else {}


def _hint(code: str, body: Mapping[str, object]) -> str:
    if code == "missing_scope" and body.get("needed"):
        return f"missing scope {body['needed']}: {_NOT_PERMITTED[code]}"
    return _NOT_PERMITTED.get(code, code)


def _retry_after_s(error: BaseException) -> float:
    headers = getattr(getattr(error, "response", None), "headers", None) or {}
    for field, value in dict(headers).items():
        if str(field).lower() == "retry-after":
            try:
                return max(1.0, float(value))
            except (TypeError, ValueError):
                break
    return _RETRY_AFTER_S
