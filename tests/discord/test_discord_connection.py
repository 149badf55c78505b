"""Connections to Discord: what ends one, what is read after a gap, and what is said at the start."""

from __future__ import annotations

import asyncio
import math
from dataclasses import replace
from typing import Any

import pytest
from aiohttp import web

from adapters.discord import DiscordAdapter, DiscordSettings
from adapters.discord.limits import Learned, draws_of
from adapters.emulators.discord import DiscordEmulator
from core.chat import ConfigError, Draws, starting
from core.replies import LocalBudget, Priority
from tests.discord.room import Desk, Room


@pytest.mark.parametrize("trouble", ["drop", "a while away after 1000", "op 7", "op 9 resumable"])
async def test_a_lost_connection_is_resumed_without_losing_a_message(room: Room, trouble: str) -> None:
    """Scenario 20: Discord cuts connections every few hours, also with 1000 and not letting us in for a while; what
    was said meanwhile is replayed."""
    match trouble:
        case "drop":
            await room.emulator.drop(4000)
        case "a while away after 1000":
            room.emulator.hold_connections()
            await room.emulator.drop(1000)
            await room.until(lambda: room.adapter.unready() is not None, timeout=20)
        case "op 7":
            await room.emulator.reconnect_request()
        case _:
            await room.emulator.invalidate(resumable=True)
    await room.emulator.say("ben", "general", "@Parley still there?")
    room.emulator.hold_connections(False)
    assert (await room.heard(timeout=20)).text == "still there?"
    await room.until(lambda: room.adapter.unready() is None)


async def test_what_was_said_between_two_sessions_is_read_afterwards(room: Room) -> None:
    """Discord replays nothing into a new session; channels, threads and direct messages are looked through."""
    await room.emulator.direct("cleo", "before")
    thread = await room.emulator.open_thread("ben", "general", "talk", "@Parley hi")
    await room.until(lambda: len(room.desk.messages) == 2)
    await room.emulator.invalidate(resumable=False)
    await room.emulator.say("ben", "random", "@Parley one")
    await room.emulator.say("ben", thread, "two")
    await room.emulator.direct("cleo", "three")
    await room.emulator.say("ben", "random", "@Parley four")
    await room.until(lambda: len(room.desk.messages) >= 6, timeout=20)
    texts = [one.text for one in room.desk.messages]
    assert sorted(texts) == sorted(["before", "hi", "one", "two", "three", "four"])
    assert texts.index("one") < texts.index("four")
    assert room.emulator.calls("GET /channels/*/messages")


@pytest.mark.parametrize("status", [0, 503])
async def test_a_gap_is_read_although_discord_does_not_answer_at_once(room: Room, status: int) -> None:
    """Discord that has just ended a session is often not well yet, and nothing else tells of what was said."""
    await room.emulator.say("ben", "general", "@Parley hi")
    await room.heard()
    room.emulator.fail_next("GET /channels/*/messages", status=status, times=2)
    await room.emulator.invalidate(resumable=False)
    await room.emulator.say("ben", "random", "@Parley one")
    await room.until(lambda: len(room.desk.messages) >= 2, timeout=20)
    assert [one.text for one in room.desk.messages] == ["hi", "one"]


async def test_a_question_is_found_behind_a_long_talk_of_others(room: Room) -> None:
    """A busy channel says more than fifty things in half an hour; the one for us may be the last of them."""
    await room.emulator.say("ben", "general", "@Parley hi")
    await room.heard()
    await room.emulator.invalidate(resumable=False)
    for number in range(120):
        await room.emulator.say("ada", "random", f"talk {number}")
    await room.emulator.say("ben", "random", "@Parley one")
    await room.until(lambda: len(room.desk.messages) >= 2, timeout=20)
    assert [one.text for one in room.desk.messages] == ["hi", "one"]


async def test_a_repeated_event_carries_the_same_keys(room: Room) -> None:
    """Replays and second connections are told apart from new messages by core, from the keys alone."""
    await room.emulator.say("ben", "general", "@Parley hi")
    await room.heard()
    await room.emulator.redeliver()
    await room.heard(2)
    first, second = room.desk.messages
    assert first == second


async def test_an_event_that_cannot_be_read_costs_nobody_the_connection(room: Room) -> None:
    """discord.py ends its client for one; the next session would begin seconds later, and later each time."""
    await room.emulator.say("ben", "general", "nothing for us")
    spoken = next(one for one in reversed(room.emulator._recent) if one.name == "MESSAGE_CREATE")
    broken: list[tuple[str, Any]] = [
        ("MESSAGE_CREATE", {}),
        ("MESSAGE_CREATE", None),
        ("THREAD_CREATE", []),
        ("GUILD_CREATE", {"id": None}),
    ]
    for name, data in broken:
        await room.emulator.redeliver(replace(spoken, name=name, d=data))
    await room.emulator.say("ben", "general", "@Parley hi")
    assert (await room.heard()).text == "hi"
    assert len(room.emulator.gateway.sessions.all()) == 1


async def test_a_token_that_is_reset_ends_listening_with_a_clear_word(room: Room) -> None:
    """Close code 4004, or 401 at the next login: an operator must act."""
    room.emulator.world.bot_token = "another"
    await room.emulator.drop(4009)
    with pytest.raises(ConfigError, match="does not accept this token"):
        async with asyncio.timeout(25):
            await room.listening


