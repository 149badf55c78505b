"""Google's Gemini API as a provider, for users; it lives in `core.models`."""

from __future__ import annotations

from core.models._providers import GoogleGLAProvider

__all__ = ["GoogleGLAProvider"]
