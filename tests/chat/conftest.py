"""The rig: real Redis, scripted engine, platform in memory, short times."""

from __future__ import annotations

import pytest

from core.store import Store
from tests.chat.rig import Rig, quick

__all__ = ["quick"]


@pytest.fixture
async def rig(store: Store, redis_url: str, quick: None) -> Rig:
    return Rig(store, redis_url)
