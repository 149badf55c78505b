"""What the page makes of a message as it went over the wire. Runs the page's own modules, where node is there."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

import bots.demo

PAGE = Path(bots.demo.__file__).parent / "page"
SCRIPT = Path(__file__).with_name("render.mjs")
NODE = shutil.which("node")

pytestmark = pytest.mark.skipif(NODE is None, reason="node is not installed; the page itself does not need it")

MADE = {
    "p",
    "span",
    "div",
    "a",
    "b",
    "strong",
    "em",
    "s",
    "u",
    "code",
    "pre",
    "ul",
    "ol",
    "li",
    "blockquote",
    "hr",
    "br",
}
MADE |= {"table", "thead", "tbody", "tr", "th", "td", "small", "button"}
HOSTILE = [
    "<img src=x onerror=alert(1)>",
    "<script>alert(1)</script>",
    "[x](javascript:alert(1))",
    "[x](data:text/html,<script>alert(1)</script>)",
    "<javascript:alert(1)|x>",
    "![x](https://evil.example/pixel.png)",
    "```<b>\n</code></pre><script>alert(1)</script>\n```",
    "| a | <img src=x onerror=alert(1)> |\n|---|---|\n| <b> | [x](vbscript:x) |",
    "> <iframe src=//evil.example>",
    '`"onmouseover=alert(1)`',
    "**" * 400 + "_" * 400 + "[" * 400,
]


@pytest.fixture(scope="module", autouse=True)
def _page(tmp_path_factory: pytest.TempPathFactory) -> None:
    """A copy of the page that says it is made of modules, which browsers know and node has to be told."""
    home = tmp_path_factory.mktemp("page")
    shutil.copytree(PAGE, home / "page")
    (home / "page" / "package.json").write_text('{"type": "module"}')
    copied["page"] = (home / "page").as_uri()


copied: dict[str, str] = {}


def rendered(kind: str, wire: dict[str, Any], files: list[dict[str, Any]] | None = None) -> Any:
    """The tree, as [name, attributes, *children]."""
    assert NODE is not None
    asked = json.dumps({"kind": kind, "wire": wire, "files": files or [], "page": copied["page"]})
    done = subprocess.run([NODE, str(SCRIPT)], input=asked, capture_output=True, text=True, timeout=20)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def slack(text: str) -> Any:
    return rendered("slack", {"blocks": [{"type": "markdown", "text": text}]})["body"]


def discord(text: str) -> Any:
    return rendered("discord", {"content": text})["body"]


def elements(tree: Any) -> list[tuple[str, dict[str, str]]]:
    """All elements in the tree, depth first."""
    if isinstance(tree, str):
        return []
    if tree and isinstance(tree[0], str) and len(tree) > 1 and isinstance(tree[1], dict):
        return [(tree[0], tree[1]), *(one for child in tree[2:] for one in elements(child))]
    return [one for child in tree for one in elements(child)]


def text(tree: Any) -> str:
    if isinstance(tree, str):
        return tree
    inside = tree[2:] if len(tree) > 1 and isinstance(tree[1], dict) else tree
    return "".join(text(child) for child in inside)


@pytest.mark.parametrize("hostile", HOSTILE)
@pytest.mark.parametrize("way", ["markdown", "mrkdwn", "rich_text", "fallback", "discord"])
def test_hostile_text_stays_text(hostile: str, way: str) -> None:
    """Nothing is made but harmless elements, and no link leads anywhere but to the web, mail and phone."""
    wires: dict[str, dict[str, Any]] = {
        "markdown": {"blocks": [{"type": "markdown", "text": hostile}]},
        "mrkdwn": {"blocks": [{"type": "section", "text": {"type": "mrkdwn", "text": hostile}}]},
        "rich_text": {
            "blocks": [
                {
                    "type": "rich_text",
                    "elements": [
                        {
                            "type": "rich_text_section",
                            "elements": [{"type": "text", "text": hostile}, {"type": "link", "url": hostile}],
                        }
                    ],
                }
            ]
        },
        "fallback": {"text": hostile},
        "discord": {"content": hostile, "embeds": [{"title": hostile, "description": hostile}]},
    }
    made = elements(rendered("discord" if way == "discord" else "slack", wires[way])["body"])
    assert {name for name, _ in made} <= MADE
    for _, attributes in made:
        assert not any(key.startswith("on") or key in ("src", "srcset", "style") for key in attributes)
        if "href" in attributes:
            assert attributes["href"].startswith(("https://", "http://", "mailto:", "tel:"))
            assert "noopener" in attributes["rel"]


def test_slack_markdown_is_drawn() -> None:
    """What models write most: headings, emphasis, lists, code with a language, tables."""
    drawn = slack(
        "## Title\n\nSome **bold**, *slanted*, ~~gone~~ and `code` & [link](https://a.example/x_y)\n\n"
        "- one\n  - two\n- three\n\n1. first\n2. second\n\n> said\n\n```python\nx = 1 < 2\n```\n\n"
        "| a | b |\n|---|---|\n| 1 | 2 |\n\n---"
    )
    names = [name for name, _ in elements(drawn)]
    for name in ("strong", "em", "s", "code", "a", "ul", "ol", "blockquote", "pre", "table", "th", "td", "hr"):
        assert name in names
    assert ("div", {"class": "heading h2", "role": "heading", "aria-level": "4"}) in elements(drawn)
    nested = next(one for one in drawn if one[0] == "ul")
    assert [name for name, _ in elements(nested)].count("ul") == 2
    code = next(one for one in drawn if one[1].get("class") == "code")
    assert text(code) == "pythonx = 1 < 2"


def test_slack_entities_are_read_once() -> None:
    """Slack escapes three characters on the wire; people see them as they were written."""
    assert text(slack("a &lt;!here&gt; &amp;lt; b")) == "a <!here> &lt; b"
    fallback = rendered("slack", {"text": "&lt;b&gt; &amp;amp; *fett* <@U1> <https://a.example|there>"})["body"]
    assert text(fallback) == "<b> &amp; fett @Ada there"


def test_discord_markdown_is_drawn_as_discord_does() -> None:
    """Underlines, small print and mentions are Discord's; tables are not."""
    drawn = discord("# Big\n__under__ **bold** <@1> <#5>\n-# small\n| a |\n|---|\n||secret||")
    names = [name for name, _ in elements(drawn)]
    assert {"u", "strong", "small", "button"} <= set(names)
    assert "table" not in names
    assert ("span", {"class": "mention mine"}) in elements(drawn)
    assert "| a |" in text(drawn)


