"""A local Discord that unmodified Discord libraries talk to: REST v10, gateway, rate limits, permissions, threads,
interactions, and controls to make people talk and things go wrong.
"""

from .events import Event
from .handles import InteractionHandle
from .limits import Limits, Rate
from .permissions import Permission
from .server import DiscordEmulator
from .state import Channel, Guild, Message, Shown, User

__all__ = [
    "Channel",
    "DiscordEmulator",
    "Event",
    "Guild",
    "InteractionHandle",
    "Limits",
    "Message",
    "Permission",
    "Rate",
    "Shown",
    "User",
]
