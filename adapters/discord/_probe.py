"""Checks at the start: is this token good, is this address Discord, may the bot read messages?"""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass
from typing import Final

import aiohttp
import yarl

from adapters.discord._errors import ApiError, to_surface_error
from adapters.discord._gateway import bad_token, intents, no_message_content
from adapters.discord._rest import Asking, Json, Rest, is_object, text_of
from core.chat import ConfigError, RateLimited, SurfaceError
from core.chat.starting import MOST_WAIT_S, insistently
from core.replies import Priority

_AT_START: Final = Asking(Priority.NOTICE, MOST_WAIT_S)
"""All replicas may be started at once: each keeps its place in line, for as long as a platform may make it wait."""

_MESSAGE_CONTENT: Final = 1 << 18 | 1 << 19
"""GATEWAY_MESSAGE_CONTENT and GATEWAY_MESSAGE_CONTENT_LIMITED ("Application Flags")."""
_DISALLOWED_INTENTS: Final = 4014
_GREETING_S: Final = 10.0


@dataclass(frozen=True, slots=True)
class Account:
    """Who the token belongs to, and where its gateway is."""

    user: str
    name: str
    application: str
    gateway_url: str


async def check_account(rest: Rest, api_url: str, token: str, *, listens: bool = True) -> Account:
    """Ask Discord who we are, and if need be, for one that listens, whether it may read. Raises ConfigError naming
    the setting to mend."""
    try:
        user = await _asked(rest, "/users/@me")
        application = await _application(rest)
        gateway = await _asked(rest, "/gateway/bot")
        account = Account(
            user=text_of(user, "id"),
            name=str(user.get("global_name") or user.get("username") or ""),
            application=text_of(application, "id"),
            gateway_url=text_of(gateway, "url"),
        )
    except ApiError as exc:
        if exc.status == 401:
            raise bad_token() from exc
        raise _wrong_address(api_url, f"answers with HTTP {exc.status}") from exc
    except RateLimited as exc:
        raise _wrong_address(api_url, f"asks to be left alone for {exc.retry_after_s:.0f} s") from exc
    except SurfaceError as exc:
        raise _wrong_address(api_url, f"does not answer as Discord does ({exc})") from exc
    flags = application.get("flags")
    if listens and isinstance(flags, int) and not flags & _MESSAGE_CONTENT:
        # the application's flags may be cut off on their way through a proxy; the gateway itself knows
        await _check_intents(account.gateway_url, token)
    return account


def _wrong_address(api_url: str, problem: str) -> ConfigError:
    return ConfigError(
        "DISCORD_API_URL", f"{api_url} {problem}.", "Usually https://discord.com/api/v10; check the network."
    )


async def _asked(rest: Rest, path: str) -> Json:
    """What Discord answers, asked again while it does not answer or asks to wait. Raises ApiError and SurfaceError."""

    async def attempt() -> Json:
        try:
            return await rest.call("GET", path, asking=_AT_START)
        except ApiError as exc:
            if exc.status == 429:
                raise to_surface_error(exc) from exc
            raise

    return await insistently(f"GET {path}", attempt)


async def _application(rest: Rest) -> Json:
    try:
        return await _asked(rest, "/applications/@me")
    except ApiError as exc:
        if exc.status != 404:
            raise
        return await _asked(rest, "/oauth2/applications/@me")


async def _check_intents(gateway_url: str, token: str) -> None:
    """Identify once and see whether the gateway refuses our intents. Any other trouble is `listen`'s to meet."""
    identify = {
        "op": 2,
        "d": {
            "token": token,
            "intents": intents().value,
            "properties": {"os": "linux", "browser": "parley", "device": "parley"},
        },
    }
    url = yarl.URL(gateway_url).with_query(v="10", encoding="json")
    try:
        async with (
            asyncio.timeout(_GREETING_S),
            aiohttp.ClientSession() as session,
            session.ws_connect(url, max_msg_size=0) as ws,
        ):
            await ws.send_json(identify)
            async for frame in ws:
                event = json.loads(frame.data)
                if is_object(event) and (event.get("t") == "READY" or event.get("op") == 9):
                    return
            code = ws.close_code
    except (aiohttp.ClientError, OSError, TimeoutError, ValueError, TypeError):
        return
    if code == _DISALLOWED_INTENTS:
        raise no_message_content()
