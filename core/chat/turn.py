"""Turn: one request and all we do to answer it, from the Message to the sealed Reply.

    load        history, and the journal of an earlier attempt whose worker died
    answer      run the engine, feed its Deltas to the Reply as Drafts, listen for stop, count the time
    conclude    the final Draft, written into the journal before it is shown: from here on nothing is run again
    show        until every Segment of it is confirmed
    seal        history, ledger and mailbox in one step

Each step is noted in Redis under the lease, so whoever takes over knows where to go on, in the same messages.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field, replace
from typing import Literal, assert_never, cast

from core.agent.response import RunResponse
from core.chat import codec, texts
from core.chat.adapter import CommandName
from core.chat.answerer import Answerer, Asker
from core.chat.commands import Commands
from core.chat.journal import Conclusion, Journal
from core.chat.message import Message
from core.chat.progress import Progress
from core.chat.verbs import verb_in
from core.errors import StoreUnavailable
from core.messages import ModelMessage
from core.models.errors import AgentRunError
from core.replies import Draft, MessageRef, Placement, RateBudget, Reply, Surface, SurfaceError
from core.sessions import Lease, Letter, UsageEntry
from core.usage import Outcome, Tokens, TurnUsage, increments, price_nano_usd, today

log = logging.getLogger(__name__)

StopReason = Literal["asked", "shutdown", "deadline"]

MOST_ATTEMPTS = 4
"""A Turn that was begun this often and never ended is given up: it may be what kills its workers."""

MOST_FAREWELLS = 2
"""How often a Turn that is given up is tried to be told of; after that it ends unseen, so that the thread goes on."""

STORE_PATIENCE_S = 60.0

COURTESY_S = 3.0

THINKING_AFTER_S = 1.5
"""When a person has waited this long without any text, a line says that something is going on."""


class Stop:
    """Asks one Turn to end early; the first reason counts."""

    def __init__(self) -> None:
        self._asked = asyncio.Event()
        self.reason: StopReason | None = None

    def ask(self, reason: StopReason) -> None:
        if self.reason is None:
            self.reason = reason
            self._asked.set()

    async def wait(self) -> None:
        await self._asked.wait()


@dataclass(frozen=True, slots=True)
class TurnSettings:
    """deadline_s: how long one Turn may take.  history_chars: the most JSON text of history a run is given."""

    deadline_s: float = 900.0
    history_chars: int = 400_000


@dataclass(frozen=True, slots=True)
class Turns:
    """Answers Turns, one call each. Holds what all of them share.

    surfaces: by platform.  commands: answers the verbs.  provider: whose prices the model has, "" if not known.
    """

    answerer: Answerer
    surfaces: Mapping[str, Surface]
    commands: Commands
    budget: RateBudget
    provider: str = ""
    settings: TurnSettings = field(default_factory=TurnSettings)

    async def answer(self, lease: Lease, letter: Letter, stop: Stop) -> None:
        """Bring the Turn of `letter` to its sealed end. Raises LeaseLost, StoreUnavailable."""
        try:
            message = codec.load_message(letter.payload)
            surface = self.surfaces[message.thread_id.partition(":")[0]]
        except (ValueError, KeyError) as exc:
            log.error(
                "turn.unreadable", extra={"thread_id": lease.thread_id, "turn": letter.number, "reason": repr(exc)}
            )
            await lease.seal(letter, ended="failed", history=None)
            return
        await _Attempt(self, lease, letter, message, surface, stop).run()


class _Attempt:
    """One worker's attempt at one Turn."""

    def __init__(
        self, turns: Turns, lease: Lease, letter: Letter, message: Message, surface: Surface, stop: Stop
    ) -> None:
        self._turns = turns
        self._lease = lease
        self._letter = letter
        self._message = message
        self._surface = surface
        self._stop = stop
        self._turn_id = f"{lease.thread_id}#{letter.number}"
        self._placement = Placement(message.thread_id, message.origin)
        self._journal = Journal()
        self._tries = 0
        self._progress = Progress()
        self._given = ""  # history as it was stored, to estimate tokens that a provider did not report
        self._status_due = False  # a quick answer needs no line that says it is coming
        self._started = _now()

    async def run(self) -> None:
        self._journal = (await self._read_journal()).begun()
        await self._note()
        self._tries = self._journal.attempts
        if self._tries > MOST_ATTEMPTS:  # the attempts that were handed over in a deployment are no failed ones
            self._tries -= int(await self._lease.fact("handed") or 0)
        if self._tries > MOST_ATTEMPTS + MOST_FAREWELLS:
            log.error("turn.abandoned", extra={"thread_id": self._lease.thread_id, "turn": self._letter.number})
            await self._seal(self._journal.conclusion or Conclusion("", "", "failed"))
            return
        reply = Reply(
            self._surface,
            self._placement,
            self._turns.budget,
            key=self._turn_id,
            stop=self._turn_id,
            posted=self._note_posted,
            shown=self._journal.refs,
            again=self._journal.attempts > 1,
            assured=lambda: _patiently(self._lease.assure),
        )
        async with asyncio.TaskGroup() as tasks:
            writing = tasks.create_task(reply.run(), name=f"reply:{self._turn_id}")
            greeting = tasks.create_task(self._greet(reply), name=f"greet:{self._turn_id}")
            conclusion = self._journal.conclusion or await self._find_conclusion(reply)
            reply.show(Draft(conclusion.text, notice=conclusion.notice, final=True))
            delivery = await writing
            greeting.cancel()
        conclusion = _timed(conclusion, reply.first_text_at, self._started)
        await self._say_done()
        await self._seal(conclusion)
        self._log_end(conclusion, delivery)

    async def _say_done(self) -> None:
        """Clear the typing line; a platform that does not answer must not hold up the seal."""
        with contextlib.suppress(SurfaceError, TimeoutError):
            async with asyncio.timeout(COURTESY_S):
                await self._surface.status(self._placement, busy=False)

    async def _read_journal(self) -> Journal:
        try:
            return Journal.read(await self._lease.journal())
        except ValueError as exc:  # written by another version: begin anew, but look for what was posted
            log.warning(
                "turn.unreadable_journal", extra={"thread_id": self._lease.thread_id, "reason": type(exc).__name__}
            )
            return Journal(attempts=1)

    async def _note_posted(self, refs: Sequence[MessageRef]) -> None:
        self._journal = self._journal.with_refs(refs)
        await self._note()

    async def _note(self) -> None:
        await _patiently(lambda: self._lease.note(self._journal.dump()))

    async def _greet(self, reply: Reply) -> None:
        """Make the place ready and show that we heard: typing at once, a line if there is no text for a while."""
        try:
            await self._surface.open(self._placement)
            await self._surface.status(self._placement, busy=True)
        except SurfaceError as exc:
            log.info("turn.greeting_failed", extra={"thread_id": self._lease.thread_id, "reason": str(exc)})
        await asyncio.sleep(THINKING_AFTER_S)
        self._status_due = True
        if not self._progress.text and not self._journal.refs:  # what an earlier attempt has shown is better than that
            reply.show(self._progress.draft())

    async def _find_conclusion(self, reply: Reply) -> Conclusion:
        """Find the answer, and write it down before anybody sees its end."""
        verb = verb_in(self._message.text)
        if self._tries > MOST_ATTEMPTS:
            conclusion = Conclusion("", texts.GAVE_UP, "failed")
        elif verb is not None:
            conclusion = await self._obey(verb)
        else:
            conclusion = await self._run_engine(reply)
        self._journal = self._journal.with_conclusion(conclusion)
        await self._note()
        return conclusion

    async def _obey(self, verb: CommandName) -> Conclusion:
        message = self._message
        match verb:
            case "stop":
                done = int(await self._lease.fact("stopped_before") or 0) >= self._letter.number
                return Conclusion(texts.STOP_DONE if done else texts.NOTHING_RUNS, "", "answered")
            case "reset":
                return Conclusion(texts.FORGOTTEN, "", "answered", reset=True)
            case "usage":
                return Conclusion(
                    await self._turns.commands.own_usage(message.scope, message.author.user_id), "", "answered"
                )
            case "help":
                return Conclusion(texts.HELP, "", "answered")
            case _:
                assert_never(verb)

    async def _run_engine(self, reply: Reply) -> Conclusion:
        """Run the engine until it ends, is stopped or takes too long."""
        turns = await self._lease.history()
        history = codec.load_history(turns, self._turns.settings.history_chars, self._lease.thread_id)
        self._given = "".join(turns)[-self._turns.settings.history_chars :]
        consuming = asyncio.create_task(
            self._consume(await self._prompt(), history, reply), name=f"run:{self._turn_id}"
        )
        stopping = asyncio.create_task(self._stop.wait(), name=f"stop:{self._turn_id}")
        try:
            await asyncio.wait(
                {consuming, stopping},
                timeout=self._turns.settings.deadline_s,
                return_when=asyncio.FIRST_COMPLETED,
            )
            if not consuming.done():
                self._stop.ask("deadline")  # unless somebody has asked before
        finally:
            consuming.cancel()
            stopping.cancel()
            await asyncio.gather(consuming, stopping, return_exceptions=True)
        if consuming.cancelled():
            return self._stopped()
        failure = consuming.exception()
        return self._answered() if failure is None else self._failed(failure)

    async def _prompt(self) -> str:
        """The question; in a thread of several people, with the name of whoever did not begin it."""
        author = self._message.author
        if await self._lease.fact("starter") in ("", author.user_id):
            return self._message.text
        return f"[{author.name or author.user_id}] {self._message.text}"

    async def _consume(self, prompt: str, history: list[ModelMessage], reply: Reply) -> None:
        author = self._message.author
        events = self._turns.answerer.run(
            prompt,
            message_history=history or None,
            deps=Asker(author.user_id, author.name, self._lease.thread_id),
            stream=True,
            stream_intermediate_steps=True,
        )
        async with aclosing(cast("AsyncGenerator[RunResponse, None]", events)) as open_events:
            async for event in open_events:
                if self._progress.apply(event, _now()) and (self._progress.text or self._status_due):
                    reply.show(self._progress.draft())

    def _answered(self) -> Conclusion:
        text = self._progress.text
        if not text.strip():
            return self._concluded("failed", texts.EMPTY_ANSWER, remember=False)
        return self._concluded("answered", texts.CUT_BY_LENGTH if self._progress.was_cut else "", remember=True)

    def _stopped(self) -> Conclusion:
        match self._stop.reason:
            case "shutdown":
                notice = texts.STOPPED_BY_RESTART
            case "deadline":
                notice = texts.TOO_LONG.format(minutes=round(self._turns.settings.deadline_s / 60))
            case _:
                notice = texts.STOPPED
        return self._concluded("stopped", notice, remember=True)

    def _failed(self, failure: BaseException) -> Conclusion:
        level = logging.WARNING if isinstance(failure, AgentRunError) else logging.ERROR
        log.log(
            level,
            "turn.failed",
            exc_info=None if isinstance(failure, AgentRunError) else failure,
            extra={
                "thread_id": self._lease.thread_id,
                "turn": self._letter.number,
                "error": type(failure).__name__,
                "reason": str(failure),
            },
        )
        return self._concluded("failed", texts.failure(failure, self._turn_id), texts.worth_remembering(failure))

    def _concluded(self, outcome: Outcome, notice: str, remember: bool) -> Conclusion:
        new = self._progress.new_messages() if remember else []
        return Conclusion(
            self._progress.text,
            notice,
            outcome,
            history=codec.dump_turn(new) if new else None,
            usage=self._usage(outcome),
        )

    def _usage(self, outcome: Outcome) -> TurnUsage:
        progress, message = self._progress, self._message
        used = progress.usage()
        tokens = Tokens(
            used.request_tokens or 0, used.response_tokens or 0, (used.details or {}).get("cached_tokens", 0)
        )
        if not used.request_tokens and progress.text:
            tokens = Tokens.estimated(self._given + self._message.text, progress.text)
        price = price_nano_usd(self._turns.provider, progress.model, tokens.input, tokens.output, tokens.cached)
        return TurnUsage(
            scope=message.scope,
            user=message.author.user_id,
            channel=message.channel,
            model=_model_label(self._turns.provider, progress.model),
            outcome=outcome,
            input_tokens=tokens.input,
            output_tokens=tokens.output,
            estimated=tokens.is_estimate,
            cost_nano_usd=price,
            seconds=_now() - self._started,
            first_text_s=None,
        )

    async def _seal(self, conclusion: Conclusion) -> None:
        usage = conclusion.usage
        entry = UsageEntry(usage.scope, today().isoformat(), increments(usage)) if usage else None
        await _patiently(
            lambda: self._lease.seal(
                self._letter,
                ended=conclusion.outcome,
                history=conclusion.history,
                reset=conclusion.reset,
                usage=entry,
            )
        )

    def _log_end(self, conclusion: Conclusion, delivery: str) -> None:
        usage = conclusion.usage
        log.info(
            "turn.ended",
            extra={
                "thread_id": self._lease.thread_id,
                "turn": self._letter.number,
                "user_id": self._message.author.user_id,
                "outcome": conclusion.outcome,
                "delivery": delivery,
                "attempts": self._journal.attempts,
                "steps": self._progress.steps,
                "segments": len(self._journal.refs),
                "input_tokens": usage.input_tokens if usage else 0,
                "output_tokens": usage.output_tokens if usage else 0,
                "seconds": round(_now() - self._started, 3),
            },
        )


def _model_label(provider: str, model: str) -> str:
    return f"{provider}:{model}" if provider and model and provider != model else model or provider or "unknown"


def _timed(conclusion: Conclusion, first_text_at: float | None, started: float) -> Conclusion:
    """The times of a Turn whose answer has just been shown."""
    if conclusion.usage is None:
        return conclusion
    first = first_text_at - started if first_text_at is not None else None
    return replace(conclusion, usage=replace(conclusion.usage, first_text_s=first, seconds=_now() - started))


async def _patiently(write: Callable[[], Awaitable[object]]) -> None:
    """Wait for a Redis that is away: an answer that people have seen is not given up for a restart of Redis."""
    deadline = _now() + STORE_PATIENCE_S
    while True:
        try:
            await write()
            return
        except StoreUnavailable:
            if _now() > deadline:
                raise
            await asyncio.sleep(1)


def _now() -> float:
    return asyncio.get_running_loop().time()
