"""Gemini under the name of the module code written for pydantic-ai imports it from; it lives in `google`."""

from __future__ import annotations

from core.models.google import GeminiModel, GeminiModelSettings, GeminiSafetySettings

__all__ = ["GeminiModel", "GeminiModelSettings", "GeminiSafetySettings"]
