"""DiscordSurface: Segments of ours become messages in a thread, a channel, a DM or an answer to `/ask`.

Everything that a call needs is in the Placement and the MessageRef, so any process can go on with a Reply that
another one began. What is remembered here only saves calls: `_places` (where a thread was opened, or that it could
not be) and `_filled` (which Segment filled the answer to `/ask`) are bounded and may be forgotten.

A call that has begun is never cancelled: Discord may have taken it already, and the next call must come after it.
Each runs in a task of its own, calls on one message in order; whoever waits may stop waiting.
"""

from __future__ import annotations

import asyncio
import time
import weakref
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final, TypeVar

from adapters.discord import _errors as errors
from adapters.discord._body import NO_MENTIONS, body_of, shows
from adapters.discord._errors import ApiError, to_surface_error
from adapters.discord._names import DIRECT, channel_of, link_to
from adapters.discord._rest import COURTESY, GIVEN, MATTERS, Asking, Json, Rest, text_of
from adapters.discord.inbound import is_persons, said_in
from adapters.discord.limits import GLOBAL, LIMITS, draws
from adapters.discord.manual import MANUAL
from adapters.discord.origin import Asked, ThreadStart, decode
from core.chat import (
    Attachment,
    Draws,
    Limits,
    Manual,
    MessageRef,
    NotPermitted,
    Operation,
    Placement,
    PlacementGone,
    RateLimited,
    Said,
    Segment,
    UserId,
)
from core.replies import Priority

T = TypeVar("T")

_LOADING: Final = 1 << 7
"""Message flag of a deferred answer that nobody has filled yet (message resource, "Message Flags")."""
LARGEST_FILE: Final = 10_000_000
"""Discord takes 10 MiB with everything around it, where no boost has raised that ("Uploading Files")."""
_AUTO_ARCHIVE_MIN: Final = 1440
_REMEMBERED: Final = 4096
_BELOW: Final = 100
"""How many messages below an answer are looked at: as many as one call gives ("Get Channel Messages")."""
_DRAIN_S: Final = 5.0
_OPENS: Final = Asking(Priority.FINAL, 2.0)
_THREAD_WAIT_S: Final = 15.0
"""How long a person waits in all for an answer for the sake of a thread of its own: for longer than a moment outside
the call, so that the newest text is posted then."""


@dataclass(frozen=True, slots=True)
class _Spot:
    """A channel to post in. reply_to: the message that each post answers, where there is no thread to hold them."""

    channel: str
    reply_to: str | None = None


