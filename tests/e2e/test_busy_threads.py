"""Messages to a busy thread, and messages that change, on both platforms as the people there see them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest

from core.ids import ThreadId
from core.store import Store, keys
from tests.e2e.conftest import House, a_house, action_ids, custom_ids, has_stop_button, has_stop_component
from tests.providers.openai_server import Reply

PLATFORMS = ("slack", "discord")


class Side:
    """One conversation on one platform; Ada asks, Ben joins in."""

    def __init__(self, house: House, platform: str) -> None:
        self.house = house
        self.slack = platform == "slack"
        self.emulator: Any = house.slack if self.slack else house.discord
        self.question: Any = None
        self.thread: Any = None

    async def ask(self, text: str) -> None:
        if self.slack:
            self.question = await self.house.slack_says(f"@Parley {text}")
        else:
            self.question = await self.house.discord.say("ada", "general", f"@Parley {text}")
            self.thread = await self.house.discord_thread(self.question)

    async def say(self, text: str, user: str = "ada") -> Any:
        if self.slack:
            return await self.house.slack_says(text, user, thread_ts=self.question.ts)
        return await self.house.discord.say(user, self.thread, text)

    def shown(self) -> list[Any]:
        if self.slack:
            return [m for m in self.house.slack_answers(self.question.ts) if not m.deleted]
        return self.house.discord_answers(self.thread)

    def texts(self) -> list[str]:
        return [(m.visible if self.slack else m.content).strip() for m in self.shown()]

    def growing(self, message: Any) -> bool:
        return has_stop_button(message) if self.slack else has_stop_component(message)

    async def until(self, seen: Callable[[], Any], timeout: float = 10.0) -> Any:
        return await self.emulator.wait_for(seen, timeout)

    async def begun(self, word: str) -> Any:
        """Wait until an answer with `word` grows."""
        return await self.until(
            lambda: next(
                (m for m in self.shown() if self.growing(m) and word in (m.text if self.slack else m.content)), None
            )
        )

    async def settled(self, answers: int, timeout: float = 10.0) -> list[str]:
        await self.until(
            lambda: len(self.shown()) >= answers and not any(self.growing(m) for m in self.shown()), timeout
        )
        return self.texts()

    async def press(self, message: Any, control: str, user: str = "ben") -> Any:
        if self.slack:
            return await self.house.slack.press(user, message, f"parley_{control}")
        custom_id = next(one for one in custom_ids(message) if one.startswith(f"parley:{control}:"))
        return await self.house.discord.press(user, message, custom_id)

    def controls(self, message: Any) -> list[str]:
        if self.slack:
            return [one.removeprefix("parley_") for one in action_ids(message)]
        return [one.split(":")[1] for one in custom_ids(message)]

    def markdown(self, message: Any) -> str:
        """What we have sent, where `texts` has it as people see it."""
        return str(message.blocks[0]["text"]) if self.slack else str(message.content)

    def link_to(self, message: Any) -> str:
        """The address of a message in the thread, as its platform's clients write it."""
        if not self.slack:
            return f"https://discord.com/channels/{self.house.discord.guild_id}/{message.channel_id}/{message.id}"
        channel, number = self.question.channel, message.ts.replace(".", "")
        place = f"https://{self.house.slack.workspace.team.domain}.slack.com/archives/{channel}/p{number}"
        return f"{place}?thread_ts={self.question.ts}&cid={channel}"

    def pings(self, message: Any) -> list[str]:
        return [f"user:{one}" for one in message.pings.users] if self.slack else message.pings

    def whispers(self, user: str) -> list[str]:
        return [note.text for note in self.house.slack.ephemerals(user)]


@asynccontextmanager
async def a_side(store: Store, platform: str, **changed: Any) -> AsyncIterator[Side]:
    async with a_house(store, **changed) as house:
        await house.start_bot()
        yield Side(house, platform)


async def pause(_: int) -> None:
    await asyncio.sleep(0.05)


def scripted(house: House, **long: int) -> None:
    """Answer each prompt with "re(prompt)", and those in `long` with many words that take their time."""

    def answer(request: Any) -> Reply:
        words = long.get(request.prompt.split()[-1], 0)
        return Reply([f"re({request.prompt}) ", *["word "] * words], pause=pause if words else None)

    house.provider.script(answer)


@pytest.fixture(params=PLATFORMS)
def platform(request: pytest.FixtureRequest) -> str:
    return str(request.param)


