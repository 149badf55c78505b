"""Events in and acks out, over Socket Mode and HTTP."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
import logging
import time
from typing import Any

import aiohttp
import pytest

from adapters.emulators.slack.emulator import SlackEmulator
from adapters.slack import SlackAdapter, SlackSettings
from adapters.slack.link import SentAway
from core.chat import ConfigError, Placement, Segment, StoreUnavailable, ThreadId

# Any below: the fakes and helpers of conftest.py, which a test module cannot import


@pytest.fixture(params=["adapter", "http_adapter"])
def either(request: pytest.FixtureRequest) -> Any:
    """The adapter by each of the two ways in."""
    return request.getfixturevalue(request.param)


@pytest.fixture
def http_of(emulator: SlackEmulator) -> Any:
    """Post a body to the adapter's HTTP side, signed as told."""

    async def post(body: str | bytes, secret: str, at: str | None = None) -> int:
        stamp = at or str(int(time.time()))
        said = body.encode() if isinstance(body, str) else body
        digest = hmac.new(secret.encode(), f"v0:{stamp}:".encode() + said, hashlib.sha256).hexdigest()
        url = emulator.core.dispatcher.transport.url  # type: ignore[attr-defined]  # HTTP mode's transport has it
        headers = {"X-Slack-Request-Timestamp": stamp, "X-Slack-Signature": f"v0={digest}"}
        headers["Content-Type"] = "application/json"
        async with aiohttp.ClientSession() as session, session.post(url, data=said, headers=headers) as answer:
            return answer.status

    return post


async def test_a_mention_comes_in_once_by_either_way(
    either: SlackAdapter, emulator: SlackEmulator, intake: Any, until: Any
) -> None:
    """It is delivered as two events; both are acked and one Message remains."""
    said = await emulator.say("ada", "general", "@Parley what is 1 < 2?")
    await until(lambda: len(emulator.deliveries("events_api")) >= 2)
    await until(lambda: all(delivery.acknowledged for delivery in emulator.deliveries()))
    (message,) = intake.messages
    assert message.text == "what is 1 < 2?"
    assert message.thread_id == f"slack:{emulator.team_id}:{said.channel}:{said.ts}"
    assert message.keys[0] == f"{said.channel}:{said.ts}"


async def test_repeats_come_in_and_are_left_to_core(
    adapter: SlackAdapter, emulator: SlackEmulator, intake: Any, until: Any
) -> None:
    """An event that came while no socket was open exists as a repeat only, so none is dropped here."""
    await emulator.say("ada", emulator.dm("ada"), "hello")
    await until(lambda: len(intake.messages) == 1)
    before = intake.attempts
    for repeat in (await emulator.redeliver(), await emulator.redeliver_as_new_event_id()):
        await until(lambda delivery=repeat: delivery.acknowledged)
    assert intake.attempts == before + 2
    assert len(intake.messages) == 1


async def test_replies_without_mention_are_handed_in_as_such(
    adapter: SlackAdapter, emulator: SlackEmulator, intake: Any, until: Any
) -> None:
    """Core knows whether we take part in that thread."""
    root = await emulator.say("ada", "general", "something among people")
    await emulator.say("ben", "general", "a reply", thread_ts=root.ts)
    await until(lambda: intake.messages)
    assert [(message.reach, message.text) for message in intake.messages] == [("thread", "a reply")]


async def test_everything_is_acked_also_what_is_not_for_us(
    either: SlackAdapter, emulator: SlackEmulator, intake: Any, until: Any
) -> None:
    """An event without an ack is delivered again three times and counts against the app."""
    emulator.invite("parley", "random")
    said = await emulator.say("ada", "general", "not for a bot")
    await emulator.edit_message(said, "still not")
    await emulator.react("ben", said, "eyes")
    await emulator.delete_message(said)
    question = await emulator.say("ada", "general", "a root")
    thread = Placement(ThreadId(f"slack:{emulator.team_id}:{question.channel}:{question.ts}"))
    ref = await either.surface.post(thread, Segment("our own"), "k")
    await either.surface.edit(thread, ref, Segment("our own, edited"))
    await either.surface.delete(thread, ref)
    await until(lambda: len(emulator.deliveries()) >= 7)
    await until(lambda: all(delivery.acknowledged for delivery in emulator.deliveries()))
    assert intake.messages == []


async def test_the_ack_waits_until_core_has_the_message(
    either: SlackAdapter, emulator: SlackEmulator, intake: Any, until: Any
) -> None:
    """Acked too early, a message dies with the process."""
    intake.gate = asyncio.Event()
    await emulator.say("ada", emulator.dm("ada"), "hello")
    await until(lambda: intake.attempts)
    assert not emulator.deliveries()[-1].acknowledged
    intake.gate.set()
    await until(lambda: emulator.deliveries()[-1].acknowledged)
    assert len(intake.messages) == 1


