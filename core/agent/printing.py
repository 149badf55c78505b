"""Prints a run in a terminal. rich is imported when the first one is printed."""

from __future__ import annotations

import json
from collections.abc import Iterable
from time import perf_counter
from typing import TYPE_CHECKING, Any

import pydantic
import pydantic_core

from core.agent.response import RunEvent, RunResponse

if TYPE_CHECKING:
    from rich.console import Console, RenderableType
    from rich.table import Table

__all__ = ["pprint_run_response"]

REFRESHES_A_SECOND = 8


def pprint_run_response(
    run_response: RunResponse | Iterable[RunResponse],
    markdown: bool = False,
    show_time: bool = False,
    *,
    console: Console | None = None,
) -> None:
    """Print a response in a frame, or a stream of responses while it grows.

    Text is shown as it is, everything else as JSON.   markdown: render text as markdown.   show_time: say how many
    seconds the answer took.   console: where to print; standard output by default.
    Raises TypeError for a coroutine or an async stream, and whatever ends the run.
    """
    from rich.console import Console
    from rich.live import Live

    console = console or Console()
    if isinstance(run_response, RunResponse):
        seconds = _model_seconds(run_response) if show_time else None
        console.print(_framed(_shown(run_response.content, markdown), seconds))
        return
    if not isinstance(run_response, Iterable):
        raise TypeError(
            f"{type(run_response).__name__} cannot be printed as it comes: await it first, or use `run_sync`, "
            "`print_response` or core.blocking"
        )
    growing = Growing(markdown, show_time)
    with Live(growing, console=console, refresh_per_second=REFRESHES_A_SECOND):
        for response in run_response:
            growing.add(response)
        growing.end()
    if not console.is_terminal and not console.is_jupyter:
        console.line()  # rich ends a live frame with one in a terminal alone


class Growing:
    """What is known of a stream so far. rich asks for it at each refresh, so a delta itself costs next to nothing."""

    def __init__(self, markdown: bool, show_time: bool) -> None:
        from rich.status import Status

        self._markdown = markdown
        self._show_time = show_time
        self._started = perf_counter()
        self._seconds: float | None = None
        self._text: list[str] = []
        self._whole: Any = None
        self._working = Status("Working...")

    def add(self, response: RunResponse) -> None:
        content = response.content
        if not isinstance(content, str):
            self._whole = content if content is not None else self._whole
        elif response.event == RunEvent.run_response:
            self._text.append(content)
        elif response.event == RunEvent.run_completed:
            self._whole = content

    def end(self) -> None:
        """The stream is over; the time stands still."""
        self._seconds = perf_counter() - self._started

    def __rich__(self) -> RenderableType:
        content = self._whole if self._whole is not None else "".join(self._text)
        if content == "":
            return self._working if self._seconds is None else ""
        now = self._seconds if self._seconds is not None else perf_counter() - self._started
        return _framed(_shown(content, self._markdown), now if self._show_time else None)


def _model_seconds(response: RunResponse) -> float | None:
    """How long the model took for a response that is there."""
    times = (response.metrics or {}).get("time")
    return sum(times) if times else None


def _framed(content: RenderableType, seconds: float | None) -> Table:
    from rich.box import ROUNDED
    from rich.table import Table

    table = Table(box=ROUNDED, border_style="blue", show_header=False)
    if seconds is None:
        table.add_row(content)
    else:
        table.add_row(f"Response\n({seconds:.1f}s)", content)
    return table


def _shown(content: Any, markdown: bool) -> RenderableType:
    from rich.json import JSON
    from rich.markdown import Markdown
    from rich.text import Text

    if isinstance(content, str):
        return Markdown(content) if markdown else Text(content)
    if isinstance(content, pydantic.BaseModel):
        return JSON(content.model_dump_json(exclude_none=True), indent=2)
    return JSON(json.dumps(pydantic_core.to_jsonable_python(content, fallback=repr, bytes_mode="base64")), indent=4)
