"""What whoever sets Parley up reads in the terminal when something is wrong."""

from __future__ import annotations

import sys

import pytest

from bots.cli import main
from bots.settings import Settings
from core.errors import ConfigError


@pytest.mark.parametrize(
    "wrong", [["--url", "http://bot.example.org"], ["--name", "x" * 36], ["--command", "without a slash"]]
)
def test_a_manifest_that_slack_would_refuse_is_one_line(
    wrong: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A mistake in an option is the person's to mend, so it is said and not traced."""
    monkeypatch.setattr(sys, "argv", ["parley", "slack", "manifest", *wrong])
    with pytest.raises(SystemExit) as left:
        main()
    assert left.value.code == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.startswith("parley: ") and said.err.count("\n") == 1


def test_a_signing_secret_alone_is_not_a_reason_for_the_demo(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever sets it means Slack, and is told that the bot token is missing."""
    monkeypatch.setenv("SLACK_SIGNING_SECRET", "shh")
    assert Settings.load(_env_file=None).has_platform


def test_a_number_that_is_none_is_told_what_to_write(monkeypatch: pytest.MonkeyPatch) -> None:
    """One line: the name, what is wrong, what to do."""
    monkeypatch.setenv("PARLEY_HISTORY_TURNS", "0")
    with pytest.raises(ConfigError, match=r"^PARLEY_HISTORY_TURNS: .* Choose a number from 1 to 1000\.$"):
        Settings.load(_env_file=None)
