"""`parley usage` as an operator reads it."""

from __future__ import annotations

import pytest

from bots.reports import print_usage
from bots.settings import Settings
from core.ids import ChannelId, ScopeId, UserId
from core.store import Store, keys
from core.usage import TurnUsage, increments, today

SERVER = ScopeId("discord:1575873367871848453")
CHANNEL = "1575873367871848456"
USAGE = TurnUsage(
    SERVER, UserId("discord:7"), ChannelId(f"{SERVER}:{CHANNEL}"), "demo", "answered", 10, 20, False, 0, 1.0, 0.1
)


@pytest.fixture
async def settings(store: Store, redis_url: str) -> Settings:
    """Of a Redis in which one server has used something."""
    for field, by in increments(USAGE).items():
        await store.redis.hincrby(keys.usage_day(0, SERVER, today().isoformat()), field, by)
    return Settings(_env_file=None, redis_url=redis_url)  # type: ignore[call-arg, arg-type]


async def test_ids_stand_whole_below_the_server_they_belong_to(
    settings: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    """A channel's id that was cut could not be looked up; that it is of this server stands above it."""
    await print_usage(settings, "")
    out = capsys.readouterr().out
    assert out.startswith(f"== {SERVER} ==\n")
    assert f"\n{CHANNEL}  " in out and "\ndiscord:7  " in out and "…" not in out


async def test_a_server_that_used_nothing_is_told_which_did(
    settings: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    """A table of zeros would hide a misspelt id."""
    await print_usage(settings, "discord:15")
    assert capsys.readouterr().out == f"Nothing has been used in discord:15. Something was in {SERVER}.\n"
    await print_usage(settings, SERVER)
    assert capsys.readouterr().out.startswith(f"== {SERVER} ==\n")
