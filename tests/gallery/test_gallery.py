"""The gallery: what is sent for 40 and more pieces of markdown, as text files that a person can read.

`python tests/gallery/test_gallery.py` writes the files anew; the diff is then what changed for readers.
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from adapters.emulators.slack.blocks import check_blocks
from bots.demo.gallery import Case, cases

HOME = Path(__file__).parent
INVISIBLE = {"\u200b": "⟨zero-width space⟩", "\u200a": "⟨hair space⟩"}


def on_slack(case: Case) -> str:
    text, blocks = case.slack
    parts = [f"text:\n{text}"]
    for block in blocks:
        if block["type"] == "markdown":
            parts.append(f"markdown block:\n{block['text']}")
        else:
            rows = block["rows"]
            assert isinstance(rows, list)
            lines = [" | ".join(_cell(cell) for cell in row) for row in rows]
            parts.append("table block, " + json.dumps(block["column_settings"]) + ":\n" + "\n".join(lines))
    return _readable("\n\n----\n".join(parts))


def on_discord(case: Case) -> str:
    return _readable(case.discord)


def _cell(cell: dict[str, object]) -> str:
    return repr(cell["text"]) if cell["type"] == "raw_text" else json.dumps(cell["elements"], ensure_ascii=False)


def _readable(text: str) -> str:
    for character, name in INVISIBLE.items():
        text = text.replace(character, name)
    return "\n".join(line.rstrip() for line in text.split("\n")).strip("\n") + "\n"


@pytest.mark.parametrize("case", cases(), ids=lambda case: case.name)
def test_the_wire_is_as_the_gallery_shows_it(case: Case) -> None:
    """A change of a rendering is a change of these files, to be read before it is taken."""
    assert on_slack(case) == (HOME / f"{case.name}.slack.txt").read_text()
    assert on_discord(case) == (HOME / f"{case.name}.discord.txt").read_text()


@pytest.mark.parametrize("case", cases(), ids=lambda case: case.name)
def test_slack_takes_every_case(case: Case) -> None:
    check_blocks(case.slack[1])


def test_no_file_of_the_gallery_is_left_over() -> None:
    expected = {f"{case.name}.{kind}.txt" for case in cases() for kind in ("slack", "discord")}
    assert {file.name for file in HOME.glob("*.txt")} == expected


if __name__ == "__main__":
    for old in HOME.glob("*.txt"):
        old.unlink()
    for one in cases():
        (HOME / f"{one.name}.slack.txt").write_text(on_slack(one))
        (HOME / f"{one.name}.discord.txt").write_text(on_discord(one))
