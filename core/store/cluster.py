"""A Cluster behind redis-py's client for one server: each command goes to the node that serves its key's slot.

redis-py's own asyncio client for a Cluster shuts the connections of commands in flight when the layout changes (8.1,
read and tried), which is exactly when a worker needs them. Here each node has a plain client with a pool of its own,
and all that is added is the map from slots to nodes: read from any node that answers, read anew after MOVED or when a
node is gone. Who calls waits and tries again, see `topology`.

Known commands only, those the store uses: their first key is found by position. Nothing here crosses slots.
"""

from __future__ import annotations

import asyncio
import random
from bisect import bisect_right
from collections.abc import AsyncIterator, Callable, Sequence
from typing import Any

from redis.asyncio import Redis
from redis.asyncio.client import Pipeline, PubSub
from redis.crc import key_slot
from redis.exceptions import AskError, MovedError, RedisError
from redis.exceptions import ConnectionError as RedisConnectionError

Address = tuple[str, int]

_MAP_TIMEOUT_S = 1.0
_KEY_AT = {"EVAL": 3, "EVALSHA": 3, "XGROUP": 2, "XINFO": 2}
_ON_ALL = frozenset({"DBSIZE", "FLUSHALL", "FLUSHDB", "KEYS"})
_ON_ANY = frozenset({"CLUSTER", "INFO", "PING", "PUBLISH", "TIME"})

_execute: Any = Redis.execute_command  # redis-py leaves it without annotations


class ClusterClient(Redis):
    """seeds: where to ask for the map first.  make: a plain client for one node.

    Every failure to reach a node is a ConnectionError of redis-py, and has the map read anew before the next command.
    """

    def __init__(self, seeds: Sequence[Address], make: Callable[[Address], Redis]) -> None:
        super().__init__(host=seeds[0][0], port=seeds[0][1], decode_responses=True)  # never connects by itself
        self._seeds = list(seeds)
        self._make = make
        self._nodes: dict[Address, Redis] = {}
        self._starts: list[int] = []  # first slots of the ranges, ascending
        self._ranges: list[tuple[int, Address]] = []  # (last slot, who serves it)
        self._stale = True
        self._reading = asyncio.Lock()

    async def execute_command(self, *args: Any, **options: Any) -> Any:
        name = str(args[0]).split(" ")[0]
        if name in _ON_ALL:
            return _together([await _execute(node, *args, **options) for node in await self.masters()])
        address = await self._any() if name in _ON_ANY else await self._serving(_key(args))
        try:
            return await _execute(self._node(address), *args, **options)
        except AskError as exc:
            if not isinstance(exc, MovedError):
                return await self._ask(exc, args, options)
            self._stale = True
            raise
        except (RedisConnectionError, OSError):
            self._stale = True
            raise

    async def masters(self) -> list[Redis]:
        """A client for each node that serves slots."""
        await self._map()
        return [self._node(address) for address in dict.fromkeys(address for _, address in self._ranges)]

    async def scan_iter(  # type: ignore[override]  # as the asyncio client has it; redis-py types the other one
        self, match: Any = None, count: Any = None, _type: Any = None, **_: Any
    ) -> AsyncIterator[Any]:
        for node in await self.masters():
            async for key in node.scan_iter(match=match, count=count):
                yield key

    def pubsub(self, **options: Any) -> PubSub:
        """Through one node, chosen by chance: what is published on one is heard on all."""
        known = [address for _, address in self._ranges] or self._seeds
        pubsub: PubSub = self._node(random.choice(known)).pubsub(**options)
        return pubsub

    def pipeline(self, transaction: bool = True, shard_hint: str | None = None) -> Pipeline:
        if transaction:
            raise ValueError("a Cluster has no transactions over slots")
        return _Spread(self)

    async def aclose(self, close_connection_pool: bool | None = None) -> None:
        nodes, self._nodes = list(self._nodes.values()), {}
        await asyncio.gather(*(node.aclose() for node in nodes), return_exceptions=True)
        await super().aclose(close_connection_pool)

    async def by_node(
        self, commands: Sequence[tuple[tuple[Any, ...], dict[str, Any]]], raise_on_error: bool = True
    ) -> list[Any]:
        """Send each node its commands in one go. Answers in the order of `commands`, errors among them if they are not
        raised: then a node that is gone fails its own commands alone."""
        answers: list[Any] = [None] * len(commands)
        numbers: dict[Address, list[int]] = {}
        for number, (args, _) in enumerate(commands):
            try:
                numbers.setdefault(await self._serving(_key(args)), []).append(number)
            except RedisConnectionError as exc:
                if raise_on_error:
                    raise
                answers[number] = exc

        async def send(address: Address, mine: list[int]) -> list[Any]:
            async with self._node(address).pipeline(transaction=False) as pipe:
                for number in mine:
                    args, options = commands[number]
                    pipe.execute_command(*args, **options)
                return await pipe.execute(raise_on_error)

        sent = await asyncio.gather(*(send(*one) for one in numbers.items()), return_exceptions=True)
        for mine, found in zip(numbers.values(), sent, strict=True):
            if isinstance(found, BaseException):
                self._stale = True
                if raise_on_error or not isinstance(found, RedisError | OSError):
                    raise found
                found = [found] * len(mine)
            for number, answer in zip(mine, found, strict=True):
                answers[number] = answer
        return answers

    async def _ask(self, exc: AskError, args: tuple[Any, ...], options: dict[str, Any]) -> Any:
        """The slot is on its way to another node, which takes this one command if it is announced."""
        async with self._node((exc.host, exc.port)).pipeline(transaction=False) as pipe:
            pipe.execute_command("ASKING")
            pipe.execute_command(*args, **options)
            return (await pipe.execute())[1]

    async def _any(self) -> Address:
        await self._map()
        return random.choice(self._ranges)[1]

    async def _serving(self, key: str | bytes) -> Address:
        await self._map()
        slot = key_slot(key.encode() if isinstance(key, str) else key)
        number = bisect_right(self._starts, slot) - 1
        if number < 0 or self._ranges[number][0] < slot:
            self._stale = True
            raise RedisConnectionError(f"no node of the Cluster serves slot {slot} just now")
        return self._ranges[number][1]

    async def _map(self) -> None:
        """Read the map if it may be wrong. Raises ConnectionError when nobody knows it."""
        if self._stale:
            async with self._reading:
                await self._read_map()

    async def _read_map(self) -> None:
        if not self._stale:
            return  # somebody else has read it while we waited
        known = list(dict.fromkeys([*(address for _, address in self._ranges), *self._nodes]))
        random.shuffle(known)
        failure: BaseException | None = None
        for address in dict.fromkeys([*known, *self._seeds]):
            try:
                async with asyncio.timeout(_MAP_TIMEOUT_S):
                    slots = await _execute(self._node(address), "CLUSTER SLOTS")
            except (RedisError, OSError) as exc:  # TimeoutError is an OSError
                failure = exc
                continue
            if ranges := sorted(_ranges(slots, address[0])):
                self._starts = [first for first, _, _ in ranges]
                self._ranges = [(last, serves) for _, last, serves in ranges]
                self._stale = False
                return
        reason = str(failure) or type(failure).__name__ if failure else "its slots are served by nobody"
        raise RedisConnectionError(f"no node of the Cluster knows its layout ({reason})") from failure

    def _node(self, address: Address) -> Redis:
        if address not in self._nodes:
            self._nodes[address] = self._make(address)
        return self._nodes[address]


