"""Mailbox, lease, takeover: the very tests that run on one server, behind Sentinels and on a Cluster."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from core.store import Store
from tests.chat.rig import Rig, quick
from tests.chat.test_takeover import (
    test_a_stop_between_two_workers_is_heard_by_the_second as test_a_stop_is_heard_by_the_second_worker,
)
from tests.chat.test_takeover import (
    test_a_worker_serves_no_more_sessions_at_once_than_it_may as test_a_worker_keeps_to_its_number,
)
from tests.chat.test_takeover import (
    test_drain_stops_what_does_not_finish_visibly_and_hands_over_what_waits as test_drain_hands_over_what_waits,
)
from tests.chat.test_takeover import (
    test_the_model_is_not_asked_again_for_an_answer_that_was_complete as test_a_complete_answer_is_only_shown,
)
from tests.chat.test_takeover import (
    test_two_messages_at_once_on_two_workers_are_answered_in_order as test_two_workers_keep_the_order,
)
from tests.sessions.test_mailbox_and_lease import *  # noqa: F403
from tests.sessions.test_mailbox_and_lease import mailboxes
from tests.store.topologies import Servers

__all__ = [
    "mailboxes",
    "quick",
    "test_a_complete_answer_is_only_shown",
    "test_a_stop_is_heard_by_the_second_worker",
    "test_a_worker_keeps_to_its_number",
    "test_drain_hands_over_what_waits",
    "test_two_workers_keep_the_order",
]


@pytest.fixture
async def store(servers: Servers) -> AsyncIterator[Store]:
    opened = await Store.open(servers.url)
    await opened.redis.flushall()
    yield opened
    await opened.aclose()


@pytest.fixture
async def rig(store: Store, servers: Servers, quick: None) -> Rig:
    return Rig(store, servers.url)
