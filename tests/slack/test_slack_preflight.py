"""What an operator reads when something is set wrongly, and the manifest that sets it right."""

from __future__ import annotations

import json
import logging
from typing import Any

import pytest

from adapters.emulators.slack.emulator import SlackEmulator
from adapters.slack import SlackAdapter, SlackSettings, manifest
from adapters.slack._web import proxy_for
from core.chat import Adapter, ConfigError, starting


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody waits between two attempts, unless Slack says so."""
    monkeypatch.setattr(starting, "PAUSES_S", (0.01,) * len(starting.PAUSES_S))


async def refusal(settings: SlackSettings) -> ConfigError:
    adapter = SlackAdapter(settings)
    with pytest.raises(ConfigError) as caught:
        await adapter.open()
    await adapter.aclose()
    secrets = (settings.bot_token, settings.app_token, settings.signing_secret)
    assert not any(secret and secret in str(caught.value) for secret in secrets)
    assert "\n" not in str(caught.value)
    return caught.value


def changed(settings: SlackSettings, **fields: str) -> SlackSettings:
    kept = {"bot_token": settings.bot_token, "app_token": settings.app_token, "api_url": settings.api_url}
    return SlackSettings(**(kept | fields))


async def test_a_sound_configuration_opens(settings: SlackSettings, emulator: SlackEmulator) -> None:
    """And we know who we are."""
    adapter = SlackAdapter(settings)
    port: Adapter = adapter
    assert port.platform == "slack" and port.unready()
    with pytest.raises(ValueError):
        _ = adapter.surface
    await adapter.open()
    assert (adapter.me.team, adapter.me.user, adapter.me.bot) == (
        emulator.team_id,
        emulator.bot_user_id,
        emulator.bot_id,
    )
    await adapter.aclose()


async def test_a_wrong_bot_token_is_named(settings: SlackSettings) -> None:
    """The setting to change comes first."""
    error = await refusal(changed(settings, bot_token="xoxb-wrong"))
    assert str(error).startswith("SLACK_BOT_TOKEN: Slack does not know this token.")


@pytest.mark.parametrize(
    ("fields", "setting"),
    [
        ({"bot_token": ""}, "SLACK_BOT_TOKEN"),
        ({"bot_token": "xapp-1"}, "SLACK_BOT_TOKEN"),
        ({"app_token": "xoxb-1"}, "SLACK_APP_TOKEN"),
        ({"app_token": ""}, "SLACK_APP_TOKEN"),
        ({"app_token": "xapp-wrong"}, "SLACK_APP_TOKEN"),
        ({"api_url": "slack.com/api"}, "SLACK_API_URL"),
        ({"api_url": "http://127.0.0.1:9/api/"}, "SLACK_API_URL"),
    ],
)
async def test_what_is_set_wrongly_is_named(settings: SlackSettings, fields: dict[str, str], setting: str) -> None:
    """Tokens in each other's places, nothing to listen with, an address where nobody answers."""
    assert (await refusal(changed(settings, **fields))).setting == setting


async def test_an_address_that_is_not_slacks_is_named(settings: SlackSettings) -> None:
    """A page instead of an answer is the address's fault, not the token's."""
    error = await refusal(changed(settings, api_url=settings.api_url.replace("/api/", "/")))
    assert error.setting == "SLACK_API_URL"


async def test_a_slack_that_is_down_does_not_blame_the_token(settings: SlackSettings, emulator: SlackEmulator) -> None:
    """Or the operator makes a new token for nothing."""
    emulator.fail_next("auth.test", status=503, times=100)
    assert (await refusal(settings)).setting == "SLACK_API_URL"
    assert len(emulator.calls("auth.test")) == 1 + len(starting.PAUSES_S)


