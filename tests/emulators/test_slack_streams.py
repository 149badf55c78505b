"""Native streams and agent sessions of the emulated Slack, through the unmodified AsyncWebClient."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable
from typing import Any

import aiohttp
import pytest
from slack_sdk.errors import SlackApiError
from slack_sdk.web.async_client import AsyncWebClient

from adapters.emulators.clock import Clock
from adapters.emulators.slack import Message, RateLimits, SlackEmulator

GENERAL = "C0EMUGENERAL"
STOP = {"type": "button", "action_id": "a", "text": {"type": "plain_text", "text": "Go"}}


@pytest.fixture
async def emulator(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[SlackEmulator]:
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy"):
        monkeypatch.delenv(name, raising=False)
    slack = SlackEmulator(Clock(1_712_345_678.0, frozen=True), rate_limits=RateLimits(enforced=False))
    async with slack.running():
        yield slack


@pytest.fixture
async def client(emulator: SlackEmulator) -> AsyncIterator[AsyncWebClient]:
    async with aiohttp.ClientSession(trust_env=False) as session:
        yield AsyncWebClient(token=emulator.bot_token, base_url=emulator.api_url, session=session, retry_handlers=[])


async def error(call: Awaitable[Any]) -> str:
    """Make a call that must be refused and return Slack's word for it."""
    with pytest.raises(SlackApiError) as caught:
        await call
    return str(caught.value.response["error"])


async def started(emulator: SlackEmulator, client: AsyncWebClient, **more: Any) -> tuple[Message, dict[str, Any]]:
    """A stream for Ada in a thread of #general, and how calls name it."""
    question = await emulator.say("ada", "general", "hi")
    named = {"recipient_team_id": emulator.team_id, "recipient_user_id": "U0EMUADA"}
    answer = await client.chat_startStream(channel=GENERAL, thread_ts=question.ts, **named, **more)
    message = emulator.workspace.message(GENERAL, answer["ts"])
    assert message is not None
    return message, {"channel": GENERAL, "ts": message.ts}


async def test_a_stream_grows_takes_a_bounded_number_of_bytes_and_cannot_be_edited_meanwhile(
    emulator: SlackEmulator, client: AsyncWebClient
) -> None:
    """Outside direct messages it is for a named person. Once ended it is an ordinary message."""
    question = await emulator.say("ada", "general", "hi")
    nobody: dict[str, Any] = {"channel": GENERAL, "thread_ts": question.ts}
    assert await error(client.chat_startStream(**nobody)) == "missing_recipient_team_id"
    nobody["recipient_team_id"] = emulator.team_id
    assert await error(client.chat_startStream(**nobody)) == "missing_recipient_user_id"
    message, place = await started(emulator, client, markdown_text="Hello")
    await client.chat_appendStream(**place, markdown_text=" **world**")
    assert await error(client.chat_update(**place, text="x")) == "streaming_state_conflict"
    assert await error(client.api_call("chat.appendStream", json=place)) == "no_text"
    assert await error(client.chat_appendStream(**place, chunks=[{"type": "odd"}])) == "invalid_chunks"
    emulator.settings.stream_bytes = 20
    assert await error(client.chat_appendStream(**place, markdown_text="éééé")) == "msg_too_long"
    emulator.settings.stream_bytes = 10_600
    answer = await client.chat_stopStream(**place, markdown_text="!", blocks=[{"type": "actions", "elements": [STOP]}])
    assert answer["message"]["text"] == "Hello **world**!"
    assert [shown.text for shown in message.history] == ["Hello", "Hello **world**", "Hello **world**!"]
    assert await error(client.chat_appendStream(**place, markdown_text="x")) == "message_not_in_streaming_state"
    await client.chat_update(**place, text="now an ordinary message")


async def test_a_stream_is_over_after_five_minutes_although_it_grows(
    emulator: SlackEmulator, client: AsyncWebClient
) -> None:
    """Then nothing but an edit reaches it, which works."""
    message, place = await started(emulator, client, markdown_text="old")
    for _ in range(3):
        emulator.advance(99)
        await client.chat_appendStream(**place, markdown_text="er")
    emulator.advance(4)
    for call in (client.chat_appendStream, client.chat_stopStream):
        assert await error(call(**place, markdown_text="x")) == "message_not_in_streaming_state"
    await client.chat_update(**place, text="repaired")
    assert message.text == "repaired"


async def test_a_stream_that_nothing_is_added_to_is_over_sooner(
    emulator: SlackEmulator, client: AsyncWebClient
) -> None:
    """How soon is not documented, and can be set."""
    emulator.settings.stream_idle_s = 60
    _, place = await started(emulator, client, markdown_text="a")
    emulator.advance(59)
    await client.chat_appendStream(**place, markdown_text="b")
    emulator.advance(59)
    await client.chat_appendStream(**place, markdown_text="c")
    emulator.advance(60)
    assert await error(client.chat_appendStream(**place, markdown_text="d")) == "message_not_in_streaming_state"
    assert await error(client.chat_stopStream(**place)) == "message_not_in_streaming_state"


