"""Settings: what people set in the environment or in a file `.env`, checked at the start.

A wrong value stops the start with one line: the name, what is wrong, where to get it right. Secrets are
SecretStr, so that no repr, log line or traceback shows them.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, SecretStr, ValidationError, field_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from core.chat.desk import STOP_REACTIONS
from core.chat.policies import BUSY_POLICIES, BusyPolicy
from core.errors import ConfigError
from core.ids import ChannelId, UserId

Role = Literal["all", "ingress", "worker"]
"""What one process does: `ingress` listens to the platforms and stores, `worker` answers, `all` does both."""

DEFAULT_DATA_DIR = Path("~/.local/share/parley")

_NO_SECRET = SecretStr("")

_REMEDIES = {
    "parley_admins": "Write it like slack:U0123ABC,discord:80351110224678912.",
    "parley_busy_policy": f"Choose one of {', '.join(BUSY_POLICIES)}.",
    "parley_busy_policies": "Write it like slack:T012AB3CD:C024BE91L=merge,discord:1122:3344=interrupt, "
    f"with {', '.join(BUSY_POLICIES)}.",
    "parley_merge_pause_s": "Write seconds, from 0 to 60.",
    "parley_edit_reruns": "Write true or false.",
    "parley_show_reasoning": "Write true or false.",
    "parley_footer": "Write true or false.",
    "parley_attach_over": "Write a number of characters, 0 for never.",
    "parley_point_after_s": "Write seconds, 0 for never.",
    "parley_history_tokens": "Write a number from 500 to 5000000.",
    "parley_agent": "Write it like my_package.my_module:agent.",
    "parley_history_turns": "Choose a number from 1 to 1000.",
    "parley_http_port": "Choose a number from 1 to 65535.",
    "parley_session_days": "Choose a number from 1 to 3650.",
    "parley_role": "Choose all, ingress or worker.",
    "parley_drain_s": "Write seconds, from 0 to 3600.",
    "redis_url": "Write it like redis://localhost:6379/0.",
    "parley_slack_streaming": "Choose off, direct or on.",
    "slack_api_url": "The default is https://slack.com/api/.",
    "discord_api_url": "The default is https://discord.com/api/v10.",
    "slack_bot_token": "It is the Bot User OAuth Token of your Slack app, under OAuth & Permissions; "
    "it begins with xoxb-.",
    "slack_app_token": "It is an App-Level Token of your Slack app with connections:write, under Basic Information; "
    "it begins with xapp-.",
}

_URL = re.compile(r"https?://[^\s/]+(/\S*)?$")


class Settings(BaseSettings):
    """Every setting by its name in lower case. `Settings.load()` is how to make one."""

    model_config = SettingsConfigDict(
        env_file=".env", env_file_encoding="utf-8", env_ignore_empty=True, extra="ignore", hide_input_in_errors=True
    )

    parley_model: str = ""
    parley_system_prompt: str = ""
    parley_agent: str = ""
    parley_admins: Annotated[tuple[UserId, ...], NoDecode] = ()
    parley_data_dir: Path = DEFAULT_DATA_DIR
    parley_http_host: str = "127.0.0.1"
    parley_http_port: int | None = Field(default=None, ge=1, le=65535)
    parley_history_turns: int = Field(default=50, ge=1, le=1000)
    parley_history_tokens: int = Field(default=100_000, ge=500, le=5_000_000)
    parley_session_days: int = Field(default=30, ge=1, le=3650)
    parley_busy_policy: BusyPolicy = "queue"
    parley_busy_policies: Annotated[Mapping[ChannelId, BusyPolicy], NoDecode] = Field(default_factory=dict)
    parley_merge_pause_s: float = Field(default=0.0, ge=0, le=60)
    parley_stop_reaction: Annotated[frozenset[str], NoDecode] = STOP_REACTIONS
    parley_edit_reruns: bool = False
    parley_show_reasoning: bool = False
    parley_footer: bool = False
    parley_attach_over: int = Field(default=30_000, ge=0)
    parley_point_after_s: float = Field(default=30.0, ge=0, allow_inf_nan=False)
    parley_log_level: str = "INFO"

    redis_url: SecretStr = _NO_SECRET
    parley_role: Role = "all"
    parley_drain_s: float = Field(default=5.0, ge=0, le=3600)

    openai_api_key: SecretStr = _NO_SECRET
    openai_base_url: str = ""
    anthropic_api_key: SecretStr = _NO_SECRET
    anthropic_base_url: str = ""
    gemini_api_key: SecretStr = _NO_SECRET
    gemini_base_url: str = ""
    ollama_base_url: str = "http://localhost:11434/v1"

    slack_bot_token: SecretStr = _NO_SECRET
    slack_app_token: SecretStr = _NO_SECRET
    slack_signing_secret: SecretStr = _NO_SECRET
    slack_api_url: str = "https://slack.com/api/"
    parley_slack_streaming: Literal["off", "direct", "on"] = "off"

    discord_bot_token: SecretStr = _NO_SECRET
    discord_api_url: str = "https://discord.com/api/v10"

    @classmethod
    def load(cls, **overrides: Any) -> Settings:
        """Read the environment and `.env`. Raises ConfigError for the first value that is wrong."""
        try:
            return cls(**overrides)
        except ValidationError as exc:
            error = exc.errors(include_url=False, include_input=False)[0]
            name = str(error["loc"][0])
            problem = error["msg"].removeprefix("Value error, ").rstrip(".")
            raise ConfigError(name.upper(), f"{problem}.", _REMEDIES.get(name, "")) from None
        except UnicodeDecodeError:
            raise ConfigError(".env", "is not a text file in UTF-8.") from None

    @field_validator("parley_admins", mode="before")
    @classmethod
    def _split_admins(cls, value: object) -> object:
        if not isinstance(value, str):
            return value
        admins = tuple(part.strip() for part in value.split(",") if part.strip())
        for admin in admins:
            if not re.fullmatch(r"(slack|discord|terminal):\S+", admin):
                raise ValueError(f"{admin!r} does not say whose platform it is")
        return admins

    @field_validator("parley_busy_policy", mode="before")
    @classmethod
    def _known_policy(cls, value: object) -> object:
        if isinstance(value, str) and (policy := value.strip().lower()) in BUSY_POLICIES:
            return policy
        raise ValueError(f"{value!r} is no such policy")

    @field_validator("parley_busy_policies", mode="before")
    @classmethod
    def _split_policies(cls, value: object) -> object:
        if not isinstance(value, str):
            return value
        policies: dict[str, str] = {}
        for part in filter(None, map(str.strip, value.split(","))):
            channel, sign, policy = (word.strip() for word in part.partition("="))
            if not sign or not re.fullmatch(r"(slack|discord|terminal):\S+", channel):
                raise ValueError(f"{part!r} does not name a channel and its policy")
            if policy.lower() not in BUSY_POLICIES:
                raise ValueError(f"{policy!r} is no such policy")
            policies[channel] = policy.lower()
        return policies

    @field_validator("parley_stop_reaction", mode="before")
    @classmethod
    def _split_reactions(cls, value: object) -> object:
        if not isinstance(value, str):
            return value
        names = frozenset(part.strip(" :").rstrip("\ufe0f") for part in value.split(",") if part.strip(" :"))
        return names | STOP_REACTIONS if names & STOP_REACTIONS else names

    @field_validator("parley_data_dir", mode="after")
    @classmethod
    def _expand(cls, value: Path) -> Path:
        return value.expanduser().absolute()

    @field_validator("parley_log_level", mode="after")
    @classmethod
    def _known_level(cls, value: str) -> str:
        if value.upper() not in ("DEBUG", "INFO", "WARNING", "ERROR"):
            raise ValueError("is not one of DEBUG, INFO, WARNING, ERROR")
        return value.upper()

    @field_validator(
        "slack_api_url",
        "discord_api_url",
        "openai_base_url",
        "anthropic_base_url",
        "gemini_base_url",
        "ollama_base_url",
        mode="after",
    )
    @classmethod
    def _is_url(cls, value: str) -> str:
        if value and not _URL.match(value):
            raise ValueError("is not an http:// or https:// address")
        return value

    @field_validator("slack_bot_token", "slack_app_token", mode="after")
    @classmethod
    def _no_blank_inside(cls, value: SecretStr) -> SecretStr:
        if re.search(r"\s", value.get_secret_value().strip()):
            raise ValueError("has a blank in it")
        return value

    @property
    def has_platform(self) -> bool:
        """Is a token or secret of some platform set?"""
        said = (self.slack_bot_token, self.slack_app_token, self.slack_signing_secret, self.discord_bot_token)
        return any(map(secret, said))


def secret(value: SecretStr) -> str:
    return value.get_secret_value().strip()
