"""A platform that does everything at once and a model that answers at once: what is left is Parley."""

from __future__ import annotations

import itertools
from collections.abc import AsyncIterator
from pathlib import Path

from bots.settings import Role, Settings
from core.agent import Agent
from core.chat import Author, ChannelId, Message, ScopeId, ThreadId, UserId
from core.chat.adapter import Intake
from core.messages import ModelMessage
from core.models.function import AgentInfo, FunctionModel
from core.replies import Bucket, Draws, Limits, MessageRef, Operation, Placement, Rate, Segment

PLATFORM = "bench"
_DRAWS = Draws(PLATFORM, (Bucket("any", Rate(1e6, 1e6)),))
ANSWER = ("An answer ", "of a few words.")


class AtOnce:
    """An Adapter and its Surface."""

    platform = PLATFORM
    limits = Limits(2000, len, min_gap_s=1.0)

    def __init__(self) -> None:
        self._numbers = itertools.count(1)

    @property
    def surface(self) -> AtOnce:
        return self

    async def listen(self, intake: Intake) -> None:
        raise AssertionError("the benchmark hands its messages in itself")

    def unready(self) -> str | None:
        return None

    async def aclose(self) -> None:
        return None

    def draws(self, operation: Operation, placement: Placement) -> Draws:
        return _DRAWS

    async def open(self, placement: Placement | None = None) -> None:
        return None

    async def status(self, placement: Placement, doing: str) -> None:
        return None

    async def post(self, placement: Placement, segment: Segment, key: str) -> MessageRef:
        return MessageRef("C1", str(next(self._numbers)))

    async def find(self, placement: Placement, key: str) -> MessageRef | None:
        return None

    async def edit(self, placement: Placement, ref: MessageRef, segment: Segment) -> None:
        return None

    async def delete(self, placement: Placement, ref: MessageRef) -> None:
        return None


def question(session: int, number: int, identities: int = 1) -> Message:
    """Message `number` of a session. identities: under how many the platform may deliver it again (Slack: 2)."""
    own = f"C1:{session}.{number}"
    return Message(
        thread_id=ThreadId(f"{PLATFORM}:T1:C1:{session}"),
        scope=ScopeId(f"{PLATFORM}:T1"),
        channel=ChannelId(f"{PLATFORM}:T1:C1"),
        author=Author(UserId(f"{PLATFORM}:T1:U{session % 50}"), "Ada"),
        text="What is it?",
        reach="direct",
        keys=tuple(f"{own}/{other}" if other else own for other in range(identities)),
        sent_at=0.0,
    )


def answerer() -> Agent[object, str]:
    async def say(_: list[ModelMessage], __: AgentInfo) -> AsyncIterator[str]:
        for piece in ANSWER:
            yield piece

    return Agent(FunctionModel(stream_function=say))


def settings(home: Path, role: Role = "all") -> Settings:
    return Settings(_env_file=None, parley_data_dir=home, parley_role=role)  # type: ignore[call-arg]  # its stub lacks it
