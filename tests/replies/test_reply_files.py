"""Files below an answer."""

from __future__ import annotations

import pytest

from core.replies import (
    Attachment,
    Draft,
    NotPermitted,
    SegmentRejected,
    SurfaceError,
)
from tests.replies.scripted_surface import (
    LOST_AFTER,
    Fault,
    ScriptedSurface,
    in_virtual_time,
)
from tests.replies.writing import AMPLE, WIDE, make_reply, writing

FILES = (Attachment("plot.png", "image/png", "eA=="), Attachment("answer.md", "text/markdown", "eA==", courtesy=True))


def test_files_follow_the_text_and_a_lost_upload_is_not_doubled() -> None:
    """Each once, in order, also when the answer to an upload was lost."""

    async def story() -> None:
        surface = ScriptedSurface(quota=AMPLE, limits=WIDE)
        lost = iter([LOST_AFTER])
        surface.rules = lambda operation, _, __: next(lost, None) if operation == "upload" else None
        reply = make_reply(surface)
        async with writing(reply) as task:
            reply.show(Draft("Here.", final=True, files=FILES))
            assert await task == "shown"
        assert surface.texts == ["Here.", "📎 plot.png", "📎 answer.md"]
        assert {number: ref.message for number, ref in reply.standing.uploads.items()} == {0: "m1", 1: "m2"}

    in_virtual_time(story)


@pytest.mark.parametrize("error", [NotPermitted("missing_scope", "files:write"), SegmentRejected("too large")])
def test_a_file_that_is_refused_is_named_unless_it_is_a_courtesy(error: SurfaceError) -> None:
    """The rest of the answer stands, and nothing is tried again."""

    async def story() -> None:
        surface = ScriptedSurface(quota=AMPLE, limits=WIDE)
        surface.rules = lambda operation, _, __: Fault(error) if operation == "upload" else None
        reply = make_reply(surface)
        async with writing(reply) as task:
            reply.show(Draft("Here.", final=True, files=FILES))
            assert await task == "shown"
        assert surface.texts == ["Here.\n\n⚠️ _`plot.png` could not be attached here._"]
        assert [call.operation for call in surface.calls].count("upload") == 2

    in_virtual_time(story)
