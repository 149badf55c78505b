"""What an operator sets for Slack."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

StreamingMode = Literal["off", "direct", "on"]
"""Where Slack's native streaming is used. direct: in direct messages only.  on: in channels too, where Slack lets
nobody but the person who asked see the answer grow (agentconnect-md/agentconnect#1494)."""

DEFAULT_API_URL = "https://slack.com/api/"


@dataclass(frozen=True, slots=True)
class SlackSettings:
    """Tokens and addresses, as `SLACK_BOT_TOKEN`, `SLACK_APP_TOKEN`, `SLACK_SIGNING_SECRET`, `SLACK_API_URL` say.

    app_token set: events come over Socket Mode.  Only signing_secret set: events come by HTTP to `/slack/events`.
    listens: events come in this process; one that only posts needs neither of the two.
    streaming: else answers grow by edits alone.  api_url: with or without the last slash.  Secrets stay out of `repr`.
    """

    bot_token: str = field(repr=False)
    app_token: str = field(default="", repr=False)
    signing_secret: str = field(default="", repr=False)
    api_url: str = DEFAULT_API_URL
    listens: bool = True
    streaming: StreamingMode = "off"

    @property
    def socket_mode(self) -> bool:
        return bool(self.app_token)