async def test_without_the_store_there_is_no_ack_and_slack_delivers_again(
    either: SlackAdapter, emulator: SlackEmulator, intake: Any, until: Any
) -> None:
    """Redis was away for a moment: the message is answered after all, and once."""
    intake.failure = StoreUnavailable("down")
    await emulator.say("ada", emulator.dm("ada"), "hello")
    delivery = emulator.deliveries()[-1]
    await until(lambda: intake.attempts)
    assert not delivery.acknowledged
    intake.failure = None
    await until(lambda: emulator.advance(10) or delivery.acknowledged)
    assert len(intake.messages) == 1


async def test_a_message_that_slack_delivers_no_more_is_owned_up_to(
    emulator: SlackEmulator, settings: SlackSettings, intake: Any, listening: Any, until: Any
) -> None:
    """After the last repeat nobody would ever answer, so the person is told to write again."""
    emulator.settings.retry_delays_s = (0.0, 0.0, 0.0)
    emulator.settings.ack_timeout_s = 0.05
    intake.failure = StoreUnavailable("down")
    adapter = SlackAdapter(settings)
    async with listening(adapter, intake):
        await until(lambda: adapter.unready() is None)
        await emulator.say("ben", "general", "@Parley hello")
        await until(lambda: emulator.ephemerals("ben"))
        await until(lambda: all(delivery.ended.is_set() for delivery in emulator.deliveries()))
    (note,) = emulator.ephemerals("ben")
    assert "try again" in note.text


async def test_a_full_thread_is_said_once_to_the_author(
    either: SlackAdapter, emulator: SlackEmulator, intake: Any, until: Any
) -> None:
    """The two events of one mention make one note, in the thread."""
    intake.verdict = "full"
    said = await emulator.say("ada", "general", "@Parley hello")
    await until(lambda: emulator.ephemerals("ada"))
    await until(lambda: all(delivery.acknowledged for delivery in emulator.deliveries()))
    (note,) = emulator.ephemerals("ada")
    assert note.text.startswith("Too many messages are waiting")
    assert note.thread_ts == said.ts


async def test_a_failure_of_ours_is_visible_to_the_person(
    adapter: SlackAdapter, emulator: SlackEmulator, intake: Any, until: Any, caplog: pytest.LogCaptureFixture
) -> None:
    """And in the log, without what was said."""
    intake.failure = RuntimeError("a bug")
    await emulator.say("ada", "general", "@Parley my secret")
    await until(lambda: emulator.ephemerals("ada"))
    await until(lambda: all(delivery.acknowledged for delivery in emulator.deliveries()))
    assert len(emulator.ephemerals("ada")) == 1
    assert "slack.event.failed" in caplog.text
    assert "my secret" not in caplog.text


async def test_the_stop_button_stops_the_turn_it_stands_under(
    either: SlackAdapter, emulator: SlackEmulator, intake: Any, until: Any
) -> None:
    """Pressed too late, it says that nothing is written any more."""
    question = await emulator.say("ada", "general", "a question")
    thread = Placement(ThreadId(f"slack:{emulator.team_id}:{question.channel}:{question.ts}"))
    await either.surface.post(thread, Segment("thinking", stop="turn-7"), "k")
    intake.running = {"turn-7"}
    pressed = await emulator.press("ada", emulator.bot_messages()[0], "parley_stop")
    assert pressed.acknowledged and intake.stops == ["turn-7"]
    assert not emulator.ephemerals("ada")
    intake.running = set()
    late = await emulator.press("ben", emulator.bot_messages()[0], "parley_stop")
    assert late.acknowledged
    await until(lambda: emulator.ephemerals("ben"))
    assert "not being written any more" in emulator.ephemerals("ben")[0].text
    assert emulator.bot_messages()[0].visible == "thinking"


async def test_forged_requests_are_turned_away(
    http_adapter: SlackAdapter, intake: Any, http_of: Any, emulator: SlackEmulator
) -> None:
    """Scenario 25: whoever does not know the signing secret, or replays an old request, says nothing to us."""
    event = {"type": "message", "channel": "D1", "channel_type": "im", "user": "U1", "text": "hi", "ts": "1.1"}
    body = json.dumps({"type": "event_callback", "team_id": "T1", "event": event})
    assert await http_of(body, "wrong secret") == 401
    assert await http_of(body, emulator.signing_secret, at=str(int(time.time()) - 400)) == 401
    assert await http_of(body, emulator.signing_secret, at="never") == 401
    assert intake.messages == []
    assert await http_of(body, emulator.signing_secret) == 200
    assert len(intake.messages) == 1


