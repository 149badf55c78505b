"""A Reply in a terminal: text that grows at its end."""

from __future__ import annotations

from adapters.terminal.surface import TerminalSurface
from core.chat import Placement, Segment, ThreadId

HERE = Placement(ThreadId("terminal:here"))


async def test_an_answer_grows_at_its_end_and_one_that_changes_is_written_anew() -> None:
    """A terminal cannot take back what has scrolled by."""
    written: list[str] = []
    surface = TerminalSurface(written.append)
    ref = await surface.post(HERE, Segment("one ", stop="s"), "k-0")
    await surface.edit(HERE, ref, Segment("one two", stop="s"))
    await surface.edit(HERE, ref, Segment("three"))
    assert written == ["one ", "two", "\nthree"]


async def test_a_model_does_not_control_the_terminal() -> None:
    """Escape sequences clear the screen, rename the window and write to the clipboard; also when cut in two."""
    written: list[str] = []
    surface = TerminalSurface(written.append)
    ref = await surface.post(HERE, Segment("a\x1b", stop="s"), "k-0")
    await surface.edit(HERE, ref, Segment("a\x1b]0;owned\x07 \x9b2J\r\n\tb", stop="s"))
    assert "".join(written) == "a\ufffd]0;owned\ufffd \ufffd2J\n\tb"
