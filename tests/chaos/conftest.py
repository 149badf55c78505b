"""A small town and a fleet whose leases last two seconds instead of twelve, for tests of processes."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

SHORT_WAITS: Mapping[str, float] = {
    "bots.bot.LEASE_MS": 2000,
    "core.chat.worker.RENEW_EVERY_S": 0.5,
    "core.chat.worker.LOOK_FOR_LAPSED_EVERY_S": 0.3,
    "core.chat.worker.BEAT_EVERY_S": 0.5,
    "core.chat.worker.BEAT_COUNTS_MS": 1500,
}


@pytest.fixture
def short_waits() -> Mapping[str, float]:
    return SHORT_WAITS
