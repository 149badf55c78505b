"""An interaction as whoever started it sees it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from .errors import Json
from .interactions import Interaction
from .state import Message, World

Wait = Callable[[Callable[[], Any], float], Awaitable[Any]]


class InteractionHandle:
    """What came of a command, a button or a form.

    responses: the JSON bodies of the callback, of edits and follow-ups, in order.   messages: what was posted.
    original: the message `@original` means.   acked_after: seconds until the first answer, None if there is none.
    """

    def __init__(self, world: World, interaction: Interaction, wait: Wait) -> None:
        self._world = world
        self._wait = wait
        self.interaction = interaction

    @property
    def responses(self) -> list[Json]:
        return self.interaction.responses

    @property
    def messages(self) -> list[Message]:
        return [one for one in self.interaction.messages if not one.deleted]

    @property
    def original(self) -> Message | None:
        return self.interaction.original

    @property
    def acked_after(self) -> float | None:
        return self.interaction.acked_after

    @property
    def answer_type(self) -> int | None:
        """4 message, 5 thinking, 6 nothing yet, 7 update, 8 choices, 9 form."""
        return self.interaction.answer_type

    @property
    def choices(self) -> list[Json] | None:
        """What autocomplete offered."""
        return self.interaction.choices

    @property
    def modal(self) -> Json | None:
        """The form that was opened."""
        return self.interaction.modal

    @property
    def failed(self) -> bool:
        """Whether people read "The application did not respond"."""
        late = self._world.now() - self.interaction.created_at > self._world.limits.interaction_ack_s
        return self.acked_after is None and late

    @property
    def thinking(self) -> bool:
        """Whether people still read "Parley is thinking..."."""
        return self.original is not None and self.original.loading

    async def answered(self, timeout: float = 5.0) -> InteractionHandle:
        """Wait for the first answer. Raises TimeoutError."""
        await self._wait(lambda: self.acked_after is not None, timeout)
        return self

    async def finished(self, timeout: float = 5.0) -> Message:
        """Wait for a message that is no longer "thinking". Raises TimeoutError."""
        await self._wait(lambda: self.original is not None and not self.thinking, timeout)
        assert self.original is not None
        return self.original
