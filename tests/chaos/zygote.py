"""A process that has imported all of Parley and becomes a `parley` of its own whenever it is told to.

Starting Python and importing the SDKs of two platforms takes most of two seconds of a core, so on a small machine a
fleet that loses a process every second would do nothing but start. What is forked here runs `bots.cli.main`, the
`parley` command, with the environment it is given and nothing else, and dies by SIGKILL like any process.

stdin: one JSON object a line, {"words": [...], "env": {...}, "home": "...", "log": "..."}.  stdout: its pid.
Arguments: `module.NAME=number` and `module.NAME.field=number`, for what is to be quicker than in production.
"""

from __future__ import annotations

import ctypes
import gc
import importlib
import json
import os
import signal
import sys
from dataclasses import replace
from typing import Any

MODULES = ("bots.serve", "bots.bot", "adapters.slack", "adapters.discord", "core.models.openai", "core.chat.worker")
_PR_SET_PDEATHSIG = 1


def main() -> None:
    for name in MODULES:
        importlib.import_module(name)
    for argument in sys.argv[1:]:
        where, _, value = argument.partition("=")
        put(where, float(value))
    gc.freeze()
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody asks how they ended
    print("ready", flush=True)
    for line in sys.stdin:
        order = json.loads(line)
        pid = os.fork()
        if pid == 0:
            become(order)
        print(pid, flush=True)


def put(where: str, value: float) -> None:
    """Set a number: a constant of a module, or a field of one that is a frozen dataclass."""
    owner, _, name = where.rpartition(".")
    if owner in sys.modules:
        setattr(sys.modules[owner], name, type(getattr(sys.modules[owner], name))(value))
        return
    module, _, constant = owner.rpartition(".")
    old = getattr(sys.modules[module], constant)
    setattr(sys.modules[module], constant, replace(old, **{name: type(getattr(old, name))(value)}))


def become(order: dict[str, Any]) -> None:
    """Run the `parley` command; never returns."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)  # no fleet outlives its run
    log = os.open(order["log"], os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.dup2(os.open(os.devnull, os.O_RDWR), 0)
    os.dup2(log, 1)
    os.dup2(log, 2)
    os.chdir(order["home"])
    os.environ.clear()
    os.environ.update(order["env"])
    sys.argv = ["parley", *order["words"]]
    from bots.cli import main as parley

    code = 1
    try:
        parley()
        code = 0
    except SystemExit as exc:
        code = exc.code if isinstance(exc.code, int) else 1
    finally:
        sys.stderr.flush()
        os._exit(code)


if __name__ == "__main__":
    main()
