"""The chaos run in a short form; `make chaos` is the long one."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from pathlib import Path

import pytest

from tests.chaos.plan import Shape, make
from tests.chaos.run import run

SHORT = Shape(
    threads=24,
    said_s=6.0,
    kill_every_s=1.0,
    redis_restarts=1,
    repeats_s=4.0,
    retries_s=(0.5, 2.0, 10.0),  # Slack's come at once, after a minute and after five
    lost_answers=0.05,
)


@pytest.mark.timeout(120)
async def test_every_message_is_answered_once_whatever_is_killed(
    tmp_path: Path,
    short_waits: Mapping[str, float],
    caplog: pytest.LogCaptureFixture,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Scenarios 1, 2, 4 and 6: three workers and two ingresses, of which one dies every second, a Redis that is started
    again, answers of both platforms that get lost, and events that come late, twice and out of order."""
    caplog.set_level(logging.CRITICAL, "aiohttp.server")  # its clients are killed in the middle of answers
    report = await run(make(11, SHORT), tmp_path, settled_within_s=60, waits=short_waits)
    with capsys.disabled():
        print("", *report.lines(), sep="\n")
    assert report.findings == []
    assert report.testimony.answered == report.testimony.accepted == 96