async def test_a_body_that_nobody_could_have_signed_is_refused_in_one_line(
    http_adapter: SlackAdapter, http_of: Any, caplog: pytest.LogCaptureFixture
) -> None:
    """The address is open to the world: junk gets a 4xx, and no traceback of ours fills the log."""
    for body in ("{not json", "[]", '"text"', '{"authorizations": [7]}', b"\xff\xfe"):
        assert await http_of(body, "wrong secret") in (400, 401)
    assert await http_of("{}", "wrong secret", at="9" * 400) == 401
    assert not [record for record in caplog.records if record.exc_info]


async def test_http_refuses_before_and_after_listening(emulator: SlackEmulator, http_adapter: SlackAdapter) -> None:
    """Slack keeps what it was not acked for until somebody listens."""
    settings = SlackSettings("xoxb-1", signing_secret="s")
    adapter = SlackAdapter(settings)
    (route,) = adapter.routes()
    answer = await route.handler(None)  # type: ignore[arg-type]  # not looked at before open
    assert answer.status == 503
    assert SlackAdapter(SlackSettings("xoxb-1", app_token="xapp-1")).routes() == []


async def test_signed_oauth_variables_do_not_change_the_way_in(
    emulator: SlackEmulator, settings: SlackSettings, intake: Any, listening: Any, until: Any, monkeypatch: Any
) -> None:
    """Bolt turns to OAuth and drops the token when these are in the environment."""
    monkeypatch.setenv("SLACK_CLIENT_ID", "1.2")
    monkeypatch.setenv("SLACK_CLIENT_SECRET", "x")
    monkeypatch.setenv("SLACK_BOT_TOKEN", "xoxb-other")
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    adapter = SlackAdapter(settings)
    async with listening(adapter, intake):
        await until(lambda: adapter.unready() is None)
        await emulator.say("ada", emulator.dm("ada"), "hello")
        await until(lambda: intake.messages)
    assert len(emulator.calls("auth.test")) == 1  # not one for each event


def test_who_is_sent_away_again_and_again_waits() -> None:
    """With an eleventh socket Slack greets and sends away; without a pause that is a storm of connections."""
    sent_away = SentAway()
    for at in (0.0, 0.1, 0.2):
        sent_away.note(at)
        assert sent_away.pause_s(at) == 0
    sent_away.note(0.3)
    assert sent_away.pause_s(0.3) == pytest.approx(9.7)
    assert sent_away.pause_s(10.1) == 0
    sent_away.note(10.2)
    assert sent_away.pause_s(10.2) == 0
    sent_away.note(10.3)
    assert sent_away.pause_s(10.3) == 0


@pytest.mark.parametrize("reason", [None, "refresh_requested", "warning", "too_many_websockets"])
async def test_a_lost_connection_comes_back(
    adapter: SlackAdapter, emulator: SlackEmulator, intake: Any, until: Any, reason: Any
) -> None:
    """Slack renews connections every few hours; networks fail in between."""
    await emulator.drop_connections(reason)
    await until(lambda: emulator.core.sockets._numbers >= 2 and adapter.unready() is None)
    await emulator.say("ada", emulator.dm("ada"), "hello")
    await until(lambda: intake.messages)


async def test_a_refused_address_is_not_tried_for_ever(
    adapter: SlackAdapter, emulator: SlackEmulator, intake: Any, until: Any
) -> None:
    """The SDK repeats one used-up address; the watchdog makes it ask for a new one, and says so meanwhile."""
    emulator.refuse_connections()
    await emulator.drop_connections()
    await until(lambda: adapter.unready() is not None)
    asked = len(emulator.calls("apps.connections.open"))
    await until(lambda: len(emulator.calls("apps.connections.open")) >= asked + 6)
    emulator.refuse_connections(False)
    await until(lambda: adapter.unready() is None)
    await emulator.say("ada", emulator.dm("ada"), "hello")
    await until(lambda: intake.messages)


async def test_a_revoked_app_token_ends_listening(
    settings: SlackSettings, emulator: SlackEmulator, intake: Any, until: Any
) -> None:
    """No retry can mend it, and a process that hears nothing must not look alive."""
    adapter = SlackAdapter(settings, ping_interval_s=0.05, check_s=0.05)
    await adapter.open()
    listening = asyncio.create_task(adapter.listen(intake))
    await until(lambda: adapter.unready() is None)
    emulator.set_token_state("revoked", emulator.app_token)
    await emulator.drop_connections()
    with pytest.raises(ConfigError, match="SLACK_APP_TOKEN"):
        async with asyncio.timeout(10):
            await listening
    await adapter.aclose()


