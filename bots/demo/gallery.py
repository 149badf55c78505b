"""The gallery: markdown that models write, and what each platform gets of it, drawn by the page as the platform would.

The cases are the files of `gallery/`. What is sent for them stands as text in `tests/gallery`, where a change is seen.
"""

from __future__ import annotations

from dataclasses import dataclass
from importlib.resources import files

from adapters.discord.markdown import to_content
from adapters.slack.markdown import message
from core.chat import Segment


@dataclass(frozen=True, slots=True)
class Case:
    """One piece of markdown. name: in words."""

    name: str
    markdown: str

    @property
    def slack(self) -> tuple[str, list[dict[str, object]]]:
        """`text` and `blocks` of its message."""
        return message(Segment(self.markdown))

    @property
    def discord(self) -> str:
        return to_content(self.markdown)

    def as_json(self) -> dict[str, object]:
        """As the page reads it."""
        text, blocks = self.slack
        return {
            "name": self.name,
            "markdown": self.markdown,
            "slack": {"text": text, "blocks": blocks},
            "discord": {"content": self.discord},
        }


def cases() -> list[Case]:
    """In the order of their files."""
    found = [file for file in files("bots.demo").joinpath("gallery").iterdir() if file.name.endswith(".md")]
    return [
        Case(file.name.removesuffix(".md"), file.read_text().rstrip("\n"))
        for file in sorted(found, key=lambda f: f.name)
    ]
