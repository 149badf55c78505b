"""Prints a run in a terminal. rich is imported when the first one is printed."""

from __future__ import annotations

import json
from collections.abc import Iterable
from time import perf_counter
from typing import TYPE_CHECKING, Any

import pydantic
import pydantic_core

from core.agent.response import RunResponse

if TYPE_CHECKING:
    from rich.console import Console, RenderableType
    from rich.table import Table

__all__ = ["pprint_run_response"]


def pprint_run_response(
    run_response: RunResponse | Iterable[RunResponse],
    markdown: bool = False,
    show_time: bool = False,
    *,
    console: Console | None = None,
) -> None:
    """Print a response in a frame, or a stream of responses while it grows.

    markdown: render the text as markdown.   show_time: say how many seconds it took.
    console: where to print; the terminal by default.
    """
    from rich.console import Console
    from rich.live import Live
    from rich.status import Status

    console = console or Console()
    if isinstance(run_response, RunResponse):
        console.print(_framed(_shown(run_response.content, markdown), None))
        return
    started = perf_counter()
    text = ""
    with Live(Status("Working..."), console=console, refresh_per_second=8) as live:
        for response in run_response:
            if isinstance(response.content, str):
                if response.event == "RunResponse":
                    text += response.content
                content: Any = text
            else:
                content = response.content
            if content not in (None, ""):
                live.update(_framed(_shown(content, markdown), perf_counter() - started if show_time else None))


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
    return JSON(json.dumps(pydantic_core.to_jsonable_python(content)), indent=4)
