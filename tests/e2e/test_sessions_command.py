"""`parley sessions` as an operator uses it: what it prints, and its exit codes."""

from __future__ import annotations

import asyncio
import io
import json
import sys
from collections.abc import Awaitable, Callable
from contextlib import redirect_stderr, redirect_stdout
from functools import partial
from pathlib import Path

import pytest

from bots import logs
from bots.cli import main
from core.store import Store
from tests.chat.conftest import rig
from tests.chat.rig import ADA, THREAD, Rig, quick
from tests.e2e.test_process import PARLEY

__all__ = ["quick", "rig"]

Run = Callable[..., Awaitable[tuple[int, str, str]]]


def _called(*words: str) -> tuple[int, str, str]:
    """What the command does to whoever calls it, without the second that a process needs to start."""
    out, err = io.StringIO(), io.StringIO()
    with redirect_stdout(out), redirect_stderr(err), pytest.MonkeyPatch.context() as patched:
        patched.setattr(sys, "argv", ["parley", "sessions", *words])
        patched.setattr(sys, "stdin", io.StringIO())
        try:
            main()
            code: object = 0
        except SystemExit as exc:
            code = exc.code
    return int(str(code or 0)), out.getvalue(), err.getvalue()


@pytest.fixture
async def sessions(rig: Rig, redis_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Call `parley sessions ...` beside a worker's Redis in which one session was answered."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("REDIS_URL", redis_url)
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.setattr(logs, "set_up", lambda level: None)  # it would take the log away from the tests that follow
    async with rig.worker():
        await rig.ask("a private question")
    return partial(asyncio.to_thread, _called)


async def test_it_is_a_command_of_its_own(sessions: Run, redis_url: str, tmp_path: Path) -> None:
    """As a process, with its exit codes; the other tests call what it runs."""
    env = {"PATH": "/usr/bin:/bin", "HOME": str(tmp_path), "REDIS_URL": redis_url, "COLUMNS": "200"}
    for words, expected in (
        (("list", "--json"), 0),
        (("show", "test:T1:nowhere"), 1),
        (("list", "--older-than", "soon"), 2),
    ):
        process = await asyncio.create_subprocess_exec(
            *(str(PARLEY), "sessions", *words),
            cwd=tmp_path,
            env=env,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        out, err = await process.communicate()
        assert (process.returncode, out.decode(), err.decode()) == (expected, *(await sessions(*words))[1:])


async def test_list_and_show_tell_the_state_and_no_text(sessions: Run) -> None:
    """Support looks at state; what people said is shown only when it is asked for."""
    code, out, _ = await sessions("list")
    assert code == 0 and THREAD in out and ADA in out and "heard" in out
    code, out, _ = await sessions("list", "--user", ADA, "--scope", "test:T1", "--older-than", "0s", "--json")
    [one] = json.loads(out)
    assert code == 0 and one["thread_id"] == THREAD and one["messages"] == 1
    assert (await sessions("list", "--older-than", "2h"))[0] == 1
    code, out, _ = await sessions("show", THREAD)
    assert code == 0 and "private" not in out
    for line in (
        "mailbox   0 waiting of 1 ever",
        "lease     nobody",
        "turn      none in progress",
        "history   1 turns",
    ):
        assert line in out
    code, out, _ = await sessions("show", THREAD, "--text")
    assert code == 0 and "a private question" in out
    code, _, err = await sessions("show", "test:nowhere")
    assert code == 1 and "no session" in err


async def test_export_is_json_and_forget_needs_to_be_sure(sessions: Run, store: Store, tmp_path: Path) -> None:
    """A person asks for what is stored about them, and then for it to go."""
    code, out, _ = await sessions("export", THREAD)
    assert code == 0 and "a private question" in json.dumps(json.loads(out)["history"])
    code, _, err = await sessions("export", "--user", ADA, "--output", str(tmp_path / "ada.json"))
    assert code == 0 and "1 written" in err
    assert len(json.loads((tmp_path / "ada.json").read_text())) == 1
    assert (tmp_path / "ada.json").stat().st_mode & 0o077 == 0
    code, _, err = await sessions("export", "--older-than", "2h")
    assert code == 1 and err == "No session.\n"
    code, _, err = await sessions("forget", "--user", ADA)
    assert code == 2 and "--yes" in err, "nobody is there to be asked"
    code, _, err = await sessions("forget", "--yes")
    assert code == 2 and "wants a thread" in err, "everything is never meant"
    code, _, err = await sessions("forget", "--older-than", "soon", "--yes")
    assert code == 2 and "12h" in err
    code, out, _ = await sessions("forget", "--user", ADA, "--yes")
    assert code == 0 and "1 sessions" in out
    assert not [key async for key in store.names(f"*{ADA}*")] + [key async for key in store.names(f"*{THREAD}*")]
    assert (await sessions("forget", THREAD, "--yes"))[0] == 1
