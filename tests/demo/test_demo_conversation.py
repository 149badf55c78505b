"""What a person does on the page, and what then goes over the wire."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import aiohttp
import pytest

from bots.demo.demo import Demo

ADA, BEN, GENERAL = "U0EMUADA", "U0EMUBEN", "C0EMUGENERAL"
HOSTILE = "<img src=x onerror=alert(1)><script>alert(2)</script> <!channel> @everyone & [x](javascript:alert(3))"


def has_button(wire: dict[str, Any]) -> bool:
    """Whether the message can be stopped."""
    return '"parley_stop"' in json.dumps(wire) or '"parley:stop:' in json.dumps(wire)


def text_of(wire: dict[str, Any]) -> str:
    """The answer as it stands on the wire."""
    if "content" in wire:
        return str(wire["content"])
    return "".join(block.get("text", "") for block in wire["blocks"] if block["type"] == "markdown")


def discord_place(snapshot: dict[str, Any], channel: str = "general") -> dict[str, str]:
    """Who Ada is on Discord, and where a channel is."""
    pane = snapshot["discord"]
    ada = next(one["id"] for one in pane["people"] if one["name"] == "Ada")
    place = pane["dms"][ada] if channel == "dm" else next(c["id"] for c in pane["channels"] if c["name"] == channel)
    return {"user": ada, "channel": place}


def place_of(platform: str, snapshot: dict[str, Any]) -> dict[str, str]:
    return {"user": ADA, "channel": GENERAL} if platform == "slack" else discord_place(snapshot)


@pytest.mark.parametrize("platform", ["slack", "discord"])
async def test_a_demo_answers_on_the_store_of_an_earlier_one(
    platform: str,
    paced_demo: Callable[[float], Any],
    page_of: Callable[[Any], Any],
    web: aiohttp.ClientSession,
) -> None:
    """The store keeps what it has seen; a new demo must not repeat the ids of the last one."""
    for _ in range(2):
        async with paced_demo(0) as demo, web.ws_connect(f"{demo.address}/live", max_msg_size=0) as socket:
            page = page_of(socket)
            snapshot = await page.next()
            await page.act(platform, do="say", text="@Parley my name is Ada", **place_of(platform, snapshot))
            bot = snapshot[platform]["bot"]["id"]
            await page.message(platform, lambda m, bot=bot: m["user"] == bot and "Nice" in text_of(m["wire"]))


async def test_the_snapshot_shows_who_and_what_is_there(page: Any) -> None:
    """The page draws itself from this alone."""
    snapshot = page.heard[0]
    assert snapshot["type"] == "snapshot"
    assert snapshot["model"] == {"name": "demo", "demo": True, "line": snapshot["model"]["line"]}
    for platform in ("slack", "discord"):
        pane = snapshot[platform]
        assert {one["name"] for one in pane["channels"]} == {"general", "random"}
        assert any(one["admin"] for one in pane["people"]) and not all(one["admin"] for one in pane["people"])
        assert any(one["name"].startswith("Grace") for one in pane["people"])
        assert set(pane["dms"]) == {one["id"] for one in pane["people"]}
        assert pane["counts"] == {"edits": 0, "limited": 0, "connected": True}
    assert {one["name"] for one in snapshot["discord"]["commands"]} == {"ask", "usage", "reset", "stop", "help"}


@pytest.mark.parametrize("platform", ["slack", "discord"])
async def test_a_mention_is_answered_by_a_message_that_grows(
    platform: str,
    paced_demo: Callable[[float], Any],
    page_of: Callable[[Any], Any],
    web: aiohttp.ClientSession,
) -> None:
    """The heart of the demo: several edits of one message, and then the Stop button is gone."""
    async with paced_demo(40) as demo, web.ws_connect(f"{demo.address}/live", max_msg_size=0) as socket:
        page = page_of(socket)
        snapshot = await page.next()
        done = await page.act(platform, do="say", text="@Parley write 400 characters", **place_of(platform, snapshot))
        assert done["ok"], done
        bot = snapshot[platform]["bot"]["id"]
        last = await page.message(
            platform, lambda m: m["user"] == bot and text_of(m["wire"]) and not has_button(m["wire"])
        )
        states = {
            text_of(heard["message"]["wire"])
            for heard in page.heard
            if heard["type"] == "message" and heard["message"]["id"] == last["id"]
        }
        assert len(states) >= 3
        assert text_of(last["wire"]).rstrip().endswith(".")
        counts = [heard["counts"]["edits"] for heard in page.heard if heard["type"] == "counts"]
        assert max(counts, default=0) >= 2


async def test_a_follow_up_in_a_slack_thread_recalls_what_was_said_first(page: Any) -> None:
    """The thread is a conversation, and needs no second mention."""
    await page.act("slack", do="say", user=ADA, channel=GENERAL, text="@Parley my name is Ada")
    root = await page.message("slack", lambda m: m["wire"].get("reply_count"))
    await page.act("slack", do="say", user=ADA, channel=GENERAL, thread=root["id"], text="what did I say first?")
    answer = await page.message(
        "slack", lambda m: m["thread"] == root["id"] and "first thing you said" in m["wire"]["text"]
    )
    assert "my name is Ada" in text_of(answer["wire"])


async def test_a_follow_up_in_a_discord_thread_recalls_what_was_said_first(page: Any) -> None:
    """The bot opens the thread; the page hears of it and goes on there."""
    place = discord_place(page.heard[0])
    await page.act("discord", do="say", text="@Parley my name is Ada", **place)
    opened = next((c for c in page.heard if c["type"] == "thread"), None) or await page.until(
        lambda change: change["type"] == "thread"
    )
    assert opened["thread"]["parent"] == place["channel"]
    thread = opened["thread"]["id"]
    await page.message("discord", lambda m: m["channel"] == thread and "Nice to meet you" in m["wire"]["content"])
    await page.act("discord", do="say", user=place["user"], channel=thread, text="what did I say first?")
    answer = await page.message("discord", lambda m: "first thing you said" in m["wire"]["content"])
    assert "my name is Ada" in answer["wire"]["content"]


@pytest.mark.parametrize("platform", ["slack", "discord"])
async def test_stop_ends_the_answer_in_the_middle(
    platform: str,
    paced_demo: Callable[[float], Any],
    page_of: Callable[[Any], Any],
    web: aiohttp.ClientSession,
) -> None:
    """The page presses the button that the platform shows, by its own id."""
    async with paced_demo(30) as demo, web.ws_connect(f"{demo.address}/live", max_msg_size=0) as socket:
        page = page_of(socket)
        snapshot = await page.next()
        place = place_of(platform, snapshot)
        await page.act(platform, do="say", text="@Parley write 20000 characters", **place)
        growing = await page.message(platform, lambda m: has_button(m["wire"]))
        wire = growing["wire"]
        if platform == "slack":
            action = next(b for b in wire["blocks"] if b["type"] == "actions")["elements"][0]["action_id"]
        else:
            action = wire["components"][0]["components"][0]["custom_id"]
        pressed = {"user": place["user"], "channel": growing["channel"], "message": growing["id"], "action": action}
        assert (await page.act(platform, do="press", **pressed))["ok"]
        stopped = await page.message(platform, lambda m: "Stopped." in text_of(m["wire"]))
        assert not has_button(stopped["wire"])
        again = await page.act(platform, do="press", **pressed)
        assert not again["ok"] and "refused" in again["text"]


async def test_a_streamed_answer_on_slack_grows_and_is_stopped_by_slacks_own_button(
    paced_demo: Callable[..., Any], page_of: Callable[[Any], Any], web: aiohttp.ClientSession
) -> None:
    """With PARLEY_SLACK_STREAMING: the page shows a stream as one, and Slack's button while it lasts."""
    running = paced_demo(30, parley_slack_streaming="on")
    async with running as demo, web.ws_connect(f"{demo.address}/live", max_msg_size=0) as socket:
        page = page_of(socket)
        await page.next()
        await page.act("slack", do="say", text="@Parley write 20000 characters", user=ADA, channel=GENERAL)
        growing = await page.message("slack", lambda m: m["streaming"])
        session = next((c for c in page.heard if c["type"] == "session"), None) or await page.until(
            lambda c: c["type"] == "session"
        )
        assert session["working"] and session["thread"] == growing["thread"]
        assert (await page.act("slack", do="stop", user=ADA, channel=GENERAL, thread=growing["thread"]))["ok"]
        stopped = await page.message("slack", lambda m: "Stopped." in text_of(m["wire"]))
        assert not stopped["streaming"]


