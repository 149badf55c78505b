"""The garbage collector of a process that answers.

Python looks for unreachable cycles after every 700 new containers, and now and then through all that was ever loaded,
which takes a tenth of a second. An answer leaves hardly a cycle behind. So what is there when the process has started
is not looked at any more, and what comes later less often: with 200 answers at once the collector takes 0.1 s in place
of 1.3 s (`benchmarks.replies.load`).
"""

from __future__ import annotations

import gc

THRESHOLDS = (20_000, 20, 20)
"""After so many new containers the youngest are looked at, after so many such looks the next generation."""


def settle() -> None:
    """The process has started: what it has loaded will stay."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(*THRESHOLDS)
