"""A worker is killed in the middle of a native stream."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Mapping
from pathlib import Path

from adapters.emulators.discord import DiscordEmulator
from adapters.emulators.slack import SlackEmulator
from adapters.emulators.slack.web_api.streams import is_live
from tests.chaos.fleet import a_fleet
from tests.e2e.test_process import both, world
from tests.providers.openai_server import OpenAIServer, Reply

__all__ = ["world"]


async def test_another_worker_goes_on_in_the_message_of_a_stream_whose_worker_was_killed(
    world: tuple[SlackEmulator, DiscordEmulator, OpenAIServer],
    redis_url: str,
    tmp_path: Path,
    short_waits: Mapping[str, float],
) -> None:
    """It can add nothing to a stream that it does not know, so it ends it and edits: one message, whole."""
    slack, _, provider = world

    async def slow(_: int) -> None:
        await asyncio.sleep(0.05)

    provider.reply(Reply([f"old{number} " for number in range(400)], pause=slow))
    settings = both(*world) | {"REDIS_URL": redis_url, "PARLEY_SLACK_STREAMING": "on"}
    async with a_fleet(tmp_path, settings, short_waits) as fleet:
        await fleet.add("ingress", "run", "--role", "ingress")
        first = await fleet.add("first", "run", "--role", "worker")
        await fleet.until_ready()
        question = await slack.say("ada", "general", "@Parley hello")

        def answers() -> list[str]:
            return [one.visible.strip() for one in slack.bot_messages("general", question.ts)]

        await slack.wait_for(lambda: any("old3" in text for text in answers()), 40)
        [streamed] = slack.bot_messages("general", question.ts)
        assert streamed.stream is not None and is_live(slack.core, streamed.stream)
        first.send(signal.SIGKILL)
        provider.reply("new and whole")
        await fleet.add("second", "run", "--role", "worker")
        await slack.wait_for(lambda: answers() == ["new and whole"], 60)
        assert slack.bot_messages("general", question.ts) == [streamed]
        assert not is_live(slack.core, streamed.stream)
        await slack.wait_for(lambda: not slack.status("general", question.ts), 10)
