"""Redis as it stands in production, on loopback: a master with Sentinels, or a Cluster, of real servers.

By hand: `python -m tests.store.topologies sentinel|cluster` starts one, prints its REDIS_URL and ends it on Ctrl-C.
"""

from __future__ import annotations

import random
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Literal

import redis

from core.store.embedded import find_server

NODE_TIMEOUT_MS = 1000
DOWN_AFTER_MS = 700
PASSWORD = "s3cret"


class Servers:
    """Servers in one directory, each a process of ours. `url`: what REDIS_URL would be."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.url = ""
        self.running: dict[int, subprocess.Popen[bytes]] = {}
        self._commands: dict[int, list[str]] = {}

    def start(self, port: int, *options: str, sentinel: str = "") -> None:
        directory = self.home / str(port)
        directory.mkdir(exist_ok=True)
        command = [str(find_server())]
        if sentinel:
            (directory / "sentinel.conf").write_text(sentinel)
            command += [str(directory / "sentinel.conf"), "--sentinel"]
        self._commands[port] = [
            *command,
            *("--port", str(port), "--bind", "127.0.0.1", "--dir", str(directory)),
            *("--logfile", str(directory / "log"), "--daemonize", "no", *options),
        ]
        self.start_again(port)

    def start_again(self, port: int) -> None:
        self.running[port] = subprocess.Popen(self._commands[port], stdout=subprocess.DEVNULL)
        until(lambda: self.ask(port, "PING", quiet=True) is not None, f"the server on {port} answers")

    def kill(self, port: int) -> None:
        """SIGKILL, and gone."""
        process = self.running.pop(port)
        process.kill()
        process.wait(10)

    def end(self) -> None:
        for port in list(self.running):
            self.kill(port)

    def ask(self, port: int, *command: str | int, quiet: bool = False) -> object:
        """What the server on `port` answers; None if it does not, and `quiet`."""
        try:
            with redis.Redis(
                host="127.0.0.1", port=port, password=self._password(port), decode_responses=True
            ) as client:
                return client.execute_command(*command)
        except (redis.RedisError, OSError):
            if not quiet:
                raise
            return None

    def _password(self, port: int) -> str | None:
        return PASSWORD if "--requirepass" in self._commands[port] else None

    @property
    def masters(self) -> list[int]:
        """The ports of those that say they are masters and live."""
        found = []
        for port in list(self.running):
            role = self.ask(port, "ROLE", quiet=True)
            if isinstance(role, list) and role[0] == "master":
                found.append(port)
        return found

    def master_of(self, key: str) -> int:
        """The port of the server that holds `key` now."""
        if "cluster" not in self.url:
            return self.masters[0]
        any_port = next(iter(self.running))
        slot = int(str(self.ask(any_port, "CLUSTER", "KEYSLOT", key)))
        ranges = self.ask(any_port, "CLUSTER", "SLOTS")
        assert isinstance(ranges, list)
        return next(int(found[2][1]) for found in ranges if found[0] <= slot <= found[1])


def until(seen: object, what: str, within_s: float = 20.0) -> None:
    """Wait for a condition of the servers, from outside of any loop."""
    assert callable(seen)
    deadline = time.monotonic() + within_s
    while not seen():
        if time.monotonic() > deadline:
            raise RuntimeError(f"waited {within_s} s, and not: {what}")
        time.sleep(0.02)


def free_ports(count: int) -> list[int]:
    """Ports nobody uses; those 10000 above, where a Cluster's servers talk to each other, are free as well."""
    found: list[int] = []
    while len(found) < count:
        port = random.randrange(20_000, 32_000)
        if port in found:
            continue
        with socket.socket() as one, socket.socket() as two, suppress(OSError):
            one.bind(("127.0.0.1", port))
            two.bind(("127.0.0.1", port + 10_000))
            found.append(port)
    return found


