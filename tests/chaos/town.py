"""The town: both platforms and a model provider, the people who talk there, and what can be seen of it all."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from adapters.emulators.discord import DiscordEmulator, Limits
from adapters.emulators.slack import RateLimits, SlackEmulator
from tests.chaos.plan import CHANNELS, Plan, Question, Thread
from tests.chaos.witness import Asked, Place, Post, Request
from tests.e2e.conftest import has_stop_button, has_stop_component
from tests.e2e.test_process import both
from tests.providers import openai_server
from tests.providers.openai_server import OpenAIServer, Reply

INPUT_TOKENS = 100
"""What the provider says that every prompt had, so that the ledger can be checked to the token."""

FASTER = 25
"""How much more often than in a real workspace and server may be posted and edited here: pace is not what is tested."""

PACE = {
    "adapters.slack.limits._TIER_3.calls": 48 * FASTER,
    "adapters.slack.limits._POSTS_IN_CHANNEL.per_s": FASTER,
    "adapters.slack.limits._POSTS.calls": 280 * FASTER,
}
"""The same for Parley's own budgets."""

_ASKED = re.compile(r"\bq\d+\.\d+\b")
_LINK = re.compile(r"/archives/\w+/p(?P<s>\d{10})(?P<us>\d{6})\b|/channels/\d+/\d+/(?P<discord>\d+)")
"""To a message, as the clients of the two platforms write it."""

POINT_AFTER_S = 0.5
"""From here on an answer takes long: there are to be lines that lead back to one, and they are to be there once."""


class Provider(OpenAIServer):
    """Knows the answers, and which of them were sent to their end."""

    def __init__(self, plan: Plan) -> None:
        super().__init__()
        self._questions = {question.name: question for question in plan.questions}
        self._finished: set[int] = set()
        self.script(self._answer)

    def _answer(self, request: openai_server.Request) -> Reply:
        question = self._questions[_ASKED.findall(request.prompt)[-1]]

        async def pause(_: int) -> None:
            await asyncio.sleep(question.pause_s)

        words = question.answer.split(" ")
        usage = {"prompt_tokens": INPUT_TOKENS, "completion_tokens": len(words), "total_tokens": 0}
        return Reply([words[0], *(f" {word}" for word in words[1:])], pause=pause, usage=usage)

    async def stream(self, request: openai_server.Request, reply: Reply) -> AsyncIterator[bytes | None]:
        async for data in super().stream(request, reply):
            yield data
        self._finished.add(id(request))

    @property
    def log(self) -> list[Request]:
        return [
            Request(
                _ASKED.findall(request.prompt)[-1],
                [str(message["content"]) for message in request.messages if message["role"] == "assistant"],
                id(request) in self._finished,
            )
            for request in self.requests
        ]


