"""Turn: one request and all we do to answer it, from the Message to the sealed Reply.

    load        history, and the journal of an earlier attempt whose worker died
    answer      run the engine, feed its Deltas to the Reply as Drafts, listen for stop, count the time
    conclude    the final Draft, written into the journal before it is shown: from here on nothing is run again
    show        until every Segment of it is confirmed
    point       a line below it, if it took long and people went on talking
    seal        history, ledger and mailbox in one step

Each step is noted in Redis under the lease, so whoever takes over knows where to go on, in the same messages.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from core.chat import codec, texts
from core.chat.answerer import Answerer, Asker
from core.chat.commands import Commands
from core.chat.compaction import Compactor
from core.chat.conclusions import RunEnd
from core.chat.earlier import read_earlier
from core.chat.files import HandedOver, handed_over, long_answer
from core.chat.joining import begin_joined
from core.chat.journal import Conclusion
from core.chat.manual import manual_of
from core.chat.notes import Notes
from core.chat.orders import obey
from core.chat.patience import patiently
from core.chat.pointing import Line, may_be_missed, point
from core.chat.policies import BusyPolicies
from core.chat.presence import Presence
from core.chat.progress import Progress
from core.chat.question import Question
from core.chat.running import Running
from core.chat.sealing import seal
from core.chat.speakers import named
from core.chat.steering import Steering
from core.chat.stop import Stop, StopReason, reason_noted
from core.chat.whisper import whisper
from core.messages import ModelMessage
from core.models.errors import AgentRunError
from core.replies import Controls, Placement, RateBudget, Reply, Standing, Surface, SurfaceError, Uploader
from core.sessions import Begun, Lease

log = logging.getLogger(__name__)

MOST_ATTEMPTS = 16
"""A Turn that was begun this often and never ended is given up: it may be what kills its workers. Where processes are
killed for another reason, all that they answered just then counts one attempt more, so this must be well above what bad
luck brings about: with workers that live for five seconds, good Turns of three seconds came to eight in two minutes. A
Turn that does kill its workers is through with it in about as many leases, three minutes.
"""

MOST_FAREWELLS = 2
"""How often a Turn that is given up is tried to be told of; after that it ends unseen, so that the thread goes on."""

COURTESY_S = 3.0

THINKING_AFTER_S = 1.5
"""When a person has waited this long without any text, a line says that something is going on."""


@dataclass(frozen=True, slots=True)
class TurnSettings:
    """deadline_s: how long one Turn may take.  history_chars: the most JSON text of history a run is given.
    history_turns: the most finished Turns of it.  shows_reasoning: people see what the model thinks.  has_footer: below
    an answer stand its model, time and cost.  attach_over: an answer of more characters is attached as a file as well,
    0 for never.  point_after_s: a person who wrote below an answer that took longer is led back to it, 0 for never."""

    deadline_s: float = 900.0
    history_chars: int = 400_000
    history_turns: int = 50
    shows_reasoning: bool = False
    has_footer: bool = False
    attach_over: int = 30_000
    point_after_s: float = 30.0


@dataclass(frozen=True, slots=True)
class Turns:
    """Answers Turns, one call each. Holds what all of them share.

    surfaces: by platform.  commands: answers the verbs.  provider: whose prices the model has, "" if not known.
    busy: what becomes of Messages that wait.  compactor: shortens histories that have grown too long, None leaves out
    what is oldest.
    """

    answerer: Answerer
    surfaces: Mapping[str, Surface]
    commands: Commands
    budget: RateBudget
    provider: str = ""
    settings: TurnSettings = field(default_factory=TurnSettings)
    busy: BusyPolicies = field(default_factory=BusyPolicies)
    compactor: Compactor | None = None

    @property
    def one_by_one(self) -> bool:
        """Is every Message a Turn of its own? Then a Turn can be begun without a look at what waits."""
        return not self.busy.may_join

    async def begin(self, lease: Lease) -> Begun | None:
        """Begin the next Turn of a Session, with every Message that is answered in it; None when nothing waits."""
        return await lease.begin() if self.one_by_one else await begin_joined(lease, self.busy)

    async def answer(self, lease: Lease, begun: Begun, stop: Stop, nudged: asyncio.Event | None = None) -> None:
        """Bring the Turn to its sealed end. Raises LeaseLost, StoreUnavailable.

        nudged: set when Messages have come that the running Turn may take in.
        """
        try:
            question = Question.read(begun)
            surface = self.surfaces[lease.thread_id.partition(":")[0]]
        except (ValueError, KeyError) as exc:
            log.error(
                "turn.unreadable", extra={"thread_id": lease.thread_id, "turn": begun.number, "reason": repr(exc)}
            )
            await lease.seal(begun.letters[0], ended="failed", history=None)
            return
        if question is None:
            log.info("turn.not_known_any_more", extra={"thread_id": lease.thread_id, "turn": begun.number})
            await lease.seal(begun.letters[0], ended="failed", history=None)
            return
        await _Attempt(self, lease, begun, question, surface, stop, nudged or asyncio.Event()).run()


class _Attempt:
    """One worker's attempt at one Turn."""

    def __init__(
        self,
        turns: Turns,
        lease: Lease,
        begun: Begun,
        question: Question,
        surface: Surface,
        stop: Stop,
        nudged: asyncio.Event,
    ) -> None:
        self._turns = turns
        self._lease = lease
        self._begun = begun
        self._question = question
        self._message = question.first
        self._surface = surface
        self._stop = stop
        self._nudged = nudged
        self._turn_id = f"{lease.thread_id}#{begun.number}"
        self._tries = begun.attempts - int(begun.facts.get("handed") or 0)  # what was given away has not failed
        self._placement = Placement(self._message.thread_id, self._message.origin)
        self._notes = Notes(lease, begun, question)
        self._running: Running | None = None
        self._given = ""  # history as it was stored, to estimate tokens that a provider did not report
        self._presence = Presence(surface, self._placement, turns.budget, texts.IS_THINKING)
        self._status_due = False  # a quick answer needs no line that says it is coming
        self._started = _now()

    async def run(self) -> None:
        await self._notes.begin()
        if self._tries > MOST_ATTEMPTS + MOST_FAREWELLS:
            log.error("turn.abandoned", extra={"thread_id": self._lease.thread_id, "turn": self._begun.number})
            await self._presence.end(COURTESY_S)
            await self._seal(self._notes.journal.conclusion or Conclusion("", "", "failed"))
            return
        reply = Reply(
            self._surface,
            self._placement,
            self._turns.budget,
            key=self._turn_id,
            controls=Controls(stop=self._turn_id, retry=self._turn_id, rating=self._turn_id),
            posted=self._on_posted,
            standing=self._notes.journal.standing,
            again=self._begun.attempts > 1,
            assured=lambda: patiently(self._lease.assure),
            stopped=lambda: self._stop.ask("asked"),
        )
        async with asyncio.TaskGroup() as tasks:
            writing = tasks.create_task(reply.run(), name=f"reply:{self._turn_id}")
            writing.add_done_callback(lambda _: self._stop.ask("unseen"))  # before the end: it was turned away for good
            greeting = tasks.create_task(self._greet(reply), name=f"greet:{self._turn_id}")
            present = tasks.create_task(self._be_present(), name=f"presence:{self._turn_id}")
            conclusion = self._notes.journal.conclusion or await self._find_conclusion(reply)
            reply.show(conclusion.draft())
            delivery = await writing
            greeting.cancel()
            present.cancel()
        shown_at = time.time()
        conclusion = _timed(conclusion, reply.first_text_at, self._started)
        if reply.given_up is not None and reply.given_up.worth_telling:
            told = texts.undeliverable(reply.given_up, getattr(reply.refusal, "hint", ""))
            await whisper(self._surface, self._placement, self._lease, self._message, told)
        await self._presence.end(COURTESY_S)
        if delivery == "shown":
            await self._point(conclusion, shown_at)
        await self._seal(conclusion)
        if self._turns.compactor is not None and conclusion.history:
            sizes = [len(entry) for entry in (*self._begun.history, conclusion.history)]
            self._turns.compactor.consider(self._message, sizes)
        self._log_end(conclusion, delivery)

    async def _on_posted(self, standing: Standing) -> None:
        if self._notes.new_in(standing):
            self._presence.posted()
        await self._notes.stands(standing)

    async def _point(self, conclusion: Conclusion, shown_at: float) -> None:
        """Lead people back to the answer who have written below it while it grew."""
        journal = self._notes.journal
        if journal.pointer is not None or not journal.refs:
            return
        grew_s, after_s = shown_at - journal.grows_since, self._turns.settings.point_after_s
        if not may_be_missed(conclusion.pointer, grew_s, after_s, has_files=bool(journal.standing.uploads)):
            return
        asker, again = self._message.author.user_id, self._begun.attempts > 1
        line = Line(self._turn_id, journal.refs[-1], conclusion.pointer, asker, again)
        if pointer := await point(self._surface, self._placement, line, self._lease, self._turns.budget):
            await self._notes.pointed(pointer)

    async def _be_present(self) -> None:
        """Make the place ready and show that we are at work there."""
        try:
            await self._surface.open(self._placement)
        except SurfaceError as exc:
            log.info("turn.not_opened", extra={"thread_id": self._lease.thread_id, "reason": str(exc)})
        await self._presence.run()

    async def _greet(self, reply: Reply) -> None:
        """Show a line if there is no text for a while."""
        anew = self._question.instead_of is not None and self._begun.attempts == 1
        if not anew:  # whoever asks once more sees at once that it is being answered
            await asyncio.sleep(THINKING_AFTER_S)
        self._status_due = True
        progress = self._running.progress if self._running else Progress()
        if not progress.body and (anew or not self._notes.journal.refs):  # what an earlier attempt has shown is better
            reply.show(progress.draft())

    async def _find_conclusion(self, reply: Reply) -> Conclusion:
        """Find the answer, and write it down before anybody sees its end."""
        verb = self._question.verb
        if self._tries > MOST_ATTEMPTS:
            conclusion = self._given_up()
        elif verb is not None:
            manual = manual_of(self._surface)
            conclusion = await obey(verb, self._message, self._begun, self._turns.commands, manual)
        else:
            conclusion = await self._run_engine(reply)
        await self._notes.concluded(conclusion)
        return conclusion

    def _given_up(self) -> Conclusion:
        self._history()  # for what the runs were given that ended with their processes
        return self._end(Progress(model=self._notes.journal.model)).given_up()

    async def _run_engine(self, reply: Reply) -> Conclusion:
        """Run the engine until it ends, is stopped or takes too long; take in what is said to it meanwhile."""
        author, starter = self._message.author, self._begun.facts.get("starter", "")
        if self._is_called_in():
            context = await read_earlier(self._surface, self._placement, self._message.keys[0], self._stop)
            self._question = replace(self._question, context=context)
        speaking = [named(message, starter, self._surface) for message in self._question.messages]
        self._question = replace(self._question, messages=tuple(await asyncio.gather(*speaking)))

        def changed() -> None:
            self._presence.show(running.progress.doing)
            if running.progress.has_body or self._status_due:
                reply.grow(running.progress.draft)

        asker = Asker(author.user_id, author.name, self._lease.thread_id)
        progress = Progress(self._turns.settings.shows_reasoning)
        running = self._running = Running(self._turns.answerer, asker, changed, progress)
        steering = Steering(self._lease, running, self._begun.letters[-1].number, starter, self._surface)
        listening = asyncio.create_task(steering.listen(self._nudged), name=f"steering:{self._turn_id}")
        self._notes.progress = running.progress
        noting = asyncio.create_task(self._notes.follow_run(), name=f"noting:{self._turn_id}")
        try:
            ending = await running.finish(
                self._question.prompt(starter),
                self._history(),
                self._stop,
                self._turns.settings.deadline_s,
                self._turn_id,
            )
        finally:
            listening.cancel()
            noting.cancel()
            await asyncio.gather(listening, noting, return_exceptions=True)
        await patiently(steering.settle)
        self._question = replace(self._question, messages=(*self._question.messages, *steering.taken))
        match ending:
            case "done":
                return self._end(running.progress, await self._handed_over(running.progress)).answered()
            case "stopped":
                return self._end(running.progress).stopped(await self._why_stopped(), self._turns.settings.deadline_s)
            case _:
                self._log_failure(ending)
                return self._end(running.progress).failed(ending, self._turn_id)

    def _is_called_in(self) -> bool:
        """Is this the first that we hear of this thread? Then it may have a past that we do not know."""
        return self._begun.number == 1 and self._message.reach == "mention"

    def _history(self) -> list[ModelMessage]:
        """What was said before, without the part of a Turn that is answered once more."""
        turns = list(self._begun.history)
        if self._question.instead_of is not None and self._begun.facts.get("history_of") == str(
            self._question.instead_of
        ):
            turns = turns[:-1]
        settings = self._turns.settings
        self._given = "".join(turns)[-settings.history_chars :]
        return codec.load_history(turns, settings.history_chars, self._lease.thread_id, settings.history_turns)

    async def _handed_over(self, progress: Progress) -> HandedOver:
        """The files of a run that has ended well, and the answer once more as one if it is long."""
        if not isinstance(self._surface, Uploader):
            return HandedOver()
        found = await handed_over(progress.with_files, self._surface.largest_file)
        over = self._turns.settings.attach_over
        if over and len(progress.text) > over:
            found.files.append(long_answer(progress.text))
        return found

    async def _why_stopped(self) -> StopReason | None:
        if self._stop.reason == "asked":  # or something that was noted beside the wish
            return reason_noted(await self._lease.fact("stop_why"), self._begun.number)
        return self._stop.reason

    def _log_failure(self, failure: BaseException) -> None:
        expected = isinstance(failure, AgentRunError)
        log.log(
            logging.WARNING if expected else logging.ERROR,
            "turn.failed",
            exc_info=None if expected else failure,
            extra={
                "thread_id": self._lease.thread_id,
                "turn": self._begun.number,
                "error": type(failure).__name__,
                "reason": str(failure),
            },
        )

    def _end(self, progress: Progress, files: HandedOver | None = None) -> RunEnd:
        return RunEnd(
            progress,
            self._message,
            self._question.prompt(self._begun.facts.get("starter", "")),
            given=self._given,
            seconds=_now() - self._started,
            # an attempt that left no conclusion was cut off
            cut=(self._begun.attempts - 1, self._notes.journal.cut_written),
            provider=self._turns.provider,
            has_footer=self._turns.settings.has_footer,
            files=files or HandedOver(),
        )

    async def _seal(self, conclusion: Conclusion) -> None:
        await seal(self._lease, self._begun, self._question, self._notes.journal, conclusion)

    def _log_end(self, conclusion: Conclusion, delivery: str) -> None:
        usage = conclusion.usage
        log.info(
            "turn.ended",
            extra={
                "thread_id": self._lease.thread_id,
                "turn": self._begun.number,
                "user_id": self._message.author.user_id,
                "outcome": conclusion.outcome,
                "delivery": delivery,
                "attempts": self._begun.attempts,
                "steps": self._running.progress.steps if self._running else 0,
                "segments": len(self._notes.journal.refs),
                "input_tokens": usage.input_tokens if usage else 0,
                "output_tokens": usage.output_tokens if usage else 0,
                "seconds": round(_now() - self._started, 3),
            },
        )


def _timed(conclusion: Conclusion, first_text_at: float | None, started: float) -> Conclusion:
    """The times of a Turn whose answer has just been shown."""
    if conclusion.usage is None:
        return conclusion
    first = first_text_at - started if first_text_at is not None else None
    return replace(conclusion, usage=replace(conclusion.usage, first_text_s=first, seconds=_now() - started))


def _now() -> float:
    return asyncio.get_running_loop().time()
