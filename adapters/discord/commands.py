"""Slash commands: their definitions, their registration, and what each hands to core.

Discord waits three seconds for the first answer to an interaction ("Receiving and Responding"), so the first thing
that every handler awaits is that answer ("is thinking"); only then is there time for the store.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from typing import Any, Final, TypeVar

import aiohttp
import discord
from discord import app_commands

from adapters.discord import _errors as errors
from adapters.discord import _names as names
from adapters.discord._reading import read_place
from adapters.discord._rest import Json, Rest, is_object
from adapters.discord.inbound import Place
from adapters.discord.manual import MANUAL
from adapters.discord.markdown import LIMIT, to_content
from adapters.discord.origin import Asked, encode
from core.chat import (
    Author,
    CommandCall,
    CommandName,
    Directory,
    Intake,
    Message,
    StoreUnavailable,
    SurfaceError,
    Verdict,
    Vote,
)

log = logging.getLogger(__name__)

T = TypeVar("T")

STORE_AWAY: Final = "I cannot reach my memory just now, so nothing was done. Please try again in a minute."
FAILED: Final = "Something went wrong on my side, and nothing was done. Please try again."
FULL: Final = "Too many messages are waiting here already. Please ask again when I have caught up."
BUSY: Final = "I am still answering here; ask again when I am done."
NOT_HERE: Final = "I do not answer here. Whoever runs me decides who may use me, and where."
NOT_THE_NEWEST: Final = "Only the newest answer can be asked for again. Ask the question once more instead."
FINISHED: Final = "That answer is not being written any more."
TOO_OLD_TO_RATE: Final = "That answer is too old to be rated."
RATING_TAKEN: Final[dict[Vote, str]] = {
    "up": "👍 Noted, thank you.",
    "down": "👎 Noted, thank you. **Retry** asks for another answer.",
}

_DESCRIPTIONS: Final[dict[CommandName, str]] = {
    "usage": "Show what was used, and what it cost",
    "reset": "Forget this conversation and start afresh",
    "stop": "Stop the answer that is being written here",
    "help": "Show what I can do",
}

_REFUSALS: Final[dict[Verdict, str]] = {"full": FULL, "busy": BUSY, "ignored": NOT_HERE}

_NO_ANSWER: Final = (aiohttp.ClientError, OSError, TimeoutError)
_PAUSES_S: Final = (0.1, 0.4)
"""Before an answer to an interaction is sent again; the three seconds allow no more."""

Handler = Callable[[discord.Interaction], Coroutine[Any, Any, None]]  # Any: what discord.py asks for


class Commands:
    """Answers the slash commands and the buttons. `now`: seconds since the epoch."""

    def __init__(self, intake: Intake, people: Directory, now: Callable[[], float]) -> None:
        self._intake = intake
        self._people = people
        self._now = now

    async def ask(self, interaction: discord.Interaction, question: str) -> None:
        """`/ask`: answer in the open, as the response to the command."""
        response = await _deferred(interaction, ephemeral=False)
        if response is None:
            return
        try:
            verdict = await self._intake.accept(self._asked(interaction, question, response))
        except StoreUnavailable:
            await _say(interaction, STORE_AWAY)
        except Exception:
            log.exception("discord.ask_failed", extra={"interaction_id": interaction.id})
            await _say(interaction, FAILED)
        else:
            if refusal := _REFUSALS.get(verdict):
                await _say(interaction, refusal)

    def _asked(self, interaction: discord.Interaction, question: str, response: str) -> Message:
        place = read_place(interaction.channel, interaction.guild_id)
        if not place.channel:
            raise ValueError("the interaction names no channel")
        origin = Asked(
            application=str(interaction.application_id),
            token=interaction.token,
            at=self._now(),
            message=response,
            channel=place.channel,
            bot_may_post=_bot_may_post(interaction, place),
        )
        here = response if place.kind == "text" else place.channel
        return Message(
            thread_id=names.thread_id(place.guild, here),
            scope=names.scope_id(place.guild),
            channel=names.channel_id(place.guild, place.parent or place.channel),
            author=Author(names.user_id(str(interaction.user.id)), interaction.user.display_name),
            text=question.strip(),
            reach="command",
            keys=(str(interaction.id),),
            sent_at=interaction.created_at.timestamp(),
            origin=encode(origin),
        )

    async def command(self, interaction: discord.Interaction, name: CommandName) -> None:
        """`/usage` and its like: answer that one person."""
        if await _deferred(interaction, ephemeral=True) is None:
            return
        place = read_place(interaction.channel, interaction.guild_id)
        call = CommandCall(
            name=name,
            user=names.user_id(str(interaction.user.id)),
            scope=names.scope_id(place.guild),
            channel=names.channel_id(place.guild, place.parent or place.channel),
            thread_id=names.thread_id(place.guild, place.channel) if place.channel else None,
            is_admin=place.guild is not None and interaction.permissions.manage_guild,
            directory=self._people,
            manual=MANUAL,
        )
        try:
            text = await self._intake.command(call)
        except StoreUnavailable:
            text = STORE_AWAY
        except Exception:
            log.exception("discord.command_failed", extra={"command": name, "interaction_id": interaction.id})
            text = FAILED
        await _say(interaction, text)

    async def stop(self, interaction: discord.Interaction, stop: str) -> None:
        """The Stop button under a growing answer. Works for answers of earlier processes, too."""

        async def press() -> str:
            return "" if await self._intake.stop(stop) else FINISHED

        await _pressed(interaction, press)

    async def retry(self, interaction: discord.Interaction, retry: str) -> None:
        """The Retry button under an answer."""

        async def press() -> str:
            return NOT_THE_NEWEST if await self._intake.retry(retry) == "old" else ""

        await _pressed(interaction, press)

    async def rate(self, interaction: discord.Interaction, rating: str, vote: Vote) -> None:
        """The thumbs under an answer."""
        user = names.user_id(str(interaction.user.id))

        async def press() -> str:
            return TOO_OLD_TO_RATE if await self._intake.rated(rating, user, vote) == "unknown" else RATING_TAKEN[vote]

        await _pressed(interaction, press)


async def _pressed(interaction: discord.Interaction, press: Callable[[], Coroutine[Any, Any, str]]) -> None:
    """Do what a button says; what `press` gives back is told to that one person."""
    try:
        await _accepted(interaction.response.defer)
    except Exception as exc:
        _log_unanswerable(interaction, exc)
        return
    try:
        text = await press()
    except StoreUnavailable:
        text = STORE_AWAY
    except Exception:
        log.exception("discord.press_failed", extra={"interaction_id": interaction.id})
        text = FAILED
    if text:
        await _whisper(interaction, text)


def add_commands(tree: app_commands.CommandTree[discord.Client], commands: Commands) -> None:
    """Define all commands on `tree`, usable in servers, in direct messages and by people who installed the app."""

    @app_commands.describe(question="What you want to know")
    async def ask(interaction: discord.Interaction, question: app_commands.Range[str, 1, 4000]) -> None:
        await commands.ask(interaction, question)

    # Any: these commands belong to no Cog, a case for which discord.py has no type
    definitions: list[app_commands.Command[Any, ..., None]] = [
        app_commands.Command(name="ask", description="Ask a question", callback=ask)
    ]
    for name, description in _DESCRIPTIONS.items():
        definitions.append(app_commands.Command(name=name, description=description, callback=_handler(commands, name)))
    for definition in definitions:
        app_commands.allowed_installs(guilds=True, users=True)(definition)
        app_commands.allowed_contexts(guilds=True, dms=True, private_channels=True)(definition)
        tree.add_command(definition)


async def register(rest: Rest, application: str, wanted: Sequence[Json]) -> bool:
    """Make `wanted` the application's global commands; False when they are that already.

    Overwriting counts to a daily limit and makes clients load the list anew, so it is done only when something
    changed. A failure is logged: the commands of an earlier start go on working.
    """
    path = "/applications/{application}/commands"
    try:
        present = (await rest.call("GET", path, application=application)).get("items")
        if isinstance(present, list) and _same(wanted, present):
            return False
        await rest.call("PUT", path, list(wanted), application=application)
    except (errors.ApiError, SurfaceError) as exc:
        log.warning("discord.commands_not_registered", extra={"reason": str(exc)})
        return False
    log.info("discord.commands_registered", extra={"commands": len(wanted)})
    return True


def _same(wanted: Sequence[Json], present: Sequence[object]) -> bool:
    def known(commands: Sequence[object]) -> dict[str, object]:
        return {str(command["name"]): _essence(command) for command in commands if is_object(command)}

    return len(wanted) == len(present) and known(wanted) == known(present)


_ESSENTIAL: Final = (
    "type",
    "name",
    "description",
    "default_member_permissions",
    "nsfw",
    "contexts",
    "integration_types",
    "required",
    "min_length",
    "max_length",
    "options",
)


def _essence(command: Json) -> dict[str, object]:
    """The fields we define, in one form, without what Discord adds (ids, versions, empty defaults)."""
    essence: dict[str, object] = {}
    for key in _ESSENTIAL:
        value = command.get(key)
        if key == "options" and isinstance(value, list):
            value = [_essence(option) for option in value if is_object(option)]
        elif isinstance(value, list):
            value = sorted(value)
        if value not in (None, [], False):
            essence[key] = value
    return essence


def _handler(commands: Commands, name: CommandName) -> Handler:
    async def handler(interaction: discord.Interaction) -> None:
        await commands.command(interaction, name)

    return handler


def _bot_may_post(interaction: discord.Interaction, place: Place) -> bool:
    """Whether the bot itself is in this channel and may speak there (not so where only a person installed us)."""
    if place.kind == "direct":
        return interaction.context.dm_channel is True
    allowed = interaction.app_permissions
    speak = allowed.send_messages_in_threads if place.kind == "thread" else allowed.send_messages
    return interaction.is_guild_integration() and allowed.view_channel and speak


async def _deferred(interaction: discord.Interaction, ephemeral: bool) -> str | None:
    """Answer "is thinking". Returns the id of that response; None when the interaction is not ours to answer.

    Another process may have answered it, or it came too late (a replay after a reconnect).
    """
    try:
        callback = await _accepted(lambda: interaction.response.defer(thinking=True, ephemeral=ephemeral))
        if callback is not None and callback.message_id is not None:
            return str(callback.message_id)
        return str((await _repeated(interaction.original_response)).id)
    except Exception as exc:
        _log_unanswerable(interaction, exc)
        return None


async def _accepted(answer: Callable[[], Awaitable[T]]) -> T | None:
    """What discord.py made of the answer to a callback, which is sent again when the connection broke.

    None for a yes without more: that the first attempt had arrived after all, or a bare 204, which discord.py trips
    over when it has asked for more ("Create Interaction Response", `with_response`).
    """
    unsure = False
    for pause in _PAUSES_S:
        try:
            return await answer()
        except (TypeError, ValueError):
            return None
        except _NO_ANSWER:
            unsure = True
        except discord.HTTPException as exc:
            if unsure and exc.code == errors.ALREADY_ACKNOWLEDGED:
                return None
            raise
        await asyncio.sleep(pause)
    return await answer()


async def _repeated(call: Callable[[], Awaitable[T]]) -> T:
    """Make a call that does no harm twice, again when the connection broke."""
    for pause in _PAUSES_S:
        try:
            return await call()
        except _NO_ANSWER:
            await asyncio.sleep(pause)
    return await call()


def _log_unanswerable(interaction: discord.Interaction, exc: Exception) -> None:
    reason = f"{type(exc).__name__} {getattr(exc, 'code', '')}".strip()
    log.warning("discord.interaction_unanswerable", extra={"interaction_id": interaction.id, "reason": reason})


async def _say(interaction: discord.Interaction, text: str) -> None:
    """Fill the deferred response; what does not fit follows for that person alone."""
    first, *rest = pages(to_content(text)) or [FAILED]
    try:
        message = await _repeated(
            lambda: interaction.edit_original_response(content=first, allowed_mentions=discord.AllowedMentions.none())
        )
        for page in rest:
            await interaction.followup.send(
                page, ephemeral=True, suppress_embeds=True, allowed_mentions=discord.AllowedMentions.none()
            )
    except Exception as exc:  # the connection may be closing; the log is all that is left
        _log_unanswerable(interaction, exc)
    else:
        log.debug("discord.command_answered", extra={"message_id": message.id, "pages": 1 + len(rest)})


async def _whisper(interaction: discord.Interaction, text: str) -> None:
    try:
        await interaction.followup.send(text, ephemeral=True, suppress_embeds=True)
    except Exception as exc:  # the connection may be closing; the log is all that is left
        _log_unanswerable(interaction, exc)


def pages(text: str, limit: int = LIMIT) -> list[str]:
    """Cut a command's answer at line ends into messages of at most `limit` characters; blank ones are left out."""
    parts: list[str] = []
    while len(text) > limit:
        cut = text.rfind("\n", 1, limit + 1)
        cut = cut if cut > 0 else limit
        parts.append(text[:cut])
        text = text[cut:]
    parts.append(text)
    return [part for part in parts if part.strip()]
