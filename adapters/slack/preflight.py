"""What is checked before we listen: tokens, scopes, addresses. Every failure names the setting to change."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Mapping

import aiohttp
from slack_sdk.web.async_client import AsyncWebClient
from slack_sdk.web.async_slack_response import AsyncSlackResponse

from adapters.slack._errors import SDK_ERRORS, code_of, reason, status_of, surface_error
from adapters.slack.inbound import Me
from adapters.slack.settings import SlackSettings
from core.chat import ConfigError, RateLimited, SurfaceUnavailable
from core.chat.starting import insistently

log = logging.getLogger(__name__)

ESSENTIAL_SCOPES = ("app_mentions:read", "chat:write", "im:history")
WANTED_SCOPES = (
    "channels:history",
    "groups:history",
    "mpim:history",
    "commands",
    "files:write",
    "reactions:read",
    "users:read",
)

_BOT_TOKEN_REMEDY = "Copy the Bot User OAuth Token (xoxb-…) from the app's page, OAuth & Permissions."
_APP_TOKEN_REMEDY = (
    "Make an app-level token (xapp-…) with the scope connections:write on the app's page, Basic Information."
)
_WRONG_TOKEN = {
    "account_inactive": "the app was removed from the workspace or its token revoked.",
    "invalid_auth": "Slack does not know this token.",
    "missing_scope": "the token lacks the scope connections:write.",
    "no_permission": "the token may not do this.",
    "not_allowed_token_type": "this is another kind of token.",
    "not_authed": "no token was sent.",
    "token_expired": "the token has expired.",
    "token_revoked": "the token was revoked.",
}


def check_settings(settings: SlackSettings) -> None:
    """Find what is wrong without asking Slack. Raises ConfigError."""
    if not settings.bot_token:
        raise ConfigError("SLACK_BOT_TOKEN", "is not set.", _BOT_TOKEN_REMEDY)
    if settings.bot_token.startswith(("xapp-", "xoxp-")):
        raise ConfigError("SLACK_BOT_TOKEN", "this is not a bot token.", _BOT_TOKEN_REMEDY)
    if settings.app_token.startswith(("xoxb-", "xoxp-")):
        raise ConfigError("SLACK_APP_TOKEN", "this is not an app-level token.", _APP_TOKEN_REMEDY)
    if settings.listens and not settings.app_token and not settings.signing_secret:
        raise ConfigError(
            "SLACK_APP_TOKEN",
            "neither SLACK_APP_TOKEN (Socket Mode) nor SLACK_SIGNING_SECRET (HTTP) is set.",
            _APP_TOKEN_REMEDY,
        )
    if not settings.api_url.startswith(("https://", "http://")):
        raise ConfigError("SLACK_API_URL", "is not an http address.", "The default is https://slack.com/api/.")


async def identify(client: AsyncWebClient, settings: SlackSettings) -> Me:
    """Ask who we are (auth.test) and whether the scopes do. Raises ConfigError."""
    try:
        answer = await _asked("auth.test", client.auth_test)
    except SDK_ERRORS as exc:
        raise _refused("SLACK_BOT_TOKEN", _BOT_TOKEN_REMEDY, exc, settings) from exc
    _check_scopes(answer.headers)
    return Me(
        team=str(answer.get("team_id") or ""),
        user=str(answer.get("user_id") or ""),
        bot=str(answer.get("bot_id") or ""),
        name=str(answer.get("user") or "Parley"),
    )


async def check_socket_mode(client: AsyncWebClient, settings: SlackSettings) -> None:
    """Ask for one Socket Mode address and let it lapse. Raises ConfigError."""
    try:
        await _asked("apps.connections.open", lambda: client.apps_connections_open(app_token=settings.app_token))
    except SDK_ERRORS as exc:
        raise _refused("SLACK_APP_TOKEN", _APP_TOKEN_REMEDY, exc, settings) from exc


def app_token_error(code: str) -> ConfigError:
    """What to tell the operator when Slack refuses a Socket Mode address with `code`."""
    return ConfigError("SLACK_APP_TOKEN", _WRONG_TOKEN.get(code, f"Slack says {code}."), _APP_TOKEN_REMEDY)


def is_token_refusal(code: str) -> bool:
    return code in _WRONG_TOKEN


async def _asked(method: str, call: Callable[[], Awaitable[AsyncSlackResponse]]) -> AsyncSlackResponse:
    """What Slack answers, asked again while it does not answer or asks to wait. Raises `SDK_ERRORS`."""

    async def attempt() -> AsyncSlackResponse:
        try:
            return await call()
        except SDK_ERRORS as exc:
            if not _is_final(exc):
                raise surface_error(method, exc) from exc
            raise

    try:
        return await insistently(method, attempt)
    except (RateLimited, SurfaceUnavailable) as exc:
        assert isinstance(exc.__cause__, SDK_ERRORS)
        raise exc.__cause__ from None


def _is_final(error: Exception) -> bool:
    """Whether Slack would answer the same a minute later: a clear no, or the answer of somebody who is not Slack."""
    if not isinstance(surface_error("", error), RateLimited | SurfaceUnavailable):
        return True
    if isinstance(error, aiohttp.ClientConnectorCertificateError):
        return True
    return not code_of(error) and (300 <= status_of(error) < 500 and status_of(error) != 429)


def _refused(setting: str, remedy: str, error: Exception, settings: SlackSettings) -> ConfigError:
    code = code_of(error)
    if code in _WRONG_TOKEN:
        return ConfigError(setting, _WRONG_TOKEN[code], remedy)
    if isinstance(limited := surface_error("", error), RateLimited):
        wait = f"{settings.api_url} asks to be left alone for {limited.retry_after_s:.0f} s."
        return ConfigError("SLACK_API_URL", wait, "Start again then.")
    if code and status_of(error) == 200:
        return ConfigError(setting, f"Slack says {code}.", remedy)
    return ConfigError("SLACK_API_URL", f"{settings.api_url} does not answer as Slack does: {code or reason(error)}.")


def _check_scopes(headers: Mapping[str, str]) -> None:
    """Compare with the `x-oauth-scopes` header of every Web API answer; without the header there is nothing to say."""
    named = next((value for field, value in headers.items() if field.lower() == "x-oauth-scopes"), None)
    if named is None:
        return
    granted = {scope.strip() for scope in named.split(",")}
    if missing := [scope for scope in ESSENTIAL_SCOPES if scope not in granted]:
        raise ConfigError(
            "SLACK_BOT_TOKEN",
            f"the app lacks the scopes {', '.join(missing)}.",
            "Add them on the app's page, OAuth & Permissions, and install the app again.",
        )
    if lacking := [scope for scope in WANTED_SCOPES if scope not in granted]:
        log.warning("slack.scopes.missing", extra={"scopes": ",".join(lacking)})
