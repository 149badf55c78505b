"""Which stage of a reply the CPU goes to: the process looks every 2 ms of its own CPU time where it is."""

from __future__ import annotations

import atexit
import json
import os
import signal
from collections import Counter
from pathlib import Path
from types import FrameType

STAGES = (
    ("engine: provider's stream, run, events", ("core/models/", "core/agent/", "core/messages")),
    (
        "rendering and splitting",
        (
            "adapters/slack/markdown",
            "core/replies/dialect",
            "core/replies/draft",
            "core/replies/healing",
            "core/replies/markdown",
            "core/replies/nodes",
            "core/replies/outline",
            "core/replies/splitting",
            "core/replies/tables",
            "core/replies/writing",
            "markdown_it/",
        ),
    ),
    ("pacing, budget, what is shown", ("core/replies/",)),
    ("events from Slack", ("slack_bolt/", "slack_sdk/socket_mode/", "adapters/slack/link", "adapters/slack/app")),
    ("calls to Slack", ("adapters/slack/", "slack_sdk/")),
    ("Redis", ("core/store/", "/redis/")),
    ("turn, session, journal", ("core/chat/", "core/sessions/", "core/usage/")),
)
REST = "event loop and sockets"

EVERY_S = 0.002
PATH = "REPLY_STAGES"
"""The variable that says where the counts are written when the process ends."""

_found: Counter[str] = Counter()
_known: dict[str, str] = {}


def start() -> None:
    """Begin to look, if somebody wants to know."""
    path = os.environ.get(PATH)
    if path is None:
        return
    signal.signal(signal.SIGPROF, _look)
    signal.setitimer(signal.ITIMER_PROF, EVERY_S, EVERY_S)
    signal.signal(signal.SIGUSR1, lambda *_: _found.clear())

    def write() -> None:
        signal.setitimer(signal.ITIMER_PROF, 0)
        Path(path).write_text(json.dumps(_found), encoding="utf-8")

    atexit.register(write)


def shares(path: Path) -> list[tuple[str, float]]:
    """The stages and their shares of the CPU, as they were written."""
    found = Counter(json.loads(path.read_text(encoding="utf-8")))
    total = sum(found.values()) or 1
    return [(stage, found[stage] / total) for stage in (*(name for name, _ in STAGES), REST)]


def _look(_: int, frame: FrameType | None) -> None:
    """The stage is that of the innermost frame that belongs to one."""
    while frame is not None:
        stage = _stage_of(frame.f_code.co_filename)
        if stage:
            _found[stage] += 1
            return
        frame = frame.f_back
    _found[REST] += 1


def _stage_of(file: str) -> str:
    stage = _known.get(file)
    if stage is None:
        named = (name for name, places in STAGES if any(place in file for place in places))
        stage = _known[file] = next(named, "")
    return stage