async def test_usage_on_slack_is_for_one_person_alone(page: Any) -> None:
    """What a person used is nobody else's business."""
    assert (await page.act("slack", do="slash", user=BEN, channel=GENERAL, text="/parley usage"))["ok"]
    note = next(
        (c["message"] for c in page.heard if c["type"] == "message" and c["message"].get("only_for")), None
    ) or await page.message("slack", lambda m: m.get("only_for"))
    assert note["only_for"] == BEN
    assert "Your usage" in text_of(note["wire"])


async def test_ask_on_slack_opens_a_thread_of_its_own(page: Any) -> None:
    """A command has no thread, so everybody sees what the answer belongs to."""
    await page.act("slack", do="slash", user=ADA, channel=GENERAL, text="/parley ask roll 2d20")
    answer = await page.message("slack", lambda m: m["thread"] and "rolled" in m["wire"]["text"])
    assert "2d20" in text_of(answer["wire"])


async def test_ask_on_discord_thinks_and_then_answers_the_command(page: Any) -> None:
    """The page shows whose command an answer belongs to."""
    place = discord_place(page.heard[0])
    done = await page.act("discord", do="slash", name="ask", options={"question": "roll 2d20"}, **place)
    assert done["ok"], done
    answer = await page.message("discord", lambda m: "rolled" in m["wire"]["content"])
    assert answer["command"] == "ask"
    assert answer["wire"]["interaction_metadata"]["user"]["id"] == place["user"]


