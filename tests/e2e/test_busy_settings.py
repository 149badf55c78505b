"""The settings of busy threads as an operator writes them."""

from __future__ import annotations

import pytest

from bots.settings import Settings
from core.errors import ConfigError


def loaded(monkeypatch: pytest.MonkeyPatch, **environment: str) -> Settings:
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    return Settings.load(_env_file=None)


def test_policies_are_read_for_all_and_for_single_channels(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ids of both platforms have colons in them."""
    policies = " slack:T1:C2=merge , discord:1:2=Interrupt,"
    settings = loaded(
        monkeypatch, PARLEY_BUSY_POLICY="Steer", PARLEY_BUSY_POLICIES=policies, PARLEY_MERGE_PAUSE_S="1.5"
    )
    assert settings.parley_busy_policy == "steer"
    assert settings.parley_busy_policies == {"slack:T1:C2": "merge", "discord:1:2": "interrupt"}
    assert settings.parley_merge_pause_s == 1.5


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("PARLEY_BUSY_POLICY", "sometimes"),
        ("PARLEY_BUSY_POLICIES", "slack:T1:C2"),
        ("PARLEY_BUSY_POLICIES", "slack:T1:C2=sometimes"),
        ("PARLEY_BUSY_POLICIES", "general=merge"),
        ("PARLEY_MERGE_PAUSE_S", "-1"),
        ("PARLEY_EDIT_RERUNS", "perhaps"),
        ("PARLEY_HISTORY_TOKENS", "few"),
    ],
)
def test_a_wrong_value_is_named_with_what_to_do(monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    """At the start, not at the first message to a busy thread."""
    with pytest.raises(ConfigError) as raised:
        loaded(monkeypatch, **{name: value})
    assert raised.value.setting == name
    assert raised.value.remedy


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("", {"octagonal_sign", "🛑"}),
        (":octagonal_sign:", {"octagonal_sign", "🛑"}),
        ("x, ✋\ufe0f", {"x", "✋"}),
    ],
)
def test_reactions_are_read_as_people_write_them(
    monkeypatch: pytest.MonkeyPatch, written: str, meant: set[str]
) -> None:
    """The default is one sign with two names, so that one of them means both."""
    assert loaded(monkeypatch, PARLEY_STOP_REACTION=written).parley_stop_reaction == meant
