"""OpenAI as a provider, for users; it lives in `core.models`."""

from __future__ import annotations

from core.models._providers import OpenAIProvider

__all__ = ["OpenAIProvider"]
