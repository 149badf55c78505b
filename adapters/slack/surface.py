"""SlackSurface: Segments as messages of ours, over chat.postMessage, chat.update and chat.delete."""

from __future__ import annotations

import asyncio
import logging
import time
from collections import deque
from collections.abc import AsyncIterator, Callable, Collection, Mapping
from typing import Any

from slack_sdk.web.async_client import AsyncWebClient

from adapters.slack._admission import WAIT_S, Admission
from adapters.slack._errors import CONTENT_REFUSED, SDK_ERRORS, StillStreams, code_of, surface_error
from adapters.slack._web import proxy_for
from adapters.slack.inbound import Me, is_persons, is_spoken, said_in
from adapters.slack.limits import LIMITS, PLAIN_LIMITS, draws
from adapters.slack.manual import manual
from adapters.slack.markdown import beginning, markdown_text, message, mrkdwn, text_fits
from adapters.slack.marker import is_marked, key_of, marker
from adapters.slack.place import Place, user_id
from adapters.slack.settings import StreamingMode
from adapters.slack.streams import Streams
from core.chat import (
    Attachment,
    Directory,
    Draws,
    Limits,
    Manual,
    MessageGone,
    MessageRef,
    Operation,
    Placement,
    PlacementGone,
    RateLimited,
    Said,
    Segment,
    SurfaceError,
    SurfaceUnavailable,
    ThreadId,
    UserId,
)
from core.replies import LocalBudget, Priority
from core.replies.recovery import MOST_CLOSED_S

log = logging.getLogger(__name__)

LARGEST_FILE = 100_000_000
_FILE = "F"
"""What ids of files begin with; those of messages are numbers."""

_BLOCKS_GIVEN_UP_AFTER = 3
_BLOCKS_GIVEN_UP_FOR_S = 600.0
_KEPT = 1000
_PAGES = 10
_BELOW = 100
"""How many messages below an answer are looked at."""