@pytest.mark.parametrize("method", ["auth.test", "apps.connections.open"])
@pytest.mark.parametrize(
    ("trouble", "said"),
    [
        ({}, "no answer"),
        ({"after_effect": True}, "no answer"),
        ({"status": 503}, "HTTP 503"),
        ({"error": "internal_error"}, "internal_error"),
        ({"status": 429, "retry_after": 1}, "ratelimited"),
    ],
)
async def test_what_may_pass_does_not_end_the_start(
    settings: SlackSettings,
    emulator: SlackEmulator,
    caplog: pytest.LogCaptureFixture,
    method: str,
    trouble: dict[str, Any],
    said: str,
) -> None:
    """One lost answer is no reason to tell an operator that a setting is wrong; the log says what was waited for."""
    emulator.fail_next(method, **trouble)
    adapter = SlackAdapter(settings)
    with caplog.at_level(logging.WARNING):
        await adapter.open()
    await adapter.aclose()
    first, second = emulator.calls(method)
    assert second.at - first.at >= trouble.get("retry_after", 0)
    (told,) = [record for record in caplog.records if record.getMessage() == "start.call_failed"]
    assert told.call == method and said in told.reason


async def test_a_clear_no_ends_the_start_at_once(settings: SlackSettings, emulator: SlackEmulator) -> None:
    """Nobody but an operator can mend it, and so can nobody mend a platform that wants to be left alone for long."""
    emulator.set_token_state("revoked")
    assert "revoked" in str(await refusal(settings))
    assert len(emulator.calls("auth.test")) == 1
    emulator.set_token_state("active")
    emulator.fail_next("auth.test", status=429, retry_after=3600)
    assert "asks to be left alone for 3600 s" in str(await refusal(settings))
    assert len(emulator.calls("auth.test")) == 2


async def test_missing_essential_scopes_are_named(
    settings: SlackSettings, emulator: SlackEmulator, caplog: pytest.LogCaptureFixture
) -> None:
    """Without chat:write nothing works; without channels:history only threads do not, which is worth a warning."""
    emulator.settings.scopes.discard("channels:history")
    adapter = SlackAdapter(settings)
    with caplog.at_level(logging.WARNING):
        await adapter.open()
    await adapter.aclose()
    assert [record.scopes for record in caplog.records if record.getMessage() == "slack.scopes.missing"] == [
        "channels:history"
    ]
    emulator.settings.scopes -= {"chat:write", "im:history"}
    assert "chat:write, im:history" in str(await refusal(settings))


def test_secrets_stay_out_of_the_representation() -> None:
    """Settings end up in tracebacks."""
    shown = repr(SlackSettings("xoxb-1", "xapp-1", "shh"))
    assert "xoxb" not in shown and "xapp" not in shown and "shh" not in shown


def test_no_proxy_is_used_for_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    """The SDK would send loopback calls to HTTPS_PROXY and knows no NO_PROXY."""
    monkeypatch.setenv("https_proxy", "http://proxy.example:3128")
    monkeypatch.setenv("http_proxy", "http://proxy.example:3128")
    monkeypatch.setenv("no_proxy", "slack.internal.example")
    assert proxy_for("http://127.0.0.1:80/api/") is None
    assert proxy_for("http://localhost:80/api/") is None
    assert proxy_for("https://slack.internal.example/api/") is None
    assert proxy_for("https://slack.com/api/") == "http://proxy.example:3128"


def test_the_socket_mode_manifest_needs_no_address() -> None:
    """Every event and scope in it is one that the adapter uses."""
    made = manifest()
    assert made["settings"]["socket_mode_enabled"] is True
    assert "request_url" not in json.dumps(made) and '"url"' not in json.dumps(made)
    assert {"chat:write", "app_mentions:read", "im:history", "commands"} <= set(made["oauth_config"]["scopes"]["bot"])
    assert "app_mention" in made["settings"]["event_subscriptions"]["bot_events"]


def test_the_http_manifest_has_the_address_in_all_three_places() -> None:
    """Events, buttons and commands come in by one path."""
    made = manifest("https://bot.example.org/", name="Robo", command="/robo")
    url = "https://bot.example.org/slack/events"
    assert made["settings"]["event_subscriptions"]["request_url"] == url
    assert made["settings"]["interactivity"]["request_url"] == url
    assert made["features"]["slash_commands"][0]["url"] == url
    assert made["features"]["slash_commands"][0]["command"] == "/robo"
    assert made["settings"]["socket_mode_enabled"] is False


@pytest.mark.parametrize("wrong", [{"name": ""}, {"name": "x" * 36}, {"command": "robo"}, {"http_url": "http://x"}])
def test_a_manifest_that_slack_would_refuse_is_not_made(wrong: dict[str, str]) -> None:
    """Better here than on Slack's page."""
    with pytest.raises(ValueError):
        manifest(**wrong)
