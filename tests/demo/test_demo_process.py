"""`parley demo` as a process: its address, its port, its end."""

from __future__ import annotations

import asyncio
import os
import re
import signal
import socket
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from bots.demo import serve_demo
from bots.demo.demo import about_model, opened_demo
from core.errors import ConfigError

ROOT = Path(__file__).parents[2]


async def started(home: Path, *arguments: str) -> asyncio.subprocess.Process:
    """`parley demo` with a clean environment in an empty directory."""
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": str(home),
        "PYTHONPATH": str(ROOT),
        "PARLEY_DATA_DIR": str(home / "data"),
    }
    return await asyncio.create_subprocess_exec(
        sys.executable,
        "-c",
        "from bots.cli import main; main()",
        "demo",
        *arguments,
        env=environment,
        cwd=home,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_it_prints_one_address_when_it_is_ready_and_ends_cleanly(tmp_path: Path, number: signal.Signals) -> None:
    """Whoever started it clicks the one address, and Ctrl-C leaves nothing behind."""
    process = await started(tmp_path)
    assert process.stdout is not None
    try:
        async with asyncio.timeout(30):
            line = (await process.stdout.readline()).decode()
            about = (await process.stdout.readline()).decode()
        found = re.fullmatch(r"Parley demo is ready: (http://127\.0\.0\.1:\d+)/\n", line)
        assert found, line
        assert "demo model" in about and "OPENAI_API_KEY" in about
        async with aiohttp.ClientSession(trust_env=False) as web, web.get(f"{found[1]}/readyz") as answer:
            assert answer.status == 200
        process.send_signal(number)
        async with asyncio.timeout(10):
            rest, errors = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    assert process.returncode == 0, errors.decode()
    assert rest == b""
    assert "Traceback" not in errors.decode()


async def test_a_port_that_is_taken_is_named_in_one_line(tmp_path: Path) -> None:
    """A port that somebody chose is not silently replaced by another."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        process = await started(tmp_path, "--port", str(port))
        async with asyncio.timeout(30):
            out, errors = await process.communicate()
    assert process.returncode == 2
    assert out == b""
    last = errors.decode().strip().splitlines()[-1]
    assert last.startswith("parley: PARLEY_HTTP_PORT") and str(port) in last


async def test_without_a_chosen_port_a_taken_one_is_passed_over(
    tmp_path: Path, settings_in: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """8080 is everybody's favourite port."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        monkeypatch.setattr("bots.demo.demo.FIRST_PORT", port)
        async with opened_demo(settings_in(tmp_path), None) as demo:
            assert not demo.address.endswith(f":{port}")
            async with aiohttp.ClientSession(trust_env=False) as web, web.get(f"{demo.address}/") as answer:
                assert answer.status == 200


async def test_a_second_demo_keeps_to_a_store_of_its_own(tmp_path: Path, settings_in: Callable[..., Any]) -> None:
    """In one store they would take each other's messages, and answer on the wrong platforms."""
    async with opened_demo(settings_in(tmp_path), 0) as first, opened_demo(settings_in(tmp_path), 0) as second:
        stores = {demo.bot._store.where for demo in (first, second)}
        assert len(stores) == 2


async def test_a_data_directory_that_cannot_be_written_is_named(
    tmp_path: Path, settings_in: Callable[..., Any]
) -> None:
    """The one setting a demo may stumble over."""
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigError) as wrong:
        async with opened_demo(settings_in(tmp_path / "file"), 0):
            pass
    assert wrong.value.setting == "PARLEY_DATA_DIR"


def test_the_model_that_answers_is_named(tmp_path: Path, settings_in: Callable[..., Any]) -> None:
    """Rules must not be taken for a language model, nor the other way round."""
    settings = settings_in(tmp_path)
    assert about_model(settings)["demo"] is True
    real = settings.model_copy(update={"parley_model": "ollama:llama3.2"})
    assert about_model(real) == {
        "name": "ollama:llama3.2",
        "demo": False,
        "line": "ollama:llama3.2 answers; PARLEY_MODEL chooses another model.",
    }


def test_what_the_command_line_starts_is_public() -> None:
    """`bots.cli` imports it from the package."""
    assert asyncio.iscoroutinefunction(serve_demo)
