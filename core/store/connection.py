"""The connection to Redis: one client for a process, its scripts loaded, its failures translated.

Commands are tried again with growing pauses for a few seconds, so that a Redis that restarts or fails over is
waited for; after that StoreUnavailable is raised and nothing was certainly done.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import re
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from dataclasses import dataclass
from importlib import resources
from typing import Any

from redis.asyncio import Redis
from redis.asyncio.client import PubSub
from redis.exceptions import NoScriptError, RedisError, ResponseError

from core.errors import ConfigError, StoreUnavailable
from core.store import keys
from core.store.cluster import ClusterClient
from core.store.topology import Topology, is_away

__all__ = ["SCRIPT_NAMES", "Store", "StoreError", "translated"]

StoreError = RedisError
"""Any error that Redis itself answers with; outside this package only to be reported, never to be told apart."""

SCRIPT_NAMES = (
    "accept",
    "again",
    "alias",
    "announce",
    "beat",
    "begin",
    "compact",
    "draw",
    "draw_refused",
    "draw_used_up",
    "extend",
    "forget",
    "journal",
    "rate",
    "release",
    "renew",
    "reword",
    "seal",
    "stop",
    "take",
    "tidy",
    "withdraw",
)

Commands = Callable[[Any], object]
"""Adds commands to a pipeline of redis-py."""

_LISTEN_S = 5.0
_ALIVE_WAIT_S = 3.0


class Store:
    """Redis, ready to use. Make it with `Store.open`, close it with `aclose`."""

    def __init__(self, redis: Redis, where: str) -> None:
        """where: how an operator would call this Redis, without a password."""
        self.redis: Any = redis  # redis-py types each answer as bytes | str; decode_responses makes them all str
        self.where = where
        self.clustered = isinstance(redis, ClusterClient)
        """Keys of different partitions live on different servers: no command may name two of them."""
        self._scripts = {name: _Script.load(name) for name in SCRIPT_NAMES}

    @classmethod
    async def open(cls, url: str, setting: str = "REDIS_URL") -> Store:
        """Connect to `url`, see `core.store.topology`. Raises ConfigError when it does not answer."""
        try:
            topology = Topology.read(url)
            redis, probe = topology.client(), topology.client(patient=False)
        except ValueError as exc:
            raise ConfigError(
                setting,
                "is not an address of a Redis server.",
                "Write it like redis://localhost:6379/0, redis+sentinel://host:26379/mymaster/0 "
                "or redis+cluster://host:7000.",
            ) from exc
        try:
            await _probe(probe, topology, setting)
        except (RedisError, OSError) as exc:
            await redis.aclose()
            raise ConfigError(
                setting,
                f"Redis at {topology.where} does not answer ({_reason(exc)}).",
                "Start it, correct the address, or leave the setting out to use the built-in server.",
            ) from exc
        finally:
            await probe.aclose()
        return cls(redis, topology.where)

    async def aclose(self) -> None:
        await self.redis.aclose()

    async def script(self, name: str, names: Sequence[str], args: Sequence[str | int]) -> Any:
        """Run one of `SCRIPT_NAMES`. Its file says what the keys, arguments and answer are."""
        script = self._scripts[name]
        try:
            with translated(self.where):
                return await self.redis.evalsha(script.sha, len(names), *names, *args)
        except NoScriptError:  # a server that is new to us: restarted, or master since a moment ago
            with translated(self.where):
                return await self.redis.eval(script.text, len(names), *names, *args)

    async def script_with(self, niceties: Commands, name: str, names: Sequence[str], args: Sequence[str | int]) -> Any:
        """Run a script and send `niceties` along, in one round trip. Whether those took effect nobody learns; should
        anything be in the way, the script is run without them."""
        with translated(self.where), contextlib.suppress(RedisError, OSError):
            async with self.redis.pipeline(transaction=False) as pipe:
                pipe.evalsha(self._scripts[name].sha, len(names), *names, *args)
                niceties(pipe)
                answer = (await pipe.execute(raise_on_error=False))[0]
            if not isinstance(answer, BaseException):
                return answer
        return await self.script(name, names, args)

    async def send(self, niceties: Commands) -> None:
        """Send several commands in one round trip; they are no atomic step. Raises StoreUnavailable."""
        with translated(self.where):
            async with self.redis.pipeline(transaction=False) as pipe:
                niceties(pipe)
                await pipe.execute()

    async def alive(self) -> bool:
        """Does Redis take writes just now, in every partition? Waits a few seconds at the most."""
        names = [keys.alive(p) for p in range(keys.PARTITIONS)] if self.clustered else [keys.alive(0)]
        try:
            async with asyncio.timeout(_ALIVE_WAIT_S):
                with translated(self.where):
                    writing = (self.redis.set(name, "1", ex=60) for name in names)
                    for answer in await asyncio.gather(*writing, return_exceptions=True):
                        if isinstance(answer, BaseException):
                            raise answer
                return True
        except (StoreUnavailable, TimeoutError):
            return False

    async def names(self, pattern: str) -> AsyncIterator[str]:
        """Every key that matches the glob `pattern`, on every server; one that is there throughout comes at least
        once. Raises StoreUnavailable."""
        with translated(self.where):
            async for key in self.redis.scan_iter(match=pattern, count=500):
                yield key

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
    which redis-py uses: it is raised here, also in the place of an error of that command.
    """
    task = asyncio.current_task()
    asked_before = task.cancelling() if task is not None else 0
    try:
        yield
        if task is not None and task.cancelling() > asked_before:
            raise asyncio.CancelledError
    except (RedisError, OSError) as exc:
        if task is not None and task.cancelling() > asked_before:
            raise asyncio.CancelledError from exc
        if not is_away(exc):
            raise
        problem = "is not ready" if isinstance(exc, ResponseError) else "does not answer"
        raise StoreUnavailable(f"{where} {problem} ({_reason(exc)})") from exc


@dataclass(frozen=True, slots=True)
class _Script:
    text: str
    sha: str

    @staticmethod
    def load(name: str) -> _Script:
        """Redis knows no modules: a line `--#with NAME` in a script stands for the file of that name."""
        text = re.sub(r"^--#with (\w+)$", lambda found: _read(found[1]), _read(name), flags=re.MULTILINE)
        return _Script(text, hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest())


def _read(name: str) -> str:
    return resources.files("core.store").joinpath("scripts", f"{name}.lua").read_text(encoding="utf-8")


async def _probe(redis: Any, topology: Topology, setting: str) -> None:
    await redis.ping()
    if topology.kind != "single":
        return
    try:
        found = await redis.info("cluster")
    except ResponseError:  # it may be forbidden to us; then we see what comes
        return
    if found.get("cluster_enabled"):
        raise ConfigError(
            setting,
            f"Redis at {topology.where} is a node of a Cluster.",
            "Write the address like redis+cluster://host:7000.",
        )


def _reason(exc: BaseException) -> str:
    return str(exc).partition("\n")[0].rstrip(".") or type(exc).__name__
