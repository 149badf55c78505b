"""A whole house: both platforms, a model provider, a real Redis, and the bot between them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest

from adapters.discord import DiscordAdapter, DiscordSettings
from adapters.emulators.discord import DiscordEmulator
from adapters.emulators.discord import Message as DiscordMessage
from adapters.emulators.slack import Message as SlackMessage
from adapters.emulators.slack import SlackEmulator
from adapters.slack import SlackAdapter, SlackSettings
from bots.assistant import default_assistant
from bots.bot import Bot
from bots.settings import Settings
from core.chat.answerer import Answerer
from core.store import Store
from tests.providers.openai_server import OpenAIServer


@dataclass
class House:
    slack: SlackEmulator
    discord: DiscordEmulator
    provider: OpenAIServer
    store: Store
    settings: Settings
    start_bot: Callable[[], Awaitable[None]]
    stop_bot: Callable[[], Awaitable[None]]
    bots: list[Bot] = field(default_factory=list)

    async def slack_says(self, text: str, user: str = "ada", **kwargs: Any) -> SlackMessage:
        return await self.slack.say(user, "general", text, **kwargs)

    def slack_answers(self, thread: str | SlackMessage) -> list[SlackMessage]:
        """The bot's messages in a thread of #general."""
        root = thread if isinstance(thread, str) else thread.ts
        return self.slack.bot_messages("general", root)

    async def slack_settled(self, thread: SlackMessage, answers: int = 1, timeout: float = 20.0) -> list[SlackMessage]:
        """Wait until the thread has at least so many messages of the bot, and none shows a Stop button."""
        return await self.slack.wait_for(
            lambda: (
                (found := self.slack_answers(thread))
                and len(found) >= answers
                and not any(has_stop_button(m) for m in found)
                and found
            ),
            timeout,
        )

    def discord_answers(self, place: Any) -> list[DiscordMessage]:
        return [m for m in self.discord.messages(place) if m.author.id == self.discord.bot_user_id]

    async def discord_thread(self, message: DiscordMessage, timeout: float = 10.0) -> Any:
        return await self.discord.wait_for(
            lambda: next((t for t in self.discord.threads() if t.id == message.id), None), timeout
        )

    async def discord_settled(self, place: Any, answers: int = 1, timeout: float = 20.0) -> list[DiscordMessage]:
        return await self.discord.wait_for(
            lambda: (
                (found := self.discord_answers(place))
                and len(found) >= answers
                and not any(has_stop_component(m) for m in found)
                and found
            ),
            timeout,
        )


def has_stop_button(message: SlackMessage) -> bool:
    return "parley_stop" in action_ids(message)


def action_ids(message: SlackMessage) -> list[str]:
    """The buttons under a message."""
    elements = [element for block in message.blocks or () for element in block.get("elements", ())]
    return [element["action_id"] for element in elements if "action_id" in element]


def has_stop_component(message: DiscordMessage) -> bool:
    return any(one.startswith("parley:stop:") for one in custom_ids(message))


def custom_ids(message: DiscordMessage) -> list[str]:
    """The buttons under a message."""
    return [button["custom_id"] for row in message.components for button in row["components"]]


@asynccontextmanager
async def a_house(
    store: Store, answerer: Callable[[Settings], Answerer] = default_assistant, **changed: Any
) -> AsyncIterator[House]:
    """changed: settings other than those of every house here."""
    async with AsyncExitStack() as stack:
        slack = SlackEmulator()
        discord = DiscordEmulator()
        await stack.enter_async_context(slack.running())
        await stack.enter_async_context(discord.running())
        provider = await stack.enter_async_context(OpenAIServer())
        settings = Settings(
            _env_file=None,  # type: ignore[call-arg]  # pydantic-settings takes it, its stub does not say so
            parley_model="openai:gpt-4o",
            openai_base_url=provider.base_url,
            openai_api_key="test-key",
            parley_admins="slack:UADMIN0",
            **changed,
        )
        running: list[tuple[asyncio.Event, asyncio.Task[None]]] = []

        async def start_bot() -> None:
            until, up = asyncio.Event(), asyncio.Event()

            async def live() -> None:
                adapters = [
                    SlackAdapter(
                        SlackSettings(
                            slack.bot_token,
                            slack.app_token,
                            slack.signing_secret,
                            slack.api_url,
                            streaming=settings.parley_slack_streaming,
                        )
                    ),
                    DiscordAdapter(DiscordSettings(discord.bot_token, discord.api_url)),
                ]
                async with Bot(settings, store, answerer(settings), adapters, "openai") as bot:
                    serving = asyncio.create_task(bot.run(until))
                    while any(adapter.unready() for adapter in adapters) and not serving.done():  # noqa: ASYNC110
                        await asyncio.sleep(0.01)
                    up.set()
                    await serving

            task = asyncio.create_task(live(), name="bot")
            waiting = asyncio.create_task(up.wait())
            await asyncio.wait({task, waiting}, timeout=15, return_when=asyncio.FIRST_COMPLETED)
            if not up.is_set():
                waiting.cancel()
                task.cancel()
                await asyncio.gather(task, waiting)
            running.append((until, task))

        async def stop_bot() -> None:
            while running:
                until, task = running.pop()
                until.set()
                await task

        stack.push_async_callback(stop_bot)
        yield House(slack, discord, provider, store, settings, start_bot, stop_bot)


@pytest.fixture
async def house(store: Store) -> AsyncIterator[House]:
    async with a_house(store) as built:
        await built.start_bot()
        yield built
