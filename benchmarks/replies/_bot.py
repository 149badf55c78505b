"""`parley run` with Slack's budgets taken away, so that the bot's own cost is what limits it: twelve thousand edits a
minute, which is one a second for each of 200 answers."""

from __future__ import annotations

from adapters.slack import limits
from bots.cli import main
from core.chat import Rate, Window

if __name__ == "__main__":
    limits._TIER_3 = limits._POSTS = Window(12_000, 60.0)
    limits._POSTS_IN_CHANNEL = Rate(100, 100)
    main()
