"""What whoever sets Parley up reads in the terminal when something is wrong."""

from __future__ import annotations

import sys

import pytest

from bots.assistant import make_model, model_label
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


@pytest.mark.parametrize("name", ["gpt", "gpt4o", "GPT-4o", "claude", "gemini", "o", "ollama", "openai:", "o3mini"])
def test_a_model_of_no_known_form_is_refused_at_the_start(name: str) -> None:
    """Taken for OpenAI's, a slip would be found by whoever asks the first question."""
    with pytest.raises(ConfigError, match="Unknown model") as caught:
        make_model(Settings.load(_env_file=None, parley_model=name, openai_api_key="k"))
    assert "Write it like openai:gpt-4o" in str(caught.value)


@pytest.mark.parametrize(
    ("name", "label"),
    [
        ("gpt-4o", "openai:gpt-4o"),
        ("chatgpt-4o-latest", "openai:chatgpt-4o-latest"),
        ("o3", "openai:o3"),
        ("o4-mini", "openai:o4-mini"),
        ("claude-sonnet-4-5", "anthropic:claude-sonnet-4-5"),
        ("gemini-2.5-pro", "google:gemini-2.5-pro"),
        ("openai:anything", "openai:anything"),
        ("demo", "demo"),
    ],
)
def test_it_is_said_what_a_model_is_taken_as(name: str, label: str) -> None:
    """At the start and by the doctor; the provider that gets the questions, and whose prices count."""
    keys = {"openai_api_key": "k", "anthropic_api_key": "k", "gemini_api_key": "k"}
    settings = Settings.load(_env_file=None, parley_model=name, **keys)
    assert model_label(settings) == label
    assert make_model(settings).model_name == label.rpartition(":")[2]


def test_a_number_that_is_none_is_told_what_to_write(monkeypatch: pytest.MonkeyPatch) -> None:
    """One line: the name, what is wrong, what to do."""
    monkeypatch.setenv("PARLEY_HISTORY_TURNS", "0")
    with pytest.raises(ConfigError, match=r"^PARLEY_HISTORY_TURNS: .* Choose a number from 1 to 1000\.$"):
        Settings.load(_env_file=None)


@pytest.mark.parametrize("written", ["inf", "nan", "-1", "soon"])
def test_a_time_that_is_none_is_told_what_to_write(monkeypatch: pytest.MonkeyPatch, written: str) -> None:
    """For ever is no time to wait for; never is 0."""
    monkeypatch.setenv("PARLEY_POINT_AFTER_S", written)
    with pytest.raises(ConfigError, match=r"^PARLEY_POINT_AFTER_S: .* Write seconds, 0 for never\.$"):
        Settings.load(_env_file=None)
