"""Manual: what `help` says on Discord."""

from __future__ import annotations

from typing import Final

from core.chat import Manual

MANUAL: Final = Manual(
    ask="`/ask` and a question: I answer where you are",
    prefix="/",
    beside="Mentioned with one of these words alone I do the same.",
)
