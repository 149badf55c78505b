"""The emulator against recorded payloads and the documentation's own examples, where they are at hand."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from adapters.emulators.clock import Clock
from adapters.emulators.slack import RateLimits, SlackEmulator
from adapters.emulators.slack.web_api import METHODS

ROOT = Path(__file__).parents[2]
FIXTURES = (ROOT / os.environ.get("PARLEY_FIXTURES", "../shared/fixtures") / "slack").resolve()
SOURCES = ROOT / "adapters" / "emulators" / "slack"

pytestmark = pytest.mark.skipif(not FIXTURES.is_dir(), reason=f"no recorded Slack payloads in {FIXTURES}")

# The recordings come from several years; these keys are not, or no longer, in every payload.
PERHAPS = {"enterprise_id", "authed_users", "client_msg_id", "bot_profile", "inviter", "thread_ts", "team"}


def recorded(name: str) -> dict[str, Any]:
    body = json.loads((FIXTURES / name).read_text())
    assert isinstance(body, dict)
    return body


def documented() -> list[str]:
    return sorted(path.stem for path in (FIXTURES / "docs-examples").glob("*.json")) if FIXTURES.is_dir() else []


def missing(ours: dict[str, Any], theirs: dict[str, Any]) -> set[str]:
    return set(theirs) - set(ours) - PERHAPS


@pytest.mark.parametrize("name", documented())
def test_tiers_and_scopes_are_the_documented_ones(name: str) -> None:
    """A rate or a scope that is wrong here would let a client pass that fails in life."""
    if name not in METHODS:
        pytest.skip(f"{name} is not emulated")
    docs = recorded(f"docs-examples/{name}.json")
    assert METHODS[name].tier == docs["rate_limits"]
    assert set(METHODS[name].scopes) == set(docs["scope"].get("bot", []))


def test_errors_of_documented_methods_are_named_in_their_documentation() -> None:
    """Every error the emulator can say is a documented one, or one of the few measured on live workspaces."""
    known = {error for name in documented() for error in recorded(f"docs-examples/{name}.json")["errors"]}
    common = {"unknown_method", "insecure_request", "not_authed", "missing_scope", "ratelimited", "invalid_arguments"}
    elsewhere = {  # documented on pages that are not among the fixtures
        "not_allowed_token_type", "users_list_not_supplied", "method_not_supported_for_channel_type", "invalid_types",
        "no_reaction", "exchanged_trigger_id", "expired_trigger_id", "invalid_trigger_id", "invalid_cursor",
        "used_url", "expired_url", "invalid_thread_ts", "file_not_found", "cant_delete_file",
        # seen on live workspaces, see web_api/streams.py
        "cannot_provide_both_markdown_text_and_chunks", "streaming_mode_mismatch",
    }  # fmt: skip
    said: set[str] = set()
    for path in SOURCES.rglob("*.py"):
        said |= set(re.findall(r'SlackError\("(\w+)"', path.read_text()))
    assert said - known - common - elsewhere == set()


async def collected() -> dict[str, dict[str, Any]]:
    """Let one thing of each kind happen and return the payloads by name."""
    emulator = SlackEmulator(Clock(1_712_345_678.0, frozen=True), rate_limits=RateLimits(enforced=False))
    emulator.settings.retry_delays_s = ()
    headers = {"Authorization": f"Bearer {emulator.bot_token}"}
    async with emulator.running(), aiohttp.ClientSession(trust_env=False, headers=headers) as session:
        message = await emulator.say("ada", "general", "@Parley hi")
        await emulator.say("ada", "general", "look", files={"test.png": b"\x89PNG"})
        await emulator.say("ada", "general", "also here", thread_ts=message.ts, broadcast=True)
        await emulator.react("ada", message, "eyes")
        await emulator.edit_message(message, "changed")
        button = {"type": "button", "action_id": "a", "value": "v", "text": {"type": "plain_text", "text": "Button"}}
        blocks = [{"type": "actions", "elements": [button]}]
        url = emulator.api_url + "chat.postMessage"
        async with session.post(url, json={"channel": "C0EMUGENERAL", "text": "x", "blocks": blocks}) as answer:
            posted = await answer.json()
        await emulator.press("ada", posted["ts"], "a", channel="general")
        await emulator.slash("ada", "general", "/parley", "usage")
        await emulator.delete_message(await emulator.say("ada", "general", "Delete this message"))
        emulator.invite("parley", "random")
        await emulator.open_home("ada", "messages")
        await emulator.press_stop("ada", "general", message.ts)
    found: dict[str, dict[str, Any]] = {"chat.postMessage": posted}
    for delivery in emulator.deliveries():
        event = delivery.payload.get("event", {})
        name = delivery.event_type if not event.get("subtype") else event["subtype"]
        name = "bot_message" if event.get("bot_id") else name
        found.setdefault(name, delivery.payload)
    return found


EVENTS = {
    "message": "test_message_bot__user_message_event_payload",
    "bot_message": "test_message_bot__bot_message_event_payload",
    "app_mention": "test_events__app_mention_body",
    "file_share": "test_events__message_file_share_body",
    "message_changed": "test_message_changed__event_payload",
    "message_deleted": "test_message_deleted__event_payload",
    "thread_broadcast": "test_message_thread_broadcast__event_payload",
    "reaction_added": "test_events__reaction_added_body",
    "member_joined_channel": "test_events__join_event_body",
    "app_home_opened": "test_events_org_apps__event_payload_3",
}


@pytest.mark.parametrize(("name", "recording"), EVENTS.items())
async def test_event_payloads_have_the_keys_of_recorded_ones(name: str, recording: str) -> None:
    """Outer callback and inner event, key by key."""
    ours, theirs = (await collected())[name], recorded(f"bolt-python/{recording}.json")
    assert missing(ours, theirs) == set()
    assert missing(ours["event"], theirs["event"]) == set()
    assert ours["event"]["type"] == theirs["event"]["type"]
    if name == "file_share":
        ours_file, theirs_file = ours["event"]["files"][0], theirs["event"]["files"][0]
        pictures = {key for key in theirs_file if key.startswith(("thumb_", "original_"))}
        assert missing(ours_file, theirs_file) - pictures == {"permalink_public"}


async def test_interactions_and_commands_have_the_keys_of_recorded_ones() -> None:
    """block_actions, a slash command and the stop event."""
    found = await collected()
    theirs = recorded("bolt-python/test_block_actions__body.json")
    assert missing(found["interactive"], theirs) == set()
    assert missing(found["interactive"]["actions"][0], theirs["actions"][0]) == set()
    frames = recorded("socket-mode-envelopes.json")
    assert missing(found["slash_commands"], frames["slash_commands"]["payload"]) == set()
    assert missing(found["agent_session_stopped"]["event"], frames["agent_session_stopped_event"]) == set()


async def test_socket_frames_have_the_keys_of_recorded_ones() -> None:
    """hello and an envelope."""
    frames = recorded("socket-mode-envelopes.json")
    emulator = SlackEmulator()
    headers = {"Authorization": f"Bearer {emulator.app_token}"}
    async with emulator.running(), aiohttp.ClientSession(trust_env=False, headers=headers) as session:
        async with session.post(emulator.api_url + "apps.connections.open") as answer:
            url = (await answer.json())["url"]
        async with session.ws_connect(url) as socket:
            hello = json.loads(await socket.receive_str(timeout=5))
            await emulator.say("ben", emulator.dm("ben"), "hi")
            envelope = json.loads(await socket.receive_str(timeout=5))
    assert missing(hello, frames["hello"]) == set()
    assert missing(hello["debug_info"], frames["hello"]["debug_info"]) == set()
    assert missing(envelope, frames["events_api_retry"]) == set()


@pytest.mark.parametrize(
    ("method", "args", "inner"),
    [
        ("auth.test", {}, None),
        ("users.info", {"user": "U0EMUADA"}, "user"),
        ("conversations.info", {"channel": "C0EMUGENERAL"}, "channel"),
        ("bots.info", {}, "bot"),
    ],
)
async def test_answers_have_the_keys_of_the_documented_examples(
    method: str, args: dict[str, str], inner: str | None
) -> None:
    """What a client may read from an answer is there."""
    example = recorded(f"docs-examples/{method}.json")["examples"]["success"]["example"]
    emulator = SlackEmulator()
    headers = {"Authorization": f"Bearer {emulator.bot_token}"}
    async with (
        emulator.running(),
        aiohttp.ClientSession(trust_env=False, headers=headers) as session,
        session.post(emulator.api_url + method, data=args) as answer,
    ):
        body = await answer.json()
    assert missing(body, example) == set()
    if inner:
        assert missing(body[inner], example[inner]) - {"properties"} == set()
