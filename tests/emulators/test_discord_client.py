"""The local Discord as an unmodified discord.py sees it: sessions, threads, commands, lost connections."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace
from typing import Any

import discord
import pytest
import yarl
from discord import app_commands

from adapters.emulators.discord import DiscordEmulator, Limits, Message
from adapters.emulators.discord.events import MESSAGE_CONTENT

Run = Callable[..., Awaitable["Bot"]]


class Bot(discord.AutoShardedClient):
    """A client that writes down what it hears."""

    def __init__(self, **options: Any) -> None:
        intents = discord.Intents.none()
        intents.guilds = intents.guild_messages = intents.dm_messages = True
        intents.guild_reactions = intents.message_content = True
        options.setdefault("intents", intents)
        options.setdefault("shard_count", 1)
        super().__init__(guild_ready_timeout=0.1, **options)
        self.tree: app_commands.CommandTree[Bot] = app_commands.CommandTree(self)
        self.heard: list[discord.Message] = []
        self.events: list[str] = []

    async def on_message(self, message: discord.Message) -> None:
        self.heard.append(message)

    async def on_ready(self) -> None:
        self.events.append("ready")

    async def on_shard_resumed(self, shard_id: int) -> None:
        self.events.append("resumed")

    async def on_shard_disconnect(self, shard_id: int) -> None:
        self.events.append("disconnected")

    async def on_thread_create(self, thread: discord.Thread) -> None:
        self.events.append("thread")

    async def on_raw_reaction_add(self, payload: discord.RawReactionActionEvent) -> None:
        self.events.append(f"reaction {payload.emoji}")

    async def before_identify_hook(self, shard_id: int | None, *, initial: bool = False) -> None:
        """discord.py waits 5 s here, for a Discord with many shards."""

    def texts(self) -> list[str]:
        """What people said."""
        return [one.content for one in self.heard if one.author != self.user]


@pytest.fixture
async def emulator(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[DiscordEmulator]:
    async with DiscordEmulator(limits=Limits().faster(20)).running() as running:
        monkeypatch.setattr(discord.http.Route, "BASE", running.api_url)
        monkeypatch.setattr(discord.gateway.DiscordWebSocket, "DEFAULT_GATEWAY", yarl.URL(running.gateway_url))
        yield running


@pytest.fixture
async def run(emulator: DiscordEmulator) -> AsyncIterator[Run]:
    """Starts clients and waits until they are ready; closes them in the end."""
    async with contextlib.AsyncExitStack() as stack:

        async def start(bot: Bot | None = None) -> Bot:
            client = bot or Bot()
            await stack.enter_async_context(client)
            running = asyncio.create_task(client.start(emulator.bot_token), name="discord-client")
            stack.push_async_callback(ended, client, running)
            await asyncio.wait_for(client.wait_until_ready(), 5)
            return client

        yield start


async def ended(client: Bot, running: asyncio.Task[None]) -> None:
    await client.close()
    await asyncio.wait_for(running, 5)


async def test_a_client_logs_in_and_knows_its_server(emulator: DiscordEmulator, run: Run) -> None:
    bot = await run()
    assert bot.user is not None and bot.user.id == emulator.bot_user_id
    (guild,) = bot.guilds
    assert {channel.name for channel in guild.channels} == {"general", "random", "questions"}
    assert guild.me.guild_permissions.send_messages_in_threads and guild.self_role is not None
    assert bot.application_flags.gateway_message_content_limited


async def test_a_mention_is_answered_in_a_thread_that_grows_by_edits(emulator: DiscordEmulator, run: Run) -> None:
    bot = await run()
    question = await emulator.say("ada", "general", "@Parley what is new?")
    await emulator.wait_for(lambda: bot.heard)
    heard = bot.heard[0]
    assert bot.user in heard.mentions and heard.content == f"<@{emulator.bot_user_id}> what is new?"
    assert isinstance(heard.author, discord.Member)
    thread = await heard.create_thread(name="News", auto_archive_duration=60)
    assert thread.id == question.id
    answer = await thread.send("so")
    for text in ("so far", "so far so", "so far so good"):
        await answer.edit(content=text)
    await answer.reply("done", mention_author=False)
    shown = emulator.messages(emulator.channel(thread.id))
    assert [one.content for one in shown] == ["", "so far so good", "done"]
    assert [state.content for state in shown[1].history] == ["so", "so far", "so far so", "so far so good"]
    await emulator.wait_for(lambda: "thread" in bot.events)
    assert (await bot.fetch_channel(thread.id)).parent_id == heard.channel.id  # type: ignore[union-attr]


@pytest.mark.parametrize("after", [True, False])
async def test_a_thread_is_announced_after_or_before_its_first_message(
    emulator: DiscordEmulator, run: Run, after: bool
) -> None:
    """Recorded traffic has it after, where the channel is no Thread yet."""
    emulator.world.thread_create_after_first_message = after
    bot = await run()
    await emulator.open_thread("ada", "questions", "how", "like this?")
    await emulator.wait_for(lambda: bot.heard)
    expected = discord.PartialMessageable if after else discord.Thread
    assert isinstance(bot.heard[0].channel, expected)


async def test_a_command_is_deferred_edited_and_followed_up(emulator: DiscordEmulator, run: Run) -> None:
    bot = Bot()

    @bot.tree.command(description="Ask something")
    async def ask(interaction: discord.Interaction[Bot], question: str) -> None:
        await interaction.response.defer()
        for word in ("one", "one two", question):
            await interaction.edit_original_response(content=word)
        await interaction.followup.send("only you", ephemeral=True)

    await run(bot)
    await bot.tree.sync()
    handle = await emulator.slash("ben", "general", "ask", {"question": "one two three"})
    await emulator.wait_for(lambda: len(handle.messages) == 2)
    original, hint = handle.messages
    assert (original.content, hint.content, hint.ephemeral) == ("one two three", "only you", True)
    assert handle.answer_type == 5 and handle.acked_after is not None and handle.acked_after < 3
    fetched = await bot.get_partial_messageable(original.channel_id).fetch_message(original.id)
    assert fetched.interaction_metadata is not None and fetched.interaction_metadata.user.name == "ben"


async def test_buttons_menus_and_autocomplete_reach_their_handlers(emulator: DiscordEmulator, run: Run) -> None:
    bot = Bot()

    class Stop(discord.ui.View):
        def __init__(self) -> None:
            super().__init__(timeout=None)

        @discord.ui.button(label="Stop", custom_id="stop")
        async def stop_it(self, interaction: discord.Interaction[Bot], button: discord.ui.Button[Stop]) -> None:
            await interaction.response.edit_message(content="stopped", view=None)

    @bot.tree.context_menu(name="Ask about this")
    async def about(interaction: discord.Interaction[Bot], message: discord.Message) -> None:
        await interaction.response.send_message(f"about {message.content}")

    @bot.tree.command(description="Choose")
    async def model(interaction: discord.Interaction[Bot], name: str, person: discord.Member) -> None:
        await interaction.response.send_message(f"{name} for {person.display_name}", view=Stop())

    @model.autocomplete("name")
    async def names(interaction: discord.Interaction[Bot], text: str) -> list[app_commands.Choice[str]]:
        return [app_commands.Choice(name=text + "-large", value="large")]

    await run(bot)
    await bot.tree.sync()
    offered = await (await emulator.autocomplete("ada", "general", "model", "name", "gpt")).answered()
    assert offered.choices == [{"name": "gpt-large", "value": "large"}]
    handle = await emulator.slash("ada", "general", "model", {"name": "large", "person": emulator.user("cleo")})
    message = await handle.finished()
    assert message.content == "large for Cleo"
    await (await emulator.press("ben", message, "stop")).answered()
    assert (message.content, message.components) == ("stopped", [])
    question = await emulator.say("ada", "general", "the weather")
    menu = await emulator.menu("ben", question, "Ask about this")
    assert (await menu.finished()).content == "about the weather"


async def test_a_form_is_opened_and_sent(emulator: DiscordEmulator, run: Run) -> None:
    bot = Bot()

    class Why(discord.ui.Modal, title="Why?"):
        reason: discord.ui.TextInput[Why] = discord.ui.TextInput(label="Reason", custom_id="reason")

        async def on_submit(self, interaction: discord.Interaction[Any]) -> None:
            await interaction.response.send_message(f"because {self.reason.value}")

    @bot.tree.command(description="Ask why")
    async def why(interaction: discord.Interaction[Bot]) -> None:
        await interaction.response.send_modal(Why())

    await run(bot)
    await bot.tree.sync()
    form = await (await emulator.slash("ada", "general", "why")).answered()
    sent = await emulator.submit("ada", form, {"reason": "so"})
    assert (await sent.finished()).content == "because so"


async def test_direct_messages_and_commands_in_them(emulator: DiscordEmulator, run: Run) -> None:
    bot = Bot()

    @bot.tree.command(description="Ask")
    async def ask(interaction: discord.Interaction[Bot]) -> None:
        await interaction.response.send_message("here")

    await run(bot)
    await bot.tree.sync()
    await emulator.direct("cleo", "psst")
    await emulator.wait_for(lambda: bot.heard)
    assert isinstance(bot.heard[0].channel, discord.DMChannel)
    await bot.heard[0].reply("yes?")
    handle = await emulator.slash("cleo", emulator.direct_channel("cleo"), "ask")
    await handle.finished()
    said = [one.content for one in emulator.messages(emulator.direct_channel("cleo"))]
    assert said == ["psst", "yes?", "here"]


@pytest.mark.parametrize("how", ["drop", "reconnect", "invalid session that may resume"])
async def test_what_was_said_during_a_lost_connection_arrives_with_the_resume(
    emulator: DiscordEmulator, run: Run, how: str
) -> None:
    bot = await run()
    emulator.hold_connections()
    if how == "drop":
        await emulator.drop()
    elif how == "reconnect":
        await emulator.reconnect_request()
    else:
        await emulator.invalidate(resumable=True)
    await emulator.wait_for(lambda: not emulator.gateway.connections)
    await emulator.say("ada", "general", "anybody?")
    emulator.hold_connections(False)
    await emulator.wait_for(lambda: "resumed" in bot.events, 10)
    await emulator.wait_for(lambda: bot.texts() == ["anybody?"])
    assert len(emulator.gateway.sessions.all()) == 1


async def test_an_invalid_session_loses_what_was_said_but_not_what_comes(emulator: DiscordEmulator, run: Run) -> None:
    """After op 9 (false) only REST knows what happened in between."""
    bot = await run()
    known = emulator.gateway.sessions.all()[0]
    await emulator.invalidate()
    await emulator.say("ada", "general", "lost")
    await emulator.wait_for(lambda: bot.events.count("ready") == 2, 10)
    assert emulator.gateway.sessions.all()[0] is not known
    await emulator.say("ada", "general", "heard")
    await emulator.wait_for(lambda: bot.texts())
    assert bot.texts() == ["heard"]
    channel = bot.get_partial_messageable(emulator.channel("general").id)
    assert [one.content async for one in channel.history()] == ["heard", "lost"]


async def test_an_event_can_arrive_twice(emulator: DiscordEmulator, run: Run) -> None:
    bot = await run()
    await emulator.say("ada", "general", "once")
    await emulator.redeliver()
    await emulator.wait_for(lambda: bot.texts() == ["once", "once"])
    assert bot.heard[0].id == bot.heard[1].id


async def test_two_sessions_both_hear_everything(emulator: DiscordEmulator, run: Run) -> None:
    """As while one process takes over from another."""
    first, second = await run(), await run()
    await emulator.say("ada", "general", "hello")
    await emulator.wait_for(lambda: first.texts() == second.texts() == ["hello"])


async def test_a_guild_speaks_to_its_shard_and_direct_messages_to_shard_0(emulator: DiscordEmulator, run: Run) -> None:
    owner = (emulator.guild_id >> 22) % 2
    bots = [await run(Bot(shard_count=2, shard_ids=[number])) for number in (0, 1)]
    await emulator.say("ada", "general", "guild")
    await emulator.direct("ada", "direct")
    await emulator.wait_for(lambda: "guild" in bots[owner].texts() and "direct" in bots[0].texts())
    assert "guild" not in bots[1 - owner].texts() and "direct" not in bots[1].texts()


async def test_without_the_content_intent_only_mentions_and_direct_messages_have_text(
    emulator: DiscordEmulator, run: Run
) -> None:
    intents = discord.Intents.none()
    intents.guilds = intents.guild_messages = intents.dm_messages = True
    bot = await run(Bot(intents=intents))
    await emulator.say("ada", "general", "among us")
    await emulator.say("ada", "general", "@Parley hi")
    await emulator.direct("ada", "psst")
    await emulator.wait_for(lambda: len(bot.heard) == 3)
    assert bot.texts() == ["", f"<@{emulator.bot_user_id}> hi", "psst"]


async def test_an_intent_not_allowed_in_the_portal_is_named(emulator: DiscordEmulator) -> None:
    emulator.allow_intents(0)
    async with Bot() as bot:
        with pytest.raises(discord.PrivilegedIntentsRequired):
            await bot.start(emulator.bot_token)
    emulator.allow_intents(MESSAGE_CONTENT)


async def test_a_wrong_token_is_a_login_failure(emulator: DiscordEmulator) -> None:
    async with Bot() as bot:
        with pytest.raises(discord.LoginFailure):
            await bot.start("wrong")


async def test_errors_become_the_exceptions_discord_py_knows(emulator: DiscordEmulator, run: Run) -> None:
    bot = await run()
    channel = bot.get_partial_messageable(emulator.channel("general").id)
    with pytest.raises(discord.HTTPException) as too_long:
        await channel.send("x" * 2001)
    assert too_long.value.code == 50035
    sent = await channel.send("here")
    await emulator.delete_message(emulator.messages("general")[-1])
    with pytest.raises(discord.NotFound) as gone:
        await sent.edit(content="x")
    assert gone.value.code == 10008


async def test_a_retried_send_makes_one_message(emulator: DiscordEmulator, run: Run) -> None:
    """discord.py retries a 502 with the nonce it made; the lost answer was of a message that exists."""
    bot = await run()
    emulator.fail_next("POST /channels/*/messages", status=502, after_effect=True)
    await bot.get_partial_messageable(emulator.channel("general").id).send("once")
    assert [one.content for one in emulator.messages("general")] == ["once"]
    assert len(emulator.calls("POST /channels/*/messages")) == 2


async def test_a_client_that_waits_as_told_meets_no_429(emulator: DiscordEmulator, run: Run) -> None:
    bot = await run()
    message = await bot.get_partial_messageable(emulator.channel("general").id).send("0")
    for number in range(1, 13):
        await message.edit(content=str(number))
    assert emulator.messages("general")[0].content == "12"
    assert sum(emulator.rate_limited.values()) == 0


async def test_edits_deletions_reactions_and_typing_are_heard(emulator: DiscordEmulator, run: Run) -> None:
    bot = await run()
    raw: list[str] = []
    bot.on_raw_message_edit = _noting(raw, "edit")  # type: ignore[attr-defined]
    bot.on_raw_message_delete = _noting(raw, "delete")  # type: ignore[attr-defined]
    message: Message = await emulator.say("ada", "general", "helo")
    await emulator.edit_message(message, "hello")
    await emulator.react("ben", message, "👍")
    await emulator.wait_for(lambda: "reaction 👍" in bot.events)
    await emulator.delete_message(message)
    await emulator.wait_for(lambda: raw == ["edit", "delete"])
    async with bot.get_partial_messageable(emulator.channel("general").id).typing():
        assert emulator.is_typing("general")


def _noting(into: list[str], word: str) -> Callable[[Any], Awaitable[None]]:
    async def note(payload: Any) -> None:
        into.append(word)

    return note


async def test_the_bot_hears_nothing_of_channels_it_does_not_see(emulator: DiscordEmulator, run: Run) -> None:
    bot = await run()
    await emulator.set_permissions("random", deny=1 << 10)
    await emulator.say("ada", "random", "@Parley secret")
    await emulator.say("ada", "general", "open")
    await emulator.wait_for(lambda: bot.texts())
    assert bot.texts() == ["open"]


async def test_a_zombie_connection_is_left_and_resumed(emulator: DiscordEmulator, run: Run) -> None:
    """A client whose heartbeats find no answer notices by itself."""
    emulator.world.limits = replace(emulator.world.limits, heartbeat_s=0.1)
    bot = await run(Bot(heartbeat_timeout=0.3))
    emulator.stop_heartbeat_acks()
    zombie = emulator.gateway.connections[0]
    await emulator.wait_for(lambda: zombie not in emulator.gateway.connections, 10)
    emulator.stop_heartbeat_acks(False)
    await emulator.wait_for(lambda: "resumed" in bot.events, 10)


async def test_a_forwarded_message_brings_its_snapshot(emulator: DiscordEmulator, run: Run) -> None:
    """The text of a forwarded message is not in `content`."""
    bot = await run()
    await emulator.forward("ben", await emulator.say("ada", "general", "news"), "random")
    await emulator.wait_for(lambda: len(bot.heard) == 2)
    assert bot.heard[1].content == "" and bot.heard[1].message_snapshots[0].content == "news"


async def test_the_bots_role_can_be_mentioned_instead_of_the_bot(emulator: DiscordEmulator, run: Run) -> None:
    bot = await run()
    await emulator.say("ada", "general", f"<@&{emulator.bot_role_id}> hi")
    await emulator.wait_for(lambda: bot.heard)
    assert [role.id for role in bot.heard[0].role_mentions] == [emulator.bot_role_id]
    assert bot.heard[0].mentions == []


async def test_a_new_server_is_announced(emulator: DiscordEmulator, run: Run) -> None:
    bot = await run()
    guild = await emulator.add_guild("Elsewhere")
    await emulator.wait_for(lambda: bot.get_guild(guild.id))
    await emulator.remove_guild(guild)
    await emulator.wait_for(lambda: bot.get_guild(guild.id) is None)
