"""Pane: one emulated platform as the page sees it: what is there, what changes, and what a person does in it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Protocol

from bots.demo.files import File

Json = dict[str, Any]
"""JSON for the page, with the platform's own payloads inside; there is no narrower type worth having."""

Tell = Callable[[Json], None]


class Refusal(Exception):
    """What a person wanted cannot be done; the text is for that person."""


class Pane(Protocol):
    """A platform. Every change it tells of has `type` and `platform`; see the docstring of `live` for all of them."""

    @property
    def platform(self) -> str: ...

    def snapshot(self) -> Json:
        """Everything there is now."""
        ...

    def follow(self, tell: Tell) -> Callable[[], None]:
        """Call `tell` with each change from now on; the returned function ends that."""
        ...

    def file(self, name: str) -> File | None:
        """A file that hangs on a message, by its id."""
        ...

    async def act(self, act: Mapping[str, Any]) -> str:
        """Do what a person did on the page. Returns what to tell them, mostly "". Raises Refusal."""
        ...


def text_in(act: Mapping[str, Any], key: str, most: int = 40_000) -> str:
    """The text at `key`, "" if there is none. Raises Refusal when it is no text, or too long."""
    value = act.get(key)
    if value is None:
        return ""
    if not isinstance(value, str):
        raise Refusal("The page sent something that is not understood here. Reload it.")
    if len(value) > most:
        raise Refusal(f"Your message is too long: {len(value):,} characters, and {most:,} are allowed.")
    return value