async def test_help_on_discord_is_for_one_person_alone(page: Any) -> None:
    """Everybody else is spared it."""
    place = discord_place(page.heard[0])
    await page.act("discord", do="slash", name="help", options={}, **place)
    note = await page.message("discord", lambda m: m["only_for"] and "Ask me anything" in m["wire"]["content"])
    assert note["only_for"] == place["user"]


@pytest.mark.parametrize("platform", ["slack", "discord"])
async def test_a_direct_message_needs_no_mention(platform: str, page: Any) -> None:
    """In a direct message there is nobody else to talk to."""
    snapshot = page.heard[0]
    place = (
        {"user": ADA, "channel": snapshot["slack"]["dms"][ADA]}
        if platform == "slack"
        else discord_place(snapshot, "dm")
    )
    await page.act(platform, do="say", text="my name is Ada", **place)
    answer = await page.message(
        platform, lambda m: "Nice to meet you" in text_of(m["wire"]) if m["user"] != place["user"] else False
    )
    assert answer["channel"] == place["channel"]


@pytest.mark.parametrize("platform", ["slack", "discord"])
async def test_hostile_text_comes_back_as_it_was_written_and_pings_nobody(platform: str, page: Any, demo: Demo) -> None:
    """The bot repeats what was said; a repeated ping must be dead, and markup is the page's to show as text."""
    await page.act(platform, do="say", text=f"@Parley {HOSTILE}", **place_of(platform, page.heard[0]))
    bot = page.heard[0][platform]["bot"]["id"]
    last = await page.message(platform, lambda m: m["user"] == bot and text_of(m["wire"]) and not has_button(m["wire"]))
    if platform == "slack":
        message = demo.slack.workspace.message(last["channel"], last["id"])
        assert message is not None and not message.pings.users and not message.pings.broadcasts
    else:
        own = [m for thread in demo.discord.threads() for m in demo.discord.messages(thread) if str(m.author.id) == bot]
        assert own and not any(message.pings for message in own)


