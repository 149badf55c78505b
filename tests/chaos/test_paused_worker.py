"""A worker that stood still for longer than its lease (a suspended machine, a long pause of its host) wakes up."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Mapping
from pathlib import Path

from adapters.emulators.discord import DiscordEmulator
from adapters.emulators.slack import SlackEmulator
from core.store import Store, keys
from core.usage import Totals, read, scopes, today
from tests.chaos.fleet import Member, a_fleet
from tests.e2e.conftest import has_stop_button, has_stop_component
from tests.e2e.test_process import both, world
from tests.providers.openai_server import OpenAIServer, Reply

__all__ = ["world"]


async def test_a_worker_paused_past_its_lease_writes_nothing_when_it_goes_on(
    world: tuple[SlackEmulator, DiscordEmulator, OpenAIServer],
    store: Store,
    redis_url: str,
    tmp_path: Path,
    short_waits: Mapping[str, float],
) -> None:
    """Scenarios 5 and 22: SIGSTOP in the middle of two answers; another worker ends both in the same messages and
    clears the status. After SIGCONT the first one has a whole answer in its hands, and neither posts nor edits it, nor
    writes history or ledger."""
    slack, discord, provider = world

    stopped = asyncio.Event()

    async def slow(number: int) -> None:
        """Half of it comes before the worker is stopped: then both answers are shown as far as they go, and no call is
        under way. One that is just being sent is the window that nothing closes, see docs/durability.md."""
        await asyncio.sleep(0.02)
        if number >= 30:
            await stopped.wait()

    provider.reply(Reply([f"old{number} " for number in range(60)], pause=slow))
    async with a_fleet(tmp_path, both(*world) | {"REDIS_URL": redis_url}, short_waits) as fleet:
        await fleet.add("ingress", "run", "--role", "ingress")
        first = await fleet.add("first", "run", "--role", "worker")
        await fleet.until_ready()
        question = await slack.say("ada", "general", "@Parley hello")
        asked = await discord.say("Ada", "general", "@Parley hello")

        def answers() -> tuple[str, str]:
            found = slack.bot_messages("general", question.ts)
            told = [one for one in discord.world.messages.get(asked.id, {}).values() if one.author.bot]
            return "".join(one.visible for one in found), "".join(one.content for one in told)

        def platform_writes() -> list[str]:
            """Every call that changed what people see of the two answers."""
            shown = {one.ts for one in slack.bot_messages("general", question.ts)}
            in_slack = [call for call in slack.calls() if call.method.startswith("chat.")]
            of_it = [
                call for call in in_slack if {call.args.get("ts"), call.args.get("thread_ts")} & {*shown, question.ts}
            ]
            in_discord = [call for call in discord.calls() if call.path.startswith(f"/channels/{asked.id}/messages")]
            return [str(call.args) for call in of_it] + [f"{call.method} {call.body}" for call in in_discord]

        await discord.wait_for(lambda: all("old29" in text for text in answers()), 20)
        first.send(signal.SIGSTOP)
        stopped.set()
        provider.reply("new and whole")
        await fleet.add("second", "run", "--role", "worker")
        await discord.wait_for(
            lambda: (
                answers() == ("new and whole", "new and whole")
                and not any(map(has_stop_button, slack.bot_messages("general", question.ts)))
                and not any(map(has_stop_component, discord.messages(asked.id)))
            ),
            20,
        )
        async with asyncio.timeout(10):
            while (before := await written(store)).turns < 2:  # noqa: ASYNC110 - another process seals
                await asyncio.sleep(0.05)
        histories = await all_histories(store)
        calls = platform_writes()
        assert not slack.status("general", question.ts)
        first.send(signal.SIGCONT)
        await logged(first, "session.lease_lost", times=2)
        provider.reply("once more")
        await slack.say("ada", "general", "@Parley again")  # whoever takes this one, the first is at work again
        await slack.wait_for(lambda: slack.bot_messages("general")[-1].visible.strip() == "once more", 20)
        assert answers() == ("new and whole", "new and whole")
        assert platform_writes() == calls
        after = await written(store)
        assert (after.turns, after.estimated) in (
            (before.turns, before.estimated),
            (before.turns + 1, before.estimated),
        )
        assert {thread: entries for thread, entries in (await all_histories(store)).items() if thread in histories} == (
            histories
        )


async def written(store: Store) -> Totals:
    totals = Totals()
    for scope in await scopes(store):
        for row in await read(store, scope, 2, today()):
            totals.add(row.totals)
    return totals


async def all_histories(store: Store) -> dict[str, list[str]]:
    found = [key async for key in store.names(keys.session_pattern("history"))]
    return {key: await store.redis.lrange(key, 0, -1) for key in found}


async def logged(member: Member, event: str, times: int) -> None:
    async with asyncio.timeout(15):
        while member.log.read_text().count(event) < times:  # noqa: ASYNC110 - another process writes it
            await asyncio.sleep(0.05)
