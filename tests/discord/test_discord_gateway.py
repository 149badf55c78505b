"""When the gateway connection is built anew, and when that would be pointless."""

from __future__ import annotations

import json
from types import SimpleNamespace
from typing import cast

import discord
import pytest

from adapters.discord._gateway import Gateway, GatewayClient, intents
from adapters.discord.commands import _same, pages
from core.chat import ConfigError


class Ended(Exception):
    """Thrown by the test's sleep to leave the endless loop."""


class Scripted:
    """A client whose every start fails in the next way."""

    def __init__(self, failures: list[Exception | None]) -> None:
        self._failures = failures
        self._connection = SimpleNamespace()
        self.closed = 0

    async def start(self, token: str, *, reconnect: bool) -> None:
        assert not reconnect, "discord.py would wait up to 17 minutes after an outage"
        failure = self._failures.pop(0)
        if failure is not None:
            raise failure

    async def close(self) -> None:
        self.closed += 1


def http_error(status: int) -> discord.HTTPException:
    response = SimpleNamespace(status=status, reason="no")
    return discord.HTTPException(response, "<html>")  # type: ignore[arg-type]  # what discord.py reads of it


def closed(code: int) -> discord.ConnectionClosed:
    return discord.ConnectionClosed(SimpleNamespace(close_code=code), shard_id=0, code=code)  # type: ignore[arg-type]


async def run(failures: list[Exception | None]) -> tuple[list[float], Scripted]:
    """Run until the failures are used up. Returns the pauses and the client."""
    pauses: list[float] = []
    client = Scripted(failures)

    async def sleep(seconds: float) -> None:
        pauses.append(seconds)
        if not failures:
            raise Ended

    gateway = Gateway("t", "http://127.0.0.1:1", "ws://127.0.0.1:1", lambda: cast(GatewayClient, client), sleep)
    with pytest.raises(Ended):
        await gateway.run()
    assert gateway.unready() is not None
    return pauses, client


async def test_whatever_ends_a_client_another_follows_after_a_growing_pause() -> None:
    """discord.py gives up after failures that a second try mends, such as a malformed event."""
    pauses, client = await run([OSError(), KeyError("member"), closed(1000), None, http_error(503)])
    assert client.closed == 5
    assert all(0.75 * 2**n <= pause <= 1.25 * 2**n for n, pause in enumerate(pauses))


async def test_while_discord_cannot_be_reached_it_is_tried_again_every_half_minute() -> None:
    """After an outage of an hour people are not kept waiting for minutes more; trying uses nothing up."""
    pauses, _ = await run([http_error(503) if n % 2 else OSError() for n in range(12)])
    assert max(pauses) <= 30 * 1.25
    assert min(pauses[-4:]) >= 30 * 0.75


async def test_a_connection_that_breaks_soon_again_and_again_saves_its_greetings() -> None:
    """Discord resets the token of a bot that greets it more than a thousand times a day."""
    pauses, _ = await run([closed(4000) for _ in range(14)])
    assert min(pauses[-4:]) >= 300 * 0.75


async def test_a_block_of_our_address_is_waited_out() -> None:
    """Trying on makes it longer."""
    pauses, _ = await run([http_error(429)])
    assert pauses[0] >= 600


@pytest.mark.parametrize(
    "failure",
    [discord.LoginFailure(), discord.PrivilegedIntentsRequired(0), *map(closed, (4004, 4010, 4011, 4012, 4013))],
)
async def test_what_an_operator_must_mend_ends_the_connection(failure: Exception) -> None:
    """Each names the setting to look at."""
    client = Scripted([failure])
    gateway = Gateway("t", "http://127.0.0.1:1", "ws://127.0.0.1:1", lambda: cast(GatewayClient, client))
    with pytest.raises(ConfigError) as caught:
        await gateway.run()
    assert caught.value.setting == "DISCORD_BOT_TOKEN"
    assert client.closed == 1


def test_we_ask_only_for_what_we_use() -> None:
    """Guilds; messages, and reactions to them, there and in direct messages; what the messages say."""
    assert intents().value == 1 << 0 | 1 << 9 | 1 << 10 | 1 << 12 | 1 << 13 | 1 << 15


def test_registered_commands_are_compared_by_what_we_define() -> None:
    """Discord adds ids, versions and defaults, and keeps lists in its own order."""
    ours = {
        "name": "ask",
        "type": 1,
        "description": "Ask",
        "contexts": [0, 1, 2],
        "options": [{"name": "question", "type": 3, "required": True, "description": "x"}],
    }
    theirs = json.loads(json.dumps(ours)) | {"id": "1", "version": "2", "contexts": [2, 0, 1], "nsfw": False}
    assert _same([ours], [theirs])
    assert not _same([ours], [theirs | {"description": "Tell"}])
    assert not _same([ours], [theirs, theirs | {"name": "old"}])


def test_long_command_answers_are_cut_at_line_ends() -> None:
    """Nothing is lost, and no page is too long or blank."""
    text = "\n".join("x" * 90 for _ in range(100)) + "\n" + "y" * 5000
    parts = pages(text)
    assert all(0 < len(part) <= 2000 for part in parts)
    assert "".join(parts) == text
    assert pages("") == []
