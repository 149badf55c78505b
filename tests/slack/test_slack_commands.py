"""The slash command: acked at once, answered for that person's eyes, and a question for everybody's."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import time
import urllib.parse
from typing import Any

import aiohttp
import pytest

from adapters.emulators.slack.emulator import SlackEmulator
from adapters.slack import SlackAdapter, SlackSettings
from adapters.slack._admission import Admission
from adapters.slack.people import People, administers
from core.chat import StoreUnavailable
from core.replies import LocalBudget

# Any below: the fakes and helpers of conftest.py, which a test module cannot import


async def test_usage_is_answered_for_that_persons_eyes_only(
    adapter: SlackAdapter, emulator: SlackEmulator, intake: Any, until: Any
) -> None:
    """With who asks, where, and whether Slack calls them an admin."""
    intake.answer = "| who | cost |\n|---|---|\n| <ada> | 1 |"
    command = await emulator.slash("ada", "general", "/parley", "usage")
    assert command.acknowledged
    await until(lambda: emulator.ephemerals("ada"))
    (call,) = intake.calls
    assert (call.name, call.user, call.is_admin, call.thread_id) == ("usage", "slack:U0EMUADA", True, None)
    assert call.channel == f"slack:{emulator.team_id}:C0EMUGENERAL"
    (note,) = emulator.ephemerals("ada")
    assert note.text == "```\nwho    cost\n─────  ────\n&lt;ada&gt;  1\n```"
    assert note.blocks[0]["type"] == "table"
    assert emulator.bot_messages() == []


@pytest.mark.parametrize(
    ("typed", "name"), [("", "help"), ("help", "help"), ("reset", "reset"), ("STOP now", "stop"), ("usage", "usage")]
)
async def test_the_verb_decides(
    adapter: SlackAdapter, emulator: SlackEmulator, intake: Any, until: Any, typed: str, name: str
) -> None:
    """And nobody but an admin is one."""
    await emulator.slash("ben", "general", "/whatever", typed)
    await until(lambda: emulator.ephemerals("ben"))
    assert [(call.name, call.is_admin) for call in intake.calls] == [(name, False)]


@pytest.mark.parametrize("typed", ["ask what is <!here> & @ben?", "what is <!here> & @ben?"])
async def test_a_question_opens_a_visible_thread(
    adapter: SlackAdapter, emulator: SlackEmulator, intake: Any, until: Any, typed: str
) -> None:
    """Everybody sees who asked what; only the asking person's mention is live in it."""
    await emulator.slash("ada", "general", "/parley", typed)
    await until(lambda: intake.messages)
    (root,) = emulator.bot_messages()
    assert root.text.startswith("<@U0EMUADA> asked:\n> what is ")
    assert root.thread_ts is None
    assert root.pings.users == {"U0EMUADA"} and not root.pings.broadcasts
    (message,) = intake.messages
    assert message.reach == "command"
    assert message.thread_id == f"slack:{emulator.team_id}:C0EMUGENERAL:{root.ts}"
    assert message.text.startswith("what is ") and message.text.endswith("?")
    assert message.keys[0] == f"C0EMUGENERAL:{root.ts}" and message.keys[1].startswith("trigger:")


async def test_who_is_not_admitted_leaves_no_question_behind(
    adapter: SlackAdapter, emulator: SlackEmulator, intake: Any, until: Any
) -> None:
    """A question that will not be answered is taken away again, and the person is told why."""
    intake.verdict = "ignored"
    await emulator.slash("ada", "general", "/parley", "ask me")
    await until(lambda: emulator.ephemerals("ada"))
    assert emulator.bot_messages() == []
    intake.verdict = "full"
    await emulator.slash("ada", "general", "/parley", "ask me")
    await until(lambda: len(emulator.ephemerals("ada")) == 2)
    assert emulator.bot_messages() == []


async def test_where_we_are_not_we_ask_to_be_invited(
    adapter: SlackAdapter, emulator: SlackEmulator, intake: Any, until: Any
) -> None:
    """A slash command works in every channel, posting does not."""
    await emulator.slash("ada", "random", "/parley", "ask me")
    await until(lambda: emulator.ephemerals("ada"))
    assert "/invite @parley" in emulator.ephemerals("ada")[0].text
    assert intake.messages == []


