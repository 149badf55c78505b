"""The unmodified slack-bolt against the emulator, over Socket Mode and over signed HTTP."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from slack_bolt.adapter.socket_mode.aiohttp import AsyncSocketModeHandler
from slack_bolt.async_app import AsyncApp
from slack_sdk.web.async_client import AsyncWebClient

from adapters.emulators.clock import Clock
from adapters.emulators.slack import Settings, SlackEmulator

logging.getLogger("slack_bolt").setLevel(logging.CRITICAL)
logging.getLogger("slack_sdk").setLevel(logging.CRITICAL)


class Bot:
    """A small bolt app that remembers what it was told."""

    def __init__(self, emulator: SlackEmulator) -> None:
        self.client = AsyncWebClient(token=emulator.bot_token, base_url=emulator.api_url)
        self.app = AsyncApp(client=self.client, signing_secret=emulator.signing_secret)
        self.events: list[dict[str, Any]] = []
        self.actions: list[dict[str, Any]] = []
        self.retries: list[str | None] = []
        self.app.event("app_mention")(self.on_event)
        self.app.event("message")(self.on_event)
        self.app.event("reaction_added")(self.on_event)
        self.app.event("app_home_opened")(self.on_event)
        self.app.event("agent_session_stopped")(self.on_event)
        self.app.event("member_joined_channel")(self.on_event)
        self.app.action("again")(self.on_action)
        self.app.command("/parley")(self.on_command)

    async def on_event(self, body: dict[str, Any], req: Any) -> None:
        self.events.append(body)
        self.retries.append((req.headers.get("x-slack-retry-num") or [None])[0])
        event = body["event"]
        if event["type"] == "app_mention":
            await self.client.chat_postMessage(channel=event["channel"], thread_ts=event["ts"], text="hello")

    async def on_action(self, ack: Any, body: dict[str, Any], respond: Any) -> None:
        await ack()
        self.actions.append(body)
        await respond(text="changed", replace_original=True)

    async def on_command(self, ack: Any, command: dict[str, Any], respond: Any) -> None:
        await ack("working")
        await respond(text=f"usage of {command['user_name']}", response_type="ephemeral")

    def types(self) -> list[str]:
        return [body["event"]["type"] for body in self.events]


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy", "SLACK_CLIENT_ID", "SLACK_BOT_TOKEN"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
async def emulator() -> AsyncIterator[SlackEmulator]:
    async with SlackEmulator(Clock()).running() as running:
        yield running


async def connect(emulator: SlackEmulator, bot: Bot) -> AsyncSocketModeHandler:
    handler = AsyncSocketModeHandler(bot.app, emulator.app_token, ping_interval=0.2)
    before = emulator.connections
    await handler.connect_async()
    await emulator.wait_for(lambda: emulator.connections > before)
    return handler


async def close(handler: AsyncSocketModeHandler) -> None:
    """Close and let the client's own tasks end, which it does not wait for itself."""
    client = handler.client
    tasks = [client.message_processor, client.current_session_monitor, client.message_receiver]
    await handler.close_async()
    await asyncio.gather(*(task for task in tasks if task is not None), return_exceptions=True)
    await client.aiohttp_client_session.close()


@pytest.fixture
async def bot(emulator: SlackEmulator) -> AsyncIterator[Bot]:
    bot = Bot(emulator)
    handler = await connect(emulator, bot)
    yield bot
    await close(handler)


async def test_a_mention_reaches_bolt_twice_and_its_answer_stands_in_the_thread(
    emulator: SlackEmulator, bot: Bot
) -> None:
    """A mention is a message event and an app_mention with different ids; both must be seen to be deduplicated."""
    question = await emulator.say("ada", "general", "@Parley what is 2 + 2 & why <so>?")
    answer = await emulator.wait_for(lambda: emulator.bot_messages("general", question.ts))
    await emulator.wait_for(lambda: len(bot.events) >= 2)
    assert sorted(bot.types()[:2]) == ["app_mention", "message"]
    first, second = bot.events[:2]
    assert first["event_id"] != second["event_id"]
    assert first["event"]["ts"] == second["event"]["ts"] == question.ts
    assert question.text == f"<@{emulator.bot_user_id}> what is 2 + 2 &amp; why &lt;so&gt;?"
    elements = first["event"]["blocks"][0]["elements"][0]["elements"]
    assert elements[0] == {"type": "user", "user_id": emulator.bot_user_id}
    assert elements[1]["text"] == " what is 2 + 2 & why <so>?"
    assert [message.text for message in answer] == ["hello"]
    assert answer[0].thread_ts == question.ts


