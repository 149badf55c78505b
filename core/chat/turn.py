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
import json
import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import assert_never

from core.chat import codec, policies, texts
from core.chat.adapter import CommandCall, CommandName
from core.chat.answerer import Answerer, Asker
from core.chat.commands import Commands
from core.chat.compaction import Compactor
from core.chat.costs import cost_of
from core.chat.earlier import read_earlier
from core.chat.files import HandedOver, handed_over, long_answer
from core.chat.journal import Conclusion, Journal
from core.chat.message import Message
from core.chat.policies import BusyPolicies
from core.chat.presence import Presence
from core.chat.progress import Progress
from core.chat.question import Question, Record, place_keys
from core.chat.running import Running
from core.chat.sources import sources_of
from core.chat.speakers import named
from core.chat.steering import Steering
from core.chat.stop import Stop, notice_of, reason_noted
from core.errors import StoreUnavailable
from core.messages import ModelMessage, ModelRequest, UserPromptPart
from core.models.errors import AgentRunError
from core.replies import Controls, Placement, RateBudget, Reply, Standing, Surface, SurfaceError, Uploader, Whisperer
from core.sessions import Begun, Lease, LedgerRow, UsageEntry, places_to
from core.usage import Outcome, increments, today, who_of

log = logging.getLogger(__name__)

MOST_ATTEMPTS = 16
"""A Turn that was begun this often and never ended is given up: it may be what kills its workers. Where processes are
killed for another reason, all that they answered just then counts one attempt more, so this must be well above what bad
luck brings about: with workers that live for five seconds, good Turns of three seconds came to eight in two minutes. A
Turn that does kill its workers is through with it in about as many leases, three minutes.
"""

MOST_FAREWELLS = 2
"""How often a Turn that is given up is tried to be told of; after that it ends unseen, so that the thread goes on."""

NOTE_RUN_EVERY_S = 3.0

STORE_PATIENCE_S = 60.0

COURTESY_S = 3.0

WHISPER_WAIT_S, WHISPER_GAP_S = 10.0, 600
"""How long a person is tried to be told that an answer cannot be shown, and how rarely in one channel."""

THINKING_AFTER_S = 1.5
"""When a person has waited this long without any text, a line says that something is going on."""