class SlackSurface:
    """One workspace. `client` must not retry by itself; whoever made its session closes it.
    me, people: who we and the others are, for reading a thread.  admission: to the budgets of what no Reply calls, None
    for one that is alone in the workspace.

    When Slack refuses the blocks of a Segment, the same Segment is sent once more with plain buttons in the place of
    Slack's own for a rating, if it has them, then as plain `text`. What grows in that
    thread is then shown as `text` until blocks are taken there again: a finished Segment is always tried with them. A
    server that has refused the blocks of several threads in a row (an old one that does not know the `markdown` block)
    gets `text` alone for ten minutes.
    streaming: where Slack's native streaming is used, see `streams`.  now: a clock in seconds.
    """

    def __init__(
        self,
        client: AsyncWebClient,
        me: Me | None = None,
        people: Directory | None = None,
        now: Callable[[], float] = time.monotonic,
        streaming: StreamingMode = "off",
        admission: Admission | None = None,
    ) -> None:
        self._client = client
        self._me = me or Me("", "")
        self._people = people
        self._now = now
        self._statuses = True
        self._plain: dict[str, None] = {}  # threads whose blocks were refused last
        self._refusing: set[str] = set()  # those of them since blocks were last taken anywhere
        self._no_blocks_until = 0.0
        self._own_rating = True  # Slack's own buttons are taken, as far as is known
        self._uncertain: dict[str, None] = {}
        self._admission = admission or Admission(LocalBudget(), self._me.team)
        self._streams = Streams(self._send, streaming, self._admission)

    @property
    def limits(self) -> Limits:
        """Of answers that begin now."""
        return LIMITS if self._now() >= self._no_blocks_until else PLAIN_LIMITS

    @property
    def manual(self) -> Manual:
        return manual(self._me.name)

    def draws(self, operation: Operation, placement: Placement) -> Draws:
        return draws(operation, Place.of(placement.thread_id), self._streams.live_in(placement.thread_id))

    async def open(self, placement: Placement) -> None:
        """Nothing to make ready: a Slack thread is there as soon as something is posted in it."""

    async def status(self, placement: Placement, doing: str) -> None:
        """Show it under the thread; Slack clears it with our next message, or after two minutes.

        Source: docs.slack.dev, assistant.threads.setStatus. Once the app may not do it, it is not tried again.
        """
        place = Place.of(placement.thread_id)
        if not doing:
            await self._streams.close_session(place)
        if not self._statuses:
            return
        args = {"channel_id": place.channel, "thread_ts": place.thread_ts}
        try:
            await self._call("assistant.threads.setStatus", args | {"status": doing})
        except (RateLimited, SurfaceUnavailable, PlacementGone):
            raise
        except SurfaceError as error:
            self._statuses = False
            log.info("slack.status.given_up", extra={"reason": str(error)})
            raise

    async def post(self, placement: Placement, segment: Segment, key: str) -> MessageRef:
        """Post in the thread, with `key` in the message's metadata.

        Slack has no idempotency key. So when an earlier attempt at `key` got no answer, the thread is searched for
        it first; `find` does the same for a Turn that another process began.
        """
        place = Place.of(placement.thread_id)
        if key in self._uncertain and (found := await self.find(placement, key)):
            self._uncertain.pop(key, None)
            return found
        args: dict[str, Any] = {  # Any: JSON
            "channel": place.channel,
            "thread_ts": place.thread_ts,
            "unfurl_links": False,
            "unfurl_media": False,
            "metadata": marker(key),
        }
        try:
            if (streaming := await self._streams.start(placement, segment, key)) is not None:
                self._uncertain.pop(key, None)
                return streaming
            posted = await self._show("chat.postMessage", args, segment, placement.thread_id)
        except SurfaceUnavailable:
            self._remember_uncertain(key)
            raise
        if not posted.get("ts"):
            self._remember_uncertain(key)
            raise SurfaceUnavailable("chat.postMessage: an answer without ts")
        self._uncertain.pop(key, None)
        ref = MessageRef(str(posted.get("channel") or place.channel), str(posted["ts"]))
        self._streams.note_own(ref)
        return ref

    async def edit(self, placement: Placement, ref: MessageRef, segment: Segment) -> None:
        """Whoever was given a place for the stream of a thread asks for that of an edit where it becomes one."""
        streamed = self._streams.live_in(placement.thread_id) is not None
        if await self._streams.show(placement, ref, segment):
            return
        update, thread = draws("edit", Place.of(placement.thread_id)), placement.thread_id
        args = {"channel": ref.channel, "ts": ref.message}
        if streamed:
            worth, wait_s = (Priority.STATUS, 0.0) if segment.stop else (Priority.FINAL, WAIT_S)
            async with self._admission.to("chat.update", worth=worth, wait_s=wait_s, draws=update):
                await self._show("chat.update", args, segment, thread)
            return
        try:
            await self._show("chat.update", args, segment, thread)
        except StillStreams:  # begun by another process
            await self._streams.release(placement, ref)
            await self._admission.account_for(update)
            await self._show("chat.update", args, segment, thread)

    async def delete(self, placement: Placement, ref: MessageRef) -> None:
        if ref.message.startswith(_FILE):
            await self._ask("files.delete", {"file": ref.message})
            return
        self._streams.drop(ref)
        try:
            await self._call("chat.delete", {"channel": ref.channel, "ts": ref.message})
        except MessageGone:
            return

    @property
    def largest_file(self) -> int:
        """Slack itself takes 1 GB (docs.slack.dev, "Working with files")."""
        return LARGEST_FILE

    async def upload(self, placement: Placement, file: Attachment, key: str) -> MessageRef:
        """In Slack's three steps. The file's name carries `key`, so that it can be found again; people see its title.

        Source: docs.slack.dev, files.getUploadURLExternal and files.completeUploadExternal; scope files:write.
        """
        place, content = Place.of(placement.thread_id), file.content
        stem, dot, suffix = file.name.rpartition(".")
        name = f"{stem}-{key}.{suffix}" if dot else f"{file.name}-{key}"
        try:
            async with self._admission.to("files.getUploadURLExternal"):
                asked = await self._client.files_getUploadURLExternal(filename=name, length=len(content))
            await self._send_bytes(str(asked["upload_url"]), content)
            files: list[dict[str, str | None]] = [{"id": str(asked["file_id"]), "title": file.name}]
            async with self._admission.to("files.completeUploadExternal"):
                await self._client.files_completeUploadExternal(
                    files=files, channel_id=place.channel, thread_ts=place.thread_ts
                )
        except SDK_ERRORS as exc:
            raise surface_error("files.upload", exc) from exc
        return MessageRef(place.channel, str(asked["file_id"]))

    async def _send_bytes(self, url: str, content: bytes) -> None:
        session = self._client.session
        assert session is not None
        async with session.post(url, data=content, proxy=proxy_for(url)) as answer:
            if answer.status >= 400:
                raise SurfaceUnavailable(f"files.upload: HTTP {answer.status}")

    async def find_upload(self, placement: Placement, key: str) -> MessageRef | None:
        place = Place.of(placement.thread_id)
        try:
            async for shown in self._replies(place):
                for file in shown.get("files") or ():
                    if key in str(file.get("name")):
                        return MessageRef(place.channel, str(file["id"]))
        except (RateLimited, SurfaceUnavailable):
            raise
        except SurfaceError as error:
            log.warning("slack.upload.not_reconciled", extra={"reason": str(error)})
        return None

    async def whisper(self, placement: Placement, user: UserId, text: str) -> None:
        """Beside the thread, else, where nothing can be posted, in the app's direct messages with that person
        (docs.slack.dev, chat.postMessage: a user's id as `channel`)."""
        place, person = Place.of(placement.thread_id), user.rpartition(":")[2]
        words = {"text": mrkdwn(text)}
        try:
            args = {"channel": place.channel, "user": person, "thread_ts": place.thread_ts}
            await self._ask("chat.postEphemeral", args | words)
        except (RateLimited, SurfaceUnavailable):
            raise
        except SurfaceError:
            direct = draws("post", Place(place.team, person, place.thread_ts))
            async with self._admission.to("chat.postMessage", worth=Priority.NOTICE, draws=direct):
                await self._call("chat.postMessage", {"channel": person} | words)

    async def is_buried(self, placement: Placement, ref: MessageRef) -> bool:
        """One call, for the messages after `ref`; the thread's root comes with them whatever its age. Needs the history
        scopes. Source: docs.slack.dev, conversations.replies, `oldest`."""
        args = {"channel": ref.channel, "ts": Place.of(placement.thread_id).thread_ts}
        more = {"oldest": ref.message, "limit": _BELOW}
        page = await self._ask("conversations.replies", args | more, read=True, courtesy=True)
        below = (shown for shown in page.get("messages") or () if str(shown.get("ts")) > ref.message)
        return any(is_persons(shown, self._me) for shown in below)

    async def link_to(self, placement: Placement, ref: MessageRef) -> str:
        """Source: docs.slack.dev, chat.getPermalink; no scope, no JSON."""
        args = {"channel": ref.channel, "message_ts": ref.message}
        answer = await self._ask("chat.getPermalink", args, read=True)
        if not (link := answer.get("permalink")):
            raise SurfaceUnavailable("chat.getPermalink: an answer without permalink")
        return str(link)

    async def point(self, placement: Placement, ref: MessageRef, text: str, asker: UserId, key: str) -> MessageRef:
        """Nobody is mentioned: whoever wrote or was mentioned in a thread, as the asker was, follows it and is told of
        each new message there (slack.com/help, "Use threads to organise discussions")."""
        return await self.post(placement, Segment(text), key)

    async def find_pointer(self, placement: Placement, key: str) -> MessageRef | None:
        """By its marker alone: it is no stream."""
        place = Place.of(placement.thread_id)
        async for shown in self._replies(place, include_all_metadata=True):
            if key_of(shown) == key:
                return MessageRef(place.channel, str(shown["ts"]))
        return None

    async def find(self, placement: Placement, key: str) -> MessageRef | None:
        """The message that was posted with `key` in this thread, None when there is none or we may not read here, or
        not for long: a second message is the lesser evil than none.

        Source: docs.slack.dev, conversations.replies with `include_all_metadata`; needs the history scopes.
        """
        try:
            return await self._search(placement, key)
        except SurfaceUnavailable:
            raise
        except SurfaceError as error:
            if isinstance(error, RateLimited) and error.retry_after_s <= MOST_CLOSED_S:
                raise
            log.warning("slack.post.not_reconciled", extra={"reason": str(error)})
            return None

    def good_until(self, ref: MessageRef) -> float | None:
        return self._streams.good_until(ref)

    async def _search(self, placement: Placement, key: str) -> MessageRef | None:
        """A stream is marked when it ends, not when it begins: one of ours without a marker is what was begun last."""
        place = Place.of(placement.thread_id)
        begun = ""
        async for shown in self._replies(place, include_all_metadata=True):
            if key_of(shown) == key:
                return MessageRef(place.channel, str(shown["ts"]))
            if self._streams.are_used and self._is_unmarked(shown):
                begun = str(shown["ts"])
        return MessageRef(place.channel, begun) if begun else None

    def _is_unmarked(self, shown: Mapping[str, Any]) -> bool:
        if is_marked(shown) or shown.get("files") or shown.get("ts") == shown.get("thread_ts"):
            return False
        return bool(self._me.user) and shown.get("user") == self._me.user

    async def earlier(self, placement: Placement, before: str, most: int) -> list[Said]:
        """What stands in the thread above the question; needs the history scopes. See `core.chat.ThreadReader`."""
        place = Place.of(placement.thread_id)
        ts = before.rpartition(":")[2]
        if ts == place.thread_ts:
            return []
        root: Mapping[str, Any] | None = None
        newest: deque[Mapping[str, Any]] = deque(maxlen=most - 1)
        async for shown in self._replies(place, latest=ts):
            if root is None:
                root = shown
            elif shown.get("ts") != ts:
                newest.append(shown)
        found = [spoken for spoken in ([root] if root else []) + list(newest) if is_spoken(spoken)]
        speakers = {str(one["user"]) for one in found if one.get("user")} - {self._me.user}
        names = await self._names(speakers)
        return [said_in(one, self._me, names) for one in found]

    async def name_of(self, one: str) -> str | None:
        """The name of a person whom an event knows by id alone; see `core.chat.Directory`."""
        return await self._people.name_of(one) if self._people else None

    async def _names(self, users: Collection[str]) -> dict[str, str]:
        people = self._people
        if people is None:
            return {}
        order = list(users)
        names = await asyncio.gather(*(people.name_of(user_id(user)) for user in order))
        return {user: name for user, name in zip(order, names, strict=True) if name}

    async def _replies(self, place: Place, **more: object) -> AsyncIterator[Mapping[str, Any]]:
        """The messages of a thread, oldest first, its root before all; at most some pages of them."""
        args: dict[str, Any] = {"channel": place.channel, "ts": place.thread_ts, "limit": 200} | more  # Any: JSON
        for _ in range(_PAGES):
            page = await self._ask("conversations.replies", args, read=True)
            for shown in page.get("messages") or ():
                yield shown
            cursor = (page.get("response_metadata") or {}).get("next_cursor")
            if not cursor:
                return
            args["cursor"] = cursor

    def _remember_uncertain(self, key: str) -> None:
        _keep(self._uncertain, key)

    async def _show(self, method: str, args: dict[str, Any], segment: Segment, thread: ThreadId) -> Mapping[str, Any]:
        """Send `segment`; when its blocks are refused, once more without them."""
        text, blocks = message(segment, own_rating=self._own_rating)
        args = args | {"text": beginning(segment), "parse": "none", "link_names": False}
        if self._now() >= self._no_blocks_until and not (segment.stop and thread in self._plain):
            shown = await self._with_blocks(method, args | {"blocks": blocks}, thread)
            if shown is None and segment.rating and self._own_rating:
                _, blocks = message(segment, own_rating=False)
                shown = await self._with_blocks(method, args | {"blocks": blocks}, thread)
                self._own_rating = shown is None  # what was refused were its buttons, if it is taken without them
            if shown is not None:
                self._plain.pop(thread, None)
                self._refusing.clear()
                return shown
            self._note_refusal(thread)
        return await self._call(method, _without_blocks(method, args, segment, text))

    async def _with_blocks(self, method: str, args: dict[str, Any], thread: ThreadId) -> Mapping[str, Any] | None:
        """None when the blocks are refused."""
        try:
            return await self._send(method, args)
        except SDK_ERRORS as exc:
            if code_of(exc) not in CONTENT_REFUSED:
                raise surface_error(method, exc) from exc
            log.warning("slack.blocks.refused", extra={"method": method, "code": code_of(exc)})
        operation: Operation = "post" if method == "chat.postMessage" else "edit"
        await self._admission.account_for(draws(operation, Place.of(thread)))  # the same once more, in another way
        return None

    def _note_refusal(self, thread: str) -> None:
        _keep(self._plain, thread)
        self._refusing.add(thread)
        if len(self._refusing) >= _BLOCKS_GIVEN_UP_AFTER:
            self._no_blocks_until = self._now() + _BLOCKS_GIVEN_UP_FOR_S

    async def _call(self, method: str, args: dict[str, Any]) -> Mapping[str, Any]:
        """One call that has its place."""
        try:
            return await self._send(method, args)
        except SDK_ERRORS as exc:
            raise surface_error(method, exc) from exc

    async def _ask(
        self, method: str, args: dict[str, Any], *, read: bool = False, courtesy: bool = False
    ) -> Mapping[str, Any]:
        """One call that asks for its place itself."""
        admission = self._admission.to_courtesy(method) if courtesy else self._admission.to(method)
        try:
            async with admission:
                return await self._send(method, args, read)
        except SDK_ERRORS as exc:
            raise surface_error(method, exc) from exc

    async def _send(self, method: str, args: dict[str, Any], read: bool = False) -> Mapping[str, Any]:
        """One API call. read: reading methods take no JSON (docs.slack.dev, "Using the Slack Web API")."""
        if read:
            answer = await self._client.api_call(method, http_verb="GET", params=args)
        else:
            answer = await self._client.api_call(method, json=args)
        return answer.data if isinstance(answer.data, dict) else {}


def _without_blocks(method: str, args: dict[str, Any], segment: Segment, text: str) -> dict[str, Any]:
    """The arguments that show `segment` without blocks. A post takes ten times the `text` that an edit does
    (docs.slack.dev, chat.postMessage: cut off above 40,000 characters)."""
    if method != "chat.update":
        return args | {"text": text}
    if text_fits(text):
        return args | {"text": text, "blocks": []}  # [] takes away what an edit would keep
    kept = {key: value for key, value in args.items() if key not in ("text", "parse", "link_names")}
    return kept | {"markdown_text": markdown_text(segment)}  # goes with neither `text` nor `blocks`


def _keep(kept: dict[str, None], one: str) -> None:
    kept[one] = None
    if len(kept) > _KEPT:
        kept.pop(next(iter(kept)))