async def test_socket_mode_switched_off_ends_listening(
    settings: SlackSettings, emulator: SlackEmulator, intake: Any, until: Any
) -> None:
    """Slack sends link_disabled on each new connection, and the SDK would come back for ever."""
    adapter = SlackAdapter(settings, ping_interval_s=0.05, check_s=0.05)
    await adapter.open()
    listening = asyncio.create_task(adapter.listen(intake))
    for number in range(1, 4):
        await until(lambda wanted=number: emulator.core.sockets._numbers >= wanted and adapter.unready() is None)
        await emulator.drop_connections("link_disabled")
    with pytest.raises(ConfigError, match="Socket Mode is switched off"):
        async with asyncio.timeout(10):
            await listening
    await adapter.aclose()


async def test_a_rating_reaches_core_and_only_who_gave_it_is_told(
    adapter: SlackAdapter, emulator: SlackEmulator, intake: Any, until: Any
) -> None:
    """By Slack's own buttons and by the plain ones that stand in for them."""
    intake.running.add("t#1")
    question = await emulator.say("ada", "general", "hi")
    placement = Placement(ThreadId(f"slack:{emulator.team_id}:{question.channel}:{question.ts}"))
    ref = await adapter.surface.post(placement, Segment("So", rating="t#1"), "k1")
    shown = emulator.bot_messages()[0]
    await emulator.press("ben", shown, "parley_rating", value="up t#1")
    emulator.fail_next("chat.update", "invalid_blocks")
    await adapter.surface.edit(placement, ref, Segment("So then", rating="t#1"))
    await emulator.press("ben", shown, "parley_down")
    await until(lambda: len(emulator.ephemerals("ben")) == 2)
    assert intake.ratings == [("t#1", "slack:U0EMUBEN", "up"), ("t#1", "slack:U0EMUBEN", "down")]
    assert {note.text.partition(" ")[0] for note in emulator.ephemerals("ben")} == {"👍", "👎"}
    assert {note.thread_ts for note in emulator.ephemerals("ben")} == {question.ts}
    assert shown.visible == "So then"


async def test_slacks_own_stop_button_is_heard_and_acked(
    adapter: SlackAdapter, emulator: SlackEmulator, intake: Any, until: Any
) -> None:
    """Also where no message of ours stands yet."""
    question = await emulator.say("ada", emulator.dm("ada"), "hello")
    await emulator.press_stop("ada", question.channel, question.ts)
    await until(lambda: intake.changes)
    assert intake.changes == [("stopped", f"slack:{emulator.team_id}:{question.channel}:{question.ts}", "")]
    await until(lambda: emulator.deliveries("agent_session_stopped")[0].acknowledged)


async def test_stopping_acks_what_is_in_hand_and_leaves_nothing_running(
    settings: SlackSettings, emulator: SlackEmulator, intake: Any, until: Any
) -> None:
    """On a rolling update the message in hand is acked, and the next one is for another replica."""
    before = asyncio.all_tasks()
    adapter = SlackAdapter(settings)
    await adapter.open()
    listening = asyncio.create_task(adapter.listen(intake))
    await until(lambda: adapter.unready() is None)
    intake.gate = asyncio.Event()
    await emulator.say("ada", emulator.dm("ada"), "hello")
    await until(lambda: intake.attempts)
    listening.cancel()
    await asyncio.sleep(0)
    intake.gate.set()
    await asyncio.gather(listening, return_exceptions=True)
    assert len(intake.messages) == 1
    assert emulator.deliveries()[-1].acknowledged
    await adapter.aclose()
    assert adapter.unready() == "not listening to Slack"
    ours = {task.get_name() for task in asyncio.all_tasks() - before if task.get_name().startswith("slack:")}
    assert not ours


async def test_the_log_holds_no_token_and_no_words(
    adapter: SlackAdapter, emulator: SlackEmulator, intake: Any, until: Any, caplog: pytest.LogCaptureFixture
) -> None:
    """Also with DEBUG on for everything: the SDK would write raw frames."""
    caplog.set_level(logging.DEBUG)
    await emulator.say("ada", emulator.dm("ada"), "my secret words")
    await until(lambda: intake.messages)
    await emulator.drop_connections()
    await until(lambda: emulator.core.sockets._numbers >= 2 and adapter.unready() is None)
    ours = "\n".join(
        record.getMessage() for record in caplog.records if record.name.startswith(("slack", "adapters.slack"))
    )
    for secret in ("my secret words", emulator.bot_token, emulator.app_token, "ticket="):
        assert secret not in ours