async def test_a_direct_message_is_one_message_event_of_channel_type_im(emulator: SlackEmulator, bot: Bot) -> None:
    """In a direct message there is no app_mention, whatever the text says."""
    await emulator.say("ben", emulator.dm("ben"), "@Parley hello")
    await emulator.wait_for(lambda: bot.events)
    await emulator.wait_for(lambda: all(one.acknowledged for one in emulator.deliveries()))
    assert bot.types() == ["message"]
    assert bot.events[0]["event"]["channel_type"] == "im"


async def test_nothing_is_delivered_from_channels_without_the_bot(emulator: SlackEmulator, bot: Bot) -> None:
    """Slack sends message events only for conversations the app is in."""
    await emulator.say("ada", "random", "@Parley can you hear me?")
    assert emulator.deliveries() == []
    emulator.invite("parley", "random")
    await emulator.wait_for(lambda: bot.events)
    assert bot.types() == ["member_joined_channel"]


async def test_a_slash_command_is_acknowledged_and_answered_by_response_url(emulator: SlackEmulator, bot: Bot) -> None:
    """The payload of the ack and the post to response_url are both seen by the person alone."""
    command = await emulator.slash("ada", "general", "/parley", "usage")
    await emulator.wait_for(lambda: command.responses)
    assert command.acknowledged
    assert command.ack == {"text": "working"}
    assert sorted(note.text for note in emulator.ephemerals("ada")) == ["usage of ada", "working"]
    assert emulator.ephemerals("ben") == []


async def test_an_unacknowledged_command_shows_an_error_from_slackbot(emulator: SlackEmulator, bot: Bot) -> None:
    """An app has three seconds; bolt does not acknowledge what it has no listener for."""
    waiting = asyncio.create_task(emulator.slash("ada", "general", "/unknown", "usage"))
    await emulator.wait_for(lambda: emulator.deliveries("slash_commands") and emulator.deliveries()[0].attempts)
    emulator.advance(3.1)
    command = await waiting
    assert command.error == "operation_timeout"
    note = emulator.ephemerals("ada")[0]
    assert note.sender == "USLACKBOT"
    assert "operation_timeout" in note.text


async def test_a_button_is_pressed_and_its_message_replaced(emulator: SlackEmulator, bot: Bot) -> None:
    """block_actions carries message, container and a response_url that may replace the message."""
    button = {"type": "button", "action_id": "again", "value": "v", "text": {"type": "plain_text", "text": "Again"}}
    blocks = [{"type": "actions", "elements": [button]}]
    await bot.client.chat_postMessage(channel="C0EMUGENERAL", text="old", blocks=blocks)
    message = emulator.bot_messages("general")[0]
    click = await emulator.press("ada", message.ts, "again", channel="general")
    await emulator.wait_for(lambda: click.responses)
    assert click.acknowledged
    assert bot.actions[0]["actions"][0]["value"] == "v"
    assert bot.actions[0]["container"]["message_ts"] == message.ts
    assert message.text == "changed"
    assert message.visible == "changed"


async def test_an_event_in_flight_when_the_socket_drops_comes_again_as_a_retry(
    emulator: SlackEmulator, bot: Bot
) -> None:
    """What arrives while no socket is open is delivered only as a retry; dropping retries would lose it."""
    await emulator.drop_connections()
    await emulator.say("ben", emulator.dm("ben"), "are you there?")
    await emulator.wait_for(lambda: bot.events, timeout=10)
    assert bot.retries == ["1"]
    assert bot.events[0]["event"]["text"] == "are you there?"


async def test_bolt_reconnects_after_refresh_requested(emulator: SlackEmulator, bot: Bot) -> None:
    """Slack recycles sockets every few hours with a disconnect frame; the client opens a new one with a new ticket."""
    opened = len(emulator.calls("apps.connections.open"))
    await emulator.drop_connections("refresh_requested")
    await emulator.wait_for(lambda: len(emulator.calls("apps.connections.open")) > opened)
    await emulator.say("ben", emulator.dm("ben"), "still there?")
    await emulator.wait_for(lambda: bot.events, timeout=10)


async def test_each_payload_goes_to_one_of_two_connections(emulator: SlackEmulator, bot: Bot) -> None:
    """With two replicas an event reaches exactly one of them, here in turn."""
    other = Bot(emulator)
    handler = await connect(emulator, other)
    try:
        for number in range(4):
            await emulator.say("ben", emulator.dm("ben"), f"message {number}")
        await emulator.wait_for(lambda: len(bot.events) + len(other.events) == 4)
        assert len(bot.events) == len(other.events) == 2
    finally:
        await close(handler)


