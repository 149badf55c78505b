"""Discord's refusals in core's words."""

from __future__ import annotations

import pytest

from adapters.discord._errors import ApiError, to_surface_error
from core.chat import (
    MessageFrozen,
    MessageGone,
    NotPermitted,
    PlacementGone,
    RateLimited,
    SegmentRejected,
    SurfaceError,
    SurfaceUnavailable,
)


@pytest.mark.parametrize(
    ("status", "code", "expected"),
    [
        (404, 10008, MessageGone),
        (429, 30046, MessageFrozen),
        (404, 10003, PlacementGone),
        (403, 160005, PlacementGone),
        (400, 50083, PlacementGone),
        (403, 50001, NotPermitted),
        (403, 50013, NotPermitted),
        (401, 0, NotPermitted),
        (400, 50035, SegmentRejected),
        (400, 50006, SegmentRejected),
        (400, 200000, SegmentRejected),
        (429, 0, RateLimited),
        (429, 20028, RateLimited),
        (503, 0, SurfaceUnavailable),
    ],
)
def test_each_refusal_says_what_to_do(status: int, code: int, expected: type[SurfaceError]) -> None:
    """The writer decides by the class of the error alone."""
    error = to_surface_error(ApiError("POST /x", status, code, "why", 7.5))
    assert type(error) is expected
    if isinstance(error, RateLimited):
        assert error.retry_after_s == 7.5
    if isinstance(error, NotPermitted):
        assert error.hint