def test_lines_in_discord_stay_lines() -> None:
    """A chat is not a web page: a line break is a line break."""
    assert [name for name, _ in elements(discord("one\ntwo"))] == ["p", "br"]


def test_an_address_keeps_its_underscores_and_loses_its_full_stop() -> None:
    """The commonest way to break a link."""
    links = [
        attributes["href"] for name, attributes in elements(discord("See https://a.example/a_b_c.")) if name == "a"
    ]
    assert links == ["https://a.example/a_b_c"]


@pytest.mark.parametrize("end", range(0, 60, 7))
def test_every_prefix_of_an_answer_is_drawn(end: int) -> None:
    """An answer grows; no half of a fence or table may stop the page."""
    whole = "**bo** `co` [l](https://a.b)\n```py\nx\n```\n|a|b|\n|-|-|\n|1|2|"
    assert slack(whole[:end]) is not None


def test_buttons_are_found_where_the_platform_has_them() -> None:
    """The page presses what is on the wire, by its own id."""
    button = {
        "type": "button",
        "action_id": "parley_stop",
        "text": {"type": "plain_text", "text": "Stop"},
        "value": "x",
    }
    found = rendered("slack", {"blocks": [{"type": "actions", "elements": [button]}], "text": "t"})["buttons"]
    assert [(one["label"], one["action"]) for one in found] == [("Stop", "parley_stop")]
    row = {"type": 1, "components": [{"type": 2, "style": 2, "label": "Stop", "custom_id": "s:1"}]}
    found = rendered("discord", {"content": "t", "components": [row]})["buttons"]
    assert [(one["label"], one["action"]) for one in found] == [("Stop", "s:1")]


