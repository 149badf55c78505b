"""Where one model goes on with what another one began: nothing is said twice."""

from __future__ import annotations

__all__ = ["Seam"]

_LEAST_OVERLAP = 4  # characters; less is chance


class Seam:
    """Takes the text of the model that goes on, and gives what of it is new.

    said: what was said before. A model that goes on often repeats the end of it, or all of it. What may turn out to be
    a repetition is held back until that is decided, which it is after as many characters as were said at the latest.
    """

    def __init__(self, said: str) -> None:
        self._said = said
        self._held = ""
        self._decided = not said

    def feed(self, text: str) -> str:
        """What of `text`, and of what was held back, is new for sure."""
        if self._decided:
            return text
        self._held += text
        held, said = self._held, self._said
        if held.startswith(said):  # all of it again
            return self._decide(held[len(said) :])
        if said.startswith(held) or (len(held) < len(said) and held in said):
            return ""
        return self._decide(held[self._overlap() :])

    def finish(self) -> str:
        """What is left, when nothing more comes."""
        if self._decided:
            return ""
        return self._decide(self._held[self._overlap() :])

    def _overlap(self) -> int:
        """How much of the beginning of what is held back is the end of what was said."""
        held, said = self._held, self._said
        for length in range(min(len(held), len(said)), _LEAST_OVERLAP - 1, -1):
            if said.endswith(held[:length]):
                return length
        return 0

    def _decide(self, new: str) -> str:
        self._decided = True
        self._held = ""
        return new