@contextmanager
def a_sentinel_setup() -> Iterator[Servers]:
    """A master and a replica with a password, and three Sentinels that watch them."""
    with _servers() as servers:
        master, replica, *sentinels = free_ports(5)
        login = ("--requirepass", PASSWORD, "--masterauth", PASSWORD, "--save", "", "--repl-diskless-sync-delay", "0")
        servers.start(master, *login, "--repl-ping-replica-period", "1")
        servers.start(replica, *login, "--replicaof", "127.0.0.1", str(master))
        until(lambda: "master_link_status:up" in _info(servers, replica), "the replica follows")
        for port in sentinels:
            servers.start(
                port,
                sentinel=(
                    f"sentinel monitor mymaster 127.0.0.1 {master} 2\n"
                    f"sentinel auth-pass mymaster {PASSWORD}\n"
                    f"sentinel down-after-milliseconds mymaster {DOWN_AFTER_MS}\n"
                    "sentinel failover-timeout mymaster 3000\n"
                ),
            )
        until(lambda: all(_knows(servers, port) for port in sentinels), "the Sentinels know each other and the replica")
        servers.url = f"redis+sentinel://:{PASSWORD}@" + ",".join(f"127.0.0.1:{p}" for p in sentinels) + "/mymaster/0"
        yield servers


def _info(servers: Servers, port: int) -> str:
    with redis.Redis(host="127.0.0.1", port=port, password=PASSWORD, decode_responses=True) as client:
        return "\n".join(f"{name}:{value}" for name, value in client.info("replication").items())


def _knows(servers: Servers, port: int) -> bool:
    with redis.Redis(host="127.0.0.1", port=port, decode_responses=True) as client:
        found = client.sentinel_master("mymaster")
    return bool(found["num-other-sentinels"] == 2 and found["num-slaves"] == 1)


@contextmanager
def a_cluster() -> Iterator[Servers]:
    """Three masters, each with a replica."""
    with _servers() as servers:
        ports = free_ports(6)
        options = ("--cluster-enabled", "yes", "--cluster-node-timeout", str(NODE_TIMEOUT_MS), "--save", "")
        for port in ports:
            servers.start(port, *options, "--appendonly", "no", "--repl-diskless-sync-delay", "0")
            servers.ask(port, "CLUSTER", "SET-CONFIG-EPOCH", ports.index(port) + 1)
        for port in ports[1:]:
            servers.ask(ports[0], "CLUSTER", "MEET", "127.0.0.1", port)
        masters, replicas = ports[:3], ports[3:]
        bounds = [0, 5461, 10923, 16384]
        for number, port in enumerate(masters):
            servers.ask(port, "CLUSTER", "ADDSLOTS", *range(bounds[number], bounds[number + 1]))
        until(lambda: all(_nodes(servers, port) == 6 for port in ports), "the nodes have met")
        for master, replica in zip(masters, replicas, strict=True):
            servers.ask(replica, "CLUSTER", "REPLICATE", str(servers.ask(master, "CLUSTER", "MYID")))
        until(lambda: all(_is_whole(servers, port) for port in ports), "the Cluster is whole")
        servers.url = "redis+cluster://" + ",".join(f"127.0.0.1:{port}" for port in masters[:2])
        yield servers


def _nodes(servers: Servers, port: int) -> int:
    found = servers.ask(port, "CLUSTER", "NODES")
    return sum("handshake" not in line for line in str(found).splitlines() if line)


def _is_whole(servers: Servers, port: int) -> bool:
    """Every slot is served, and every master has a replica that follows it."""
    info = servers.ask(port, "CLUSTER", "INFO")
    slots = servers.ask(port, "CLUSTER", "SLOTS")
    assert isinstance(slots, list)
    role = servers.ask(port, "ROLE")
    assert isinstance(role, list)
    follows = role[3] == "connected" if role[0] == "slave" else bool(role[2])
    return "cluster_state:ok" in str(info) and len(slots) == 3 and all(len(one) == 4 for one in slots) and follows


@contextmanager
def _servers() -> Iterator[Servers]:
    home = Path(tempfile.mkdtemp(prefix="parley-topology-"))
    servers = Servers(home)
    try:
        yield servers
    finally:
        servers.end()
        shutil.rmtree(home, ignore_errors=True)


Kind = Literal["sentinel", "cluster"]


@contextmanager
def a_topology(kind: Kind) -> Iterator[Servers]:
    with a_sentinel_setup() if kind == "sentinel" else a_cluster() as servers:
        yield servers


if __name__ == "__main__":
    with a_topology("cluster" if "cluster" in sys.argv[1:] else "sentinel") as started, suppress(KeyboardInterrupt):
        print(started.url, flush=True)
        while True:
            time.sleep(1)