async def test_merge_answers_what_waits_in_one_reply(store: Store, platform: str) -> None:
    """Policy merge."""
    async with a_side(store, platform, parley_busy_policy="merge") as side:
        scripted(side.house, one=30)
        await side.ask("one")
        await side.begun("re(one)")
        for text in ("two", "three"):
            await side.say(text)
        shown = await side.settled(2)
        assert shown[1] == "re(two\n\nthree)"


async def test_interrupt_stops_what_runs_and_answers_the_new_question(store: Store, platform: str) -> None:
    """Policy interrupt: what is visible stays, marked, and the model is given both."""
    async with a_side(store, platform, parley_busy_policy="interrupt") as side:
        scripted(side.house, one=400)
        await side.ask("one")
        await side.begun("word")
        await side.say("two")
        shown = await side.settled(2, timeout=4)
        assert "word" in shown[0] and "Interrupted" in shown[0]
        assert shown[1] == "re(two)"
        asked = [m["content"] for m in side.house.provider.requests[-1].messages if m["role"] != "system"]
        assert asked[0] == "one" and "word" in asked[1] and asked[2] == "two"


async def test_steer_hands_the_message_to_the_run(store: Store, platform: str) -> None:
    """Policy steer: the model hears it with its next request, and one Reply says both."""
    async with a_side(store, platform, parley_busy_policy="steer") as side:
        scripted(side.house, one=30)
        await side.ask("one")
        await side.begun("re(one)")
        await side.say("two")
        await side.until(lambda: any("re(two)" in text for text in side.texts()))
        [shown] = await side.settled(1)
        assert shown.startswith("re(one)") and shown.endswith("re(two)")
        await side.say("three")
        assert (await side.settled(2))[1] == "re(three)"


async def test_reject_says_that_an_answer_is_being_written(store: Store, platform: str) -> None:
    """Policy reject: on Slack for that person alone."""
    async with a_side(store, platform, parley_busy_policy="reject") as side:
        scripted(side.house, one=30)
        await side.ask("one")
        await side.begun("re(one)")
        await side.say("two", "ben")
        if side.slack:
            await side.until(lambda: side.whispers("ben"))
            assert "still answering" in side.whispers("ben")[0]
        else:
            await side.until(lambda: any("still answering" in text for text in side.texts()))
        await side.settled(1)
        assert len(side.house.provider.requests) == 1


async def test_a_policy_can_be_chosen_for_one_channel(store: Store, platform: str) -> None:
    """PARLEY_BUSY_POLICIES."""
    async with a_house(store) as house:
        channel = (
            house.slack._persons.channel("general").id if platform == "slack" else house.discord.channel("general").id
        )
        scope = house.slack.team_id if platform == "slack" else house.discord.guild_id
        house.settings.parley_busy_policies = {f"{platform}:{scope}:{channel}": "merge"}  # type: ignore[dict-item]
        await house.start_bot()
        side = Side(house, platform)
        scripted(house, one=30)
        await side.ask("one")
        await side.begun("re(one)")
        await side.say("two")
        await side.say("three")
        assert (await side.settled(2))[1] == "re(two\n\nthree)"


async def within_a_second(side: Side, act: Callable[[], Awaitable[Any]]) -> list[str]:
    began = asyncio.get_running_loop().time()
    await act()
    shown = await side.settled(1, timeout=5)
    took = asyncio.get_running_loop().time() - began
    assert took < 3, f"stopped after {took:.1f} s, on a machine that does much else"
    return shown


@pytest.mark.parametrize("on", ["question", "answer"])
async def test_a_reaction_stops_the_answer(store: Store, platform: str, on: str) -> None:
    """On the growing message or on the question."""
    async with a_side(store, platform) as side:
        scripted(side.house, one=400)
        await side.ask("one")
        growing = await side.begun("word")
        await asyncio.sleep(0.2)  # faster than any person
        target = growing if on == "answer" else side.question
        emoji = "octagonal_sign" if side.slack else "🛑"
        [shown] = await within_a_second(side, lambda: side.emulator.react("ben", target, emoji))
        assert "word" in shown and "Stopped" in shown


async def test_deleting_the_question_stops_its_answer(store: Store, platform: str) -> None:
    """On Slack the root leaves a tombstone, which is no message_deleted."""
    async with a_side(store, platform) as side:
        scripted(side.house, one=400)
        await side.ask("one")
        await side.begun("word")
        [shown] = await within_a_second(side, lambda: side.emulator.delete_message(side.question))
        assert "word" in shown and "the question was deleted" in shown


