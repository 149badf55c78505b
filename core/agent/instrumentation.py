"""What an agent is told about telemetry. It is kept for whoever reads `Agent.instrument`; no spans are sent yet."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

__all__ = ["InstrumentationSettings"]


@dataclass
class InstrumentationSettings:
    """OpenTelemetry providers to report to (None: the global ones), and where messages are put."""

    event_mode: Literal["attributes", "logs"] = "attributes"
    tracer_provider: Any | None = None
    event_logger_provider: Any | None = None
