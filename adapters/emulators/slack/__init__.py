"""A local Slack that slack-bolt and slack_sdk talk to unmodified: Web API, Socket Mode and signed HTTP.

Its rules come from Slack's documentation and from measurements others have published, each named where it is kept.
Start with `SlackEmulator`.
"""

from __future__ import annotations

from adapters.emulators.slack.core import Settings, Status
from adapters.emulators.slack.deliveries import Answer, Attempt, Delivery
from adapters.emulators.slack.emulator import SlackEmulator
from adapters.emulators.slack.errors import SlackError
from adapters.emulators.slack.faults import ApiCall
from adapters.emulators.slack.feed import Change
from adapters.emulators.slack.limits import RateLimits
from adapters.emulators.slack.mentions import Pings
from adapters.emulators.slack.persons import Invocation
from adapters.emulators.slack.workspace import Channel, Ephemeral, Message, Shown, User

__all__ = [
    "Answer",
    "ApiCall",
    "Attempt",
    "Change",
    "Channel",
    "Delivery",
    "Ephemeral",
    "Invocation",
    "Message",
    "Pings",
    "RateLimits",
    "Settings",
    "Shown",
    "SlackEmulator",
    "SlackError",
    "Status",
    "User",
]
