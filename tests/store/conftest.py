"""Topologies of Redis for the tests that ask for them; each is started once for a module."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.store.topologies import Servers, a_topology


@pytest.fixture(scope="module", params=["sentinel", "cluster"])
def servers(request: pytest.FixtureRequest) -> Iterator[Servers]:
    """A master with Sentinels, then a Cluster."""
    with a_topology(request.param) as started:
        yield started
