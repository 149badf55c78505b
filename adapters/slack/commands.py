"""The slash command, `/parley ask|usage|reset|stop|help` (its name is whatever the app's settings call it).

Slack wants an answer within three seconds, so the command is acked first and worked on afterwards. A slash command
says no thread and cannot be given in one (docs.slack.dev, "Slash commands"): `ask` opens a thread of its own with a
visible message, so that everybody in the channel sees what the answer belongs to.
"""

from __future__ import annotations

import asyncio
import logging

from slack_sdk.web.async_client import AsyncWebClient

from adapters.slack._admission import Admission
from adapters.slack._errors import SDK_ERRORS, code_of, surface_error
from adapters.slack.inbound import Me, Slash, recipient
from adapters.slack.limits import draws
from adapters.slack.manual import manual
from adapters.slack.markdown import quoted
from adapters.slack.people import People
from adapters.slack.place import Place, channel_id, scope_id, user_id
from adapters.slack.whisper import Whisper
from core.chat import Author, CommandCall, CommandName, Intake, Message, RateLimited, StoreUnavailable, Verdict
from core.replies import Priority

log = logging.getLogger(__name__)

_STORE_PAUSES_S = (0.5, 1.0, 2.0)
"""Slack does not deliver a command again, so a store that is away for a moment is waited for."""

STORE_DOWN = "I cannot reach my memory just now, so I did not take this in. Please try again in a minute."
BROKEN = "Something went wrong on my side, so I did not take this in. Please try again; if it stays, tell an admin."
FULL = "Too many messages are waiting in this thread; please try again in a moment."
BUSY = "I am still answering here; ask again when I am done."
_NOT_FOR_YOU = "I am not set up to answer you here. An admin of this workspace can change that."
_NO_ANSWER = "Slack did not let me post just now. Please try again in a moment."
_UNINVITED = frozenset({"channel_not_found", "not_in_channel"})


class Commands:
    """Carries out slash commands that have been acked already."""

    def __init__(
        self,
        me: Me,
        client: AsyncWebClient,
        people: People,
        whisper: Whisper,
        intake: Intake,
        admission: Admission,
    ) -> None:
        self._me = me
        self._client = client
        self._people = people
        self._whisper = whisper
        self._intake = intake
        self._admission = admission

    async def run(self, slash: Slash) -> None:
        """Do what `slash` asks; whatever goes wrong, the person hears of it."""
        try:
            verb, question = slash.parts
            if verb == "ask":
                await self._ask(slash, question)
            else:
                await self._say(slash, await self._intake.command(await self._call(slash, verb)))
        except StoreUnavailable:
            await self._say(slash, STORE_DOWN)
        except Exception:  # the crash boundary of one command
            log.exception("slack.command.failed", extra={"channel_id": slash.channel})
            await self._say(slash, BROKEN)

    async def _call(self, slash: Slash, verb: CommandName) -> CommandCall:
        return CommandCall(
            name=verb,
            user=user_id(slash.user),
            scope=scope_id(slash.team),
            channel=channel_id(slash.team, slash.channel),
            is_admin=verb != "help" and await self._people.is_admin(slash.user),
            directory=self._people,
            manual=manual(self._me.name, slash.command),
        )

    async def _ask(self, slash: Slash, question: str) -> None:
        try:
            root = await self._post_question(slash, question)
        except (RateLimited, *SDK_ERRORS) as exc:
            log.warning("slack.ask.not_posted", extra={"reason": str(surface_error("chat.postMessage", exc))})
            await self._say(slash, self._uninvited() if code_of(exc) in _UNINVITED else _NO_ANSWER)
            return
        verdict = await self._hand_in(slash, question, root)
        if verdict == "accepted":
            return
        await self._withdraw(root)
        if verdict in ("full", "busy"):
            await self._say(slash, FULL if verdict == "full" else BUSY)
        elif verdict == "ignored":
            await self._say(slash, _NOT_FOR_YOU)

    async def _post_question(self, slash: Slash, question: str) -> Place:
        """Show who asked what. The mention of the asking person is the only live thing in it."""
        posts = draws("post", Place(slash.team, slash.channel, ""))
        async with self._admission.to("chat.postMessage", worth=Priority.NOTICE, draws=posts):
            answer = await self._client.chat_postMessage(
                channel=slash.channel,
                text=f"<@{slash.user}> asked:\n{quoted(question)}",
                parse="none",
                link_names=False,
                unfurl_links=False,
                unfurl_media=False,
            )
        return Place(slash.team, str(answer.get("channel") or slash.channel), str(answer["ts"]))

    async def _hand_in(self, slash: Slash, question: str, root: Place) -> Verdict:
        own = f"{root.channel}:{root.thread_ts}"
        message = Message(
            thread_id=root.thread_id,
            scope=root.scope,
            channel=root.channel_id,
            author=Author(user_id(slash.user)),
            text=question,
            reach="command",
            keys=(own, f"trigger:{slash.trigger}") if slash.trigger else (own,),
            sent_at=float(root.thread_ts),
            origin=recipient(slash.user, slash.team),
        )
        for pause_s in _STORE_PAUSES_S:
            try:
                return await self._intake.accept(message)
            except StoreUnavailable:
                await asyncio.sleep(pause_s)
        verdict = await self._intake.accept(message)
        return "accepted" if verdict == "duplicate" else verdict  # stored by an attempt whose answer was lost

    async def _withdraw(self, root: Place) -> None:
        try:
            async with self._admission.to("chat.delete"):
                await self._client.chat_delete(channel=root.channel, ts=root.thread_ts)
        except (RateLimited, *SDK_ERRORS) as exc:
            log.warning("slack.ask.not_withdrawn", extra={"reason": str(surface_error("chat.delete", exc))})

    async def _say(self, slash: Slash, markdown: str) -> None:
        if not await self._whisper.answer(slash.response_url, markdown):
            await self._whisper.tell(slash.channel, slash.user, markdown)

    def _uninvited(self) -> str:
        return (
            f"I am not in this conversation. Invite me with `/invite @{self._me.name}` and ask again, "
            "or write me a direct message."
        )
