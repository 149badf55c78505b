"""What the engine's tests share."""

from __future__ import annotations

import pytest


@pytest.fixture
def _no_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    """An environment that names neither a model nor a provider."""
    monkeypatch.delenv("PARLEY_MODEL", raising=False)
    for provider in ("OPENAI", "ANTHROPIC", "GEMINI"):
        monkeypatch.delenv(f"{provider}_API_KEY", raising=False)
        monkeypatch.delenv(f"{provider}_BASE_URL", raising=False)
