"""`make chaos`: the full run, or one of another shape. Exits with 1 if a promise was broken.

python -m tests.chaos --seed 7 --threads 300 --seconds 150
"""

from __future__ import annotations

import argparse
import asyncio
import logging
import shutil
import sys
import tempfile
from dataclasses import replace
from pathlib import Path

from tests.chaos.plan import Shape, make
from tests.chaos.run import run


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--seed", type=int, default=1)
    arguments.add_argument("--threads", type=int, default=Shape().threads)
    arguments.add_argument("--seconds", type=float, default=Shape().said_s, help="in which all is said")
    arguments.add_argument("--kill-every", type=float, default=Shape().kill_every_s)
    arguments.add_argument("--keep", action="store_true", help="keep the logs, and say where they are")
    asked = arguments.parse_args()
    shape = replace(Shape(), threads=asked.threads, said_s=asked.seconds, kill_every_s=asked.kill_every)
    logging.getLogger("aiohttp.server").setLevel(logging.CRITICAL)  # its clients are killed in the middle of answers
    home = Path(tempfile.mkdtemp(prefix="parley-chaos-"))
    report = asyncio.run(run(make(asked.seed, shape), home))
    print("\n".join(report.lines()))
    if asked.keep:
        print(f"logs in {home / 'logs'}")
    else:
        shutil.rmtree(home, ignore_errors=True)
    sys.exit(1 if report.findings else 0)


if __name__ == "__main__":
    main()
