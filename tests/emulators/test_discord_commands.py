"""The local Discord's commands and interactions, asked directly."""

from __future__ import annotations

import pytest

from adapters.emulators.discord import DiscordEmulator
from tests.emulators.rest import Rest


async def test_commands_are_checked_when_registered(emulator: DiscordEmulator, rest: Rest) -> None:
    path = f"/applications/{emulator.application_id}/commands"
    assert (await rest("PUT", path, [{"name": "Ask", "description": "x"}])).code == 50035
    assert (await rest("PUT", path, [{"name": "ask"}])).code == 50035
    double = [{"name": "ask", "description": "x"}] * 2
    assert (await rest("PUT", path, double)).code == 50035
    late = [
        {"type": 3, "name": "a", "description": "x"},
        {"type": 3, "name": "b", "description": "x", "required": True},
    ]
    assert (await rest("PUT", path, [{"name": "ask", "description": "x", "options": late}])).code == 50035
    made = await rest("PUT", path, [{"name": "ask", "description": "x"}, {"name": "Ask about this", "type": 3}])
    assert made.status == 200
    kept = await rest("PUT", path, [{"name": "ask", "description": "changed"}])
    assert kept.body[0]["id"] == made.body[0]["id"] and len(kept.body) == 1
    with pytest.raises(LookupError):
        await emulator.slash("ada", "general", "Ask about this")


async def test_an_interaction_not_answered_in_three_seconds_is_unknown(emulator: DiscordEmulator, rest: Rest) -> None:
    await register(emulator, rest)
    handle = await emulator.slash("ada", "general", "ask", {"question": "q"})
    one = handle.interaction
    assert (await rest("POST", f"/webhooks/{emulator.application_id}/{one.token}", {"content": "x"})).code == 10015
    await emulator.advance(3.1)
    reply = await rest("POST", f"/interactions/{one.id}/{one.token}/callback", {"type": 5})
    assert (reply.status, reply.code) == (404, 10062)
    assert handle.failed and handle.acked_after is None


async def test_an_interaction_is_answered_once_and_its_token_lasts_15_minutes(
    emulator: DiscordEmulator, rest: Rest
) -> None:
    await register(emulator, rest)
    handle = await emulator.slash("ada", "general", "ask", {"question": "q"})
    one = handle.interaction
    callback, hook = f"/interactions/{one.id}/{one.token}/callback", f"/webhooks/{emulator.application_id}/{one.token}"
    assert (await rest("POST", callback, {"type": 5})).status == 204
    assert (await rest("POST", callback, {"type": 5})).code == 40060
    assert handle.thinking
    assert (await rest("POST", hook, {"content": "takes the place of thinking"})).status == 200
    assert not handle.thinking and len(handle.messages) == 1
    assert (await rest("POST", hook, {"content": "further", "flags": 64})).status == 200
    assert (await rest("PATCH", f"{hook}/messages/@original", {"content": "edited"})).status == 200
    assert [m.content for m in handle.messages] == ["edited", "further"]
    assert [m.content for m in emulator.messages("general")] == ["edited"], "the other is for one person only"
    await emulator.advance(901)
    late = await rest("PATCH", f"{hook}/messages/@original", {"content": "late"})
    assert (late.status, late.code) == (401, 50027)
    message = handle.original
    assert message is not None and (await rest.edit(message, content="by the bot token")).status == 200


async def register(emulator: DiscordEmulator, rest: Rest) -> None:
    question = {"type": 3, "name": "question", "description": "what", "required": True}
    body = [{"name": "ask", "description": "x", "options": [question]}]
    assert (await rest("PUT", f"/applications/{emulator.application_id}/commands", body)).status == 200


async def test_a_client_sends_only_options_that_were_registered(emulator: DiscordEmulator, rest: Rest) -> None:
    await register(emulator, rest)
    for wrong in ({}, {"question": 3}, {"question": "q", "more": 1}):
        with pytest.raises(ValueError):
            await emulator.slash("ada", "general", "ask", wrong)
    with pytest.raises(LookupError):
        await emulator.slash("ada", "general", "unheard-of")
