"""What a process has loaded is not looked through again and again."""

from __future__ import annotations

import subprocess
import sys

CODE = """
import gc
from bots import garbage
kept = [[] for _ in range(1000)]
garbage.settle()
assert gc.get_freeze_count() > 1000, gc.get_freeze_count()

class Knot:
    left = 0
    def __init__(self):
        self.knot = self
        Knot.left += 1
    def __del__(self):
        Knot.left -= 1

for _ in range(3 * garbage.THRESHOLDS[0]):
    Knot()
assert Knot.left <= garbage.THRESHOLDS[0], Knot.left
"""


def test_what_was_loaded_is_left_alone_and_cycles_are_still_found() -> None:
    """In a process of its own: what it does cannot be taken back."""
    subprocess.run([sys.executable, "-c", CODE], check=True, timeout=60)
