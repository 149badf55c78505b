"""The gateway connection: discord.py's client, set up to hear only what we need and to remember nothing.

Supervision is ours: discord.py's client ends for good after some failures (a frame that is no JSON, no answer at
the first `GET /gateway/bot`), and a client that has ended cannot be started again. So each round builds a new one.
"""

from __future__ import annotations

import asyncio
import logging
import math
import random
import time
from collections.abc import Awaitable, Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Any, Final

import aiohttp
import discord
import yarl
from discord import app_commands
from discord.gateway import DiscordWebSocket
from discord.http import Route

from core.chat import ConfigError

log = logging.getLogger(__name__)

PORTAL: Final = "https://discord.com/developers/applications"
_FATAL: Final = {
    4010: "Discord refused the shard numbers.",
    4011: "this bot is in too many servers for the shards it asked for.",
    4012: "Discord does not know this gateway version any more.",
    4013: "Discord refused the intents.",
}
"""Close codes after which connecting again is pointless ("Gateway Close Event Codes"), besides 4004 for the token
and 4014 for the intents."""

_GREETINGS: Final = ("READY", "RESUMED")
"""Without these there is no session: where they cannot be read, the client has to end."""

_LATENCY_BOUND_S: Final = 30.0
_STEADY_S: Final = 60.0
_LONGEST_WAIT_S: Final = 300.0
"""Between connections that Discord ends soon after: each costs one of a thousand IDENTIFYs a day ("Gateway")."""
_UNREACHED_WAIT_S: Final = 30.0
"""While Discord cannot be reached at all: trying uses nothing up, and people write as soon as it is back."""
_BLOCKED_WAIT_S: Final = 600.0
_GOODBYE_S: Final = 5.0


def bad_token(problem: str = "Discord does not accept this token.") -> ConfigError:
    return ConfigError("DISCORD_BOT_TOKEN", problem, f"Copy it from {PORTAL}, your app, Bot, Reset Token.")


def no_message_content() -> ConfigError:
    return ConfigError(
        "DISCORD_BOT_TOKEN",
        "the Message Content intent is switched off for this bot.",
        f"Switch it on at {PORTAL}, your app, Bot, Privileged Gateway Intents.",
    )


def intents() -> discord.Intents:
    """Servers (with their channels, threads and roles), messages there and in DMs, what they say, reactions to them."""
    wanted = discord.Intents.none()
    wanted.guilds = True
    wanted.guild_messages = True
    wanted.dm_messages = True
    wanted.guild_reactions = True
    wanted.dm_reactions = True
    wanted.message_content = True
    return wanted


class Ears:
    """What the connection reports to. Each method returns at once or is a task of discord.py's, off the read loop."""

    def said(self, message: discord.Message) -> None:
        """Somebody wrote a message."""

    def edited(self, message: discord.Message) -> None:
        """A message changed; perhaps not in what it says."""

    def deleted(self, guild: int | None, channel: int, messages: Collection[int]) -> None:
        """Messages are gone."""

    def reacted(self, reaction: discord.RawReactionActionEvent) -> None:
        """Somebody put a reaction on a message."""

    async def pressed(self, interaction: discord.Interaction, custom_id: str) -> None:
        """Somebody pressed a button under one of our messages."""

    def greeted(self, shard_id: int) -> None:
        """A new session begins: what happened between it and the one before will not be reported."""

    def session_began(self, client: discord.Client, shard_id: int) -> None:
        """That session has listed its servers and channels; `client` knows them now."""


class GatewayClient(discord.AutoShardedClient):
    """Hears messages, buttons and commands; says nothing by itself."""

    def __init__(self, ears: Ears, add_commands: Callable[[app_commands.CommandTree[discord.Client]], None]) -> None:
        super().__init__(
            intents=intents(),
            max_messages=None,
            member_cache_flags=discord.MemberCacheFlags.none(),
            chunk_guilds_at_startup=False,
            guild_ready_timeout=0.5,
            allowed_mentions=discord.AllowedMentions.none(),
            max_ratelimit_timeout=30.0,
            shard_connect_timeout=60.0,
        )
        self._ears = ears
        self.tree: app_commands.CommandTree[discord.Client] = app_commands.CommandTree(self)
        add_commands(self.tree)
        parsers = self._connection.parsers
        parsers.update({event: _contained(event, parse) for event, parse in parsers.items() if event not in _GREETINGS})

    async def on_message(self, message: discord.Message) -> None:
        self._ears.said(message)

    async def on_raw_message_edit(self, event: discord.RawMessageUpdateEvent) -> None:
        self._ears.edited(event.message)

    async def on_raw_message_delete(self, event: discord.RawMessageDeleteEvent) -> None:
        self._ears.deleted(event.guild_id, event.channel_id, [event.message_id])

    async def on_raw_bulk_message_delete(self, event: discord.RawBulkMessageDeleteEvent) -> None:
        self._ears.deleted(event.guild_id, event.channel_id, event.message_ids)

    async def on_raw_reaction_add(self, event: discord.RawReactionActionEvent) -> None:
        self._ears.reacted(event)

    async def on_interaction(self, interaction: discord.Interaction) -> None:
        if interaction.type is discord.InteractionType.component:
            fields: Mapping[str, object] = {**(interaction.data or {})}
            custom_id = fields.get("custom_id")
            if isinstance(custom_id, str):
                await self._ears.pressed(interaction, custom_id)

    async def on_shard_connect(self, shard_id: int) -> None:
        self._ears.greeted(shard_id)

    async def on_shard_ready(self, shard_id: int) -> None:
        log.info("discord.session_began", extra={"shard_id": shard_id})
        self._ears.session_began(self, shard_id)

    async def on_error(self, event_method: str, /, *args: object, **kwargs: object) -> None:
        log.exception("discord.handler_failed", extra={"handler": event_method})

    def unready(self) -> str | None:
        """Why events would not arrive just now; None when they would."""
        if self.is_closed() or not self.shards:
            return "not connected to Discord"
        if any(shard.is_closed() for shard in self.shards.values()):
            return "the connection to Discord is lost"
        if not self.is_ready():
            return "Discord has not finished the greeting"
        if math.isfinite(self.latency) and self.latency > _LATENCY_BOUND_S:
            return f"Discord answers after {self.latency:.0f} s"
        return None


