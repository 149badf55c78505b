"""Commands: what people ask of Parley itself. Answered with text, never by the model."""

from __future__ import annotations

import asyncio
from collections.abc import Collection
from typing import assert_never

from core.chat import texts
from core.chat.adapter import CommandCall, Directory
from core.ids import ScopeId, ThreadId, UserId
from core.sessions import Mailboxes
from core.store import Store
from core.usage import admin_report, named_in_report, own_report, read, today

_REPORT_DAYS = 30
_NAMES_WAIT_S = 2.0


class Commands:
    """admins: people who may see a whole workspace's usage, wherever they ask; a platform may vouch for others."""

    def __init__(self, store: Store, mailboxes: Mailboxes, admins: Collection[UserId]) -> None:
        self._store = store
        self._mailboxes = mailboxes
        self._admins = frozenset(admins)

    async def run(self, call: CommandCall) -> str:
        """Answer `call` with markdown. Raises StoreUnavailable."""
        match call.name:
            case "help":
                return call.manual.text()
            case "usage":
                if call.is_admin or call.user in self._admins:
                    return await self._workspace_usage(call)
                return await self.own_usage(call.scope, call.user)
            case "stop":
                stopped = [await self._mailboxes.request_stop(thread) for thread in await self._threads(call)]
                return texts.STOP_DONE if any(stopped) else texts.NOTHING_RUNS
            case "reset":
                return await self._reset(call)
            case _:
                assert_never(call.name)

    async def own_usage(self, scope: ScopeId, user: UserId) -> str:
        until = today()
        return own_report(await read(self._store, scope, _REPORT_DAYS, until), user, until)

    async def _workspace_usage(self, call: CommandCall) -> str:
        until = today()
        rows = await read(self._store, call.scope, _REPORT_DAYS, until)
        names = await _names(named_in_report(rows), call.directory)
        return admin_report(rows, until, lambda one: names.get(one, one))

    async def _threads(self, call: CommandCall) -> list[ThreadId]:
        """The thread the command was given in, and those in which this person talks to us in that channel."""
        here = [call.thread_id] if call.thread_id is not None else []
        recent = await self._mailboxes.recent(call.channel, call.user)
        return here if here and await self._mailboxes.facts(here[0]) else recent

    async def _reset(self, call: CommandCall) -> str:
        """Forget the one conversation that is meant: this thread's, else this person's latest in the channel."""
        threads = await self._threads(call)
        if not threads:
            return texts.NOTHING_TO_FORGET
        await self._mailboxes.forget_history(threads[0])
        return texts.FORGOTTEN


async def _names(ids: Collection[str], directory: Directory | None) -> dict[str, str]:
    """What the platform calls `ids`, as far as it says so in time."""
    if directory is None:
        return {}
    asked = {one: asyncio.ensure_future(directory.name_of(one)) for one in ids}
    if not asked:
        return {}
    _, late = await asyncio.wait(asked.values(), timeout=_NAMES_WAIT_S)
    for task in late:
        task.cancel()
    await asyncio.gather(*late, return_exceptions=True)
    return {one: name for one, task in asked.items() if task not in late and (name := task.result())}