@dataclass
class Town:
    """said: by question, what the platform calls it."""

    plan: Plan
    slack: SlackEmulator
    discord: DiscordEmulator
    provider: Provider
    said: dict[str, Any] = field(default_factory=dict)
    roots: dict[int, Any] = field(default_factory=dict)
    _events: dict[int, Any] = field(default_factory=dict)

    @property
    def settings(self) -> dict[str, str]:
        return both(self.slack, self.discord, self.provider) | {"PARLEY_POINT_AFTER_S": str(POINT_AFTER_S)}

    async def live(self) -> None:
        """Everybody says what they have to say; over once all of it is said, and delivered as often as planned."""
        lates = {question.name: question.late_s for question in self.plan.questions}

        def late(delivery: Any) -> float:
            found = _ASKED.findall(str(delivery.payload.get("event", {}).get("text", "")))
            return lates.get(found[-1], 0.0) if found and not delivery.attempts else 0.0

        self.slack.delay_events(late)
        stop_noting = self.discord.subscribe(self._note)
        try:
            async with asyncio.TaskGroup() as tasks:
                for thread in self.plan.threads:
                    tasks.create_task(self._talk(thread, tasks), name=f"thread:{thread.number}")
        finally:
            stop_noting()

    def _note(self, event: Any) -> None:
        if event.name == "MESSAGE_CREATE":
            self._events[int(event.d["id"])] = event

    async def _talk(self, thread: Thread, tasks: asyncio.TaskGroup) -> None:
        await asyncio.sleep(thread.starts_at)
        for question in thread.questions:
            if question.number > 1:
                if thread.patient:
                    before = thread.questions[question.number - 2]
                    await self._seen(lambda before=before: self.is_answered(thread, before))  # type: ignore[misc]
                elif thread.platform == "discord" and question.number == 2:
                    await self._seen(lambda: self.roots[thread.number].id in self.discord.world.channels)
                await asyncio.sleep(question.gap_s)
            say = self._say_in_slack if thread.platform == "slack" else self._say_in_discord
            again = await say(thread, question)
            for after in question.repeats:
                tasks.create_task(self._repeat(again, after), name=f"again:{question.name}")

    async def _repeat(self, again: Callable[[bool], Awaitable[object]], after: float) -> None:
        await asyncio.sleep(abs(after))
        await again(after < 0)

    async def _say_in_slack(self, thread: Thread, question: Question) -> Callable[[bool], Awaitable[object]]:
        root = self.roots.get(thread.number)
        mention = "" if thread.patient and question.number > 1 else "@Parley "
        before = len(self.slack.deliveries())
        message = await self.slack.say(
            "ada", f"room{thread.channel}", f"{mention}{question.name}", root.ts if root else None
        )
        self.said[question.name] = message
        self.roots.setdefault(thread.number, message)
        delivery = next(
            one for one in self.slack.deliveries()[before:] if one.payload.get("event", {}).get("ts") == message.ts
        )

        async def again(new_id: bool) -> object:
            repeat = self.slack.redeliver_as_new_event_id if new_id else self.slack.redeliver
            return await repeat(delivery)

        return again

    async def _say_in_discord(self, thread: Thread, question: Question) -> Callable[[bool], Awaitable[object]]:
        place = self.discord.channel(f"room{thread.channel}")
        if root := self.roots.get(thread.number):
            place = self.discord.world.channels[root.id]
        mention = "" if thread.patient and question.number > 1 else "@Parley "
        message = await self.discord.say("Ada", place, f"{mention}{question.name}")
        self.said[question.name] = message
        self.roots.setdefault(thread.number, message)
        event = self._events[message.id]

        async def again(_: bool) -> None:
            await self.discord.redeliver(event)

        return again

    async def _seen(self, what: Callable[[], bool]) -> None:
        while not what():  # noqa: ASYNC110 - it becomes true in other processes; the run as a whole is bounded
            await asyncio.sleep(0.1)

    def is_answered(self, thread: Thread, question: Question) -> bool:
        return _is_in(self._posts(thread), question)

    @property
    def open_questions(self) -> list[str]:
        """Those that a platform handed over and that are not answered to their end."""
        return [
            asked.question.name
            for place in self.places()
            for asked in place.asked
            if asked.taken_at is not None and not _is_in(place.posts, asked.question)
        ]

    @property
    def undelivered(self) -> int:
        """Deliveries of Slack's that go on."""
        return sum(not one.ended.is_set() for one in self.slack.deliveries("events_api"))

    def places(self) -> list[Place]:
        in_slack = self._asked_in_slack()
        return [
            Place(
                f"{thread.platform} thread {thread.number}",
                [
                    in_slack(question) if thread.platform == "slack" else self._asked_in_discord(question)
                    for question in thread.questions
                    if question.name in self.said
                ],
                self._posts(thread),
            )
            for thread in self.plan.threads
        ]

    def _posts(self, thread: Thread) -> list[Post]:
        root = self.roots.get(thread.number)
        if root is None:
            return []
        if thread.platform == "slack":
            room = self.slack.workspace.messages(root.channel, deleted=True)
            return [
                _post(one.ts, [(s.at, s.visible) for s in one.history], one.deleted, has_stop_button(one))
                for one in room
                if one.user == self.slack.bot_user_id and one.root == root.ts
            ]
        every = self.discord.world.messages.get(root.id, {})
        return [
            _post(str(one.id), [(s.at, s.content) for s in one.history], one.deleted, has_stop_component(one))
            for _, one in sorted(every.items())
            if one.author.id == self.discord.bot_user_id
        ]

    def _asked_in_slack(self) -> Callable[[Question], Asked]:
        attempts: dict[str, list[Any]] = {}
        for delivery in self.slack.deliveries("events_api"):
            ts = str(delivery.payload.get("event", {}).get("ts", ""))
            attempts.setdefault(ts, []).extend(delivery.attempts)

        def judge(question: Question) -> Asked:
            tries = attempts.get(self.said[question.name].ts, [])
            taken = [one.ended_at for one in tries if one.answer is not None and one.answer.acknowledged]
            return Asked(question, min((one.at for one in tries), default=None), min(taken, default=None))

        return judge

    def _asked_in_discord(self, question: Question) -> Asked:
        """Discord wants no ack: what was said is for us to find, also when nobody listened. When it was taken in is not
        to be seen from there; five seconds later it was, in a process that lived or in the one that caught up."""
        at = self.said[question.name].created_at
        return Asked(question, at, at + 5.0)


def _post(name: str, states: Sequence[tuple[float, str]], deleted: bool, is_growing: bool) -> Post:
    link = _LINK.search(states[-1][1])
    points_at = (link["discord"] or f"{link['s']}.{link['us']}") if link else ""
    return Post(name, states, deleted, is_growing, points_at)


def _is_in(posts: Sequence[Post], question: Question) -> bool:
    return any(post.text == question.answer and not post.is_growing and not post.deleted for post in posts)


@asynccontextmanager
async def a_town(plan: Plan) -> AsyncIterator[Town]:
    tiers = {tier: rate * FASTER for tier, rate in RateLimits().tiers.items()}
    slack = SlackEmulator(
        rate_limits=RateLimits(tiers, post_burst=50, post_per_second=FASTER, posts_per_minute=300 * FASTER)
    )
    slack.settings.retry_delays_s = plan.shape.retries_s
    discord = DiscordEmulator(limits=Limits().faster(FASTER))
    async with slack.running(), discord.running(), Provider(plan) as provider:
        for number in range(CHANNELS):
            slack.add_channel(f"room{number}", ["ada"])
            slack.invite("parley", f"room{number}")
            await discord.add_channel(f"room{number}")
        slack.lose_answers(plan.shape.lost_answers, plan.seed)
        discord.lose_answers(plan.shape.lost_answers, seed=plan.seed)
        yield Town(plan, slack, discord, provider)
