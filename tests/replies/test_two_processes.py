"""Two processes, one workspace, one Redis: together they keep the limits that each of them would use up alone."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from adapters.emulators.slack.emulator import SlackEmulator
from core.store import Store


@asynccontextmanager
async def replicas(
    redis_url: str, slack: SlackEmulator, each: int, seconds: float, answer_s: float
) -> AsyncIterator[list[asyncio.subprocess.Process]]:
    """Two replicas with `each` threads of their own, every thread in a channel of its own; killed at the end."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    processes = []
    try:
        for replica in range(2):
            threads = []
            for number in range(each):
                slack.add_channel(f"r{replica}-{number}", ["ada", "parley"])
                question = await slack.say("ada", f"r{replica}-{number}", "go")
                threads.append(f"slack:{slack.team_id}:{question.channel}:{question.ts}")
            arguments = [redis_url, slack.api_url, slack.bot_token, str(seconds), str(answer_s), *threads]
            command = [sys.executable, "-m", "tests.replies.replica", *arguments]
            pipe = asyncio.subprocess.PIPE
            processes.append(await asyncio.create_subprocess_exec(*command, env=environment, stdout=pipe))
        yield processes
    finally:
        for process in processes:
            if process.returncode is None:
                process.kill()
            await process.communicate()


async def test_two_processes_keep_the_limits_of_one_workspace(redis_url: str, store: Store) -> None:
    """Short answers one after another: each process alone would have sent as many edits as Slack takes from both.
    What does not fit waits, and no call is refused."""
    async with SlackEmulator().running() as slack:
        async with replicas(redis_url, slack, each=8, seconds=60.0, answer_s=0.4):
            await slack.wait_for(lambda: len(slack.calls("chat.update")) >= 45, 30)
            with pytest.raises(TimeoutError):
                await slack.wait_for(lambda: len(slack.calls("chat.update")) > 50, 1.5)
        assert slack.rate_limited == {}
