"""The one HTTP session that everything to Slack goes through, and the proxy a person may have set."""

from __future__ import annotations

import ipaddress
import logging
import urllib.request
from dataclasses import dataclass
from urllib.parse import urlsplit

import aiohttp
from slack_sdk.web.async_client import AsyncWebClient

from adapters.slack.settings import SlackSettings

CALL_TIMEOUT_S = 12.0


@dataclass(frozen=True, slots=True)
class Web:
    """session: ours to close.  client: Slack's Web API with the bot token.  proxy: for whoever else connects."""

    session: aiohttp.ClientSession
    client: AsyncWebClient
    proxy: str | None

    @classmethod
    def connect(cls, settings: SlackSettings) -> Web:
        """Make the session; to be called inside the running loop. Nothing is sent yet."""
        session = aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=CALL_TIMEOUT_S), trust_env=False)
        proxy = proxy_for(settings.api_url)
        # No retries inside a call: a repeated chat.postMessage is a second message, and waiting is core's business.
        client = AsyncWebClient(
            token=settings.bot_token,
            base_url=settings.api_url,
            session=session,
            proxy=proxy,
            logger=_quiet("slack_sdk.parley"),  # below INFO it would put every body into a string, logged or not
            retry_handlers=[],
        )
        client.proxy = proxy  # the SDK has put HTTPS_PROXY in place of None, also for loopback and NO_PROXY
        return cls(session, client, proxy)

    async def aclose(self) -> None:
        await self.session.close()


def proxy_for(url: str) -> str | None:
    """The proxy that HTTPS_PROXY, HTTP_PROXY and NO_PROXY name for `url`; never one for this machine itself."""
    parts = urlsplit(url)
    host = parts.hostname or ""
    if _is_loopback(host) or urllib.request.proxy_bypass(host):
        return None
    return urllib.request.getproxies().get(parts.scheme) or None


def quiet_sdk_logs() -> None:
    """Keep the SDK's loggers from DEBUG, where they write message texts, response addresses and raw socket frames."""
    for name in ("slack_sdk", "slack_bolt"):
        _quiet(name)


def _quiet(name: str) -> logging.Logger:
    logger = logging.getLogger(name)
    logger.setLevel(max(logging.INFO, logger.getEffectiveLevel()))
    return logger


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")
