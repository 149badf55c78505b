"""Topology: which Redis an address means, and a client for it. The rest of the store does not know the difference.

    redis://  rediss://  unix://                                          one server
    redis+sentinel://[user:password@]host:26379,host2:26379/mymaster/0    the master that Sentinels name
    redis+cluster://[user:password@]host:7000,host2:7000                  a Cluster, found through any of its nodes

`rediss+sentinel` and `rediss+cluster` speak TLS. User and password are those of the Redis servers; Sentinels that
want their own are given `?sentinel_username=...&sentinel_password=...`.

A master that is gone is waited for: each command is tried again, with growing pauses and a fresh look at who is
master, for `PATIENCE_S` seconds, which is about as long as Slack waits for an ack. One server is looked for in the
same place again, by redis-py itself.
"""

from __future__ import annotations

import asyncio
import copy
import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Literal
from urllib.parse import parse_qs, unquote

from redis.asyncio import Redis, Sentinel
from redis.asyncio.retry import Retry
from redis.backoff import ExponentialBackoff
from redis.exceptions import (
    AskError,
    ClusterError,
    MasterDownError,
    OutOfMemoryError,
    ReadOnlyError,
    ResponseError,
    TryAgainError,
)
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import TimeoutError as RedisTimeoutError

from core.store.cluster import Address, ClusterClient

CONNECT_TIMEOUT_S = 5.0
ANSWER_TIMEOUT_S = 10.0
PATIENCE_S = 3.5
PAUSE_MAX_S = 0.5
CONNECTIONS_MAX = 1000
"""Of one process, to one server. redis-py's own default of 100 is less than what 100 Sessions want at once."""

_SINGLE_RETRIES = 8  # pauses of 0.02 + 0.04 + ... + 1 + 1: about 3.5 s in all

Kind = Literal["single", "sentinel", "cluster"]

_NOT_READY = (AskError, ClusterError, MasterDownError, OutOfMemoryError, ReadOnlyError, TryAgainError)
_NOT_READY_CODE = re.compile(
    r"(?:^|-)(BUSY|CLUSTERDOWN|LOADING|MASTERDOWN|MISCONF|MOVED|NOREPLICAS|OOM|READONLY|TRYAGAIN|UNBLOCKED|UNKILLABLE)\b"
)
"""What Redis answers while it cannot write; a script's error carries the code of the command that failed in it.
redis-py has classes for some of these, and takes the code out of their text."""

_FAILING_OVER = re.compile(r"(?:^|-)(CLUSTERDOWN|LOADING|MASTERDOWN|MOVED|READONLY|TRYAGAIN|UNBLOCKED)\b")


@dataclass(frozen=True, slots=True)
class Topology:
    """What an address says. where: the address without passwords, to be shown. nodes: (host, port), [] if single."""

    kind: Kind
    where: str
    url: str
    nodes: tuple[Address, ...] = ()
    service: str = ""
    db: int = 0
    tls: bool = False
    username: str | None = None
    password: str | None = None
    sentinel_username: str | None = None
    sentinel_password: str | None = None

    @staticmethod
    def read(url: str) -> Topology:
        """Raises ValueError for what is no address of a Redis."""
        scheme, found, rest = url.partition("://")
        match re.fullmatch(r"(rediss?)\+(sentinel|cluster)", scheme), scheme:
            case None, "redis" | "rediss" | "unix":
                return Topology("single", _without_password(url), url)
            case None, _:
                raise ValueError(f"{scheme}{found} is no scheme of a Redis address")
        # urlsplit knows one host only, and refuses several of which one is in brackets: all of it is read by hand
        authority, slash, after = rest.partition("?")[0].partition("/")
        login, _, hosts = authority.rpartition("@")
        user, _, password = login.partition(":")
        asked = parse_qs(rest.partition("?")[2])
        service, _, db = after.partition("/")
        is_cluster = scheme.endswith("cluster")
        if is_cluster and after not in ("", "0"):
            raise ValueError("a Cluster has no database but 0")
        if not is_cluster and not service:
            raise ValueError("the name of the master is missing")
        return Topology(
            "cluster" if is_cluster else "sentinel",
            f"{scheme}://{hosts}{slash}{after}",
            url,
            nodes=tuple(_node(part, 6379 if is_cluster else 26379) for part in hosts.split(",")),
            service="" if is_cluster else unquote(service),
            db=int(db or 0) if not is_cluster else 0,
            tls=scheme.startswith("rediss"),
            username=unquote(user) or None,
            password=unquote(password) or None,
            sentinel_username="".join(asked.get("sentinel_username", [])) or None,
            sentinel_password="".join(asked.get("sentinel_password", [])) or None,
        )

    def client(self, *, patient: bool = True) -> Redis:
        """A client for it; nothing is connected yet. patient: wait for a server that is away."""
        match self.kind:
            case "single":
                return _SingleClient.from_url(
                    self.url, retry=_retry(_SINGLE_RETRIES if patient else 2), **_socket_options()
                )
            case "sentinel":
                return self._sentinel_client(patient)
            case "cluster":
                client = _PatientCluster(self.nodes, self._node_client)
                client.patient = patient
                return client

    def _node_client(self, address: Address) -> Redis:
        return Redis(
            host=address[0],
            port=address[1],
            username=self.username,
            password=self.password,
            ssl=self.tls,
            retry=_retry(1),
            **_socket_options(),
        )

    def _sentinel_client(self, patient: bool) -> Redis:
        sentinel = _sentinel(
            self.nodes,
            sentinel_kwargs={
                "username": self.sentinel_username,
                "password": self.sentinel_password,
                "ssl": self.tls,
                "decode_responses": True,
                "socket_timeout": 1.0,
                "socket_connect_timeout": 1.0,
                "retry": _retry(0),
            },
        )
        client: _SentinelClient = sentinel.master_for(
            self.service,
            redis_class=_SentinelClient,
            db=self.db,
            username=self.username,
            password=self.password,
            ssl=self.tls,
            retry=_retry(1),
            **_socket_options(),
        )
        client.sentinels = sentinel
        client.patient = patient
        return client


