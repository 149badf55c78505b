"""Two replicas in one workspace, one Redis, a local Slack that keeps its limits: methods that no Reply calls, too."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import pytest

from adapters.emulators.slack.emulator import SlackEmulator
from adapters.slack import SlackSurface
from adapters.slack._admission import Admission
from adapters.slack._web import Web
from adapters.slack.inbound import Me
from adapters.slack.limits import draws_of
from adapters.slack.people import People
from adapters.slack.settings import SlackSettings
from core.chat import Attachment, Draws, MessageRef, Placement, RateLimited, Segment, ThreadId, UserId
from core.replies import Controls, Draft, Priority, Reply, SharedBudget, Standing
from core.store import Store

ADA = UserId("slack:U0EMUADA")


class Replica:
    """One process: its own connections to Slack and Redis."""

    def __init__(self, web: Web, slack: SlackEmulator, budget: SharedBudget) -> None:
        self.budget = budget
        me = Me(slack.team_id, slack.bot_user_id, slack.bot_id)
        admission = Admission(budget, me.team)
        self.people = People(web.client, admission)
        self.surface = SlackSurface(web.client, me, self.people, streaming="on", admission=admission)

    async def gives(self, draws: Draws) -> bool:
        return (await self.budget.take(draws, "", Priority.FINAL, patience_s=0.0)).go

    def reply(self, placement: Placement, key: str) -> Reply:
        return Reply(self.surface, placement, self.budget, key=key, controls=Controls("stop"), posted=noted)


async def noted(_: Standing) -> None:
    return None


@asynccontextmanager
async def replica(slack: SlackEmulator, redis_url: str) -> AsyncIterator[Replica]:
    store = await Store.open(redis_url)
    web = Web.connect(SlackSettings(slack.bot_token, slack.app_token, api_url=slack.api_url, listens=False))
    try:
        yield Replica(web, slack, SharedBudget(store))
    finally:
        await web.aclose()
        await store.aclose()


@pytest.fixture
async def two(emulator: SlackEmulator, store: Store, redis_url: str) -> AsyncIterator[tuple[Replica, Replica]]:
    """store: empties the Redis before."""
    async with replica(emulator, redis_url) as here, replica(emulator, redis_url) as there:
        yield here, there


async def questions(slack: SlackEmulator, number: int) -> Sequence[Placement]:
    """One in each of so many channels."""
    placements = []
    for count in range(number):
        slack.add_channel(f"c{count}", ["ada", "parley"])
        asked = await slack.say("ada", f"c{count}", "a question")
        thread = ThreadId(f"slack:{slack.team_id}:{asked.channel}:{asked.ts}")
        placements.append(Placement(thread, f"{asked.user}@{slack.team_id}"))
    return placements


async def test_replicas_begin_and_end_no_more_streams_than_slack_takes(
    emulator: SlackEmulator, two: tuple[Replica, Replica]
) -> None:
    """Each by itself would have begun twenty. What finds no place is posted, and nobody is refused."""
    placements = await questions(emulator, 24)
    refs = []
    for number, place in enumerate(placements):
        growing = Segment("An answer that grows. ", stop="stop", growing=True)
        refs.append(await two[number % 2].surface.post(place, growing, f"turn{number}-0"))
    assert len(emulator.calls("chat.startStream")) == 19
    assert len(emulator.calls("chat.postMessage")) == 24 - 19
    for number, (place, ref) in enumerate(zip(placements, refs, strict=True)):
        await two[number % 2].surface.edit(place, ref, Segment("An answer that grows. It has ended."))
    assert len(emulator.calls("chat.stopStream")) == 19
    assert emulator.rate_limited == {}
    assert all("It has ended." in str(emulator.bot_messages(p.thread_id.split(":")[2])[-1].blocks) for p in placements)


async def test_a_stream_that_cannot_be_ended_yet_says_all_and_is_ended_in_its_turn(
    emulator: SlackEmulator, two: tuple[Replica, Replica]
) -> None:
    """Another replica has used the places up: the words come at once by an addition, the end when there is a place, and
    nobody is refused."""
    here, there = two
    (place,) = await questions(emulator, 1)
    reply = here.reply(place, "turn")
    running = asyncio.create_task(reply.run())
    reply.show(Draft("An answer that grows. "))
    await emulator.wait_for(lambda: emulator.calls("chat.startStream"), 5)
    while await there.gives(draws_of("chat.stopStream", emulator.team_id)):
        pass
    await there.budget.used_up(draws_of("chat.stopStream", emulator.team_id), "chat.stopStream", 1.0)
    reply.show(Draft("An answer that grows. It has ended.", final=True))
    await emulator.wait_for(lambda: "has ended" in str(emulator.bot_messages(channel_of(place))[-1].blocks), 5)
    assert not emulator.calls("chat.stopStream") and not running.done()
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    assert emulator.rate_limited == {} and here.budget.refusals == {}


def channel_of(place: Placement) -> str:
    return place.thread_id.split(":")[2]


async def test_a_stream_that_has_ended_does_not_count_among_the_answers_that_need_edits(
    emulator: SlackEmulator, two: tuple[Replica, Replica]
) -> None:
    """Or those that grow by edits would grow more slowly for a minute after it."""
    here, there = two
    for number, place in enumerate(await questions(emulator, 4)):
        reply = here.reply(place, f"turn{number}")
        running = asyncio.create_task(reply.run())
        reply.show(Draft("An answer that grows. "))
        started = number + 1
        await emulator.wait_for(lambda started=started: len(emulator.calls("chat.startStream")) == started, 5)
        reply.show(Draft("An answer that grows. It has ended.", final=True))
        async with asyncio.timeout(5):
            assert await running == "shown"
    assert not emulator.calls("chat.update") and len(emulator.calls("chat.stopStream")) == 4
    edits = there.surface.draws("edit", place)
    grants = [await there.budget.take(edits, "another", Priority.INTERIM) for _ in range(47)]
    assert all(grant.go for grant in grants[:46]), "all but what one answer that is alive needs"


async def test_a_refused_search_closes_no_budget_but_its_own(
    emulator: SlackEmulator, two: tuple[Replica, Replica]
) -> None:
    """A post whose answer was lost is looked for; others of that channel are posted meanwhile, here and there."""
    here, there = two
    (place,) = await questions(emulator, 1)
    emulator.fail_next("chat.startStream", error="channel_type_not_supported")
    emulator.fail_next("chat.postMessage", after_effect=True)
    emulator.fail_next("conversations.replies", status=429, retry_after=1)
    reply = here.reply(place, "turn")
    running = asyncio.create_task(reply.run())
    reply.show(Draft("An answer", final=True))
    await emulator.wait_for(lambda: emulator.rate_limited, 5)
    assert await there.gives(there.surface.draws("post", place))
    assert not await there.gives(draws_of("conversations.replies", emulator.team_id))
    async with asyncio.timeout(15):
        assert await running == "shown"
    assert len(emulator.bot_messages(channel_of(place))) == 1
    assert emulator.calls_during_wait.get("conversations.replies", 0) == 0
    assert len(emulator.calls("chat.postMessage")) == 1 and len(emulator.calls("conversations.replies")) == 2


async def test_where_reading_is_refused_for_long_a_second_message_is_the_lesser_evil(
    emulator: SlackEmulator, two: tuple[Replica, Replica]
) -> None:
    """Than no answer at all."""
    here, _ = two
    (place,) = await questions(emulator, 1)
    emulator.fail_next("conversations.replies", status=429, retry_after=600)
    assert await here.surface.find(place, "turn-0") is None


@pytest.mark.parametrize("method", ["files.getUploadURLExternal", "files.completeUploadExternal"])
async def test_a_file_that_is_refused_to_one_is_not_tried_by_the_other(
    emulator: SlackEmulator, two: tuple[Replica, Replica], method: str
) -> None:
    """Each step has a budget of its own, beside that of the message that shows the file."""
    file = Attachment("a.txt", "text/plain", "YQ==")
    (place,) = await questions(emulator, 1)
    emulator.fail_next(method, status=429, retry_after=30)
    for one in two:
        with pytest.raises(RateLimited) as told:
            await one.surface.upload(place, file, "turn-f0")
        assert told.value.noted and told.value.retry_after_s > 25
        assert await one.gives(one.surface.draws("post", place))
    assert len(emulator.calls(method)) == 1


async def test_names_go_without_while_slack_asks_to_wait(emulator: SlackEmulator, two: tuple[Replica, Replica]) -> None:
    """A courtesy: nobody waits for a name, and nobody asks for one that would be refused."""
    here, there = two
    emulator.fail_next("users.info", status=429, retry_after=30)
    assert await here.people.name_of(ADA) is None and await there.people.name_of(ADA) is None
    assert len(emulator.calls("users.info")) == 1
    assert await there.people.name_of(f"slack:{emulator.team_id}:C0EMUGENERAL") == "#general"


async def test_an_edit_that_is_refused_twice_over_is_accounted_for_twice(
    emulator: SlackEmulator, two: tuple[Replica, Replica]
) -> None:
    """Blocks that Slack refuses are followed by the same text without them: two calls of one edit."""
    here, there = two
    (place,) = await questions(emulator, 1)
    emulator.fail_next("chat.startStream", error="channel_type_not_supported")
    ref: MessageRef = await here.surface.post(place, Segment("one"), "turn-0")
    emulator.fail_next("chat.update", error="invalid_blocks", times=1)
    edits = here.surface.draws("edit", place)
    assert await here.gives(edits)
    await here.surface.edit(place, ref, Segment("two"))
    assert len(emulator.calls("chat.update")) == 2
    left = 0
    while await there.gives(edits):
        left += 1
    assert left == 49 - 2