async def test_deleting_a_waiting_question_drops_it(store: Store, platform: str) -> None:
    """Without a word."""
    async with a_side(store, platform) as side:
        scripted(side.house, one=40)
        await side.ask("one")
        await side.begun("re(one)")
        second = await side.say("two")
        await asyncio.sleep(0.2)  # long enough to have been taken in
        await side.emulator.delete_message(second)
        await side.say("three")
        assert (await side.settled(2))[1] == "re(three)"
        assert [request.prompt for request in side.house.provider.requests] == ["one", "three"]


async def test_an_edit_replaces_the_words_that_wait(store: Store, platform: str) -> None:
    """Scenario 17, by default: what waits takes the new words, an answered question stays answered."""
    async with a_side(store, platform) as side:
        scripted(side.house, one=40)
        await side.ask("one")
        await side.begun("re(one)")
        second = await side.say("two")
        await asyncio.sleep(0.2)  # long enough to have been taken in
        await side.emulator.edit_message(second, "second")
        assert (await side.settled(2))[1] == "re(second)"
        await side.emulator.edit_message(second, "zweitens")
        await side.say("three")
        assert (await side.settled(3))[1:] == ["re(second)", "re(three)"]


async def test_an_edit_runs_the_newest_turn_again_where_that_is_wanted(store: Store, platform: str) -> None:
    """Scenario 17, with PARLEY_EDIT_RERUNS: into the same message, with our mention taken out as before."""
    async with a_side(store, platform, parley_edit_reruns=True) as side:
        scripted(side.house)
        await side.ask("one")
        await side.settled(1)
        await side.emulator.edit_message(side.question, "@Parley uno")
        await side.until(lambda: side.texts() == ["re(uno)"] and "retry" in side.controls(side.shown()[0]))
        asked = [m["content"] for m in side.house.provider.requests[-1].messages if m["role"] != "system"]
        assert asked == ["uno"]


async def test_retry_answers_again_in_the_same_message(store: Store, platform: str) -> None:
    """Scenario 26: the provider drops the stream half way. An error is shown under what was said, and a button to ask
    again, which anyone in the thread may press."""
    async with a_side(store, platform) as side:
        side.house.provider.reply(Reply(["half ", "never"], cut_after=1))
        await side.ask("one")
        [failed] = await side.settled(1)
        assert "half" in failed and "⚠️" in failed
        message = side.shown()[0]
        assert side.controls(message) == ["retry"]
        scripted(side.house)
        await side.press(message, "retry")
        await side.until(lambda: side.texts() == ["re(one)"])
        assert len(side.shown()) == 1
        await side.say("two")
        await side.settled(2)
        old = side.shown()[0]
        pressed = await side.press(old, "retry")
        if side.slack:
            await side.until(lambda: side.whispers("ben"))
            assert "Only the newest" in side.whispers("ben")[0]
        else:
            await side.until(lambda: pressed.messages)
            assert "Only the newest" in pressed.messages[-1].content
        assert side.texts() == ["re(one)", "re(two)"]


async def test_a_conversation_that_has_grown_too_long_goes_on_from_its_summary(store: Store) -> None:
    """PARLEY_HISTORY_TOKENS; the model that answers writes the summary, and no answer waits for it."""
    async with a_side(store, "slack", parley_history_tokens=500) as side:

        def answer(request: Any) -> Reply:
            is_transcript = request.prompt.startswith("<transcript>")
            return Reply(["THE GIST" if is_transcript else f"answer to {request.prompt[:3]} " + "word " * 100])

        side.house.provider.script(answer)
        await side.ask("q0")
        for number in range(1, 6):
            await side.settled(number)
            await side.say(f"q{number}")
        await side.settled(6)
        thread = f"slack:{side.house.slack.team_id}:{side.question.channel}:{side.question.ts}"
        history = keys.session(ThreadId(thread), "history")
        async with asyncio.timeout(10):
            while "THE GIST" not in (await store.redis.lindex(history, 0) or ""):  # noqa: ASYNC110 - Redis tells nobody
                await asyncio.sleep(0.05)
        await side.say("q6")
        await side.settled(7)
        answered = next(request for request in side.house.provider.requests if request.prompt == "q6")
        asked = [m["content"] for m in answered.messages if m["role"] != "system"]
        assert "THE GIST" in asked[0] and "made automatically" in asked[0]
        assert asked[-1] == "q6"
