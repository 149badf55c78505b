"""Other deps and another model for the runs of an agent, for a while: what tests replace."""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

from core.models.base import Model
from core.models.infer import infer_model

__all__ = ["Overridable", "Unset"]


class Unset:
    """Tells "not given" from None."""


UNSET = Unset()


@dataclasses.dataclass(frozen=True)
class _Override:
    deps: Any = UNSET
    model: Any = UNSET


_overrides: ContextVar[dict[int, _Override]] = ContextVar("agent_overrides")


class Overridable:
    """Something whose runs take what `override` says instead of their own."""

    _override = _Override()

    @contextmanager
    def override(self, *, deps: Any = UNSET, model: Model | str | Unset = UNSET) -> Iterator[None]:
        """Use these deps and this model in every run started within the context.

        Inside a task other tasks do not notice; outside of any, as in a test's fixture, it holds for the whole program.
        """
        before = self._overridden()
        mine = _Override(
            before.deps if isinstance(deps, Unset) else deps,
            before.model if isinstance(model, Unset) else infer_model(model),
        )
        if asyncio._get_running_loop() is None:  # a fixture, or a script: whatever it calls may be another context
            outer, self._override = self._override, mine
            try:
                yield
            finally:
                self._override = outer
            return
        token = _overrides.set({**_overrides.get({}), id(self): mine})
        try:
            yield
        finally:
            _overrides.reset(token)

    def _overridden(self) -> _Override:
        """What `override` says here and now; that of the task goes over that of the program."""
        return _overrides.get({}).get(id(self), self._override)
