"""The page's files, and who may talk to the page."""

from __future__ import annotations

from pathlib import Path

import aiohttp
import pytest

import bots.demo
from bots.demo.demo import Demo

PAGE = Path(bots.demo.__file__).parent / "page"
ADA = "U0EMUADA"


async def test_every_file_is_served_with_its_type_and_a_policy_that_keeps_strangers_out(
    demo: Demo, web: aiohttp.ClientSession
) -> None:
    """A script with the wrong type does not run under nosniff; without the policy a foreign one might."""
    kinds = {"html": "text/html", "css": "text/css", "js": "text/javascript", "svg": "image/svg+xml"}
    for file in PAGE.iterdir():
        async with web.get(f"{demo.address}/page/{file.name}") as answer:
            assert answer.status == 200
            assert answer.content_type == kinds[file.suffix[1:]]
            assert answer.headers["Content-Security-Policy"].startswith("default-src 'self'")
            assert await answer.read() == file.read_bytes()
    async with web.get(f"{demo.address}/") as answer:
        assert (answer.status, answer.content_type) == (200, "text/html")


@pytest.mark.parametrize("path", ["/page/nothing.js", "/page/..%2fdemo.py", "/page/__init__.py", "/nope"])
async def test_nothing_else_is_served(demo: Demo, web: aiohttp.ClientSession, path: str) -> None:
    """The page's directory is public, what lies beside it is not."""
    async with web.get(f"{demo.address}{path}") as answer:
        assert answer.status == 404


def test_the_page_names_no_other_server() -> None:
    """It works without any network, and tells nobody that it was opened."""
    for file in PAGE.iterdir():
        text = file.read_text().replace("http://www.w3.org/2000/svg", "")
        assert "://" not in text.replace("https?:\\/\\/", "").replace("${scheme}://${location.host}", ""), file.name


def test_the_page_never_parses_text_as_html() -> None:
    """Whatever people and models write stays text."""
    for file in PAGE.glob("*.js"):
        text = file.read_text()
        for way in ("innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval(", "DOMParser"):
            assert way not in text, file.name
    assert "style=" not in (PAGE / "index.html").read_text()  # the policy forbids it


async def test_health_is_answered_beside_the_page(demo: Demo, web: aiohttp.ClientSession) -> None:
    """Whoever starts the demo in a container wants to know when it is ready."""
    async with web.get(f"{demo.address}/healthz") as answer:
        assert answer.status == 200
    async with web.get(f"{demo.address}/readyz") as answer:
        assert answer.status == 200
        assert (await answer.json())["parts"] == {"bot": "ok", "slack": "ok", "discord": "ok", "redis": "ok"}


@pytest.mark.parametrize("origin", ["https://evil.example", "http://127.0.0.1:1", "null"])
async def test_another_website_cannot_connect(demo: Demo, web: aiohttp.ClientSession, origin: str) -> None:
    """A browser lets any page open a WebSocket to this machine; only the server can refuse."""
    with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
        await web.ws_connect(f"{demo.address}/live", origin=origin)
    assert refused.value.status == 403


async def test_its_own_page_can_connect(demo: Demo, web: aiohttp.ClientSession) -> None:
    """The guard must not shut out the one page that is meant."""
    async with web.ws_connect(f"{demo.address}/live", origin=demo.address, max_msg_size=0) as socket:
        assert (await socket.receive_json())["type"] == "snapshot"


async def test_a_name_that_was_pointed_at_this_machine_is_refused(demo: Demo, web: aiohttp.ClientSession) -> None:
    """With DNS rebinding a foreign page has the same origin as ours; its host name gives it away."""
    async with web.get(f"{demo.address}/", headers={"Host": "evil.example:8080"}) as answer:
        assert answer.status == 403
    async with web.get(f"{demo.address}/", headers={"Host": "localhost:8080"}) as answer:
        assert answer.status == 200


async def test_the_gallery_shows_what_goes_over_the_wire(demo: Demo, web: aiohttp.ClientSession) -> None:
    """The same that people get: it is made by the adapters, not for the page."""
    async with web.get(f"{demo.address}/gallery") as answer:
        assert (answer.status, answer.content_type) == (200, "text/html")
        assert answer.headers["Content-Security-Policy"].startswith("default-src 'self'")
    async with web.get(f"{demo.address}/gallery/cases") as answer:
        shown = await answer.json()
    assert len(shown) >= 40
    table = next(case for case in shown if case["name"] == "15-table")
    assert table["slack"]["blocks"][0]["type"] == "table"
    assert table["discord"]["content"].startswith("```\nName")