class DiscordSurface:
    """Implements `core.replies.surface.Surface` over Discord's HTTP API."""

    def __init__(self, rest: Rest, now: Callable[[], float] = time.time) -> None:
        self._rest = rest
        self._now = now
        self.own_user = ""
        """Our id among the authors of messages; whoever opens the connection knows it."""
        self._places: OrderedDict[str, _Spot] = OrderedDict()
        self._thread_by: OrderedDict[str, float] = OrderedDict()  # by question: until when its thread is waited for
        self._filled: OrderedDict[str, str] = OrderedDict()
        self._posted_beside: OrderedDict[str, str] = OrderedDict()  # answers to `/ask` that go on in posts of the bot's
        self._dead_tokens: OrderedDict[str, str] = OrderedDict()
        self._locks: weakref.WeakValueDictionary[str, asyncio.Lock] = weakref.WeakValueDictionary()
        self._calls: set[asyncio.Task[object]] = set()

    @property
    def limits(self) -> Limits:
        return LIMITS

    @property
    def manual(self) -> Manual:
        return MANUAL

    def draws(self, operation: Operation, placement: Placement) -> Draws:
        """A channel's own budget, and the bot's; what goes by an interaction's token draws on that one's alone, until
        an answer needs more messages than that can fill."""
        origin, learned = decode(placement.origin), self._rest.learned
        if not isinstance(origin, Asked):
            spot = self._places.get(placement.thread_id)
            return draws(operation, spot.channel if spot else channel_of(placement.thread_id), learned)
        by_token = origin.token_lives(self._now()) and origin.message not in self._posted_beside
        return draws(operation, origin.channel, learned, origin.message if by_token else "")

    async def open(self, placement: Placement) -> None:
        if not isinstance(decode(placement.origin), Asked):
            await self._settled(f"open:{placement.thread_id}", lambda: self._spot(placement))

    async def status(self, placement: Placement, doing: str) -> None:
        """Show "is typing" for ten seconds or until we post; it cannot be taken back, nor is there a need to."""
        origin = decode(placement.origin)
        if not doing or isinstance(origin, Asked):
            return
        await self._settled(f"status:{placement.thread_id}", lambda: self._typing(placement))

    async def post(self, placement: Placement, segment: Segment, key: str) -> MessageRef:
        return await self._settled(f"post:{placement.thread_id}", lambda: self._post(placement, segment, key))

    async def find(self, placement: Placement, key: str) -> MessageRef | None:
        """None: repeating `post` is safe. Discord drops a second message with the same enforced nonce for some
        minutes ("Create Message"), and filling the answer to `/ask` twice is an edit. The exception, which nothing
        can look up: follow-ups where only a person installed the app, so that the bot itself is not in the channel.
        """
        return None

    async def edit(self, placement: Placement, ref: MessageRef, segment: Segment) -> None:
        await self._settled(f"message:{ref.message}", lambda: self._edit(placement, ref, segment))

    async def delete(self, placement: Placement, ref: MessageRef) -> None:
        await self._settled(f"message:{ref.message}", lambda: self._delete(placement, ref))

    @property
    def largest_file(self) -> int:
        return LARGEST_FILE

    async def upload(self, placement: Placement, file: Attachment, key: str) -> MessageRef:
        return await self._settled(f"post:{placement.thread_id}", lambda: self._upload(placement, file, key))

    async def find_upload(self, placement: Placement, key: str) -> MessageRef | None:
        """None, as in `find`: the nonce makes it safe to repeat an upload for some minutes."""
        return None

    async def _upload(self, placement: Placement, file: Attachment, key: str) -> MessageRef:
        origin, sent = decode(placement.origin), (file.name, file.media_type, file.content)
        body: dict[str, object] = {"allowed_mentions": NO_MENTIONS, "attachments": [{"id": 0, "filename": file.name}]}
        if isinstance(origin, Asked) and not origin.bot_may_post:
            answer = await self._by_token(origin, "POST", "?wait=true", body, file=sent)
            if answer is None:
                raise PlacementGone("the interaction's token has run out")
            return MessageRef(origin.channel, text_of(answer, "id"))
        asked = self.draws("post", placement)
        spot = await self._spot(placement)
        body |= {"nonce": key, "enforce_nonce": True}
        if spot.reply_to is not None:
            body["message_reference"] = {"message_id": spot.reply_to, "fail_if_not_exists": False}
        path = "/channels/{channel}/messages"
        asking = GIVEN if _covers(asked, "post", spot.channel) else MATTERS
        answer = await self._rest.call("POST", path, body, file=sent, asking=asking, channel=spot.channel)
        return _ref(answer, spot)

    async def whisper(self, placement: Placement, user: UserId, text: str) -> None:
        """In a direct message: one that only a person sees exists in a channel as an answer to an interaction alone."""
        person = user.rpartition(":")[2]
        await self._settled(f"whisper:{person}", lambda: self._whisper(person, text))

    async def _whisper(self, person: str, text: str) -> None:
        direct = text_of(await self._rest.call("POST", "/users/@me/channels", {"recipient_id": person}), "id")
        await self._rest.call("POST", "/channels/{channel}/messages", body_of(Segment(text)), channel=direct)

    async def is_buried(self, placement: Placement, ref: MessageRef) -> bool:
        """One call, for the messages after `ref` where it stands: in a thread, a direct message, or a channel where
        anybody's words push it up."""
        origin = decode(placement.origin)
        if isinstance(origin, Asked) and not origin.bot_may_post:
            return False  # nobody lets us read there
        items = await self._settled(f"read:{placement.thread_id}", lambda: self._below(ref))
        return isinstance(items, list) and any(map(is_persons, items))

    async def _below(self, ref: MessageRef) -> object:
        path = "/channels/{channel}/messages?limit={limit}&after={after}"
        answer = await self._rest.call(
            "GET",
            path,
            asking=COURTESY,
            channel=ref.channel,
            limit=str(_BELOW),
            after=ref.message,
        )
        return answer.get("items")

    async def link_to(self, placement: Placement, ref: MessageRef) -> str:
        return link_to(placement.thread_id, ref.channel, ref.message)

    async def point(self, placement: Placement, ref: MessageRef, text: str, asker: UserId, key: str) -> MessageRef:
        """The asker is mentioned, and pinged by it: a new message alone only marks a thread as unread. In a direct
        message every one is told of."""
        return await self._settled(
            f"post:{placement.thread_id}", lambda: self._point(placement, ref, Segment(text), asker, key)
        )

    async def _point(
        self, placement: Placement, ref: MessageRef, segment: Segment, asker: UserId, key: str
    ) -> MessageRef:
        body = body_of(segment)
        if placement.thread_id.split(":")[1] != DIRECT:
            person = asker.rpartition(":")[2]
            body["content"] = f"<@{person}> {body['content']}"
            body["allowed_mentions"] = {**NO_MENTIONS, "users": [person]}
        return await self._create(_beside(placement, ref), body, key)

    async def find_pointer(self, placement: Placement, key: str) -> MessageRef | None:
        """None, as in `find`: the nonce makes it safe to repeat it for some minutes."""
        return None

    async def earlier(self, placement: Placement, before: str, most: int) -> list[Said]:
        """What stands in the thread above the question. See `core.chat.ThreadReader`.

        A mention in a text channel begins a thread of its own: what others talk about there is not ours to read.
        """
        if decode(placement.origin) is not None:
            return []
        return await self._settled(f"read:{placement.thread_id}", lambda: self._earlier(placement, before, most))

    async def _earlier(self, placement: Placement, before: str, most: int) -> list[Said]:
        """Newest first, at most 100 a call ("Get Channel Messages"); the first message of a thread that was opened on
        another one stands for that one."""
        channel, message = channel_of(placement.thread_id), before.rpartition(":")[2]
        path = "/channels/{channel}/messages?limit={limit}&before={before}"
        answer = await self._rest.call("GET", path, channel=channel, limit=str(most), before=message)
        items = answer.get("items")
        newest = [said for item in items if (said := said_in(item, self.own_user))] if isinstance(items, list) else []
        if isinstance(items, list) and len(items) == most:  # there is more above: what began the thread is worth most
            newest = newest[: most - 1] + await self._beginning(channel)
        return newest[::-1]

    async def _beginning(self, channel: str) -> list[Said]:
        path = "/channels/{channel}/messages?limit=1&after=0"
        items = (await self._rest.call("GET", path, channel=channel)).get("items")
        return [said for item in items if (said := said_in(item, self.own_user))] if isinstance(items, list) else []

    async def aclose(self) -> None:
        """Let the calls under way finish, within a bound."""
        if self._calls:
            _, late = await asyncio.wait(self._calls, timeout=_DRAIN_S)
            for call in late:
                call.cancel()

    # -- channels ---------------------------------------------------------------------------------------------

    async def _spot(self, placement: Placement) -> _Spot:
        """Where a post for `placement` goes; opens the thread if that has not happened."""
        origin = decode(placement.origin)
        if isinstance(origin, Asked):
            here = channel_of(placement.thread_id) == origin.channel
            return _Spot(origin.channel, None if here else origin.message)
        if origin is None:
            return _Spot(channel_of(placement.thread_id))
        async with self._locks.setdefault(f"spot:{placement.thread_id}", asyncio.Lock()):
            known = self._places.get(placement.thread_id)
            if known is None:
                known = await self._start_thread(origin)
                _remember(self._places, placement.thread_id, known)
            return known

    async def _start_thread(self, start: ThreadStart) -> _Spot:
        """Open the thread, or find that it is open, or settle for replies in the channel where it cannot be.

        Reasons for the latter: no permission, too many active threads, a kind of channel or message without
        threads, a question that is deleted by now; and so many threads opened lately that another would have to wait.
        """
        beside = _Spot(start.parent, start.anchor)
        try:
            await self._rest.call(
                "POST",
                "/channels/{channel}/messages/{message}/threads",
                {"name": start.name, "auto_archive_duration": _AUTO_ARCHIVE_MIN},
                asking=_OPENS,
                channel=start.parent,
                message=start.anchor,
            )
        except RateLimited as exc:
            if self._waits_for_thread(start, exc.retry_after_s):
                raise
            return beside
        except ApiError as exc:
            if exc.code == errors.THREAD_EXISTS:
                return _Spot(start.anchor)
            if exc.status == 429:
                if exc.bucket == GLOBAL or self._waits_for_thread(start, exc.retry_after_s or 0.0):
                    raise
                return beside
            if exc.status == 401 or exc.code == errors.UNKNOWN_CHANNEL:
                raise
            return beside
        return _Spot(start.anchor)

    def _waits_for_thread(self, start: ThreadStart, seconds: float) -> bool:
        """Whether another attempt to open it, after so long, is waited for."""
        now = self._now()
        by = self._thread_by.get(start.anchor, now + _THREAD_WAIT_S)
        _remember(self._thread_by, start.anchor, by)
        return now + seconds <= by

    async def _typing(self, placement: Placement) -> None:
        asked = self.draws("status", placement)
        spot = await self._spot(placement)
        if not _covers(asked, "typing", spot.channel):
            return  # it is not the place that was thought of, and a status is not worth another question
        await self._rest.call("POST", "/channels/{channel}/typing", asking=GIVEN, channel=spot.channel)

    async def _post(self, placement: Placement, segment: Segment, key: str) -> MessageRef:
        origin = decode(placement.origin)
        if isinstance(origin, Asked):
            ref = await self._answer(origin, segment, key)
            if ref is not None:
                return ref
        asked = self.draws("post", placement)
        spot = await self._spot(placement)
        if isinstance(origin, Asked):
            _remember(self._posted_beside, origin.message, "")
        try:
            ref = await self._create(spot, body_of(segment), key, given=_covers(asked, "post", spot.channel))
        except ApiError as exc:
            if not isinstance(origin, ThreadStart) or spot.reply_to is not None:
                raise
            if not isinstance(to_surface_error(exc), NotPermitted) or exc.status == 401:
                raise
        else:
            if isinstance(origin, ThreadStart) and ref.channel != spot.channel:  # begun by somebody else
                begun = _Spot(ref.channel, origin.anchor if ref.channel == origin.parent else None)
                _remember(self._places, placement.thread_id, begun)
            return ref
        beside = _Spot(origin.parent, origin.anchor)  # we may open threads here, but not speak in them
        _remember(self._places, placement.thread_id, beside)
        return await self._create(beside, body_of(segment), key, given=False)

    async def _create(self, spot: _Spot, shown: dict[str, object], key: str, *, given: bool = True) -> MessageRef:
        body = {**shown, "nonce": key, "enforce_nonce": True}
        if spot.reply_to is not None:
            body["message_reference"] = {"message_id": spot.reply_to, "fail_if_not_exists": False}
        answer = await self._awake(
            spot.channel,
            lambda first: self._rest.call(
                "POST",
                "/channels/{channel}/messages",
                body,
                asking=GIVEN if given and first else MATTERS,
                channel=spot.channel,
            ),
        )
        ref = _ref(answer, spot)
        if not shows(answer, body):
            # the nonce was known: this is the message of an earlier attempt, and the answer has grown since
            await self._patch(ref, shown, given=False)
        return ref

    async def _edit(self, placement: Placement, ref: MessageRef, segment: Segment) -> None:
        body = body_of(segment)
        asked = _asked(placement, ref)
        if asked and await self._by_token(asked, "PATCH", "/messages/{message}", body, message=ref.message):
            return
        given = _covers(self.draws("edit", placement), "edit", ref.channel)
        await self._awake(ref.channel, lambda first: self._patch(ref, body, given=given and first))

    async def _awake(self, channel: str, call: Callable[[bool], Awaitable[T]]) -> T:
        """Make a call that an archived thread refuses; it is opened again, if we may, and the call made anew. `call`
        hears whether it is the first."""
        try:
            return await call(True)
        except ApiError as exc:
            if exc.code != errors.THREAD_ARCHIVED:
                raise
        await self._unarchive(channel)
        return await call(False)

    async def _patch(self, ref: MessageRef, body: Json, *, given: bool) -> None:
        await self._rest.call(
            "PATCH",
            "/channels/{channel}/messages/{message}",
            body,
            asking=GIVEN if given else MATTERS,
            channel=ref.channel,
            message=ref.message,
        )

    async def _unarchive(self, channel: str) -> None:
        try:
            await self._rest.call("PATCH", "/channels/{channel}", {"archived": False}, channel=channel)
        except ApiError as exc:
            if exc.status == 429:
                raise
            raise PlacementGone(str(exc)) from exc

    async def _delete(self, placement: Placement, ref: MessageRef) -> None:
        asked = _asked(placement, ref)
        try:
            if asked and await self._by_token(asked, "DELETE", "/messages/{message}", message=ref.message):
                return
            await self._rest.call(
                "DELETE",
                "/channels/{channel}/messages/{message}",
                asking=GIVEN if _covers(self.draws("delete", placement), "delete", ref.channel) else MATTERS,
                channel=ref.channel,
                message=ref.message,
            )
        except ApiError as exc:
            if exc.code not in (errors.UNKNOWN_MESSAGE, errors.UNKNOWN_CHANNEL):
                raise

    # -- answers to /ask --------------------------------------------------------------------------------------

    async def _answer(self, asked: Asked, segment: Segment, key: str) -> MessageRef | None:
        """Fill the deferred response with the first Segment, follow it up with the others.

        None: not by the token (any more), post in the channel. A follow-up cannot carry a nonce, so a bot that may
        post in the channel does that for every Segment but the first.
        """
        first = MessageRef(asked.channel, asked.message)
        body = body_of(segment)
        filled_by = self._filled.get(asked.message)
        if filled_by is None:
            filled_by = key if await self._unfilled(asked, body["content"]) else ""
        if filled_by == key:
            done = await self._by_token(asked, "PATCH", "/messages/@original", body)
            if done is None:
                await self._patch(first, body, given=False)
            _remember(self._filled, asked.message, key)
            return first
        _remember(self._filled, asked.message, filled_by)
        if asked.bot_may_post:
            return None
        answer = await self._by_token(asked, "POST", "?wait=true", body)
        return MessageRef(asked.channel, text_of(answer, "id")) if answer is not None else None

    async def _unfilled(self, asked: Asked, content: object) -> bool:
        """Whether the response still shows "is thinking", or what a lost process put there: a growing Segment, or
        this very one."""
        try:
            shown = await self._by_token(asked, "GET", "/messages/@original")
            if shown is None:
                shown = await self._rest.call(
                    "GET",
                    "/channels/{channel}/messages/{message}",
                    channel=asked.channel,
                    message=asked.message,
                )
        except ApiError as exc:
            if exc.status == 429:
                raise
            return exc.code != errors.UNKNOWN_MESSAGE
        flags = shown.get("flags")
        if isinstance(flags, int) and flags & _LOADING:
            return True
        return shown.get("content") in (None, "", content) or bool(shown.get("components"))

    async def _by_token(
        self,
        asked: Asked,
        method: str,
        path: str,
        body: Json | None = None,
        file: tuple[str, str, bytes] | None = None,
        **ids: str,
    ) -> Json | None:
        """Call with the interaction's token; None when it has run out."""
        if not asked.token_lives(self._now()) or asked.message in self._dead_tokens:
            return None
        try:
            return await self._rest.call(
                method,
                "/webhooks/{application}/{token}" + path,
                body,
                bot=False,
                file=file,
                asking=GIVEN,
                application=asked.application,
                token=asked.token,
                **ids,
            ) or {"id": ids.get("message", asked.message)}
        except ApiError as exc:
            if exc.status != 401 and exc.code not in errors.TOKEN_DEAD:
                raise
            _remember(self._dead_tokens, asked.message, "")
            return None

    # -- calls ------------------------------------------------------------------------------------------------

    async def _settled(self, order: str, call: Callable[[], Awaitable[T]]) -> T:
        """Run `call` to its end, after earlier calls of the same `order`, also when the caller stops waiting."""

        async def run() -> T:
            lock = self._locks.setdefault(order, asyncio.Lock())
            async with lock:
                return await call()

        task = asyncio.create_task(run(), name=f"discord:{order}")
        self._calls.add(task)
        task.add_done_callback(self._forget)
        try:
            return await asyncio.shield(task)
        except ApiError as exc:
            raise to_surface_error(exc) from exc

    def _forget(self, task: asyncio.Task[T]) -> None:
        self._calls.discard(task)
        if not task.cancelled():
            task.exception()  # whoever waited has it; if nobody did, there is nobody to tell


