"""Busy threads in the demo: each policy, stopping by a reaction, editing and deleting, as the page does it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any

import aiohttp
import pytest

from core.chat.policies import BUSY_POLICIES
from core.store import Store
from tests.demo.test_demo_conversation import has_button, place_of, text_of


class Talking:
    """Ada in a thread of #general in which a long answer grows. said: what is answered there, `growing` the answer."""

    def __init__(self, page: Any, platform: str, snapshot: dict[str, Any]) -> None:
        self.page, self.platform = page, platform
        self.place = place_of(platform, snapshot)
        self.bot = snapshot[platform]["bot"]["id"]
        self.growing: dict[str, Any] = {}

    async def begin(self, policy: str) -> None:
        done = await self.act("policy", channel=self.place["channel"], policy=policy)
        assert done["ok"]
        length = 200 if policy == "steer" else 900  # what is steered waits for its end
        await self.act("say", text=f"@Parley write {length} characters")
        self.growing = await self.message(lambda m: has_button(m["wire"]) and text_of(m["wire"]).strip())

    async def act(self, do: str, **act: Any) -> Any:
        return await self.page.act(self.platform, do=do, **{**self.place, **act})

    async def message(self, wanted: Callable[[dict[str, Any]], object]) -> dict[str, Any]:
        """The next message of Parley's that is wanted."""
        found = await self.page.message(self.platform, lambda m: m["user"] == self.bot and wanted(m))
        return dict(found)

    async def say(self, text: str) -> dict[str, Any]:
        """Say it in the thread."""
        there = {"thread": self.growing["thread"]} if self.platform == "slack" else {"channel": self.growing["channel"]}
        before = len(self.page.heard)
        assert (await self.act("say", text=text, **there))["ok"]

        def mine(change: dict[str, Any]) -> bool:
            return change["type"] == "message" and change["message"]["user"] == self.place["user"] and is_said(change)

        def is_said(change: dict[str, Any]) -> bool:
            wire = change["message"]["wire"]
            return text in (wire.get("text") or wire.get("content") or "")

        heard = next((one for one in self.page.heard[before:] if mine(one)), None) or await self.page.until(mine)
        return dict(heard["message"])

    async def ends(self, with_: str = "") -> str:
        """The growing answer, once it grows no more."""
        ended = await self.message(
            lambda m: m["id"] == self.growing["id"] and not has_button(m["wire"]) and with_ in text_of(m["wire"])
        )
        return text_of(ended["wire"])

    async def answers(self, word: str) -> str:
        """The next answer after the growing one that has `word` in it and is whole."""
        found = await self.message(
            lambda m: m["id"] != self.growing["id"] and word in text_of(m["wire"]) and not has_button(m["wire"])
        )
        return text_of(found["wire"])


@pytest.fixture(params=["slack", "discord"])
def talk(
    request: pytest.FixtureRequest,
    paced_demo: Callable[[float], Any],
    page_of: Callable[[Any], Any],
    web: aiohttp.ClientSession,
) -> Callable[[str], AbstractAsyncContextManager[Talking]]:
    @asynccontextmanager
    async def talking(policy: str) -> AsyncIterator[Talking]:
        async with paced_demo(150) as demo, web.ws_connect(f"{demo.address}/live", max_msg_size=0) as socket:
            page = page_of(socket)
            one = Talking(page, request.param, await page.next())
            await one.begin(policy)
            yield one
            await one.act("react", channel=one.growing["channel"], message=one.growing["id"])  # nobody waits for it

    return talking


async def test_interrupt_chosen_on_the_page_stops_the_answer(talk: Any) -> None:
    """From the next message on."""
    async with talk("interrupt") as talking:
        await talking.say("my name is Ada")
        assert "Interrupted" in await talking.ends("Interrupted")
        assert "Ada" in await talking.answers("Nice")


async def test_merge_chosen_on_the_page_answers_what_waits_together(talk: Any) -> None:
    """Two messages, one answer."""
    async with talk("merge") as talking:
        await talking.say("hello")
        await talking.say("my name is Ada")
        growing = talking.growing
        await talking.act("react", channel=growing["channel"], message=growing["id"])
        answered = await talking.answers("Nice")
        assert "Ada" in answered
        page = talking.page
        later = {
            change["message"]["id"]
            for change in page.heard
            if change["type"] == "message"
            and change["message"]["user"] == talking.bot
            and change["message"]["channel"] == growing["channel"]
            and text_of(change["message"]["wire"]).strip()
        }
        assert len(later - {growing["id"]}) == 1


async def test_reject_chosen_on_the_page_says_that_it_is_busy(talk: Any) -> None:
    """On Slack for that person alone."""
    async with talk("reject") as talking:
        await talking.say("my name is Ada")
        await talking.page.until(lambda change: "still answering" in str(change))


async def test_steer_chosen_on_the_page_answers_both_in_one_message(talk: Any) -> None:
    """The model hears the second with its next request."""
    async with talk("steer") as talking:
        await talking.say("my name is Ada")
        said = await talking.message(lambda m: "Nice to meet you" in text_of(m["wire"]))
        assert text_of(said["wire"]).index("Nice to meet you") > 50, "behind the long answer, in its message"


async def test_the_stop_sign_on_the_page_stops_the_answer(talk: Any) -> None:
    """On the growing message."""
    async with talk("queue") as talking:
        growing = talking.growing
        assert (await talking.act("react", channel=growing["channel"], message=growing["id"]))["ok"]
        assert "Stopped" in await talking.ends("Stopped")


async def taken_in(store: Store, said: dict[str, Any]) -> None:
    """Wait until the bot knows a message by its id; people do not edit within the same few milliseconds."""
    async with asyncio.timeout(10):
        while not [name async for name in store.names(f"parley:at:*:{said['channel']}:{said['id']}")]:  # noqa: ASYNC110 - Redis tells nobody
            await asyncio.sleep(0.01)


async def test_a_waiting_message_can_be_edited_and_deleted_on_the_page(talk: Any, store: Store) -> None:
    """It is answered in its new words, or not at all; and nobody changes what somebody else has said."""
    async with talk("queue") as talking:
        gone = await talking.say("roll 2d6")
        kept = await talking.say("hello")
        for said in (gone, kept):
            await taken_in(store, said)
        growing = talking.growing
        at = {"channel": kept["channel"], "message": kept["id"]}
        assert (await talking.act("edit", **at, text="my name is Grace"))["ok"]
        assert (await talking.act("delete", channel=gone["channel"], message=gone["id"]))["ok"]
        refused = await talking.act("edit", channel=growing["channel"], message=growing["id"], text="no")
        assert not refused["ok"] and "somebody else's" in refused["text"]
        await talking.act("react", channel=growing["channel"], message=growing["id"])
        assert "Grace" in await talking.answers("Nice")
        heard = [one["message"] for one in talking.page.heard if one["type"] == "message"]
        assert not any("rolled" in text_of(one["wire"]) for one in heard if one["user"] == talking.bot)


async def test_what_is_chosen_is_told_to_every_page(talk: Any) -> None:
    """And to whoever opens one later."""
    async with talk("merge") as talking:
        told = next(change for change in talking.page.heard if change["type"] == "policy")
        assert told == {
            "type": "policy",
            "platform": talking.platform,
            "channel": talking.place["channel"],
            "policy": "merge",
        }
        refused = await talking.act("policy", policy="sometimes")
        assert not refused["ok"]
        assert set(BUSY_POLICIES) == {"queue", "merge", "interrupt", "steer", "reject"}