def test_task_cards_say_how_far_they_are() -> None:
    """A stream's, alone and in a plan; their titles are text."""
    card = {"type": "task_card", "task_id": "1", "title": "<b>search</b>", "status": "in_progress"}
    plan = {"type": "plan", "title": "Looking", "tasks": [card | {"status": "error"}]}
    shown = rendered("slack", {"blocks": [card, plan]})["body"]
    assert text(shown) == "◔<b>search</b>Looking✕<b>search</b>"
    assert [attributes.get("class") for name, attributes in elements(shown) if name == "div"] == [
        "task in_progress",
        "plan",
        "task error",
    ]


def test_slacks_own_table_is_drawn_with_its_columns_and_markup() -> None:
    """The first table of an answer is a block of its own."""
    link = {"type": "link", "url": "https://a.example", "text": "docs"}
    cell = {"type": "rich_text", "elements": [{"type": "rich_text_section", "elements": [link]}]}
    block = {
        "type": "table",
        "column_settings": [{"align": "right"}],
        "rows": [[{"type": "raw_text", "text": "head"}], [cell]],
    }
    drawn = elements(rendered("slack", {"blocks": [block]})["body"])
    assert ("th", {"class": "right"}) in drawn
    assert [attributes["href"] for name, attributes in drawn if name == "a"] == ["https://a.example"]


def test_a_link_that_discord_does_not_mask_is_drawn_as_typed() -> None:
    assert text(discord("[a](x) [b](file:///c)")) == "[a](x) [b](file:///c)"


def test_task_boxes_and_the_indentation_of_mrkdwn_are_drawn() -> None:
    assert text(slack("- [ ] a\n- [x] b")) == "☐ a☑ b"
    [paragraph] = rendered("slack", {"text": "• a\n    ◦ b"})["body"]
    assert paragraph[1] == {"class": "typed"}


@pytest.mark.parametrize("kind", ["slack", "discord"])
@pytest.mark.parametrize("name", HOSTILE)
def test_a_file_is_shown_from_this_server_whatever_its_name(kind: str, name: str) -> None:
    """The name is words for people: no address, no markup."""
    files = [{"id": "../F1?x", "name": name, "size": 2048, "picture": picture} for picture in (True, False)]
    tree = rendered(kind, {"text": "", "content": ""}, files)["body"]
    assert {one for one, _ in elements(tree)} <= MADE | {"img", "figure", "figcaption", "svg", "path"}
    places = [value for _, attributes in elements(tree) for key, value in attributes.items() if key in ("href", "src")]
    assert {place.removesuffix("?save") for place in places} == {f"/files/{kind}/..%2FF1%3Fx"}
    assert not any(key.startswith("on") for _, attributes in elements(tree) for key in attributes)
    assert name in text(tree) and "2.0 KB" in text(tree)


@pytest.mark.parametrize(("kind", "named"), [("slack", True), ("discord", False)])
def test_a_picture_is_drawn_and_can_be_opened(kind: str, named: bool) -> None:
    """Slack writes its name above it, Discord does not."""
    tree = rendered(kind, {"text": "", "content": ""}, [{"id": "1", "name": "cat.png", "size": 10, "picture": True}])
    ((_, image),) = [one for one in elements(tree["body"]) if one[0] == "img"]
    assert (image["src"], image["alt"]) == (f"/files/{kind}/1", "cat.png")
    assert ("cat.png" in text(tree["body"])) == named
