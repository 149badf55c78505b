"""Files of a run: attached once, also when a worker dies over them; addresses are never fetched."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Any

import pytest

from core.agent.media import Image
from core.agent.response import RunResponse
from core.chat.files import MOST_BYTES, MOST_FILES, handed_over, long_answer
from core.messages import BinaryContent, ImageUrl
from tests.chat.rig import THREAD, Rig


async def files_of(*images: Any, largest: int = 1_000_000) -> tuple[list[tuple[str, bytes]], list[str]]:
    found = await handed_over(RunResponse(images=list(images)), largest)
    return [(file.name, file.content) for file in found.files], found.lines


async def test_bytes_in_every_form_are_attached(tmp_path: Path) -> None:
    (tmp_path / "plot `x`.png").write_bytes(b"c")
    data = "data:image/gif;base64," + base64.b64encode(b"d").decode()
    forms = [b"a", BinaryContent(b"b", "image/jpeg"), Image(filepath=tmp_path / "plot `x`.png"), data]
    files, lines = await files_of(*forms)
    assert files == [("image-1.png", b"a"), ("image-2.jpg", b"b"), ("plot x.png", b"c"), ("image-4.gif", b"d")]
    assert lines == []


async def test_an_address_is_a_link_and_a_text_no_path(tmp_path: Path) -> None:
    """A model may have written either."""
    secret = tmp_path / "secret"
    secret.write_text("x")
    forms = [
        "https://a.org/x.png",
        ImageUrl("http://a.org/(y)"),
        "javascript:alert(1)",
        str(secret),
        "file:///etc/passwd",
    ]
    files, lines = await files_of(*forms)
    assert files == []
    assert lines == ["[image](https://a.org/x.png)", "[image](http://a.org/%28y%29)"]


@pytest.mark.parametrize("form", [object(), "data:image/png;base64,@@", Image(filepath="/no/such/file")])
async def test_what_cannot_be_read_is_named(form: Any) -> None:
    assert await files_of(form, b"good") == ([("image-1.png", b"good")], ["⚠️ _A file (image) could not be read._"])


async def test_what_is_too_large_or_too_much_is_named() -> None:
    files, lines = await files_of(b"x" * 11, b"y", largest=10)
    assert (files, lines) == ([("image-1.png", b"y")], ["⚠️ _`image-1.png` is too large to be attached here._"])
    files, lines = await files_of(*[b"z"] * (MOST_FILES + 1))
    assert (len(files), len(lines)) == (MOST_FILES, 1)
    files, lines = await files_of(b"x" * (MOST_BYTES - 1), b"yy", largest=2 * MOST_BYTES)
    assert (len(files), len(lines)) == (1, 1)


def test_a_long_answer_is_a_file_whose_loss_is_not_worth_a_word() -> None:
    file = long_answer("Grüße")
    assert (file.name, file.content.decode(), file.courtesy) == ("answer.md", "Grüße", True)


PICTURE = RunResponse(content="Here it is.", images=[b"a"])


@pytest.mark.usefixtures("quick")
@pytest.mark.parametrize("after_effect", [True, False], ids=["after its effect", "before it"])
@pytest.mark.parametrize("die_at", range(4, 12))
async def test_a_worker_killed_over_a_file_leaves_it_there_once(rig: Rig, die_at: int, after_effect: bool) -> None:
    """At each operation around the upload; who takes over has the bytes from the journal."""
    rig.lease_ms = 150
    rig.answerer.scripts["paint"] = [PICTURE]
    await rig.say("paint")
    async with rig.worker(die_at=die_at, after_effect=after_effect), rig.worker():
        await rig.settled()
    assert rig.world.texts == ["Here it is.", "📎 image-1.png"]


@pytest.mark.usefixtures("quick")
async def test_another_answer_takes_the_files_of_the_old_one_away(rig: Rig) -> None:
    rig.answerer.scripts["paint"] = [PICTURE]
    async with rig.worker():
        await rig.ask("paint")
        rig.answerer.scripts["paint"] = ["No picture."]
        await rig.desk.retry(f"{THREAD}#1")
        await rig.settled()
    assert rig.world.texts == ["No picture."]
