"""Manual: what `help` says on Slack."""

from __future__ import annotations

from core.chat import Manual


def manual(name: str, command: str = "/parley") -> Manual:
    """name: ours, as it is mentioned.  command: the slash command, as the app's settings call it.

    Slack takes no slash commands in a thread (docs.slack.dev, "Slash commands").
    """
    return Manual(
        ask=f"`{command} ask` and a question: I answer in a thread of its own",
        prefix=f"{command} ",
        beside=f"In a thread, where Slack takes no commands, mention me with one of these words: `@{name} stop`.",
    )
