"""Slack: events in as Messages, Segments out as messages of ours, over Socket Mode or HTTP."""

from adapters.slack.app import EVENTS_PATH, SlackAdapter
from adapters.slack.limits import LIMITS
from adapters.slack.manifest import manifest
from adapters.slack.settings import DEFAULT_API_URL, SlackSettings
from adapters.slack.surface import SlackSurface

__all__ = [
    "DEFAULT_API_URL",
    "EVENTS_PATH",
    "LIMITS",
    "SlackAdapter",
    "SlackSettings",
    "SlackSurface",
    "manifest",
]
