"""The Web API, a module for each family of methods. Importing this package fills `METHODS`."""

from __future__ import annotations

from adapters.emulators.slack.web_api import (
    agents,
    chat,
    conversations,
    files,
    people,
    reactions,
    streams,
    updates,
    views,
)
from adapters.emulators.slack.web_api._registry import METHODS, Args, Method, need_scope

__all__ = [
    "METHODS",
    "Args",
    "Method",
    "agents",
    "chat",
    "conversations",
    "files",
    "need_scope",
    "people",
    "reactions",
    "streams",
    "updates",
    "views",
]
