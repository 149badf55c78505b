"""A run's events folded into what people see of it."""

from __future__ import annotations

from typing import Any

import pytest

from core.agent import MessageReferences, RunResponseExtraData
from core.agent.response import RunEvent, RunResponse
from core.chat import texts
from core.chat.progress import Progress
from core.chat.sources import MOST_SOURCES, sources_of
from core.ids import ChannelId, ScopeId, UserId
from core.replies import ToolCall
from core.usage import TurnUsage


def tool(name: str, call_id: str = "1", **ended: Any) -> dict[str, Any]:
    return {"tool_name": name, "tool_call_id": call_id, "content": None, "tool_call_error": None} | ended


def progress_of(*events: RunResponse, shows_reasoning: bool = False) -> Progress:
    progress = Progress(shows_reasoning)
    for event in events:
        progress.apply(event, 0.0)
    return progress


def said(text: str) -> RunResponse:
    return RunResponse(content=text)


def thought(text: str) -> RunResponse:
    return RunResponse(content=text, thinking=text, event=RunEvent.reasoning_step.value)


def started(*tools: dict[str, Any]) -> RunResponse:
    return RunResponse(event=RunEvent.tool_call_started.value, tools=list(tools))


def completed(*tools: dict[str, Any]) -> RunResponse:
    return RunResponse(event=RunEvent.tool_call_completed.value, tools=list(tools))


def test_one_line_tells_of_all_tools_that_run_and_goes_when_the_answer_goes_on() -> None:
    progress = progress_of(said("I look."), started(tool("search")))
    assert progress.draft().status == "🔧 Using `search`…"
    progress.apply(started(tool("search"), tool("read", "2")), 0.0)
    assert progress.draft().status == "🔧 Using `search`, `read`…"
    progress.apply(completed(tool("search", content="x", tool_call_error=False), tool("read", "2")), 0.0)
    assert progress.draft().status == "🔧 Using `read`…"
    assert progress.draft().tools == (ToolCall("1", "search", "done"), ToolCall("2", "read", "running"))
    both = (tool("search", content="x", tool_call_error=False), tool("read", "2", content="y", tool_call_error=False))
    progress.apply(completed(*both), 0.0)
    assert progress.draft().status == texts.THINKING
    progress.apply(said(" Found."), 0.0)
    assert (progress.draft().status, progress.draft().text) == ("", "I look. Found.")


def test_a_tool_that_fails_is_named() -> None:
    progress = progress_of(started(tool("search")), completed(tool("search", content="no net", tool_call_error=True)))
    assert progress.draft().status == "🔧 `search` did not work; going on…"
    assert progress.draft().tools == (ToolCall("1", "search", "failed"),)


def test_the_name_of_a_tool_cannot_break_out_of_its_line() -> None:
    assert texts.using(["a`\n@everyone", "b", "c", "d", "e"]) == "🔧 Using `a@everyone`, `b`, `c` and 2 more…"


def test_what_the_model_thinks_is_shown_only_if_that_is_set() -> None:
    events = (thought("First "), thought("this.\nThen\n```py\nx"), said("So: 7."), thought("Sure?"), said("\n\nYes."))
    assert progress_of(*events).body == "So: 7.\n\nYes."
    shown = progress_of(*events, shows_reasoning=True)
    assert shown.body == "> 💭 First this.\n> Then\n> x\n\nSo: 7.\n\n> 💭 Sure?\n\nYes."
    assert shown.text == "So: 7.\n\nYes."


def test_a_long_thought_is_cut() -> None:
    shown = progress_of(thought("x" * 5000), said("7"), shows_reasoning=True).body
    assert len(shown) < 1600
    assert shown.endswith("…\n\n7")


def found(*documents: Any) -> RunResponse:
    return RunResponse(extra_data=RunResponseExtraData(references=[MessageReferences("q", list(documents))]))


@pytest.mark.parametrize(
    ("document", "line"),
    [
        ({"title": "A *bold* [title](x)", "url": "https://a.org/b"}, r"[A \*bold\* (title)(x)](https://a.org/b)"),
        ({"name": "Doc", "meta_data": {"url": "https://a.org"}}, "[Doc](https://a.org)"),
        ({"url": "https://a.org/x_(y)|z<!here>"}, "[a.org](https://a.org/x_%28y%29%7Cz%3C!here%3E)"),
        ("https://a.org/straight", "[a.org](https://a.org/straight)"),
        ({"title": "<!channel> @everyone", "link": "http://a.org"}, "[<!channel> @everyone](http://a.org)"),
    ],
)
def test_references_become_a_list_of_links(document: Any, line: str) -> None:
    assert sources_of(found(document)) == f"**Sources**\n1. {line}"


@pytest.mark.parametrize(
    "document", ["no address", {"title": "no link"}, {"url": "javascript:alert(1)"}, {"url": "file:///etc/passwd"}]
)
def test_what_is_no_page_of_the_web_is_no_source(document: Any) -> None:
    assert sources_of(found(document)) == ""


def test_each_page_is_listed_once_and_not_too_many() -> None:
    many = [{"url": f"https://a.org/{number // 2}"} for number in range(60)]
    lines = sources_of(found(*many)).split("\n")
    assert lines[1:3] == ["1. [a.org](https://a.org/0)", "2. [a.org](https://a.org/1)"]
    assert len(lines) == MOST_SOURCES + 1


@pytest.mark.parametrize(
    ("cost", "line"),
    [(None, "price not known"), (0, "no cost"), (1_200_000, "$0.0012"), (2_500_000_000, "$2.50")],
)
def test_the_footer_tells_model_time_and_cost(cost: int | None, line: str) -> None:
    usage = TurnUsage(
        ScopeId("s"), UserId("u"), ChannelId("c"), "openai:gpt-4o", "answered", 1, 1, False, cost, 3.21, 1
    )
    assert texts.footer(usage) == f"openai:gpt-4o · 3.2 s · {line}"