def _contained(event: str, parse: Callable[[Any], None]) -> Callable[[Any], None]:
    """`parse`, but an event it cannot read is logged and left out. discord.py would end the client for it, and with it
    the session: seconds of deafness for every server, each time longer while such events go on coming."""

    def contained(data: Any) -> None:  # Any: an event as discord.py has read it from JSON
        try:
            parse(data)
        except Exception as exc:
            log.warning("discord.event_unreadable", extra={"event": event, "error": type(exc).__name__})

    return contained


@dataclass(frozen=True, slots=True)
class _End:
    """Why a client has ended, and the bounds of the pause before the next one (s)."""

    reason: str
    at_least_s: float = 0.0
    at_most_s: float = _LONGEST_WAIT_S


class Gateway:
    """Keeps one GatewayClient connected until cancelled."""

    def __init__(
        self,
        token: str,
        api_url: str,
        gateway_url: str,
        build: Callable[[], GatewayClient],
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._token = token
        self._api_url = api_url.rstrip("/")
        self._gateway_url = gateway_url
        self._build = build
        self._sleep = sleep
        self._client: GatewayClient | None = None
        self.restarts = 0

    def unready(self) -> str | None:
        return self._client.unready() if self._client is not None else "not connected to Discord"

    async def run(self) -> None:
        """Connect, and connect anew with growing pauses. Raises ConfigError for what no retry can mend."""
        wait = 1.0
        while True:
            began = time.monotonic()
            end = await self._one_client()
            if time.monotonic() - began > _STEADY_S:
                wait = 1.0
            self.restarts += 1
            pause = max(end.at_least_s, min(wait, end.at_most_s) * random.uniform(0.75, 1.25))
            log.warning("discord.gateway_lost", extra={"reason": end.reason, "retry_s": round(pause, 1)})
            await self._sleep(pause)
            wait = min(wait * 2, end.at_most_s)

    async def _one_client(self) -> _End:
        """Run one client to its end.

        It resumes a session by itself, once. What discord.py does after that, waiting ever longer, up to 17 minutes,
        and forgetting a failure only after 34, is switched off (`reconnect`).
        """
        # both are class attributes of discord.py, so one process talks to one Discord
        Route.BASE = self._api_url
        DiscordWebSocket.DEFAULT_GATEWAY = yarl.URL(self._gateway_url)
        client = self._build()
        try:
            self._client = client
            await client.start(self._token, reconnect=False)
        except discord.LoginFailure:
            raise bad_token() from None
        except discord.PrivilegedIntentsRequired:
            raise no_message_content() from None
        except discord.ConnectionClosed as exc:
            if exc.code == 4004:
                raise bad_token() from None
            if exc.code in _FATAL:
                raise ConfigError("DISCORD_BOT_TOKEN", _FATAL[exc.code]) from None
            return _End(f"closed with {exc.code}")
        except discord.HTTPException as exc:
            # a 429 that is no API answer comes from the wall before the API and lasts for minutes
            if exc.status == 429:
                return _End("HTTP 429", at_least_s=_BLOCKED_WAIT_S)
            return _End(f"HTTP {exc.status}", at_most_s=_UNREACHED_WAIT_S)
        except (OSError, aiohttp.ClientError) as exc:
            return _End(type(exc).__name__, at_most_s=_UNREACHED_WAIT_S)
        except Exception as exc:
            log.debug("discord.client_ended", exc_info=exc)
            return _End(type(exc).__name__)
        finally:
            self._client = None
            await _close(client)
        return _End("closed by Discord")


async def _close(client: GatewayClient) -> None:
    """Close `client` within a bound: a dead connection never answers our goodbye."""
    greeting = getattr(client._connection, "_ready_task", None)
    if isinstance(greeting, asyncio.Task):  # waits for more guilds to be announced; discord.py leaves it behind
        greeting.cancel()
        await asyncio.gather(greeting, return_exceptions=True)
    try:
        async with asyncio.timeout(_GOODBYE_S):
            await client.close()
    except TimeoutError:
        await client.http.close()
    except AttributeError:  # it was cancelled before it had anything to close
        pass
