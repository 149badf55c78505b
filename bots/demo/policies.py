"""Policies: what becomes of messages to a busy thread, chosen on the page for each channel of one platform."""

from __future__ import annotations

from collections.abc import Callable

from bots.demo.pane import Json, Refusal, Tell
from core.chat import ChannelId
from core.chat.policies import BUSY_POLICIES, BusyPolicy

Chosen = dict[ChannelId, BusyPolicy]
"""What the bot reads for each Message, so that a choice holds from the next one on."""


class Policies:
    """place: what stands before a channel's own id in its ChannelId, as in `slack:T1`.  otherwise: where none is
    chosen."""

    def __init__(self, platform: str, place: str, chosen: Chosen, otherwise: BusyPolicy) -> None:
        self._platform = platform
        self._place = place
        self._chosen = chosen
        self._otherwise = otherwise
        self._followers: list[Tell] = []

    def of(self, channel: str) -> BusyPolicy:
        """channel: the platform's own id."""
        return self._chosen.get(self._id(channel), self._otherwise)

    def choose(self, channel: str, policy: str) -> None:
        """Raises Refusal for a policy that there is not."""
        found = next((one for one in BUSY_POLICIES if one == policy), None)
        if found is None:
            raise Refusal("There is no such way to treat a busy thread.")
        self._chosen[self._id(channel)] = found
        told: Json = {"type": "policy", "platform": self._platform, "channel": channel, "policy": found}
        for tell in self._followers:
            tell(told)

    def follow(self, tell: Tell) -> Callable[[], None]:
        self._followers.append(tell)
        return lambda: self._followers.remove(tell)

    def _id(self, channel: str) -> ChannelId:
        return ChannelId(f"{self._place}:{channel}")
