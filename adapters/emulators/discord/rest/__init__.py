"""The REST side, API v10: one module per family of routes, and the pipeline every call goes through."""

from . import channels, commands, guilds, interactions, messages, reactions, threads
from ._pipeline import Pipeline
from ._routes import Call, Route, Service

ROUTES: list[Route] = [
    *guilds.ROUTES,
    *channels.ROUTES,
    *messages.ROUTES,
    *reactions.ROUTES,
    *threads.ROUTES,
    *commands.ROUTES,
    *interactions.ROUTES,
]

__all__ = ["ROUTES", "Call", "Pipeline", "Route", "Service"]
