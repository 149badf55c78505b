"""What an agent is told about telemetry, for users; it lives in `core.models.instrumented`."""

from __future__ import annotations

from core.models.instrumented import InstrumentationSettings

__all__ = ["InstrumentationSettings"]
