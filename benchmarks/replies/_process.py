"""One bot, in a process of its own, between an emulated Slack and a provider that streams as fast as it is asked to."""

from __future__ import annotations

import asyncio
import os
import re
import signal
import sys
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from adapters.emulators.slack import SlackEmulator
from benchmarks.replies._stages import PATH, shares

PORT = "18475"


@dataclass(frozen=True, slots=True)
class Process:
    """A bot that listens."""

    pid: int
    _stages: Path

    def cpu_s(self) -> float:
        """CPU seconds it has used so far."""
        fields = Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def most_mb(self) -> float:
        """The most memory it has had."""
        found = re.search(r"VmHWM:\s+(\d+)", Path(f"/proc/{self.pid}/status").read_text())
        return int(found[1]) / 1024 if found else 0.0

    def forget_stages(self) -> None:
        """Count anew where the CPU goes."""
        os.kill(self.pid, signal.SIGUSR1)

    def print_stages(self) -> None:
        """Say where the CPU went. Once it has ended."""
        for stage, share in shares(self._stages):
            print(f"  {share:6.1%}  {stage}")


@asynccontextmanager
async def running_bot(
    slack: SlackEmulator, provider: str, deltas: str, *, true_budgets: bool, stages: bool
) -> AsyncIterator[Process]:
    """deltas: the name of the model, see `benchmarks._sse_server`.  stages: count where its CPU goes."""
    with tempfile.TemporaryDirectory() as home:
        found = Path(home, "stages.json")
        environment = {
            "PATH": os.environ["PATH"],
            "HOME": home,
            "PYTHONPATH": str(Path.cwd()),
            "PARLEY_DATA_DIR": f"{home}/data",
            "PARLEY_HTTP_PORT": PORT,
            "PARLEY_MODEL": f"openai:{deltas}",
            "OPENAI_API_KEY": "none",
            "OPENAI_BASE_URL": provider,
            "SLACK_BOT_TOKEN": slack.bot_token,
            "SLACK_APP_TOKEN": slack.app_token,
            "SLACK_API_URL": slack.api_url,
            **({} if true_budgets else {"REPLY_UNLIMITED": "1"}),
            **({PATH: str(found)} if stages else {}),
        }
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "benchmarks.replies._bot", "run", env=environment, stderr=asyncio.subprocess.PIPE
        )
        assert process.stderr is not None
        while line := (await process.stderr.readline()).decode():
            if re.search("bot.started", line):
                break
        await slack.wait_for(lambda: slack.connections, 15)
        drain = asyncio.create_task(process.stderr.read())
        bot = Process(process.pid, found)
        try:
            yield bot
        finally:
            process.send_signal(signal.SIGTERM)
            await process.wait()
            errors = (await drain).decode().splitlines()
            for kept in [line for line in errors if "WARNING" in line or "ERROR" in line][:5]:
                print("  bot:", kept[:200])
            if stages:
                bot.print_stages()
