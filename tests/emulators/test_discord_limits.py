"""The local Discord's rate limits, and the faults it can be told to have."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import aiohttp
import pytest

from adapters.emulators.discord import DiscordEmulator, Limits, Rate
from tests.emulators.rest import Rest


async def test_a_bucket_holds_five_and_gives_one_back_a_second(
    strict: DiscordEmulator, sessions: Callable[[DiscordEmulator], Rest]
) -> None:
    """The headers tell it beforehand, the refusal says how long, and waiting that long is enough."""
    rest, general = sessions(strict), strict.channel("general")
    replies = [await rest.post(general, str(n)) for n in range(6)]
    assert [reply.status for reply in replies] == [200] * 5 + [429]
    assert [reply.headers["X-RateLimit-Remaining"] for reply in replies[:5]] == list("43210")
    assert replies[4].headers["X-RateLimit-Reset-After"] == "5.000"
    refused = replies[5]
    assert refused.body == {"message": "You are being rate limited.", "retry_after": 1.0, "global": False}
    assert refused.headers["Via"] and refused.headers["Retry-After"] == "1"
    assert refused.headers["X-RateLimit-Scope"] == "user"
    assert (await rest.post(general, "early")).status == 429
    await strict.advance(1.0)
    assert (await rest.post(general, "in time")).status == 200
    route = "POST /channels/{channel_id}/messages"
    assert (strict.rate_limited[route], strict.impatient_calls[route]) == (2, 1)


async def test_posting_and_editing_share_a_hash_and_not_a_counter(
    strict: DiscordEmulator, sessions: Callable[[DiscordEmulator], Rest]
) -> None:
    rest, general = sessions(strict), strict.channel("general")
    posted = [await rest.post(general, str(n)) for n in range(5)]
    message = strict.messages(general)[0]
    edited = await rest.edit(message, content="x")
    assert edited.status == 200 and edited.headers["X-RateLimit-Remaining"] == "4"
    assert edited.headers["X-RateLimit-Bucket"] == posted[0].headers["X-RateLimit-Bucket"]
    other = await rest.post(strict.channel("random"), "another channel, another bucket")
    assert other.headers["X-RateLimit-Remaining"] == "4"


async def test_fifty_calls_a_second_are_all_a_token_gets(
    strict: DiscordEmulator, sessions: Callable[[DiscordEmulator], Rest]
) -> None:
    rest = sessions(strict)
    for number in range(5):
        channel = await strict.add_channel(f"c{number}")
        for _ in range(10):
            assert (await rest("GET", f"/channels/{channel.id}/messages")).status == 200
    refused = await rest("GET", "/users/@me")
    assert refused.status == 429 and refused.body["global"] is True
    assert refused.headers["X-RateLimit-Global"] == "true"


async def test_old_messages_and_names_change_seldom(
    strict: DiscordEmulator, sessions: Callable[[DiscordEmulator], Rest]
) -> None:
    """30046 after three edits of messages over an hour old; two renames in ten minutes."""
    rest, general = sessions(strict), strict.channel("general")
    made = await rest("POST", f"/channels/{general.id}/threads", {"name": "a", "type": 11})
    message = await rest.post(general, "old")
    await strict.advance(3601)
    edits = [await rest.edit(strict.messages(general)[-1], content=str(n)) for n in range(4)]
    assert message.status == 200 and [one.status for one in edits] == [200, 200, 200, 429]
    assert edits[3].code == 30046 and edits[3].body["retry_after"] == 2.0
    renames = [await rest("PATCH", f"/channels/{made.body['id']}", {"name": name}) for name in "bcd"]
    assert [one.status for one in renames] == [200, 200, 429]
    assert renames[2].body["retry_after"] > 60


async def test_too_many_invalid_requests_shut_the_address_out(sessions: Callable[[DiscordEmulator], Rest]) -> None:
    """The answer is no JSON and has no Via header, as from Cloudflare."""
    async with DiscordEmulator(limits=Limits(invalid_requests=Rate(3, 600))).running() as emulator:
        rest = sessions(emulator)
        for _ in range(3):
            await rest("GET", "/users/@me", token="wrong")
        banned = await rest("GET", "/users/@me")
        assert banned.status == 429 and "Via" not in banned.headers and isinstance(banned.body, str)


async def test_faults_hit_the_route_they_are_set_for(emulator: DiscordEmulator, rest: Rest) -> None:
    """Once, before or after the effect, or by cutting the connection."""
    general = emulator.channel("general")
    emulator.fail_next("POST /channels/*/messages", status=503)
    assert (await rest.post(general, "a")).status == 503
    emulator.fail_next("POST /channels/*/messages", code=50013)
    assert (await rest.post(general, "b")).code == 50013
    assert emulator.messages(general) == []
    emulator.fail_next("POST /channels/{channel.id}/messages", status=0, after_effect=True)
    with pytest.raises(aiohttp.ServerDisconnectedError):
        await rest.post(general, "c")
    assert [one.content for one in emulator.messages(general)] == ["c"]
    emulator.rate_limit("POST /channels/*/messages", retry_after=2.0)
    assert (await rest.post(general, "d")).body["retry_after"] == 2.0
    await emulator.advance(2.0)
    assert (await rest.post(general, "e")).status == 200
    assert [call.status for call in emulator.calls("POST /channels/*/messages")] == [503, 403, 0, 429, 200]


async def test_a_share_of_all_answers_gets_lost_by_chance(emulator: DiscordEmulator, rest: Rest) -> None:
    """What took effect and was never confirmed; the same seed loses the same ones."""
    lost = []
    for _ in range(2):
        emulator.lose_answers(0.3, "POST /channels/*", seed=3)
        told = []
        for _ in range(20):
            try:
                await rest("POST", f"/channels/{emulator.channel('general').id}/typing")
                told.append(True)
            except aiohttp.ServerDisconnectedError:
                told.append(False)
        lost.append(told)
        emulator.clear_faults()
    assert lost[0] == lost[1]
    assert 2 <= lost[0].count(False) <= 18


async def test_a_delayed_call_waits_on_the_clock(emulator: DiscordEmulator, rest: Rest) -> None:
    emulator.delay("GET /users/@me", 30.0)
    waiting = asyncio.create_task(rest("GET", "/users/@me"))
    await emulator.wait_for(lambda: emulator.calls("GET /users/@me"))
    assert not waiting.done()
    await emulator.advance(30.0)
    assert (await waiting).status == 200


async def test_a_call_that_breaks_here_is_a_500_and_logged(
    emulator: DiscordEmulator, rest: Rest, caplog: pytest.LogCaptureFixture
) -> None:
    """A mistake of the emulator is not mistaken for a refusal of Discord's."""
    reply = await rest.post(emulator.channel("general"), "x", flags="many")
    assert reply.status == 500 and "rest.failed" in caplog.messages
