"""`parley run` as the benchmarks start it: says which stage its CPU goes to, if that is asked for, and with
`REPLY_UNLIMITED` set has Slack's budgets taken away, so that its own cost is what limits it: twelve thousand edits a
minute, which is one a second for each of 200 answers."""

from __future__ import annotations

import os
import sys

from adapters.slack import limits
from benchmarks.replies import _stages
from bots.cli import main
from core.chat import Bucket, Rate, Window

_DEVELOPERS_ONLY = "opentelemetry.sdk"
"""Nobody who runs Parley has it unless he exports traces; the Redis client loads it where it is."""

if __name__ == "__main__":
    sys.modules[_DEVELOPERS_ONLY] = None  # type: ignore[assignment]
    if os.environ.get("REPLY_UNLIMITED"):
        limits._TIER_3 = limits._POSTS = Window(12_000, 60.0)
        limits._UPDATES = Bucket("chat.update", limits._TIER_3)
        limits._POSTS_IN_CHANNEL = Rate(100, 100)
    _stages.start()
    main()
