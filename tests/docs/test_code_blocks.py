"""Every python block of README.md and docs/ runs, and prints what it says."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.docs.answers import answer
from tests.docs.pages import blocks_of, run_page
from tests.engine.threaded_server import threaded_server

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]


@pytest.fixture(autouse=True)
def _only_the_test_server(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    """Every model name leads to the server of this test; whatever a page writes goes to a directory of its own."""
    with threaded_server() as server:
        server.script(answer)
        monkeypatch.setenv("OPENAI_BASE_URL", server.base_url)
        for provider in ("OPENAI", "ANTHROPIC", "GEMINI"):
            monkeypatch.setenv(f"{provider}_API_KEY", "key")
        monkeypatch.setenv("ANTHROPIC_BASE_URL", "http://127.0.0.1:9")
        monkeypatch.setenv("GEMINI_BASE_URL", "http://127.0.0.1:9")
        monkeypatch.chdir(tmp_path)
        yield


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_the_code_of_a_page_runs(page: Path) -> None:
    """In order and in one namespace, as a reader would type it; prints what the page says."""
    run_page(page)


def test_blocks_are_found_wherever_they_stand(tmp_path: Path) -> None:
    """In lists too, with their line; a marker counts only right above its block and with a reason."""
    page = tmp_path / "page.md"
    page.write_text(
        "```python\na = 1\n```\n\n1. one\n\n   ```py\n   b = a\n   ```\n\n```sh\nls\n```\n\n"
        "<!-- not run: needs Slack -->\n```python\nc\n```\n"
        "<!-- not run: far away -->\n\n```python\nprint(b)\n#> 1\n```\n"
        "<!-- not run: -->\n```python\nd = 1\n```\n"
    )
    found = blocks_of(page)
    assert [(block.line, block.not_run) for block in found] == [
        (2, None),
        (8, None),
        (17, "needs Slack"),
        (22, None),
        (27, None),
    ]
    run_page(page)


@pytest.mark.parametrize("body", ["1 / 0", "print(1)\n#> 2", "<!-- not run: x -->no python", "await nothing()"])
def test_a_wrong_block_is_noticed(tmp_path: Path, body: str) -> None:
    """What raises, what prints something else, and what is no Python although it is not run."""
    marker, _, code = body.rpartition("-->")
    page = tmp_path / "page.md"
    page.write_text(f"{marker}{'-->' if marker else ''}\n```python\n{code}\n```\n")
    with pytest.raises((ZeroDivisionError, AssertionError, SyntaxError, NameError)):
        run_page(page)
