"""Admission to Slack's methods: each call asks for its place in the budget that all replicas share.

A call that a Reply makes (a post, an edit, a deletion) has its place already: core has asked, by `SlackSurface.draws`.
Every other one asks here. One that matters (the search for a lost post, a file, the end of a stream) waits for some
seconds, and its place is kept; a courtesy (a name, whether people have written below) hardly waits. A refusal closes
the method's bucket for everybody. Which buckets there are stands in `limits`.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Final

from adapters.slack._errors import SDK_ERRORS, surface_error
from adapters.slack.limits import draws_of
from core.chat import Draws, RateLimited
from core.replies import Priority, RateBudget
from core.replies.admission import asking

WAIT_S: Final = 5.0
COURTESY_S: Final = 0.5


class Admission:
    """To one workspace, the one of `team`."""

    def __init__(self, budget: RateBudget, team: str) -> None:
        self._budget = budget
        self._team = team

    @asynccontextmanager
    async def to(
        self,
        method: str,
        *,
        worth: Priority = Priority.FINAL,
        wait_s: float = WAIT_S,
        draws: Draws | None = None,
        stream: str = "",
    ) -> AsyncIterator[None]:
        """Make one call of `method` within. draws: what it draws on, if that is not the method's own budget alone.
        stream: the Reply that it is part of, if it is.

        Raises RateLimited when there is no place within `wait_s`, and when Slack refuses the call for a while; what the
        call raises else goes through.
        """
        async with asking(self._budget, draws or draws_of(method, self._team), worth, wait_s, stream=stream):
            try:
                yield
            except SDK_ERRORS as exc:
                if isinstance(error := surface_error(method, exc), RateLimited):
                    raise error from exc
                raise

    def to_courtesy(self, method: str) -> AbstractAsyncContextManager[None]:
        """`to`, for a call that nobody misses."""
        return self.to(method, worth=Priority.STATUS, wait_s=COURTESY_S)

    async def account_for(self, draws: Draws) -> None:
        """Take a place for a call that goes in any case, should there be one: it belongs to another, and together they
        are one edit."""
        await self._budget.take(draws, "", Priority.FINAL, patience_s=0.0)
