"""Which Redis an address means, and what of it may be shown."""

from __future__ import annotations

import asyncio

import pytest

from core.errors import ConfigError
from core.store import Store
from core.store.topology import Topology
from tests.store.topologies import Servers


def test_a_sentinel_address_names_sentinels_master_database_and_both_logins() -> None:
    """What operators of Sentinels have to say; a password may hold any character, percent-encoded."""
    read = Topology.read("rediss+sentinel://me:p%40ss@one:26380,two,[::1]:1/my%20master/3?sentinel_password=s%2Fp")
    assert read.kind == "sentinel" and read.tls and read.db == 3 and read.service == "my master"
    assert read.nodes == (("one", 26380), ("two", 26379), ("::1", 1))
    assert (read.username, read.password) == ("me", "p@ss")
    assert (read.sentinel_username, read.sentinel_password) == (None, "s/p")
    assert read.where == "rediss+sentinel://one:26380,two,[::1]:1/my%20master/3"


def test_a_cluster_address_names_nodes() -> None:
    """Any of its nodes is enough; several are for when one is down."""
    read = Topology.read("redis+cluster://:pw@one:7000,two")
    assert (read.kind, read.nodes, read.password) == ("cluster", (("one", 7000), ("two", 6379)), "pw")
    assert read.where == "redis+cluster://one:7000,two"


@pytest.mark.parametrize(
    "url",
    [
        "redis+sentinel://host:26379",
        "redis+sentinel://host:26379/mymaster/one",
        "redis+sentinel:///mymaster",
        "redis+cluster://host:7000/1",
        "redis+cluster://",
        "redis+other://host",
    ],
)
async def test_half_an_address_is_refused(url: str) -> None:
    """At the start, with the setting's name, not when the first person writes."""
    with pytest.raises(ConfigError, match="REDIS_URL"):
        await Store.open(url)


async def test_a_node_of_a_cluster_given_as_one_server_is_told_apart(servers: Servers) -> None:
    """It would answer MOVED to most of what we ask; and what nobody serves is named without the password."""
    if "cluster" in servers.url:
        with pytest.raises(ConfigError, match=r"redis\+cluster://"):
            await Store.open(f"redis://127.0.0.1:{servers.masters[0]}")
    else:
        with pytest.raises(ConfigError, match="othermaster") as caught:
            await Store.open(servers.url.replace("mymaster", "othermaster"))
        assert "s3cret" not in str(caught.value)


@pytest.mark.parametrize("servers", ["sentinel"], indirect=True)
async def test_no_sentinel_is_forgotten_when_many_ask_at_once(servers: Servers) -> None:
    """The first one is down and a hundred connections look for the master: later, when it is the only one up, it is
    asked again."""
    store = await Store.open(servers.url)
    first, *others = (port for _, port in Topology.read(servers.url).nodes)
    servers.kill(first)
    await asyncio.gather(*(store.redis.set(f"k{number}", "1") for number in range(100)))
    servers.start_again(first)
    for port in others:
        servers.kill(port)
    await store.redis.connection_pool.disconnect()
    assert await store.redis.get("k1") == "1"
    await store.aclose()
    for port in others:
        servers.start_again(port)


async def test_nobody_there_is_said_soon() -> None:
    """A start that hangs looks like a start that works."""
    for url in ("redis+cluster://127.0.0.1:1,127.0.0.1:2", "redis+sentinel://127.0.0.1:1/mymaster"):
        with pytest.raises(ConfigError, match="does not answer"):
            await Store.open(url)
