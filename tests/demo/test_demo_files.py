"""Files below messages: shown when they are pictures, handed over to be saved when they are anything else."""

from __future__ import annotations

from typing import Any

import aiohttp
import pytest

from bots.demo.demo import Demo
from tests.demo.test_demo_conversation import ADA, GENERAL, discord_place

PNG = b"\x89PNG\r\n\x1a\n" + b"\0" * 20
SCRIPT = b"<html><script>fetch('/live')</script></html>"
SVG = b"<svg xmlns='http://www.w3.org/2000/svg'><script>alert(1)</script></svg>"
HOSTILE_NAME = '../"><img src=x onerror=alert(1)>\r\nSet-Cookie: a=b\u202egnp.svg'
FILES = [("cat.png", PNG), ("not-a-cat.png", SCRIPT), (HOSTILE_NAME, SVG), ("ünïcode 字.txt", b"words")]


async def shown(page: Any, demo: Demo, platform: str) -> list[dict[str, Any]]:
    """What the page hears of the files of one message."""
    if platform == "slack":
        await demo.slack.say(ADA, GENERAL, "look", files=dict(FILES))
    else:
        place = discord_place(page.heard[0])
        ada = demo.discord.user(place["user"])
        await demo.discord.say(ada, demo.discord.channel(place["channel"]), "look", attachments=FILES)
    message = await page.message(platform, lambda one: one["files"])
    return list(message["files"])


@pytest.mark.parametrize("platform", ["slack", "discord"])
async def test_a_picture_is_known_by_its_bytes_and_nothing_else_is_opened(
    platform: str, page: Any, demo: Demo, web: aiohttp.ClientSession
) -> None:
    """A page that drives a bot must not run what a model wrote into a file."""
    files = await shown(page, demo, platform)
    assert [(one["size"], one["picture"]) for one in files] == [(len(c), c == PNG) for _, c in FILES]
    for (_, content), file in zip(FILES, files, strict=True):
        async with web.get(f"{demo.address}/files/{platform}/{file['id']}") as answer:
            assert await answer.read() == content
            assert answer.content_type == ("image/png" if content == PNG else "application/octet-stream")
            assert answer.headers["Content-Disposition"].startswith("inline" if content == PNG else "attachment")
            assert answer.headers["X-Content-Type-Options"] == "nosniff"
            assert "sandbox" in answer.headers["Content-Security-Policy"]
            assert "Set-Cookie" not in answer.headers
        async with web.get(f"{demo.address}/files/{platform}/{file['id']}?save") as answer:
            assert answer.headers["Content-Disposition"].startswith("attachment")


@pytest.mark.parametrize("platform", ["slack", "discord"])
async def test_an_answer_that_is_attached_can_be_saved_from_the_page(
    platform: str, page: Any, demo: Demo, web: aiohttp.ClientSession
) -> None:
    """A long answer comes as a file as well."""
    place = {"user": ADA, "channel": GENERAL} if platform == "slack" else discord_place(page.heard[0])
    await page.act(platform, do="say", text="@Parley write 31000 characters", **place)
    message = await page.message(platform, lambda one: one["files"])
    (file,) = message["files"]
    assert file["name"].endswith(".md") and not file["picture"]
    async with web.get(f"{demo.address}/files/{platform}/{file['id']}?save") as answer:
        assert len(await answer.text()) > 30_000


@pytest.mark.parametrize(
    "path", ["slack/F404", "discord/404", "discord/²", "discord/x", "irc/1", "slack/..%2f..%2fetc"]
)
async def test_what_is_not_there_is_not_found(demo: Demo, web: aiohttp.ClientSession, path: str) -> None:
    async with web.get(f"{demo.address}/files/{path}") as answer:
        assert answer.status == 404
