"""The python blocks of a markdown page, and how they are run.

All blocks of a page run in order, in one namespace, as the reader would type them; `await` may stand at the top level,
as in a notebook. Lines that begin with `#> ` say what the block prints, and must be all of it.

A block that cannot run (it belongs into another file, or needs an account) has this line right above its fence:

    <!-- not run: why -->

It must be valid Python all the same.
"""

from __future__ import annotations

import ast
import asyncio
import contextlib
import inspect
import io
import re
import types
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from markdown_it import MarkdownIt

from core.agent._loop_thread import _private, private_loop

__all__ = ["Block", "blocks_of", "run_page"]

NOT_RUN = re.compile(r"<!-- not run: (?P<why>\S.*) -->")
SAYS = re.compile(r"^\s*#> ?(.*)$")


@dataclass(frozen=True)
class Block:
    """`line`: where its code begins on the page, from 1.   `not_run`: why it is only shown; None if it is run."""

    page: Path
    line: int
    code: str
    not_run: str | None

    @property
    def printed(self) -> list[str]:
        """What it is said to print, line by line."""
        return [match[1] for line in self.code.split("\n") if (match := SAYS.match(line))]


def blocks_of(page: Path) -> list[Block]:
    """Every fenced block that calls itself python, in order, also inside lists and quotes."""
    text = page.read_text("utf-8")
    lines = text.split("\n")
    found = []
    for token in MarkdownIt().parse(text):
        if token.type != "fence" or token.info.strip().split(" ")[0] not in ("python", "py", "python3"):
            continue
        assert token.map is not None
        start = token.map[0]
        marker = NOT_RUN.search(lines[start - 1]) if start else None
        found.append(Block(page, start + 2, token.content, marker["why"] if marker else None))
    return found


def run_page(page: Path) -> None:
    """Run the blocks of a page. Raises what they raise, with the page's own line numbers, and AssertionError when
    something else is printed than the page says."""
    module = types.ModuleType("__main__")
    with contextlib.ExitStack() as stack:
        stack.callback(_end_blocking_runs)
        runner = stack.enter_context(asyncio.Runner())
        for block in blocks_of(page):
            code = _compiled(block)
            if block.not_run is not None:
                continue
            out = io.StringIO()
            with contextlib.redirect_stdout(out):
                result = eval(code, module.__dict__)
            if inspect.iscoroutine(result):
                with contextlib.redirect_stdout(out):
                    runner.run(result)
            said = [line.rstrip() for line in out.getvalue().rstrip("\n").split("\n")]
            if block.printed:
                assert said == [line.rstrip() for line in block.printed], f"{page.name}:{block.line} prints {said}"


def _end_blocking_runs() -> None:
    """What the end of the reader's process does: connections of blocking runs are closed while their agents live."""
    private_loop().close()
    _private.clear()


def _compiled(block: Block) -> Any:
    lined = "\n" * (block.line - 1) + block.code
    return compile(lined, str(block.page), "exec", ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
