"""Socket Mode frame by frame, with a bare WebSocket for a client."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import aiohttp.web
import pytest

from adapters.emulators.clock import Clock
from adapters.emulators.slack import RateLimits, SlackEmulator

Socket = aiohttp.ClientWebSocketResponse


class Client:
    """Opens sockets as an app does."""

    def __init__(self, emulator: SlackEmulator, session: aiohttp.ClientSession) -> None:
        self.emulator = emulator
        self.session = session
        self.opened: list[Socket] = []

    async def url(self) -> str:
        headers = {"Authorization": f"Bearer {self.emulator.app_token}"}
        async with self.session.post(self.emulator.api_url + "apps.connections.open", headers=headers) as answer:
            return str((await answer.json())["url"])

    async def open(self) -> Socket:
        socket = await self.session.ws_connect(await self.url())
        self.opened.append(socket)
        assert (await frame(socket))["type"] == "hello"
        return socket


async def frame(socket: Socket) -> dict[str, Any]:
    body = json.loads(await socket.receive_str(timeout=5))
    assert isinstance(body, dict)
    return body


async def acknowledge(socket: Socket, envelope: dict[str, Any], payload: dict[str, Any] | None = None) -> None:
    answer = {"envelope_id": envelope["envelope_id"], **({"payload": payload} if payload else {})}
    await socket.send_str(json.dumps(answer))


@pytest.fixture
async def emulator() -> AsyncIterator[SlackEmulator]:
    clock = Clock(1_712_345_678.0, frozen=True)
    async with SlackEmulator(clock, rate_limits=RateLimits(enforced=False)).running() as running:
        yield running


@pytest.fixture
async def client(emulator: SlackEmulator) -> AsyncIterator[Client]:
    async with aiohttp.ClientSession(trust_env=False) as session:
        client = Client(emulator, session)
        yield client
        for socket in client.opened:
            await socket.close()


async def test_a_ticket_is_good_once_and_for_thirty_seconds(emulator: SlackEmulator, client: Client) -> None:
    """A client that reconnects with its old address never gets in again."""
    url = await client.url()
    client.opened.append(await client.session.ws_connect(url))
    with pytest.raises(aiohttp.WSServerHandshakeError):
        await client.session.ws_connect(url)
    late = await client.url()
    emulator.advance(31)
    with pytest.raises(aiohttp.WSServerHandshakeError):
        await client.session.ws_connect(late)


async def test_refused_handshakes_leave_the_web_api_working(emulator: SlackEmulator, client: Client) -> None:
    """The state in which clients have been seen to hang for hours."""
    emulator.refuse_connections()
    with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
        await client.session.ws_connect(await client.url())
    assert refused.value.status == 503
    emulator.refuse_connections(False)
    await client.open()


async def test_the_eleventh_socket_is_sent_away(emulator: SlackEmulator, client: Client) -> None:
    """Ten connections an app; hello says how many there are."""
    for _ in range(10):
        await client.open()
    extra = await client.session.ws_connect(await client.url())
    client.opened.append(extra)
    assert (await frame(extra))["reason"] == "too_many_websockets"
    assert emulator.connections == 10


async def test_an_event_is_repeated_after_three_seconds_one_minute_and_five(
    emulator: SlackEmulator, client: Client
) -> None:
    """Four tries, the same event_id, each with its number and the reason; then Slack gives up."""
    socket = await client.open()
    await emulator.say("ben", emulator.dm("ben"), "hello")
    delivery = emulator.deliveries()[0]
    seen = []
    for wait in (0, 60, 300, None):
        envelope = await frame(socket)
        seen.append((envelope["retry_attempt"], envelope["retry_reason"], envelope["payload"]["event_id"]))
        emulator.advance(3)
        await emulator.wait_for(lambda: len(delivery.attempts) == len(seen) and delivery.attempts[-1].answer)
        if wait is not None:
            emulator.advance(wait)
    await emulator.wait_for(delivery.ended.is_set)
    assert [number for number, _, _ in seen] == [0, 1, 2, 3]
    assert [reason for _, reason, _ in seen] == ["", "timeout", "timeout", "timeout"]
    assert len({event_id for _, _, event_id in seen}) == 1
    assert not delivery.acknowledged


async def test_a_late_event_is_overtaken_by_the_next(emulator: SlackEmulator, client: Client) -> None:
    """Slack promises no order; what sets out late has its three seconds and its repeats all the same."""
    socket = await client.open()
    emulator.delay_events(lambda delivery: 10.0 if delivery.payload["event"]["text"] == "first" else 0.0)
    await emulator.say("ben", emulator.dm("ben"), "first")
    await emulator.say("ben", emulator.dm("ben"), "second")
    heard = await frame(socket)
    assert heard["payload"]["event"]["text"] == "second"
    await acknowledge(socket, heard)
    await emulator.wait_for(lambda: emulator.deliveries()[1].acknowledged)
    emulator.advance(10)
    late = await frame(socket)
    assert (late["payload"]["event"]["text"], late["retry_attempt"]) == ("first", 0)
    await acknowledge(socket, late)
    await emulator.wait_for(lambda: all(delivery.acknowledged for delivery in emulator.deliveries()))
    assert [one.attempts[0].ended_at for one in emulator.deliveries()] == [
        emulator.clock.time(),
        emulator.clock.time() - 10,
    ]


async def test_an_event_in_flight_moves_to_another_socket_when_its_own_closes(
    emulator: SlackEmulator, client: Client
) -> None:
    """A replica that dies with an unacknowledged event hands it to the other, at once."""
    sockets = [await client.open(), await client.open()]
    await emulator.say("ben", emulator.dm("ben"), "hello")
    reads = {asyncio.ensure_future(frame(socket)): socket for socket in sockets}
    done, waiting = await asyncio.wait(reads, return_when=asyncio.FIRST_COMPLETED)
    assert (len(done), len(waiting)) == (1, 1)
    first, second = done.pop(), waiting.pop()
    await reads[first].close()
    again = await second
    assert again["retry_attempt"] == 1
    assert again["payload"]["event_id"] == first.result()["payload"]["event_id"]
    await acknowledge(reads[second], again)
    await emulator.wait_for(lambda: emulator.deliveries()[0].acknowledged)


async def test_an_interaction_is_sent_once_and_its_failure_shown(emulator: SlackEmulator, client: Client) -> None:
    """Commands and clicks are not repeated; the person is told after three seconds."""
    socket = await client.open()
    waiting = asyncio.create_task(emulator.slash("ada", "general", "/parley", "ask @ben & co"))
    envelope = await frame(socket)
    assert envelope["type"] == "slash_commands"
    assert envelope["accepts_response_payload"] is True
    assert envelope["payload"]["text"] == "ask <@U0EMUBEN|ben> &amp; co"
    emulator.advance(3)
    command = await waiting
    assert command.error == "operation_timeout"
    await acknowledge(socket, envelope, {"text": "too late"})
    waiting = asyncio.create_task(emulator.slash("ada", "general", "/parley"))
    await acknowledge(socket, await frame(socket), {"text": "in time"})
    await waiting
    assert [note.text for note in emulator.ephemerals("ada")][1:] == ["in time"]


async def test_home_tabs_and_modals_are_acted_on(emulator: SlackEmulator, client: Client) -> None:
    """A view is the container; a submission carries the state and may be answered with the acknowledgement."""
    button = {"type": "button", "action_id": "reset", "text": {"type": "plain_text", "text": "Reset"}}
    home = {"type": "home", "blocks": [{"type": "actions", "block_id": "b", "elements": [button]}]}
    headers = {"Authorization": f"Bearer {emulator.bot_token}"}

    async def call(method: str, **args: Any) -> None:
        async with client.session.post(emulator.api_url + method, json=args, headers=headers) as answer:
            assert (await answer.json())["ok"]

    await call("views.publish", user_id="U0EMUADA", view=home)
    socket = await client.open()
    pressing = asyncio.create_task(emulator.press_home("ada", "reset"))
    click = await frame(socket)
    assert click["payload"]["container"]["type"] == "view"
    assert click["payload"]["actions"][0]["block_id"] == "b"
    modal = {"type": "modal", "callback_id": "c", "title": {"type": "plain_text", "text": "T"}, "blocks": []}
    await call("views.open", trigger_id=click["payload"]["trigger_id"], view=modal)
    await acknowledge(socket, click)
    assert (await pressing).acknowledged
    submitting = asyncio.create_task(emulator.submit_modal("ada", {"b": {"a": {"value": "x"}}}))
    submission = await frame(socket)
    assert submission["accepts_response_payload"] is True
    assert submission["payload"]["view"]["callback_id"] == "c"
    await acknowledge(socket, submission, {"response_action": "clear"})
    assert (await submitting).ack == {"response_action": "clear"}
    shortcut = asyncio.create_task(
        emulator.shortcut("ada", "ask", await emulator.say("ben", emulator.dm("ben"), "about this"))
    )
    frames = [await frame(socket), await frame(socket)]
    for one in frames:
        await acknowledge(socket, one)
    assert {one["payload"]["type"] for one in frames} == {"event_callback", "message_action"}
    assert (await shortcut).acknowledged


async def test_feedback_buttons_say_which_side_was_pressed(emulator: SlackEmulator, client: Client) -> None:
    """One element with two values; the person chooses."""
    sides = {
        f"{side}_button": {"text": {"type": "plain_text", "text": side}, "value": side}
        for side in ("positive", "negative")
    }
    blocks = [{"type": "context_actions", "elements": [{"type": "feedback_buttons", "action_id": "rate", **sides}]}]
    headers = {"Authorization": f"Bearer {emulator.bot_token}"}
    body = {"channel": "C0EMUGENERAL", "text": "x", "blocks": blocks}
    async with client.session.post(emulator.api_url + "chat.postMessage", json=body, headers=headers) as answer:
        ts = (await answer.json())["ts"]
    emulator.settings.subscriptions = set()
    for side in sides.values():
        pressed = await emulator.press("ada", ts, "rate", channel="general", value=str(side["value"]))
        assert pressed.delivery.payload["actions"][0]["value"] == side["value"]
        assert pressed.error == "dispatch_failed"
    with pytest.raises(LookupError):
        await emulator.press("ada", ts, "nothing", channel="general")


async def test_a_command_without_any_socket_fails_at_once(emulator: SlackEmulator) -> None:
    """Nobody listens: dispatch_failed."""
    assert (await emulator.slash("ada", "general", "/parley")).error == "dispatch_failed"


@pytest.mark.parametrize("reason", ["warning", "refresh_requested", "link_disabled"])
async def test_a_disconnect_frame_says_why(emulator: SlackEmulator, client: Client, reason: Any) -> None:
    """A warning leaves the socket open, the others close it ten seconds later."""
    socket = await client.open()
    await emulator.drop_connections(reason)
    assert await frame(socket) == {"type": "disconnect", "reason": reason, "debug_info": {"host": "applink-1"}}
    emulator.advance(11)
    if reason == "warning":
        assert emulator.connections == 1
    else:
        assert (await socket.receive(timeout=5)).type is aiohttp.WSMsgType.CLOSE
        await emulator.wait_for(lambda: emulator.connections == 0)


async def test_only_subscribed_events_with_their_scope_are_sent(emulator: SlackEmulator) -> None:
    """What the manifest does not ask for does not come."""
    emulator.settings.subscriptions = {"app_mention"}
    await emulator.say("ada", "general", "@Parley hi")
    assert [one.event_type for one in emulator.deliveries()] == ["app_mention"]
    emulator.settings.scopes.discard("app_mentions:read")
    await emulator.say("ada", "general", "@Parley hi")
    assert len(emulator.deliveries()) == 1


async def test_the_bots_own_posts_and_those_of_other_bots_come_as_messages(emulator: SlackEmulator) -> None:
    """With bot_id and bot_profile, so that a loop guard has something to go by."""
    other = emulator.add_user("helperbot", is_bot=True)
    emulator.workspace.channels["C0EMUGENERAL"].members.add(other.id)
    await emulator.say("helperbot", "general", "@Parley hi")
    event = emulator.deliveries("message")[0].payload["event"]
    assert event["bot_id"] == other.bot_id
    assert event["bot_profile"]["app_id"] == other.app_id
    headers = {"Authorization": f"Bearer {emulator.bot_token}"}
    async with aiohttp.ClientSession(trust_env=False, headers=headers) as session:
        url = emulator.api_url + "chat.postMessage"
        async with session.post(url, json={"channel": "C0EMUGENERAL", "text": "hello"}) as answer:
            ts = (await answer.json())["ts"]
        url = emulator.api_url + "chat.update"
        async with session.post(url, json={"channel": "C0EMUGENERAL", "ts": ts, "text": "hello there"}) as answer:
            assert (await answer.json())["ok"]
    mine = [one.payload["event"] for one in emulator.deliveries("message")][1:]
    assert [event.get("subtype") for event in mine] == [None, "message_changed"]
    assert mine[0]["bot_id"] == mine[1]["message"]["bot_id"] == emulator.bot_id


async def test_two_emulators_can_live_in_one_application() -> None:
    """The demo page mounts the emulator next to itself under a prefix."""
    emulator = SlackEmulator()
    page = aiohttp.web.Application()
    page.add_subapp("/slack", emulator.make_app())
    runner = aiohttp.web.AppRunner(page)
    await runner.setup()
    await aiohttp.web.TCPSite(runner, "127.0.0.1", 0).start()
    emulator.mounted_at(f"http://127.0.0.1:{runner.addresses[0][1]}/slack")
    try:
        async with aiohttp.ClientSession(trust_env=False) as session:
            async with session.post(emulator.api_url + "api.test", json={"a": "b"}) as answer:
                assert (await answer.json())["args"] == {"a": "b"}
            socket = await Client(emulator, session).open()
            await emulator.aclose()
            await socket.close()
    finally:
        await runner.cleanup()
