"""PARLEY_AGENT: an agent of one's own behind the same front."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

from tests.e2e.test_process import PARLEY

AGENT = """
from core import Agent

agent = Agent("test", instructions="You know our office.")
"""


def doctor(directory: Path, redis_url: str, agent: str) -> subprocess.CompletedProcess[str]:
    env = {"PATH": os.environ["PATH"], "HOME": str(directory), "REDIS_URL": redis_url, "PARLEY_AGENT": agent}
    asked = [str(PARLEY), "doctor"]
    return subprocess.run(asked, check=False, capture_output=True, text=True, cwd=directory, env=env, timeout=50)


def test_a_module_is_found_where_parley_is_started(tmp_path: Path, redis_url: str) -> None:
    """As the README has it: one file, nothing to install."""
    (tmp_path / "my_agent.py").write_text(AGENT)
    found = doctor(tmp_path, redis_url, "my_agent:agent")
    assert found.returncode == 0, found.stdout + found.stderr
    assert "WRONG" not in found.stdout


def test_an_agent_that_is_nowhere_is_named_with_where_it_is_looked_for(tmp_path: Path, redis_url: str) -> None:
    found = doctor(tmp_path, redis_url, "my_agent:agent")
    assert found.returncode != 0
    assert "PARLEY_AGENT: 'my_agent:agent' cannot be loaded" in found.stdout
    assert "where Parley is started" in found.stdout