async def test_redelivery_repeats_the_event_id_or_takes_a_new_one(emulator: SlackEmulator, bot: Bot) -> None:
    """Both happen: a repeat of the same event, and the same message under another event id."""
    await emulator.say("ben", emulator.dm("ben"), "once")
    await emulator.wait_for(lambda: len(bot.events) == 1)
    await emulator.redeliver()
    await emulator.wait_for(lambda: len(bot.events) == 2)
    await emulator.redeliver_as_new_event_id()
    await emulator.wait_for(lambda: len(bot.events) == 3)
    ids = [body["event_id"] for body in bot.events]
    assert ids[0] == ids[1] != ids[2]
    assert bot.retries == ["0", "1", "0"]
    assert {body["event"]["text"] for body in bot.events} == {"once"}


async def test_edits_deletions_and_reactions_of_people_arrive(emulator: SlackEmulator, bot: Bot) -> None:
    """The way of a question that is changed, reacted to and taken back."""
    message = await emulator.say("ben", emulator.dm("ben"), "first")
    await emulator.edit_message(message, "second")
    await emulator.react("ben", message, "x")
    await emulator.delete_message(message)
    await emulator.wait_for(lambda: len(bot.events) == 4)
    by_kind = {body["event"].get("subtype") or body["event"]["type"]: body["event"] for body in bot.events}
    assert by_kind["message_changed"]["previous_message"]["text"] == "first"
    assert by_kind["message_changed"]["message"]["text"] == "second"
    assert by_kind["message_deleted"]["deleted_ts"] == message.ts
    assert by_kind["reaction_added"]["reaction"] == "x"


async def test_signed_http_reaches_bolt_and_a_forged_request_does_not(emulator: SlackEmulator) -> None:
    """The same payloads over HTTP: handshake, event, command, click; bolt checks each signature."""
    bot = Bot(emulator)
    runner = web.AppRunner(bot.app.web_app("/slack/events"))
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    url = f"http://127.0.0.1:{runner.addresses[0][1]}/slack/events"
    try:
        assert await emulator.use_request_url(url)
        assert not await emulator.use_request_url(url + "/nowhere")
        question = await emulator.say("ada", "general", "@Parley over HTTP")
        await emulator.wait_for(lambda: emulator.bot_messages("general", question.ts))
        command = await emulator.slash("ada", "general", "/parley", "usage")
        assert command.ack is not None
        assert command.ack["text"] == "working"
        async with aiohttp.ClientSession(trust_env=False) as session:
            forged = {"X-Slack-Signature": "v0=00", "X-Slack-Request-Timestamp": str(int(emulator.clock.time()))}
            async with session.post(url, json={"type": "event_callback"}, headers=forged) as response:
                assert response.status == 401
    finally:
        await runner.cleanup()


async def test_a_failing_request_url_gets_retry_headers_until_it_says_no_retry(emulator: SlackEmulator) -> None:
    """Events are repeated at once, after a minute, after five; X-Slack-No-Retry ends it. Commands are not repeated."""
    seen: list[tuple[str | None, str | None]] = []

    async def endpoint(request: web.Request) -> web.Response:
        if "challenge" in (text := await request.text()):
            return web.Response(text=text)
        seen.append((request.headers.get("X-Slack-Retry-Num"), request.headers.get("X-Slack-Retry-Reason")))
        return web.Response(status=500, headers={"X-Slack-No-Retry": "1"} if len(seen) == 3 else {})

    app = web.Application()
    app.router.add_post("/", endpoint)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        assert await emulator.use_request_url(f"http://127.0.0.1:{runner.addresses[0][1]}/")
        await emulator.say("ben", emulator.dm("ben"), "hello")
        delivery = emulator.deliveries()[0]
        await emulator.wait_for(lambda: len(seen) == 2)
        await emulator.wait_for(lambda: delivery.attempts[-1].answer is not None)
        emulator.advance(60)
        await emulator.wait_for(delivery.ended.is_set)
        assert seen == [(None, None), ("1", "http_error"), ("2", "http_error")]
        assert not delivery.acknowledged
        command = await emulator.slash("ada", "general", "/parley")
        assert command.error == "dispatch_failed"
    finally:
        await runner.cleanup()


@pytest.mark.parametrize("order", ["message", "app_mention"])
async def test_the_order_of_the_two_mention_events_can_be_chosen(order: str) -> None:
    """No order is guaranteed, so both must be tested."""
    settings = Settings(mention_order="message" if order == "message" else "app_mention")
    async with SlackEmulator(Clock(), settings=settings).running() as emulator:
        await emulator.say("ada", "general", "@Parley hi")
        assert emulator.deliveries()[0].event_type == order
