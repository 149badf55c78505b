"""Two replicas of one bot, one Redis, a local Discord that keeps its limits: what one is told, the other keeps to."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from adapters.discord import _rest, limits, surface
from adapters.discord._errors import ApiError
from adapters.discord._rest import COURTESY, Asking, Rest
from adapters.discord.limits import EVERYTHING, SCOPE, draws_of
from adapters.discord.origin import ThreadStart, encode
from adapters.discord.surface import DiscordSurface
from adapters.emulators.discord import DiscordEmulator
from adapters.emulators.discord.limits import Limits
from adapters.emulators.discord.limits import Rate as Tokens
from core.chat import Bucket, Draws, Placement, RateLimited, Segment, SurfaceUnavailable, ThreadId, Window
from core.replies import Controls, Draft, Priority, Reply, SharedBudget
from core.store import Store


class Replica:
    """One process: its own connections to Discord and Redis."""

    def __init__(self, rest: Rest, budget: SharedBudget) -> None:
        self.rest, self.budget = rest, budget
        self.surface = DiscordSurface(rest)


@asynccontextmanager
async def replica(emulator: DiscordEmulator, redis_url: str) -> AsyncIterator[Replica]:
    store = await Store.open(redis_url)
    budget, rest = SharedBudget(store), Rest(emulator.api_url, emulator.bot_token)
    await rest.open(budget)
    one = Replica(rest, budget)
    try:
        yield one
    finally:
        await one.surface.aclose()
        await rest.aclose()
        await store.aclose()


@pytest.fixture
async def discord() -> AsyncIterator[DiscordEmulator]:
    async with DiscordEmulator().running() as emulator:
        yield emulator


@pytest.fixture
async def two(discord: DiscordEmulator, store: Store, redis_url: str) -> AsyncIterator[tuple[Replica, Replica]]:
    """store: empties the Redis before."""
    async with replica(discord, redis_url) as here, replica(discord, redis_url) as there:
        yield here, there


async def asked(discord: DiscordEmulator, number: int = 0) -> Placement:
    question = await discord.say("ben", "general", f"@Parley {number}")
    start = ThreadStart(str(question.channel_id), str(question.id), f"question {number}")
    return Placement(ThreadId(f"discord:{discord.guild_id}:{question.id}"), encode(start))


async def gives(budget: SharedBudget, draws: Draws) -> bool:
    return (await budget.take(draws, "", Priority.FINAL, patience_s=0.0)).go


async def test_a_bucket_that_one_has_emptied_the_other_leaves_alone_before_any_refusal(
    discord: DiscordEmulator, two: tuple[Replica, Replica]
) -> None:
    """`Remaining: 0` stands in the headers of a success; discord.py would know it in its own process alone."""
    here, there = two
    place = Placement(ThreadId(f"discord:{discord.guild_id}:{discord.channel('general').id}"))
    for number in range(5):  # as if others had used up the rest: nobody has asked for these
        await here.surface.post(place, Segment(f"{number}"), f"k{number}")
    told = await there.budget.take(there.surface.draws("post", place), "there", Priority.FINAL)
    assert not told.go and 2 < told.wait_s <= 5 and told.closure is not None
    assert (await there.budget.take(there.surface.draws("edit", place), "there", Priority.FINAL)).go
    assert not discord.rate_limited and here.budget.refusals == there.budget.refusals == {}


async def test_replicas_share_the_threads_that_may_be_opened(redis_url: str, store: Store) -> None:
    """Opening one is no call of a Reply. What does not fit is answered in the channel; nobody is refused."""
    limits = Limits(thread=Tokens(8, 3000.0), create=Tokens(500, 5.0))
    async with (
        DiscordEmulator(limits=limits).running() as discord,
        replica(discord, redis_url) as here,
        replica(discord, redis_url) as there,
    ):
        for number in range(12):
            one = (here, there)[number % 2]
            await one.surface.post(await asked(discord, number), Segment("an answer"), f"key-{number}")
        assert len(discord.threads()) == 8
        assert len([m for m in discord.messages("general") if m.content == "an answer"]) == 4
        assert not discord.rate_limited


@pytest.mark.parametrize("worldwide", [False, True])
async def test_a_thread_that_is_refused_to_one_is_not_asked_for_by_the_other(
    discord: DiscordEmulator, two: tuple[Replica, Replica], worldwide: bool
) -> None:
    """Nor does the refusal close what posts draw on, unless it is the bot's own."""
    here, there = two
    route = "POST /channels/*/messages/*/threads"
    discord.rate_limit(route, 9.0, scope="global" if worldwide else "user")
    for one, number in ((here, 0), (there, 1)):
        with pytest.raises(RateLimited) as told:
            await one.surface.post(await asked(discord, number), Segment("hi"), f"k{number}")
        assert told.value.noted and told.value.retry_after_s > 8
    assert len(discord.calls(route)) == 1
    assert here.budget.refusals == {SCOPE: 1}
    posts = here.surface.draws("post", Placement(ThreadId("discord:1:2")))
    assert await gives(there.budget, posts) is not worldwide


