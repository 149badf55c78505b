"""The plan of a chaos run: who says what where and when, and what breaks meanwhile. The same seed, the same plan."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

Platform = Literal["slack", "discord"]


@dataclass(frozen=True, slots=True)
class Shape:
    """How big a run is.

    said_s: in which all is said.  kill_every_s: between two SIGKILLs, which go on as long as that.  redis_restarts:
    spread over it.  repeats_s: how much later an event may come again.  retries_s: when Slack delivers once more what
    nobody has acknowledged (its own are 0, 60 and 300 seconds, longer than a run).  lost_answers: the share of platform
    calls whose answer is lost after they took effect.
    """

    threads: int = 300
    messages: int = 4
    said_s: float = 150.0
    kill_every_s: float = 1.0
    redis_restarts: int = 2
    repeats_s: float = 12.0
    retries_s: tuple[float, ...] = (1.0, 5.0, 12.0)
    lost_answers: float = 0.02
    workers: int = 3
    ingresses: int = 2


@dataclass(frozen=True, slots=True)
class Question:
    """One message of a person. gap_s: after the one before, or after its answer in a patient thread.
    late_s: how long the platform takes to deliver it.  repeats: when it delivers it once more, after the first time;
    under a new event id where the number is negative.  words, pause_s: of the answer, and before each word."""

    thread: int
    number: int
    gap_s: float
    late_s: float
    repeats: tuple[float, ...]
    words: int
    pause_s: float

    @property
    def name(self) -> str:
        return f"q{self.thread}.{self.number}"

    @property
    def answer(self) -> str:
        """The whole of it, which nobody else would say."""
        return " ".join([f"re-{self.name}", *(f"w{number}" for number in range(self.words)), f"end-{self.name}"])


@dataclass(frozen=True, slots=True)
class Thread:
    """patient: the next thing is said when the last answer is there, without a mention; else all within a moment."""

    number: int
    platform: Platform
    channel: int
    starts_at: float
    patient: bool
    questions: tuple[Question, ...]


@dataclass(frozen=True, slots=True)
class Plan:
    """kills: when, and which of the processes (as a share of them). restarts: when Redis goes, and for how long."""

    seed: int
    shape: Shape
    threads: tuple[Thread, ...]
    kills: tuple[tuple[float, float], ...]
    restarts: tuple[tuple[float, float], ...]

    @property
    def questions(self) -> Iterator[Question]:
        for thread in self.threads:
            yield from thread.questions


CHANNELS = 12


def make(seed: int, shape: Shape) -> Plan:
    dice = random.Random(seed)
    threads = tuple(_thread(dice, number, shape) for number in range(shape.threads))
    count = int(shape.said_s / shape.kill_every_s)
    kills = tuple((shape.kill_every_s * (number + 1), dice.random()) for number in range(count))
    part = shape.said_s / (shape.redis_restarts + 1)
    restarts = tuple(
        (part * (number + 1) + dice.uniform(-0.2, 0.2) * part, dice.uniform(0.5, 2.0))
        for number in range(shape.redis_restarts)
    )
    return Plan(seed, shape, threads, kills, restarts)


def _thread(dice: random.Random, number: int, shape: Shape) -> Thread:
    patient = dice.random() < 0.5
    questions = tuple(_question(dice, number, position, shape) for position in range(1, shape.messages + 1))
    return Thread(
        number,
        "slack" if number % 2 else "discord",
        dice.randrange(CHANNELS),
        dice.uniform(0, shape.said_s * 0.8),
        patient,
        questions,
    )


def _question(dice: random.Random, thread: int, number: int, shape: Shape) -> Question:
    is_long = dice.random() < 0.2
    repeats = tuple(dice.choice((1, -1)) * dice.uniform(0.1, shape.repeats_s) for _ in range(dice.choice((0, 0, 1, 2))))
    return Question(
        thread,
        number,
        gap_s=dice.choice((0.0, 0.05, dice.uniform(0, 1.5))),
        late_s=dice.uniform(0.2, 4.0) if dice.random() < 0.2 else 0.0,
        repeats=repeats,
        words=dice.randint(15, 40) if is_long else dice.randint(1, 5),
        pause_s=0.06,
    )