async def test_while_discord_turns_us_away_we_are_not_ready_and_come_back(room: Room) -> None:
    """A process that looks alive and hears nothing is the worst kind."""
    room.emulator.refuse_connections()
    await room.emulator.drop(1000)
    await room.until(lambda: room.adapter.unready() is not None)
    room.emulator.refuse_connections(False)
    await room.until(lambda: room.adapter.unready() is None, timeout=40)
    await room.emulator.say("ben", "general", "@Parley back?")
    assert (await room.heard()).text == "back?"


async def test_a_wrong_token_is_named_at_the_start(emulator: DiscordEmulator) -> None:
    """The setting, what is wrong, where to get it right; never the token."""
    adapter = DiscordAdapter(DiscordSettings("wr0ng-token", emulator.api_url))
    with pytest.raises(ConfigError) as caught:
        await adapter.open()
    assert caught.value.setting == "DISCORD_BOT_TOKEN"
    assert "wr0ng" not in f"{caught.value} {DiscordSettings('wr0ng-token')!r}"
    assert len(emulator.calls("GET /users/@me")) == 1, "a clear no is asked for once"
    await adapter.aclose()


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody waits between two attempts at the start, unless Discord says so."""
    monkeypatch.setattr(starting, "PAUSES_S", (0.01,) * len(starting.PAUSES_S))


@pytest.mark.parametrize("route", ["GET /users/@me", "GET /applications/@me", "GET /gateway/bot"])
@pytest.mark.parametrize("trouble", [{"status": 0}, {"status": 503}, {"retry_after": 0.3}])
async def test_what_may_pass_does_not_end_the_start(
    emulator: DiscordEmulator, quick: None, caplog: pytest.LogCaptureFixture, route: str, trouble: dict[str, Any]
) -> None:
    """One lost answer is no reason to tell an operator that a setting is wrong; the log says what was waited for."""
    emulator.fail_next(route, times=2, **trouble)  # a connection that breaks once is mended by aiohttp itself
    adapter = DiscordAdapter(DiscordSettings(emulator.bot_token, emulator.api_url))
    await adapter.open()
    await adapter.aclose()
    assert len(emulator.calls(route)) == 3 and not emulator.impatient_calls
    assert {record.call for record in caplog.records if record.getMessage() == "start.call_failed"} == {route}


async def test_a_start_stands_in_line_with_those_of_the_other_replicas(emulator: DiscordEmulator) -> None:
    """Where a hundred are started at once, those at the end are no reason to doubt a setting."""
    budget, asks = LocalBudget(), draws_of("GET /users/@me", "", Learned())
    route_alone = Draws(asks.scope, asks.buckets[:1])

    async def told(name: str, patience_s: float = math.inf) -> float:
        """The loop time at which `name` may come."""
        grant = await budget.take(route_alone, name, Priority.NOTICE, patience_s=patience_s)
        return asyncio.get_running_loop().time() + grant.wait_s

    before = [await told(f"s{number}") for number in range(26)]
    each_s = before[-1] - before[-2]
    assert before[-1] - before[0] > 7
    adapter = DiscordAdapter(DiscordSettings(emulator.bot_token, emulator.api_url))
    opening = asyncio.create_task(adapter.open(budget))
    async with asyncio.timeout(5):
        while await told("last", 0.0) < before[-1] + 1.5 * each_s:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
    assert not opening.done()
    opening.cancel()
    await asyncio.gather(opening, return_exceptions=True)
    await adapter.aclose()


async def test_a_platform_that_wants_to_be_left_alone_for_long_is_not_waited_for(emulator: DiscordEmulator) -> None:
    """Somebody should be told; an address that is blocked is blocked for minutes."""
    emulator.fail_next("GET /users/@me", retry_after=600.0)
    adapter = DiscordAdapter(DiscordSettings(emulator.bot_token, emulator.api_url))
    with pytest.raises(ConfigError, match="asks to be left alone for 600 s"):
        await adapter.open()
    await adapter.aclose()
    assert len(emulator.calls("GET /users/@me")) == 1


async def test_an_address_that_is_not_discord_is_named_at_the_start(emulator: DiscordEmulator, quick: None) -> None:
    """Nobody there, or somebody else."""
    page = web.Application()
    runner = web.AppRunner(page)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    for url in (f"http://127.0.0.1:{runner.addresses[0][1]}/api/v10", "http://127.0.0.1:1/api/v10"):
        adapter = DiscordAdapter(DiscordSettings("token", url))
        with pytest.raises(ConfigError) as caught:
            await adapter.open()
        assert caught.value.setting == "DISCORD_API_URL"
        await adapter.aclose()
    await runner.cleanup()


async def test_a_missing_message_content_intent_is_named_at_the_start() -> None:
    """The most frequent reason for a bot that is online and deaf."""
    async with DiscordEmulator(portal_intents=0).running() as emulator:
        adapter = DiscordAdapter(DiscordSettings(emulator.bot_token, emulator.api_url))
        with pytest.raises(ConfigError, match="Message Content intent"):
            await adapter.open()
        await adapter.aclose()


async def test_an_intent_switched_off_later_ends_listening_with_a_clear_word(emulator: DiscordEmulator) -> None:
    """No retry can mend it (close code 4014)."""
    adapter = DiscordAdapter(DiscordSettings(emulator.bot_token, emulator.api_url))
    await adapter.open()
    emulator.allow_intents(0)
    with pytest.raises(ConfigError, match="Message Content intent"):
        async with asyncio.timeout(20):
            await adapter.listen(Desk())
    assert adapter.unready() is not None
    await adapter.aclose()
