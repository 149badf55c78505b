"""The connection to Redis: one client for a process, its scripts loaded, its failures translated.

Commands are tried again with growing pauses for about `PATIENCE_S` seconds, so that a Redis that restarts is
waited for; after that StoreUnavailable is raised and nothing was certainly done.
"""

from __future__ import annotations

import asyncio
import contextlib
import re
from collections.abc import AsyncIterator, Awaitable, Iterator, Sequence
from importlib import resources
from typing import Any, cast

from redis.asyncio import Redis
from redis.asyncio.client import PubSub
from redis.asyncio.retry import Retry
from redis.backoff import ExponentialBackoff
from redis.commands.core import AsyncScript
from redis.exceptions import (
    ClusterDownError,
    MasterDownError,
    OutOfMemoryError,
    ReadOnlyError,
    RedisError,
    ResponseError,
    TryAgainError,
)
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import TimeoutError as RedisTimeoutError

from core.errors import ConfigError, StoreUnavailable

__all__ = ["SCRIPT_NAMES", "Store", "StoreError", "translated"]

StoreError = RedisError
"""Any error that Redis itself answers with; outside this package only to be reported, never to be told apart."""

SCRIPT_NAMES = ("accept", "journal", "lease", "release", "renew", "seal", "stop")

_CONNECT_TIMEOUT_S = 5.0
_ANSWER_TIMEOUT_S = 10.0
_LISTEN_S = 5.0
_RETRIES = 8
_PAUSE_MAX_S = 1.0  # 0.02 + 0.04 + ... + 1 + 1: about 3.5 s in all


_NOT_READY = (ClusterDownError, MasterDownError, OutOfMemoryError, ReadOnlyError, TryAgainError)
_NOT_READY_CODE = re.compile(
    r"(?:^|-)(BUSY|CLUSTERDOWN|LOADING|MASTERDOWN|MISCONF|NOREPLICAS|OOM|READONLY|TRYAGAIN|UNKILLABLE)\b"
)
"""What Redis answers while it cannot write; a script's error carries the code of the command that failed in it.
redis-py has classes for some of these, and takes the code out of their text."""


class Store:
    """Redis, ready to use. Make it with `Store.open`, close it with `aclose`."""

    def __init__(self, redis: Redis, where: str) -> None:
        """where: how an operator would call this Redis, without a password."""
        self.redis: Any = redis  # redis-py types each answer as bytes | str; decode_responses makes them all str
        self.where = where
        self._scripts: dict[str, AsyncScript] = {
            name: redis.register_script(_script_text(name)) for name in SCRIPT_NAMES
        }

    @classmethod
    async def open(cls, url: str, setting: str = "REDIS_URL") -> Store:
        """Connect to `url` (redis://, rediss:// or unix://). Raises ConfigError when it does not answer."""
        where = _without_password(url)
        try:
            redis, probe = _client(url, _RETRIES), _client(url, retries=2)
        except ValueError as exc:
            raise ConfigError(
                setting, "is not an address of a Redis server.", "Write it like redis://localhost:6379/0."
            ) from exc
        try:
            await cast("Awaitable[Any]", probe.ping())
        except (RedisError, OSError) as exc:
            raise ConfigError(
                setting,
                f"Redis at {where} does not answer ({_reason(exc)}).",
                "Start it, correct the address, or leave the setting out to use the built-in server.",
            ) from exc
        finally:
            await probe.aclose()
        return cls(redis, where)

    async def aclose(self) -> None:
        await self.redis.aclose()

    async def script(self, name: str, keys: Sequence[str], args: Sequence[str | int]) -> Any:
        """Run one of `SCRIPT_NAMES`. Its file says what the keys, arguments and answer are."""
        with translated(self.where):
            return await self._scripts[name](keys=list(keys), args=list(args))

    async def alive(self) -> bool:
        """Does Redis answer just now? Waits a few seconds at the most."""
        try:
            with translated(self.where):
                return bool(await self.redis.ping())
        except StoreUnavailable:
            return False

    @contextlib.asynccontextmanager
    async def subscribed(self, channel: str) -> AsyncIterator[AsyncIterator[str]]:
        """The messages published on `channel` while it is open. Iterating raises StoreUnavailable when Redis goes."""
        pubsub = self.redis.pubsub(ignore_subscribe_messages=True)
        try:
            with translated(self.where):
                await pubsub.subscribe(channel)
            yield self._published(pubsub)
        finally:
            await pubsub.aclose()

    async def _published(self, pubsub: PubSub) -> AsyncIterator[str]:
        while True:
            with translated(self.where):
                message = await pubsub.get_message(timeout=_LISTEN_S)
            if message is not None:
                yield message["data"]


@contextlib.contextmanager
def translated(where: str = "Redis") -> Iterator[None]:
    """Turn "Redis is not there" into StoreUnavailable; every other error is a mistake of ours and passes.

    A cancellation that comes while a command is being sent is swallowed by `asyncio.wait_for` before Python 3.12,
    which redis-py uses: it is raised here.
    """
    task = asyncio.current_task()
    asked_before = task.cancelling() if task is not None else 0
    try:
        yield
        if task is not None and task.cancelling() > asked_before:
            raise asyncio.CancelledError
    except (RedisConnectionError, RedisTimeoutError, OSError) as exc:
        raise StoreUnavailable(f"{where} does not answer ({_reason(exc)})") from exc
    except ResponseError as exc:
        if isinstance(exc, _NOT_READY) or _NOT_READY_CODE.search(str(exc)):
            raise StoreUnavailable(f"{where} is not ready ({exc})") from exc
        raise


def _script_text(name: str) -> str:
    return resources.files("core.store").joinpath("scripts", f"{name}.lua").read_text(encoding="utf-8")


def _client(url: str, retries: int) -> Redis:
    return Redis.from_url(
        url,
        decode_responses=True,
        socket_connect_timeout=_CONNECT_TIMEOUT_S,
        socket_timeout=_ANSWER_TIMEOUT_S,
        retry=Retry(ExponentialBackoff(cap=_PAUSE_MAX_S, base=0.02), retries),
        retry_on_error=[RedisConnectionError, RedisTimeoutError],
        health_check_interval=15,
    )


def _without_password(url: str) -> str:
    scheme, _, rest = url.partition("://")
    return f"{scheme}://{rest.rpartition('@')[2]}".partition("?")[0]


def _reason(exc: BaseException) -> str:
    return str(exc).partition("\n")[0].rstrip(".") or type(exc).__name__
