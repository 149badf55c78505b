"""How many examples a property is tried on: some hundred in the suite, thousands by `make test-deep`."""

from __future__ import annotations

import os

from hypothesis import HealthCheck, settings

DEEP = os.environ.get("HYPOTHESIS_PROFILE") == "deep"


def examples(suite: int, deep: int) -> settings:
    """Settings for a property whose examples cost more, or less, than usual. How long one takes is nobody's claim."""
    return settings(max_examples=deep if DEEP else suite, deadline=None, suppress_health_check=[HealthCheck.too_slow])