async def test_answers_that_get_no_thread_share_the_posts_of_the_channel(redis_url: str, store: Store) -> None:
    """Each has a place for a post in a thread of its own, and needs one in the channel where all of them go."""
    async with (
        DiscordEmulator(limits=Limits().faster(5)).running() as discord,
        replica(discord, redis_url) as here,
        replica(discord, redis_url) as there,
    ):
        discord.fail_next("POST /channels/*/messages/*/threads", code=50013, times=None)
        places = [await asked(discord, number) for number in range(6)]
        posting = ((here, there)[n % 2].surface.post(place, Segment("hi"), f"k{n}") for n, place in enumerate(places))
        await asyncio.gather(*posting)
        assert len([m for m in discord.messages("general") if m.content == "hi"]) == 6
        assert not discord.rate_limited


async def test_an_answer_waits_for_its_thread_and_comes(discord: DiscordEmulator, two: tuple[Replica, Replica]) -> None:
    """One that is refused for a moment is worth waiting for."""
    here, _ = two
    discord.fail_next("POST /channels/*/messages/*/threads", retry_after=0.4)

    async def posted(_: object) -> None:
        return None

    place = await asked(discord)
    reply = Reply(here.surface, place, here.budget, key="turn", controls=Controls("s"), posted=posted)
    reply.show(Draft("an answer", final=True))
    async with asyncio.timeout(20):
        assert await reply.run() == "shown"
    (thread,) = discord.threads()
    assert discord.messages(thread)[-1].content == "an answer"
    assert not discord.impatient_calls


async def test_an_answer_does_not_wait_for_its_thread_again_and_again(
    discord: DiscordEmulator, two: tuple[Replica, Replica], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where many are asked for, there is a place soon, each time, and each time another one takes it."""
    monkeypatch.setattr(surface, "_THREAD_WAIT_S", 0.6)
    monkeypatch.setattr(surface, "_OPENS", Asking(Priority.FINAL, 0.0))
    monkeypatch.setattr(limits, "_TOLD", {"thread": (1, 0.25)})
    here, there = two
    place, channel = await asked(discord), str(discord.channel("general").id)
    threads = draws_of("POST /channels/{channel}/messages/{message}/threads", channel, there.rest.learned)
    for _ in range(20):
        while await gives(there.budget, Draws(SCOPE, threads.buckets[:1])):
            pass
        with contextlib.suppress(RateLimited):
            await here.surface.post(place, Segment("an answer"), "key")
            break
        await asyncio.sleep(0.1)
    assert "an answer" in [message.content for message in discord.messages("general")]


async def test_whoever_takes_over_goes_on_where_the_answer_was_begun(
    discord: DiscordEmulator, two: tuple[Replica, Replica]
) -> None:
    """The first had no thread and died before the answer to its post; the second may open one, but the nonce gives it
    the message in the channel, and what follows belongs below that."""
    here, there = two
    place = await asked(discord)
    discord.fail_next("POST /channels/*/messages/*/threads", code=50013)
    discord.fail_next("POST /channels/*/messages", status=0, after_effect=True)
    with pytest.raises(SurfaceUnavailable):
        await here.surface.post(place, Segment("One"), "key-0")
    ref = await there.surface.post(place, Segment("One, two"), "key-0")
    await there.surface.edit(place, ref, Segment("One, two, three"))
    await there.surface.post(place, Segment("Four"), "key-1")
    answers = [m.content for m in discord.messages("general") if m.author.id == discord.bot_user_id]
    assert answers == ["One, two, three", "Four"]


async def test_invalid_requests_are_counted_over_all_replicas(
    discord: DiscordEmulator, two: tuple[Replica, Replica], monkeypatch: pytest.MonkeyPatch
) -> None:
    """They may stand behind one address, and Discord shuts out addresses."""
    monkeypatch.setattr(_rest, "INVALID", Draws(SCOPE, (Bucket("invalid", Window(3, 600.0)),)))
    here, there = two
    await discord.set_permissions("general", deny=1 << 10)
    for one in (here, there, here, there):
        with pytest.raises(ApiError) as refused:
            await one.rest.call("GET", "/channels/{channel}", channel=str(discord.channel("general").id))
        assert refused.value.status == 403
    for one in (here, there):
        assert not await gives(one.budget, EVERYTHING)
        with pytest.raises(RateLimited) as told:
            await one.rest.call("GET", "/users/@me")
        assert told.value.retry_after_s > 500
    assert len(discord.calls("GET /users/@me")) == 0


async def test_a_courtesy_gives_up_where_what_matters_waits(
    discord: DiscordEmulator, two: tuple[Replica, Replica]
) -> None:
    """A name is looked up, or not; a channel that somebody asks in has to be known."""
    here, there = two
    route = "GET /channels/{channel}"
    channel = str(discord.channel("general").id)
    discord.fail_next("GET /channels/*", retry_after=1.0)
    with pytest.raises(ApiError):
        await here.rest.call("GET", "/channels/{channel}", channel=channel)
    with pytest.raises(RateLimited):
        await there.rest.call("GET", "/channels/{channel}", asking=COURTESY, channel=channel)
    assert (await there.rest.call("GET", "/channels/{channel}", channel=channel))["id"] == channel
    assert not discord.impatient_calls, route
