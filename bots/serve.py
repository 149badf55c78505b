"""`parley run`: every platform whose tokens are set, in one process or in one of several with a role each."""

from __future__ import annotations

import asyncio
import logging
import signal
from contextlib import AsyncExitStack

from aiohttp import web

from bots import garbage, health
from bots.assistant import make_answerer, model_label, provider_name
from bots.bot import Bot, no_platform, opened_store
from bots.settings import Settings, secret
from core.chat.adapter import Adapter

log = logging.getLogger(__name__)

DEFAULT_HTTP_PORT = 8080


async def serve(settings: Settings) -> None:
    """Run until SIGTERM or SIGINT. Raises ConfigError for whatever an operator must put right."""
    until = signalled()
    adapters, routes = make_adapters(settings)
    if not adapters:
        raise no_platform()
    role = settings.parley_role
    answerer = make_answerer(settings) if role != "ingress" else None
    name = model_label(settings)
    async with AsyncExitStack() as stack:
        store = await stack.enter_async_context(opened_store(settings))
        bot = Bot(settings, store, answerer, adapters, provider=provider_name(settings))
        if not await _entered(stack, bot, until):
            return
        app = health.application(store, bot.unready, routes if role != "worker" else [], role)
        port = settings.parley_http_port or DEFAULT_HTTP_PORT
        address = await stack.enter_async_context(health.served(app, settings.parley_http_host, port))
        if name == "demo" and answerer is not None:
            log.warning(
                "bot.demo_model", extra={"reason": "no model is set: set the key of a provider, or PARLEY_MODEL"}
            )
        log.info(
            "bot.started",
            extra={
                "role": role,
                "platforms": ",".join(a.platform for a in adapters),
                "model": name,
                "redis": store.where,
                "http": address,
            },
        )
        garbage.settle()
        await bot.run(until)
    log.info("bot.ended")


async def _entered(stack: AsyncExitStack, bot: Bot, until: asyncio.Event) -> bool:
    """Enter `bot`; False when the process is to end before its platforms have answered."""
    entering = asyncio.ensure_future(stack.enter_async_context(bot))
    ended = asyncio.ensure_future(until.wait())
    try:
        await asyncio.wait({entering, ended}, return_when=asyncio.FIRST_COMPLETED)
    finally:
        entering.cancel()
        ended.cancel()
        await asyncio.gather(entering, ended, return_exceptions=True)
    return not entering.cancelled() and bool(entering.result())


def make_adapters(settings: Settings) -> tuple[list[Adapter], list[web.RouteDef]]:
    """One adapter for each platform whose token is set; its package is imported only then."""
    adapters: list[Adapter] = []
    routes: list[web.RouteDef] = []
    if any(map(secret, (settings.slack_bot_token, settings.slack_app_token, settings.slack_signing_secret))):
        from adapters.slack import SlackAdapter, SlackSettings

        slack = SlackAdapter(
            SlackSettings(
                bot_token=secret(settings.slack_bot_token),
                app_token=secret(settings.slack_app_token),
                signing_secret=secret(settings.slack_signing_secret),
                api_url=settings.slack_api_url,
                streaming=settings.parley_slack_streaming,
                listens=settings.parley_role != "worker",
            )
        )
        adapters.append(slack)
        routes += slack.routes()
    if secret(settings.discord_bot_token):
        from adapters.discord import DiscordAdapter, DiscordSettings

        adapters.append(
            DiscordAdapter(
                DiscordSettings(
                    secret(settings.discord_bot_token),
                    settings.discord_api_url,
                    listens=settings.parley_role != "worker",
                )
            )
        )
    return adapters, routes


def signalled() -> asyncio.Event:
    """Set by SIGTERM or SIGINT; a second one ends the process the hard way."""
    until = asyncio.Event()
    loop = asyncio.get_running_loop()

    def on_signal(number: signal.Signals) -> None:
        if until.is_set():
            raise SystemExit(128 + number)
        log.info("bot.signal", extra={"signal": number.name})
        until.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, on_signal, number)
    return until