@pytest.mark.parametrize("platform", ["slack", "discord"])
async def test_a_redelivered_event_is_not_answered_again(platform: str, page: Any, demo: Demo) -> None:
    """The toy under "Break it" must show what it promises."""
    await page.act(platform, do="say", text="@Parley my name is Ada", **place_of(platform, page.heard[0]))
    bot = page.heard[0][platform]["bot"]["id"]
    await page.message(
        platform, lambda m: m["user"] == bot and "Nice" in text_of(m["wire"]) and not has_button(m["wire"])
    )
    assert (await page.act(platform, do="break", what="redeliver"))["ok"]
    # what comes after it has an answer of its own, so the redelivered one has been seen by then
    await page.act(platform, do="say", text="@Parley thanks", **place_of(platform, page.heard[0]))
    await page.message(
        platform, lambda m: m["user"] == bot and "welcome" in text_of(m["wire"]) and not has_button(m["wire"])
    )
    answers = {
        heard["message"]["id"]
        for heard in page.heard
        if heard["type"] == "message"
        and heard["platform"] == platform
        and "Nice" in text_of(heard["message"]["wire"])
        and heard["message"]["user"] == bot
    }
    assert len(answers) == 1


@pytest.mark.parametrize("platform", ["slack", "discord"])
async def test_a_cut_connection_is_shown_and_mended(platform: str, page: Any) -> None:
    """The lamp goes out and on again by itself."""
    assert (await page.act(platform, do="break", what="drop"))["ok"]
    counts = [c["counts"]["connected"] for c in page.heard if c["type"] == "counts" and c["platform"] == platform]
    if False not in counts:
        await page.until(lambda c: c["type"] == "counts" and c["platform"] == platform and not c["counts"]["connected"])
    await page.until(lambda c: c["type"] == "counts" and c["platform"] == platform and c["counts"]["connected"])


@pytest.mark.parametrize(
    ("act", "said"),
    [
        ({"platform": "slack", "do": "say", "user": "U0EMUCLEO", "channel": "C0EMURANDOM", "text": "hi"}, "not in"),
        ({"platform": "slack", "do": "say", "user": ADA, "channel": "nowhere", "text": "hi"}, "no channel"),
        (
            {"platform": "slack", "do": "slash", "user": ADA, "channel": GENERAL, "text": "/other"},
            "not a valid command",
        ),
        ({"platform": "slack", "do": "say", "user": ADA, "channel": GENERAL, "text": "x" * 12_001}, "too long"),
        ({"platform": "slack", "do": "say", "user": ADA, "channel": GENERAL, "text": 5}, "not understood"),
        (
            {"platform": "slack", "do": "press", "user": ADA, "channel": GENERAL, "message": "1.2", "action": "x"},
            "no message",
        ),
        ({"platform": "slack", "do": "break", "what": "everything"}, "no such thing"),
        ({"platform": "slack", "do": "break", "what": "redeliver"}, "Nobody has said"),
        ({"platform": "discord", "do": "break", "what": "redeliver"}, "Nobody has said"),
        ({"platform": "discord", "do": "say", "user": "nobody", "channel": "general", "text": "hi"}, "no user"),
        ({"platform": "discord", "do": "say", "user": "ada", "channel": "general", "text": "x" * 2001}, "too long"),
        (
            {"platform": "discord", "do": "slash", "user": "ada", "channel": "general", "name": "nope", "options": {}},
            "nope",
        ),
        ({"platform": "discord", "do": "dance", "user": "ada", "channel": "general"}, "does not know"),
        ({"platform": "irc", "do": "say"}, "no such platform"),
    ],
)
async def test_what_cannot_be_done_is_said(act: dict[str, Any], said: str, page: Any) -> None:
    """An act that goes nowhere without a word would look like a bug of the bot."""
    done = await page.act(**act)
    assert not done["ok"]
    assert said in done["text"]


async def test_what_is_no_act_at_all_leaves_the_connection_open(page: Any) -> None:
    """One bad frame must not cost the page its connection."""
    await page.socket.send_str("this is no JSON")
    assert not (await page.until(lambda change: change["type"] == "done"))["ok"]
    assert (await page.act("slack", do="say", user=ADA, channel=GENERAL, text="hello"))["ok"]


async def test_a_second_page_sees_what_was_said_before(page: Any, demo: Demo, web: aiohttp.ClientSession) -> None:
    """A page that connects again gets everything anew."""
    await page.act("slack", do="say", user=ADA, channel=GENERAL, text="for the record")
    async with web.ws_connect(f"{demo.address}/live", max_msg_size=0) as socket:
        snapshot = await socket.receive_json()
    assert any(message["wire"]["text"] == "for the record" for message in snapshot["slack"]["messages"])
