"""What an idle bot costs: memory of `parley run` with both platforms and its Redis, and the start of `--help`."""

from __future__ import annotations

import asyncio
import statistics
import subprocess
import sys
import time
from pathlib import Path

from benchmarks._house import PARLEY, running_parley

SETTLE_S = 5.0


def _start(command: list[str]) -> float:
    """Seconds that `command` takes, median of seven."""
    times = []
    for _ in range(7):
        began = time.monotonic()
        subprocess.run(command, check=True, capture_output=True)
        times.append(time.monotonic() - began)
    return statistics.median(times)


async def main() -> None:
    help_s, bare_s = _start([str(PARLEY), "--help"]), _start([sys.executable, "-c", "pass"])
    print(
        f"parley --help: median {help_s * 1000:.0f} ms, {help_s / bare_s:.1f} x a bare Python ({bare_s * 1000:.0f} ms)"
    )
    async with running_parley() as (process, *_):
        await asyncio.sleep(SETTLE_S)
        sizes = {name: kib / 1024 for name, kib in _family(process.pid)}
    shown = ", ".join(f"{name} {mib:.0f} MB" for name, mib in sizes.items())
    print(f"idle memory (RSS): {sum(sizes.values()):.0f} MB in all ({shown})")


def _family(pid: int) -> list[tuple[str, int]]:
    """Name and resident KiB of a process and its children."""
    found = [_status(pid)]
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            if int((entry / "stat").read_text().rpartition(")")[2].split()[1]) == pid:
                found.append(_status(int(entry.name)))
        except OSError:
            continue
    return found


def _status(pid: int) -> tuple[str, int]:
    fields = dict(line.split(":", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines())
    return fields["Name"].strip(), int(fields["VmRSS"].split()[0])


if __name__ == "__main__":
    asyncio.run(main())
