"""Where models are reached, for users; it lives in `core.models`."""

from __future__ import annotations

from core.models._providers import Provider

__all__ = ["Provider"]
