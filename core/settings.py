"""Settings of model requests, for users; they live in `core.models.settings`."""

from __future__ import annotations

from core.models.settings import ModelSettings, merge_model_settings

__all__ = [
    "ModelSettings",
    "merge_model_settings",
]
