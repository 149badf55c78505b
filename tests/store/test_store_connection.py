"""The connection to Redis: failures translated, cancellations heard, secrets kept."""

from __future__ import annotations

import asyncio
import subprocess
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from core.errors import ConfigError, StoreUnavailable
from core.store import EmbeddedRedis, Store, translated
from core.store.embedded import find_server


async def test_a_cancellation_is_heard_at_every_moment_of_a_command(store: Store) -> None:
    """A worker whose cancellation is lost never ends, and with it the process."""

    async def work() -> None:
        while True:
            await store.alive()

    for turns_of_the_loop in range(60):
        task = asyncio.create_task(work())
        for _ in range(turns_of_the_loop):
            await asyncio.sleep(0)
        task.cancel()
        await asyncio.wait([task], timeout=0.5)
        assert task.cancelled(), f"lost after {turns_of_the_loop} turns of the loop"


def test_a_cancellation_goes_before_the_error_it_came_with() -> None:
    async def work() -> None:
        with translated():
            try:
                await asyncio.sleep(60)
            except asyncio.CancelledError:  # what wait_for does with the end of a command that has just failed
                raise ConnectionResetError from None

    async def story() -> None:
        task = asyncio.create_task(work())
        await asyncio.sleep(0)
        task.cancel()
        await asyncio.wait([task])
        assert task.cancelled()

    asyncio.run(story())


@asynccontextmanager
async def own_server(*options: str) -> AsyncIterator[str]:
    """A Redis server of this test alone."""
    with tempfile.TemporaryDirectory() as home:
        socket = Path(home) / "s"
        server = subprocess.Popen(  # noqa: ASYNC220 - starting one takes a millisecond
            [str(find_server()), "--port", "0", "--unixsocket", str(socket), "--save", "", "--dir", home, *options],
            stdout=subprocess.DEVNULL,
        )
        try:
            async with asyncio.timeout(10):
                while not socket.exists():  # noqa: ASYNC110 - another process makes it
                    await asyncio.sleep(0.01)
            yield f"unix://{socket}"
        finally:
            server.kill()
            server.wait()


@pytest.mark.parametrize(
    "broken",
    [
        ("CONFIG", "SET", "maxmemory", "1"),
        ("REPLICAOF", "127.0.0.1", "1"),
        ("CONFIG", "SET", "min-replicas-to-write", "1"),
    ],
    ids=["out of memory", "became a replica", "too few replicas"],
)
async def test_a_redis_that_refuses_to_write_counts_as_unavailable(broken: tuple[str, ...]) -> None:
    """Nothing was taken in: the platform should deliver again, and a worker wait, not end."""
    async with own_server() as url:
        store = await Store.open(url)
        await store.redis.execute_command(*broken)
        args = ["{}", "t", "0", 60, 60, 5, "{}", "", 0, "own"]
        with pytest.raises(StoreUnavailable):
            await store.script("accept", ["{a}1", "{a}2", "{a}3", "{a}4"], args)
        await store.aclose()


@pytest.mark.parametrize("url", ["localhost:6379", "http://localhost", "redis://localhost:notaport/0", ""])
async def test_what_is_no_address_is_refused_with_the_setting(url: str) -> None:
    """The operator reads which setting to change."""
    with pytest.raises(ConfigError, match="REDIS_URL"):
        await Store.open(url)


async def test_a_password_is_not_shown() -> None:
    """Error messages end up in logs and chats."""
    with pytest.raises(ConfigError) as caught:
        await Store.open("redis://user:s3cr3t@127.0.0.1:1/0")
    assert "s3cr3t" not in str(caught.value) and "127.0.0.1:1" in str(caught.value)


async def test_the_embedded_server_keeps_what_it_was_told_also_when_killed(tmp_path: Path) -> None:
    """Sessions survive a crash; the watch brings the server back by itself."""
    async with EmbeddedRedis(tmp_path) as server:
        store = await Store.open(server.url)
        await store.redis.set("kept", "yes")
        assert server._server is not None
        server._server.kill()
        assert await store.redis.get("kept") == "yes", "asked again until the server is back"
        await store.aclose()


async def test_a_second_parley_on_the_same_directory_uses_the_same_server(tmp_path: Path) -> None:
    """Two servers on the same files would destroy them."""
    async with EmbeddedRedis(tmp_path) as first, EmbeddedRedis(tmp_path) as second:
        one, two = await Store.open(first.url), await Store.open(second.url)
        await one.redis.set("a", "b")
        assert await two.redis.get("a") == "b"
        assert second._server is None
        await one.aclose()
        await two.aclose()


async def test_a_directory_with_a_long_name_still_gets_a_socket(tmp_path: Path) -> None:
    """A socket's address holds about a hundred bytes."""
    async with EmbeddedRedis(tmp_path / ("d" * 120)) as server:
        store = await Store.open(server.url)
        assert await store.alive()
        await store.aclose()