class _Spread(Pipeline):
    """A pipeline whose commands go to several nodes, one batch each."""

    def __init__(self, cluster: ClusterClient) -> None:
        super().__init__(cluster.connection_pool, cluster.response_callbacks, False, None)
        self._cluster = cluster

    async def execute(self, raise_on_error: bool = True) -> list[Any]:
        commands: Any = self.command_stack
        try:
            return await self._cluster.by_node(commands, raise_on_error)
        finally:
            await self.reset()  # type: ignore[no-untyped-call]  # redis-py's


def _ranges(slots: Any, asked_host: str) -> list[tuple[int, int, Address]]:
    """Read CLUSTER SLOTS, as redis-py gives it: {(first, last): {"primary": (host, port), ...}} or the raw lists.
    A node that does not know its own host is where we reached it."""
    if isinstance(slots, dict):
        listed = [(first, last, found["primary"]) for (first, last), found in slots.items()]
    else:
        listed = [(first, last, found[0]) for first, last, *found in slots]
    return [(int(first), int(last), (str(node[0] or asked_host), int(node[1]))) for first, last, node in listed]


def _key(args: Sequence[Any]) -> str | bytes:
    """The first key of a command."""
    name = str(args[0]).split(" ")[0]
    if name in ("XREAD", "XREADGROUP"):
        key = args[next(at for at, word in enumerate(args) if word in ("STREAMS", b"STREAMS")) + 1]
    elif " " in str(args[0]):
        key = args[1]  # redis-py joins the two words of XGROUP CREATE
    else:
        key = args[_KEY_AT.get(name, 1)]
    if not isinstance(key, str | bytes):
        raise ValueError(f"{args[0]} has no key where one was expected")
    return key


def _together(answers: list[Any]) -> Any:
    if isinstance(answers[0], list):
        return [one for answer in answers for one in answer]
    return sum(answers) if isinstance(answers[0], int) and not isinstance(answers[0], bool) else answers[0]
