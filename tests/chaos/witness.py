"""The witness: reads what people saw and what the model was asked, and says what is wrong. It knows nothing of Parley.

All is told in values, so that the witness itself is tested (`test_witness.py`): one that sees nothing proves nothing.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise, zip_longest
from typing import Literal

from tests.chaos.plan import Question

_NAMED = re.compile(r"\bre-(q\d+\.\d+)\b")

Kind = Literal["lost", "twice", "unasked", "deleted", "incomplete", "disorder", "overlap", "history", "ledger"]


@dataclass(frozen=True, slots=True)
class Finding:
    """One broken promise, in one place."""

    kind: Kind
    where: str
    what: str


@dataclass(frozen=True, slots=True)
class Post:
    """One message of the bot, also one that was deleted. states: what it showed and since when, oldest first.
    points_at: the id of the message that it links to, "" for none: such a line is no reply."""

    id: str
    states: Sequence[tuple[float, str]]
    deleted: bool = False
    is_growing: bool = False
    points_at: str = ""

    @property
    def names(self) -> set[str]:
        """The questions that any state of it answers."""
        return {name for _, text in self.states for name in _NAMED.findall(text)}

    @property
    def text(self) -> str:
        return self.states[-1][1].strip()

    @property
    def first_at(self) -> float:
        return self.states[0][0]

    def complete_at(self, text: str) -> float:
        """When it first showed `text`; the end of time if it never did."""
        return next((at for at, shown in self.states if shown.strip() == text), float("inf"))


@dataclass(frozen=True, slots=True)
class Asked:
    """A question as the platform knows it. offered_at: when it was first delivered, None if never.  taken_at: when a
    delivery of it was first acknowledged, None if none was; a question that was not taken may be answered or not."""

    question: Question
    offered_at: float | None
    taken_at: float | None


@dataclass(frozen=True, slots=True)
class Place:
    """One thread: what was asked in it, and everything the bot posted there, oldest first."""

    name: str
    asked: Sequence[Asked]
    posts: Sequence[Post]


@dataclass(frozen=True, slots=True)
class Request:
    """One request to the model. said: what it was told that it had answered before.  finished: all of the answer left
    the provider."""

    question: str
    said: Sequence[str]
    finished: bool


@dataclass(slots=True)
class Testimony:
    """What the witness says. retries: questions that the model was asked more than once.  lines: that lead back to a
    reply."""

    findings: list[Finding] = field(default_factory=list)
    accepted: int = 0
    answered: int = 0
    requests: int = 0
    retries: int = 0
    lines: int = 0

    def count(self, *kinds: Kind) -> int:
        return sum(finding.kind in kinds for finding in self.findings)


def bear_witness(places: Sequence[Place], requests: Sequence[Request]) -> Testimony:
    found = Testimony(requests=len(requests))
    for place in places:
        found.findings += _in_place(place)
        found.accepted += sum(asked.taken_at is not None for asked in place.asked)
        answered = {name for post in place.posts for name in post.names}
        found.lines += sum(bool(post.points_at) for post in place.posts)
        found.answered += sum(asked.question.name in answered for asked in place.asked)
    answers = {asked.question.name: asked.question.answer for place in places for asked in place.asked}
    for request in requests:
        found.findings += _in_request(request, answers)
    found.retries = sum(count > 1 for count in Counter(request.question for request in requests).values())
    return found


def _in_place(place: Place) -> Iterator[Finding]:
    asked = {one.question.name: one for one in place.asked}
    replies: dict[str, list[Post]] = {name: [] for name in asked}
    for post in place.posts:
        if post.deleted:
            yield Finding("deleted", place.name, f"{post.id} was posted and taken away: {post.text[:60]!r}")
        if post.points_at:
            continue
        if len(post.names & asked.keys()) != 1 or post.names - asked.keys():
            yield Finding("unasked", place.name, f"{post.id} answers {sorted(post.names)}: {post.text[:80]!r}")
            continue
        replies[next(iter(post.names))].append(post)
    for name, posts in replies.items():
        if not posts and asked[name].taken_at is not None:
            yield Finding("lost", place.name, f"{name} was taken in and is not answered")
        if len(posts) > 1:
            yield Finding("twice", place.name, f"{name} is answered by {[post.id for post in posts]}")
        for post in posts:
            if post.text != asked[name].question.answer or post.is_growing:
                yield Finding("incomplete", place.name, f"{name} ends as {post.text[-80:]!r}")
    reply = {name: posts[0] for name, posts in replies.items() if posts}
    yield from _in_order(place, reply, asked)
    yield from _lines(place, reply, asked)


def _in_order(place: Place, reply: Mapping[str, Post], asked: Mapping[str, Asked]) -> Iterator[Finding]:
    order = sorted(reply, key=lambda name: reply[name].first_at)
    for number, name in enumerate(order):
        for later in order[number + 1 :]:
            taken, offered = asked[later].taken_at, asked[name].offered_at
            if taken is not None and offered is not None and taken < offered:
                yield Finding("disorder", place.name, f"{name} is answered before {later}, which was taken in first")
    for name, later in pairwise(order):
        if reply[later].first_at < reply[name].complete_at(asked[name].question.answer):
            yield Finding("overlap", place.name, f"{later} began before {name} was all there")


def _lines(place: Place, reply: Mapping[str, Post], asked: Mapping[str, Asked]) -> Iterator[Finding]:
    """A line leads back to a reply that is all there, once, before the next one begins."""
    order = sorted(reply, key=lambda name: reply[name].first_at)
    below: dict[str, list[Post]] = {reply[name].id: [] for name in order}
    for line in place.posts:
        if line.points_at:
            below.setdefault(line.points_at, []).append(line)
    for name, later in zip_longest(order, order[1:]):
        lines = below.pop(reply[name].id)
        if len(lines) > 1:
            yield Finding("twice", place.name, f"{name} is pointed at by {[line.id for line in lines]}")
        for line in lines:
            if line.first_at < reply[name].complete_at(asked[name].question.answer):
                yield Finding("overlap", place.name, f"{name} is pointed at before it was all there")
            if later is not None and line.first_at > reply[later].first_at:
                yield Finding("disorder", place.name, f"{name} is pointed at after {later} had begun")
    for points_at in below:
        yield Finding("unasked", place.name, f"{points_at} is pointed at, and is no reply")


def _in_request(request: Request, answers: Mapping[str, str]) -> Iterator[Finding]:
    """What the model is told of earlier answers is whole, of this thread, and each said once."""
    thread = request.question.partition(".")[0]
    whole = {text: name for name, text in answers.items() if name.partition(".")[0] == thread}
    told = [text.strip() for text in request.said]
    for text in told:
        if text not in whole:
            yield Finding("history", request.question, f"the model was told {text[-80:]!r}")
    for text, count in Counter(told).items():
        if count > 1:
            yield Finding("history", request.question, f"the model was told {count} times {text[:40]!r}")