async def test_a_store_that_is_away_for_a_moment_is_waited_for(
    adapter: SlackAdapter, emulator: SlackEmulator, intake: Any, until: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Slack does not deliver a command twice, so nobody else would take it in."""
    monkeypatch.setattr("adapters.slack.commands._STORE_PAUSES_S", (0.01, 0.01))
    intake.failure = StoreUnavailable("down")
    await emulator.slash("ada", "general", "/parley", "ask me")
    await until(lambda: intake.attempts)
    intake.failure = None
    await until(lambda: intake.messages or emulator.ephemerals("ada"))
    intake.failure = StoreUnavailable("down")
    await emulator.slash("ben", "general", "/parley", "usage")
    await until(lambda: emulator.ephemerals("ben"))
    assert "try again" in emulator.ephemerals("ben")[0].text


async def test_a_broken_command_is_owned_up_to(
    adapter: SlackAdapter, emulator: SlackEmulator, intake: Any, until: Any
) -> None:
    """Nothing is swallowed."""
    intake.failure = RuntimeError("a bug")
    await emulator.slash("ada", "general", "/parley", "usage")
    await until(lambda: emulator.ephemerals("ada"))
    assert "went wrong" in emulator.ephemerals("ada")[0].text


async def test_commands_work_over_http(
    http_adapter: SlackAdapter, emulator: SlackEmulator, intake: Any, until: Any
) -> None:
    """Form-encoded there, the same path here."""
    command = await emulator.slash("ada", "general", "/parley", "ask why is a < b")
    assert command.acknowledged
    await until(lambda: intake.messages)
    assert intake.messages[0].text == "why is a < b"


async def test_who_is_an_admin_is_asked_once_and_denied_without_an_answer(
    adapter: SlackAdapter, emulator: SlackEmulator
) -> None:
    """Cached for five minutes; what Slack does not say is no."""
    now = [0.0]
    assert adapter._web is not None
    people = People(adapter._web.client, Admission(LocalBudget(), adapter.me.team), now=lambda: now[0])
    emulator.fail_next("users.info", status=500)
    assert not await people.is_admin("U0EMUADA")
    assert await people.is_admin("U0EMUADA")
    asked = len(emulator.calls("users.info"))
    assert await people.is_admin("U0EMUADA")
    assert len(emulator.calls("users.info")) == asked
    now[0] = 301
    emulator.workspace.users["U0EMUADA"].is_restricted = True
    assert not await people.is_admin("U0EMUADA")
    assert not await people.is_admin("UNOBODY")


@pytest.mark.parametrize("mark", ["deleted", "is_bot", "is_restricted", "is_ultra_restricted", "is_stranger"])
def test_no_guest_bot_or_stranger_is_an_admin(mark: str) -> None:
    """Whatever else their profile says."""
    assert administers({"is_admin": True})
    assert not administers({"is_admin": True, mark: True})
    assert not administers({})


@pytest.fixture
def slash_over_http(emulator: SlackEmulator) -> Any:
    """Send a signed slash command whose response_url nobody answers, and return the HTTP status."""

    async def send(text: str, trigger: str) -> int:
        fields = {"command": "/parley", "text": text, "team_id": emulator.team_id, "channel_id": "C0EMUGENERAL"}
        fields |= {"user_id": "U0EMUADA", "trigger_id": trigger, "response_url": f"{emulator.api_url}nowhere/at/all"}
        body, stamp = urllib.parse.urlencode(fields), str(int(time.time()))
        key, signed = emulator.signing_secret.encode(), f"v0:{stamp}:{body}".encode()
        headers = {"X-Slack-Request-Timestamp": stamp, "Content-Type": "application/x-www-form-urlencoded"}
        headers["X-Slack-Signature"] = "v0=" + hmac.new(key, signed, hashlib.sha256).hexdigest()
        url = emulator.core.dispatcher.transport.url  # type: ignore[attr-defined]  # HTTP mode's transport has it
        async with aiohttp.ClientSession() as session, session.post(url, data=body, headers=headers) as answer:
            return answer.status

    return send


async def test_a_command_that_comes_twice_is_carried_out_once(
    http_adapter: SlackAdapter, emulator: SlackEmulator, intake: Any, until: Any, slash_over_http: Any
) -> None:
    """A proxy may repeat a request; its trigger is the same."""
    assert [await slash_over_http("ask me", "t-1") for _ in range(2)] == [200, 200]
    assert await slash_over_http("ask again", "t-2") == 200
    await until(lambda: len(intake.messages) == 2)
    assert len(emulator.bot_messages()) == 2


async def test_an_answer_that_the_response_url_does_not_take_comes_another_way(
    http_adapter: SlackAdapter, emulator: SlackEmulator, until: Any, slash_over_http: Any
) -> None:
    """The person waits for it, whatever became of the address."""
    assert await slash_over_http("usage", "t-1") == 200
    await until(lambda: emulator.ephemerals("ada"))
    assert emulator.ephemerals("ada")[0].text == "*Usage*"


async def test_stopping_finishes_the_commands_in_hand(
    settings: SlackSettings, emulator: SlackEmulator, intake: Any, until: Any
) -> None:
    """They were acked, so nobody else will carry them out."""
    adapter = SlackAdapter(settings)
    await adapter.open()
    listening = asyncio.create_task(adapter.listen(intake))
    await until(lambda: adapter.unready() is None)
    intake.gate = asyncio.Event()
    await emulator.slash("ada", "general", "/parley", "usage")
    await until(lambda: intake.attempts)
    listening.cancel()
    await until(lambda: emulator.connections == 0)
    intake.gate.set()
    await asyncio.gather(listening, return_exceptions=True)
    await adapter.aclose()
    assert emulator.ephemerals("ada")[0].text == "*Usage*"