def _asked(placement: Placement, ref: MessageRef) -> Asked | None:
    """The interaction whose token can edit `ref`: its own response, and the follow-ups where we cannot post."""
    origin = decode(placement.origin)
    if not isinstance(origin, Asked) or (origin.bot_may_post and ref.message != origin.message):
        return None
    return origin


def _ref(answer: Json, spot: _Spot) -> MessageRef:
    """The message of an answer to a post at `spot`. Where the nonce was known it may stand in another channel ("Create
    Message": "created by the same author with the same nonce")."""
    return MessageRef(str(answer.get("channel_id") or spot.channel), text_of(answer, "id"))


def _covers(asked: Draws, kind: str, channel: str) -> bool:
    """Whether a place on `asked` is one for a call of that kind by the bot in `channel`."""
    return asked.buckets[0].name == f"{channel}:{kind}"


def _beside(placement: Placement, ref: MessageRef) -> _Spot:
    """Where `ref`, a message of this placement, stands; in a text channel with the message that it answers."""
    if ref.channel == channel_of(placement.thread_id):
        return _Spot(ref.channel)
    match decode(placement.origin):
        case ThreadStart(anchor=anchor) | Asked(message=anchor):
            return _Spot(ref.channel, anchor)
        case None:
            return _Spot(ref.channel)


def _remember(table: OrderedDict[str, T], key: str, value: T) -> None:
    table[key] = value
    table.move_to_end(key)
    if len(table) > _REMEMBERED:
        table.popitem(last=False)
