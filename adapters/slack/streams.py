"""Streams: Slack's native streaming (chat.startStream, appendStream, stopStream) as another way to show a Segment.

A stream takes additions only, lives about five minutes whatever happens, takes about 10,600 bytes, and cannot be edited
while it lives. So it is used for as long as the Segment does nothing but grow, and given up for good, in the same
message, as soon as anything else is wanted: then the stream is ended and the message goes on by chat.update, which
can show everything. Nobody sees a seam, nothing is lost, and what is shown never depends on the stream's luck.

    growing    append what is settled (`outflow`), words and tables, and the cards of the tools (`tasks`)
    finished   stopStream with the rest and with the blocks below it
    given up   end it, and let the caller edit: a link came, the text was changed, it grows too old or too big, Slack
               has ended it (message_not_in_streaming_state), or an answer was lost, so that nobody knows what it shows

Where Slack does not take a stream at all, the caller posts in the ordinary way; the refusal is remembered for a while.
So it does while streams are begun faster than Slack lets them, and for an app that is no agent: a stream can hold no
button that goes away, so it relies on Slack's own Stop button, which only agents have.

A stream is known to the process that began it. Another one, which takes the Turn over, has only the message: it edits
it, is told streaming_state_conflict, and ends the stream by `release`.
Source: docs.slack.dev, the pages of the three methods (2026-11); the ceilings: slackapi/python-slack-sdk#1859 (age),
openclaw/openclaw#143882 (size).
"""

from __future__ import annotations

import asyncio
import json
import logging
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from adapters.slack._admission import Admission
from adapters.slack._errors import CONTENT_REFUSED, SDK_ERRORS, code_of, surface_error
from adapters.slack.limits import APPEND, SESSION, START, STOP, draws
from adapters.slack.markdown import Block, blocks_of, message
from adapters.slack.marker import marker
from adapters.slack.outflow import Outflow, has_link, is_open
from adapters.slack.place import Place
from adapters.slack.settings import StreamingMode
from adapters.slack.tasks import Chunk, TaskCards
from core.chat import (
    MessageGone,
    MessageRef,
    Placement,
    RateLimited,
    Segment,
    SegmentRejected,
    StoppedByPerson,
    SurfaceError,
    SurfaceUnavailable,
    ThreadId,
)

log = logging.getLogger(__name__)

Send = Callable[[str, dict[str, Any]], Awaitable[Mapping[str, Any]]]  # Any: JSON
"""Make one API call. Raises `SDK_ERRORS`."""

MOST_AGE_S = 240.0
MOST_BYTES = 9_000

_ENDED = frozenset({"message_not_in_streaming_state", "stopped_by_user"})
_NO_AGENT = frozenset({"not_authorized", "feature_disabled", "missing_scope", "unknown_method"})
_NOT_HERE_FOR_S = 600.0
_KEPT = 1000


@dataclass(slots=True)
class _Stream:
    """One message that grows. doubtful: an answer was lost, so what it shows is not known.  stopped: by a person."""

    ref: MessageRef
    thread: ThreadId
    key: str
    began: float
    cards: TaskCards
    outflow: Outflow = field(default_factory=Outflow)
    size: int = 0
    doubtful: bool = False
    stopped: bool = False
    stopping: bool = False


