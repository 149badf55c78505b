"""What a Draft looks like as Segments."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from core.replies import Controls, Draft, Layout, Segment, ToolCall

CONTROLS = Controls(stop="S", retry="R", rating="V")


def segments(draft: Draft, limit: int = 200) -> list[Segment]:
    return Layout(limit, len, CONTROLS).segments(draft)


def test_while_there_is_no_text_the_status_stands_in_its_place() -> None:
    assert segments(Draft(status="_Thinking…_")) == [Segment("", stop="S", aside="_Thinking…_")]


def test_while_a_tool_runs_its_line_stands_below_the_text_and_leaves_nothing_behind() -> None:
    call = ToolCall("c1", "search")
    growing = segments(Draft("Let me see.", status="_Using search…_", tools=(call,)))
    assert growing == [Segment("Let me see.", stop="S", aside="_Using search…_", growing=True)]
    assert growing[0].tools == (call,)
    assert segments(Draft("Let me see. It is 7.", status="")) == [
        Segment("Let me see. It is 7.", stop="S", growing=True)
    ]
    assert segments(Draft("It is 7.", status="_Using search…_", final=True)) == [Segment("It is 7.")]


def test_sources_and_notice_follow_the_text_and_the_footer_stands_below_all() -> None:
    draft = Draft(
        "Yes.", notice="_cut_", final=True, retry=True, rating=True, sources="**Sources**", footer="gpt · 1 s"
    )
    assert segments(draft) == [Segment("Yes.\n\n**Sources**\n\n_cut_", retry="R", rating="V", aside="gpt · 1 s")]


def test_an_open_code_block_is_closed_before_what_follows_it() -> None:
    shown = segments(Draft("```py\nx = 1", notice="_Stopped._", final=True))
    assert shown == [Segment("```py\nx = 1\n```\n\n_Stopped._")]


@given(st.text(min_size=1, max_size=700), st.text("ab ·", min_size=1, max_size=40), st.booleans())
def test_text_and_aside_fit_together_and_a_footer_is_always_shown(text: str, aside: str, final: bool) -> None:
    draft = Draft(text, status=aside, footer=aside, final=final)
    laid = segments(draft)
    assert all(len(segment.shown) <= 200 for segment in laid)
    assert all(not segment.aside for segment in laid[:-1])
    if final:
        assert laid[-1].aside == aside