def is_away(exc: BaseException) -> bool:
    """Does `exc` mean that Redis is not there or cannot write just now? Other errors are mistakes of ours."""
    if isinstance(exc, (RedisConnectionError, RedisTimeoutError, OSError, *_NOT_READY)):
        return True
    return isinstance(exc, ResponseError) and _NOT_READY_CODE.search(str(exc)) is not None


_execute: Any = Redis.execute_command  # redis-py leaves it without annotations


class _SingleClient(Redis):
    """One server. Behind its address another one may take over: then it answers READONLY until we connect anew."""

    async def execute_command(self, *args: Any, **options: Any) -> Any:
        return await _insisting(lambda: _execute(self, *args, **options), _is_failing_over, self._connect_anew)

    async def _connect_anew(self) -> None:
        await self.connection_pool.disconnect(inuse_connections=False)


class _SentinelClient(Redis):
    """The master that the Sentinels name. Owns the connections to them."""

    patient = True
    sentinels: Sentinel | None = None

    async def execute_command(self, *args: Any, **options: Any) -> Any:
        if not self.patient:
            return await _execute(self, *args, **options)
        return await _insisting(lambda: _execute(self, *args, **options), _is_gone, self._connect_anew)

    async def _connect_anew(self) -> None:
        await self.connection_pool.disconnect(inuse_connections=False)

    async def aclose(self, close_connection_pool: bool | None = None) -> None:
        await super().aclose(True)  # `from_pool` says that the pool is ours
        if self.sentinels is not None:
            await self.sentinels.aclose()


class _PatientCluster(ClusterClient):
    """Follows what moves, and waits while there is nobody to follow."""

    patient = True

    async def execute_command(self, *args: Any, **options: Any) -> Any:
        if not self.patient:
            return await super().execute_command(*args, **options)
        return await _insisting(lambda: ClusterClient.execute_command(self, *args, **options), _is_gone, _nothing)

    async def by_node(self, commands: Any, raise_on_error: bool = True) -> list[Any]:
        answers: list[Any] = await _insisting(
            lambda: ClusterClient.by_node(self, commands, raise_on_error), _is_gone, _nothing
        )
        return answers


async def _insisting(
    command: Callable[[], Awaitable[Any]],
    passes: Callable[[BaseException], bool],
    before_again: Callable[[], Awaitable[None]],
) -> Any:
    """Run `command`, again and again for PATIENCE_S while it fails with what `passes` by itself."""
    loop = asyncio.get_running_loop()
    until, pause = loop.time() + PATIENCE_S, 0.02
    while True:
        try:
            return await command()
        except Exception as exc:
            if not passes(exc) or loop.time() + pause > until:
                raise
        await before_again()
        await asyncio.sleep(pause)
        pause = min(pause * 2, PAUSE_MAX_S)


def _is_failing_over(exc: BaseException) -> bool:
    if isinstance(exc, RedisConnectionError):
        return False  # tried again already
    codes = (AskError, ClusterError, MasterDownError, ReadOnlyError, TryAgainError)
    return isinstance(exc, codes) or (isinstance(exc, ResponseError) and _FAILING_OVER.search(str(exc)) is not None)


def _is_gone(exc: BaseException) -> bool:
    """As `is_away`, without what waiting for a new master does not mend."""
    return is_away(exc) and (_is_failing_over(exc) or not isinstance(exc, ResponseError))


async def _nothing() -> None:
    return None


class _Sentinels(Sentinel):
    """The Sentinels of one client, asked by many connections at once; the one that answered last is asked first.

    redis-py (8.1, read and tried) puts it in the first place of the list while others go through the same list: then
    one Sentinel stands in it twice and another is forgotten, with its connections open. Here each goes through a list
    of its own.
    """

    async def discover_master(self, service_name: str) -> Any:
        asked = copy.copy(self)
        asked.sentinels = list(self.sentinels)
        found = await _discover(asked, service_name)
        self.sentinels = asked.sentinels
        return found


_discover: Any = Sentinel.discover_master  # redis-py leaves it without annotations


def _sentinel(nodes: tuple[Address, ...], sentinel_kwargs: dict[str, Any]) -> Any:
    make: Any = _Sentinels
    return make(list(nodes), sentinel_kwargs=sentinel_kwargs)


def _retry(times: int) -> Retry:
    return Retry(ExponentialBackoff(cap=1.0, base=0.02), times)


def _socket_options() -> dict[str, Any]:
    return {
        "decode_responses": True,
        "socket_connect_timeout": CONNECT_TIMEOUT_S,
        "socket_timeout": ANSWER_TIMEOUT_S,
        "health_check_interval": 15,
        "driver_info": None,  # redis-py would look up its own version on the disk, and tell it, with every connection
        "max_connections": CONNECTIONS_MAX,
        "retry_on_error": [RedisConnectionError, RedisTimeoutError],
    }


def _node(text: str, default_port: int) -> Address:
    """`host`, `host:port` or `[::1]:port`."""
    found = re.fullmatch(r"(\[[0-9a-fA-F:.]+\]|[^:\[\]/]+)(?::(\d+))?", text)
    if found is None:
        raise ValueError(f"{text!r} is not host:port")
    return found[1].strip("[]"), int(found[2] or default_port)


def _without_password(url: str) -> str:
    scheme, _, rest = url.partition("://")
    return f"{scheme}://{rest.rpartition('@')[2]}".partition("?")[0]