class Streams:
    """The streams of one process in one workspace."""

    def __init__(self, send: Send, mode: StreamingMode, admission: Admission) -> None:
        self._send = send
        self._mode = mode
        self._admission = admission
        self._live: OrderedDict[MessageRef, _Stream] = OrderedDict()
        self._newest: OrderedDict[str, _Stream] = OrderedDict()  # by thread
        self._told: OrderedDict[str, frozenset[str]] = OrderedDict()  # by Turn: the tool calls that have a card
        self._at_work: OrderedDict[str, bool] = OrderedDict()  # threads in which a stream may not have ended
        self._own: OrderedDict[MessageRef, bool] = OrderedDict()  # messages that this process has posted
        self._asking = asyncio.Lock()
        self._stop_button: bool | None = None  # whether Slack shows its own; None: not known
        self._not_before: OrderedDict[str, float] = OrderedDict()  # by channel or thread, "" for all

    @property
    def are_used(self) -> bool:
        return self._mode != "off"

    def live_in(self, thread: str) -> Literal["growing", "stopping"] | None:
        """How the stream of a thread stands, None where there is none."""
        stream = self._newest.get(thread)
        if stream is None or stream.ref not in self._live:
            return None
        return "stopping" if stream.stopping else "growing"

    def good_until(self, ref: MessageRef) -> float | None:
        """Loop time at which a stream is to be ended, be there news or not; None for any other message."""
        stream = self._live.get(ref)
        return stream.began + MOST_AGE_S if stream else None

    async def start(self, placement: Placement, segment: Segment, key: str) -> MessageRef | None:
        """Begin a stream that shows `segment`; None: post it in the ordinary way. Raises SurfaceUnavailable when
        nobody knows whether it has begun."""
        place = Place.of(placement.thread_id)
        recipient = _recipient(placement.origin, place)
        if recipient is None or not self._may_start(place, segment):
            return None
        told = self._told.get(_turn_of(key), ())
        stream = _Stream(MessageRef("", ""), placement.thread_id, key, _now(), TaskCards(_now(), told))
        text, cards = self._growth(stream, segment, begins=True)
        if not (chunks := _chunks(text, cards)) or not await self._has_stop_button(place):
            return None
        args = {"channel": place.channel, "thread_ts": place.thread_ts, "chunks": chunks} | recipient
        try:
            async with self._admission.to(START, wait_s=0.0):
                answer = await self._send(START, args)
        except RateLimited as refusal:  # by Slack, or for want of a place
            log.info("slack.stream.not_begun", extra={"channel_id": place.channel, "reason": str(refusal)})
            return None
        except SDK_ERRORS as exc:
            self._on_refused_start(place, exc)
            return None
        if not answer.get("ts"):
            raise SurfaceUnavailable("chat.startStream: an answer without ts")
        stream.ref = MessageRef(str(answer.get("channel") or place.channel), str(answer["ts"]))
        self._mark_sent(stream, text, cards)
        _keep(self._live, stream.ref, stream)
        _keep(self._newest, stream.thread, stream)
        _keep(self._at_work, stream.thread, True)
        self.note_own(stream.ref)
        return stream.ref

    def note_own(self, ref: MessageRef) -> None:
        """This process has posted `ref`, so it is no stream but those that are known."""
        _keep(self._own, ref, True)

    async def show(self, placement: Placement, ref: MessageRef, segment: Segment) -> bool:
        """Bring the stream `ref` to `segment`. False: it is no stream, or not any more: edit it.

        Raises StoppedByPerson once, when somebody has pressed Slack's Stop button, and every SurfaceError.
        """
        stream = self._live.get(ref)
        if stream is None:
            if self.are_used and ref not in self._own:
                _keep(self._at_work, placement.thread_id, True)
            return False
        try:
            if segment.stop:
                return await self._grow(stream, segment)
            return await self._finish(stream, segment)
        except SurfaceUnavailable:
            stream.doubtful = True
            raise
        except MessageGone:
            self._forget(stream)
            raise

    async def release(self, placement: Placement, ref: MessageRef) -> None:
        """End a stream that somebody else began. Raises SurfaceError."""

        async def ended(args: dict[str, Any]) -> None:
            async with self._admission.to(STOP):
                await self._send(STOP, args)

        await self._end(placement.thread_id, ref, "", ended)

    async def close_session(self, place: Place) -> None:
        """Say that nothing is being done in a thread any more, where a stream may not have ended as it should: Slack
        would show us at work there, with its Stop button, for up to an hour. Apps that are no agents are refused."""
        if self._at_work.pop(place.thread_id, False) is False:
            return
        args = {"channel_id": place.channel, "thread_ts": place.thread_ts, "status": "active"}
        try:
            async with self._admission.to(SESSION):
                await self._send(SESSION, args)
        except (RateLimited, *SDK_ERRORS) as exc:
            reason = str(surface_error(SESSION, exc))
            log.info("slack.session.not_closed", extra={"thread_id": place.thread_id, "reason": reason})

    def drop(self, ref: MessageRef) -> None:
        """The message was deleted."""
        self._live.pop(ref, None)

    def _may_start(self, place: Place, segment: Segment) -> bool:
        if self._mode == "off" or not segment.stop or has_link(segment.text):
            return False
        if self._mode == "direct" and not _is_direct(place):
            return False
        return all(_now() >= self._not_before.get(where, 0.0) for where in ("", place.channel, place.thread_id))

    async def _has_stop_button(self, place: Place) -> bool:
        """Whether Slack shows its Stop button for this app; asked once."""
        async with self._asking:
            return await self._ask_for_stop_button(place)

    async def _ask_for_stop_button(self, place: Place) -> bool:
        """Slack tells when it is told that we are at work."""
        if self._stop_button is None:
            session = {"channel_id": place.channel, "thread_ts": place.thread_ts, "status": "processing"}
            try:
                async with self._admission.to_courtesy(SESSION):
                    answer = await self._send(SESSION, session)
            except RateLimited:
                return False
            except SDK_ERRORS as exc:
                if code_of(exc) in _NO_AGENT:
                    self._note_stop_button(False, code_of(exc))
                return False
            self._note_stop_button(not answer.get("warning"), str(answer.get("warning") or ""))
            _keep(self._at_work, place.thread_id, True)
        return self._stop_button is True

    def _note_stop_button(self, shown: bool, reason: str) -> None:
        self._stop_button = shown
        if not shown:
            hint = "make the app an agent that hears agent_session_stopped (parley slack manifest), install it again"
            log.warning("slack.streaming.no_stop_button", extra={"reason": reason, "hint": hint})

    def _on_refused_start(self, place: Place, exc: BaseException) -> None:
        """Remember that there are no streams here for now. Raises SurfaceUnavailable when one may have begun."""
        error = surface_error(START, exc)
        if isinstance(error, SurfaceUnavailable):
            raise error from exc
        if code_of(exc) in ("unknown_method", "missing_scope", "not_allowed_token_type"):
            where = ""
        else:
            where = place.thread_id
            if code_of(exc).startswith(("channel_type", "restricted_action", "missing_recipient")):
                where = place.channel
        _keep(self._not_before, where, _now() + _NOT_HERE_FOR_S)
        log.info("slack.stream.not_begun", extra={"channel_id": place.channel, "reason": str(error)})

    def _growth(
        self, stream: _Stream, segment: Segment, *, begins: bool = False
    ) -> tuple[list[Block] | None, list[Chunk]]:
        """What `segment` adds to the stream: text and tables, None where they go on from something else; and cards.

        begins: something has to be shown, be it half a word.
        """
        pauses = any(call.state == "running" for call in segment.tools)
        text = stream.outflow.more(segment.text, pauses=pauses or begins)
        may_add = not is_open(segment.text) and (pauses or not segment.text.strip())
        return text, stream.cards.wanted(segment, _now(), may_add=may_add)

    async def _grow(self, stream: _Stream, segment: Segment) -> bool:
        text, cards = self._growth(stream, segment)
        if text is None or has_link(segment.text) or not self._lasts(stream, text, cards):
            return await self._give_up(stream)
        if not text and not cards:
            return True
        place = {"channel": stream.ref.channel, "ts": stream.ref.message}
        try:
            await self._send(APPEND, place | {"chunks": _chunks(text, cards)})
        except SDK_ERRORS as exc:
            return await self._on_refused(stream, APPEND, exc)
        self._mark_sent(stream, text, cards)
        return True

    async def _finish(self, stream: _Stream, segment: Segment) -> bool:
        """End the stream with what is left of `segment`, provided that it then shows what an edit would."""
        rest = stream.outflow.more(segment.text, ended=True) if segment.text.strip() else None
        cards = stream.cards.closing(segment, _now())
        if rest is None or has_link(segment.text) or not self._lasts(stream, rest, cards):
            return await self._give_up(stream)
        args: dict[str, Any] = {"channel": stream.ref.channel, "ts": stream.ref.message, "metadata": marker(stream.key)}
        if chunks := _chunks(rest, cards):
            args["chunks"] = chunks
        if below := _below(segment):
            args["blocks"] = below
        try:
            await self._ended(stream, args)
        except RateLimited:
            await self._append_meanwhile(stream, rest, cards)
            raise
        except SDK_ERRORS as exc:
            return await self._on_refused(stream, STOP, exc)
        self._at_work.pop(stream.thread, None)
        self._forget(stream)
        return True

    async def _ended(self, stream: _Stream, args: dict[str, Any]) -> None:
        """End a stream, which is a budget of its own: the first time the Reply has a place for an addition only, and is
        told to come again where there is none. Raises RateLimited, and `SDK_ERRORS`."""
        if stream.stopping:
            try:
                await self._send(STOP, args)
            except SDK_ERRORS as exc:
                if isinstance(error := _error(STOP, exc), RateLimited):
                    raise error from exc
                raise
            return
        stream.stopping = True
        stops = draws("edit", Place.of(stream.thread), "stopping")
        async with self._admission.to(STOP, wait_s=0.0, draws=stops, stream=_turn_of(stream.key)):
            await self._send(STOP, args)

    async def _append_meanwhile(self, stream: _Stream, rest: list[Block], cards: list[Chunk]) -> None:
        """Streams may be ended less often than added to: whoever waits for the end of an answer shall not notice."""
        if not (rest or cards):
            return
        place = {"channel": stream.ref.channel, "ts": stream.ref.message}
        try:
            await self._send(APPEND, place | {"chunks": _chunks(rest, cards)})
        except SDK_ERRORS:
            stream.doubtful = True
        else:
            self._mark_sent(stream, rest, cards)

    def _lasts(self, stream: _Stream, text: list[Block], cards: list[Chunk]) -> bool:
        """Whether the stream can be relied on, for one more call at least."""
        if stream.doubtful or stream.stopped or _now() - stream.began >= MOST_AGE_S:
            return False
        return stream.size + _size(text, cards) <= MOST_BYTES

    async def _on_refused(self, stream: _Stream, method: str, exc: BaseException) -> bool:
        code = code_of(exc)
        if code == "stopped_by_user":
            stream.stopped = True
            raise StoppedByPerson(f"{method}: {code}") from exc
        if code == "message_not_in_streaming_state":
            log.info("slack.stream.expired", extra={"thread_id": stream.thread, "age_s": round(_now() - stream.began)})
            self._forget(stream)
            return False
        if code in CONTENT_REFUSED or code in ("invalid_chunks", "invalid_arguments", "msg_blocks_too_many"):
            return await self._give_up(stream)
        raise _error(method, exc) from exc

    async def _give_up(self, stream: _Stream) -> Literal[False]:
        """End the stream as it is; the caller edits the message."""
        await self._end(stream.thread, stream.ref, stream.key, lambda args: self._ended(stream, args))
        self._forget(stream)
        return False

    async def _end(
        self, thread: str, ref: MessageRef, key: str, ended: Callable[[dict[str, Any]], Awaitable[None]]
    ) -> None:
        """End a stream with nothing added. When Slack will not, the caller shall come again: in some minutes it ends
        every stream by itself."""
        args = {"channel": ref.channel, "ts": ref.message, "metadata": marker(key)}
        try:
            await ended(args)
        except SDK_ERRORS as exc:
            if code_of(exc) in _ENDED:
                return
            error = _error(STOP, exc)
            if isinstance(error, SegmentRejected) or type(error) is SurfaceError:  # of nothing at all
                error = SurfaceUnavailable(str(error))
            raise error from exc
        else:
            self._at_work.pop(thread, None)

    def _mark_sent(self, stream: _Stream, text: list[Block] | None, cards: list[Chunk]) -> None:
        stream.outflow.mark_sent(text or [])
        stream.cards.mark_sent(cards)
        stream.size += _size(text or [], cards)
        _keep(self._told, _turn_of(stream.key), stream.cards.told)

    def _forget(self, stream: _Stream) -> None:
        self._live.pop(stream.ref, None)