async def test_text_and_chunks_do_not_mix_in_one_stream(emulator: SlackEmulator, client: AsyncWebClient) -> None:
    """Slack refuses both in one call, and one after the other."""
    chunk = {"type": "markdown_text", "text": "b"}
    _, place = await started(emulator, client, markdown_text="a")
    mixed = client.chat_appendStream(**place, markdown_text="a", chunks=[chunk])
    assert await error(mixed) == "cannot_provide_both_markdown_text_and_chunks"
    assert await error(client.chat_appendStream(**place, chunks=[chunk])) == "streaming_mode_mismatch"
    await client.chat_stopStream(**place, chunks=[])


async def test_tasks_stand_where_they_came_and_change_in_place(emulator: SlackEmulator, client: AsyncWebClient) -> None:
    """Text after a task goes below it; a known id changes the card that is there."""
    task = {"type": "task_update", "id": "1", "title": "Searching", "status": "in_progress"}
    message, place = await started(emulator, client, chunks=[task])
    await client.chat_appendStream(**place, chunks=[{"type": "markdown_text", "text": "Found "}])
    done = task | {"status": "complete"}
    await client.chat_appendStream(**place, chunks=[done, {"type": "markdown_text", "text": "it."}])
    assert message.blocks == [
        {"type": "task_card", "task_id": "1", "title": "Searching", "status": "complete"},
        {"type": "markdown", "text": "Found it."},
    ]
    assert message.text == "Found it."
    plan, place = await started(emulator, client, chunks=[task], task_display_mode="plan")
    await client.chat_stopStream(**place, chunks=[{"type": "plan_update", "title": "Looking around"}, done])
    assert plan.blocks == [{"type": "plan", "title": "Looking around", "tasks": [message.blocks[0]]}]


async def test_a_task_pings_like_any_text(emulator: SlackEmulator, client: AsyncWebClient) -> None:
    """The worse is assumed of what nobody documents."""
    task = {"type": "task_update", "id": "1", "title": "<!here>", "status": "in_progress"}
    message, _ = await started(emulator, client, chunks=[task])
    assert message.pings


async def test_nothing_is_added_where_the_message_or_the_channel_is_gone(
    emulator: SlackEmulator, client: AsyncWebClient
) -> None:
    """A moderator deletes the message, an admin archives the channel, somebody removes the app."""
    message, place = await started(emulator, client, markdown_text="a")
    channel = emulator.workspace.channels[GENERAL]
    channel.is_archived = True
    for call in (client.chat_appendStream, client.chat_stopStream):
        assert await error(call(**place, markdown_text="x")) == "is_archived"
    channel.is_archived = False
    channel.members.discard(emulator.bot_user_id)
    assert await error(client.chat_appendStream(**place, markdown_text="x")) == "not_in_channel"
    channel.members.add(emulator.bot_user_id)
    await emulator.delete_message(message)
    for call in (client.chat_appendStream, client.chat_stopStream):
        assert await error(call(**place, markdown_text="x")) == "message_not_found"


async def test_a_stream_stopped_by_the_person_takes_no_more(emulator: SlackEmulator, client: AsyncWebClient) -> None:
    """Slack's Stop button: the event, and stopped_by_user from the next append. In a dm no recipient is needed."""
    place = emulator.dm("ada")
    question = await emulator.say("ada", place, "hi")
    ts = (await client.chat_startStream(channel=place, thread_ts=question.ts, markdown_text="a"))["ts"]
    assert emulator.core.sessions[place, question.ts] == "processing"
    await emulator.press_stop("ada", place, question.ts)
    assert await error(client.chat_appendStream(channel=place, ts=ts, markdown_text="b")) == "stopped_by_user"
    event = emulator.deliveries("agent_session_stopped")[0].payload["event"]
    assert event["streaming_message_ts"] == [ts]
    assert emulator.core.sessions[place, question.ts] == "processing"
    await client.chat_stopStream(channel=place, ts=ts)
    assert emulator.core.sessions[place, question.ts] == "active"
    theirs = client.chat_appendStream(channel=place, ts=question.ts, markdown_text="b")
    assert await error(theirs) == "message_not_owned_by_app"
    await emulator.press_stop("ada", place, question.ts)
    assert emulator.deliveries("agent_session_stopped")[1].payload["event"]["streaming_message_ts"] == []


async def test_only_an_agent_has_sessions(emulator: SlackEmulator, client: AsyncWebClient) -> None:
    """An app without the agent surface is turned away; one that does not hear of Stop is warned."""
    question = await emulator.say("ada", "general", "hi")
    session = {"channel_id": GENERAL, "thread_ts": question.ts, "status": "processing"}
    assert "warning" not in (await client.agents_sessions_setStatus(**session)).data
    emulator.settings.subscriptions.discard("agent_session_stopped")
    warned = await client.agents_sessions_setStatus(**session)
    assert warned["warning"] == "missing_agent_session_stopped_event_subscription"
    emulator.settings.agent_view = False
    assert await error(client.agents_sessions_setStatus(**session)) == "not_authorized"
