"""Rates: the numbers of the tiers, Retry-After, and what is counted."""

from __future__ import annotations

import aiohttp
import pytest

from adapters.emulators.clock import Clock
from adapters.emulators.slack import RateLimits, SlackEmulator
from adapters.emulators.slack.limits import RateLimiter

GENERAL = "C0EMUGENERAL"


def allowed(limiter: RateLimiter, method: str, tier: str, now: float, calls: int, channel: str = "") -> int:
    return sum(limiter.take(method, tier, channel, now) is None for _ in range(calls))


@pytest.mark.parametrize(("tier", "number"), [("t2", 20), ("t3", 50), ("t4", 100)])
def test_a_tier_lets_its_number_through_each_minute(tier: str, number: int) -> None:
    """Twenty, fifty, a hundred a minute, as a burst or spread."""
    limiter = RateLimiter(RateLimits())
    assert allowed(limiter, "m", tier, 0.0, number + 30) == number
    assert limiter.limited["m"] == 30
    assert allowed(limiter, "m", tier, 30.0, 5) == 0
    assert allowed(limiter, "m", tier, 60.0, number + 1) == number


def test_methods_have_rates_of_their_own() -> None:
    """chat.update being full says nothing of chat.delete."""
    limiter = RateLimiter(RateLimits())
    allowed(limiter, "chat.update", "t3", 0.0, 60)
    assert allowed(limiter, "chat.delete", "t3", 0.0, 1) == 1


def test_posts_are_one_a_second_in_a_channel_after_a_burst_and_bounded_over_all() -> None:
    """Short bursts are tolerated, another channel is another bucket, the workspace has a cap."""
    limiter = RateLimiter(RateLimits(post_burst=3, posts_per_minute=8))
    assert allowed(limiter, "chat.postMessage", "t5", 0.0, 5, "C1") == 3
    assert allowed(limiter, "chat.postMessage", "t5", 0.0, 5, "C2") == 3
    assert allowed(limiter, "chat.postMessage", "t5", 1.0, 2, "C1") == 1
    assert allowed(limiter, "chat.postMessage", "t5", 10.0, 3, "C3") == 1
    assert allowed(limiter, "chat.postMessage", "t5", 75.0, 3, "C3") == 3


def test_calls_during_a_wait_are_counted_and_refused() -> None:
    """Whoever was told to wait and does not is found out."""
    limiter = RateLimiter(RateLimits(tiers={"t3": 1}))
    assert limiter.take("m", "t3", "", 0.0) is None
    assert limiter.take("m", "t3", "", 0.5) == 60
    assert limiter.during_wait["m"] == 0
    assert limiter.take("m", "t3", "", 10.0) == 51
    assert limiter.during_wait["m"] == 1
    assert limiter.take("m", "t3", "", 60.5) is None


async def test_the_answer_is_429_with_whole_seconds() -> None:
    """HTTP 429, Retry-After, and "ratelimited" in the body; the log and the counters know."""
    emulator = SlackEmulator(Clock(1_712_345_678.0, frozen=True), rate_limits=RateLimits(tiers={"t4": 1, "t5": 600}))
    headers = {"Authorization": f"Bearer {emulator.bot_token}"}
    async with emulator.running(), aiohttp.ClientSession(trust_env=False, headers=headers) as session:
        url = emulator.api_url + "users.info?user=U0EMUADA"
        async with session.get(url) as answer:
            assert answer.status == 200
        for _ in range(2):
            async with session.get(url) as answer:
                assert (answer.status, answer.headers["Retry-After"]) == (429, "60")
                assert await answer.json() == {"ok": False, "error": "ratelimited"}
        emulator.advance(60)
        async with session.get(url) as answer:
            assert answer.status == 200
    assert emulator.rate_limited == {"users.info": 2}
    assert emulator.calls_during_wait == {"users.info": 1}
    assert [call.error for call in emulator.calls("users.info")] == [None, "ratelimited", "ratelimited", None]


async def test_a_method_can_be_closed_for_a_while() -> None:
    """429 with the same Retry-After on every call until the window has passed; the other methods go on."""
    emulator = SlackEmulator(Clock(1_712_345_678.0, frozen=True))
    headers = {"Authorization": f"Bearer {emulator.bot_token}"}
    async with emulator.running(), aiohttp.ClientSession(trust_env=False, headers=headers) as session:

        async def status(method: str) -> int:
            async with session.post(f"{emulator.api_url}{method}", json={"channel": GENERAL, "text": "x"}) as answer:
                return answer.status

        emulator.rate_limit("chat.postMessage", retry_after=30, for_seconds=120)
        seen = []
        for _ in range(5):
            seen.append(await status("chat.postMessage"))
            emulator.advance(30)
        assert seen == [429, 429, 429, 429, 200]
        assert emulator.calls_during_wait == {}
        emulator.fail_next("chat.postMessage", status=429, retry_after=7)
        assert await status("chat.postMessage") == 429
        assert await status("chat.postMessage") == 429
        assert emulator.calls_during_wait == {"chat.postMessage": 1}
        assert await status("auth.test") == 200
        emulator.advance(7)
        assert await status("chat.postMessage") == 200