def _error(method: str, exc: BaseException) -> SurfaceError:
    """What core is to be told; a refusal for a while closes the bucket of the method that was called."""
    error = surface_error(method, exc)
    return RateLimited(str(error), error.retry_after_s, method) if isinstance(error, RateLimited) else error


def _recipient(origin: str, place: Place) -> dict[str, str] | None:
    """Who is written to, as a channel's stream has to say; None if that is not known and has to be."""
    user, _, team = origin.partition("@")
    if user and team:
        return {"recipient_user_id": user, "recipient_team_id": team}
    return {} if _is_direct(place) else None


def _turn_of(key: str) -> str:
    """What the keys of all messages of one Turn have in common, and what their Reply is called in the budget."""
    return key.partition("-")[0]


def _is_direct(place: Place) -> bool:
    return place.channel.startswith("D")


def _below(segment: Segment) -> list[Block]:
    """The blocks below the text of `segment`."""
    _, blocks = message(segment)
    return blocks[len(blocks_of(segment.text)) :]


def _chunks(text: list[Block] | None, cards: list[Chunk]) -> list[Chunk]:
    """Text goes before new cards; a card that is there already changes where it is."""
    return [_chunk(block) for block in text or ()] + cards


def _chunk(block: Block) -> Chunk:
    if block["type"] == "markdown":
        return {"type": "markdown_text", "text": block["text"]}
    return {"type": "blocks", "blocks": [block]}


def _size(text: list[Block], cards: list[Chunk]) -> int:
    """As Slack counts, as far as peers have measured it: the bytes of words, and those of all else as JSON."""
    words = sum(len(str(block["text"]).encode()) for block in text if block["type"] == "markdown")
    others = [_chunk(block) for block in text if block["type"] != "markdown"] + cards
    return words + sum(len(json.dumps(chunk).encode()) for chunk in others)


def _keep(kept: OrderedDict[Any, Any], key: object, value: object) -> None:  # Any: one rule for all of them
    kept[key] = value
    kept.move_to_end(key)
    if len(kept) > _KEPT:
        kept.popitem(last=False)


def _now() -> float:
    return asyncio.get_running_loop().time()
