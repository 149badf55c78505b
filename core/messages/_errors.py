"""The errors that messages raise themselves; `core.models.errors` draws the whole tree."""

from __future__ import annotations

import copyreg
import json
from typing import Any


class AgentRunError(RuntimeError):
    """A run ended without a result."""

    def __init__(self, message: str) -> None:
        self.message = message
        super().__init__(message)

    def __str__(self) -> str:
        return self.message

    def __reduce__(self) -> tuple[Any, ...]:
        """For pickle and copy, which would call the class with its text, where others want a status or a limit."""
        return copyreg.__newobj__, (type(self), *self.args), self.__dict__  # type: ignore[attr-defined]  # not in typeshed


class UnexpectedModelBehavior(AgentRunError):
    """The model answered with something that cannot be used. `body`: what it sent, as JSON text where it is JSON."""

    def __init__(self, message: str, body: str | None = None) -> None:
        super().__init__(message)
        self.body: str | None = None
        if body is not None:
            try:
                self.body = json.dumps(json.loads(body), indent=2)
            except ValueError:
                self.body = body

    def __str__(self) -> str:
        return f"{self.message}, body:\n{self.body}" if self.body else self.message