@dataclass(frozen=True, slots=True)
class TurnSettings:
    """deadline_s: how long one Turn may take.  history_chars: the most JSON text of history a run is given.
    history_turns: the most finished Turns of it.  shows_reasoning: people see what the model thinks.  has_footer: below
    an answer stand its model, time and cost.  attach_over: an answer of more characters is attached as a file as well,
    0 for never."""

    deadline_s: float = 900.0
    history_chars: int = 400_000
    history_turns: int = 50
    shows_reasoning: bool = False
    has_footer: bool = False
    attach_over: int = 30_000


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
        if self.one_by_one:
            return await lease.begin()
        first_at = newest_at = _now()
        seen = 0
        while waiting := await lease.waiting():
            if len(waiting) != seen:
                seen, newest_at = len(waiting), _now()
            letters = [_letter_or_none(letter.payload) for letter in waiting]
            head = letters[0]
            policy = self.busy.of(head.channel) if isinstance(head, Message) else "queue"
            wait = policies.wait_before(policy, self.busy.merge_pause_s, _now() - newest_at, _now() - first_at)
            if wait <= 0:
                return await lease.begin(waiting[policies.together(policy, letters) - 1].number)
            await asyncio.sleep(wait)
        return None

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
        self._journal = Journal()
        self._noting = asyncio.Lock()  # what is noted last is the newest
        self._running: Running | None = None
        self._files = HandedOver()
        self._given = ""  # history as it was stored, to estimate tokens that a provider did not report
        self._presence = Presence(surface, self._placement, texts.IS_THINKING)
        self._status_due = False  # a quick answer needs no line that says it is coming
        self._started = _now()

    async def run(self) -> None:
        self._journal = self._read_journal()
        await self._note_again()
        if self._tries > MOST_ATTEMPTS + MOST_FAREWELLS:
            log.error("turn.abandoned", extra={"thread_id": self._lease.thread_id, "turn": self._begun.number})
            await self._presence.end(COURTESY_S)
            await self._seal(self._journal.conclusion or Conclusion("", "", "failed"))
            return
        reply = Reply(
            self._surface,
            self._placement,
            self._turns.budget,
            key=self._turn_id,
            controls=Controls(stop=self._turn_id, retry=self._turn_id, rating=self._turn_id),
            posted=self._note_posted,
            standing=self._journal.standing,
            again=self._begun.attempts > 1,
            assured=lambda: _patiently(self._lease.assure),
            stopped=lambda: self._stop.ask("asked"),
        )
        async with asyncio.TaskGroup() as tasks:
            writing = tasks.create_task(reply.run(), name=f"reply:{self._turn_id}")
            writing.add_done_callback(lambda _: self._stop.ask("unseen"))  # before the end: it was turned away for good
            greeting = tasks.create_task(self._greet(reply), name=f"greet:{self._turn_id}")
            present = tasks.create_task(self._be_present(), name=f"presence:{self._turn_id}")
            conclusion = self._journal.conclusion or await self._find_conclusion(reply)
            reply.show(conclusion.draft())
            delivery = await writing
            greeting.cancel()
            present.cancel()
        conclusion = _timed(conclusion, reply.first_text_at, self._started)
        if reply.given_up is not None and reply.given_up.worth_telling:
            await self._whisper(texts.undeliverable(reply.given_up, getattr(reply.refusal, "hint", "")))
        await self._presence.end(COURTESY_S)
        await self._seal(conclusion)
        if self._turns.compactor is not None and conclusion.history:
            sizes = [len(entry) for entry in (*self._begun.history, conclusion.history)]
            self._turns.compactor.consider(self._message, sizes)
        self._log_end(conclusion, delivery)

    async def _whisper(self, text: str) -> None:
        """Tell the person alone what they cannot be told in the thread; at most now and then in one channel."""
        message, surface = self._message, self._surface
        if not isinstance(surface, Whisperer):
            return
        what = f"whisper {message.channel} {message.author.user_id}"
        try:
            async with asyncio.timeout(WHISPER_WAIT_S):
                if await self._lease.once(what, WHISPER_GAP_S):
                    await surface.whisper(self._placement, message.author.user_id, text)
        except (SurfaceError, StoreUnavailable, TimeoutError) as exc:
            log.warning(
                "turn.not_told", extra={"thread_id": self._lease.thread_id, "reason": str(exc) or type(exc).__name__}
            )

    def _read_journal(self) -> Journal:
        """What an earlier attempt noted; a Turn that is answered once more goes on in the messages it had."""
        try:
            journal = Journal.read(json.loads(self._begun.journal or "{}"))
        except ValueError as exc:  # written by another version: begin anew, but look for what was posted
            log.warning(
                "turn.unreadable_journal", extra={"thread_id": self._lease.thread_id, "reason": type(exc).__name__}
            )
            return Journal()
        return (
            journal.taken_over()
            if self._begun.journal
            else journal.with_standing(Standing(self._question.refs, leftovers=self._question.uploads))
        )

    async def _note_posted(self, standing: Standing) -> None:
        new = [ref for ref in standing.refs if ref not in self._journal.refs]
        self._journal = self._journal.with_standing(standing)
        if new:
            self._presence.posted()
        await self._note(place_keys(new))

    async def _note_again(self) -> None:
        """The messages of a Turn that is answered once more belong to this one now."""
        if self._question.instead_of is not None:
            asked = [message.keys[0] for message in self._question.messages]
            await self._note([*asked, *place_keys(self._question.refs)])

    async def _note(self, places: Sequence[str] = ()) -> None:
        """places: messages of the platform that belong to this Turn, for reactions and edits: a nicety."""
        note_places = partial(
            places_to,
            thread_id=self._lease.thread_id,
            number=self._begun.number,
            scope=self._message.scope,
            identities=places,
        )
        async with self._noting:
            if self._running is not None and self._journal.conclusion is None:
                progress = self._running.progress
                self._journal = self._journal.with_run(progress.model, len(progress.text))
            await _patiently(lambda: self._lease.note(self._journal.dump(), note_places))

    async def _note_run(self) -> None:
        """Note now and then how far the run is, so that what it cost is known even if it ends with this process."""
        while True:
            await asyncio.sleep(NOTE_RUN_EVERY_S)
            if self._running is not None and len(self._running.progress.text) > self._journal.written:
                await self._note()

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
        if not progress.body and (anew or not self._journal.refs):  # what an earlier attempt has shown is better
            reply.show(progress.draft())

    async def _find_conclusion(self, reply: Reply) -> Conclusion:
        """Find the answer, and write it down before anybody sees its end."""
        verb = self._question.verb
        if self._tries > MOST_ATTEMPTS:
            conclusion = self._given_up()
        elif verb is not None:
            conclusion = await self._obey(verb)
        else:
            conclusion = await self._run_engine(reply)
        self._journal = self._journal.with_conclusion(conclusion)
        await self._note()
        return conclusion

    def _given_up(self) -> Conclusion:
        self._history()  # for what the runs were given that ended with their processes
        return self._concluded(Progress(model=self._journal.model), "failed", texts.GAVE_UP, remember=False)

    async def _obey(self, verb: CommandName) -> Conclusion:
        message = self._message
        if self._begun.number == 1 and verb in ("stop", "reset"):
            # The command began this thread, so it means the one where this person talks with us, as a slash command.
            call = CommandCall(verb, message.author.user_id, message.scope, message.channel)
            return Conclusion(await self._turns.commands.run(call), "", "answered", reset=verb == "reset")
        match verb:
            case "stop":
                done = int(self._begun.facts.get("stopped_before") or 0) >= self._begun.number
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
        noting = asyncio.create_task(self._note_run(), name=f"noting:{self._turn_id}")
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
        await _patiently(steering.settle)
        self._question = replace(self._question, messages=(*self._question.messages, *steering.taken))
        match ending:
            case "done":
                self._files = await self._handed_over(running.progress)
                return self._answered(running.progress)
            case "stopped":
                return await self._stopped(running.progress)
            case _:
                return self._failed(running.progress, ending)

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

    def _answered(self, progress: Progress) -> Conclusion:
        if not progress.text.strip():
            return self._concluded(progress, "failed", texts.EMPTY_ANSWER, remember=False)
        notice = texts.CUT_BY_LENGTH if progress.was_cut else ""
        return self._concluded(progress, "answered", notice, remember=True)

    async def _stopped(self, progress: Progress) -> Conclusion:
        reason = self._stop.reason
        if reason == "asked":  # or something that was noted beside the wish
            reason = reason_noted(await self._lease.fact("stop_why"), self._begun.number)
        notice = notice_of(reason, self._turns.settings.deadline_s)
        if reason != "withdrawn":
            return self._concluded(progress, "stopped", notice, remember=True)
        shown = bool(progress.text.strip())  # a question that is gone and was not answered yet leaves nothing behind
        return self._concluded(progress, "stopped", notice if shown else "", remember=shown, retry=False)

    def _failed(self, progress: Progress, failure: BaseException) -> Conclusion:
        level = logging.WARNING if isinstance(failure, AgentRunError) else logging.ERROR
        log.log(
            level,
            "turn.failed",
            exc_info=None if isinstance(failure, AgentRunError) else failure,
            extra={
                "thread_id": self._lease.thread_id,
                "turn": self._begun.number,
                "error": type(failure).__name__,
                "reason": str(failure),
            },
        )
        notice = texts.failure(failure, self._turn_id)
        return self._concluded(progress, "failed", notice, texts.worth_remembering(failure))

    def _concluded(
        self, progress: Progress, outcome: Outcome, notice: str, remember: bool, retry: bool = True
    ) -> Conclusion:
        new = progress.new_messages() if remember else []
        asked = self._question.prompt(self._begun.facts.get("starter", ""))
        if not new and remember and outcome == "stopped":  # before it was run at all; it was asked all the same
            new = [ModelRequest(parts=[UserPromptPart(asked)])]
        usage = cost_of(
            self._message,
            progress,
            self._turns.provider,
            outcome,
            self._given + asked,
            self._elapsed(),
            (self._begun.attempts - 1, self._journal.cut_written),  # an attempt that left no conclusion was cut off
        )
        has_answer = bool(progress.text.strip())
        return Conclusion(
            progress.body,
            notice,
            outcome,
            history=codec.dump_turn(new) if new else None,
            usage=usage,
            retry=retry,
            sources="\n\n".join(
                filter(None, [*self._files.lines, sources_of(progress.with_references) if has_answer else ""])
            ),
            footer=texts.footer(usage) if has_answer and self._turns.settings.has_footer else "",
            rating=has_answer and outcome == "answered",
            files=tuple(self._files.files),
        )

    def _elapsed(self) -> float:
        return _now() - self._started

    def _record(self, conclusion: Conclusion) -> str | None:
        """What is kept to answer this Turn once more; "" leaves that of an earlier one, None drops it."""
        if conclusion.reset:
            return None
        if self._question.verb is not None:
            return ""
        if not conclusion.retry:
            return None
        question = self._question
        standing = self._journal.standing
        uploads = tuple(standing.uploads.values())
        return Record(self._begun.number, question.messages, standing.refs, question.context, uploads).dump()

    async def _seal(self, conclusion: Conclusion) -> None:
        usage = conclusion.usage
        day = today().isoformat()
        entry = UsageEntry(usage.scope, day, increments(usage)) if usage else None
        row = LedgerRow(usage.scope, day, who_of(usage)) if usage and conclusion.rating else None
        await _patiently(
            lambda: self._lease.seal(
                self._begun.letters[0],
                ended=conclusion.outcome,
                history=conclusion.history,
                reset=conclusion.reset,
                instead_of=self._question.instead_of,
                record=self._record(conclusion),
                usage=entry,
                rated_in=row,
            )
        )

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
                "segments": len(self._journal.refs),
                "input_tokens": usage.input_tokens if usage else 0,
                "output_tokens": usage.output_tokens if usage else 0,
                "seconds": round(_now() - self._started, 3),
            },
        )


def _letter_or_none(payload: str) -> Message | codec.Again | None:
    try:
        return codec.load_letter(payload)
    except ValueError:
        return None


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
